//! The database and who owns it.

use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use keyfob_core::time::Timestamp;
use keyfob_store::high_water::HighWater;

use super::Finding;
use crate::cli::say;
use crate::clock;
use crate::config::Settings;
use crate::control::{self, Examination, FailedSignInsView, Intention, Outcome};
use crate::skew;

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let shared = settings.database.is_some();
    if !shared && !settings.data.join("keyfob.db").exists() {
        return vec![Finding::warn("database", "there is none yet", "the first `keyfob serve` makes it")];
    }
    let owner = match control::owner(&settings.data) {
        Some(process) => Finding::ok("owner", format!("process {process} owns the data directory")),
        None => Finding::ok("owner", "no keyfob is running on this data directory"),
    };
    let mut findings = vec![owner];
    if !shared {
        findings.extend(engine(&settings.data.join("keyfob.db")));
    }
    match control::carry_out(settings, Intention::Examine).await {
        Ok(Outcome::Examination(examination)) => findings.extend(read(settings, *examination)),
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

/// A backup older than this is worth a word: whoever makes them makes them every day or every week.
const BACKUP_AGE_MAX_DAYS: i64 = 8;

fn backed_up(at: Option<&str>, now: Timestamp) -> Finding {
    let hint = "make one with `keyfob backup FILE`, from a timer";
    let Some(at) = at else { return Finding::warn("backup", "there was none yet", hint) };
    let made = at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let days = (now.seconds() - made) / (24 * 60 * 60);
    let detail = format!("the last one was made {at}, {days} days ago");
    if days > BACKUP_AGE_MAX_DAYS { Finding::warn("backup", detail, hint) } else { Finding::ok("backup", detail) }
}

/// Whether the key that signs is within its life. A running server rotates it by itself.
fn signing_key(kid: Option<String>, overdue_since: Option<String>) -> Option<Finding> {
    let kid = kid?;
    Some(match overdue_since {
        None => Finding::ok("signing key", kid),
        Some(since) => Finding::warn(
            "signing key",
            format!("{kid} signs although its life ended {since}"),
            "a running server rotates it once the next key was published for `publish-ahead`; \
             `keyfob signing-key rotate --now` does it at once",
        ),
    })
}

/// This machine's clock against that of the database that nodes share.
fn shared_clock(skew: i64, leeway: Duration) -> Finding {
    let (name, detail) = ("database clock", format!("this machine's clock is ahead of it by {}", skew::shown(skew)));
    let hint = "set the clock of this machine, or of the database's, by NTP; tokens live and die by it";
    if skew.unsigned_abs() > u64::try_from(leeway.as_micros()).unwrap_or(u64::MAX).max(1_000_000) {
        Finding::fail(name, format!("{detail}, more than the leeway: this node lets nobody in"), hint)
    } else if skew.saturating_abs() > skew::ALARM {
        Finding::warn(name, detail, hint)
    } else {
        Finding::ok(name, detail)
    }
}

/// The mark that an older database is noticed by, against the revision of the one that is there.
fn high_water(settings: &Settings, revision: u64) -> Finding {
    let name = "high-water mark";
    let dir = &settings.data;
    let path = control::root_key_file(dir).mark(dir);
    let shown = path.display();
    match HighWater::read(&path) {
        // A node of a shared database writes it after its feed.
        Ok(Some(mark)) if mark.at.revision.0 < revision && settings.database.is_none() => {
            let detail = format!("{shown} says {}, and the database is at {revision}", mark.at.revision.0);
            Finding::fail(
                name,
                detail,
                "run `keyfob doctor` with the settings of the server, KEYFOB_ROOT_KEY_FILE above all",
            )
        }
        Ok(Some(mark)) => Finding::ok(name, format!("revision {} in {shown}", mark.at.revision.0)),
        Ok(None) => Finding::warn(name, format!("there is none in {shown}"), "the next start of keyfob makes it"),
        Err(error) => {
            Finding::fail(name, error.to_string(), "after a look at the disk: `keyfob restore --accept-rollback`")
        }
    }
}

/// What was tried at names that nobody has. Many are no fault of this installation's: a fact, not a warning.
fn strangers(failed: &FailedSignInsView) -> Finding {
    Finding::ok("strangers", format!("failed sign-ins at names that nobody has: {}", say::failed_sign_ins(failed)))
}

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
    let life = match &found.restored_at {
        Some(at) => format!("{}, since the restore of {at}", found.incarnation),
        None => format!("{}, the first", found.incarnation),
    };
    let mut findings = vec![database, Finding::ok("incarnation", life)];
    findings.extend(found.clock_skew_ms.map(|ms| shared_clock(ms * 1000, settings.leeway)));
    findings.push(high_water(settings, revision));
    // PostgreSQL is backed up by its own tools.
    if settings.database.is_none() {
        findings.push(backed_up(found.backed_up_at.as_deref(), clock::now()));
    }
    findings.push(policy);
    findings.extend(found.failed_at_unknown_names.as_ref().map(strangers));
    findings.extend(signing_key(found.signing_key, found.signing_key_overdue_since));
    match (&settings.public_url, found.public_url) {
        (Some(set), Some(stored)) if *set != stored => findings.push(Finding::warn(
            "public url",
            format!("the settings say {set}, tokens so far say {stored}"),
            "at the next start all tokens issued so far are refused; users must sign in again",
        )),
        (_, Some(stored)) => findings.push(public_url(stored)),
        (_, None) => {}
    }
    findings
}

/// RFC 8414 §2, RFC 9728 §1.2, RFC 7009 §2: `https`. Plain `http` is for one's own machine.
fn public_url(stored: String) -> Finding {
    let url = stored.parse::<http::Uri>().unwrap_or_default();
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    if loopback || url.scheme_str() == Some("https") {
        return Finding::ok("public url", stored);
    }
    Finding::warn(
        "public url",
        format!(
            "{stored} is plain HTTP: clients that keep to the standards refuse it, and tokens can be read on the way"
        ),
        "set `public-url` to the https origin that clients call; users must sign in again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Health;

    #[test]
    fn a_public_url_off_this_machine_is_https() {
        let health = |url: &str| public_url(url.to_owned()).health;
        for good in
            ["https://api.example", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "http://[::1]"]
        {
            assert_eq!(health(good), Health::Ok, "{good}");
        }
        for bad in ["http://api.example", "http://localhost.example:8080", "http://10.0.0.1", "http://[2001:db8::1]:80"]
        {
            assert_eq!(health(bad), Health::Warn, "{bad}");
        }
    }

    #[test]
    fn a_backup_that_is_old_or_absent_is_worth_a_word() {
        let made = Timestamp::from_seconds(1_800_000_000);
        let health = |days: i64| {
            let now = Timestamp::from_seconds(made.seconds() + days * 24 * 60 * 60);
            backed_up(Some(&clock::rfc3339(made)), now).health
        };
        assert_eq!((health(0), health(8), health(9)), (Health::Ok, Health::Ok, Health::Warn));
        assert_eq!(backed_up(None, made).health, Health::Warn);
    }
}
