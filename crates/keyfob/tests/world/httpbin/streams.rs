//! Streaming: what the API sends early, the caller gets early.

use std::time::Duration;

use super::Front;
use crate::support::clock;
use crate::support::http::{Connection, Request};

#[test]
fn a_stream_of_lines_arrives_whole() {
    let front = Front::open();
    let answer = front.same(&Request::new("GET", "/stream/20"));
    assert_eq!(answer.text().lines().count(), 20);
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
