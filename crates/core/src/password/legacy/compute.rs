//! The checksum of a password under a legacy setting. The functions are libraries': `bcrypt`, `sha-crypt` (RustCrypto),
//! `crypt3_rs` (apr1), and aws-lc's SHA-1; here are only their texts. Never called for a new password.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64ct::{Base64ShaCrypt, Encoding as _};
use bcrypt::HashParts;
use sha_crypt::Params;
use zeroize::Zeroizing;

use super::super::HashError;
use super::{LegacyForm, Scheme};

/// The order in which SHA-crypt writes the bytes of a digest (SHA-crypt.txt, step 22).
const ORDER_256: [usize; 32] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28, 18, 29, 19, 9, 30,
    31,
];
const ORDER_512: [usize; 64] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8, 50, 51, 30, 9, 10,
    52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58, 37, 38, 17, 59, 60, 39, 18, 19, 61, 40,
    41, 20, 62, 63,
];

impl LegacyForm {
    /// What stands behind `setting` in the text of a hash of this password. Looks at as much of it as the scheme does
    /// ([`LegacyForm::takes`]).
    pub(super) fn checksum(self, setting: &str, password: &[u8]) -> Result<Zeroizing<String>, HashError> {
        let checksum = match self.scheme {
            Scheme::Bcrypt => {
                // The library reads whole hashes.
                let any: HashParts = format!("{setting}{ANY_CHECKSUM}").parse().map_err(|_| HashError)?;
                let parts = bcrypt::hash_with_salt(password, self.cost, any.get_salt_raw()).map_err(|_| HashError)?;
                Zeroizing::new(parts.format_for_version(bcrypt::Version::TwoB)).split_off(BCRYPT_CHECKSUM_AT)
            }
            Scheme::Apr1 => apr1(setting, password)?,
            Scheme::Sha1 => STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, password)),
            Scheme::Sha256Crypt => {
                let (salt, params) = self.sha_crypt(setting)?;
                ordered(&sha_crypt::sha256_crypt(password, salt, params), &ORDER_256)
            }
            Scheme::Sha512Crypt => {
                let (salt, params) = self.sha_crypt(setting)?;
                ordered(&sha_crypt::sha512_crypt(password, salt, params), &ORDER_512)
            }
        };
        Ok(Zeroizing::new(checksum))
    }

    /// The salt of a setting `$id$rounds=N$salt$`, and the rounds.
    fn sha_crypt(self, setting: &str) -> Result<(&[u8], Params), HashError> {
        let salt = setting.split('$').nth(3).ok_or(HashError)?;
        Ok((salt.as_bytes(), Params::new(self.cost).map_err(|_| HashError)?))
    }
}

/// Where the checksum begins in the text of a bcrypt hash.
const BCRYPT_CHECKSUM_AT: usize = "$2b$00$".len() + 22;
/// Of no password.
const ANY_CHECKSUM: &str = "...............................";

#[expect(deprecated, reason = "the library means: not for new passwords")]
fn apr1(setting: &str, password: &[u8]) -> Result<String, HashError> {
    let whole = crypt3_rs::crypt::apr1::hash_with(setting, password).map_err(|_| HashError)?;
    let whole = Zeroizing::new(whole.as_str().to_owned());
    whole.strip_prefix(setting).map(str::to_owned).ok_or(HashError)
}

fn ordered<const N: usize>(bytes: &[u8; N], order: &[usize; N]) -> String {
    Base64ShaCrypt::encode_string(&order.map(|at| bytes[at]))
}
