//! How a session falls while its clients refresh: revoked by its user or an operator, or ended by a replay. After that was
//! acknowledged nothing minted from it is accepted, whenever it was minted (G8), restarts included.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::client::{Door, Fall, Line, Use, form, refresh_on};
use super::{Family, one_successor_each};
use crate::campaign::{Dice, Run};
use crate::support::clock;
use crate::support::house::House;
use crate::support::http::Request;
use crate::support::recorder::Recorder;

/// Tokens of each kind that are tried after the fall: the newest, which were minted nearest to it.
const TRIED: usize = 12;
/// The session falls within this many milliseconds of the first refresh.
const SOON: usize = 20;

/// What brings it down.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blow {
    /// `POST /auth/revoke` with the refresh token that is being used.
    Revoke,
    /// `POST /auth/revoke` with an access token.
    RevokeAccess,
    /// `POST /auth/logout`.
    SignOut,
    /// `keyfob session end`.
    Command,
    /// The use of a token that should be gone: its number among those of the family.
    Replay(usize),
}

impl Blow {
    pub(super) fn of(dice: &mut Dice) -> Self {
        [Self::Revoke, Self::RevokeAccess, Self::SignOut, Self::Command][dice.roll(4)]
    }

    fn strike(self, house: &House, line: &mut Line<'_>, family: &Family) {
        let status = match self {
            Self::Revoke => line.ask(&form("/auth/revoke", &format!("token={}", family.newest))).status,
            Self::RevokeAccess => line.ask(&form("/auth/revoke", &format!("token={}", family.access[0]))).status,
            Self::SignOut => line.ask(&Request::new("POST", "/auth/logout").bearer(&family.access[0])).status,
            Self::Command => {
                house.run(&["session", "end", &session_of(&family.access[0])]);
                200
            }
            Self::Replay(number) => {
                let replay = line.refresh(&family.past[number].token);
                assert!(replay.got.is_none(), "a replay was answered with tokens");
                200
            }
        };
        assert!(matches!(status, 200 | 204), "{self:?} was answered {status}");
    }
}

/// A session that is to fall: its blow comes amid so many clients.
pub(super) struct Doomed {
    pub(super) family: Family,
    pub(super) clients: usize,
    pub(super) blow: Blow,
}

/// Let them fall, all at once, amid their clients' refreshes. The clients' uses, session by session, and when each fell.
pub(super) fn fall(house: &House, door: &Door, doomed: &[Doomed], dice: &mut Dice) -> Vec<(Vec<Use>, Fall)> {
    let barrier = Barrier::new(doomed.iter().map(|doomed| doomed.clients + 1).sum());
    let falls: Vec<Fall> = doomed.iter().map(|_| Fall::default()).collect();
    let uses: Vec<Vec<Use>> = thread::scope(|scope| {
        let mut clients = Vec::new();
        for (doomed, fall) in doomed.iter().zip(&falls) {
            let (barrier, pause) = (&barrier, Duration::from_millis(dice.roll(SOON) as u64));
            let client = || {
                scope.spawn(|| {
                    let mut line = Line::open(door);
                    barrier.wait();
                    refresh_on(&mut line, &doomed.family.newest, fall)
                })
            };
            clients.push((0..doomed.clients).map(|_| client()).collect::<Vec<_>>());
            scope.spawn(move || {
                let mut line = Line::open(door);
                barrier.wait();
                thread::sleep(pause);
                fall.begun.set(clock::now()).expect("set once");
                // Whatever comes of it, the clients must end: a blow that failed panics after that.
                let _end = Acknowledged(fall);
                doomed.blow.strike(house, &mut line, &doomed.family);
            });
        }
        let join = |client: thread::ScopedJoinHandle<'_, Vec<Use>>| client.join().expect("no client panics");
        clients.into_iter().map(|clients| clients.into_iter().flat_map(join).collect()).collect()
    });
    uses.into_iter().zip(falls).collect()
}

struct Acknowledged<'f>(&'f Fall);

impl Drop for Acknowledged<'_> {
    fn drop(&mut self) {
        let _ = self.0.acknowledged.set(clock::now());
    }
}

/// Nothing of it is accepted: no use that began after, and no token that anybody holds.
pub(super) fn judge(run: &mut Run, api: &Recorder, door: &Door, doomed: &Doomed, uses: &[Use], fall: &Fall) {
    let Doomed { family, blow, .. } = doomed;
    one_successor_each(uses);
    let acknowledged = *fall.acknowledged.get().expect("it was answered");
    let late: Vec<&Use> = uses.iter().filter(|used| used.began > acknowledged).collect();
    let rotated = late.iter().filter(|used| used.got.is_some()).count();
    assert_eq!(rotated, 0, "{rotated} of {} refreshes succeeded after {blow:?} was acknowledged", late.len());
    run.count("refreshes that began after the end of their session and were refused", late.len());

    let mut minted: Vec<&Use> = uses.iter().filter(|used| used.got.is_some()).collect();
    minted.sort_by_key(|used| std::cmp::Reverse(used.ended));
    let minted = minted.iter().filter_map(|used| used.got.as_ref()).take(TRIED);
    let (access, refresh): (Vec<&String>, Vec<&String>) = minted.map(|got| (&got.access, &got.refresh)).unzip();
    let mut line = Line::open(door);
    drop(api.take());
    for token in access.iter().copied().chain(family.access.iter().rev().take(TRIED)) {
        assert!(!line.passes(token), "an access token outlived {blow:?}");
        run.count("access tokens that died with their session", 1);
    }
    assert!(api.take().is_empty(), "something reached the API after {blow:?}");
    for token in refresh.into_iter().chain([&family.newest]) {
        assert!(line.refresh(token).got.is_none(), "a refresh token outlived {blow:?}");
        run.count("refresh tokens that died with their session", 1);
    }
}

/// The session's id, as commands take it: a UUID, which its tag follows in the token.
fn session_of(access: &str) -> String {
    let payload = access.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    let id = URL_SAFE_NO_PAD.decode(claims["sid"].as_str().expect("a session")).expect("base64url");
    let number = u128::from_be_bytes(id[..16].try_into().expect("sixteen bytes"));
    format!("{number:032x}")
}
