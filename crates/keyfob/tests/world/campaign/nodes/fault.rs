//! What goes wrong, one fault a cycle, with its length and its nodes chosen by the cycle's dice. A fault that is over leaves
//! nothing that anybody would have to repair: no node is started again but those that were killed.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::installation::NODES;
use super::proxy::Flow;
use super::recorder::Stage;
use crate::campaign::Dice;

/// What the nodes listen over.
const LISTENERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN keyfob_changes'";
const EVERYBODY: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'keyfob' AND pid != pg_backend_pid()";
/// Takes the next revision as a change does, and keeps everybody behind it waiting.
const RAISE: &str = "WITH raised AS (UPDATE meta SET revision = revision + 1 RETURNING revision) \
    INSERT INTO changes (revision, kind, at) SELECT revision, 'policy', extract(epoch FROM now()) * 1000000 FROM raised";

/// Everything that goes wrong.
pub const FAULTS: &[Fault] = &[
    Fault::Pause,
    Fault::Kill,
    Fault::Cut("held both ways", Flow::Hold, Flow::Hold),
    Fault::Held,
    Fault::Deaf,
    Fault::Restart("immediate"),
    Fault::Cut("lost both ways", Flow::Lose, Flow::Lose),
    Fault::PauseTwo,
    Fault::Cut("lost to the database", Flow::Lose, Flow::Pass),
    Fault::Cut("lost from the database", Flow::Pass, Flow::Lose),
    Fault::Restart("fast"),
    Fault::Cut("held from the database", Flow::Pass, Flow::Hold),
    Fault::Refused,
    Fault::Ended,
    Fault::FailOver,
    Fault::Step,
    Fault::None,
];

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// kill -9 of a node, which is started again.
    Kill,
    /// A node stands still, for 0.1 to 10 s.
    Pause,
    /// Two do.
    PauseTwo,
    /// A node and the database are parted.
    Cut(&'static str, Flow, Flow),
    /// A node's connections to the database are reset, and new ones refused.
    Refused,
    /// The backends that LISTEN are ended, again and again.
    Deaf,
    /// All backends of all nodes are.
    Ended,
    /// A transaction has raised the revision and is held open, then committed or rolled back.
    Held,
    /// PostgreSQL is restarted.
    Restart(&'static str),
    /// It is lost, and a synchronous standby takes its place.
    FailOver,
    /// The wall clock of a node is set back or forth, and set right again.
    Step,
}

/// By how many seconds a clock is wrong: less than what is said, less than the leeway of tokens, and more.
const STEPS: &[i64] = &[3, 20, 60, 3_600, 86_400];

impl Fault {
    /// Its name.
    pub fn name(self) -> String {
        match self {
            Self::None => "nothing wrong".to_owned(),
            Self::Kill => "kill".to_owned(),
            Self::Pause => "pause".to_owned(),
            Self::PauseTwo => "pause of two".to_owned(),
            Self::Cut(how, ..) => format!("cut, {how}"),
            Self::Refused => "cut, refused".to_owned(),
            Self::Deaf => "listeners ended".to_owned(),
            Self::Ended => "connections ended".to_owned(),
            Self::Held => "transaction held open".to_owned(),
            Self::Restart(mode) => format!("restart of PostgreSQL, {mode}"),
            Self::FailOver => "failover of PostgreSQL".to_owned(),
            Self::Step => "wall clock set".to_owned(),
        }
    }

    /// Let it happen, and end it; returns when it is over.
    pub fn strike(self, stage: &Stage<'_>, dice: &mut Dice, longest: Duration) {
        let (first, second) = (dice.roll(NODES), dice.roll(NODES - 1));
        let second = (first + 1 + second) % NODES;
        // Shorter than a lease, and longer.
        let span = if dice.roll(2) == 0 { Duration::from_secs(2).min(longest) } else { longest };
        let length = Duration::from_millis(100) + span.mul_f64(thousandth(dice));
        let installation = stage.installation;
        let node = &installation.nodes[first];
        match self {
            Self::None => thread::sleep(length.min(Duration::from_secs(2))),
            Self::Kill => {
                stage.note_ill(first, true);
                node.kill();
                thread::sleep(length.min(Duration::from_secs(3)));
                installation.start_node(first);
                stage.note_ill(first, false);
            }
            Self::Pause => {
                stage.note_ill(first, true);
                node.signal(Signal::STOP);
                thread::sleep(length);
                node.signal(Signal::CONT);
                stage.note_ill(first, false);
            }
            Self::PauseTwo => {
                for node in [first, second] {
                    stage.note_ill(node, true);
                    installation.nodes[node].signal(Signal::STOP);
                }
                thread::sleep(length.min(Duration::from_secs(5)));
                installation.nodes[first].signal(Signal::CONT);
                stage.note_ill(first, false);
                thread::sleep(length / 4);
                installation.nodes[second].signal(Signal::CONT);
                stage.note_ill(second, false);
            }
            Self::Cut(_, to, from) => {
                node.proxy.cut(to, from);
                parted(stage, first, length.min(Duration::from_secs(6)));
            }
            Self::Refused => {
                node.proxy.refuse();
                parted(stage, first, length.min(Duration::from_secs(6)));
            }
            Self::Deaf | Self::Ended => {
                let statement = if self == Self::Deaf { LISTENERS } else { EVERYBODY };
                for _ in 0..=length.min(Duration::from_secs(3)).as_millis() / 100 {
                    installation.administer(&[statement]);
                    thread::sleep(Duration::from_millis(60));
                }
            }
            Self::Held => {
                for _ in 0..=length.min(Duration::from_secs(3)).as_millis() / 300 {
                    let hold = format!("SELECT pg_sleep({})", 0.7 * thousandth(dice));
                    let end = if dice.roll(2) == 0 { "COMMIT" } else { "ROLLBACK" };
                    installation.administer(&["BEGIN", RAISE, &hold, end]);
                }
            }
            Self::Restart(mode) => installation.restart_server(mode),
            Self::FailOver => installation.fail_over(length.min(Duration::from_secs(2)), |lost| {
                (0..NODES).for_each(|node| stage.note_cut(node, lost));
            }),
            Self::Step => {
                // To one side: what it issues while it is ahead is not valid yet while it is behind.
                let side = if dice.roll(2) == 0 { 1 } else { -1 };
                let steps = [0; 3].map(|_| side * STEPS[dice.roll(STEPS.len())]);
                set_clock(stage, first, &steps, length / 3);
            }
        }
    }
}

/// The node's wall clock is wrong by each of these in turn, and then right again.
fn set_clock(stage: &Stage<'_>, node: usize, steps: &[i64], each: Duration) {
    for step in steps {
        stage.set_clock(node, *step);
        thread::sleep(each);
    }
    stage.set_clock(node, 0);
}

/// The node has no database for so long.
fn parted(stage: &Stage<'_>, node: usize, length: Duration) {
    stage.note_cut(node, true);
    stage.note_ill(node, true);
    thread::sleep(length);
    stage.note_cut(node, false);
    stage.note_ill(node, false);
    stage.installation.nodes[node].proxy.heal();
}

/// From 0 to 1.
fn thousandth(dice: &mut Dice) -> f64 {
    u32::try_from(dice.roll(1001)).map_or(0.0, f64::from) / 1000.0
}
