//! What the cache remembers, in one thread. Its locks are shuttle's here, so each test runs as a model with one
//! schedule.

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::access_token::Claims;
use keyfob_core::change::Fact;
use keyfob_core::client::{Client, ClientName, ClientStatus, KnownClient};
use keyfob_core::id::{ClientId, Incarnation, SessionId, TokenId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use shuttle::future::block_on;

use super::{FactCache, LEEWAY_MAX, TokenHash};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LIFE: Duration = Duration::from_mins(15);

pub(super) fn session(id: u8) -> Session {
    Session {
        id: SessionId::from_bytes([id; 16]),
        user: UserId::from_bytes([100; 16]),
        created_at: NOW - LIFE,
        expires_at: NOW + LIFE,
        ended_at: None,
    }
}

pub(super) fn claims(id: u8) -> Claims {
    Claims {
        subject: UserId::from_bytes([100; 16]),
        session: SessionId::from_bytes([id; 16]),
        token_id: TokenId::from_bytes([id; 16]),
        client_id: "keyfob".into(),
        scope: std::iter::once("reports:read".to_owned()).collect::<Scope>().into(),
        issued_at: NOW,
        expires_at: NOW + LIFE,
        incarnation: Incarnation([9; 16]),
    }
}

fn run(test: fn()) {
    shuttle::check_random(test, 1);
}

fn remember(cache: &FactCache, id: u8) {
    cache.remember_claims(TokenHash([id; 16]), Arc::new(claims(id)), cache.ticket());
}

fn put(cache: &FactCache, fact: Session) {
    let loaded = block_on(cache.session(fact.id, NOW, async { Ok::<_, ()>(Some(fact)) }));
    assert_eq!(loaded, Ok(Some(fact)));
}

#[test]
fn claims_are_forgotten_when_seen_past_their_expiry_and_any_leeway() {
    run(|| {
        let cache = FactCache::new(8);
        remember(&cache, 1);
        let token = TokenHash([1; 16]);
        let end = claims(1).expires_at + LEEWAY_MAX;
        assert!(cache.claims(&token, end - Duration::from_micros(1)).is_some());
        assert!(cache.claims(&token, end).is_none());
        // Gone for good, not hidden: a clock that steps back does not revive it.
        assert!(cache.claims(&token, NOW).is_none());
    });
}

#[test]
fn equal_clients_and_scopes_are_kept_once() {
    run(|| {
        let cache = FactCache::new(8);
        remember(&cache, 1);
        remember(&cache, 2);
        let first = cache.claims(&TokenHash([1; 16]), NOW).unwrap();
        let second = cache.claims(&TokenHash([2; 16]), NOW).unwrap();
        assert_eq!((&*first, &*second), (&claims(1), &claims(2)));
        assert!(Arc::ptr_eq(&first.client_id, &second.client_id));
        assert!(Arc::ptr_eq(&first.scope, &second.scope));
    });
}

#[test]
fn a_session_whose_time_ran_out_is_a_miss_and_the_prolonged_one_is_found() {
    run(|| {
        let cache = FactCache::new(8);
        put(&cache, session(1));
        let later = session(1).expires_at;
        assert_eq!(cache.session_hit(session(1).id, later), None);

        let prolonged = Session { expires_at: later + LIFE, ..session(1) };
        let found = block_on(cache.session(prolonged.id, later, async { Ok::<_, ()>(Some(prolonged)) }));
        assert_eq!(found, Ok(Some(prolonged)));
        assert_eq!(cache.session_hit(prolonged.id, later), Some(prolonged));
    });
}

#[test]
fn an_ended_session_is_remembered_as_ended() {
    run(|| {
        let cache = FactCache::new(8);
        for ended_at in [NOW, Timestamp::from_micros(i64::MAX - 1), Timestamp::from_micros(i64::MIN)] {
            let ended = Session { ended_at: Some(ended_at), ..session(1) };
            cache.forget(Fact::Session(ended.id));
            put(&cache, ended);
            assert_eq!(cache.session_hit(ended.id, NOW + LIFE + LIFE), Some(ended));
        }
        let absurd = Session { ended_at: Some(Timestamp::from_micros(i64::MAX)), ..session(2) };
        put(&cache, absurd);
        assert!(cache.session_hit(absurd.id, NOW).unwrap().ended_at.is_some());
    });
}

#[test]
fn what_does_not_exist_is_asked_again() {
    run(|| {
        let cache = FactCache::new(8);
        let id = session(1).id;
        assert_eq!(block_on(cache.session(id, NOW, async { Ok::<_, ()>(None) })), Ok(None));
        put(&cache, session(1));
        assert_eq!(cache.session_hit(id, NOW), Some(session(1)));
    });
}

#[test]
fn a_session_that_answers_for_another_id_is_not_remembered() {
    run(|| {
        let cache = FactCache::new(8);
        let asked = session(1).id;
        let _wrong = block_on(cache.session(asked, NOW, async { Ok::<_, ()>(Some(session(2))) }));
        assert_eq!(cache.session_hit(asked, NOW), None);
        assert_eq!(cache.session_hit(session(2).id, NOW), None);
    });
}

#[test]
fn forgetting_one_fact_leaves_the_others() {
    run(|| {
        let cache = FactCache::new(8);
        for id in [1, 2] {
            put(&cache, session(id));
            remember(&cache, id);
        }
        cache.forget(Fact::Session(session(1).id));
        assert_eq!(cache.session_hit(session(1).id, NOW), None);
        assert_eq!(cache.session_hit(session(2).id, NOW), Some(session(2)));

        cache.forget(Fact::SigningKeys);
        assert!(cache.claims(&TokenHash([1; 16]), NOW).is_none());
        assert_eq!(cache.session_hit(session(2).id, NOW), Some(session(2)));

        remember(&cache, 1);
        cache.forget_all();
        assert!(cache.claims(&TokenHash([1; 16]), NOW).is_none());
        assert_eq!(cache.session_hit(session(2).id, NOW), None);
    });
}

#[test]
#[cfg(not(feature = "sabotage"))]
fn a_ticket_from_before_a_retirement_is_refused() {
    run(|| {
        let cache = FactCache::new(8);
        let ticket = cache.ticket();
        cache.forget(Fact::SigningKeys);
        cache.remember_claims(TokenHash([1; 16]), Arc::new(claims(1)), ticket);
        assert!(cache.claims(&TokenHash([1; 16]), NOW).is_none());
    });
}

#[test]
fn the_cache_is_bounded() {
    run(|| {
        let cache = FactCache::new(8);
        (0..=255).for_each(|id| remember(&cache, id));
        assert_eq!(cache.tokens.len(), 8);
        let none = FactCache::new(0);
        remember(&none, 1);
        assert_eq!(none.tokens.len(), 0);
    });
}

#[test]
fn an_entry_costs_what_the_memory_budget_says() {
    // Plus an index of five bytes and one mark each; claims are one allocation, shared texts none.
    assert_eq!(size_of::<(TokenHash, Arc<Claims>)>(), 24);
    assert_eq!(size_of::<(SessionId, super::RememberedSession)>(), 56);
    assert_eq!(size_of::<Claims>(), 104);
}

#[test]
fn a_client_is_remembered_until_it_changes() {
    run(|| {
        let cache = FactCache::new(8);
        let known = |id: u8| {
            let client = Client {
                id: ClientId::from_bytes([id; 16]),
                name: ClientName::parse("robot").unwrap(),
                scope: Scope::default(),
                status: ClientStatus::Active,
                session: SessionId::from_bytes([id; 16]),
                created_at: NOW,
            };
            Arc::new(KnownClient::new(client, Digest([id; 32])))
        };
        let put = |id: u8| {
            let loaded = async { Ok::<_, ()>(Some(known(id))) };
            assert!(block_on(cache.client(ClientId::from_bytes([id; 16]), loaded)).unwrap().is_some());
        };
        let hit = |id: u8| cache.client_hit(ClientId::from_bytes([id; 16])).is_some();
        put(1);
        put(2);
        cache.forget(Fact::Client(ClientId::from_bytes([1; 16])));
        assert_eq!((hit(1), hit(2)), (false, true));
        cache.forget_all();
        assert!(!hit(2));
        // A fill that began before the change brings nothing that stays.
        let late = async {
            cache.forget(Fact::Client(ClientId::from_bytes([3; 16])));
            Ok::<_, ()>(Some(known(3)))
        };
        assert!(block_on(cache.client(ClientId::from_bytes([3; 16]), late)).unwrap().is_some());
        assert!(!hit(3));
    });
}
