//! G1, G4, G5: moves between the stores, cut. Callers sign in and out at full speed while `keyfob move` runs there, and in two cycles of
//! three the move, the server or both are killed with SIGKILL amid it. Whatever is left is then finished by the same command; what
//! was answered holds in the store that it ends in, and the other one is not served. Then the same back.

use std::net::SocketAddr;
use std::process::Child;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{Dice, Run};
use crate::moving::{Acknowledged, CALLERS, SETTINGS, amid_load, config, judge, node};
use crate::support::house::{House, POLICY};
use crate::support::keyfob::{Keyfob, must, start};
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;

/// Longest that a move is let run before it is cut, in milliseconds: about how long it takes.
const CUT_MAX: usize = 700;

#[test]
fn moves_that_are_cut_anywhere_end_in_one_store_with_all_that_was_answered() {
    let mut run = Run::begin("moving", 3);
    while run.next(1).is_some() {
        cycle(&mut run);
        run.held(1);
    }
    assert!(run.counted("moves that were cut") > 0 && run.counted("sign-ins that moved") > 0);
    run.finish();
}

/// One store, there and back.
fn cycle(run: &mut Run) {
    let mut dice = Dice::of(run.done() + 1);
    let api = Recorder::start();
    let mut house = House::with(&api.origin(), POLICY, SETTINGS);
    (0..CALLERS).for_each(|caller| house.user(&format!("caller{caller}"), &["caller"]));
    let (database, kept) = (Database::own(), Mutex::new(Acknowledged::default()));
    let (origin, policy) = (api.origin(), house.data().with_file_name("policy.toml").display().to_string());
    let arguments = ["--upstream", &origin, "--policy", &policy];
    let shared = config(&house.data(), &database);

    let there = ["move", "--to", "postgres", "--config", &shared];
    let server = house.release();
    cut(run, &mut dice, &house, server, &kept, &there);
    must(&house.data(), &there, "");
    assert!(Keyfob::try_serve(&house.data(), &arguments, SETTINGS).is_err(), "two stores");
    let server = node(&house, &arguments, &database);
    check(run, server.public, &kept);

    let back = ["move", "--to", "sqlite", "--config", &shared];
    cut(run, &mut dice, &house, server, &kept, &back);
    must(&house.data(), &back, "");
    assert!(Keyfob::try_serve(&house.data(), &arguments, &[("KEYFOB_DATABASE", &database.url)]).is_err(), "two stores");
    let server = Keyfob::serve(&house.data(), &arguments, SETTINGS);
    check(run, server.public, &kept);
}

fn check(run: &mut Run, address: SocketAddr, kept: &Mutex<Acknowledged>) {
    let acknowledged = kept.lock().expect("no caller panicked");
    judge(address, &acknowledged);
    run.count("sign-ins that moved", acknowledged.live.len());
    run.count("sign-outs that moved", acknowledged.dead.len());
}

/// Move under load, and kill somebody amid it: the move, the server, both, or nobody.
fn cut(run: &mut Run, dice: &mut Dice, house: &House, server: Keyfob, kept: &Mutex<Acknowledged>, arguments: &[&str]) {
    let whom = dice.roll(4);
    let killed = amid_load(server.public, kept, || {
        let mut moving: Child = start(&house.data(), arguments);
        thread::sleep(Duration::from_millis(dice.roll(CUT_MAX) as u64));
        let cut = whom < 3 && moving.try_wait().expect("a child").is_none();
        if whom == 0 || whom == 2 {
            let _ = moving.kill();
        }
        if whom == 1 || whom == 2 {
            server.kill();
        } else {
            // It is over with the next line, if the store has not moved; else it has ended by itself.
            if whom == 3 {
                let _ = moving.wait();
            }
            server.kill();
        }
        let _ = moving.kill();
        let _ = moving.wait();
        cut
    });
    run.count("moves that were cut", usize::from(killed));
}
