//! Sign-ins and refreshes do not stand in one queue: under load at two nodes, with the row of the revision held and fought for,
//! none of them is ever seen waiting for a lock. `pg_stat_activity` is what is asked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::*;

/// How often somebody else holds the revision.
const HOLDS: usize = 8;
/// Refreshes, and sign-ins, that must come through during each.
const THROUGH: u64 = 6;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Statements that wait for a lock at this moment.
const WAITING: &str = "SELECT query FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    refreshes: AtomicU64,
    sign_ins: AtomicU64,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn done(&self) -> (u64, u64) {
        (self.refreshes.load(Ordering::Relaxed), self.sign_ins.load(Ordering::Relaxed))
    }

    /// Refresh one session, again and again.
    async fn refresh(&self, store: sample::Shared, user: User) {
        let attempt = reserved(&store, user.username.as_str(), START).await;
        let login = login(&attempt, &user);
        assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
        let mut token = login.refresh;
        while self.goes_on() {
            let refresh = used(token, START, &user);
            let refreshed = store.refresh(&refresh).await.unwrap();
            assert!(matches!(refreshed, Refreshed::Rotated(_)), "{refreshed:?}");
            token = refresh.successor;
            self.refreshes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sign in, again and again, from an address of one's own.
    async fn sign_in(&self, store: sample::Shared, user: User) {
        while self.goes_on() {
            let address = digest(user.username.as_str());
            let attempt = Attempt { address, ..attempt(user.username.as_str(), START) };
            assert!(matches!(store.reserve_attempt(&attempt).await.unwrap(), Reservation::Reserved(_)));
            let login = Login { address, ..login(&attempt, &user) };
            assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
            self.sign_ins.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Raise the revision, again and again. What waited too long for it is not done, which is its right answer.
    async fn raise(&self, store: sample::Shared, user: User) {
        for turn in 0_u64.. {
            if !self.goes_on() {
                return;
            }
            let names = roles(if turn % 2 == 0 { &["editor"] } else { &["analyst"] });
            let _ = store.set_roles(user.id, &names, &audit("user.roles", START)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sign_in_and_no_refresh_is_ever_seen_waiting_for_a_lock() {
    let database = Database::fresh();
    let nodes = [node(&database.url).await, node(&database.url).await];
    let (watcher, holder) = (sql(&database.url).await, sql(&database.url).await);
    let load = Arc::new(Load::default());
    let mut tasks = tokio::task::JoinSet::new();
    for (number, store) in nodes.iter().cycle().take(6).enumerate() {
        let user = made(store, &format!("user{number}")).await;
        let (store, load) = (Arc::clone(store), Arc::clone(&load));
        tasks.spawn(async move {
            match number / 2 {
                0 => load.refresh(store, user).await,
                1 => load.sign_in(store, user).await,
                _ => load.raise(store, user).await,
            }
        });
    }
    let mut waited = BTreeSet::new();
    for _ in 0..HOLDS {
        holder.batch_execute("BEGIN; SELECT * FROM meta FOR UPDATE").await.unwrap();
        let before = load.done();
        let mut queue = false;
        let all = async {
            loop {
                let now = load.done();
                if queue && now.0 >= before.0 + THROUGH && now.1 >= before.1 + THROUGH {
                    return;
                }
                for found in watcher.query(WAITING, &[]).await.unwrap() {
                    let statement: String = found.get(0);
                    queue |= statement.contains("UPDATE meta");
                    waited.insert(statement);
                }
            }
        };
        let through = tokio::time::timeout(PATIENCE, all).await;
        holder.batch_execute("COMMIT").await.unwrap();
        assert!(
            through.is_ok(),
            "sign-ins and refreshes go on while the revision is held: {before:?}, {:?}",
            load.done()
        );
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let others: Vec<_> = waited.iter().filter(|statement| !statement.contains("UPDATE meta")).collect();
    assert!(others.is_empty(), "only what raises the revision waits for it: {others:?}");
}
