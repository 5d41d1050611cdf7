//! Methods, bodies, connections: what RFC 9110 and RFC 9112 allow, and a proxy in front may get wrong.

use super::{Play, Row, cache, thing};
use crate::matrix::door::Door;
use crate::matrix::judge::{FORGED, May};
use crate::support::http::{Connection, Request};
use crate::support::websocket::{opening, say};

/// One mebibyte.
const LARGE: usize = 1 << 20;

pub const ROWS: &[Row] = &[
    Row {
        name: "HEAD",
        play: Play::Each(|people| vec![(Request::new("HEAD", "/things/7").bearer(&people.ada), May::User("ada"))]),
    },
    Row { name: "HEAD, no token", play: Play::Each(|_| vec![(Request::new("HEAD", "/things/7"), May::Nobody)]) },
    Row {
        name: "OPTIONS",
        play: Play::Each(|people| vec![(Request::new("OPTIONS", "/things/7").bearer(&people.ada), May::User("ada"))]),
    },
    Row {
        name: "CORS preflight, no token or no permission",
        play: Play::Each(|people| {
            let preflight = Request::new("OPTIONS", "/things/7").header("Origin", "https://app.example.com");
            let preflight = preflight.header("Access-Control-Request-Method", "DELETE");
            vec![(preflight.clone(), May::Nobody), (preflight.bearer(&people.bob), May::Nobody)]
        }),
    },
    Row {
        name: "DELETE with a body",
        play: Play::Each(|people| {
            vec![(Request::new("DELETE", "/things/7").bearer(&people.ada).body("why"), May::User("ada"))]
        }),
    },
    Row {
        name: "DELETE with a body, no token",
        play: Play::Each(|_| vec![(Request::new("DELETE", "/things/7").body("why"), May::Nobody)]),
    },
    Row {
        name: "1 MiB, its length known, and in chunks",
        play: Play::Each(|people| {
            let upload = || Request::new("PUT", "/things/7").bearer(&people.ada).body(vec![b'x'; LARGE]);
            vec![(upload(), May::User("ada")), (upload().chunked(), May::User("ada"))]
        }),
    },
    Row { name: "`Expect: 100-continue`", play: Play::Own(continued) },
    Row { name: "WebSocket", play: Play::Own(websocket) },
    Row { name: "WebSocket, no token", play: Play::Each(|_| vec![(opening("/ws/echo"), May::Nobody)]) },
    Row {
        name: "`Upgrade: h2c`",
        play: Play::Each(|people| {
            let upgrade = thing().bearer(&people.ada).header("Connection", "Upgrade, HTTP2-Settings");
            let upgrade = upgrade.header("Upgrade", "h2c").header("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA");
            vec![(upgrade, May::User("ada"))]
        }),
    },
    Row { name: "two users in turn on one connection", play: Play::Own(in_turn) },
    Row { name: "a caching proxy in front", play: Play::Own(cache::in_front) },
];

/// A body whose trailer names a user.
pub fn trailer(door: &mut Door) -> String {
    let request = Request::new("POST", "/things/7").bearer(&door.people.ada).body("why").header("TE", "trailers");
    let request = request.header("Trailer", "X-Auth-User");
    let chunked = String::from_utf8_lossy(&request.clone().chunked().bytes()).into_owned();
    let bytes = chunked.replace("\r\n0\r\n\r\n", &format!("\r\n0\r\nX-Auth-User: {FORGED}\r\n\r\n"));
    let raw = |bytes: &[u8]| crate::support::http::ask_raw(door.address, bytes).ok();
    let seen = door.judged(&request, May::User("ada"), || raw(bytes.as_bytes()));
    let kept = seen.arrivals.iter().any(|arrival| !arrival.trailers.is_empty());
    format!("{}, {}", seen.cell(), if kept { "passed on" } else { "dropped" })
}

/// The body goes only after `100 Continue`.
fn continued(door: &mut Door) -> String {
    let request = Request::new("PUT", "/things/7").bearer(&door.people.ada).body("a body");
    let whole = request.clone().header("Expect", "100-continue").bytes();
    let (head, body) = whole.split_at(whole.len() - request.content().len());
    let mut told = false;
    let seen = door.judged(&request, May::User("ada"), || {
        let mut connection = Connection::open(door.address).ok()?;
        connection.send(head).ok()?;
        told = connection.some().ok()?.starts_with(b"HTTP/1.1 100 ");
        connection.send(body).ok()?;
        connection.answer(false).ok()
    });
    if !told {
        door.complain("does not say 100 Continue");
    }
    seen.cell()
}

fn websocket(door: &mut Door) -> String {
    let request = opening("/ws/echo").bearer(&door.people.ada);
    let Ok(mut tunnel) = Connection::open(door.address) else { return "no answer".to_owned() };
    let seen = door.attempt_on(&mut tunnel, &request, May::User("ada"));
    match say(&mut tunnel, "hello") {
        Ok(echo) if echo == b"hello" => {}
        other => door.complain(&format!("the tunnel says {other:?}")),
    }
    seen.cell()
}

/// ada, cleo, nobody and bob by turns, on one connection for as long as the door keeps it.
fn in_turn(door: &mut Door) -> String {
    let people = &door.people;
    let turns = [
        (Some(&people.ada), May::User("ada")),
        (Some(&people.cleo), May::User("cleo")),
        (Some(&people.robot), May::Service),
        (None, May::Nobody),
        (Some(&people.ada), May::User("ada")),
        (Some(&people.bob), May::Nobody),
        (Some(&people.cleo), May::User("cleo")),
    ];
    let (mut connection, mut connections, mut cells) = (None, 0, Vec::new());
    for (token, may) in turns {
        let request = token.map_or_else(thing, |token| thing().bearer(token));
        let kept = connection.take().or_else(|| {
            connections += 1;
            Connection::open(door.address).ok()
        });
        let Some(mut kept) = kept else { return "no answer".to_owned() };
        let seen = door.attempt_on(&mut kept, &request, may);
        let open = seen.answer.as_ref().is_some_and(|answer| answer.header("connection") != Some("close"));
        connection = open.then_some(kept);
        if !cells.contains(&seen.cell()) {
            cells.push(seen.cell());
        }
    }
    if connections >= turns.len() {
        door.complain("keeps no connection");
    }
    cells.join(", ")
}
