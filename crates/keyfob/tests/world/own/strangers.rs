//! G15: whatever strangers send, and however much of it, the database stays as small as it was, but for counters with a
//! fixed room; and the operator sees what they tried.

use keyfob_core::opaque::{Kind, Opaque};
use serde_json::Value;

use crate::support::house::{House, PASSWORD, POLICY, login_request};
use crate::support::http::Request;

/// Requests in the storm.
const STORM: usize = 2_000;
/// Names that nobody has and that are remembered, here.
const ROOM: u64 = 100;
/// The cheapest hash there is.
const SETTINGS: &[(&str, &str)] = &[
    ("KEYFOB_THROTTLE_UNKNOWN_NAMES", "100"),
    ("KEYFOB_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("KEYFOB_PASSWORD_MEMORY_KIB", "7168"),
    ("KEYFOB_PASSWORD_PASSES", "5"),
];
/// What the storm may leave: attempts and failures in a row of unknown names, their counts for nine networks in two
/// hours, and of the one known account ten attempts, one count in a row and the same counts; the backup's audit row.
const ROWS_MAX: u64 = 2 * ROOM + 18 + 10 + 1 + 18 + 1;

#[test]
fn a_storm_of_strangers_leaves_a_bounded_number_of_rows() {
    let house = House::with("http://127.0.0.1:9", POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    let before = rows(&house, "before.db");
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (house, token) = (&house, token.as_str());
            scope.spawn(move || {
                for number in (lane..STORM).step_by(4) {
                    let answer = house.ask(&strange(number, token));
                    let revoked = number % 10 == 4;
                    assert!(revoked || (400..500).contains(&answer.status), "{number}: {}", answer.text());
                }
            });
        }
    });
    let left = rows(&house, "after.db") - before;
    assert!(left <= ROWS_MAX, "{left} rows");
    let shown = house.run(&["user", "show", "ada"]);
    let failed = shown.lines().find(|line| line.starts_with("failed sign-ins")).unwrap_or_else(|| panic!("{shown}"));
    assert!(failed.contains(" 10 between ") && failed.contains("networks"), "{failed}");
    let told = house.run(&["doctor"]);
    let told = told.lines().find(|line| line.contains("strangers")).unwrap_or_else(|| panic!("{told}"));
    assert!(told.contains(" 400 between ") && told.contains("networks"), "{told}");
    assert_eq!(house.me(&token)["username"], "ada", "and nobody was thrown out");
    let json: Value = serde_json::from_str(&house.run(&["user", "show", "ada", "--json"])).unwrap();
    assert_eq!(json["failed_sign_ins"]["count"], 10, "{json}");
}

/// One request of somebody who has nothing: each kind in its turn, each from an address of its own.
fn strange(number: usize, token: &str) -> Request {
    let mut random = [0; 24];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let opaque = |kind| Opaque::new(kind, &random).expose().to_owned();
    let form = |path: &str, body: String| {
        Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded").body(body)
    };
    let (signed, _) = token.rsplit_once('.').expect("a token has three parts");
    let request = match number % 10 {
        0 => login_request("ada", &format!("wrong guess number {number}")),
        1 => login_request(&format!("nobody{number}"), PASSWORD),
        2 => Request::new("GET", "/things").bearer(&format!("{signed}.{number:086}")),
        3 => form("/auth/token", format!("grant_type=refresh_token&refresh_token={}", opaque(Kind::Refresh))),
        4 => form("/auth/revoke", format!("token={}", opaque(Kind::Refresh))),
        5 => form("/auth/introspect", format!("token=x&client_id={number}&client_secret={}", opaque(Kind::Client))),
        6 => Request::new("GET", "/auth/me").bearer(&opaque(Kind::ApiKey)),
        7 => Request::new("GET", "/auth/sessions").bearer(&format!("garbage{number}")),
        8 => login_request(&format!("no name at all: {number} \u{0}"), PASSWORD),
        _ => form("/auth/token", format!("grant_type=client_credentials&client_id={number}&client_secret=x")),
    };
    request.header("X-Forwarded-For", &format!("10.{}.{}.1", number / 200, number % 200))
}

/// The rows of all tables, as a backup counts them.
fn rows(house: &House, file: &str) -> u64 {
    let file = house.data().join(file).display().to_string();
    let made: Value = serde_json::from_str(&house.run(&["backup", &file, "--json"])).expect("JSON");
    let tables = made["tables"].as_array().expect("a list of tables");
    tables.iter().map(|table| table["rows"].as_u64().expect("a number")).sum()
}
