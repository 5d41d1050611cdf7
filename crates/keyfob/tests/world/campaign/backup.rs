//! G6 and G5: backups and restores, cut. Callers sign in at full speed while `keyfob backup` runs; in two cycles of three the
//! server is killed with SIGKILL amid it. A backup that got its name holds every sign-in that was acknowledged before it began:
//! served from a directory of its own, each of those tokens opens the API. Then `keyfob restore` is killed amid its work: the
//! directory serves the old store, where all of them still do, or the new one, where none does; never neither and never a mix.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{Dice, Run};
use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY, login, login_request, token_of};
use crate::support::http::{Connection, Request};
use crate::support::keyfob::{Keyfob, must, start};
use crate::support::recorder::Recorder;

const CALLERS: usize = 3;
const SETTINGS: &[(&str, &str)] = &[("KEYFOB_ACCESS_LIFE", "1h"), ("KEYFOB_THROTTLE_ADDRESS_FAILURES", "100000")];
/// Longest that a backup of these small stores is let run before it is cut, in milliseconds: about how long it takes.
const BACKUP_CUT_MAX: usize = 60;
/// Restores that are cut in one cycle: they are short, and there are many instants in each.
const CUTS: usize = 4;

#[test]
fn backups_hold_what_was_acknowledged_and_restores_that_are_cut_leave_one_store_or_the_other() {
    let mut run = Run::begin("backup", 3);
    while run.next(1).is_some() {
        cycle(&mut run);
        run.held(1);
    }
    assert!(run.counted("backups that were whole") > 0 && run.counted("sign-ins found in backups") > 0);
    run.finish();
}

fn cycle(run: &mut Run) {
    let mut dice = Dice::of(run.done() + 1);
    let api = Recorder::start();
    let mut house = House::with(&api.origin(), POLICY, SETTINGS);
    (0..CALLERS).for_each(|caller| house.user(&format!("caller{caller}"), &["caller"]));
    let acknowledged = Mutex::new(Vec::new());
    let file = house.data().with_file_name("backup.db");
    let address = house.public();
    let before = thread::scope(|scope| {
        for caller in 0..CALLERS {
            let acknowledged = &acknowledged;
            scope.spawn(move || call(address, caller, acknowledged));
        }
        let enough = || (acknowledged.lock().expect("no caller panicked").len() >= 5).then_some(());
        if clock::until(Duration::from_mins(1), enough).is_none() {
            // Ends the callers, for whom the scope waits.
            house.kill();
            panic!("nobody signs in");
        }
        let before = acknowledged.lock().expect("no caller panicked").clone();
        let mut backup = start(&house.data(), &["backup", &file.display().to_string()]);
        if run.done().is_multiple_of(3) {
            assert!(backup.wait().expect("it ends").success(), "a backup beside a running server failed");
        } else {
            thread::sleep(Duration::from_millis(dice.roll(BACKUP_CUT_MAX) as u64));
        }
        house.kill();
        let said = backup.wait().expect("it ends").success();
        assert!(!said || file.exists(), "a backup that is not there was acknowledged");
        before
    });
    if !file.exists() {
        run.count("backups that were cut before they had a name", 1);
        // The cut one left nothing in the way of the next.
        must(&house.data(), &["backup", &file.display().to_string()], "");
    }
    run.count("backups that were whole", 1);
    restore(run, &mut dice, &house, &api, &file, before);
}

/// Sign in until the program is gone.
fn call(address: SocketAddr, caller: usize, acknowledged: &Mutex<Vec<String>>) {
    let Ok(mut connection) = Connection::open(address) else { return };
    while let Ok(answer) = connection.ask(&login_request(&format!("caller{caller}"), PASSWORD)) {
        if answer.status == 200 {
            acknowledged.lock().expect("no caller panicked").push(token_of(&answer));
        }
    }
}

/// Serve the backup as it is, then cut restores of it over what is served.
fn restore(run: &mut Run, dice: &mut Dice, house: &House, api: &Recorder, file: &Path, before: Vec<String>) {
    let data = house.data().with_file_name("other");
    fs::create_dir(&data).expect("a directory");
    fs::copy(house.data().join("root.key"), data.join("root.key")).expect("the root key");
    fs::copy(file, data.join("keyfob.db")).expect("the backup");
    let serve = || Keyfob::serve(&data, &["--upstream", &api.origin(), "--policy", "policy.toml"], SETTINGS);
    let keyfob = serve();
    for token in &before {
        assert_eq!(status(keyfob.public, token), 200, "a sign-in is not in the backup of cycle {}", run.done());
    }
    run.count("sign-ins found in backups", before.len());
    let mut live = before;
    live.push(signed_in(keyfob.public));
    keyfob.kill();
    let arguments = ["restore", &file.display().to_string()];
    let mut took = Duration::from_millis(100);
    for cut in 0..CUTS {
        let began = clock::now();
        let mut restoring = start(&data, &arguments);
        // The last one runs to its end.
        if cut + 1 < CUTS {
            thread::sleep(took * u32::try_from(dice.roll(1000)).expect("small") / 1000);
            let _ = restoring.kill();
        }
        let done = restoring.wait().expect("it ends").success();
        if done {
            took = began.elapsed();
        }
        let keyfob = serve();
        let found: Vec<u16> = live.iter().map(|token| status(keyfob.public, token)).collect();
        let (old, new) = (found.iter().all(|s| *s == 200), found.iter().all(|s| *s == 401));
        assert!(old != new && (new || !done), "neither store in cycle {}, cut {cut}: {done} {found:?}", run.done());
        run.count(if done { "restores that were done" } else { "restores that were cut" }, 1);
        run.count(if new { "starts in the new life" } else { "starts in the old life" }, 1);
        let fresh = signed_in(keyfob.public);
        assert_eq!(status(keyfob.public, &fresh), 200);
        if new {
            live.clear();
        }
        live.push(fresh);
        keyfob.kill();
        must(&data, &["user", "show", "caller0"], "");
    }
}

fn signed_in(address: SocketAddr) -> String {
    let answer = login(address, "caller0", PASSWORD);
    assert_eq!(answer.status, 200, "{}", answer.text());
    token_of(&answer)
}

fn status(address: SocketAddr, token: &str) -> u16 {
    crate::support::http::ask(address, &Request::new("GET", "/x").bearer(token)).status
}
