//! G10: judged is forwarded, and ambiguous paths never pass. Spellings made of everything that ever confused two
//! readers go through the gateway; the API behind writes down what reached it. An oracle of its own, which shares no
//! code with the program, says which of them may arrive.

use super::{Dice, Run};
use crate::support::house::House;
use crate::support::http::Connection;
use crate::support::recorder::Recorder;

/// Spellings for each look at the recorder.
const BATCH: u64 = 250;

/// Everybody may read below `/open`, nobody anything else.
const POLICY: &str = r#"
default = "deny"

[[routes]]
path = "/open/{*rest}"
public = true
"#;

/// What spellings are made of; the plain words come often enough that many of them are plain.
const PIECES: &[&[u8]] = &[
    b"open",
    b"open",
    b"open",
    b"open",
    b"OPEN",
    b"op%65n",
    b"%6fpen",
    b"shut",
    b"shut",
    b"a",
    b"b%20c",
    b"%61",
    b"~x",
    b"x.y",
    b".",
    b"..",
    b"...",
    b"%2e",
    b"%2e%2e",
    b"%2E.",
    b".%2e",
    b"%252e%252e",
    b"",
    b"%2f",
    b"%2Fshut",
    b"a%5cb",
    b"a\\b",
    b"%00",
    b";",
    b";x=y",
    b"open;x",
    b"..;",
    b"%3b",
    b"%ff",
    b"%c3%a9",
    b"\xc3\xa9",
    b"%c0%ae",
    b"%",
    b"%2",
    b"%zz",
    b"%25",
    b"*",
    b"{id}",
    b"x_y",
    b"x:y",
    b"x@y",
    b"x+y",
    b"x,y",
    b"(x)",
    b"'x'",
    b"!x",
    b"$x",
    b"&x=y",
    b"=",
    b"x%23y",
    b"x%3fy",
    b"%0d%0a",
    b"%7f",
    b"%e2%80%ae",
    b"open%2f..%2fshut",
    b"open..",
    b"..open",
];
const TAILS: &[&[u8]] =
    &[b"", b"", b"", b"/", b"//", b"?", b"?a=b", b"?x=/../shut", b"?%2e%2e", b"#shut", b"/.", b"/..", b"?a?b#c"];

#[test]
fn only_allowed_canonical_paths_reach_the_api() {
    let mut run = Run::begin("paths", 2_000);
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    let mut connection = None;
    while let Some(cycles) = run.next(BATCH) {
        let spellings: Vec<Vec<u8>> = (run.done()..run.done() + cycles).map(spelling).collect();
        let mut passed = Vec::new();
        for target in &spellings {
            match status(&house, &mut connection, target) {
                Some(200) => passed.push(judged(target).to_vec()),
                Some(400 | 401 | 404) | None => {}
                Some(other) => panic!("{other} for {}", target.escape_ascii()),
            }
        }
        let arrived: Vec<Vec<u8>> = api.take().into_iter().map(|arrival| arrival.target).collect();
        let shown =
            |targets: &[Vec<u8>]| targets.iter().map(|target| target.escape_ascii().to_string()).collect::<Vec<_>>();
        assert_eq!(shown(&arrived), shown(&passed), "what arrived is not, byte for byte, what was let through");
        for target in &arrived {
            assert!(may_arrive(target), "{} reached the API", target.escape_ascii());
        }
        run.count("spellings", spellings.len());
        run.count("spellings that may arrive", spellings.iter().filter(|target| may_arrive(target)).count());
        run.count("arrived", arrived.len());
        run.held(cycles);
    }
    assert!(
        run.counted("arrived") * 2 > run.counted("spellings that may arrive"),
        "hardly anything passes: {}",
        run.counted("arrived")
    );
    assert!(run.counted("arrived") > 0);
    run.finish();
}

/// The spelling of one cycle.
fn spelling(cycle: u64) -> Vec<u8> {
    let mut dice = Dice::of(cycle);
    let mut target = Vec::new();
    if dice.roll(3) > 0 {
        target.extend(b"/open");
    }
    for _ in 0..=dice.roll(4) {
        target.push(b'/');
        target.extend(PIECES[dice.roll(PIECES.len())]);
    }
    target.extend(TAILS[dice.roll(TAILS.len())]);
    target
}

/// The status that a target gets; none where the connection was closed instead.
fn status(house: &House, connection: &mut Option<Connection>, target: &[u8]) -> Option<u16> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(house.public()).expect("keyfob takes the connection"),
    };
    let bytes = [b"GET ", target, b" HTTP/1.1\r\nHost: api.test\r\n\r\n"].concat();
    let answer = open.send(&bytes).and_then(|()| open.answer(false)).ok()?;
    let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if !closes {
        *connection = Some(open);
    }
    Some(answer.status)
}

/// The oracle: the path decodes once, without a doubt, to segments below `open`.
fn may_arrive(target: &[u8]) -> bool {
    let path = judged(target).split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut segments: Vec<&[u8]> = path[1..].split(|byte| *byte == b'/').collect();
    if segments.len() > 1 {
        // One trailing slash is not a segment.
        segments.pop_if(|last| last.is_empty());
    }
    let decoded: Option<Vec<Vec<u8>>> = segments.into_iter().map(decode).collect();
    decoded.is_some_and(|segments| segments[0] == b"open" && segments.iter().all(|segment| is_plain(segment)))
}

/// What the program judges of a target. A fragment does not belong on the wire (RFC 9112 §3.2), and the HTTP parser cuts it
/// off before anything looks at the target, so it is neither judged nor forwarded.
fn judged(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// Percent-decode once; nothing where that fails.
fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    let mut rest = segment;
    let mut decoded = Vec::new();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            decoded.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[2..];
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    Some(decoded)
}

fn is_plain(segment: &[u8]) -> bool {
    let forbidden = |byte: &u8| b"/\\%;\0".contains(byte);
    !segment.is_empty()
        && segment != b"."
        && segment != b".."
        && !segment.iter().any(forbidden)
        && std::str::from_utf8(segment).is_ok()
}

#[test]
fn the_oracle_knows_plain_paths_from_ambiguous_ones() {
    for plain in ["/open", "/open/", "/open/a", "/op%65n/%61", "/open/b%20c?x=/../shut", "/open/...", "/open/%c3%a9"] {
        assert!(may_arrive(plain.as_bytes()), "{plain}");
    }
    for ambiguous in [
        "/",
        "/shut",
        "//open",
        "/open//a",
        "/open/../shut",
        "/open/%2e%2e/shut",
        "/open/a%2fb",
        "/open/a%5cb",
        "/open/%00",
        "/open/;x",
        "/open/%3b",
        "/open/%zz",
        "/open/%",
        "/open/%ff",
        "/open/%252e",
        "/OPEN/a",
        "open",
    ] {
        assert!(!may_arrive(ambiguous.as_bytes()), "{ambiguous}");
    }
}
