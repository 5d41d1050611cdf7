//! When `SQLite` commits, what a commit survives, and what a failed one means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Holds the writer up until the sender sends.
async fn held_up(store: &Arc<Sqlite>) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (started, start) = oneshot::channel();
    let blocker = tokio::spawn({
        let store = Arc::clone(store);
        async move {
            let work = move |_: &mut writer::Transaction<'_>| {
                let _ = started.send(());
                let _ = held.recv();
                Ok(())
            };
            store.writer.write(work).await
        }
    });
    start.await.unwrap();
    (release, blocker)
}

/// Hands in `count` policies while the writer is held up, so that they are all waiting when it comes back.
async fn handed_in_together(store: &Arc<Sqlite>, count: usize) -> Vec<Result<Changed>> {
    let (release, blocker) = held_up(store).await;
    let mut calls = Vec::new();
    for number in 0..count {
        let (text, by) = (format!("policy {number}"), audit("policy.set", START));
        let store = Arc::clone(store);
        calls.push(Box::pin(async move { store.set_policy(&text, &by).await }));
    }
    // Polled once each: handed in, in order; all of them in one turn of this task, so without the runtime's budget.
    for call in &mut calls {
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context)));
        let pending = tokio::task::unconstrained(polled).await;
        assert!(pending.is_pending());
    }
    release.send(()).unwrap();
    blocker.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intentions_that_wait_together_share_a_commit() {
    let (_directory, path) = place();
    let store = Arc::new(Sqlite::open(&path, options(1)).unwrap());
    let before = store.writer.commits();
    let answers = handed_in_together(&store, 300).await;
    let revisions: Vec<_> = answers.into_iter().map(|answer| revision_of(answer.unwrap()).0).collect();
    assert_eq!(revisions, (1..=300).collect::<Vec<_>>(), "each has a revision of its own");
    assert_eq!(store.writer.commits() - before, 3, "one to hold it up, 256, and 44");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_synced_unless_nobody_in_it_needs_that() {
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;
    fn synchronous(transaction: &mut writer::Transaction<'_>) -> Outcome<i64> {
        Ok(transaction.db().pragma_query_value(None, "synchronous", |row| row.get(0))?)
    }
    let (_directory, path) = place();
    let store = Arc::new(Sqlite::open(&path, options(1)).unwrap());
    for _ in 0..3 {
        assert_eq!(store.writer.note(synchronous).await.unwrap(), NORMAL);
        assert_eq!(store.writer.write(synchronous).await.unwrap(), FULL);
    }
    let (release, blocker) = held_up(&store).await;
    // Each is handed in when it is first polled, and they are polled in this order.
    let (note, write, ()) = tokio::join!(store.writer.note(synchronous), store.writer.write(synchronous), async {
        release.send(()).unwrap();
    });
    blocker.await.unwrap().unwrap();
    let (note, write) = (note.unwrap(), write.unwrap());
    assert_eq!((note, write), (FULL, FULL), "in one transaction the one that needs it decides");
}

#[tokio::test]
async fn an_intention_that_fails_takes_nobody_with_it() {
    let (_directory, path) = place();
    let store = Arc::new(Sqlite::open(&path, options(1)).unwrap());
    let by = audit("policy.set", START);
    let half_done = |transaction: &mut writer::Transaction<'_>| -> Outcome<Changed> {
        policies::set(transaction, "half done", &audit("policy.set", START))?;
        Err(failure::corrupt("on second thoughts"))
    };
    let (first, failed, last) =
        tokio::join!(store.set_policy("one", &by), store.writer.write(half_done), store.set_policy("two", &by));
    assert_eq!(revision_of(first.unwrap()), Revision(1));
    assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
    assert_eq!(revision_of(last.unwrap()), Revision(2), "what failed left no gap");
    assert_eq!(store.policy().await.unwrap().unwrap().version, 2, "and no row");
    assert_eq!(store.changes_since(Revision(0)).await.unwrap().len(), 2);
    assert_eq!(store.audit(10).await.unwrap().len(), 2);
}

/// A store whose commits fail while the switch is on.
fn with_failing_commits(path: &Path) -> (Arc<Sqlite>, Arc<AtomicBool>) {
    let failing = Arc::new(AtomicBool::new(false));
    let mut db = connection::open(path).unwrap();
    let hook = Arc::clone(&failing);
    db.commit_hook(Some(move || hook.load(Ordering::SeqCst))).unwrap();
    (Arc::new(Sqlite::start(db, path, options(1)).unwrap()), failing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_answers_nobody_and_closes_the_store() {
    let (_directory, path) = place();
    let (store, failing) = with_failing_commits(&path);
    let mut doorbell = store.doorbell();
    let shared: sample::Shared = Arc::clone(&store) as _;
    let user = made(&shared, "alice").await;
    failing.store(true, Ordering::SeqCst);
    let by = audit("policy.set", START);
    let (one, two) = tokio::join!(store.set_policy("one", &by), store.delete_user(user.id, &by));
    assert!(matches!(one, Err(StoreError::Unavailable(_))), "{one:?}");
    assert!(matches!(two, Err(StoreError::Unavailable(_))), "{two:?}");
    failing.store(false, Ordering::SeqCst);
    assert!(store.set_policy("two", &by).await.is_err(), "no retry");
    assert!(store.user(user.id).await.is_err(), "and no reading on");
    assert!(store.check().await.is_err());
    assert!(doorbell.changed().await.is_err(), "the program is told to stop");
    drop((store, shared));
    let store: sample::Shared = Arc::from(open(&path, options(1)).unwrap());
    assert_eq!(store.policy().await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), Revision(0));
    assert_eq!(current(&store, &user).await, user);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_does_not_fit_and_recovers() {
    let (_directory, path) = place();
    let db = connection::open(&path).unwrap();
    let store = Arc::new(Sqlite::start(db, &path, options(1)).unwrap());
    let set_pages = |pages: i64| {
        let store = Arc::clone(&store);
        async move {
            let work = move |transaction: &mut writer::Transaction<'_>| {
                Ok(transaction.db().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
            };
            store.writer.write(work).await.unwrap();
        }
    };
    set_pages(1).await; // SQLite takes this as: no more than there are.
    let by = audit("policy.set", START);
    let large = "x".repeat(100_000);
    let refused = store.set_policy(&large, &by).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(text)) if text.contains("full")), "{refused:?}");
    assert_eq!(store.policy().await.unwrap(), None, "reading goes on");
    set_pages(1_000_000).await;
    assert_eq!(revision_of(store.set_policy(&large, &by).await.unwrap()), Revision(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_writer_closes_the_store() {
    let (_directory, path) = place();
    let store = Arc::new(Sqlite::open(&path, options(1)).unwrap());
    let mut doorbell = store.doorbell();
    let broken = store.writer.write(|_| -> Outcome<()> { panic!("on purpose") }).await;
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    assert!(doorbell.changed().await.is_err());
    assert!(store.revision().await.is_err());
}
