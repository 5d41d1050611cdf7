//! The campaign is worth something only if it can fail: builds that break one promise of nodes, each with the fault in which
//! that must be noticed. Two of them are tried with `cargo xtask test`, all by `-- --ignored`.

use std::process::Command;

/// A break, the fault, and what the campaign says then: one of these.
const BREAKS: &[(&str, &str, &[&str])] = &[
    ("lone-ack", "nothing wrong", &["let somebody in"]),
    ("impatient", "pause", &["let somebody in"]),
    ("no-lease", "cut, lost both ways", &["let somebody in"]),
    ("lost-is-done", "cut, lost to the database", LOST),
    ("unsynced", "failover of PostgreSQL", LOST),
];
/// What was acknowledged is not so: a sign-in, or a revocation; or the nodes see it themselves, and close.
const LOST: &[&str] = &[
    "an acknowledged sign-in is lost",
    "refused a credential that nobody had revoked",
    "let somebody in",
    "undone at node",
    "has no lease",
];
/// Those of `cargo xtask test`.
const SHARE: usize = 2;
/// Some breaks are noticed only now and then.
const CYCLES: &str = "6";

#[test]
fn a_broken_promise_of_nodes_is_noticed() {
    BREAKS[..SHARE].iter().for_each(|(name, fault, said)| noticed(name, fault, said));
}

#[test]
#[ignore = "minutes"]
fn every_broken_promise_of_nodes_is_noticed() {
    BREAKS[SHARE..].iter().for_each(|(name, fault, said)| noticed(name, fault, said));
}

fn noticed(name: &str, fault: &str, said: &[&str]) {
    let mut campaign = Command::new(std::env::current_exe().expect("it runs"));
    campaign.args(["--exact", "--nocapture", super::NAME]);
    campaign.env("KEYFOB_SABOTAGE", name).env("KEYFOB_CAMPAIGN_FAULT", fault).env("KEYFOB_CAMPAIGN_CYCLES", CYCLES);
    let output = campaign.output().expect("it can be run");
    let text = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part).into_owned()).concat();
    assert!(!output.status.success() && text.contains("1 failed"), "{name} in {fault} went unnoticed");
    let reason = said.iter().any(|said| text.contains(said)) && text.contains(fault);
    assert!(reason, "{name} in {fault} was noticed for another reason: {text}");
}
