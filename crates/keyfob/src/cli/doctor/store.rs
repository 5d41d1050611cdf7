//! The database and who owns it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Finding;
use crate::config::Settings;
use crate::control::{self, Examination, Intention, Outcome};

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    if !settings.data.join("keyfob.db").exists() {
        return vec![Finding::warn("database", "there is none yet", "the first `keyfob serve` makes it")];
    }
    let owner = match control::owner(&settings.data) {
        Some(process) => Finding::ok("owner", format!("process {process} owns the data directory")),
        None => Finding::ok("owner", "no keyfob is running on this data directory"),
    };
    let mut findings = vec![owner];
    findings.extend(engine(&settings.data.join("keyfob.db")));
    match control::carry_out(settings, Intention::Examine).await {
        Ok(Outcome::Examination(examination)) => findings.extend(read(settings, examination)),
        Ok(_) => findings.push(Finding::fail("database", "the running keyfob is another version", "restart it")),
        Err(problem) => {
            let hint = problem.hint.unwrap_or_else(|| "look at the log of the server".to_owned());
            findings.push(Finding::fail("database", problem.message, hint));
        }
    }
    findings
}

/// The version of `SQLite` that wrote a database last: bytes 96 to 99 of its header. Read before the database is opened by
/// this process: closing any other descriptor of the file would release `SQLite`'s own locks on it.
fn engine(database: &Path) -> Option<Finding> {
    let mut version = [0; 4];
    File::open(database).and_then(|file| file.read_exact_at(&mut version, 96)).ok()?;
    let version = u32::from_be_bytes(version);
    let shown = format!("SQLite {}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000);
    Some(if version < SQLITE_VERSION_MIN {
        Finding::warn("engine", format!("{shown} wrote the database last"), "no other program may write to it")
    } else {
        Finding::ok("engine", shown)
    })
}

/// Older versions can lose a commit in WAL mode; this program never carries one.
const SQLITE_VERSION_MIN: u32 = 3_051_003;

fn read(settings: &Settings, found: Examination) -> Vec<Finding> {
    let Examination { revision, users, sessions, audit, .. } = found;
    let sound = format!("sound, at revision {revision}, {users} users, {sessions} sessions, {audit} audit rows");
    let database = match found.damage {
        Some(damage) => Finding::fail("database", damage, "stop keyfob and restore the database from a backup"),
        None => Finding::ok("database", sound),
    };
    let policy = match (found.policy, found.policy_problem) {
        (_, Some(problem)) => {
            Finding::fail("policy in force", problem, "start `keyfob serve --policy FILE` with a policy that is right")
        }
        (Some(version), None) => Finding::ok("policy in force", format!("version {version}")),
        (None, None) => Finding::warn(
            "policy in force",
            "there is none: every signed-in user may do everything",
            "start `keyfob serve --policy FILE`",
        ),
    };
    let mut findings = vec![database, policy];
    match (&settings.public_url, found.public_url) {
        (Some(set), Some(stored)) if *set != stored => findings.push(Finding::warn(
            "public url",
            format!("the settings say {set}, tokens so far say {stored}"),
            "at the next start all tokens issued so far are refused; users must sign in again",
        )),
        (_, Some(stored)) => findings.push(Finding::ok("public url", stored)),
        (_, None) => {}
    }
    findings
}
