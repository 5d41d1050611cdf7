//! Raw paths that two readers could read in two ways. Each aims at `/admin`, where nobody here may go, from `/things`,
//! where ada may.

use super::{Play, Row};
use crate::matrix::door::{Door, People};
use crate::matrix::judge::May;
use crate::support::http::Request;

fn aimed(people: &People, targets: &[&str]) -> Vec<(Request, May)> {
    let aim = |target: &&str| (Request::new("GET", target).bearer(&people.ada), May::Nobody);
    targets.iter().map(aim).collect()
}

/// The other way round: who judges a tidied path and forwards this one has judged something else.
fn from_behind(door: &mut Door) -> String {
    let targets =
        ["/admin/../things/7", "/admin/%2e%2e/things/7", "/admin/x/..//../things/7", "/things//7", "/./things/7"];
    let may = if door.kind.tidies { May::User("ada") } else { May::Nobody };
    let mut cells: Vec<String> = Vec::new();
    for target in targets {
        let cell = door.attempt(&Request::new("GET", target).bearer(&door.people.ada), may).cell();
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells.join(", ")
}

pub const ROWS: &[Row] = &[
    Row {
        name: "`/things/../admin`",
        play: Play::Each(|people| {
            aimed(
                people,
                &["/things/../admin/users", "/things/x/../../admin/users", "/things/./../admin/users", "/things/.."],
            )
        }),
    },
    Row {
        name: "`/things/%2e%2e/admin`",
        play: Play::Each(|people| {
            aimed(people, &["/things/%2e%2e/admin/users", "/things/.%2E/admin/users", "/things/%2e./admin/users"])
        }),
    },
    Row {
        name: "`//admin`",
        play: Play::Each(|people| aimed(people, &["//admin/users", "/admin//users", "/things/..//admin/users"])),
    },
    Row {
        name: "`/things%2f..%2fadmin`",
        play: Play::Each(|people| {
            aimed(people, &["/things%2f..%2fadmin/users", "/things/..%2Fadmin/users", "/things/%2e%2e%2fadmin/users"])
        }),
    },
    Row {
        name: "`/things/..%5cadmin`",
        play: Play::Each(|people| {
            aimed(people, &["/things/..%5cadmin/users", "/things/%5c..%5cadmin/users", "/things/..\\admin/users"])
        }),
    },
    Row {
        name: "`/things;/../admin`",
        play: Play::Each(|people| {
            aimed(people, &["/things;/../admin/users", "/things/..;/admin/users", "/things/..;x=1/admin/users"])
        }),
    },
    Row {
        name: "`/things/%252e%252e/admin`",
        play: Play::Each(|people| {
            aimed(people, &["/things/%252e%252e/admin/users", "/things/%252e%252e%252fadmin/users"])
        }),
    },
    Row { name: "`/adm%69n`", play: Play::Each(|people| aimed(people, &["/adm%69n/users", "/%61dmin/users"])) },
    Row { name: "`/admin/../things`", play: Play::Own(from_behind) },
    Row {
        name: "odd but plain bytes",
        play: Play::Each(|people| {
            let targets = ["/things/caf%C3%A9/a%20b?x=%2e%2e//;&y=%252f", "/things/a..b/...?", "/things/7/"];
            let plain = |target: &str| (Request::new("GET", target).bearer(&people.ada), May::User("ada"));
            targets.into_iter().map(plain).collect()
        }),
    },
];
