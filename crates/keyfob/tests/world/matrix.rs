//! Every door, every row: the gateway and the proxies of `deploy/`, each run with the files that people copy, tried with
//! what strangers try. An API that records is the judge: what reached it had an allow of its own for exactly those bytes,
//! and carries nothing that the client said in keyfob's place. `docs/doors.md` shows what was seen.

mod api;
mod broken;
mod door;
mod judge;
mod listening;
mod page;
mod proxies;
mod rows;
mod wire;
mod witness;

use door::Door;

/// Try every row at a door, and compare its column with the page.
fn try_at(name: &str) {
    let kind = proxies::KINDS.iter().find(|kind| kind.name == name).expect("a door of that name");
    let mut door = Door::open(kind);
    let (mut column, mut problems) = (Vec::new(), Vec::new());
    for row in rows::GROUPS.iter().flat_map(|(_, rows)| *rows) {
        column.push((row.name, rows::play(row, &mut door)));
        problems.extend(door.problems().into_iter().map(|problem| format!("{}: {problem}", row.name)));
    }
    problems.extend(door.api.take().iter().map(|late| format!("reached the API after all: {late:?}")));
    if problems.is_empty() {
        problems = page::differences(name, &column);
    }
    assert!(problems.is_empty(), "{name}:\n{}\n{column:#?}", problems.join("\n"));
}

#[test]
fn the_gateway_lets_through_what_was_allowed_and_nothing_else() {
    try_at("keyfob gateway");
}

#[test]
fn nginx_lets_through_what_was_allowed_and_nothing_else() {
    try_at("nginx");
}

#[test]
fn caddy_lets_through_what_was_allowed_and_nothing_else() {
    try_at("Caddy");
}

#[test]
fn traefik_lets_through_what_was_allowed_and_nothing_else() {
    try_at("Traefik");
}

#[test]
fn envoy_lets_through_what_was_allowed_and_nothing_else() {
    try_at("Envoy");
}

#[test]
fn apache_with_oauth2_lets_through_what_was_allowed_and_nothing_else() {
    try_at("Apache, mod_oauth2");
}

#[test]
fn apache_with_openidc_lets_through_what_was_allowed_and_nothing_else() {
    try_at("Apache, mod_auth_openidc");
}

#[test]
fn haproxy_lets_through_what_was_allowed_and_nothing_else() {
    try_at("HAProxy");
}
