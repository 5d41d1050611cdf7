//! What a client says in keyfob's place: identity headers in every spelling that some server reads as the same, the
//! headers of forward-auth dialects, and those that frameworks take another method or path from.

use super::{Play, Row, thing};
use crate::matrix::door::People;
use crate::matrix::judge::{FORGED, May};
use crate::support::http::Request;

/// The other way round too: what is forged where keyfob has no value to put over it.
fn each(people: &People, forge: impl Fn(Request) -> Request) -> Vec<(Request, May)> {
    vec![
        (forge(thing().bearer(&people.ada)), May::User("ada")),
        (forge(thing().bearer(&people.robot)), May::Service),
        (forge(Request::new("GET", "/open/hours")), May::Anyone),
        (forge(thing()), May::Nobody),
    ]
}

fn with(request: Request, names: &[&str]) -> Request {
    names.iter().fold(request, |request, name| request.header(name, FORGED))
}

/// A route that is open, named in every header that any proxy or framework might take the request from.
fn elsewhere(request: Request) -> Request {
    let headers = [
        ("X-Original-URI", "/open/hours"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Forwarded-Uri", "/open/hours"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Host", "open.test"),
        ("X-Forwarded-Prefix", "/open"),
        ("X-Envoy-Original-Path", "/open/hours"),
        ("X-Envoy-Original-Method", "OPTIONS"),
        ("Forwarded", "for=127.0.0.1;host=open.test;proto=https"),
        ("X-Forwarded-For", "127.0.0.1"),
    ];
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

pub const ROWS: &[Row] = &[
    Row {
        name: "`X-Auth-User` and its kin, twice, in any case",
        play: Play::Each(|people| {
            let names =
                ["X-Auth-User", "x-auth-user", "X-AUTH-ROLES", "x-Auth-Subject", "X-Auth-Scope", "X-auth-scope"];
            each(people, |request| with(request, &names))
        }),
    },
    Row {
        name: "`X_Auth_User`",
        play: Play::Each(|people| {
            let names = ["X_Auth_User", "X-Auth_Roles", "x_auth-subject", "X_AUTH_SCOPE"];
            each(people, |request| with(request, &names))
        }),
    },
    Row {
        name: "`X.Auth.User`",
        play: Play::Each(|people| {
            let names = ["X.Auth.User", "x-auth.roles", "X.Auth-Subject", "X_Auth.Scope", "X.Auth_Roles"];
            each(people, |request| with(request, &names))
        }),
    },
    Row {
        name: "`Connection: X-Auth-User`",
        play: Play::Each(|people| {
            let named = "close, X-Auth-User, X-Auth-Roles, X-Auth-Subject, X-Auth-Scope";
            each(people, |request| with(request.header("Connection", named), &["X-Auth-User", "X-Auth-Roles"]))
        }),
    },
    Row { name: "`X-Auth-User` in a trailer", play: Play::Own(super::transport::trailer) },
    Row {
        name: "a dialect's headers, as who may not",
        play: Play::Each(|people| {
            vec![(elsewhere(thing().bearer(&people.bob)), May::Nobody), (elsewhere(thing()), May::Nobody)]
        }),
    },
    Row {
        name: "a dialect's headers, as who may",
        play: Play::Each(|people| vec![(elsewhere(thing().bearer(&people.ada)), May::User("ada"))]),
    },
    Row {
        name: "`X-HTTP-Method-Override` and its kin",
        play: Play::Each(|people| {
            let names =
                ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"];
            vec![(with(thing().bearer(&people.ada), &names), May::User("ada"))]
        }),
    },
];
