//! Signing in: a whole `POST /auth/login` beside the bare Argon2id of the same password, and whether its length tells
//! a wrong password from an unknown or a disabled user.

use std::path::Path;

use keyfob::clock;
use keyfob_core::password::{Cost, Hasher, Password, PasswordHash};
use keyfob_core::signing_key::Algorithm;
use keyfob_core::user::Status;

use crate::Outcome;
use crate::figure::{Figure, Target, micros, number};
use crate::house::{House, PASSWORD};
use crate::place::{self, SERVERS};
use crate::process::Server;
use crate::statistics::{kolmogorov_smirnov, kolmogorov_smirnov_limit, median};
use crate::wire::{self, Line};

/// Logins that are compared with a bare hash each.
const LOGINS: usize = 200;
/// Tries of each of the three kinds: 2,001 in all.
const TRIES: usize = 667;
/// The nice value of keyfob's hashing threads: the bare hash is to have the same right to the core.
const NICE: i32 = 10;

/// Measure both.
///
/// # Errors
/// If a sign-in is answered otherwise than it should be.
pub fn run(folder: &Path) -> Outcome<Vec<Figure>> {
    let data = folder.join("login");
    let password = Hasher::new(Cost::default()).hash(&Password::parse(PASSWORD)?, &clock::random())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut house = House::build(&data, TRIES, Algorithm::Es256).await?;
        house.add_users(TRIES, "disabled", Status::Disabled, &password).await
    })?;
    drop(runtime);
    // All tries come from one address, which is none of what is measured.
    let (_server, public, _) = Server::keyfob(&data, &[], &[("KEYFOB_THROTTLE_ADDRESS_FAILURES", "1000000")])?;
    let mut line = Line::connect(public)?;
    let (whole, bare) = logins(&mut line, &password)?;
    let mut figures = vec![Figure::ratio(
        "login, a whole POST, beside the bare Argon2id (median)",
        format!("{:.2} ms", whole / 1e3),
        format!("{:.2} ms", bare / 1e3),
        whole / bare,
        Target::AtMost(1.1),
    )];
    figures.extend(timing(&mut line, bare)?);
    Ok(figures)
}

/// Medians of a whole login and of a bare hash, in microseconds, taken in turn.
fn logins(line: &mut Line, stored: &PasswordHash) -> Outcome<(f64, f64)> {
    let password = Password::parse(PASSWORD)?;
    let request = wire::login("user0", PASSWORD);
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    let mut bare_hash = BareHash::start(stored.clone(), password)?;
    for _ in 0..LOGINS {
        bare.push(bare_hash.once()?);
        let start = clock::instant();
        let status = line.ask(&request)?;
        whole.push(micros(start.elapsed()));
        if status != 200 {
            return Err(format!("a right password got {status}").into());
        }
    }
    Ok((median(&whole), median(&bare)))
}

/// A thread on the servers' core, as nice as keyfob's own, that hashes when asked.
struct BareHash {
    ask: std::sync::mpsc::Sender<()>,
    took: std::sync::mpsc::Receiver<f64>,
}

impl BareHash {
    fn start(stored: PasswordHash, password: Password) -> Outcome<Self> {
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (tell, took) = std::sync::mpsc::channel();
        std::thread::Builder::new().spawn(move || {
            let _ = place::pin(SERVERS);
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
            let mut hasher = Hasher::new(Cost::default());
            while asked.recv().is_ok() {
                let start = clock::instant();
                let verdict = hasher.verify(&password, &stored);
                if !verdict.is_ok_and(|verdict| verdict.matches) || tell.send(micros(start.elapsed())).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ask, took })
    }

    fn once(&mut self) -> Outcome<f64> {
        self.ask.send(())?;
        Ok(self.took.recv()?)
    }
}

/// The three refusals, in turn, each account once.
fn timing(line: &mut Line, bare: f64) -> Outcome<Vec<Figure>> {
    let kinds = ["user", "disabled", "nobody"];
    let wrong = "another teapot fjord";
    let mut seen: [Vec<f64>; 3] = Default::default();
    for index in 0..TRIES {
        for turn in 0..3 {
            // Each kind is first, second and third equally often.
            let kind = (turn + index) % 3;
            let password = if kinds[kind] == "disabled" { PASSWORD } else { wrong };
            let request = wire::login(&format!("{}{index}", kinds[kind]), password);
            let start = clock::instant();
            let status = line.ask(&request)?;
            seen[kind].push(micros(start.elapsed()));
            if status != 401 {
                return Err(format!("a sign-in as {}{index} got {status}", kinds[kind]).into());
            }
        }
    }
    let medians = seen.each_ref().map(|times| median(times));
    let apart = medians.iter().fold(0.0, |most: f64, a| medians.iter().fold(most, |most, b| most.max((a - b).abs())));
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| kolmogorov_smirnov(&seen[a], &seen[b]));
    let distance = pairs.into_iter().fold(0.0, f64::max);
    let [wrong, disabled, unknown] = medians.map(|median| number(median / 1e3));
    let words = format!("medians: wrong {wrong} ms, disabled {disabled} ms, unknown {unknown} ms");
    let limit = kolmogorov_smirnov_limit(TRIES, TRIES);
    Ok(vec![
        Figure::absolute(
            "timing of the three refusals, 2,001 tries",
            apart / bare * 100.0,
            "% of the hash",
            Target::AtMost(1.0),
        )
        .with(&words),
        Figure::absolute("the same, Kolmogorov-Smirnov distance (5 % level)", distance, "of 1", Target::AtMost(limit)),
    ])
}
