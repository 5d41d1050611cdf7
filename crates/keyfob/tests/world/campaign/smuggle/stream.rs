//! The corpus: streams of bytes of which two readers could make different requests, put together from what ever confused two
//! of them and then damaged a little. Stream N is the same in every run.

use std::fmt::Write as _;

use super::http2;
use crate::campaign::Dice;

/// A stream, and the word in its targets that no other has.
pub struct Stream {
    pub tag: String,
    pub bytes: Vec<u8>,
}

/// How many plain ones each list begins with; of framings and bodies there are as many in chunks after them.
const PLAIN: usize = 2;

/// Of request lines: `{T}` is a target that anybody may call.
const STARTS: &[&str] = &[
    "POST {T} HTTP/1.1\r\n",
    "POST {T} HTTP/1.1\r\n",
    "POST {T} HTTP/1.1\r\n",
    "PUT {T}?a=/shut HTTP/1.1\r\n",
    "GET {T} HTTP/1.1\r\n",
    "GET {T} HTTP/1.1\r\n",
    "DELETE {T} HTTP/1.1\r\n",
    "HEAD {T} HTTP/1.1\r\n",
    "OPTIONS {T} HTTP/1.1\r\n",
    "POST http://api.test{T} HTTP/1.1\r\n",
    "POST {T} HTTP/1.0\r\n",
    "POST {T} HTTP/1.0\r\nConnection: keep-alive\r\n",
    "POST {T}  HTTP/1.1\r\n",
    "POST\t{T}\tHTTP/1.1\r\n",
    "POST {T} HTTP/1.1 \r\n",
    "POST {T} HTTP/1.1\n",
    "POST {T} HTTP/1.1\r\r\n",
    "\r\n\r\nPOST {T} HTTP/1.1\r\n",
    " POST {T} HTTP/1.1\r\n",
    "POST {T} HTTP/1.10\r\n",
    "POST {T} HTTP/2.0\r\n",
    "POST {T} http/1.1\r\n",
    "POST {T}\r\n",
    "post {T} HTTP/1.1\r\n",
    "POST {T} /shut HTTP/1.1\r\n",
    "POST {T}%20HTTP/1.1%0d%0aX: HTTP/1.1\r\n",
    "POST {T}#/shut HTTP/1.1\r\n",
    "POST {T}\u{0b}HTTP/1.1\r\n",
    "GE\0T {T} HTTP/1.1\r\n",
];

/// Of fields that frame: `{L}` is the length of what follows, `{M}` another one.
const FRAMINGS: &[&str] = &[
    "Content-Length: {L}\r\n",
    "Content-Length: {L}\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: Chunked\r\n",
    "",
    "Content-Length: {M}\r\n",
    "Content-Length: {L}\r\nContent-Length: {L}\r\n",
    "Content-Length: {L}\r\nContent-Length: {M}\r\n",
    "Content-Length: {M}\r\nContent-Length: {L}\r\n",
    "Content-Length: {L}, {L}\r\n",
    "Content-Length: {L},{M}\r\n",
    "Content-Length: +{L}\r\n",
    "Content-Length: -{L}\r\n",
    "Content-Length: 0{L}\r\n",
    "Content-Length: 0x{L}\r\n",
    "Content-Length: {L}.0\r\n",
    "Content-Length: {L}e0\r\n",
    "Content-Length: {L}_\r\n",
    "Content-Length: {L} {M}\r\n",
    "Content-Length:\t{L}\r\n",
    "Content-Length: {L}\t\r\n",
    "Content-Length:\u{0b}{L}\r\n",
    "Content-Length: {L}\u{0c}\r\n",
    "Content-Length: \"{L}\"\r\n",
    "Content-Length:\r\n",
    "Content-Length:\r\n {L}\r\n",
    "Content-Length : {L}\r\n",
    "Content-Length\t: {L}\r\n",
    "Content-Length\0: {L}\r\n",
    " Content-Length: {L}\r\n",
    "X: y\r\n Content-Length: {L}\r\n",
    "X: y\rContent-Length: {L}\r\n",
    "X: y\nContent-Length: {L}\r\n",
    "X: y\r\n\rContent-Length: {L}\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content_Length: {L}\r\n",
    "Content.Length: {L}\r\n",
    "Content_Length: {M}\r\nContent-Length: {L}\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {M}\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: {L}\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: {M}\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding: identity\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding: xchunked\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding : chunked\r\n",
    "Content-Length: {L}\r\n Transfer-Encoding: chunked\r\n",
    "Content-Length: {L}\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n",
    "Content-Length: {L}\r\nX: y\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {L}\r\nX: y\rTransfer-Encoding: chunked\r\n",
    "Content-Length: {L}\r\nTransfer_Encoding: chunked\r\n",
    "Content-Length: {L}\r\nTransfer.Encoding: chunked\r\n",
    "Content-Length: {L}\r\ntransfer~encoding: chunked\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding\0: chunked\r\n",
    "Content-Length: {L}\r\nTransfer-Encoding;: chunked\r\n",
    "Content-Length: {L}\r\nFoo: bar\r\n\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity, chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked;q=1\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: [chunked\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Transfer-Encoding: chunked,\r\n",
    "Transfer-Encoding: chunk\r\n ed\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding:\u{0b}chunked\r\n",
    "Transfer-Encoding: \u{0c}chunked\r\n",
    "Transfer-Encoding: chunked\u{00a0}\r\n",
    "Transfer-Encoding: chunked\0\r\n",
    "Transfer-Encoding: ch\u{212a}nked\r\n",
    "Transfer-Encoding:chunked\r\n",
    "Transfer-Encoding\r\n: chunked\r\n",
    "TE: chunked\r\nContent-Length: {L}\r\n",
    "Connection: content-length\r\nContent-Length: {L}\r\n",
    "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
    "Connection: close, content-length, transfer-encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: {L}\r\n",
    "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: {L}\r\n",
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "Connection: upgrade\r\nUpgrade: foo\r\n",
    "Expect: 100-continue\r\nContent-Length: {L}\r\n",
    "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
];

/// Chunks with trailers that a server may take for fields.
const TRAILED: &str =
    "{N}\r\n{S}\r\n0\r\nX-Auth-User: root\r\nX_Request.Id: 7\r\nAuthorization: Bearer x\r\nX-Sum: 1\r\n\r\n";
const TRAILER: &str = "Trailer: X-Auth-User, X_Request.Id, Authorization, X-Sum, Content-Length, Transfer-Encoding\r\n";

/// Of bodies: `{S}` is a request for what nobody may have, `{N}` its length in hexadecimal.
const BODIES: &[&str] = &[
    "{S}",
    "hello",
    "{N}\r\n{S}\r\n0\r\n\r\n",
    TRAILED,
    "5\r\nhello\r\n{N}\r\n{S}\r\n0\r\n\r\n",
    "",
    "0\r\n\r\n",
    "0\r\n\r\n{S}",
    "000{N}\r\n{S}\r\n0\r\n\r\n",
    "{N};a=b\r\n{S}\r\n0\r\n\r\n",
    "{N};a=\"b\r\n\"\r\n{S}\r\n0\r\n\r\n",
    "{N};\n{S}\r\n0\r\n\r\n",
    "{N};a\nxx\r\n{S}\r\n0\r\n\r\n",
    "{N}\n{S}\n0\n\n",
    "{N}\r{S}\r\n0\r\n\r\n",
    "{N} \r\n{S}\r\n0\r\n\r\n",
    " {N}\r\n{S}\r\n0\r\n\r\n",
    "{N}\t;x\r\n{S}\r\n0\r\n\r\n",
    "0x{N}\r\n{S}\r\n0\r\n\r\n",
    "+{N}\r\n{S}\r\n0\r\n\r\n",
    "-{N}\r\n{S}\r\n0\r\n\r\n",
    "{N}_0\r\n{S}\r\n0\r\n\r\n",
    "{N},\r\n{S}\r\n0\r\n\r\n",
    "{N}\0\r\n{S}\r\n0\r\n\r\n",
    "1{N}\r\n{S}\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n{S}",
    "ffffffffffffffff\r\n{S}",
    "100000000\r\n{S}",
    "5\r\nhelloXX0\r\n\r\n{S}",
    "5\r\nhello0\r\n\r\n{S}",
    "5\r\nhello\n0\r\n\r\n{S}",
    "3\r\nhello\r\n0\r\n\r\n{S}",
    "\r\n0\r\n\r\n{S}",
    "00\r\n\r\n{S}",
    "0 \r\n\r\n{S}",
    "0;a\r\n\r\n{S}",
    "0\n\n{S}",
    "0\r\n{S}",
    "0\r\nX: y\r\n\r\n{S}",
    "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: other\r\n\r\n{S}",
    "0\r\nX-Auth-User: root\r\nX_Request.Id: 7\r\nAuthorization: Bearer x\r\n\r\n{S}",
    "0\r\nX: y\n\n{S}\r\n\r\n",
    "0\r\nX: y\r\n z\r\n\r\n{S}",
    "0\r\nX : y\r\n\r\n{S}",
    "0\r\n: y\r\n\r\n{S}",
    "0\r\nX\r\n\r\n{S}",
    "0\r\nX: y\r\r\n\r\n{S}",
    "0\r\n\r{S}",
    "0\r\n\n{S}",
    "0\r{S}",
    "0{S}",
    "zz\r\n{S}",
];

/// Of other fields.
const EXTRAS: &[&str] = &[
    "",
    "",
    "",
    "X: y\r\n",
    "Host: other.test\r\n",
    "Host : api.test\r\n",
    "X-Auth-User: root\r\nX_Auth_Roles: admin\r\n",
    "X-Request-Id: 0\r\nX.Request.Id: 0\r\n",
    "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n",
    "X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /shut\r\n",
    "Connection: x-auth-user, x-request-id, host\r\n",
    "Connection: close\r\n",
    "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n",
    "TE: trailers\r\nConnection: te\r\nTrailer: Content-Length\r\n",
    "X: \u{ff}\r\n",
    "X: a\0b\r\n",
    "X\r\n",
    ": y\r\n",
    "X: y\r\n\tfolded\r\n",
    "GET /shut HTTP/1.1\r\n",
    "X: y\r\n\r\n",
    "Cookie: a=1\r\nCookie: b=2\r\n",
];

/// Bytes to damage a stream with.
const DAMAGE: &[u8] = b"\r\n\r\n \t\0:;,_-.0159afxX\"%/\x0b\x0c\x7f\x80\xff";

/// The stream of one cycle.
pub fn of(cycle: u64) -> Stream {
    let mut dice = Dice::of(cycle);
    let tag = format!("s{cycle}x");
    let bytes = if dice.roll(6) == 0 { http2::stream(&mut dice, &tag) } else { http1(&mut dice, &tag) };
    Stream { tag, bytes }
}

/// A request or two before the one in doubt, and requests after it whose place depends on how it was read.
fn http1(dice: &mut Dice, tag: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if dice.roll(3) == 0 {
        bytes.extend(format!("GET /open/{tag}-before HTTP/1.1\r\nHost: api.test\r\n\r\n").bytes());
    }
    let mut doubtful = doubtful(dice, tag);
    for _ in 0..dice.roll(6).saturating_sub(3) {
        let mut damaged = doubtful.clone();
        damage(dice, &mut damaged);
        // The tag says whose an answer is, so it stays.
        if tags(&damaged, tag) == tags(&doubtful, tag) {
            doubtful = damaged;
        }
    }
    bytes.extend(doubtful);
    if dice.roll(2) == 0 {
        bytes.extend(smuggled(tag).bytes());
    }
    let last = format!("GET /open/{tag}-last HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
    bytes.extend(last.bytes());
    bytes
}

fn doubtful(dice: &mut Dice, tag: &str) -> Vec<u8> {
    // Half of each part is what anybody sends: with doubt in every part at once a message is only refused.
    let pick = |dice: &mut Dice, plain: usize, from: &[&'static str]| {
        let sides = if dice.roll(2) == 0 { plain } else { from.len() };
        from[dice.roll(sides)]
    };
    let chunked = dice.roll(2) == 0;
    let (bodies, framings) = if chunked { (&BODIES[PLAIN..], &FRAMINGS[PLAIN..]) } else { (BODIES, FRAMINGS) };
    let written = pick(dice, PLAIN, bodies);
    let body = filled(written, tag);
    let framing = framed(pick(dice, PLAIN, framings), body.len(), dice);
    let mut fields = ["Host: api.test\r\n".to_owned(), framing, pick(dice, PLAIN, EXTRAS).to_owned()];
    if written == TRAILED {
        fields[2] += TRAILER;
    }
    if dice.roll(4) == 0 {
        fields.swap(0, 1);
    }
    if dice.roll(4) == 0 {
        fields.swap(1, 2);
    }
    let start = pick(dice, PLAIN, STARTS).replace("{T}", &format!("/open/{tag}"));
    let mut bytes = latin1(&start);
    for field in fields {
        bytes.extend(latin1(&field));
    }
    bytes.extend(if dice.roll(12) == 0 { &b"\n"[..] } else { b"\r\n" });
    bytes.extend(body);
    bytes
}

/// A request for what nobody may have.
pub fn smuggled(tag: &str) -> String {
    format!("GET /shut/{tag} HTTP/1.1\r\nHost: api.test\r\nX: y\r\n\r\n")
}

/// A body with its marks replaced.
pub fn filled(body: &str, tag: &str) -> Vec<u8> {
    let smuggled = smuggled(tag);
    latin1(&body.replace("{N}", &format!("{:x}", smuggled.len())).replace("{S}", &smuggled))
}

fn framed(framing: &str, length: usize, dice: &mut Dice) -> String {
    let other = match dice.roll(4) {
        0 => 0,
        1 => length / 2,
        2 => length + 1,
        _ => length + 40,
    };
    let mut text = String::new();
    let _ = write!(text, "{}", framing.replace("{L}", &length.to_string()).replace("{M}", &other.to_string()));
    text
}

/// Characters up to U+00FF are the bytes they stand for, any other its UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for char in text.chars() {
        match u8::try_from(u32::from(char)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(char.to_string().bytes()),
        }
    }
    bytes
}

fn tags(bytes: &[u8], tag: &str) -> usize {
    bytes.windows(tag.len()).filter(|window| *window == tag.as_bytes()).count()
}

/// One byte is lost, doubled, changed or slipped in.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.roll(bytes.len());
    let byte = DAMAGE[dice.roll(DAMAGE.len())];
    match dice.roll(4) {
        0 => drop(bytes.remove(at)),
        1 => bytes.insert(at, bytes[at]),
        2 => bytes[at] = byte,
        _ => bytes.insert(at, byte),
    }
}
