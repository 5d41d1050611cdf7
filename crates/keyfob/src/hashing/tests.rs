//! What the pool does when its threads get no time, and when a hash panics.

use std::sync::mpsc::channel;

use super::*;

/// So patient that nothing is taken over, however busy the machine.
const NEVER: Duration = Duration::from_hours(1);

fn pool(patience: Duration) -> HashingPool {
    let mut pool =
        HashingPool::start(Cost { memory_kib: 8, passes: 1, lanes: 1 }, 1, 8).expect("threads can be started");
    pool.lanes.patience = patience;
    pool
}

/// A job that everybody waits for.
fn blocking(work: impl FnOnce(&AtomicU64) + Send + 'static) -> Job {
    Job { wanted: Box::new(|| true), hash: Box::new(move |_, finished| work(finished)) }
}

fn password() -> Arc<Password> {
    Arc::new(Password::parse("correct horse battery").expect("long enough"))
}

#[tokio::test]
async fn a_hash_that_its_thread_has_no_time_for_is_taken_over() {
    let pool = pool(Duration::from_millis(20));
    let (release, held) = channel::<()>();
    pool.lanes
        .idle
        .send(blocking(move |_| {
            let _ = held.recv();
        }))
        .expect("the pool runs");
    let place = pool.place().expect("a place");
    let stored = place.hash(password(), [7; 16]).await.expect("the relief thread hashes");
    assert!(place.verify(password(), stored, Vec::new()).await.expect("and compares").matches);
    assert_eq!(pool.hashed(), 2, "each hash is computed once");
    drop(release);
    // The thread that comes back finds two jobs whose answers nobody waits for, then this one.
    place.hash(password(), [8; 16]).await.expect("its own thread, or the relief");
    assert_eq!(pool.hashed(), 3, "what was taken over is not hashed again");
}

#[tokio::test]
async fn a_queue_that_hardly_moves_is_taken_over() {
    const AHEAD: u64 = 30;
    let pool = pool(Duration::from_millis(200));
    for _ in 0..AHEAD {
        let job = blocking(|finished| {
            std::thread::sleep(Duration::from_millis(120));
            finished.fetch_add(1, Ordering::Relaxed);
        });
        pool.lanes.idle.send(job).expect("the pool runs");
    }
    let place = pool.place().expect("a place");
    place.hash(password(), [7; 16]).await.expect("the relief thread hashes");
    assert!(pool.lanes.finished.load(Ordering::Relaxed) < AHEAD, "it waited for all that was ahead of it");
}

#[test]
fn checks_come_before_those_who_sign_in_unless_nothing_is_hashed_at_all() {
    assert!(!enough((5, 0), (5 + FINISHED_MIN - 1, NAPS_OF_FEW)));
    assert!(enough((5, 0), (5 + FINISHED_MIN, NAPS_OF_FEW)));
    assert!(enough((5, 9), (6, 9 + NAPS_OF_FEW + 1)));
    assert!(!enough((5, 9), (5, 9 + NAPS_OF_FEW + 1)));
}

#[test]
fn the_relief_thread_rests_and_leaves_the_rest_to_those_who_get_on_without_it() {
    // Long enough that this thread, however busy the machine, gets on within it.
    const WHILE: Duration = Duration::from_secs(1);
    let (late, jobs) = channel();
    for _ in 0..BURST * 3 {
        late.send(blocking(|relieved| {
            relieved.fetch_add(1, Ordering::Relaxed);
        }))
        .expect("it is received");
    }
    drop(late);
    let relief = Relief {
        cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        finished: Arc::default(),
        relieved: Arc::default(),
        patience: WHILE,
    };
    let (finished, relieved) = (Arc::clone(&relief.finished), Arc::clone(&relief.relieved));
    let work = std::thread::spawn(move || relief.work(&jobs));
    while !work.is_finished() {
        finished.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(WHILE / 20);
    }
    work.join().expect("no panic");
    assert_eq!(relieved.load(Ordering::Relaxed), u64::from(BURST), "one burst, and no more");
}

#[tokio::test]
async fn a_panic_fails_its_own_hash_and_no_other() {
    let pool = pool(NEVER);
    let place = pool.place().expect("a place");
    let hash: Arc<Hash<()>> = Arc::new(|_| panic!("a bug in the library"));
    assert_eq!(place.run(hash).await, Err(CannotHash));
    place.hash(password(), [7; 16]).await.expect("the thread goes on");
}

#[tokio::test]
async fn requests_are_batched_while_a_hash_is_under_way_and_only_then() {
    let pool = pool(NEVER);
    let place = pool.place().expect("a place");
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let hash: Arc<Hash<()>> = Arc::new(move |_| {
        let _ = lock(&held).recv();
        panic!("a bug in the library")
    });
    let hashing = tokio::spawn(async move { place.run(hash).await });
    while UNDER_WAY.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    release.send(()).expect("the hash waits");
    assert_eq!(hashing.await.expect("no panic here"), Err(CannotHash));
    // Other tests of this process hash too, but none for long.
    while UNDER_WAY.load(Ordering::Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
}
