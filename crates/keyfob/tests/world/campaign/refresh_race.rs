//! G7 and G8: of any number of uses of one refresh token at once there is one successor, an honest client is never signed
//! out, a replay always is, and nothing minted from a session outlives its end. A race is one group of 2 to 16 clients
//! that use one token at the same moment; a third of the races have a restart or the end of the session inside.

mod client;
mod fall;

use std::collections::{HashMap, VecDeque};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use client::{Door, Line, Use};
use fall::{Blow, Doomed, fall, judge};

use super::{Dice, Run};
use crate::support::house::{House, POLICY};
use crate::support::recorder::Recorder;

/// Races at a time, each on a session of its own; they share a restart.
const GROUPS: u64 = 12;
/// Clients of a race: from 2 to 16.
const CLIENTS: (usize, usize) = (2, 16);
/// Races of a session, before one of its spent tokens is replayed. Fewer than lie between two ends, or none would come to it.
const RACES_A_FAMILY: usize = 4;
/// After its first use a token is given its successor for ten seconds at least; a use after this, and after the
/// successor was used, is a replay.
const RIPE: Duration = Duration::from_millis(10_100);
/// Well inside those ten seconds.
const FRESH: Duration = Duration::from_secs(3);
/// Replays that the end of a run waits for, so that its shortest share has some.
const LAST: usize = 12;
/// Access tokens of a race that are remembered.
const REMEMBERED: usize = 3;
const SETTINGS: &[(&str, &str)] =
    &[("KEYFOB_ACCESS_LIFE", "1h"), ("KEYFOB_PASSWORD_MEMORY_KIB", "7168"), ("KEYFOB_PASSWORD_PASSES", "5")];

/// What happens inside a race.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Restart,
    End,
}

impl Inside {
    /// A third of all have one or the other.
    fn of(window: u64) -> Self {
        match window % 6 {
            2 => Self::Restart,
            5 => Self::End,
            _ => Self::Nothing,
        }
    }
}

/// A session as its clients know it.
struct Family {
    access: Vec<String>,
    newest: String,
    past: Vec<Spent>,
}

/// A token that was used, the successor it got, and between which instants it was used first.
struct Spent {
    token: String,
    successor: String,
    began: Instant,
    ended: Instant,
}

/// The program and its sessions.
struct Ring {
    api: Recorder,
    house: House,
    door: Door,
    living: VecDeque<Family>,
    resting: VecDeque<Family>,
}

#[test]
fn of_racing_refreshes_one_wins_and_nothing_outlives_the_end_of_its_session() {
    let mut run = Run::begin("refresh_race", 200);
    let api = Recorder::start();
    let house = House::with(&api.origin(), POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    let door = Door::of(&house);
    let mut ring = Ring { api, house, door, living: VecDeque::new(), resting: VecDeque::new() };
    while let Some(races) = run.next(GROUPS) {
        let mut dice = Dice::of(run.done());
        match Inside::of(run.done() / GROUPS) {
            Inside::End => ring.end(&mut run, races, &mut dice),
            inside => ring.race(&mut run, races, inside, &mut dice),
        }
        ring.replay(&mut run, &mut dice, 0);
        drop(ring.api.take());
        run.held(races);
    }
    ring.replay(&mut run, &mut Dice::of(0), LAST);
    for what in ["races with a restart inside", "replays that were caught", "races with the end of the session inside"]
    {
        assert!(run.counted(what) > 0, "no {what}");
    }
    run.finish();
}

impl Ring {
    /// So many sessions with their newest token unused.
    fn families(&mut self, count: u64) -> Vec<Family> {
        let Self { living, door, .. } = self;
        let mut line = Line::open(door);
        let family = |_| {
            living.pop_front().unwrap_or_else(|| {
                let tokens = line.sign_in();
                Family { access: vec![tokens.access], newest: tokens.refresh, past: Vec::new() }
            })
        };
        (0..count).map(family).collect()
    }

    fn race(&mut self, run: &mut Run, races: u64, inside: Inside, dice: &mut Dice) {
        let families = self.families(races);
        let clients: Vec<usize> = families.iter().map(|_| clients(dice)).collect();
        let (groups, again) = self.run(&families, &clients, inside, dice);
        run.count("races", families.len());
        run.count("uses", clients.iter().sum());
        if inside == Inside::Restart {
            run.count("races with a restart inside", families.len());
            run.count("uses cut by a restart and retried", again);
        }
        let mut line = Line::open(&self.door);
        for (mut family, uses) in families.into_iter().zip(groups) {
            let successor = one_winner(&uses);
            if inside == Inside::Restart {
                let again = line.refresh(&family.newest).got.expect("an honest client was signed out by a restart");
                assert!(again.refresh == successor, "another successor after a restart");
                run.count("uses after a restart that got the same successor", 1);
            }
            family.advance(successor, &uses);
            family.stays_signed_in(&mut line);
            run.count("honest clients that stayed signed in", uses.len());
            if dice.roll(4) == 0 && family.late_retry(&mut line) {
                run.count("retries after the successor was used that got the same successor", 1);
            }
            let to = if family.past.len() < RACES_A_FAMILY { &mut self.living } else { &mut self.resting };
            to.push_back(family);
        }
    }

    /// The race itself: every client of every session at once. Their uses, session by session, and how many were retried.
    fn run(
        &mut self,
        families: &[Family],
        clients: &[usize],
        inside: Inside,
        dice: &mut Dice,
    ) -> (Vec<Vec<Use>>, usize) {
        let Self { door, house, .. } = self;
        let door = &*door;
        let all: usize = clients.iter().sum();
        let (barrier, (began, begins)) = (Barrier::new(all), mpsc::channel());
        thread::scope(|scope| {
            let client = |token| {
                let (barrier, began) = (&barrier, began.clone());
                scope.spawn(move || {
                    let mut line = Line::open(door);
                    barrier.wait();
                    // Heard by the restart only.
                    let _ = began.send(());
                    (line.refresh(token), line.again)
                })
            };
            let groups = families.iter().zip(clients);
            let groups: Vec<Vec<_>> = groups
                .map(|(family, &clients)| (0..clients).map(|_| client(family.newest.as_str())).collect())
                .collect();
            if inside == Inside::Restart {
                // In the middle: some have not asked yet, some are being answered. The answers come all at once, from one
                // commit, so it is the asking that is counted; half of the kills aim at the commit.
                begins.iter().take(1 + dice.roll(all)).for_each(drop);
                thread::sleep(Duration::from_millis([0, dice.roll(40) as u64][dice.roll(2)]));
                house.kill();
                house.start();
                door.moved(house);
            }
            let mut again = 0;
            let mut join = |client: thread::ScopedJoinHandle<'_, (Use, usize)>| {
                let (used, retried) = client.join().expect("no client panics");
                again += usize::from(retried > 0);
                used
            };
            let groups = groups.into_iter().map(|group| group.into_iter().map(&mut join).collect()).collect();
            (groups, again)
        })
    }

    /// Races whose session ends inside, now and then with a restart before anybody looks.
    fn end(&mut self, run: &mut Run, races: u64, dice: &mut Dice) {
        let families = self.families(races);
        let doom = |family| Doomed { family, clients: clients(dice), blow: Blow::of(dice) };
        let doomed: Vec<Doomed> = families.into_iter().map(doom).collect();
        let fallen = fall(&self.house, &self.door, &doomed, dice);
        if dice.roll(3) == 0 {
            self.house.kill();
            self.house.start();
            self.door.moved(&self.house);
        }
        for (doomed, (uses, fall)) in doomed.iter().zip(&fallen) {
            judge(run, &self.api, &self.door, doomed, uses, fall);
            run.count("races", 1);
            run.count("uses", doomed.clients);
            run.count("refreshes amid the end of their session", uses.len());
            run.count("races with the end of the session inside", 1);
        }
    }

    /// Replay a spent token of every session that has rested long enough, amid refreshes by its clients. So many are
    /// waited for.
    fn replay(&mut self, run: &mut Run, dice: &mut Dice, waited_for: usize) {
        let mut doomed = Vec::new();
        while let Some(rest) = self.resting.front().map(|family| RIPE.saturating_sub(family.rest())) {
            if !rest.is_zero() && doomed.len() >= waited_for {
                break;
            }
            thread::sleep(rest);
            let family = self.resting.pop_front().expect("it is there");
            // All but the last one's successors were used.
            let blow = Blow::Replay(dice.roll(family.past.len() - 1));
            doomed.push(Doomed { family, clients: dice.roll(4), blow });
        }
        for doomed in doomed.chunks(usize::try_from(GROUPS).expect("few")) {
            for (doomed, (uses, fall)) in doomed.iter().zip(fall(&self.house, &self.door, doomed, dice)) {
                judge(run, &self.api, &self.door, doomed, &uses, &fall);
                run.count("replays that were caught", 1);
            }
        }
    }
}

impl Family {
    fn advance(&mut self, successor: String, uses: &[Use]) {
        let token = std::mem::replace(&mut self.newest, successor.clone());
        let began = uses.iter().map(|used| used.began).min().expect("a race has uses");
        let ended = uses.iter().map(|used| used.ended).max().expect("a race has uses");
        self.past.push(Spent { token, successor, began, ended });
        let got = uses.iter().filter_map(|used| used.got.as_ref());
        self.access.extend(got.take(REMEMBERED).map(|tokens| tokens.access.clone()));
    }

    fn stays_signed_in(&self, line: &mut Line<'_>) {
        let access = self.access.last().expect("it has one");
        assert!(line.passes(access), "an honest client was signed out");
    }

    /// The use before the last again: its successor was used, but the ten seconds are not over.
    fn late_retry(&self, line: &mut Line<'_>) -> bool {
        let Some(spent) = self.past.iter().nth_back(1).filter(|spent| spent.began.elapsed() < FRESH) else {
            return false;
        };
        let again = line.refresh(&spent.token).got.expect("a retry within ten seconds is honest");
        assert!(again.refresh == spent.successor, "another successor at a late retry");
        true
    }

    /// How long nobody has used it.
    fn rest(&self) -> Duration {
        self.past.last().map_or(Duration::ZERO, |spent| spent.ended.elapsed())
    }
}

fn clients(dice: &mut Dice) -> usize {
    CLIENTS.0 + dice.roll(CLIENTS.1 - CLIENTS.0 + 1)
}

/// Every use got the one successor.
fn one_winner(uses: &[Use]) -> String {
    let successors: Vec<&str> =
        uses.iter().map(|used| used.got.as_ref().expect("an honest client was signed out").refresh.as_str()).collect();
    assert!(successors.windows(2).all(|two| two[0] == two[1]), "a token has two successors");
    successors[0].to_owned()
}

/// Whoever presented a token and got a successor got the same one.
fn one_successor_each(uses: &[Use]) {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for used in uses {
        let Some(tokens) = &used.got else { continue };
        let successor = *known.entry(&used.presented).or_insert(&tokens.refresh);
        assert!(successor == tokens.refresh, "a token has two successors");
    }
}
