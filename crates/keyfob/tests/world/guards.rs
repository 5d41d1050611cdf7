//! A node that only guards (`guard-only`), with the very database role that `docs/postgresql.md` makes for it: it judges like
//! any other, refuses at once what was revoked, and can change nothing, whatever runs in its place.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::cluster::{Cluster, PATIENCE};
use crate::docs::{Block, blocks};
use crate::support::clock;
use crate::support::house::{PASSWORD, login, login_request, token_of};
use crate::support::http::{Request, ask};
use crate::support::keyfob::{Keyfob, command, must};
use crate::support::recorder::Recorder;

/// A full node, a guard in front of an API of its own, and the role of the guard.
struct House {
    guard: Keyfob,
    folder: TempDir,
    full: Cluster,
    role: String,
    _api: Recorder,
}

impl House {
    fn open() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let full = Cluster::of(1);
        let page = blocks("docs/postgresql.md");
        let grants = page.iter().find(|block| block.kind == "sql" && block.text.contains("GRANT"));
        let grants = grants.map(|Block { text, .. }| text).expect("the page makes the role of a guard");
        // Roles are the server's, and each test has its own.
        let name = format!("guard{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let made = sql(&full.database.url, &grants.replace("keyfob_guard", &name));
        assert!(made.is_ok(), "{made:?}");
        let role = full.database.url.replace("//keyfob@", &format!("//{name}@"));
        let folder = TempDir::new().expect("a temporary directory");
        fs::create_dir(folder.path().join("data")).expect("made");
        fs::copy(full.data(0).join("root.key"), folder.path().join("data/root.key")).expect("copied");
        let settings = format!("database = \"{role}\"\nguard-only = true\n");
        fs::write(folder.path().join("keyfob.toml"), settings).expect("written");
        let api = Recorder::start();
        let guard = Keyfob::serve(&folder.path().join("data"), &["--upstream", &api.origin()], &[]);
        let ready = || (ask(guard.internal, &Request::new("GET", "/auth/health/ready")).status == 200).then_some(());
        clock::until(PATIENCE, ready).expect("a guard gets a lease");
        Self { guard, folder, full, role, _api: api }
    }

    fn call(&self, token: &str) -> u16 {
        ask(self.guard.public, &Request::new("GET", "/things/1").bearer(token)).status
    }

    fn run(&self, words: &[&str]) -> String {
        must(&self.full.data(0), words, "")
    }
}

/// Say it to the database; what went wrong.
fn sql(url: &str, text: &str) -> Result<(), String> {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "--output=/dev/null", "--command", text, url]);
    let said = psql.current_dir("/").output().expect("psql is there");
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned()) }
}

#[test]
fn a_guard_with_a_role_that_may_only_read_judges_like_any_other_and_changes_nothing() {
    let house = House::open();
    let token = house.full.signed_in("ada");
    assert_eq!(house.call(&token), 200);
    assert_eq!(ask(house.guard.public, &Request::new("GET", "/auth/me").bearer(&token)).json()["username"], "ada");
    let made: serde_json::Value =
        serde_json::from_str(&house.run(&["--json", "key", "create", "ada", "a script"])).expect("JSON");
    let key = made["key"].as_str().expect("a key");
    assert_eq!(house.call(key), 200, "an API key");
    house.run(&["signing-key", "rotate", "--now"]);
    let rotated = token_of(&login(house.full.addresses()[0], "ada", PASSWORD));
    assert_eq!(house.call(&rotated), 200, "a token of a key that came later");

    for request in [
        login_request("ada", PASSWORD),
        Request::new("POST", "/auth/token").body("grant_type=refresh_token&refresh_token=x"),
        Request::new("POST", "/auth/logout").bearer(&token),
        Request::new("POST", "/auth/keys").bearer(&token).json(&json!({ "name": "one" })),
        Request::new("GET", "/auth/sessions").bearer(&token),
    ] {
        let answer = ask(house.guard.public, &request);
        assert_eq!(answer.status, 404, "{request:?}");
        assert!(answer.text().contains("guard-only"), "{}", answer.text());
    }
    let refused = command(&house.folder.path().join("data"), &["user", "disable", "ada"], "");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("only guards") && said.contains("hint: "), "{said}");
    assert_eq!(house.call(&token), 200);

    house.run(&["user", "disable", "ada"]);
    assert_eq!([house.call(&token), house.call(&rotated), house.call(key)], [401; 3], "final at the guard too");
    let log = house.guard.log();
    assert!(!log.contains("permission denied"), "it asks for nothing that it may not have: {log}");
}

#[test]
fn whoever_has_the_role_of_a_guard_reads_no_password_hash_and_writes_no_row_but_of_nodes() {
    let house = House::open();
    house.full.signed_in("ada");
    for denied in [
        "INSERT INTO sessions SELECT * FROM sessions",
        "UPDATE sessions SET ended_at = NULL",
        "UPDATE users SET status = 'active'",
        "SELECT password FROM users",
        "SELECT * FROM users",
        "DELETE FROM changes",
        "INSERT INTO policies SELECT * FROM policies",
        "UPDATE signing_keys SET stage = stage",
        "UPDATE meta SET revision = revision",
        "INSERT INTO audit SELECT * FROM audit",
        "CREATE TABLE mine (a bigint)",
    ] {
        let said = sql(&house.role, denied).expect_err(denied);
        assert!(said.contains("permission denied"), "{denied}: {said}");
    }
    for fine in ["SELECT id, status FROM users", "SELECT * FROM sessions", "SELECT * FROM nodes"] {
        assert_eq!(sql(&house.role, fine), Ok(()), "{fine}");
    }
    // With the setting left out, the same role starts nothing that could sign anybody in.
    let data = house.folder.path().join("data");
    assert!(sql(&house.full.database.url, "SELECT 1 FROM nodes").is_ok());
    house.guard.kill();
    fs::write(house.folder.path().join("keyfob.toml"), format!("database = \"{}\"\n", house.role)).expect("written");
    let full = Keyfob::serve(&data, &[], &[]);
    assert_eq!(login(full.public, "ada", PASSWORD).status, 503, "the database lets nobody in by this role");
}

#[test]
fn a_guard_without_an_installation_or_of_another_origin_does_not_start() {
    let house = House::open();
    let other = TempDir::new().expect("a temporary directory");
    fs::create_dir(other.path().join("data")).expect("made");
    fs::copy(house.full.data(0).join("root.key"), other.path().join("data/root.key")).expect("copied");
    let start = |settings: &str| {
        fs::write(other.path().join("keyfob.toml"), settings).expect("written");
        Keyfob::try_serve(&other.path().join("data"), &[], &[]).err().expect("it did not start")
    };
    let elsewhere =
        start(&format!("database = \"{}\"\nguard-only = true\npublic-url = \"https://other.example\"\n", house.role));
    assert!(elsewhere.contains("other.example") && elsewhere.contains("hint: "), "{elsewhere}");
    let empty = crate::support::postgres::Database::own();
    // As where nothing was ever served: else it is the wrong database first of all.
    fs::remove_file(other.path().join("data/root.key.mark")).expect("there is one");
    let nothing = start(&format!("database = \"{}\"\nguard-only = true\n", empty.url));
    assert!(nothing.contains("no installation") && nothing.contains("hint: "), "{nothing}");
    for alone in ["guard-only = true\n", "database = \"postgres://a/b\"\nguard-only = true\npolicy = \"policy.toml\"\n"]
    {
        assert!(start(alone).contains("guard-only"), "{alone}");
    }
}
