//! Clients and neighbours that mean harm: slow bodies, floods of failed signatures, a feed that cannot be read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY, login};
use crate::support::http::Request;
use crate::support::recorder::Recorder;

#[test]
fn a_body_that_dribbles_in_is_408_and_frees_its_connection() {
    let house = House::with("http://127.0.0.1:9", POLICY, &[("KEYFOB_LIMITS_BODY_IDLE_TIMEOUT", "1s")]);
    let stream = TcpStream::connect(house.public()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut dribble = stream.try_clone().unwrap();
    let head = "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n";
    dribble.write_all(head.as_bytes()).unwrap();
    let started = clock::now();
    std::thread::spawn(move || {
        // Never idle for the limit, and never done.
        while dribble.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let mut answer = Vec::new();
    // A reset after the answer is an end like any other.
    let _ = (&stream).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("urn:keyfob:problem:body-timeout"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn nginx_gets_no_body_even_where_nothing_can_be_told() {
    let house = House::open("http://127.0.0.1:9");
    let token = house.token("ada");
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    let check = Request::new("GET", "/auth/check/nginx")
        .header("X-Original-Method", "GET")
        .header("X-Original-URI", "/things")
        .bearer(&forged);
    let answers: Vec<_> = (0..25).map(|_| house.ask(&check)).collect();
    assert!(answers.iter().any(|answer| answer.status == 503), "the failures of a session are limited");
    for answer in answers {
        assert!(answer.body.is_empty() && answer.header("content-type").is_none(), "{answer:?}");
    }
}

#[test]
fn changing_the_password_leaves_no_attempt_behind() {
    let house = House::open("http://127.0.0.1:9");
    let token = house.token("ada");
    let mut words = [PASSWORD, "a wholly different set of words"];
    for _ in 0..10 {
        let body = serde_json::json!({ "current_password": words[0], "new_password": words[1] });
        assert_eq!(house.ask(&Request::new("POST", "/auth/password").bearer(&token).json(&body)).status, 204);
        words.swap(0, 1);
    }
    assert_eq!(login(house.public(), "ada", words[0]).status, 200, "ten changes are no ten failures");
}

#[test]
fn nothing_is_judged_on_old_facts_while_the_feed_cannot_be_read() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let call = || house.ask(&Request::new("GET", "/things").bearer(&token)).status;
    assert_eq!(call(), 200);
    // Every policy that is stored from now on is damaged, so the feed stops at its change.
    let damage = r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute("CREATE TRIGGER damage AFTER INSERT ON policies "
           "BEGIN UPDATE policies SET text = 'not a policy' WHERE version = new.version; END")
db.commit()
"#;
    let done = Command::new("python3").args(["-c", damage]).arg(house.data().join("keyfob.db")).status().unwrap();
    assert!(done.success());
    house.write_policy(&format!("{POLICY}\n# changed\n"));
    let stopped = || house.keyfob().log().contains("the change feed cannot be read").then_some(());
    assert!(clock::until(Duration::from_secs(20), stopped).is_some(), "the feed goes on");
    let end = house.ask(&Request::new("POST", "/auth/logout").bearer(&token));
    assert_eq!(end.status, 503, "what is not applied is not acknowledged");
    let revocation = Request::new("POST", "/auth/revoke")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("token={}", house.token("bob")));
    let revocation = house.ask(&revocation);
    assert_eq!((revocation.status, revocation.header("retry-after")), (503, Some("2")), "{}", revocation.text());
    assert_eq!(revocation.json()["error"], "temporarily_unavailable");
    assert_ne!(call(), 200, "and yet no guard goes on believing it");
}
