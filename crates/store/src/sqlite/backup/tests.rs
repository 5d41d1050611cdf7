//! A backup is whole, of one instant, private, verified before it has a name, and never in the way of anybody.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::Login;
use crate::conformance::sample::*;
use crate::sqlite::tests::{open_again, place};

fn by() -> Audit {
    audit("store.backed-up", START)
}

#[tokio::test]
async fn a_backup_opens_as_a_store_and_holds_everything_from_before_it() {
    let (directory, path) = place();
    let store = open_again(&path);
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    store.set_policy("one", &audit("policy.set", START)).await.unwrap();
    let file = directory.path().join("backup.db");
    let backup = store.backup(&file, &by()).await.unwrap();
    assert_eq!(backup.revision, keyfob_core::change::Revision(1));
    assert_eq!(backup.bytes, fs::metadata(&file).unwrap().len());
    let rows = |name: &str| backup.tables.iter().find(|(table, _)| table == name).unwrap().1;
    assert_eq!((rows("users"), rows("sessions"), rows("policies"), rows("meta")), (1, 1, 1, 1));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(&file).unwrap()[18..20], [1, 1], "it is one file, with no log that could stay behind");
    assert_eq!(store.life().await.unwrap().backed_up_at, Some(START));
    assert_eq!(store.audit(1).await.unwrap()[0].event, "store.backed-up");
    let copy = open_again(&file);
    assert!(is_live(&copy, session).await);
    assert_eq!(copy.incarnation(), store.incarnation());
    copy.check().await.unwrap();
}

#[tokio::test]
async fn a_backup_never_overwrites_and_leaves_no_draft() {
    let (directory, path) = place();
    let store = open_again(&path);
    let file = directory.path().join("backup.db");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(store.backup(&file, &by()).await, Err(StoreError::Backup(_))));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let nowhere = directory.path().join("absent/backup.db");
    assert!(matches!(store.backup(&nowhere, &by()).await, Err(StoreError::Backup(_))));
    store.backup(&directory.path().join("another.db"), &by()).await.unwrap();
    let drafts = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let drafts: Vec<_> = drafts.filter(|name| name.to_string_lossy().contains(".part")).collect();
    assert!(drafts.is_empty(), "{drafts:?}");
    assert_eq!(store.life().await.unwrap().backed_up_at, Some(START), "only what was made is recorded");
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_overwritten_either() {
    let (directory, path) = place();
    let _store = open_again(&path);
    let file = directory.path().join("backup.db");
    let draft = Draft::new(&file, [7; 8]).unwrap();
    fs::write(&file, "precious").unwrap();
    assert!(draft.publish(&file).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[tokio::test]
async fn a_copy_that_is_damaged_is_noticed_before_it_gets_its_name() {
    let (directory, path) = place();
    let store = open_again(&path);
    made(&store, "alice").await;
    let file = directory.path().join("backup.db");
    store.backup(&file, &by()).await.unwrap();
    let mut bytes = fs::read(&file).unwrap();
    for page in (2..bytes.len() / 4096).map(|page| page * 4096) {
        bytes[page..page + 64].fill(0x5a);
    }
    fs::write(&file, bytes).unwrap();
    assert!(verify(&file).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_load_hold_all_that_was_acknowledged_before_they_began() {
    let (directory, path) = place();
    let store = open_again(&path);
    let user = made(&store, "alice").await;
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let load = {
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            loop {
                // On a slow machine a thousand sign-ins pass, and the first session would have ended.
                let login = Login { sessions_max: u32::MAX, ..login(&attempt("alice", START), &user) };
                store.record_login(&login).await.unwrap();
                acknowledged.lock().unwrap().push(login.session.id);
            }
        })
    };
    for number in 0..10 {
        while acknowledged.lock().unwrap().len() < number * 10 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        let file = directory.path().join(format!("{number}.db"));
        store.backup(&file, &by()).await.unwrap();
        let copy = open_again(&file);
        for session in before {
            assert!(is_live(&copy, session).await, "a sign-in from before backup {number} is not in it");
        }
    }
    assert!(!load.is_finished(), "the load went on");
    load.abort();
}
