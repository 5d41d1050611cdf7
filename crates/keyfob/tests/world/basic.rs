//! From Basic to Bearer (`docs/migrate-from-basic.md`): users of an htpasswd file, routes that take their passwords until a day,
//! and what somebody tries who would rather guess. Passwords that other programs hashed, checked by the built program.

use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::support::house::{House, PASSWORD, login, login_request};
use crate::support::http::{Answer, Connection, Request, ask};
use crate::support::keyfob::{command, must};
use crate::support::recorder::Recorder;
use crate::support::{canary, clock};

/// What people had under Basic: shorter than keyfob lets a new password be.
const OLD_PASSWORD: &str = "open sesame";

/// Windows that are open for long, that closed long ago, and none; a public route beside them.
const POLICY: &str = r#"
[roles]
caller = ["api:use"]

[[routes]]
path = "/old/{*rest}"
require = ["api:use"]
basic = "until 2999-01-01"
websocket = true

[[routes]]
path = "/ended"
signed-in = true
basic = "until 2020-01-01"

[[routes]]
path = "/new"
signed-in = true

[[routes]]
path = "/public"
public = true
"#;

/// What `htpasswd` calls for each kind, and how `keyfob` names what is left of it.
const KINDS: &[(&str, &[&str], &str)] = &[
    ("bea", &["-B", "-C", "5"], "bcrypt of cost 5"),
    ("abe", &["-m"], "apr1"),
    ("sha", &["-s"], "{SHA}"),
    ("sam", &["-2"], "SHA-crypt $5$ of 5000 rounds"),
    ("sid", &["-5"], "SHA-crypt $6$ of 5000 rounds"),
];

/// A line of Apache's own `htpasswd`.
fn htpasswd(name: &str, password: &str, kind: &[&str]) -> String {
    canary::remember("a password in a file of htpasswd", password);
    let made = Command::new("htpasswd").arg("-nb").args(kind).args([name, password]).output();
    let line = String::from_utf8(made.expect("apache2-utils is installed").stdout).expect("text");
    assert!(line.contains(':'), "htpasswd {kind:?}");
    format!("{}\n", line.trim())
}

/// A file of all kinds.
fn file(folder: &TempDir, lines: &str) -> String {
    let path = folder.path().join("htpasswd");
    fs::write(&path, lines).expect("written");
    path.display().to_string()
}

fn all_kinds() -> String {
    KINDS.iter().map(|(name, kind, _)| htpasswd(name, OLD_PASSWORD, kind)).collect()
}

fn with_basic(request: Request, name: &str, password: &str) -> Request {
    let text = STANDARD.encode(format!("{name}:{password}"));
    canary::remember("a Basic credential", &text);
    request.header("Authorization", &format!("Basic {text}"))
}

fn get(target: &str, name: &str, password: &str) -> Request {
    with_basic(Request::new("GET", target), name, password)
}

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate").unwrap_or_default()
}

fn offers_basic(answer: &Answer) -> bool {
    challenge(answer).ends_with(r#", Basic realm="keyfob", charset="UTF-8""#)
}

/// How a door is asked about a path.
type At = fn(&str) -> Request;

/// How many passwords were hashed so far.
fn hashes(house: &House) -> u64 {
    let text = house.keyfob().metrics();
    let line = text.lines().find_map(|line| line.strip_prefix("keyfob_password_hashes_total "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

fn report(house: &House) -> Vec<Value> {
    let text = house.run(&["basic", "report", "--json"]);
    serde_json::from_str(&text).expect("a list")
}

#[test]
fn the_users_of_an_htpasswd_file_sign_in_with_what_they_have_and_their_hashes_are_gone_after_that() {
    let (folder, house) = (TempDir::new().expect("a folder"), House::empty("http://127.0.0.1:9", POLICY));
    let lines = all_kinds();
    let file = file(&folder, &lines);
    house.user("abe", &[]);
    let answer: Value =
        serde_json::from_str(&house.run(&["user", "import", &file, "--role", "caller", "--json"])).expect("JSON");
    assert_eq!(answer["imported"], serde_json::json!(["bea", "sha", "sam", "sid"]));
    assert_eq!(answer["skipped"][0]["user"], "abe");
    assert!(answer["skipped"][0]["why"].as_str().is_some_and(|why| why.contains("already")), "{answer}");
    assert_eq!(login(house.public(), "abe", PASSWORD).status, 200, "who was there is as before");
    house.run(&["user", "delete", "abe"]);
    let again = house.run(&["user", "import", &file, "--role", "caller"]);
    assert!(again.contains("abe   imported") && again.contains("bea   skipped"), "it goes on: {again}");

    // Nothing of the file is in the store.
    let database: Vec<u8> = ["keyfob.db", "keyfob.db-wal"]
        .iter()
        .flat_map(|name| fs::read(house.data().join(name)).unwrap_or_default())
        .collect();
    for line in lines.lines() {
        let hash = line.rsplit(['$', ':', '}']).next().expect("a hash");
        let tail = &hash.as_bytes()[hash.len() - 16..];
        assert!(!database.windows(16).any(|window| window == tail), "a bare hash is in the database: {line}");
    }

    for (name, _, kind) in KINDS {
        let left = report(&house);
        let row = left.iter().find(|row| row["username"] == *name).expect("not signed in yet");
        assert_eq!(row["imported_hash"], *kind);
        assert_eq!(login(house.public(), name, "open sesame ").status, 401, "{name}");
        let answer = login(house.public(), name, OLD_PASSWORD);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.json()["scope"], "api:use");
        assert!(!report(&house).iter().any(|row| row["username"] == *name), "{name} is done with it");
        assert_eq!(login(house.public(), name, OLD_PASSWORD).status, 200, "the new hash is of the same password");
    }
}

#[test]
fn an_import_with_a_bad_line_does_nothing_and_tells_every_one_of_them() {
    let (folder, house) = (TempDir::new().expect("a folder"), House::empty("http://127.0.0.1:9", POLICY));
    let des = htpasswd("dan", "eight888", &["-d"]);
    let lines = format!("{}{des}eve:plain text\nsp ace:x\n", htpasswd("abe", OLD_PASSWORD, &["-m"]));
    let file = file(&folder, &lines);
    let said = command(&house.data(), &["user", "import", &file, "--json"], "");
    assert_eq!(said.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let lines: Vec<_> = told["refused"].as_array().expect("a list").iter().map(|it| it["line"].clone()).collect();
    assert_eq!(lines, [2, 3, 4]);
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("line 2") && text.contains("nothing was imported") && text.contains("hint:"), "{text}");
    assert!(!text.contains("plain text"), "what could be a password is not repeated: {text}");
    assert_eq!(house.run(&["user", "list", "--json"]).trim(), "[]");
    let dear: String =
        (4..13).map(|cost| htpasswd(&format!("u{cost}"), "x", &["-B", "-C", &cost.to_string()])).collect();
    let many = command(&house.data(), &["user", "import", &self::file(&folder, &dear)], "");
    assert!(!many.status.success() && String::from_utf8_lossy(&many.stderr).contains("more than 8 kinds"));
    assert_eq!(house.run(&["user", "list", "--json"]).trim(), "[]", "nobody was made");
}

#[test]
fn while_imported_hashes_are_left_every_sign_in_costs_the_same() {
    let (folder, house) = (TempDir::new().expect("a folder"), House::empty("http://127.0.0.1:9", POLICY));
    house.user("ada", &["caller"]);
    let lines = htpasswd("bea", OLD_PASSWORD, &["-B", "-C", "12"]) + &htpasswd("abe", OLD_PASSWORD, &["-m"]);
    house.run(&["user", "import", &file(&folder, &lines), "--role", "caller"]);
    // bcrypt of cost 12 takes most of a second in this build and Argon2id some tens of milliseconds: whoever took it alone
    // would stand out. The fastest of three, so that a busy machine does not matter.
    let time = |name: &str| {
        let one = |_| {
            let began = clock::now();
            assert_eq!(login(house.public(), name, "wrong").status, 401, "{name}");
            began.elapsed()
        };
        (0..3).map(one).min().expect("three")
    };
    let times: Vec<(&str, Duration)> =
        ["bea", "abe", "ada", "nobody", "no name at all"].iter().map(|name| (*name, time(name))).collect();
    let (fastest, slowest) = (times.iter().map(|it| it.1).min(), times.iter().map(|it| it.1).max());
    let (fastest, slowest) = (fastest.expect("some"), slowest.expect("some"));
    assert!(slowest < fastest * 3, "the time of an answer tells who was imported: {times:?}");
}

#[test]
fn a_password_passes_where_a_window_is_open_and_is_hashed_once() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    house.user("bob", &[]);
    let before = hashes(&house);
    for _ in 0..50 {
        assert_eq!(house.ask(&get("/old/7", "ada", PASSWORD)).status, 200);
    }
    assert_eq!(hashes(&house) - before, 1, "never one hash a request");
    // Many at once, by a credential that is not known yet: one hash too.
    house.run(&["user", "role", "ada", "--add", "another"]);
    let before = hashes(&house);
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..20).map(|_| scope.spawn(|| house.ask(&get("/old/7", "ada", PASSWORD)).status)).collect();
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), 200);
        }
    });
    assert!(hashes(&house) - before <= 2, "those who come at once wait for one hash");

    for arrival in api.take() {
        assert_eq!(arrival.header("x-auth-user"), Some("ada"));
        assert_eq!(arrival.header("x-auth-scope"), Some("api:use"));
        assert_eq!(arrival.header("authorization"), None, "the API never gets a password");
    }
    let lacking = house.ask(&get("/old/7", "bob", PASSWORD));
    assert!(lacking.status == 401 && challenge(&lacking).contains("insufficient_scope"), "{lacking:?}");
    let token = house.token("ada");
    assert_eq!(house.ask(&Request::new("GET", "/old/7").bearer(&token)).status, 200, "tokens work beside it");
}

#[test]
fn basic_is_offered_and_taken_only_where_a_window_is_open_at_every_door() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    let doors: [(&str, At); 4] = [
        ("gateway", |path| Request::new("GET", path)),
        ("nginx", |path| {
            let request = Request::new("GET", "/auth/check/nginx");
            request.header("X-Original-Method", "GET").header("X-Original-URI", path)
        }),
        ("forward", |path| {
            let request = Request::new("GET", "/auth/check/forward");
            request.header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", path)
        }),
        ("envoy", |path| Request::new("GET", &format!("/auth/check/envoy{path}"))),
    ];
    for (door, at) in doors {
        let right = house.ask(&with_basic(at("/old/7"), "ada", PASSWORD));
        assert_eq!(right.status, 200, "{door}");
        let bare = house.ask(&at("/old/7"));
        assert!(bare.status == 401 && offers_basic(&bare), "{door}: {}", challenge(&bare));
        let wrong = house.ask(&with_basic(at("/old/7"), "ada", "wrong"));
        assert!(wrong.status == 401 && offers_basic(&wrong), "{door}: {}", challenge(&wrong));
        for (path, kind) in [("/ended", "basic-ended"), ("/new", "no-credentials")] {
            let refused = house.ask(&with_basic(at(path), "ada", PASSWORD));
            assert_eq!(refused.status, 401, "{door} {path}");
            assert!(
                challenge(&refused).starts_with("Bearer") && !challenge(&refused).contains("Basic"),
                "{door} {path}"
            );
            assert!(!challenge(&refused).contains("error="), "{door} {path}: a client must not refresh for it");
            if door != "nginx" {
                assert_eq!(refused.json()["type"], format!("urn:keyfob:problem:{kind}"), "{door}");
            }
        }
        assert_eq!(house.ask(&with_basic(at("/public"), "ada", "wrong")).status, 200, "{door}: nobody asks there");
    }
    let arrivals = api.take();
    assert!(arrivals.iter().all(|it| it.header("authorization").is_none()), "also where nobody was asked");
    for own in ["/auth/me", "/auth/sessions", "/auth/keys"] {
        assert_eq!(house.ask(&get(own, "ada", PASSWORD)).status, 401, "{own} takes tokens only");
    }
    let two = get("/old/7", "ada", PASSWORD).header("Authorization", "Bearer x");
    assert_eq!(house.ask(&two).status, 401, "two credentials are none");
}

#[test]
fn guesses_by_basic_count_with_those_of_the_sign_in_and_say_nothing() {
    let house = House::empty("http://127.0.0.1:9", POLICY);
    house.user("ada", &["caller"]);
    house.user("carol", &["caller"]);
    house.run(&["user", "disable", "carol"]);
    let answers = [("ada", "wrong"), ("nobody", PASSWORD), ("carol", PASSWORD), ("", "")].map(|(name, password)| {
        let before = hashes(&house);
        let mut answer = house.ask(&get("/old/7", name, password));
        answer
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("date") && !name.eq_ignore_ascii_case("x-request-id"));
        (answer, hashes(&house) - before)
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0.json()["type"], "urn:keyfob:problem:basic-failed");

    // Where Basic is not taken, nothing is guessed: no hash, no count.
    let before = hashes(&house);
    for path in ["/ended", "/new", "/public", "/nowhere", "/auth/me"] {
        for _ in 0..5 {
            house.ask(&get(path, "ada", "wrong"));
        }
    }
    assert_eq!(hashes(&house), before);

    for number in 0..9 {
        let status = if number % 2 == 0 {
            house.ask(&get("/old/7", "ada", &format!("guess {number}"))).status
        } else {
            login(house.public(), "ADA", &format!("guess {number}")).status
        };
        assert_eq!(status, 401, "guess {number}");
    }
    let before = hashes(&house);
    let eleventh = house.ask(&get("/old/7", "ada", PASSWORD));
    assert_eq!(eleventh.status, 429, "the budget is one, right or wrong: {}", eleventh.text());
    assert!(eleventh.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 60)));
    assert_eq!(eleventh.json()["type"], "urn:keyfob:problem:too-many-attempts");
    assert_eq!(login(house.public(), "ada", PASSWORD).status, 429);
    let nginx = Request::new("GET", "/auth/check/nginx").header("X-Original-Method", "GET");
    let nginx = with_basic(nginx.header("X-Original-URI", "/old/7"), "ada", PASSWORD);
    assert_eq!(house.ask(&nginx).status, 403, "nginx knows no 429");
    assert_eq!(hashes(&house), before, "and nothing is hashed");
}

#[test]
fn a_flood_of_guesses_at_once_gets_ten_tries() {
    let house = House::empty("http://127.0.0.1:9", POLICY);
    house.user("ada", &["caller"]);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = |number: u32| {
            let house = &house;
            scope.spawn(move || house.ask(&get("/old/7", "ada", &format!("guess {number}"))).status)
        };
        let callers: Vec<_> = (0..60).map(guess).collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    statuses.sort_unstable();
    let (judged, rest) = statuses.split_at(statuses.partition_point(|status| *status == 401));
    assert!(judged.len() <= 10, "{} guesses were judged", judged.len());
    assert!(rest.iter().all(|status| *status == 429), "{rest:?}");
}

#[test]
fn a_remembered_password_dies_with_every_change_of_its_user() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    let fresh = "eleven amber lanterns humming";
    for (name, change) in [
        ("pat", &["user", "passwd", "pat", "--password-stdin"][..]),
        ("dis", &["user", "disable", "dis"]),
        ("del", &["user", "delete", "del"]),
        ("rol", &["user", "role", "rol", "--remove", "caller"]),
    ] {
        house.user(name, &["caller"]);
        // Warm, and on connections that stay open.
        let mut connection = Connection::open(house.public()).expect("a connection");
        let status = |connection: &mut Connection, password: &str| {
            connection.ask(&get("/old/7", name, password)).expect("an answer").status
        };
        assert_ne!(status(&mut connection, PASSWORD), 401, "{name}");
        assert_ne!(status(&mut connection, PASSWORD), 401, "{name}");
        must(&house.data(), change, &format!("{fresh}\n"));
        assert_eq!(status(&mut connection, PASSWORD), 401, "{change:?} is done, and the old password still passes");
        if name == "pat" {
            assert_ne!(status(&mut connection, fresh), 401);
        }
    }
    // Made again under the same name and password: another user, without the old one's rights.
    house.user("del", &[]);
    let answer = house.ask(&get("/old/7", "del", PASSWORD));
    assert!(challenge(&answer).contains("insufficient_scope"), "{answer:?}");
    // Put back what was taken away: the password is as good as before.
    house.run(&["user", "enable", "dis"]);
    assert_ne!(house.ask(&get("/old/7", "dis", PASSWORD)).status, 401);
}

#[test]
fn a_remembered_password_dies_at_every_node() {
    let cluster = Cluster::of(2);
    let policy = TempDir::new().expect("a folder");
    let file = policy.path().join("policy.toml");
    fs::write(&file, POLICY).expect("written");
    must(&cluster.data(0), &["policy", "apply", &file.display().to_string(), "--config", &config(&cluster, 0)], "");
    let add = ["user", "add", "ada", "--role", "caller", "--password-stdin", "--config", &config(&cluster, 0)];
    must(&cluster.data(0), &add, &format!("{PASSWORD}\n"));
    for address in cluster.addresses() {
        assert_eq!(ask(address, &get("/old/7", "ada", PASSWORD)).status, 200);
        assert_eq!(ask(address, &get("/old/7", "ada", PASSWORD)).status, 200);
    }
    let fresh = "eleven amber lanterns humming";
    let passwd = ["user", "passwd", "ada", "--password-stdin", "--config", &config(&cluster, 0)];
    must(&cluster.data(0), &passwd, &format!("{fresh}\n"));
    for address in cluster.addresses() {
        assert_eq!(ask(address, &get("/old/7", "ada", PASSWORD)).status, 401, "at {address}");
        assert_eq!(ask(address, &get("/old/7", "ada", fresh)).status, 200, "at {address}");
    }
    must(&cluster.data(0), &["user", "role", "ada", "--remove", "caller", "--config", &config(&cluster, 0)], "");
    for address in cluster.addresses() {
        assert_eq!(ask(address, &get("/old/7", "ada", fresh)).status, 401, "at {address}");
    }
}

fn config(cluster: &Cluster, index: usize) -> String {
    cluster.data(index).parent().expect("a folder").join("keyfob.toml").display().to_string()
}

#[test]
fn the_report_names_who_still_comes_and_when_last() {
    let (folder, api) = (TempDir::new().expect("a folder"), Recorder::start());
    let house = House::empty(&api.origin(), POLICY);
    let lines = htpasswd("abe", OLD_PASSWORD, &["-m"]) + &htpasswd("bea", OLD_PASSWORD, &["-m"]);
    house.run(&["user", "import", &file(&folder, &lines), "--role", "caller"]);
    house.user("ada", &["caller"]);
    assert_eq!(house.ask(&get("/old/7", "abe", OLD_PASSWORD)).status, 200);
    assert_eq!(house.ask(&get("/old/7", "bea", "wrong")).status, 401);
    let token = house.token("ada");
    assert_eq!(house.ask(&Request::new("GET", "/old/7").bearer(&token)).status, 200);
    let rows = report(&house);
    let names: Vec<_> = rows.iter().map(|row| row["username"].clone()).collect();
    assert_eq!(names, ["abe", "bea"], "a token is no use of Basic");
    assert_eq!((&rows[0]["network"], &rows[0]["imported_hash"]), (&"127.0.0.0/24".into(), &Value::Null));
    assert!(rows[0]["last_used_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{rows:?}");
    assert_eq!(
        (&rows[1]["last_used_at"], &rows[1]["imported_hash"]),
        (&Value::Null, &"apr1".into()),
        "a wrong one is none"
    );
    let text = house.run(&["basic", "report"]);
    assert!(text.starts_with("user  last used Basic"), "{text}");
}

#[test]
fn an_end_of_the_window_is_in_force_at_once() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    assert_eq!(house.ask(&get("/old/7", "ada", PASSWORD)).status, 200);
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("policy.toml");
    fs::write(&path, POLICY.replace("2999", "2021")).expect("written");
    house.run(&["policy", "apply", &path.display().to_string()]);
    let ended = house.ask(&get("/old/7", "ada", PASSWORD));
    assert_eq!(ended.json()["type"], "urn:keyfob:problem:basic-ended");
    assert!(!challenge(&ended).contains("Basic"));
    let explained = house.run(&["policy", "check", &path.display().to_string()]);
    assert!(explained.contains("HTTP Basic until 2021-01-01"), "{explained}");
    let answer = ask(house.public(), &login_request("ada", PASSWORD));
    assert_eq!(answer.status, 200, "the user signs in as ever");
}
