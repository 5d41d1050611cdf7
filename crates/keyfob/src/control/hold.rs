//! `DIR/lock`: one process owns the store at a time (DESIGN §6). The lock is the kernel's, so it dies with its owner;
//! the file's text only says who that is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Problem;

/// Ownership of a data directory, until dropped.
#[derive(Debug)]
pub struct Hold {
    dir: PathBuf,
    _lock: File,
}

/// Whether the directory could be had.
pub(super) enum Taken {
    /// It is ours.
    Ours(Hold),
    /// Another process has it: its id, if it has been written yet.
    Theirs(Option<u32>),
}

/// How long a starting server waits for a command that is at work, in steps of [`STEP`].
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);

impl Hold {
    /// Make the directory if need be (mode 0700), and own it. Waits two seconds for a passing command.
    ///
    /// # Errors
    /// [`Problem`] if it cannot be made or written, or names the process that owns it.
    pub fn take(dir: &Path) -> Result<Self, Problem> {
        let mut left = PATIENCE;
        loop {
            match Self::attempt(dir)? {
                Taken::Ours(hold) => return Ok(hold),
                Taken::Theirs(holder) if left.is_zero() => return Err(owned(dir, holder)),
                Taken::Theirs(_) => {
                    std::thread::sleep(STEP);
                    left = left.saturating_sub(STEP);
                }
            }
        }
    }

    /// The directory that is owned.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Own the directory if nobody does.
    pub(super) fn attempt(dir: &Path) -> Result<Taken, Problem> {
        Self::lock(dir, "lock")
    }

    /// Be the only move of this directory's store, with no restore beside it. Its server may run meanwhile.
    ///
    /// # Errors
    /// [`Problem`] if another one is under way.
    pub(super) fn of_moves(dir: &Path) -> Result<Self, Problem> {
        match Self::lock(dir, "move.lock")? {
            Taken::Ours(hold) => Ok(hold),
            Taken::Theirs(holder) => {
                let who = holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                Err(Problem::refused(format!("the store of {} is being moved, or restored, by {who}", dir.display()))
                    .hint("wait until that has ended, or end it: a move that was cut off is run again"))
            }
        }
    }

    fn lock(dir: &Path, name: &str) -> Result<Taken, Problem> {
        let unusable = |cause: std::io::Error| {
            Problem::refused(format!("cannot use the data directory {}: {cause}", dir.display()))
                .hint("give a directory that this user can write with `--data`")
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        let path = dir.join(name);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // The file is written: a link that somebody put there must not choose which one.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder may be writing this very moment; then it has no name yet.
                let read = lock.take(16).read_to_string(&mut text);
                return Ok(Taken::Theirs(read.ok().and_then(|_| text.trim().parse().ok())));
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Taken::Ours(Self { dir: dir.to_path_buf(), _lock: lock }))
    }
}

/// The process that owns `dir` right now, if one does; looks, and takes nothing for longer than that.
#[must_use]
pub fn owner(dir: &Path) -> Option<u32> {
    let lock = File::open(dir.join("lock")).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            lock.take(16).read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        }
        _ => None,
    }
}

/// The refusal of a directory that another process owns.
pub(super) fn owned(dir: &Path, holder: Option<u32>) -> Problem {
    let who = holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    Problem::refused(format!("the data directory {} is in use by {who}", dir.display()))
        .hint("stop that keyfob first, or give this one another directory with `--data`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_a_link_is_refused_and_what_it_points_to_is_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
        std::fs::create_dir(&dir).expect("made");
        std::fs::write(&elsewhere, "precious").expect("written");
        std::os::unix::fs::symlink(&elsewhere, dir.join("lock")).expect("linked");
        assert!(Hold::take(&dir).is_err());
        assert_eq!(std::fs::read_to_string(elsewhere).expect("read"), "precious");
    }
}
