//! From the text of a legacy hash to its parts. What cannot be computed exactly, or is too dear, is refused here and never
//! stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{LegacyForm, LegacyHash, Scheme};

/// Dearest bcrypt that is taken: 2^14 rounds are most of a second. Every sign-in pays it while one is in the store.
const BCRYPT_COST_MAX: u32 = 14;
const BCRYPT_COST_MIN: u32 = 4;

/// Most rounds of SHA-crypt that are taken: about a tenth of a second.
const ROUNDS_MAX: u32 = 100_000;
/// Fewest, and those of a text that does not say (SHA-crypt, "rounds=").
const ROUNDS_MIN: u32 = 1000;
const ROUNDS_DEFAULT: u32 = 5000;

/// Rounds of apr1; fixed.
const APR1_ROUNDS: u32 = 1000;

/// Why a text is no legacy hash that can be taken. Never says the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LegacyProblem {
    /// crypt(3) with DES looks at eight characters and has a salt of twelve bits.
    #[error("a DES hash looks at the first 8 characters of a password only")]
    Des,
    /// `$1$`, `$2x$`, `$7$`, `$y$`, `$argon2…`, `{SSHA}` and other schemes.
    #[error("this kind of hash is not supported")]
    Unsupported,
    /// No hash at all; perhaps a password as it is.
    #[error("this is no password hash")]
    NoHash,
    /// The scheme is known, and the text is cut or damaged.
    #[error("the hash is cut or damaged")]
    Damaged,
    /// More than this process computes for anybody.
    #[error("the hash is dearer than bcrypt of cost 14 or 100,000 rounds of SHA-crypt")]
    TooDear,
}

impl LegacyHash {
    /// Read what `htpasswd` writes behind the name.
    ///
    /// # Errors
    /// [`LegacyProblem`].
    pub fn parse(text: &str) -> Result<Self, LegacyProblem> {
        if let Some(checksum) = text.strip_prefix("{SHA}") {
            return sha1(checksum);
        }
        let Some((scheme, rest)) = text.strip_prefix('$').and_then(|rest| rest.split_once('$')) else {
            return Err(unknown(text));
        };
        match scheme {
            "2y" | "2b" | "2a" => bcrypt(rest),
            "apr1" => apr1(rest),
            "5" => sha_crypt(Scheme::Sha256Crypt, "5", 43, rest),
            "6" => sha_crypt(Scheme::Sha512Crypt, "6", 86, rest),
            _ => Err(LegacyProblem::Unsupported),
        }
    }
}

fn unknown(text: &str) -> LegacyProblem {
    if text.starts_with('{') || text.starts_with('_') {
        LegacyProblem::Unsupported
    } else if text.len() == 13 && text.bytes().all(is_crypt) {
        LegacyProblem::Des
    } else {
        LegacyProblem::NoHash
    }
}

fn sha1(checksum: &str) -> Result<LegacyHash, LegacyProblem> {
    let digest = STANDARD.decode(checksum).map(Zeroizing::new).map_err(|_| LegacyProblem::Damaged)?;
    if digest.len() != 20 {
        return Err(LegacyProblem::Damaged);
    }
    Ok(taken(Scheme::Sha1, 1, "{SHA}".to_owned(), checksum))
}

/// `cost $ salt checksum`.
fn bcrypt(rest: &str) -> Result<LegacyHash, LegacyProblem> {
    let (cost, rest) = rest.split_once('$').ok_or(LegacyProblem::Damaged)?;
    let cost = number(cost).filter(|_| cost.len() == 2).ok_or(LegacyProblem::Damaged)?;
    let (salt, checksum) = rest.split_at_checked(22).ok_or(LegacyProblem::Damaged)?;
    // The last character of a salt stands for two bits: others than these four are no bcrypt's.
    let whole = rest.bytes().all(is_crypt) && checksum.len() == 31 && salt.ends_with(['.', 'O', 'e', 'u']);
    if !whole || cost < BCRYPT_COST_MIN {
        return Err(LegacyProblem::Damaged);
    }
    if cost > BCRYPT_COST_MAX {
        return Err(LegacyProblem::TooDear);
    }
    Ok(taken(Scheme::Bcrypt, cost, format!("$2b${cost:02}${salt}"), checksum))
}

/// `salt $ checksum`.
fn apr1(rest: &str) -> Result<LegacyHash, LegacyProblem> {
    let (salt, checksum) = rest.split_once('$').ok_or(LegacyProblem::Damaged)?;
    if !is_salt(salt, 8) || checksum.len() != 22 || !checksum.bytes().all(is_crypt) {
        return Err(LegacyProblem::Damaged);
    }
    Ok(taken(Scheme::Apr1, APR1_ROUNDS, format!("$apr1${salt}$"), checksum))
}

/// `[rounds=N $] salt $ checksum`.
fn sha_crypt(scheme: Scheme, id: &str, length: usize, rest: &str) -> Result<LegacyHash, LegacyProblem> {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        None => (ROUNDS_DEFAULT, rest),
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or(LegacyProblem::Damaged)?;
            (number(rounds).ok_or(LegacyProblem::Damaged)?, rest)
        }
    };
    let (salt, checksum) = rest.split_once('$').ok_or(LegacyProblem::Damaged)?;
    if !is_salt(salt, 16) || checksum.len() != length || !checksum.bytes().all(is_crypt) || rounds < ROUNDS_MIN {
        return Err(LegacyProblem::Damaged);
    }
    if rounds > ROUNDS_MAX {
        return Err(LegacyProblem::TooDear);
    }
    Ok(taken(scheme, rounds, format!("${id}$rounds={rounds}${salt}$"), checksum))
}

fn taken(scheme: Scheme, cost: u32, setting: String, checksum: &str) -> LegacyHash {
    let checksum = Zeroizing::new(checksum.to_owned());
    LegacyHash { form: LegacyForm { scheme, cost }, setting: setting.into(), checksum }
}

/// Decimal digits, of which none is too many for the value.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_salt(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_crypt)
}

/// The alphabet of crypt(3).
fn is_crypt(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/'
}
