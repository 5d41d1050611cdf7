//! Argon2id (RFC 9106) in memory that is kept from call to call; stored as PHC strings. The algorithm and the PHC
//! syntax are the argon2 crate's; here are the limits, the memory, and the comparison in constant time. Never
//! computes a stored hash that is dearer than the limits, never accepts Argon2d, Argon2i or version 16.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::{Zeroize, Zeroizing};

use super::Password;

/// Most memory a stored hash may ask for, in KiB: 1 GiB. One row must not exhaust the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Most passes a stored hash may ask for: at the default memory some 0.4 s.
const PASSES_MAX: u32 = 64;

/// Most lanes a stored hash may ask for: they are computed one after the other.
const LANES_MAX: u32 = 16;

/// Least memory of a lane, in KiB (RFC 9106 §3.1: 8 blocks of 1 KiB).
const LANE_KIB_MIN: u32 = 8;

/// Length of a new hash, in bytes (RFC 9106 §4 uses 256 bits).
const HASH_BYTES: usize = 32;

/// Shortest stored hash that is compared, in bytes: 128 bits. The PHC syntax bounds it at 64.
const HASH_BYTES_MIN: usize = 16;

/// Length of a new salt, in bytes (RFC 9106 §3.1). The PHC syntax takes 8 to 48 from elsewhere.
const SALT_BYTES: usize = 16;

/// A stored password: an Argon2id PHC string. No `Display`; `Debug` prints the kind.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Wrap a PHC string read from a store.
    #[must_use]
    pub fn from_phc(phc: String) -> Self {
        Self(Zeroizing::new(phc))
    }

    /// The PHC string, for a store.
    #[must_use]
    pub fn expose_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Argon2id cost: RFC 9106 parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Memory in KiB (default 19,456; range 8 for each lane to 1,048,576).
    pub memory_kib: u32,
    /// Passes (default 2; range 1 to 64).
    pub passes: u32,
    /// Lanes (default 1; range 1 to 16).
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// Whether any parameter of this cost is below the same one of `other`.
    fn is_below(self, other: Self) -> bool {
        self.memory_kib < other.memory_kib || self.passes < other.passes || self.lanes < other.lanes
    }

    /// The parameters for a hash of `hash_bytes`, if each is in its range.
    fn params(self, hash_bytes: usize) -> Result<Params, HashError> {
        let in_range = (1..=LANES_MAX).contains(&self.lanes)
            && (1..=PASSES_MAX).contains(&self.passes)
            && (LANE_KIB_MIN * self.lanes..=MEMORY_KIB_MAX).contains(&self.memory_kib);
        if !in_range {
            return Err(HashError);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(hash_bytes)).map_err(|_| HashError)
    }
}

/// The answer of [`Hasher::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the stored hash is cheaper than today's cost and should be replaced after a match.
    pub rehash: bool,
}

/// The stored hash is damaged, or dearer than this process accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored password hash cannot be computed")]
pub struct HashError;

/// Hashes with memory of its own, reused from call to call. One per hashing thread.
///
/// The memory is wiped after each hash: its first blocks would let a guess be tested for the price of a `BLAKE2b`.
/// (Figures in `docs/decisions/argon2id.md`.)
///
/// ```
/// use keyfob_core::password::{Cost, Hasher, Password};
///
/// let mut hasher = Hasher::new(Cost { memory_kib: 64, passes: 1, lanes: 1 });
/// let password = Password::parse("cobalt teapot fjord").unwrap();
/// let stored = hasher.hash(&password, b"sixteen bytes.. ")?;
/// assert!(stored.expose_phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
/// assert!(hasher.verify(&password, &stored)?.matches);
/// assert!(!hasher.verify(&Password::parse("cobalt teapot fiord").unwrap(), &stored)?.matches);
///
/// // A process that asks for more says so, and the hash is replaced after the next sign-in.
/// assert!(Hasher::new(Cost::default()).verify(&password, &stored)?.rehash);
/// # Ok::<(), keyfob_core::password::HashError>(())
/// ```
pub struct Hasher {
    cost: Cost,
    memory: Vec<Block>,
}

impl Hasher {
    /// A hasher at this cost; allocates its memory once, at the first hash.
    #[must_use]
    pub fn new(cost: Cost) -> Self {
        Self { cost, memory: Vec::new() }
    }

    /// Hash a new password with a random salt.
    ///
    /// # Errors
    /// [`HashError`] if the cost is out of range.
    pub fn hash(&mut self, password: &Password, salt: &[u8; SALT_BYTES]) -> Result<PasswordHash, HashError> {
        self.hash_bytes(password.expose(), salt)
    }

    /// The same of any bytes.
    pub(super) fn hash_bytes(&mut self, bytes: &[u8], salt: &[u8; SALT_BYTES]) -> Result<PasswordHash, HashError> {
        let params = self.cost.params(HASH_BYTES)?;
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        self.compute(params.clone(), bytes, salt, hash.as_mut())?;
        let stored = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: params.try_into().map_err(|_| HashError)?,
            salt: Some(phc::Salt::new(salt).map_err(|_| HashError)?),
            hash: Some(phc::Output::new(hash.as_ref()).map_err(|_| HashError)?),
        };
        Ok(PasswordHash::from_phc(stored.to_string()))
    }

    /// Compare in constant time.
    ///
    /// # Errors
    /// [`HashError`] if the stored hash is damaged, is not Argon2id version 19 (alone, or around a legacy hash), or asks for
    /// more than 1 GiB, 64 passes or 16 lanes: nothing is computed then.
    pub fn verify(&mut self, password: &Password, stored: &PasswordHash) -> Result<Verdict, HashError> {
        self.verify_among(password, stored, &[])
    }

    /// Compare any bytes with a PHC string.
    pub(super) fn verify_bytes(&mut self, bytes: &[u8], stored: &str) -> Result<Verdict, HashError> {
        let parsed = phc::PasswordHash::new(stored).map_err(|_| HashError)?;
        let cost = cost_of(&parsed)?;
        let (salt, expected) = (parsed.salt.ok_or(HashError)?, parsed.hash.ok_or(HashError)?);
        if expected.len() < HASH_BYTES_MIN {
            return Err(HashError);
        }
        let mut buffer = Zeroizing::new([0; phc::Output::MAX_LENGTH]);
        let hash = buffer.get_mut(..expected.len()).ok_or(HashError)?;
        self.compute(cost.params(expected.len())?, bytes, &salt, hash)?;
        Ok(Verdict {
            matches: verify_slices_are_equal(hash, expected.as_bytes()).is_ok(),
            rehash: cost.is_below(self.cost) || salt.len() < SALT_BYTES || expected.len() < HASH_BYTES,
        })
    }

    /// Fill `hash`. Memory beyond this hasher's own cost is given back afterwards.
    fn compute(&mut self, params: Params, password: &[u8], salt: &[u8], hash: &mut [u8]) -> Result<(), HashError> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.try_reserve_exact(blocks - self.memory.len()).map_err(|_| HashError)?;
            self.memory.resize(blocks, Block::new());
        }
        let memory = self.memory.get_mut(..blocks).ok_or(HashError)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let computed = argon2.hash_password_into_with_memory(password, salt, hash, &mut *memory);
        memory.iter_mut().for_each(Zeroize::zeroize);
        let own = self.cost.params(HASH_BYTES).map_or(0, |own| own.block_count());
        if blocks > own {
            self.memory.truncate(own);
            self.memory.shrink_to_fit();
        }
        computed.map_err(|_| HashError)
    }
}

/// What the tests look at from outside.
#[cfg(test)]
impl Hasher {
    pub(super) fn memory_blocks(&self) -> usize {
        self.memory.len()
    }

    pub(super) fn memory_address(&self) -> *const Block {
        self.memory.as_ptr()
    }

    pub(super) fn memory_is_untouched(&self) -> bool {
        self.memory.capacity() == 0
    }

    pub(super) fn memory_is_wiped(&self) -> bool {
        self.memory.iter().all(|block| block.as_ref().iter().all(|&word| word == 0))
    }
}

/// A stored hash that nobody has the password of: what a sign-in with an unknown username is verified against, so
/// that it costs what a known one costs. `random` must be fresh at each start of the process.
///
/// It is made by [`Hasher::hash`] like every other, so it can never be refused for its form and answer early
/// (CVE-2025-6011). A user whose stored hash is older than a raise of `cost` is cheaper than it, until the next sign-in.
///
/// # Errors
/// [`HashError`] if the cost is out of range.
pub fn dummy_hash(cost: Cost, random: &[u8; 32]) -> Result<PasswordHash, HashError> {
    let (salt, secret) = random.split_at(SALT_BYTES);
    let salt = salt.try_into().map_err(|_| HashError)?;
    // One code point for each random byte: any text that has the 128 bits will do.
    let password = Password::parse(&Zeroizing::new(secret.iter().map(|&byte| char::from(byte)).collect::<String>()));
    Hasher::new(cost).hash(&password.map_err(|_| HashError)?, salt)
}

/// The cost of a stored hash: exactly `m`, `t` and `p`, of Argon2id version 19. Not yet judged for its range.
fn cost_of(stored: &phc::PasswordHash) -> Result<Cost, HashError> {
    let version = stored.version.ok_or(HashError)?;
    if stored.algorithm != ARGON2ID_IDENT || version != u32::from(Version::V0x13) {
        return Err(HashError);
    }
    let mut params = stored.params.iter();
    let mut decimal = |name: &str| match params.next() {
        Some((ident, value)) if ident.as_str() == name => value.decimal().map_err(|_| HashError),
        _ => Err(HashError),
    };
    let cost = Cost { memory_kib: decimal("m")?, passes: decimal("t")?, lanes: decimal("p")? };
    if params.next().is_some() { Err(HashError) } else { Ok(cost) }
}
