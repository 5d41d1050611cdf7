//! What a migrated database must look like: the first steps of this program's list, in its words.

use aws_lc_rs::digest;

use crate::{Result, StoreError};

/// How many of the first steps have run, by what is recorded (number and SHA-256 of each, in order); an error if others have.
pub(crate) fn applied(steps: &[&str], recorded: &[(i64, [u8; 32])]) -> Result<usize> {
    for (place, (number, hash)) in recorded.iter().enumerate() {
        let Some(sql) = steps.get(place) else {
            let text = format!("it has step {number}, and this version ends at {}: use a newer keyfob", steps.len());
            return Err(StoreError::Schema(text));
        };
        if *hash != sha256(sql) {
            let text =
                format!("step {number} differs from this version's: was this database made by a changed keyfob?");
            return Err(StoreError::Schema(text));
        }
    }
    Ok(recorded.len())
}

/// What a step is known by.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}
