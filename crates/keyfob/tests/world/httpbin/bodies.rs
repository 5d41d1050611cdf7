//! Large, compressed and chunked bodies, both ways.

use super::Front;
use crate::support::http::Request;

const MEGABYTE: usize = 1024 * 1024;

/// Bytes that no compression and no lucky offset make equal: a small linear congruence.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 0x2545_f491;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn ten_megabytes_go_up_and_come_back_unchanged() {
    let front = Front::open();
    // Text, so that httpbin gives it back as it is instead of as base64.
    let text: String = noise(10 * MEGABYTE).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let request = Request::new("POST", "/post").header("Content-Type", "text/plain").body(text.clone());
    let seen = front.same(&request).json();
    assert!(seen["data"] == text.as_str(), "the body that came back is another one");
    let chunked = front.signed_in(&request.chunked()).json();
    assert!(chunked["data"] == text.as_str(), "the body that came back is another one");
}

#[test]
fn ten_megabytes_come_down_unchanged() {
    let front = Front::open();
    // httpbin caps one answer of /bytes at 100 KiB, and /stream-bytes too, but not what an upload makes it say.
    let down = front.same(&Request::new("GET", "/stream-bytes/102400?seed=7&chunk_size=1000"));
    assert_eq!(down.body.len(), 100 * 1024);
    let down = front.same(&Request::new("GET", "/bytes/102400?seed=7"));
    assert_eq!(down.body.len(), 100 * 1024);
    let up = Request::new("PUT", "/anything").header("Content-Type", "application/octet-stream");
    let down = front.same(&up.body(noise(8 * MEGABYTE)));
    assert!(down.body.len() > 10 * MEGABYTE, "base64 of 8 MiB is more than 10 MiB, not {}", down.body.len());
}

#[test]
fn compressed_answers_pass_as_they_are() {
    let front = Front::open();
    for (target, coding) in [("/gzip", "gzip"), ("/deflate", "deflate"), ("/brotli", "br")] {
        let direct = front.direct(&Request::new("GET", target).header("Accept-Encoding", "gzip, deflate, br"));
        let passed = front.signed_in(&Request::new("GET", target).header("Accept-Encoding", "gzip, deflate, br"));
        assert_eq!(passed.status, 200);
        assert_eq!(passed.header("content-encoding"), Some(coding));
        // gzip writes the time of packing into bytes 4 to 8, so those four may differ between two answers.
        let timeless = |body: &[u8]| if coding == "gzip" { [&body[..4], &body[8..]].concat() } else { body.to_vec() };
        assert_eq!(timeless(&passed.body), timeless(&direct.body), "{target}");
        assert_eq!(passed.header("content-length"), direct.header("content-length"), "{target}");
    }
}

#[test]
fn chunked_and_counted_bodies_arrive_alike() {
    let front = Front::open();
    let form = Request::new("POST", "/post").header("Content-Type", "application/x-www-form-urlencoded");
    let counted = front.same(&form.clone().body("name=ada&role=caller")).json();
    let chunked = front.same(&form.body("name=ada&role=caller").chunked()).json();
    assert_eq!(counted["form"], serde_json::json!({ "name": "ada", "role": "caller" }));
    assert_eq!(chunked["form"], counted["form"]);
    let file = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nwhat is in it\r\n--edge--\r\n";
    let upload = Request::new("POST", "/post").header("Content-Type", "multipart/form-data; boundary=edge").body(file);
    assert_eq!(front.same(&upload).json()["files"]["file"], "what is in it");
    let empty = front.same(&Request::new("POST", "/post")).json();
    assert_eq!(empty["data"], "");
}

#[test]
fn one_connection_serves_many_callers_without_mixing_them() {
    let front = Front::open();
    let other = front.house.token("bob");
    let mut connection = crate::support::http::Connection::open(front.house.public()).unwrap();
    for round in 0..20 {
        let own = Request::new("GET", &format!("/anything/{round}"));
        let ada = connection.ask(&own.clone().bearer(&front.token)).unwrap();
        assert_eq!(ada.status, 200);
        let url = ada.json()["url"].as_str().unwrap().to_owned();
        assert!(url.ends_with(&format!("/anything/{round}")), "round {round} got {url}");
        assert_eq!(connection.ask(&own.clone().bearer(&other)).unwrap().status, 401);
        assert_eq!(connection.ask(&own).unwrap().status, 401);
    }
}
