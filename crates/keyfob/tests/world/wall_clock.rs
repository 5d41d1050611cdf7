//! A node whose wall clock is wrong (guarantee G9): beyond five seconds it is said, beyond the leeway nobody is let in and
//! nothing is issued, at that node alone and until its clock is right again. The program is the real one; its wall clock is
//! shifted from outside.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::clock;
use crate::support::house::{PASSWORD, login, token_of};
use crate::support::http::{Request, ask};
use crate::support::keyfob::{Keyfob, must};
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;
use crate::support::shift::Shift;

/// How long a node may take to notice by itself: it compares with each renewal of its lease.
const PATIENCE: Duration = Duration::from_secs(20);

/// One node with a right clock and one whose clock is shifted, on one database.
struct Pair {
    right: Keyfob,
    shifted: Option<Keyfob>,
    shift: Shift,
    folders: [TempDir; 2],
    _database: Database,
    _api: Recorder,
}

impl Pair {
    fn start() -> Self {
        let (api, database) = (Recorder::start(), Database::own());
        let folders = [(); 2].map(|()| TempDir::new().expect("a temporary directory"));
        let shift = Shift::in_folder(folders[1].path());
        let settings = shift.settings();
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let start = |index: usize, settings: &[(&str, &str)]| {
            let folder: &TempDir = &folders[index];
            fs::write(folder.path().join("keyfob.toml"), format!("database = \"{}\"\n", database.url))
                .expect("written");
            let node = Keyfob::serve(&folder.path().join("data"), &["--upstream", &api.origin()], settings);
            clock::until(PATIENCE, || (ready(&node).0 == 200).then_some(())).expect("a node that started gets a lease");
            node
        };
        let right = start(0, &[]);
        fs::create_dir(folders[1].path().join("data")).expect("made");
        let key = |index: usize| folders[index].path().join("data/root.key");
        fs::copy(key(0), key(1)).expect("copied");
        let shifted = start(1, &settings);
        Self { right, shifted: Some(shifted), shift, folders, _database: database, _api: api }
    }

    fn shifted(&self) -> &Keyfob {
        self.shifted.as_ref().expect("it runs")
    }

    fn data(&self, index: usize) -> PathBuf {
        self.folders[index].path().join("data")
    }
}

fn ready(node: &Keyfob) -> (u16, String) {
    let answer = ask(node.internal, &Request::new("GET", "/auth/health/ready"));
    (answer.status, answer.text())
}

fn call(node: &Keyfob, token: &str) -> u16 {
    ask(node.public, &Request::new("GET", "/things/1").bearer(token)).status
}

/// Whether a text tells of ten seconds, as exactly as a busy machine measures them, after these words.
fn tells_ten_seconds(text: &str, before: &str, after: &str) -> bool {
    ["9.8", "9.9", "10.0", "10.1", "10.2"].iter().any(|seconds| text.contains(&format!("{before}{seconds} s{after}")))
}

/// What the metric says, in whole seconds.
fn metric(node: &Keyfob) -> i64 {
    let metrics = node.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("keyfob_clock_skew_seconds "));
    let seconds: f64 = line.expect("the metric is there").parse().expect("a number");
    #[expect(clippy::cast_possible_truncation, reason = "a few thousand seconds at most")]
    let whole = seconds.round() as i64;
    whole
}

#[test]
fn a_node_whose_clock_is_wrong_says_so_and_beyond_the_leeway_lets_nobody_in_until_it_is_right() {
    let mut pair = Pair::start();
    must(&pair.data(0), &["user", "add", "ada", "--password-stdin"], &format!("{PASSWORD}\n"));
    let token = token_of(&login(pair.right.public, "ada", PASSWORD));
    assert_eq!((call(&pair.right, &token), call(pair.shifted(), &token)), (200, 200));
    assert_eq!(metric(pair.shifted()), 0);

    // An alarm, and no more.
    pair.shift.by(10);
    let said = || {
        tells_ten_seconds(&pair.shifted().log(), "this machine's clock is ", " ahead of the database's").then_some(())
    };
    clock::until(PATIENCE, said).expect("it is said in the log");
    assert_eq!((metric(pair.shifted()), metric(&pair.right)), (10, 0));
    assert_eq!((call(pair.shifted(), &token), ready(pair.shifted()).0), (200, 200));
    let status = must(&pair.data(0), &["cluster", "status"], "");
    assert!(tells_ten_seconds(&status, "", ""), "{status}");
    let report = must(&pair.data(1), &["doctor"], "");
    assert!(
        tells_ten_seconds(&report, "warn  database clock: this machine's clock is ahead of it by ", ""),
        "{report}"
    );

    // From the very next request on, at this node alone.
    for (seconds, side) in [(60, "ahead of"), (-60, "behind"), (-86_400, "behind"), (86_400, "ahead of")] {
        pair.shift.by(seconds);
        assert_eq!(call(pair.shifted(), &token), 503, "{seconds} s off");
        assert_eq!(login(pair.shifted().public, "ada", PASSWORD).status, 503, "nothing is issued");
        let (status, why) = ready(pair.shifted());
        assert!(status == 503 && why.contains("clock-skew") && why.contains(side), "{status} {why}");
        assert_eq!((call(&pair.right, &token), ready(&pair.right).0), (200, 200));
        pair.shift.by(0);
        assert_eq!((call(pair.shifted(), &token), ready(pair.shifted()).0), (200, 200), "it is right again");
    }
    pair.shift.by(-60);
    let said = || pair.shifted().log().contains("behind the database's, more than the leeway of 30 s").then_some(());
    clock::until(PATIENCE, said).expect("it is said in the log");
    must(&pair.data(1), &["session", "end", "--user", "ada"], "");
    assert_eq!(call(&pair.right, &token), 401, "commands still take away");
    pair.shift.by(0);
    assert_eq!(call(pair.shifted(), &token), 401);

    // Nor does it start like that.
    pair.shifted.take().expect("it runs").kill();
    pair.shift.by(3_600);
    let settings = pair.shift.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let Err(said) = Keyfob::try_serve(&pair.data(1), &[], &settings) else { panic!("it started") };
    assert!(said.contains("ahead of the database's") && said.contains("hint: "), "{said}");
}
