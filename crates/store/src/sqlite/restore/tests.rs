//! A restore begins a new life, leaves the old store beside, and refuses what is no backup. A database that was put back by
//! hand is noticed. Cutting the program itself is the campaign `restore` of the outside.

use keyfob_core::id::SessionId;
use tempfile::TempDir;

use super::*;
use crate::StoreError as E;
use crate::conformance::sample::*;
use crate::fixture::rng;
use crate::sqlite::{Options, open};

struct Home {
    folder: TempDir,
    by: Audit,
}

impl Home {
    fn new() -> Self {
        let by = audit("store.restored", START + seconds(60));
        Self { folder: tempfile::tempdir().unwrap(), by }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Result<Shared> {
        let mark = Some(self.path("root.key.mark"));
        let options = Options { root_key: key(), fresh_incarnation: [1; 16], mark, rng: rng() };
        open(&self.path("keyfob.db"), options).map(Shared::from)
    }

    fn refusal(&self) -> E {
        self.open().map(|_| ()).unwrap_err()
    }

    /// A store with a user, a session and one change; and a backup of it.
    async fn lived_in(&self) -> SessionId {
        let store = self.open().unwrap();
        let user = made(&store, "alice").await;
        let session = signed_in(&store, &user, START).await;
        store.set_policy("one", &audit("policy.set", START)).await.unwrap();
        store.backup(&self.path("backup.db"), &audit("store.backed-up", START)).await.unwrap();
        session
    }

    fn restore(&self, root_key: &RootKey, file: &str) -> Result<Restored> {
        restore(&self.path(file), &self.path("keyfob.db"), &self.life(root_key, &self.path("root.key.mark")))
    }

    fn accept(&self) -> Result<Restored> {
        accept_rollback(&self.path("keyfob.db"), &self.life(&key(), &self.path("root.key.mark")))
    }

    fn life<'a>(&'a self, root_key: &'a RootKey, mark: &'a Path) -> NewLife<'a> {
        NewLife { root_key, incarnation: [2; 16], mark, date: "20270101T000000Z", by: &self.by }
    }
}

fn key() -> RootKey {
    RootKey::from_bytes([1; 32])
}

#[tokio::test]
async fn a_restore_begins_a_new_life_above_every_revision_and_keeps_the_old_store() {
    let home = Home::new();
    let session = home.lived_in().await;
    let store = home.open().unwrap();
    for text in ["two", "three"] {
        store.set_policy(text, &audit("policy.set", START)).await.unwrap();
    }
    drop(store);
    let restored = home.restore(&key(), "backup.db").unwrap();
    assert_eq!((restored.from, restored.revision, restored.sessions_ended), (Revision(1), Revision(4), 1));
    assert_eq!(restored.kept, Some(home.path("keyfob.db.replaced-20270101T000000Z")));
    let store = home.open().unwrap();
    assert_eq!(store.incarnation(), Incarnation([2; 16]));
    assert_eq!(store.revision().await.unwrap(), Revision(4));
    assert!(!is_live(&store, session).await, "every session has ended");
    assert_eq!(store.policy().await.unwrap().unwrap().text, "one");
    assert_eq!(store.audit(1).await.unwrap()[0].event, "store.restored");
    assert_eq!(store.life().await.unwrap().restored_at, Some(home.by.at));
    store.set_policy("four", &audit("policy.set", START)).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), Revision(5));
    let old = crate::sqlite::tests::open_again(&restored.kept.unwrap());
    assert!(is_live(&old, session).await, "the old store is as it was");
    assert_eq!(old.policy().await.unwrap().unwrap().text, "three");
}

#[tokio::test]
async fn a_database_put_back_by_hand_does_not_open_until_it_is_accepted() {
    let home = Home::new();
    let session = home.lived_in().await;
    let store = home.open().unwrap();
    store.end_session(session, None, &audit("session.ended", START)).await.unwrap();
    drop(store);
    fs::copy(home.path("backup.db"), home.path("keyfob.db")).unwrap();
    assert!(matches!(home.refusal(), E::RolledBack { found: 1, mark: 2 }));
    let accepted = home.accept().unwrap();
    assert_eq!((accepted.sessions_ended, accepted.revision, accepted.kept), (1, Revision(3), None));
    let store = home.open().unwrap();
    assert!(!is_live(&store, session).await);
    assert_eq!(store.incarnation(), Incarnation([2; 16]));
    drop(store);
    assert!(matches!(home.accept(), Err(E::Backup(_))), "there is nothing to accept any more");
    fs::copy(home.path("backup.db"), home.path("keyfob.db")).unwrap();
    assert!(matches!(home.refusal(), E::OtherLife));
}

#[tokio::test]
async fn what_is_no_backup_of_this_installation_is_refused_and_nothing_is_touched() {
    let home = Home::new();
    let session = home.lived_in().await;
    fs::write(home.path("text.db"), "this is no database, whatever its name may say to you here").unwrap();
    fs::write(home.path("empty.db"), "").unwrap();
    let mut damaged = fs::read(home.path("backup.db")).unwrap();
    for page in (2..damaged.len() / 4096).map(|page| page * 4096) {
        damaged[page..page + 64].fill(0x5a);
    }
    fs::write(home.path("damaged.db"), damaged).unwrap();
    fs::copy(home.path("backup.db"), home.path("by-hand.db")).unwrap();
    fs::write(home.path("by-hand.db-wal"), "a log").unwrap();
    for file in ["text.db", "empty.db", "damaged.db", "by-hand.db", "absent.db"] {
        let refusal = home.restore(&key(), file).unwrap_err();
        assert!(matches!(&refusal, E::Backup(text) if text.contains(file)), "{file}: {refusal}");
    }
    let other = home.restore(&RootKey::from_bytes([9; 32]), "backup.db").unwrap_err();
    assert!(matches!(other, E::WrongRootKey), "{other}");
    assert!(is_live(&home.open().unwrap(), session).await);
}

#[tokio::test]
async fn a_damaged_store_is_replaced_and_kept_and_its_log_is_not_read_into_the_new_one() {
    let home = Home::new();
    home.lived_in().await;
    fs::write(home.path("keyfob.db"), "this is no database, whatever its name may say to you here").unwrap();
    fs::write(home.path("keyfob.db-wal"), "its log").unwrap();
    let kept = home.restore(&key(), "backup.db").unwrap().kept.unwrap();
    assert!(fs::read(kept).unwrap().starts_with(b"this is no database"));
    assert!(!home.path("keyfob.db-wal").exists(), "the log of the old one must not be read into the new one");
    home.open().unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_restore_into_an_empty_directory_and_after_one_that_was_cut_off() {
    let home = Home::new();
    home.lived_in().await;
    for name in ["keyfob.db", "root.key.mark"] {
        fs::remove_file(home.path(name)).unwrap();
    }
    for name in ["keyfob.db.restoring", "keyfob.db.restoring-journal", "root.key.mark-new"] {
        fs::write(home.path(name), "left behind").unwrap();
    }
    assert_eq!(home.restore(&key(), "backup.db").unwrap().kept, None);
    home.open().unwrap().check().await.unwrap();
    // A second name that a cut restore left is no copy of the old store.
    fs::hard_link(home.path("keyfob.db"), home.path("keyfob.db.replaced-earlier")).unwrap();
    home.restore(&key(), "backup.db").unwrap();
    assert!(!home.path("keyfob.db.replaced-earlier").exists());
}
