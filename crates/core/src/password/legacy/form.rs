//! What kind of legacy hash, at which cost: all that decides how long computing one takes. Its text is what stores know it
//! by, 16 characters long. Never says whose it is.

use std::fmt;
use std::str::FromStr;

use super::super::{HashError, Password};

/// Longest password that bcrypt looks at, in bytes; what follows is ignored by it.
const BCRYPT_BYTES_MAX: usize = 72;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `$2y$`, `$2b$` and `$2a$`, which are one function.
    Bcrypt,
    /// `$apr1$`: Apache's variant of MD5-crypt.
    Apr1,
    /// `{SHA}`: SHA-1 of the password, with no salt.
    Sha1,
    /// `$5$`: SHA-crypt with SHA-256.
    Sha256Crypt,
    /// `$6$`: SHA-crypt with SHA-512.
    Sha512Crypt,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Bcrypt, Self::Apr1, Self::Sha1, Self::Sha256Crypt, Self::Sha512Crypt];

    /// Six letters, in every store: never changed.
    fn name(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Apr1 => "apr1md",
            Self::Sha1 => "sha1-1",
            Self::Sha256Crypt => "sha256",
            Self::Sha512Crypt => "sha512",
        }
    }
}

/// A scheme and its cost.
///
/// ```
/// use keyfob_core::password::LegacyForm;
///
/// let form: LegacyForm = "bcrypt-000000010".parse().unwrap();
/// assert_eq!(form.words(), "bcrypt of cost 10");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyForm {
    /// Which function.
    pub scheme: Scheme,
    /// bcrypt: the power of two of its rounds. SHA-crypt: its rounds. The others have one cost.
    pub cost: u32,
}

impl LegacyForm {
    /// Most forms that a store may have at once: every sign-in computes one hash of each.
    pub const MAX: usize = 8;

    /// Whether this form looks at the whole of a password. bcrypt takes 72 bytes; none tells what follows a NUL for sure.
    #[must_use]
    pub fn takes(self, password: &Password) -> bool {
        let bytes = password.expose();
        !bytes.contains(&0) && (self.scheme != Scheme::Bcrypt || bytes.len() <= BCRYPT_BYTES_MAX)
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> String {
        let cost = self.cost;
        match self.scheme {
            Scheme::Bcrypt => format!("bcrypt of cost {cost}"),
            Scheme::Apr1 => "apr1".to_owned(),
            Scheme::Sha1 => "{SHA}".to_owned(),
            Scheme::Sha256Crypt => format!("SHA-crypt $5$ of {cost} rounds"),
            Scheme::Sha512Crypt => format!("SHA-crypt $6$ of {cost} rounds"),
        }
    }

    /// A setting of this form that is nobody's.
    pub(super) fn sample(self) -> String {
        let salt = "......................";
        match self.scheme {
            Scheme::Bcrypt => format!("$2b${:02}${salt}", self.cost),
            Scheme::Apr1 => format!("$apr1${}$", &salt[..8]),
            Scheme::Sha1 => "{SHA}".to_owned(),
            Scheme::Sha256Crypt => format!("$5$rounds={}${}$", self.cost, &salt[..16]),
            Scheme::Sha512Crypt => format!("$6$rounds={}${}$", self.cost, &salt[..16]),
        }
    }
}

impl fmt::Display for LegacyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:09}", self.scheme.name(), self.cost)
    }
}

impl FromStr for LegacyForm {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let (name, cost) = text.split_at_checked(6).ok_or(HashError)?;
        let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name).ok_or(HashError)?;
        let cost = cost.strip_prefix('-').filter(|cost| cost.len() == 9).ok_or(HashError)?;
        Ok(Self { scheme, cost: cost.parse().map_err(|_| HashError)? })
    }
}
