//! Opens the store of a data directory: ownership first, then the root key, then the database. The only place that
//! knows which store is in use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfob_core::access_token::SessionTagger;
use keyfob_core::api_key::Mint;
use keyfob_store::root_key::{RootKey, RootKeyError};
use keyfob_store::{Store, StoreError, postgres, sqlite};

use super::{Hold, Problem};
use crate::clock;
use crate::config::{Database, Settings};

/// A store that this process owns.
pub struct OpenStore {
    /// The facts.
    pub store: Arc<dyn Store>,
    /// Seals and opens session ids; its key comes from the root key.
    pub tagger: SessionTagger,
    /// Makes and knows API keys; its key comes from the root key.
    pub mint: Mint,
    /// Ownership of the data directory. Declared last, so that it is given up after the store is closed.
    pub hold: Hold,
}

/// Own the data directory of `settings`, making it and its keys if they are not there, and open the store they name: its
/// own, or the database that nodes share.
///
/// # Errors
/// [`Problem`] with a text an operator can act on.
pub async fn open(settings: &Settings) -> Result<OpenStore, Problem> {
    open_for(settings, Hold::take(&settings.data)?).await
}

/// The same for a directory that is owned already.
///
/// # Errors
/// As [`open`].
pub async fn open_for(settings: &Settings, hold: Hold) -> Result<OpenStore, Problem> {
    match &settings.database {
        None => open_held(hold),
        // Large, and rare.
        Some(database) => Box::pin(open_shared(database, hold)).await,
    }
}

/// Open the database that nodes share. All of them have the same root key.
async fn open_shared(database: &Database, hold: Hold) -> Result<OpenStore, Problem> {
    let place = root_key_file(hold.dir());
    let made = !place.path().exists();
    let root_key = place.load(hold.dir())?;
    let (tagger, mint) = derived(&root_key);
    let (url, direct) = database.urls().map_err(|text| Problem::refused(text).hint("see docs/postgresql.md"))?;
    let options = postgres::Options {
        root_key,
        fresh_incarnation: clock::random(),
        connections: database.connections,
        patience: postgres::PATIENCE,
        direct: direct.map(|url| url.expose().to_owned()),
        mark: Some(place.mark(hold.dir())),
        rng: clock::rng(),
    };
    match postgres::open(url.expose(), options).await {
        Ok(store) => Ok(OpenStore { store: Arc::from(store), tagger, mint, hold }),
        Err(error) => {
            if made && matches!(error, StoreError::WrongRootKey) {
                // The first node made the key of this database; one that was made here would only be in the way of it.
                let _ = std::fs::remove_file(place.path());
            }
            Err(explain_shared(&error))
        }
    }
}

/// What the root key makes beside the sealing of signing keys.
fn derived(root_key: &RootKey) -> (SessionTagger, Mint) {
    (SessionTagger::new(&root_key.derive("session-tag")), Mint::new(&root_key.derive("api-key-tag")))
}

pub(super) fn explain_shared(error: &StoreError) -> Problem {
    let hint = match error {
        StoreError::WrongRootKey => {
            "every node has the same root key: `keyfob root-key export` on one that works, `keyfob root-key import` here"
        }
        StoreError::RolledBack { .. } | StoreError::OtherLife | StoreError::OtherHistory { .. } => {
            "put the right database back, or name it; or, to go on with this one, end all sessions and make what was issued \
             before worthless: `keyfob restore --accept-rollback`"
        }
        StoreError::HighWater(_) => {
            "keyfob must be able to write beside the root key; a damaged mark is replaced by `keyfob restore --accept-rollback`"
        }
        StoreError::Backup(_) => "see docs/postgresql.md",
        StoreError::Moved(_) => "serve it from there; `keyfob move` brings it back, see docs/move.md",
        StoreError::Arriving => "run `keyfob move` again where the store comes from, see docs/move.md",
        StoreError::Schema(_) => {
            "give keyfob a database of its own, and use the keyfob version that wrote it, or a newer one"
        }
        _ => "see that the database is up, and that `database` and `database-password-file` are right",
    };
    Problem::refused(format!("cannot open the database: {error}")).hint(hint)
}

/// Own the data directory `dir`, making it and its keys if they are not there, and open its store.
///
/// # Errors
/// [`Problem`] with a text an operator can act on.
pub fn open_store(dir: &Path) -> Result<OpenStore, Problem> {
    open_held(Hold::take(dir)?)
}

/// Open the store of a directory that is owned already.
///
/// # Errors
/// As [`open_store`].
fn open_held(hold: Hold) -> Result<OpenStore, Problem> {
    let place = root_key_file(hold.dir());
    let root_key = place.load(hold.dir())?;
    let mark = Some(place.mark(hold.dir()));
    let (tagger, mint) = derived(&root_key);
    let options = sqlite::Options { root_key, fresh_incarnation: clock::random(), mark, rng: clock::rng() };
    let path = hold.dir().join("keyfob.db");
    let store = sqlite::open(&path, options).map_err(|error| explain(&path, &error))?;
    Ok(OpenStore { store: Arc::from(store), tagger, mint, hold })
}

/// Where the root key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootKeyFile {
    /// In the data directory; made at first start.
    Own(PathBuf),
    /// Where `KEYFOB_ROOT_KEY_FILE` says; must be there.
    Named(PathBuf),
    /// A systemd credential called `keyfob-root-key`; must be there.
    Credential(PathBuf),
}

/// Where the root key of `dir` is, by this process's environment.
#[must_use]
pub fn root_key_file(dir: &Path) -> RootKeyFile {
    place(dir, std::env::var_os("KEYFOB_ROOT_KEY_FILE"), std::env::var_os("CREDENTIALS_DIRECTORY"))
}

fn place(dir: &Path, named: Option<OsString>, credentials: Option<OsString>) -> RootKeyFile {
    if let Some(path) = named.filter(|path| !path.is_empty()) {
        return RootKeyFile::Named(path.into());
    }
    let credential = credentials.map(|folder| Path::new(&folder).join("keyfob-root-key"));
    match credential.filter(|path| path.exists()) {
        Some(path) => RootKeyFile::Credential(path),
        None => RootKeyFile::Own(dir.join("root.key")),
    }
}

impl RootKeyFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::Named(path) | Self::Credential(path) => path,
        }
    }

    /// Where the high-water mark is kept: beside the key, so that who puts an old data directory back leaves it alone; or
    /// in the data directory, where the key is a credential, which nobody can write beside.
    #[must_use]
    pub fn mark(&self, dir: &Path) -> PathBuf {
        match self {
            Self::Own(path) | Self::Named(path) => {
                let mut mark = path.as_os_str().to_owned();
                mark.push(".mark");
                mark.into()
            }
            Self::Credential(_) => dir.join("high-water.mark"),
        }
    }

    /// The key in it. Only in a directory without a database is a new one made: beside a database it would be the
    /// wrong one, and would hide that the right one is missing.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn load(&self, dir: &Path) -> Result<RootKey, Problem> {
        let missing = !self.path().exists();
        let refused = |error: RootKeyError| Problem::refused(error.to_string());
        match self {
            Self::Credential(path) => RootKey::load_credential(path).map_err(refused),
            Self::Named(path) if missing => {
                Err(Problem::refused(format!("there is no root key file {} (KEYFOB_ROOT_KEY_FILE)", path.display()))
                    .hint("put the key there with `keyfob root-key import`"))
            }
            Self::Own(path) if missing && dir.join("keyfob.db").exists() => {
                Err(Problem::refused(format!("the database is there, but its root key {} is not", path.display()))
                    .hint("bring the key back with `keyfob root-key import`; without it the signing keys are lost"))
            }
            Self::Own(path) | Self::Named(path) => RootKey::load_or_create(path, clock::rng()).map_err(refused),
        }
    }
}

pub(super) fn explain(path: &Path, error: &StoreError) -> Problem {
    let hint = match error {
        StoreError::WrongRootKey => {
            "bring back the root key that was beside this database: `keyfob root-key import`".to_owned()
        }
        StoreError::Corrupt(_) => format!("move {} away and restore it from a backup", path.display()),
        StoreError::Schema(_) => "use the keyfob version that wrote it, or a newer one".to_owned(),
        StoreError::RolledBack { .. } | StoreError::OtherLife | StoreError::OtherHistory { .. } => {
            "to go on with this database, end all sessions and make \
             what was issued before worthless: `keyfob restore --accept-rollback`; or put the right one back"
                .to_owned()
        }
        StoreError::Moved(place) => format!(
            "serve it from there (`database = \"{place}\"`); `keyfob move --to sqlite` brings it back, and \
            `keyfob restore --accept-rollback` makes another life of what was left here; see docs/move.md"
        ),
        StoreError::Arriving => format!(
            "run `keyfob move` again, or, if the store is served where it was, remove {}; see docs/move.md",
            path.with_extension("db.arriving").display()
        ),
        StoreError::Move(_) => "see docs/move.md".to_owned(),
        StoreError::HighWater(_) => "keyfob must be able to write beside the root key".to_owned(),
        StoreError::Backup(_) => "see docs/backup.md".to_owned(),
        StoreError::Unavailable(_) => "check that the disk has room and that this user can write there".to_owned(),
    };
    Problem::refused(format!("cannot open {}: {error}", path.display())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_root_key_goes_before_a_credential_and_both_before_the_directorys_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Path::new("d");
        assert_eq!(place(dir, None, None), RootKeyFile::Own("d/root.key".into()));
        assert_eq!(place(dir, Some("".into()), Some(folder.path().into())), RootKeyFile::Own("d/root.key".into()));
        let credential = folder.path().join("keyfob-root-key");
        std::fs::write(&credential, "x").expect("written");
        assert_eq!(place(dir, None, Some(folder.path().into())), RootKeyFile::Credential(credential.clone()));
        assert_eq!(RootKeyFile::Own("d/root.key".into()).mark(dir), Path::new("d/root.key.mark"));
        assert_eq!(RootKeyFile::Named("/k/key".into()).mark(dir), Path::new("/k/key.mark"));
        assert_eq!(RootKeyFile::Credential(credential.clone()).mark(dir), Path::new("d/high-water.mark"));
        assert_eq!(place(dir, Some("k".into()), Some(folder.path().into())), RootKeyFile::Named("k".into()));
    }

    #[test]
    fn a_missing_root_key_beside_a_database_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("keyfob.db"), "x").expect("written");
        let own = RootKeyFile::Own(folder.path().join("root.key"));
        let problem = own.load(folder.path()).map(|_| ()).expect_err("refused");
        assert!(problem.message.contains("its root key"), "{problem}");
        assert!(!folder.path().join("root.key").exists());
    }
}
