//! `keyfob doctor`: looks at everything an installation needs and says what to do about what is wrong. Changes nothing;
//! what it cannot know without a server, it asks the running one.

mod files;
mod network;
mod store;

use std::fmt::Write as _;

use keyfob_core::time::Timestamp;
use serde::Serialize;

use super::failure::Failure;
use super::{Common, say};
use crate::clock;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    health: Health,
    detail: String,
    hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, health: Health::Ok, detail: detail.into(), hint: None }
    }

    fn warn(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, health: Health::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn fail(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, health: Health::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }
}

/// Check everything; exit code 1 if anything fails.
pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let settings = common.settings(Vec::new())?;
    let mut findings = vec![clock_sanity(clock::now().seconds())];
    findings.extend(files::data_directory(&settings.data));
    findings.push(files::root_key(&settings.data));
    findings.extend(store::check(&settings).await);
    findings.extend(files::policy(&settings));
    findings.extend(files::tls(&settings.tls));
    findings.extend(network::check(&settings).await);
    if common.json {
        say::json(&findings)?;
    } else {
        say::data(&text(&findings))?;
    }
    let failed = findings.iter().any(|finding| finding.health == Health::Fail);
    if failed { Err(Failure::answered_no()) } else { Ok(()) }
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { check, health, detail, hint } in findings {
        let health = match health {
            Health::Ok => "ok  ",
            Health::Warn => "warn",
            Health::Fail => "fail",
        };
        let _ = writeln!(text, "{health}  {check}: {detail}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "      hint: {hint}");
        }
    }
    text
}

/// 2026-01-01: no build of this program is older, so no right clock is earlier.
const EARLIEST: i64 = 1_767_225_600;
/// 2100-01-01: a clock beyond it is a mistake.
const LATEST: i64 = 4_102_444_800;

fn clock_sanity(seconds: i64) -> Finding {
    let shown = clock::rfc3339(Timestamp::from_seconds(seconds));
    if (EARLIEST..LATEST).contains(&seconds) {
        Finding::ok("clock", shown)
    } else {
        Finding::fail("clock", format!("it says {shown}"), "set this machine's clock; tokens live and die by it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_this_program_or_far_beyond_it_fails() {
        assert_eq!(clock_sanity(EARLIEST - 1).health, Health::Fail);
        assert_eq!(clock_sanity(EARLIEST).health, Health::Ok);
        assert_eq!(clock_sanity(LATEST).health, Health::Fail);
    }
}
