//! Clients and neighbours that mean harm: slow bodies, floods of failed signatures, a feed that cannot be read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::house::{House, POLICY};

#[test]
fn a_body_that_dribbles_in_is_408_and_frees_its_connection() {
    let house = House::with("http://127.0.0.1:9", POLICY, &[("KEYFOB_LIMITS_BODY_IDLE_TIMEOUT", "1s")]);
    let stream = TcpStream::connect(house.public()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut dribble = stream.try_clone().unwrap();
    let head = "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n";
    dribble.write_all(head.as_bytes()).unwrap();
    let started = Instant::now();
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
