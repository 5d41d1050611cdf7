//! A door: one of the proxies of `deploy/` (or keyfob's own gateway), the keyfob it asks, and the API behind it that
//! records. Each request that is tried at it is judged at once; what was wrong is kept until the end of the column.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::api::Api;
use super::judge::{self, May};
use super::proxies::{Break, Places, Program};
use super::wire::Message;
use super::witness::{Dialect, Witness};
use crate::support::clock;
use crate::support::house::House;
use crate::support::http::{Answer, Connection, Request, ask};
use crate::support::root;

/// A kind of door.
pub struct Kind {
    /// Its column.
    pub name: &'static str,
    /// How it asks.
    pub dialect: Dialect,
    /// Whether it tidies the path before it asks and before it forwards.
    pub tidies: bool,
    /// Whether it passes trailers on and cannot be told not to: an API must not take them for headers (RFC 9110 §6.5.1).
    pub keeps_trailers: bool,
    /// Run it; keyfob is no program beside itself.
    pub start: Option<fn(&Places) -> Program>,
}

/// A running door.
pub struct Door {
    pub kind: &'static Kind,
    /// Where clients connect.
    pub address: SocketAddr,
    pub api: Api,
    pub witness: Witness,
    pub house: Rc<House>,
    pub people: Rc<People>,
    problems: RefCell<Vec<String>>,
    _program: Option<Program>,
}

/// Who comes to the door: access tokens.
pub struct People {
    /// May use things.
    pub ada: String,
    /// May too.
    pub cleo: String,
    /// May nothing.
    pub bob: String,
    /// A service account that may use things: no name, no roles.
    pub robot: String,
    /// Ada's, of three seconds, which are over.
    pub expired: String,
    /// Ada's, of a session that she ended.
    pub signed_out: String,
}

/// What came of one request.
pub struct Seen {
    /// `None`: the connection ended without one.
    pub answer: Option<Answer>,
    /// What reached the API.
    pub arrivals: Vec<Message>,
}

impl Seen {
    /// The status, and what the challenge says is wrong.
    pub fn told(&self) -> String {
        let challenge = self.answer.as_ref().and_then(|answer| answer.header("www-authenticate")).unwrap_or_default();
        let error = challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next());
        let missing = if challenge.starts_with("Bearer") { "" } else { " without a challenge" };
        format!("{}{}", self.cell(), error.map_or_else(|| missing.to_owned(), |error| format!(" `{error}`")))
    }

    /// The status, for the table.
    pub fn cell(&self) -> String {
        self.answer.as_ref().map_or_else(|| "no answer".to_owned(), |answer| answer.status.to_string())
    }
}

/// A keyfob, and who has an account there.
pub type Home = (Rc<House>, Rc<People>);

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:9";
/// Short-lived tokens, and exactly so.
const BRIEF: &[(&str, &str)] = &[("KEYFOB_ACCESS_LIFE", "3s"), ("KEYFOB_REFRESH_IDLE", "3s"), ("KEYFOB_LEEWAY", "0s")];
const EXACT: &[(&str, &str)] = &[("KEYFOB_LEEWAY", "0s")];
/// Three seconds of life, and a busy machine.
const EXPIRY: Duration = Duration::from_mins(1);

impl Door {
    /// With a keyfob of its own.
    pub fn open(kind: &'static Kind) -> Self {
        let api = Api::start();
        // Where a proxy asks, keyfob has no upstream: it only answers.
        let upstream = if kind.start.is_none() { api.listening.address.to_string() } else { NOWHERE.to_owned() };
        let house = furnished(&upstream, BRIEF);
        let expired = house.token("ada");
        let house = house.restarted(EXACT);
        let me = Request::new("GET", "/auth/me").bearer(&expired);
        let over = clock::until(EXPIRY, || (house.ask(&me).status == 401).then_some(()));
        over.expect("a token of three seconds ends");
        let people = People::arrive(&house, expired);
        Self::build(kind, api, (Rc::new(house), Rc::new(people)), None)
    }

    /// With a rule broken in its configuration, before a keyfob that others have too.
    pub fn open_broken(kind: &'static Kind, home: Home, broken: Break) -> Self {
        Self::build(kind, Api::start(), home, Some(broken))
    }

    fn build(kind: &'static Kind, api: Api, (house, people): Home, broken: Option<Break>) -> Self {
        // Introspection is a service to clients, and not one of the checks.
        let asked = if kind.dialect == Dialect::Introspection { house.public() } else { house.keyfob().internal };
        let witness = Witness::start(asked, kind.dialect);
        let places = Places {
            house: &house,
            check: witness.address(),
            api: api.listening.address,
            broken,
            found: Cell::new(false),
        };
        let nobody = Request::new("GET", "/things");
        let program = kind.start.map(|start| start(&places));
        assert!(broken.is_none() || places.found.get(), "{} has no rule {broken:?}", kind.name);
        let address = program.as_ref().map_or_else(|| house.public(), Program::address);
        // Some listen before they know their routes.
        let ready = clock::until(EXPIRY, || {
            Connection::open(address).ok()?.ask(&nobody).ok().filter(|answer| answer.status == 401)
        });
        assert!(ready.is_some(), "{} does not refuse who has no token", kind.name);
        witness.take();
        Self { kind, address, api, witness, house, people, problems: RefCell::default(), _program: program }
    }

    /// Try one request on a connection of its own.
    pub fn attempt(&self, request: &Request, may: May) -> Seen {
        self.attempt_at(self.address, request, may)
    }

    /// The same where something else stands before the door.
    pub fn attempt_at(&self, address: SocketAddr, request: &Request, may: May) -> Seen {
        match Connection::open(address) {
            Ok(mut connection) => self.attempt_on(&mut connection, request, may),
            Err(_) => Seen { answer: None, arrivals: self.api.take() },
        }
    }

    /// The same on a connection that is kept.
    pub fn attempt_on(&self, connection: &mut Connection, request: &Request, may: May) -> Seen {
        self.judged(request, may, || connection.ask(request).ok())
    }

    /// Try one request in whatever way, and judge what came of it.
    pub fn judged(&self, request: &Request, may: May, send: impl FnOnce() -> Option<Answer>) -> Seen {
        let late = self.api.take();
        self.witness.take();
        let seen = Seen { answer: send(), arrivals: self.api.take() };
        let (allows, _) = self.witness.take();
        let mut wrong = judge::problems(self.kind, request, may, &seen, allows);
        wrong.extend((!late.is_empty()).then(|| format!("reached the API after its answer: {late:?}")));
        for problem in wrong {
            self.complain(&format!("{} {}: {problem}", request.method(), request.target()));
        }
        seen
    }

    /// Something is wrong.
    pub fn complain(&self, problem: &str) {
        self.problems.borrow_mut().push(problem.to_owned());
    }

    /// What was wrong since the last time.
    pub fn problems(&self) -> Vec<String> {
        self.problems.take()
    }
}

/// A keyfob for broken doors, and who comes to them; nobody's token has expired.
pub fn home() -> Home {
    let house = furnished(NOWHERE, EXACT);
    let people = People::arrive(&house, String::new());
    (Rc::new(house), Rc::new(people))
}

/// With the policy of `deploy/`, and the users.
fn furnished(upstream: &str, settings: &'static [(&'static str, &'static str)]) -> House {
    let policy = std::fs::read_to_string(root().join("deploy/policy.toml")).expect("deploy/ has a policy");
    let house = House::with(&format!("http://{upstream}"), &policy, settings);
    for (name, role) in [("ada", "member"), ("cleo", "member"), ("bob", "guest")] {
        house.user(name, &[role]);
    }
    house
}

impl People {
    fn arrive(house: &House, expired: String) -> Self {
        let signed_out = house.token("ada");
        let out = house.ask(&Request::new("POST", "/auth/logout").bearer(&signed_out));
        assert!((200..300).contains(&out.status), "{}", out.text());
        Self {
            ada: house.token("ada"),
            cleo: house.token("cleo"),
            bob: house.token("bob"),
            robot: robot(house),
            expired,
            signed_out,
        }
    }
}

/// The token of a service account.
fn robot(house: &House) -> String {
    let said = house.run(&["--json", "client", "add", "robot", "--scope", "things:use"]);
    let client: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let member = |name: &str| client[name].as_str().expect("a client has an id and a secret").to_owned();
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", member("id"), member("secret"));
    let form =
        Request::new("POST", "/auth/token").header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let answer = ask(house.public(), &form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    crate::support::house::token_of(&answer)
}
