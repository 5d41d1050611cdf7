//! Streaming: what the API sends early, the caller gets early.

use std::time::Duration;

use serde_json::Value;

use super::Front;
use crate::support::clock;
use crate::support::http::{Connection, Request};

#[test]
fn a_stream_of_lines_arrives_whole() {
    let front = Front::open();
    let request = Request::new("GET", "/stream/20");
    let (direct, answer) = (front.direct(&request), front.signed_in(&request));
    // Each line echoes the headers in the order they came in, and that order across names is nobody's promise
    // (RFC 9110 §5.3), so lines are compared by what they say.
    let lines = |text: String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    assert_eq!(lines(answer.text()), lines(direct.text()));
    assert_eq!(answer.text().lines().count(), 20);
    assert_eq!(answer.header("content-type"), direct.header("content-type"));
    assert_eq!(answer.header("content-length"), None, "a stream has no length that anybody could know");
}

#[test]
fn a_slow_stream_is_passed_on_as_it_comes() {
    let front = Front::open();
    let mut connection = Connection::open(front.house.public()).unwrap();
    let start = clock::now();
    let drip = Request::new("GET", "/drip?duration=3&numbytes=6&delay=0").bearer(&front.token);
    connection.send(&drip.bytes()).unwrap();
    let head = connection.head().unwrap();
    assert_eq!(head.status, 200);
    let first = connection.some().unwrap();
    let early = start.elapsed();
    assert!(!first.is_empty());
    let mut rest = 6 - first.len();
    while rest > 0 {
        rest -= connection.some().unwrap().len();
    }
    let late = start.elapsed();
    // httpbin waits half a second between two bytes: kept until the end, the first would come with the last.
    assert!(late > early + Duration::from_millis(1500), "first byte after {early:?}, last after {late:?}");
}

#[test]
fn sigterm_lets_an_open_answer_end_and_takes_no_new_one() {
    let mut front = Front::open();
    let address = front.house.public();
    let mut connection = Connection::open(address).unwrap();
    connection.send(&Request::new("GET", "/drip?duration=2&numbytes=4&delay=0").bearer(&front.token).bytes()).unwrap();
    let head = connection.head().unwrap();
    let mut got = connection.some().unwrap();
    let keyfob = front.house.release();
    keyfob.terminate();
    let refused = clock::until(Duration::from_secs(5), || std::net::TcpStream::connect(address).err());
    assert!(refused.is_some(), "it still takes connections");
    while got.len() < 4 {
        let more = connection.some().unwrap();
        assert!(!more.is_empty(), "the open answer was cut: {head:?}");
        got.extend(more);
    }
    assert_eq!(keyfob.wait().code(), Some(0));
}

#[test]
fn a_caller_who_goes_away_leaves_the_way_free_for_the_next() {
    let front = Front::open();
    for _ in 0..10 {
        let mut connection = Connection::open(front.house.public()).unwrap();
        connection.send(&Request::new("GET", "/drip?duration=5&numbytes=50").bearer(&front.token).bytes()).unwrap();
        connection.head().unwrap();
        connection.some().unwrap();
    }
    let start = clock::now();
    assert_eq!(front.signed_in(&Request::new("GET", "/get")).status, 200);
    assert!(start.elapsed() < Duration::from_secs(4), "the next caller waited for those who went away");
}
