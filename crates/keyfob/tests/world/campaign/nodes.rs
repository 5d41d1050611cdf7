//! G1, G3, G5 and G8 of many nodes (DESIGN §6): three nodes on a real PostgreSQL are called without pause, with tokens and API
//! keys that are revoked in every way there is, at any node, while one thing after the other goes wrong. After an
//! acknowledgement nobody is let in at any node; without a database nobody is for longer than a lease; when a fault is over
//! everything works again by itself, and what was acknowledged is so still.
//!
//! `KEYFOB_CAMPAIGN_FAULT` names the one fault of all cycles.

mod caller;
mod fault;
pub mod installation;
pub mod line;
pub mod proxy;
mod recorder;
#[cfg(feature = "sabotage")]
mod sabotage;
mod victim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{Dice, Run};
use crate::support::clock;
use crate::support::house::{PASSWORD, login_request};
use crate::support::http::Request;
use crate::support::keyfob::must;
use fault::{FAULTS, Fault};
use installation::{Installation, NODES};
use recorder::{Credential, Stage};

/// Those who call, at each node: two that check, one through the gateway.
const CALLERS: &[usize] = &[0, 0, 1];
/// Those who make users and revoke.
const REAPERS: u64 = 12;
/// How long everything may take to work again after a fault, without anybody's help (G3). A connection that hangs is given up
/// after five seconds.
const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// The same in `cargo test`, where other tests have the processors: there it proves that all comes back, not how soon.
const RECOVERY_AMID_OTHERS_MAX: Duration = Duration::from_mins(1);
/// How long an answer, or something to lose, is waited for in a cycle.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Answers of the nodes.
const PATIENCE: Duration = Duration::from_secs(3);
/// Credentials of earlier cycles that are looked at again, of each kind.
const REMEMBERED: usize = 60;
/// Cycles of `cargo test`.
const SHARE: u64 = 3;

/// The campaign's own test.
#[cfg(feature = "sabotage")]
const NAME: &str = "campaign::nodes::what_was_revoked_at_one_node_is_let_in_at_none_whatever_goes_wrong";

/// What outlives its cycle: those whom nobody revokes, and those whose end was acknowledged.
#[derive(Default)]
struct Kept {
    live: VecDeque<String>,
    dead: VecDeque<Arc<Credential>>,
}

#[test]
fn what_was_revoked_at_one_node_is_let_in_at_none_whatever_goes_wrong() {
    let mut run = Run::begin("nodes", SHARE);
    let whole = run.total > 50;
    let wanted = std::env::var("KEYFOB_CAMPAIGN_FAULT").ok();
    let faults: Vec<Fault> =
        FAULTS.iter().copied().filter(|fault| wanted.as_ref().is_none_or(|wanted| *wanted == fault.name())).collect();
    assert!(!faults.is_empty(), "no such fault");
    let mut reached = faults.iter().cycle().take(usize::try_from(run.total).expect("few cycles"));
    let installation = Installation::start(reached.any(|fault| *fault == Fault::Step));
    must(&installation.nodes[0].data(), &["user", "add", "keeper", "--password-stdin", "--role", "caller"], PASSWORD);
    let mut kept = Kept::default();
    while run.next(1).is_some() {
        let fault = faults[usize::try_from(run.done()).expect("few cycles") % faults.len()];
        cycle(&mut run, &installation, &mut kept, fault, whole);
        drop(installation.api.take());
        run.held(1);
    }
    assert!(
        run.counted("uses that began after the acknowledgement and were refused") > 0 && run.counted("revocations") > 0
    );
    run.finish();
}

fn cycle(run: &mut Run, installation: &Installation, kept: &mut Kept, fault: Fault, whole: bool) {
    let (number, mut dice) = (run.done(), Dice::of(run.done() + 77));
    let longest = Duration::from_secs(if whole { 10 } else { 4 });
    let limit = if whole { RECOVERY_MAX } else { RECOVERY_AMID_OTHERS_MAX };
    let stage = Stage::of(installation, fault.name());
    let recovery = thread::scope(|scope| {
        let stage = &stage;
        let _end = stage.stop_at_end();
        for node in 0..NODES {
            for way in CALLERS {
                scope.spawn(move || caller::call(stage, node, *way));
            }
        }
        for reaper in 0..REAPERS {
            scope.spawn(move || victim::reap(stage, number, reaper));
        }
        let node = dice.roll(NODES);
        let token = clock::until(ANSWER_MAX, || sign_in(installation, node));
        kept.live.push_back(token.expect("a sign-in in calm"));
        // Until there is something to lose.
        let enough = || {
            (stage.stopped() || stage.rows().iter().filter(|row| row.is_known_everywhere()).count() > 30).then_some(())
        };
        let _ = clock::until(ANSWER_MAX, enough);
        thread::sleep(Duration::from_millis(300 + dice.roll(400) as u64));
        stage.weather.fetch_add(1, Ordering::SeqCst);
        fault.strike(stage, &mut dice, longest);
        stage.rest(true);
        let recovery = recover(stage, kept, limit);
        stage.rest(false);
        stage.weather.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_secs(1));
        recovery
    });
    let place = format!("in cycle {number}, {}", stage.fault);
    if let Some(violation) = stage.violation() {
        panic!("{violation}, {place}");
    }
    let recovery = recovery.unwrap_or_else(|missing| panic!("{missing} {limit:?} after the fault, {place}"));
    kept.dead.extend(stage.dead());
    look_again(run, installation, kept, &place);
    stage.counts().iter().for_each(|(what, number)| run.count(what, *number));
    let quick = recovery < Duration::from_secs(2);
    run.count(if quick { "recoveries within 2 s" } else { "recoveries within the limit" }, 1);
}

/// Wait until everything works at every node: it holds a lease, lets in whom it should, and somebody can sign in. How long that
/// took, or what does not.
fn recover(stage: &Stage<'_>, kept: &mut Kept, limit: Duration) -> Result<Duration, String> {
    let start = clock::now();
    for index in 0..NODES {
        let node = &stage.installation.nodes[index];
        let left = || limit.saturating_sub(start.elapsed());
        let over = || stage.stopped().then_some(false);
        let ready = clock::until(left(), || over().or(node.is_ready().then_some(true)));
        ready.ok_or_else(|| format!("node {index} has no lease"))?;
        let token = clock::until(left(), || {
            sign_in(stage.installation, index).or(over().map(|_| String::new())).or_else(|| {
                thread::sleep(Duration::from_millis(100));
                None
            })
        });
        kept.live.push_back(token.ok_or_else(|| format!("nobody can sign in at node {index}"))?);
    }
    Ok(start.elapsed())
}

/// G5: what was acknowledged is so still, at every node.
fn look_again(run: &mut Run, installation: &Installation, kept: &mut Kept, place: &str) {
    let Kept { live, dead } = kept;
    live.drain(..live.len().saturating_sub(REMEMBERED));
    dead.drain(..dead.len().saturating_sub(REMEMBERED * 3));
    for (index, node) in installation.nodes.iter().enumerate() {
        // A busy machine may take its time; what counts is the answer. (One that cannot tell lets nobody in, and a key that is gone
        // is not looked for again and again.)
        let told = |bytes: &[u8], enough: u16| {
            let status = clock::until(ANSWER_MAX, || {
                line::ask_bytes(node.public(), bytes, PATIENCE)
                    .map(|reply| reply.status)
                    .filter(|status| *status <= enough)
            });
            status.unwrap_or_else(|| panic!("node {index} does not answer, {place}"))
        };
        let status = |secret: &str| told(&Request::new("GET", "/auth/me").bearer(secret).bytes(), 499);
        for token in live.iter() {
            assert_eq!(status(token), 200, "an acknowledged sign-in is lost at node {index}, {place}");
        }
        for credential in dead.iter() {
            // A role that was taken away leaves the session, so what counts is whether it opens the API.
            let status = told(&credential.requests[0], 503);
            let shut = matches!(status, 401 | 503);
            assert!(shut, "undone at node {index}: {status}, {place}");
        }
    }
    run.count("acknowledged sign-ins that were looked at again", live.len() * NODES);
    run.count("acknowledged revocations that were looked at again", dead.len() * NODES);
}

fn sign_in(installation: &Installation, node: usize) -> Option<String> {
    let reply = line::ask(installation.nodes[node].public(), &login_request("keeper", PASSWORD), PATIENCE)?;
    (reply.status == 200).then(|| reply.text("access_token")).flatten()
}
