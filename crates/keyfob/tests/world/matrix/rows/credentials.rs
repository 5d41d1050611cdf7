//! Who comes, and with what in `Authorization` (RFC 6750 §2.1).

use super::{Play, Row, thing};
use crate::matrix::door::Door;
use crate::matrix::judge::May;
use crate::support::http::Request;

/// What was let through a moment ago is no reason to let it through again.
fn signed_out_between(door: &mut Door) -> String {
    let token = door.house.token("ada");
    let request = thing().bearer(&token);
    let before = door.attempt(&request, May::User("ada")).cell();
    let out = door.house.ask(&Request::new("POST", "/auth/logout").bearer(&token));
    assert!((200..300).contains(&out.status), "{}", out.text());
    let after = door.attempt(&request, May::Nobody).cell();
    format!("{before}, then {after}")
}

pub const ROWS: &[Row] = &[
    Row {
        name: "a good token",
        play: Play::Each(|people| {
            vec![
                (thing().bearer(&people.ada), May::User("ada")),
                (Request::new("POST", "/things").bearer(&people.cleo).body("a body"), May::User("cleo")),
            ]
        }),
    },
    Row {
        name: "a service account's token",
        play: Play::Each(|people| vec![(thing().bearer(&people.robot), May::Service)]),
    },
    Row {
        name: "a good token, without the permission",
        play: Play::Told(|people| {
            vec![
                (thing().bearer(&people.bob), May::Nobody),
                (Request::new("GET", "/admin/users").bearer(&people.ada), May::Nobody),
                (Request::new("GET", "/admin/users").bearer(&people.robot), May::Nobody),
            ]
        }),
    },
    Row {
        name: "a good token, where no route is",
        play: Play::Each(|people| vec![(Request::new("GET", "/elsewhere").bearer(&people.ada), May::Nobody)]),
    },
    Row { name: "no token", play: Play::Told(|_| vec![(thing(), May::Nobody)]) },
    Row {
        name: "no token, on a public route",
        play: Play::Each(|_| vec![(Request::new("GET", "/open/hours"), May::Anyone)]),
    },
    Row {
        name: "Basic",
        play: Play::Told(|_| vec![(thing().header("Authorization", "Basic YWRhOnNlY3JldA=="), May::Nobody)]),
    },
    Row {
        name: "a bad token",
        play: Play::Told(|people| {
            let cut = &people.ada[..people.ada.len() - 1];
            let longer = format!("{}A", people.ada);
            let spaced = format!("Bearer {} {}", people.ada, people.ada);
            vec![
                (thing().bearer("nonsense"), May::Nobody),
                (thing().bearer(cut), May::Nobody),
                (thing().bearer(&longer), May::Nobody),
                (thing().header("Authorization", "Bearer"), May::Nobody),
                (thing().header("Authorization", &spaced), May::Nobody),
            ]
        }),
    },
    Row { name: "an expired token", play: Play::Told(|people| vec![(thing().bearer(&people.expired), May::Nobody)]) },
    Row {
        name: "a token of a session that has ended",
        play: Play::Told(|people| vec![(thing().bearer(&people.signed_out), May::Nobody)]),
    },
    Row { name: "a session that ends between two requests", play: Play::Own(signed_out_between) },
    Row {
        name: "two `Authorization` headers",
        play: Play::Each(|people| {
            let (ada, bob) = (&people.ada, &people.bob);
            let basic = "Basic YWRhOnNlY3JldA==";
            vec![
                (thing().bearer(ada).bearer(bob), May::Nobody),
                (thing().bearer(bob).bearer(ada), May::Nobody),
                (thing().bearer(ada).bearer(ada), May::Nobody),
                (thing().header("Authorization", basic).bearer(ada), May::Nobody),
            ]
        }),
    },
    Row {
        name: "a token in the query",
        play: Play::Each(|people| {
            vec![(Request::new("GET", &format!("/things/7?access_token={}", people.ada)), May::Nobody)]
        }),
    },
];
