//! The high-water mark: which life of the store was served last with this root key, and the newest revision that was
//! acknowledged on it. A small file beside the root key (`root.key` -> `root.key.mark`, mode 0600), because what it guards
//! against is an older database put back in the database's place (guarantee G6, DESIGN §6).
//!
//! **When it is written.** By the writer, after each COMMIT that raised the revision and before any intention of that
//! commit is answered: one small write in place and one fsync for a whole group of changes. Sign-ins, checks and all else
//! that raises no revision never touch it. So:
//!
//! - it is never ahead of the database: a crash between the two leaves it behind by one commit, and the next start lifts
//!   it. (A number reserved ahead would be cheaper by that fsync and would cry wolf after each crash.)
//! - it is never behind what was acknowledged: **a database that lacks one acknowledged revocation does not open.** That
//!   is the bound, with no window of time in it.
//!
//! **On PostgreSQL** each node has one, and writes it after its feed, apart from any acknowledgement: there it may be behind by
//! what was acknowledged in the last half second before a power cut took all nodes. While one runs it knows it all.
//!
//! **What it cannot see**: a database that lacks only facts which raise no revision (a sign-in, a new user: they are
//! missing, not revived), and a mark that was put back together with the database. Where both live in one directory and
//! are copied as one, only `keyfob restore` makes that safe; keep the root key elsewhere.
//!
//! **Power cuts.** Two slots, each a sector of its own, written in turn and told apart by a counter; a torn one fails its
//! checksum and the other stands. `next` names the life that a restore is about to begin, so that a restore that is cut
//! off at any instant leaves a database, old or new, that opens.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::digest;
use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;

use crate::StoreError;

/// Bytes of a slot: the smallest sector there is, which a disk writes whole or not at all.
const SLOT_BYTES: usize = 512;

/// How a slot begins.
const MAGIC: &str = "keyfob-high-water-1";

/// A life of the store, and a revision in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The life.
    pub incarnation: Incarnation,
    /// The newest revision that is known to have been reached.
    pub revision: Revision,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HighWater {
    /// What was last served.
    pub at: Reached,
    /// What a restore that was under way would have begun.
    pub next: Option<Reached>,
}

impl HighWater {
    /// Read the mark at `path`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::HighWater`] if it cannot be read, or neither slot is whole.
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        Ok(load(path)?.map(|(_, mark)| mark))
    }

    /// Whether a database that has reached `here` is the one that was served last, with nothing missing.
    pub(crate) fn judge(&self, here: Reached) -> Result<(), StoreError> {
        let lives = [Some(self.at), self.next];
        match lives.into_iter().flatten().find(|life| life.incarnation == here.incarnation) {
            None => Err(StoreError::OtherLife),
            Some(life) if here.revision < life.revision => {
                Err(StoreError::RolledBack { found: here.revision.0, mark: life.revision.0 })
            }
            Some(_) => Ok(()),
        }
    }

    /// The highest revision in it.
    pub(crate) fn highest(&self) -> Revision {
        self.next.map_or(self.at.revision, |next| next.revision.max(self.at.revision))
    }

    /// Put this in place of whatever is at `path`, whole or not at all.
    pub(crate) fn replace(self, path: &Path) -> Result<(), StoreError> {
        let put = || {
            let draft = path.with_extension("mark-new");
            match fs::remove_file(&draft) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&slot(0, &self))?;
            file.write_all(&slot(1, &self))?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(crate::directory_of(path))?.sync_all()
        };
        put().map_err(|cause| failed(path, &cause))
    }
}

/// The mark of an open store: raised after commits.
pub(crate) struct Mark {
    file: File,
    counter: u64,
    at: Reached,
}

impl Mark {
    /// Judge a database that has reached `here` by the mark at `path`, lift the mark to it, and keep it open. A mark that
    /// is not there is made: nothing was served with this root key yet, or only by another machine.
    pub(crate) fn admit(path: &Path, here: Reached) -> Result<Self, StoreError> {
        if HighWater::read(path)?.is_none() {
            HighWater { at: here, next: None }.replace(path)?;
        }
        let Some((counter, mark)) = load(path)? else {
            return Err(StoreError::HighWater(format!("{}: it is gone again", path.display())));
        };
        mark.judge(here)?;
        let file = OpenOptions::new().write(true).open(path).map_err(|cause| failed(path, &cause))?;
        let mut open = Self { file, counter, at: mark.at };
        if mark != (HighWater { at: here, next: None }) {
            open.write(here).map_err(|cause| failed(path, &cause))?;
        }
        Ok(open)
    }

    /// Everything up to `revision` is committed. On the disk when this returns.
    pub(crate) fn raise(&mut self, revision: Revision) -> std::io::Result<()> {
        self.write(Reached { revision, ..self.at })
    }

    /// What it says.
    pub(crate) fn at(&self) -> Reached {
        self.at
    }

    /// Say this from here on. On the disk when this returns.
    pub(crate) fn write(&mut self, at: Reached) -> std::io::Result<()> {
        let counter = self.counter + 1;
        let offset = if counter.is_multiple_of(2) { 0 } else { SLOT_BYTES as u64 };
        self.file.write_all_at(&slot(counter, &HighWater { at, next: None }), offset)?;
        self.file.sync_data()?;
        (self.counter, self.at) = (counter, at);
        Ok(())
    }
}

/// The newer of the slots that are whole, with its counter.
fn load(path: &Path) -> Result<Option<(u64, HighWater)>, StoreError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(path, &cause)),
    }
    let newest = bytes.chunks(SLOT_BYTES).filter_map(parse).max_by_key(|(counter, _)| *counter);
    newest.map(Some).ok_or_else(|| StoreError::HighWater(format!("{}: it is damaged", path.display())))
}

/// A slot: words, a checksum, and spaces up to a line end.
fn slot(counter: u64, mark: &HighWater) -> Vec<u8> {
    let reached = |life: &Reached| format!("{:032x} {}", u128::from_be_bytes(life.incarnation.0), life.revision.0);
    let next = mark.next.as_ref().map_or_else(|| "- 0".to_owned(), reached);
    let text = format!("{MAGIC} {counter} {} {next}", reached(&mark.at));
    let mut slot = format!("{text} {}", checksum(&text)).into_bytes();
    slot.resize(SLOT_BYTES - 1, b' ');
    slot.push(b'\n');
    slot
}

fn parse(slot: &[u8]) -> Option<(u64, HighWater)> {
    let (text, sum) = std::str::from_utf8(slot).ok()?.trim_end().rsplit_once(' ')?;
    let words: Vec<&str> = text.split(' ').collect();
    let [MAGIC, counter, incarnation, revision, next, next_revision] = words[..] else { return None };
    if sum != checksum(text) {
        return None;
    }
    let reached = |incarnation: &str, revision: &str| {
        let incarnation = Incarnation(u128::from_str_radix(incarnation, 16).ok()?.to_be_bytes());
        Some(Reached { incarnation, revision: Revision(revision.parse().ok()?) })
    };
    let next = if next == "-" { None } else { Some(reached(next, next_revision)?) };
    Some((counter.parse().ok()?, HighWater { at: reached(incarnation, revision)?, next }))
}

/// Against torn writes, not against people: whoever can write here can write the database too.
fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn failed(path: &Path, cause: &std::io::Error) -> StoreError {
    StoreError::HighWater(format!("{}: {cause}", path.display()))
}
