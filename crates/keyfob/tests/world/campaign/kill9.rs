//! G5: what was acknowledged survives kill -9. Callers sign in and out at full speed; the program is killed in the middle of it
//! and started again over the same data. Every sign-in that was answered still opens the API, every sign-out that was
//! answered still closes it, and nobody who was there before is gone. What was not answered may have gone either way.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{Dice, Run};
use crate::support::house::PASSWORD;
use crate::support::house::{House, POLICY, login_request, token_of};
use crate::support::http::{Connection, Request};
use crate::support::recorder::Recorder;

/// Callers at a time; more than the hashing threads of a small machine.
const CALLERS: usize = 4;
/// Tokens of earlier cycles that are looked at again, of each kind; all of them would make cycles ever slower.
const REMEMBERED: usize = 40;
/// Cycles that share one house: the throttle counts a sign-in that was killed as a failure, rightly, so people have
/// to be replaced before they run out of tries.
const CYCLES_A_HOUSE: u64 = 6;
const SETTINGS: &[(&str, &str)] = &[("KEYFOB_ACCESS_LIFE", "1h"), ("KEYFOB_THROTTLE_ADDRESS_FAILURES", "100000")];

/// What the outside recorder holds the program to.
#[derive(Default)]
struct Acknowledged {
    live: Vec<String>,
    dead: Vec<String>,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut run = Run::begin("kill9", 3);
    while let Some(cycles) = run.next(CYCLES_A_HOUSE) {
        let api = Recorder::start();
        let mut house = House::with(&api.origin(), POLICY, SETTINGS);
        (0..CALLERS).for_each(|caller| house.user(&format!("caller{caller}"), &["caller"]));
        let mut acknowledged = Acknowledged::default();
        for _ in 0..cycles {
            cycle(&mut run, &mut house, &mut acknowledged);
            run.held(1);
        }
    }
    assert!(run.counted("sign-ins that survived") > 0 && run.counted("sign-outs that survived") > 0);
    run.finish();
}

fn cycle(run: &mut Run, house: &mut House, acknowledged: &mut Acknowledged) {
    let mut dice = Dice::of(run.done());
    let kept = Mutex::new(std::mem::take(acknowledged));
    let address = house.public();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (kept, dice) = (&kept, Dice::of(run.done() * 100 + caller as u64 + 1));
            scope.spawn(move || call(address, caller, dice, kept));
        }
        thread::sleep(Duration::from_millis(100 + dice.roll(300) as u64));
        house.kill();
    });
    *acknowledged = kept.into_inner().expect("no caller panicked");
    house.start();
    judge(run, house, acknowledged);
    for tokens in [&mut acknowledged.live, &mut acknowledged.dead] {
        let old = tokens.len().saturating_sub(REMEMBERED);
        tokens.drain(..old);
    }
}

/// Sign in, and out again in two cases of three, until the program is gone.
fn call(address: SocketAddr, caller: usize, mut dice: Dice, kept: &Mutex<Acknowledged>) {
    let name = format!("caller{caller}");
    let Ok(mut connection) = Connection::open(address) else { return };
    while let Ok(answer) = connection.ask(&login_request(&name, PASSWORD)) {
        if answer.status != 200 {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let token = token_of(&answer);
        if dice.roll(3) == 0 {
            kept.lock().expect("no caller panicked").live.push(token);
            continue;
        }
        let out = connection.ask(&Request::new("POST", "/auth/logout").bearer(&token));
        // No answer: it may have happened or not, and nothing may be expected of this token.
        if out.is_ok_and(|answer| (200..300).contains(&answer.status)) {
            kept.lock().expect("no caller panicked").dead.push(token);
        }
    }
}

fn judge(run: &mut Run, house: &House, acknowledged: &Acknowledged) {
    let mut connection = Connection::open(house.public()).expect("keyfob is up again");
    let mut status = |token: &str| connection.ask(&Request::new("GET", "/x").bearer(token)).expect("an answer").status;
    for token in &acknowledged.live {
        assert_eq!(status(token), 200, "an acknowledged sign-in was lost in cycle {}", run.done());
    }
    for token in &acknowledged.dead {
        assert_eq!(status(token), 401, "an acknowledged sign-out was lost in cycle {}", run.done());
    }
    run.count("sign-ins that survived", acknowledged.live.len());
    run.count("sign-outs that survived", acknowledged.dead.len());
    let people = house.run(&["user", "list"]);
    let there = (0..CALLERS).filter(|caller| people.contains(&format!("caller{caller}"))).count();
    assert_eq!(there, CALLERS, "people are gone in cycle {}: {people}", run.done());
}
