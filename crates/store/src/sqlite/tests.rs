//! `SQLite`'s own promises: what it refuses to open, and what it finds damaged.

mod writing;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::conformance::refresh_tokens::used;
use crate::conformance::sample::*;
use crate::conformance::{conformance_suite, sample, signing_keys};
use crate::fixture::{INCARNATION, rng};

conformance_suite!(fresh);

#[expect(clippy::unused_async, reason = "the suite awaits it: other backends connect")]
async fn fresh() -> (sample::Shared, TempDir) {
    let (directory, path) = place();
    (open_again(&path), directory)
}

/// The store at `path`, under the root key of these tests.
pub(crate) fn open_again(path: &Path) -> sample::Shared {
    Arc::from(open(path, options(1)).unwrap())
}

pub(crate) fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyfob.db");
    (directory, path)
}

fn options(root_key: u8) -> Options {
    Options { root_key: RootKey::from_bytes([root_key; 32]), fresh_incarnation: INCARNATION, mark: None, rng: rng() }
}

fn refusal(path: &Path, root_key: u8) -> StoreError {
    match open(path, options(root_key)) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart() {
    let (_directory, path) = place();
    let store = open_again(&path);
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    signing_keys::begun(&store).await;
    drop(store);
    let second_life = Options { fresh_incarnation: [9; 16], ..options(1) };
    let store: sample::Shared = Arc::from(open(&path, second_life).unwrap());
    assert_eq!(store.incarnation(), Incarnation(INCARNATION));
    assert_eq!(current(&store, &user).await, user);
    assert!(is_live(&store, session).await);
    assert_eq!(store.signing_keys().await.unwrap().len(), 2);
    assert_eq!(*store.doorbell().borrow(), Revision(1));
}

#[tokio::test]
async fn every_file_is_private() {
    let (directory, path) = place();
    let store = open_again(&path);
    made(&store, "alice").await;
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["keyfob.db", "keyfob.db-shm", "keyfob.db-wal"]);
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    open(&path, options(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "made private again");
}

#[test]
fn another_root_key_is_refused() {
    let (_directory, path) = place();
    open(&path, options(1)).unwrap();
    assert!(matches!(refusal(&path, 2), StoreError::WrongRootKey));
    open(&path, options(1)).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let text = "this is a letter to my mother, and it is long enough to be taken for a header ".repeat(20);
    fs::write(&path, &text).unwrap();
    let refusal = refusal(&path, 1);
    assert!(matches!(refusal, StoreError::Corrupt(_)), "{refusal}");
    assert!(refusal.to_string().contains("restore a backup"), "{refusal}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let (_directory, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE letters (text TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let refusal = refusal(&path, 1);
    assert!(refusal.to_string().contains("another program"), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused() {
    let (_directory, path) = place();
    open(&path, options(1)).unwrap();
    let db = Connection::open(&path).unwrap();
    let newer = "INSERT INTO migrations SELECT max(number) + 1, zeroblob(32) FROM migrations";
    db.execute(newer, []).unwrap();
    drop(db);
    let refusal = refusal(&path, 1);
    assert!(matches!(refusal, StoreError::Schema(_)), "{refusal}");
}

#[test]
fn a_directory_that_is_not_there_is_named_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = refusal(&directory.path().join("nowhere").join("keyfob.db"), 1).to_string();
    assert!(refusal.contains("nowhere") && refusal.contains("data directory"), "{refusal}");
}

#[test]
fn commits_are_synced_and_references_enforced() {
    let (_directory, path) = place();
    let db = connection::open(&path).unwrap();
    connection::prepare_to_write(&db).unwrap();
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(pragma("synchronous"), 2, "FULL");
    assert_eq!(pragma("foreign_keys"), 1);
}

#[tokio::test]
async fn a_session_that_goes_takes_all_its_tokens_and_no_others() {
    let (_directory, path) = place();
    let store = open_again(&path);
    let alice = made(&store, "alice").await;
    let bob = made(&store, "bob").await;
    for user in [&alice, &bob] {
        let attempt = reserved(&store, user.username.as_str(), START).await;
        let mut token = login(&attempt, user);
        assert_eq!(store.record_login(&token).await.unwrap(), Saved::Saved);
        for _ in 0..3 {
            let refresh = used(token.refresh, START, user);
            assert!(matches!(store.refresh(&refresh).await.unwrap(), Refreshed::Rotated(_)));
            token.refresh = refresh.successor;
        }
    }
    let db = Connection::open(&path).unwrap();
    let tokens = || db.query_row("SELECT count(*) FROM refresh_tokens", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(tokens(), 8);
    store.delete_user(alice.id, &audit("user.deleted", START)).await.unwrap();
    assert_eq!(tokens(), 4, "hers are gone, his are not");
    store.sweep(START + seconds(100_000)).await.unwrap();
    assert_eq!(tokens(), 0);
}

#[tokio::test]
async fn a_damaged_file_fails_its_check() {
    let (_directory, path) = place();
    let store = open_again(&path);
    for number in 0..200 {
        made(&store, &format!("user{number}")).await;
    }
    store.check().await.unwrap();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    for page in (3..bytes.len() / 4096).map(|page| page * 4096) {
        bytes[page..page + 100].fill(0x5a);
    }
    fs::write(&path, bytes).unwrap();
    let store = open(&path, options(1));
    let Ok(store) = store else { return };
    assert!(store.check().await.is_err());
}

#[tokio::test]
async fn a_wrapped_key_that_was_altered_is_damage() {
    let (_directory, path) = place();
    let store = open_again(&path);
    signing_keys::begun(&store).await;
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE signing_keys SET wrapped = zeroblob(90)", []).unwrap();
    assert!(matches!(store.signing_keys().await, Err(StoreError::Corrupt(_))));
}
