//! The rows of the table: what is tried at every door, and who may pass with it.

mod cache;
mod credentials;
mod forged;
mod paths;
mod transport;
mod trouble;

use super::door::{Door, People, Seen};
use super::judge::May;
use crate::support::http::Request;

/// A row.
pub struct Row {
    /// Its first cell.
    pub name: &'static str,
    /// What is done.
    pub play: Play,
}

/// How a row is played; its cell is the answer.
pub enum Play {
    /// Each of these requests, on a connection of its own: the cell has the statuses.
    Each(fn(&People) -> Vec<(Request, May)>),
    /// The same, and what the challenge says is wrong (RFC 6750 §3.1): a client refreshes only on `invalid_token`.
    Told(fn(&People) -> Vec<(Request, May)>),
    /// In its own way.
    Own(fn(&mut Door) -> String),
}

/// Rows by what they are about, in the order in which they are played: after the last one keyfob is gone.
pub static GROUPS: &[(&str, &[Row])] = &[
    ("Who", credentials::ROWS),
    ("Forged headers", forged::ROWS),
    ("Paths", paths::ROWS),
    ("Transport", transport::ROWS),
    ("Trouble", trouble::ROWS),
];

/// Play a row; its cell is the answer.
pub fn play(row: &Row, door: &mut Door) -> String {
    match row.play {
        Play::Own(play) => play(door),
        Play::Each(requests) => cells(&requests(&door.people), door, Seen::cell),
        Play::Told(requests) => cells(&requests(&door.people), door, Seen::told),
    }
}

fn cells(requests: &[(Request, May)], door: &Door, cell: fn(&Seen) -> String) -> String {
    let mut cells: Vec<String> = Vec::new();
    for (request, may) in requests {
        let cell = cell(&door.attempt(request, *may));
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells.join(", ")
}

/// A plain question for a thing.
fn thing() -> Request {
    Request::new("GET", "/things/7?x=1")
}
