//! Model check of the cache's promise with shuttle: the scheduler interleaves threads at every lock and atomic, at
//! random, many times. A store holds the truth; fills read it and dawdle; an invalidation comes between.
//!
//! With the feature `sabotage` the cache lets late fills through, and each model must be seen to fail.

use std::sync::Arc;

use keyfob_core::access_token::Claims;
use keyfob_core::change::Fact;
use keyfob_core::id::SessionId;
use keyfob_core::policy::Policy;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{KnownUser, Status, User, Username};
use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::thread;

use super::clock::{ClockMap, Key};
use super::tests::{NOW, claims, session};
use super::{FactCache, TokenHash};

/// Schedules tried of each model: seconds in a debug build, and the sabotaged build fails within a hundred.
const SCHEDULES: usize = 3_000;

#[cfg(not(feature = "sabotage"))]
fn check(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, SCHEDULES);
}

#[cfg(feature = "sabotage")]
fn check(model: impl Fn() + Send + Sync + 'static) {
    let run = std::panic::AssertUnwindSafe(|| shuttle::check_random(model, SCHEDULES));
    let outcome = std::panic::catch_unwind(run);
    assert!(outcome.is_err(), "the model did not notice that late fills get through");
}

#[test]
fn no_look_up_after_forget_sees_a_session_that_had_not_ended() {
    check(|| {
        let cache = Arc::new(FactCache::new(4));
        let ended = Arc::new(AtomicBool::new(false));
        let fills: Vec<_> = (0..2)
            .map(|_| {
                let (cache, ended) = (Arc::clone(&cache), Arc::clone(&ended));
                thread::spawn(move || look_up(&cache, &ended))
            })
            .collect();

        ended.store(true, Ordering::SeqCst);
        cache.forget(Fact::Session(session(1).id));
        assert!(look_up(&cache, &ended).ended_at.is_some(), "right after forget");
        for fill in fills {
            fill.join().unwrap();
        }
        assert!(look_up(&cache, &ended).ended_at.is_some(), "after every fill came home");
    });
}

/// One request: the session from the cache, or from a store that says what is so at that moment.
fn look_up(cache: &FactCache, ended: &AtomicBool) -> Session {
    let load = async {
        let mut found = session(1);
        found.ended_at = ended.load(Ordering::SeqCst).then_some(NOW);
        thread::yield_now();
        Ok::<_, ()>(Some(found))
    };
    block_on(cache.session(session(1).id, NOW, load)).unwrap().unwrap()
}

#[test]
fn no_look_up_of_both_after_forget_sees_a_session_that_had_not_ended_or_a_user_who_was_active() {
    for fact in [Fact::Session(session(1).id), Fact::User(session(1).user)] {
        check(move || {
            let cache = Arc::new(FactCache::new(4));
            let over = Arc::new(AtomicBool::new(false));
            let fill = {
                let (cache, over) = (Arc::clone(&cache), Arc::clone(&over));
                thread::spawn(move || assert!(look_up_both(&cache, &over).is_some()))
            };

            over.store(true, Ordering::SeqCst);
            cache.forget(fact);
            assert_eq!(judge_both(&cache, fact, &over), Some(true), "right after forget");
            fill.join().unwrap();
            assert_eq!(judge_both(&cache, fact, &over), Some(true), "after the fill came home");
        });
    }
}

/// Whether what a request finds, in memory or in the store, says that it is over.
fn judge_both(cache: &FactCache, fact: Fact, over: &AtomicBool) -> Option<bool> {
    let (session, user) = (cache.session_hit(session(1).id, NOW), cache.user_hit(session(1).user));
    let remembered = match fact {
        Fact::User(_) => user.map(|user| user.user.status == Status::Disabled),
        _ => session.map(|session| session.ended_at.is_some()),
    };
    remembered.or_else(|| look_up_both(cache, over))
}

/// Both from a store that says what is so at that moment.
fn look_up_both(cache: &FactCache, over: &AtomicBool) -> Option<bool> {
    let load = async {
        let (over, mut found) = (over.load(Ordering::SeqCst), session(1));
        found.ended_at = over.then_some(NOW);
        let status = if over { Status::Disabled } else { Status::Active };
        thread::yield_now();
        Ok::<_, ()>((Some(found), Some(user(status))))
    };
    let (session, _) = block_on(cache.session_and_user((session(1).id, session(1).user), NOW, load)).unwrap();
    session.map(|session| session.ended_at.is_some())
}

fn user(status: Status) -> Arc<KnownUser> {
    let username = Username::parse("ada").unwrap();
    let user = User { id: session(1).user, username, status, roles: Vec::new(), auth_version: 1, created_at: NOW };
    Arc::new(Policy::signed_in(0).know(user))
}

#[test]
fn no_look_up_after_a_key_is_retired_sees_claims_that_it_verified() {
    check(|| {
        let cache = Arc::new(FactCache::new(4));
        let trusted = Arc::new(AtomicBool::new(true));
        let fill = {
            let (cache, trusted) = (Arc::clone(&cache), Arc::clone(&trusted));
            thread::spawn(move || verify(&cache, &trusted))
        };

        trusted.store(false, Ordering::SeqCst);
        cache.forget(Fact::SigningKeys);
        assert_eq!(verify(&cache, &trusted), None, "right after forget");
        fill.join().unwrap();
        assert_eq!(verify(&cache, &trusted), None, "after the fill came home");
    });
}

fn verify(cache: &FactCache, trusted: &AtomicBool) -> Option<Arc<Claims>> {
    let token = TokenHash([7; 16]);
    cache.claims(&token, NOW).or_else(|| {
        let ticket = cache.ticket();
        let verified = trusted.load(Ordering::SeqCst).then(|| Arc::new(claims(1)))?;
        cache.remember_claims(token, Arc::clone(&verified), ticket);
        Some(verified)
    })
}

#[test]
fn eviction_and_other_keys_do_not_let_an_old_value_back() {
    // One slot for two keys: every fill evicts, and the slot that a slow fill would write is another's by then.
    one_slot(|map| map.forget(&1));
}

#[test]
fn forgetting_everything_keeps_the_same_promise() {
    one_slot(ClockMap::forget_all);
}

fn one_slot(forget: fn(&ClockMap<u64, u64>)) {
    check(move || {
        let map = Arc::new(ClockMap::new(1));
        let truth = Arc::new(AtomicU64::new(1));
        let fills: Vec<_> = [1, 2, 1]
            .map(|key| {
                let (map, truth) = (Arc::clone(&map), Arc::clone(&truth));
                thread::spawn(move || read(&map, key, &truth))
            })
            .into();

        truth.store(2, Ordering::SeqCst);
        forget(&map);
        assert_eq!(read(&map, 1, &truth), 2, "right after forget");
        for fill in fills {
            fill.join().unwrap();
        }
        assert_eq!(read(&map, 1, &truth), 2, "after every fill came home");
        assert!(map.len() <= 1);
    });
}

fn read(map: &ClockMap<u64, u64>, key: u64, truth: &AtomicU64) -> u64 {
    map.look(&key, |_| true).unwrap_or_else(|generation| {
        let value = truth.load(Ordering::SeqCst);
        map.remember(key, value, |current| current == generation);
        value
    })
}

impl Key for u64 {
    fn bits(&self) -> u64 {
        *self
    }
}

#[test]
fn a_cancelled_fill_leaves_nothing_stuck() {
    shuttle::check_random(
        || {
            let cache = FactCache::new(4);
            let id: SessionId = session(1).id;
            {
                let fill = std::pin::pin!(cache.session(id, NOW, std::future::pending::<Result<_, ()>>()));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(fill.poll(&mut context).is_pending());
            }
            let failed = block_on(cache.session(id, NOW, async { Err("the store is away") }));
            assert_eq!(failed, Err("the store is away"));
            let found = block_on(cache.session(id, NOW, async { Ok::<_, ()>(Some(session(1))) }));
            assert_eq!(found, Ok(Some(session(1))));
            assert_eq!(cache.session_hit(id, Timestamp::from_micros(NOW.micros() + 1)), Some(session(1)));
        },
        1,
    );
}
