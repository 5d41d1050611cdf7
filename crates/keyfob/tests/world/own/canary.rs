//! The secrets canary of the product (the search itself is `tests/canary/mod.rs`, and every test of the outside passes it):
//! here every endpoint and command gets its credentials right and wrong, above all wrong, at the level `trace`; then logs,
//! output, database, its log, a backup, a restored store and the metrics are searched for each of them, and for the private
//! half of the signing keys.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfob_store::root_key::RootKey;
use keyfob_store::sqlite;
use serde_json::{Value, json};

use crate::support::canary;
use crate::support::house::{House, PASSWORD, POLICY, login};
use crate::support::http::{Request, ask, ask_raw};
use crate::support::keyfob::{command, must};
use crate::support::recorder::Recorder;

const WRONG: &str = "canary of a wrong password";
const NEW: &str = "canary of another password";
/// Where the private number of a P-256 key is in its PKCS #8 document (RFC 5958, RFC 5915).
const SCALAR: std::ops::Range<usize> = 36..68;

/// What is passed around: each is good for something, and most are sent where they are good for nothing.
struct Credentials {
    access: String,
    ended: String,
    refresh: String,
    key: String,
    key_id: String,
    client: String,
    secret: String,
}

fn form(endpoint: &str, body: &str) -> Request {
    Request::new("POST", endpoint).header("Content-Type", "application/x-www-form-urlencoded").body(body)
}

fn text(document: &Value, member: &str) -> String {
    document[member].as_str().unwrap_or_else(|| panic!("no {member} in {document}")).to_owned()
}

impl Credentials {
    fn of(house: &House) -> Self {
        let ended = house.token("ada");
        assert_eq!(house.ask(&Request::new("POST", "/auth/logout").bearer(&ended)).status, 204);
        let signed_in = login(house.public(), "ada", PASSWORD).json();
        let access = text(&signed_in, "access_token");
        let key = Request::new("POST", "/auth/keys").bearer(&access).json(&json!({ "name": "script" }));
        let key = house.ask(&key).json();
        let client: Value = serde_json::from_str(&house.run(&["--json", "client", "add", "robot"])).expect("JSON");
        Self {
            access,
            ended,
            refresh: text(&signed_in, "refresh_token"),
            key: text(&key, "key"),
            key_id: text(&key, "id"),
            client: text(&client, "id"),
            secret: text(&client, "secret"),
        }
    }

    /// Those as they were issued.
    fn whole(&self) -> [&String; 5] {
        [&self.access, &self.ended, &self.refresh, &self.key, &self.secret]
    }

    /// Everything that somebody might send as a bearer token: good, dead, of another kind, and spoilt.
    fn bearers(&self) -> Vec<String> {
        let whole = self.whole();
        let spoilt = whole.iter().flat_map(|token| {
            let (start, end) = token.split_at(token.len() - 4);
            [
                format!("{start}{}", end.to_ascii_uppercase()),
                start.to_owned(),
                format!("{token} x"),
                format!("{token}\""),
            ]
        });
        whole.iter().map(|token| (*token).clone()).chain(spoilt).collect()
    }
}

#[test]
fn no_credential_is_found_in_any_log_store_backup_or_metric() {
    let api = Recorder::start();
    let mut house = House::with(&api.origin(), POLICY, &[("KEYFOB_LOG_FORMAT", "json")]);
    house.user("ada", &["caller"]);
    house.user("bob", &["visitor"]);
    let before = canary::count();
    let mine = Credentials::of(&house);
    sign_ins(&house);
    doors(&house, &mine);
    token_endpoints(&house, &mine);
    accounts(&house, &mine);
    commands(&house, &mine);
    assert!(canary::count() > before + 40, "{} secrets were passed around", canary::count() - before);
    house.keyfob().metrics();
    let backup = house.data().with_file_name("backup.db");
    house.run(&["backup", &backup.display().to_string()]);
    house.kill();
    private_keys(&house.data());
    canary::search("the backup", &fs::read(&backup).expect("a backup"));
    house.run(&["restore", &backup.display().to_string()]);
    house.start();
    doors(&house, &mine);
    token_endpoints(&house, &mine);
    // Again as text, which is formatted by other code.
    let mut house = house.restarted(&[]);
    sign_ins(&house);
    doors(&house, &mine);
    house.kill();
    canary::search_directory(&house.data());
}

/// Passwords that are right, wrong, of nobody, and in bodies that cannot be read.
fn sign_ins(house: &House) {
    let json = |body: String| Request::new("POST", "/auth/login").header("Content-Type", "application/json").body(body);
    for (request, good) in [
        (json(json!({ "username": "ada", "password": PASSWORD }).to_string()), true),
        (form("/auth/login", "username=ada&password=seven+violet+kettles+drumming"), true),
        (json(json!({ "username": "ada", "password": WRONG }).to_string()), false),
        (json(json!({ "username": WRONG, "password": PASSWORD }).to_string()), false),
        (json(json!({ "username": "ada", "password": PASSWORD, "extra": WRONG }).to_string()), false),
        (
            json(json!({ "username": "ada", "password": PASSWORD, "scope": WRONG.replace(' ', "\"") }).to_string()),
            false,
        ),
        (json(json!({ "username": 7, "password": PASSWORD }).to_string()), false),
        (json(json!({ "username": "ada", "password": [WRONG] }).to_string()), false),
        (json(format!("{{\"username\":\"ada\",\"password\":\"{WRONG}")), false),
        (json(format!("{{\"username\":\"ada\",\"password\":\"{WRONG}\\x\"}}")), false),
        (form("/auth/login", "username=ada&password=canary+of+a+wrong+password&password=twice"), false),
        (form("/auth/login", "username=ada&password=canary+of+a+wrong+password%ff"), false),
        (form("/auth/login?password=canary+of+a+wrong+password", "username=ada"), false),
        (Request::new("POST", "/auth/login").header("Content-Type", "text/plain").body(WRONG), false),
        (Request::new("GET", "/auth/login?username=ada&password=canary+of+a+wrong+password"), false),
    ] {
        let answer = house.ask(&request);
        assert_eq!(answer.status == 200, good, "{request:?}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "nothing that was sent comes back: {}", answer.text());
    }
}

/// Every bearer at every door, and where none belongs: in the query, in the path, doubled, in cookies, as another scheme.
fn doors(house: &House, mine: &Credentials) {
    let basic = STANDARD.encode(format!("ada:{PASSWORD}"));
    let mut credentials: Vec<String> = mine.bearers().iter().map(|token| format!("Bearer {token}")).collect();
    credentials.extend([
        format!("Basic {basic}"),
        format!("Token {}", mine.key),
        mine.access.clone(),
        format!("Bearer {WRONG}"),
    ]);
    for value in &credentials {
        let token = value.rsplit(' ').next().unwrap_or_default().trim_end_matches('"');
        // Of a path that holds something else, nobody can tell that it is a secret.
        let in_path = if token.starts_with("fob_") || token.starts_with("eyJ") { token } else { "1" };
        for request in [
            Request::new("GET", "/things/1"),
            Request::new("GET", &format!("/things?access_token={token}&api_key={token}")).header("Cookie", token),
            Request::new("GET", "/things/1").header("Authorization", value).header("X-Api-Key", token),
            Request::new("GET", &format!("/things/{in_path}/more")),
            Request::new("DELETE", &format!("/auth/keys/{in_path}")),
            Request::new("DELETE", &format!("/auth/sessions/{in_path}")),
            Request::new("GET", "/auth/me"),
            Request::new("GET", &format!("/auth/me?access_token={token}")),
            Request::new("GET", "/auth/check/nginx")
                .header("X-Original-Method", "GET")
                .header("X-Original-URI", &format!("/things/1?access_token={token}")),
            Request::new("GET", "/auth/check/forward")
                .header("X-Forwarded-Method", "GET")
                .header("X-Forwarded-Uri", &format!("/things/%2e%2e?access_token={token}")),
            Request::new("GET", &format!("/auth/check/envoy/things/1?access_token={token}")),
            Request::new("GET", "/things/1").header("Connection", "Upgrade").header("Upgrade", "websocket"),
        ] {
            let answer = house.ask(&request.header("Authorization", value));
            // Of a signature that is forged again and again, it says no more than that it looks no longer.
            let forged = token.starts_with("eyJ") && !mine.whole().iter().any(|whole| *whole == token);
            assert!(answer.status < 500 || forged && answer.status == 503, "{value}: {}", answer.text());
        }
        let internal = Request::new("GET", "/auth/check/envoy/things/1").header("Authorization", value);
        ask(house.keyfob().internal, &internal);
        // What breaks the framing, or is no HTTP at all.
        for broken in
            ["GET /x HTTP/1.1\r\nHost: a\r\nHost: b", "GET /x HTTP/1.1\r\nHost : a", "GET http:// HTTP/9.9\r\nHost: a"]
        {
            let _ = ask_raw(house.public(), format!("{broken}\r\nAuthorization: {value}\r\n\r\n").as_bytes());
        }
    }
}

/// The OAuth endpoints with every credential in every place, authenticated and not.
fn token_endpoints(house: &House, mine: &Credentials) {
    let good = STANDARD.encode(format!("{}:{}", mine.client, mine.secret));
    let wrong = STANDARD.encode(format!("{}:{}", mine.client, mine.key));
    let nobody = STANDARD.encode(format!("stranger:{WRONG}"));
    let mut bodies = vec![
        "grant_type=client_credentials".to_owned(),
        format!("grant_type=client_credentials&client_id={}&client_secret={}", mine.client, mine.secret),
        format!("grant_type=client_credentials&client_id={}&client_secret={}", mine.client, mine.refresh),
        "grant_type=password&username=ada&password=canary+of+a+wrong+password".to_owned(),
        format!("grant_type={}", mine.refresh),
        format!("grant_type=refresh_token&refresh_token={}&refresh_token={}", mine.refresh, mine.refresh),
        format!("grant_type=refresh_token&refresh_token={}%ff", mine.refresh),
    ];
    for token in mine.bearers() {
        let token = token.trim_end_matches(" x").trim_end_matches('"').to_owned();
        bodies.push(format!("grant_type=refresh_token&refresh_token={token}"));
        bodies.push(format!("grant_type=client_credentials&scope={token}"));
        bodies.push(format!("token={token}&token_type_hint={token}"));
    }
    for body in &bodies {
        for endpoint in ["/auth/token", "/auth/introspect"] {
            for basic in ["", &good, &wrong, &nobody] {
                let request = form(endpoint, body);
                let request =
                    if basic.is_empty() { request } else { request.header("Authorization", &format!("Basic {basic}")) };
                let answer = house.ask(&request);
                assert!(answer.status < 500, "{body}: {}", answer.text());
                canary::shown(&answer.body);
            }
        }
    }
    // A rotated refresh token, replayed until its session ends.
    let mut refresh = text(&login(house.public(), "ada", PASSWORD).json(), "refresh_token");
    let first = refresh.clone();
    for _ in 0..3 {
        let answer = house.ask(&form("/auth/token", &format!("grant_type=refresh_token&refresh_token={refresh}")));
        refresh = text(&answer.json(), "refresh_token");
    }
    house.ask(&form("/auth/token", &format!("grant_type=refresh_token&refresh_token={first}")));
    for token in [&refresh, &first, &mine.ended, &mine.secret, &"canary-of-nothing".to_owned()] {
        house.ask(&form("/auth/revoke", &format!("token={token}")));
    }
}

/// The account of a user: passwords that are wrong, common, too short, and at last good.
fn accounts(house: &House, mine: &Credentials) {
    let token = house.token("bob");
    for (current, new, status) in
        [(WRONG, NEW, 401), (PASSWORD, "canary short", 422), (PASSWORD, PASSWORD, 422), (PASSWORD, NEW, 204)]
    {
        let body = json!({ "current_password": current, "new_password": new });
        let answer = house.ask(&Request::new("POST", "/auth/password").bearer(&token).json(&body));
        assert!(answer.status == status || (200..300).contains(&answer.status), "{}", answer.text());
    }
    let answer = house.ask(&Request::new("GET", "/auth/keys").bearer(&mine.access));
    assert_eq!(answer.status, 200, "{}", answer.text());
    house.ask(&Request::new("GET", "/auth/sessions").bearer(&mine.access));
    house.ask(&Request::new("DELETE", &format!("/auth/keys/{}", mine.key_id)).bearer(&mine.access));
}

/// The commands, with secrets on standard input and in places where none belongs.
fn commands(house: &House, mine: &Credentials) {
    let data = house.data();
    must(&data, &["user", "passwd", "bob", "--password-stdin"], &format!("{WRONG} and more\n"));
    command(&data, &["user", "add", "ada", "--password-stdin"], &format!("{NEW}\n"));
    command(&data, &["user", "add", "eve", "--password-stdin"], "canary short\n");
    for token in mine.bearers() {
        command(&data, &["token", "inspect"], &format!("{token}\n"));
    }
    let made = must(&data, &["--json", "key", "create", "ada", "nightly"], "");
    let id = text(&serde_json::from_str(&made).expect("JSON"), "id");
    for arguments in [
        &["key", "list", "ada"][..],
        &["key", "revoke", &id],
        &["client", "list"],
        &["client", "rotate-secret", "robot"],
        &["client", "suspend", "robot"],
        &["client", "resume", "robot"],
        &["session", "list", "ada"],
        &["signing-key", "list"],
        &["signing-key", "rotate", "--now"],
        &["doctor"],
        &["root-key", "export"],
        &["user", "show", "ada"],
    ] {
        command(&data, arguments, "");
    }
    // A key given for its id: what is refused does not repeat it.
    for secret in [&mine.key, &mine.refresh] {
        assert!(!command(&data, &["key", "revoke", secret], "").status.success());
    }
}

/// Remember the private halves, then search where only their sealed form may be. The program has ended.
fn private_keys(data: &Path) {
    let root = fs::read_to_string(data.join("root.key")).expect("a root key");
    let root_key = RootKey::from_text(&root).expect("a root key");
    let options = sqlite::Options { root_key, fresh_incarnation: [0; 16], mark: None, rng: keyfob::clock::rng() };
    let store = sqlite::open(&data.join("keyfob.db"), options).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let keys = runtime.block_on(store.signing_keys()).expect("signing keys");
    assert!(keys.len() > 1, "keys of this life and its next");
    for stored in keys {
        let document = stored.key.to_pkcs8();
        assert_eq!(document[SCALAR.start - 2..SCALAR.start], [4, 32], "an octet string of 32 bytes");
        canary::remember("a private key", &document[SCALAR]);
    }
    drop(store);
    canary::search_directory(data);
}
