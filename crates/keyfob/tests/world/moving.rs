//! The store moves to PostgreSQL and back under load (docs/move.md): whoever was signed in still is, whoever was signed out is not,
//! and no sign-in that was answered is lost, whatever instant it came at.

mod quiet;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY, login, login_request, token_of};
use crate::support::http::{Answer, Connection, Request, ask};
use crate::support::keyfob::{Keyfob, command, must};
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;

pub const CALLERS: usize = 3;
pub const SETTINGS: &[(&str, &str)] = &[("KEYFOB_ACCESS_LIFE", "1h"), ("KEYFOB_THROTTLE_ADDRESS_FAILURES", "100000")];
const PATIENCE: Duration = Duration::from_mins(1);

/// What was answered, and what must hold of it ever after.
#[derive(Default)]
pub struct Acknowledged {
    /// Access tokens of sessions that live.
    pub live: Vec<String>,
    /// Access tokens of sessions that were signed out of.
    pub dead: Vec<String>,
}

/// Sign in, and out again every other time, until nobody answers.
pub fn call(address: SocketAddr, caller: usize, kept: &Mutex<Acknowledged>) {
    let Ok(mut connection) = Connection::open(address) else { return };
    let mut turn = 0;
    while let Ok(answer) = connection.ask(&login_request(&format!("caller{caller}"), PASSWORD)) {
        if answer.status != 200 {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let token = token_of(&answer);
        turn += 1;
        if turn % 2 == 0 {
            kept.lock().expect("no caller panicked").live.push(token);
            continue;
        }
        let out = connection.ask(&Request::new("POST", "/auth/logout").bearer(&token));
        // No answer: it may have happened or not, and nothing may be expected of this token.
        if out.is_ok_and(|answer| (200..300).contains(&answer.status)) {
            kept.lock().expect("no caller panicked").dead.push(token);
        }
    }
}

/// Whoever was answered that they are in is in, and whoever was answered that they are out is out.
pub fn judge(address: SocketAddr, acknowledged: &Acknowledged) {
    let mut connection = Connection::open(address).expect("keyfob is up again");
    let mut status = |token: &str| connection.ask(&Request::new("GET", "/x").bearer(token)).expect("an answer").status;
    for (index, token) in acknowledged.live.iter().enumerate() {
        let of = acknowledged.live.len();
        assert_eq!(status(token), 200, "an acknowledged sign-in was lost: number {index} of {of}");
    }
    for token in &acknowledged.dead {
        assert_eq!(status(token), 401, "an acknowledged sign-out was lost");
    }
}

/// Callers call while `work` is done; it begins when they have been answered a few times.
pub fn amid_load<T>(address: SocketAddr, kept: &Mutex<Acknowledged>, work: impl FnOnce() -> T) -> T {
    let enough = kept.lock().expect("no caller panicked").live.len() + 4;
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || call(address, caller, kept));
        }
        let answered = || (kept.lock().expect("no caller panicked").live.len() >= enough).then_some(());
        clock::until(PATIENCE, answered).expect("callers sign in");
        work()
    })
}

/// keyfob on that database, over the same data directory: the root key is there.
pub fn node(house: &House, arguments: &[&str], database: &Database) -> Keyfob {
    let settings: Vec<(&str, &str)> = SETTINGS.iter().copied().chain([("KEYFOB_DATABASE", &*database.url)]).collect();
    let node = Keyfob::serve(&house.data(), arguments, &settings);
    let ready = || (ask(node.internal, &Request::new("GET", "/auth/health/ready")).status == 200).then_some(());
    clock::until(PATIENCE, ready).expect("a node that started gets a lease");
    node
}

fn token_request(form: &str) -> Request {
    Request::new("POST", "/auth/token").header("Content-Type", "application/x-www-form-urlencoded").body(form)
}

fn refresh(address: SocketAddr, token: &str) -> Answer {
    let form = format!("grant_type=refresh_token&client_id=keyfob&refresh_token={token}");
    ask(address, &token_request(&form))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What a person, a script and a service have in their hands before a move.
struct Hands {
    access: String,
    refresh: [String; 2],
    signed_out: String,
    key: String,
    revoked_key: String,
    service: String,
}

impl Hands {
    fn fill(house: &House) -> Self {
        let first = login(house.public(), "ada", PASSWORD).json();
        let second = refresh(house.public(), text(&first, "refresh_token")).json();
        let signed_out = house.token("ada");
        assert_eq!(house.ask(&Request::new("POST", "/auth/logout").bearer(&signed_out)).status, 204);
        let key = |name: &str| -> Value {
            serde_json::from_str(&house.run(&["key", "create", "ada", name, "--json"])).expect("JSON")
        };
        let (kept, revoked) = (key("kept"), key("revoked"));
        house.run(&["key", "revoke", text(&revoked, "id")]);
        let client: Value =
            serde_json::from_str(&house.run(&["client", "add", "robot", "--scope", "api:use", "--json"]))
                .expect("JSON");
        let id = text(&client, "id").to_owned();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={}", text(&client, "secret"));
        let service = house.ask(&token_request(&form));
        assert_eq!(service.status, 200, "{}", service.text());
        Self {
            access: text(&second, "access_token").to_owned(),
            refresh: [&first, &second].map(|answer| text(answer, "refresh_token").to_owned()),
            signed_out,
            key: text(&kept, "key").to_owned(),
            revoked_key: text(&revoked, "key").to_owned(),
            service: token_of(&service),
        }
    }

    /// Everything is worth what it was; the refresh token is used, and the next one takes its place.
    fn check(&mut self, address: SocketAddr) {
        let status = |token: &str| ask(address, &Request::new("GET", "/x").bearer(token)).status;
        for (what, token) in [("the access token", &self.access), ("the key", &self.key), ("the client", &self.service)]
        {
            assert_eq!(status(token), 200, "{what} goes on");
        }
        for (what, token) in [("what was signed out", &self.signed_out), ("the revoked key", &self.revoked_key)] {
            assert_eq!(status(token), 401, "{what} stays dead");
        }
        // The one before gives the same successor until that is used.
        let again = refresh(address, &self.refresh[0]);
        assert_eq!(again.status, 200, "the refresh token before goes on: {}", again.text());
        assert!(text(&again.json(), "refresh_token") == self.refresh[1], "it has another successor");
        let next = refresh(address, &self.refresh[1]);
        assert_eq!(next.status, 200, "the refresh token goes on: {}", next.text());
        let next = next.json();
        assert_eq!(status(text(&next, "access_token")), 200);
        text(&next, "access_token").clone_into(&mut self.access);
        self.refresh = [self.refresh[1].clone(), text(&next, "refresh_token").to_owned()];
    }
}

fn table<'v>(moved: &'v Value, name: &str) -> &'v Value {
    let tables = moved["tables"].as_array().expect("tables");
    tables.iter().find(|table| table["name"] == name).unwrap_or_else(|| panic!("no {name} in {moved}"))
}

#[test]
fn a_store_moves_there_and_back_under_load_and_nobody_signs_in_again() {
    let api = Recorder::start();
    let mut house = House::with(&api.origin(), POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    (0..CALLERS).for_each(|caller| house.user(&format!("caller{caller}"), &["caller"]));
    let mut hands = Hands::fill(&house);
    hands.check(house.public());
    let database = Database::own();
    let origin = api.origin();
    let policy = house.data().with_file_name("policy.toml").display().to_string();
    let arguments = ["--upstream", &origin, "--policy", &policy];
    let kept = Mutex::new(Acknowledged::default());

    // There.
    let old = house.release();
    let moved = amid_load(old.public, &kept, || {
        let said = must(&house.data(), &["move", "--to", &database.url, "--json"], "");
        // It ends by itself; until then it lets nobody in, on old connections or new ones.
        if let Ok(mut connection) = Connection::open(old.public) {
            let call = connection.ask(&Request::new("GET", "/x").bearer(&hands.access));
            assert!(call.map_or(true, |answer| answer.status == 503), "the old store lets nobody in");
        }
        said
    });
    let moved: Value = serde_json::from_str(&moved).expect("JSON");
    assert_eq!((&moved["already"], &table(&moved, "users")["rows"]), (&json!(false), &json!(1 + CALLERS)));
    assert_eq!(text(table(&moved, "sessions"), "digest").len(), 64);
    let log = house.data().with_extension("log");
    assert!(!old.wait().success(), "a server without a store has not done what it was started for");
    let log = fs::read_to_string(log).expect("a log");
    assert!(log.contains("the store has moved to postgres://"), "{log}");
    let again = Keyfob::try_serve(&house.data(), &arguments, SETTINGS).err().expect("refused");
    assert!(again.contains("has moved to") && again.contains("hint:"), "{again}");
    let once_more = must(&house.data(), &["move", "--to", &database.url, "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&once_more).expect("JSON")["already"], json!(true));

    let mut shared = node(&house, &arguments, &database);
    hands.check(shared.public);
    judge(shared.public, &kept.lock().expect("no caller panicked"));
    assert!(!kept.lock().expect("no caller panicked").live.is_empty());

    // And back, with a node that has its data elsewhere too.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let data = elsewhere.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::copy(house.data().join("root.key"), data.join("root.key")).expect("copied");
    let second = Keyfob::serve(&data, &arguments, &[("KEYFOB_DATABASE", &database.url)]);
    hands.check(second.public);
    let addresses = [shared.public, second.public];
    let back = amid_load(shared.public, &kept, || {
        let file = config(&house.data(), &database);
        let said = must(&house.data(), &["move", "--to", "sqlite", "--json", "--config", &file], "");
        for address in addresses {
            if let Ok(mut connection) = Connection::open(address) {
                let call = connection.ask(&Request::new("GET", "/x").bearer(&hands.access));
                assert!(call.map_or(true, |answer| answer.status == 503), "a node of the old store lets nobody in");
            }
        }
        said
    });
    let back: Value = serde_json::from_str(&back).expect("JSON");
    assert_eq!(table(&back, "api_keys")["rows"], table(&moved, "api_keys")["rows"]);
    assert!(!second.wait().success());
    assert!(!std::mem::replace(&mut shared, Keyfob::serve(&house.data(), &arguments, SETTINGS)).wait().success());
    hands.check(shared.public);
    judge(shared.public, &kept.lock().expect("no caller panicked"));
    let refused = command(&data, &["user", "list", "--config", &config(&data, &database)], "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("has moved to"), "{said}");
}

/// A configuration that names the database.
pub fn config(data: &Path, database: &Database) -> String {
    let file = data.with_file_name("shared.toml");
    fs::write(&file, format!("database = \"{}\"\n", database.url)).expect("written");
    file.display().to_string()
}

#[test]
fn a_move_that_cannot_be_is_refused_with_a_hint_and_changes_nothing() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    let refusal = |arguments: &[&str]| {
        let refused = command(&house.data(), arguments, "");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("hint:"), "{said}");
        said
    };
    let database = Database::own();
    assert!(refusal(&["move", "--to", "sqlite"]).contains("no PostgreSQL database is named"));
    assert!(refusal(&["move", "--to", "postgres"]).contains("no PostgreSQL database is named"));
    let wrong = database.url.replacen("keyfob@", "keyfob:secret@", 1);
    assert!(!refusal(&["move", "--to", &wrong]).contains("secret@"));
    assert!(refusal(&["move", "--to", "nowhere"]).contains("--to"));
    let empty = config(&house.data(), &database);
    assert!(refusal(&["move", "--to", "sqlite", "--config", &empty]).contains("no keyfob store"));
    // A store of its own, and the tables of another program.
    let other = Database::own();
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    must(
        &elsewhere.path().join("data"),
        &["user", "add", "bob", "--password-stdin", "--config", &{
            let file = elsewhere.path().join("keyfob.toml");
            fs::write(&file, format!("database = \"{}\"\n", other.url)).expect("written");
            file.display().to_string()
        }],
        &format!("{PASSWORD}\n"),
    );
    assert!(refusal(&["move", "--to", &other.url]).contains("there is a keyfob store in it"));
    assert_eq!(house.ask(&Request::new("GET", "/x").bearer(&house.token("ada"))).status, 200, "it is served on");
}
