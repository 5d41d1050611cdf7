//! keyfob slow, and keyfob gone: closed, and nothing reaches the API, then or later.

use std::rc::Rc;

use super::{Play, Row, thing};
use crate::matrix::door::Door;
use crate::matrix::judge::May;
use crate::matrix::witness::Dialect;

pub const ROWS: &[Row] =
    &[Row { name: "keyfob is slow", play: Play::Own(slow) }, Row { name: "keyfob is down", play: Play::Own(down) }];

fn slow(door: &mut Door) -> String {
    if door.kind.dialect == Dialect::None {
        return "–".to_owned();
    }
    door.witness.silent(true);
    let cell = door.attempt(&thing().bearer(&door.people.ada), May::Nobody).cell();
    door.witness.silent(false);
    let after = door.attempt(&thing().bearer(&door.people.ada), May::User("ada")).cell();
    if after != "200" {
        door.complain(&format!("answers with {after} when keyfob has its voice again"));
    }
    cell
}

fn down(door: &mut Door) -> String {
    door.witness.close();
    // A house that others are in stays; then only the way to it is gone.
    if let Some(house) = Rc::get_mut(&mut door.house) {
        house.kill();
    }
    door.attempt(&thing().bearer(&door.people.ada), May::Nobody).cell()
}
