//! Honest clients of `refresh_race`: each uses only the newest token that it received, and asks again after a connection that
//! broke and after a 5xx, however long the program is away. They write down every use for the judge.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clock;
use crate::support::house::{House, PASSWORD, login_request};
use crate::support::http::{Answer, Connection, Request};

/// Longer than any restart: who has no answer by then is a failure with a name.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a client goes on after its session fell, if nothing refuses it.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// Where the program is; a restart moves it.
pub(super) struct Door(Mutex<SocketAddr>);

impl Door {
    pub(super) fn of(house: &House) -> Self {
        Self(Mutex::new(house.public()))
    }

    pub(super) fn moved(&self, house: &House) {
        *self.0.lock().expect("nobody panics here") = house.public();
    }

    fn open(&self) -> io::Result<Connection> {
        let address = *self.0.lock().expect("nobody panics here");
        Connection::open(address)
    }
}

/// A client's connection, opened again when it broke.
pub(super) struct Line<'d> {
    door: &'d Door,
    connection: Option<Connection>,
    /// How often it had to ask again.
    pub(super) again: usize,
}

impl<'d> Line<'d> {
    pub(super) fn open(door: &'d Door) -> Self {
        Self { door, connection: door.open().ok(), again: 0 }
    }

    /// Ask until there is an answer.
    pub(super) fn ask(&mut self, request: &Request) -> Answer {
        let answer = clock::until(PATIENCE, || {
            let answer = self.attempt(request).ok().filter(|answer| answer.status < 500);
            self.again += usize::from(answer.is_none());
            answer
        });
        answer.expect("keyfob answers again within a minute")
    }

    fn attempt(&mut self, request: &Request) -> io::Result<Answer> {
        let mut connection = self.connection.take().map_or_else(|| self.door.open(), Ok)?;
        let answer = connection.ask(request)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Whether the guarded API lets this access token in.
    pub(super) fn passes(&mut self, access: &str) -> bool {
        let answer = self.ask(&Request::new("GET", "/things/1").bearer(access));
        assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
        answer.status == 200
    }

    pub(super) fn sign_in(&mut self) -> Tokens {
        let answer = self.ask(&login_request("ada", PASSWORD));
        assert_eq!(answer.status, 200, "{}", answer.text());
        Tokens::of(&answer)
    }

    /// Use a refresh token.
    pub(super) fn refresh(&mut self, token: &str) -> Use {
        let began = clock::now();
        let answer = self.ask(&form("/auth/token", &format!("grant_type=refresh_token&refresh_token={token}")));
        let got = (answer.status == 200).then(|| Tokens::of(&answer));
        if got.is_none() {
            let refused = (answer.status, &answer.json()["error"]) == (400, &Value::from("invalid_grant"));
            assert!(refused, "neither rotated nor refused: {} {}", answer.status, answer.text());
        }
        Use { presented: token.to_owned(), began, ended: clock::now(), got }
    }
}

/// What a sign-in or a refresh gave.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        let document = answer.json();
        let text = |member: &str| document[member].as_str().expect(member).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// One use of a refresh token: when it began, before its first byte was written, and what came of it.
pub(super) struct Use {
    pub(super) presented: String,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// `None`: refused as `invalid_grant`.
    pub(super) got: Option<Tokens>,
}

/// What is about to befall a session, and did.
#[derive(Default)]
pub(super) struct Fall {
    pub(super) begun: OnceLock<Instant>,
    pub(super) acknowledged: OnceLock<Instant>,
}

/// Refresh on and on, until the session has fallen.
pub(super) fn refresh_on(line: &mut Line<'_>, token: &str, fall: &Fall) -> Vec<Use> {
    let (mut token, mut uses) = (token.to_owned(), Vec::new());
    while fall.acknowledged.get().is_none_or(|at| at.elapsed() < AFTERWARDS) {
        let used = line.refresh(&token);
        if let Some(tokens) = &used.got {
            token.clone_from(&tokens.refresh);
        } else {
            assert!(fall.begun.get().is_some(), "an honest client was signed out");
            // Its answer may have come before that of whoever brought the session down: it asks until then.
            thread::sleep(Duration::from_millis(5));
        }
        uses.push(used);
    }
    uses
}

pub(super) fn form(endpoint: &str, body: &str) -> Request {
    Request::new("POST", endpoint).header("Content-Type", "application/x-www-form-urlencoded").body(body)
}
