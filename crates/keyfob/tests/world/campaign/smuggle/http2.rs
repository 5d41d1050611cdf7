//! HTTP/2 by hand (RFC 9113, RFC 7541): requests that become HTTP/1.1 behind the gateway, with fields that no client library
//! would send. Header blocks are literals without an index.

use super::stream::{filled, smuggled};
use crate::campaign::Dice;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Fields that say something about framing, or break a line: `{S}` is a request for what nobody may have, `{L}` the length
/// of the body.
const FIELDS: &[(&str, &str)] = &[
    ("x", "y"),
    ("content-length", "{L}"),
    ("content-length", "0"),
    ("content-length", "5, 5"),
    ("content-length", "+{L}"),
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "identity"),
    ("transfer_encoding", "chunked"),
    ("content_length", "5"),
    ("connection", "close"),
    ("connection", "transfer-encoding"),
    ("proxy-connection", "keep-alive"),
    ("upgrade", "h2c"),
    ("keep-alive", "5"),
    ("te", "trailers"),
    ("te", "chunked"),
    ("expect", "100-continue"),
    ("host", "api.test"),
    ("host", "other.test"),
    ("x", "y\r\ntransfer-encoding: chunked"),
    ("x", "y\r\n\r\n{S}"),
    ("x", "y\n\n{S}"),
    ("x", "y\r{S}"),
    ("x", "y\0z"),
    ("x", " y "),
    ("X-Upper", "y"),
    ("x: y\r\ntransfer-encoding", "chunked"),
    ("x y", "z"),
    ("transfer-encoding ", "chunked"),
    ("transfer-encoding: chunked\r\nx", "y"),
    ("", "y"),
    (":method", "DELETE"),
    (":path", "/shut"),
    (":authority", "other.test"),
    (":status", "200"),
    (":protocol", "websocket"),
    ("x-auth-user", "root"),
    ("x_auth.user", "root"),
    ("x-request-id", "0"),
    ("cookie", "a=1"),
    ("cookie", "b=2"),
    ("trailer", "content-length"),
    ("x-http-method-override", "DELETE"),
];

/// `{T}` is a target that anybody may call.
const PATHS: &[&str] = &[
    "{T}",
    "{T}",
    "{T}",
    "{T}?a=b",
    "{T} HTTP/1.1\r\nX: y",
    "{T} HTTP/1.1\r\n\r\n{S}",
    "{T}\r\n\r\n{S}",
    "{T}%0d%0a%0d%0a",
    "{T} /shut",
    "{T}\t",
    "{T}\0",
    "{T}#/shut",
    "http://api.test{T}",
    "",
    "*",
    "shut",
];

const METHODS: &[&str] = &[
    "POST",
    "POST",
    "POST",
    "GET",
    "GET",
    "PUT",
    "DELETE",
    "HEAD",
    "GET /shut HTTP/1.1\r\nX:",
    "CONNECT",
    "PO ST",
    "",
];
const AUTHORITIES: &[&str] =
    &["api.test", "api.test", "api.test", "api.test\r\nX: y", "api.test, b", "user@api.test", "api.test/shut", ""];
const BODIES: &[&str] = &["", "{S}", "{S}", "0\r\n\r\n{S}", "{N}\r\n{S}\r\n0\r\n\r\n", "hello"];

/// Up to three requests on a connection, the first of them plain.
pub fn stream(dice: &mut Dice, tag: &str) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    let plain = [(":method", "GET"), (":scheme", "http"), (":authority", "api.test")];
    let target = format!("/open/{tag}-before");
    let mut block = Vec::new();
    for (name, value) in plain.into_iter().chain([(":path", &*target)]) {
        literal(&mut block, name.as_bytes(), value.as_bytes());
    }
    frame(&mut bytes, HEADERS, END_STREAM | END_HEADERS, 1, &block);
    for number in 0..=dice.roll(2) {
        request(dice, tag, u32::try_from(number * 2 + 3).expect("a small number"), &mut bytes);
    }
    bytes
}

fn request(dice: &mut Dice, tag: &str, id: u32, bytes: &mut Vec<u8>) {
    let pick = |dice: &mut Dice, from: &[&'static str]| from[dice.roll(from.len())];
    let target = format!("/open/{tag}");
    let body = filled(pick(dice, BODIES), tag);
    let fill = |text: &str| {
        text.replace("{T}", &target).replace("{S}", &smuggled(tag)).replace("{L}", &body.len().to_string()).into_bytes()
    };
    let mut block = Vec::new();
    for (name, value) in [
        (":method", pick(dice, METHODS)),
        (":scheme", "http"),
        (":authority", pick(dice, AUTHORITIES)),
        (":path", pick(dice, PATHS)),
    ] {
        literal(&mut block, name.as_bytes(), &fill(value));
    }
    for _ in 0..dice.roll(4) {
        let (name, value) = FIELDS[dice.roll(FIELDS.len())];
        literal(&mut block, name.as_bytes(), &fill(value));
    }
    let trailers = dice.roll(5) == 0;
    let last = |here: bool| if here { END_STREAM } else { 0 };
    frame(bytes, HEADERS, END_HEADERS | last(body.is_empty() && !trailers), id, &block);
    if !body.is_empty() {
        frame(bytes, DATA, last(!trailers), id, &body);
    }
    if trailers {
        let mut block = Vec::new();
        let (name, value) = FIELDS[dice.roll(FIELDS.len())];
        literal(&mut block, name.as_bytes(), &fill(value));
        frame(bytes, HEADERS, END_HEADERS | END_STREAM, id, &block);
    }
}

/// RFC 9113 §4.1.
fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    bytes.extend([length[1], length[2], length[3], kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(payload);
}

/// RFC 7541 §6.2.2.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        length(block, text.len());
        block.extend(text);
    }
}

/// RFC 7541 §5.1, with seven bits in the first byte.
fn length(block: &mut Vec<u8>, length: usize) {
    if let Ok(short @ 0..127) = u8::try_from(length) {
        return block.push(short);
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("seven bits"));
}
