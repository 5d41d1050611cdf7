//! Password hashes of other programs, as `htpasswd` writes them: bcrypt, apr1, SHA-crypt and `{SHA}`. They let users in who
//! come from HTTP Basic, until their first sign-in. What is stored of one is Argon2id over its checksum, so that a thief of
//! the database finds no cheap hash; the functions themselves are libraries', never ours. Nothing is ever hashed this way anew.
//!
//! A sign-in computes one hash of each form that the store still has, whoever it is for and whether or not there is such a
//! user: so its time tells nobody who came from where (SP 800-63B-4 §3.2.2).

mod compute;
mod form;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::Zeroizing;

pub use self::form::{LegacyForm, Scheme};
pub use self::parse::LegacyProblem;
use super::{HashError, Hasher, Password, PasswordHash, Verdict};

/// What a stored text begins with that wraps a legacy hash. Stores find such texts by it: never changed.
const STORED: &str = "legacy:";

/// A password hash of another program.
///
/// ```
/// use keyfob_core::password::{Cost, Hasher, LegacyHash, Password};
///
/// let legacy = LegacyHash::parse("$apr1$abc$.kub6C9IpUJdLZraWLyC4.")?;
/// assert_eq!(legacy.form().to_string(), "apr1md-000001000");
///
/// // What goes into the store tells a thief no more than Argon2id does.
/// let mut hasher = Hasher::new(Cost { memory_kib: 64, passes: 1, lanes: 1 });
/// let stored = hasher.wrap(&legacy, b"sixteen bytes.. ").unwrap();
/// assert!(!stored.expose_phc().contains("kub6C9IpUJdLZraWLyC4"));
/// let verdict = hasher.verify(&Password::parse("pässwörd").unwrap(), &stored).unwrap();
/// assert!(verdict.matches && verdict.rehash);
/// # Ok::<(), keyfob_core::password::LegacyProblem>(())
/// ```
#[derive(Clone)]
pub struct LegacyHash {
    form: LegacyForm,
    // What it was computed with: all of its text before the checksum.
    setting: Box<str>,
    checksum: Zeroizing<String>,
}

impl LegacyHash {
    /// What it costs.
    #[must_use]
    pub fn form(&self) -> LegacyForm {
        self.form
    }
}

impl fmt::Debug for LegacyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyHash(..)")
    }
}

impl PasswordHash {
    /// The form of the legacy hash inside, if there is one.
    #[must_use]
    pub fn legacy_form(&self) -> Option<LegacyForm> {
        Wrapped::read(self).ok().flatten().map(|wrapped| wrapped.form)
    }
}

impl Hasher {
    /// What is stored of a legacy hash: Argon2id over its checksum, with a random salt.
    ///
    /// # Errors
    /// [`HashError`] if the cost is out of range.
    pub fn wrap(&mut self, legacy: &LegacyHash, salt: &[u8; 16]) -> Result<PasswordHash, HashError> {
        let phc = self.hash_bytes(legacy.checksum.as_bytes(), salt)?;
        Ok(PasswordHash::from_phc(format!("{STORED}{}:{}:{}", legacy.form, legacy.setting, phc.expose_phc())))
    }

    /// Compare in constant time, after one legacy hash of each of `forms`: whoever asks gives those that the store has, and
    /// every call then costs the same, whatever is stored. A password that its legacy form would not take whole
    /// ([`LegacyForm::takes`]) never matches: it must not become the one that is kept.
    ///
    /// # Errors
    /// Those of [`Hasher::verify`].
    pub fn verify_among(
        &mut self,
        password: &Password,
        stored: &PasswordHash,
        forms: &[LegacyForm],
    ) -> Result<Verdict, HashError> {
        let wrapped = Wrapped::read(stored)?;
        let own = wrapped.as_ref().map(|wrapped| wrapped.form);
        for form in forms.iter().filter(|form| Some(**form) != own) {
            drop(std::hint::black_box(form.checksum(&form.sample(), password.expose())));
        }
        let Some(Wrapped { form, setting, phc }) = wrapped else {
            return self.verify_bytes(password.expose(), stored.expose_phc());
        };
        let checksum = form.checksum(setting, password.expose())?;
        let verdict = self.verify_bytes(checksum.as_bytes(), phc)?;
        Ok(Verdict { matches: verdict.matches && form.takes(password), rehash: true })
    }
}

/// A stored text that wraps a legacy hash.
struct Wrapped<'s> {
    form: LegacyForm,
    setting: &'s str,
    phc: &'s str,
}

impl<'s> Wrapped<'s> {
    /// None if it wraps nothing.
    fn read(stored: &'s PasswordHash) -> Result<Option<Self>, HashError> {
        let Some(rest) = stored.expose_phc().strip_prefix(STORED) else { return Ok(None) };
        let mut parts = rest.splitn(3, ':');
        let mut part = || parts.next().ok_or(HashError);
        let (form, setting, phc) = (part()?.parse().map_err(|_| HashError)?, part()?, part()?);
        Ok(Some(Self { form, setting, phc }))
    }
}
