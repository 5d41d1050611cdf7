//! `keyfob policy …`: check a file, put it in force, explain one decision line by line, run test cases. Decides nothing
//! itself: it shows what the one decision of keyfob-core says.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keyfob_core::policy::{self as core, Ask, CaseResult, Cases, Explanation, FILE_BYTES_MAX};
use keyfob_core::time::Timestamp;
use keyfob_core::user::{KnownUser, User, Username};

use super::failure::Failure;
use super::settings::read_text;
use super::{Common, say};
use crate::config::Settings;
use crate::control::{Intention, Outcome, UserView, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Read a policy file and show its routes
    Check {
        /// The policy file (default: the one of the configuration)
        file: Option<PathBuf>,
    },
    /// Put a policy file in force, at every node where several share a database
    Apply {
        /// The policy file (default: the one of the configuration)
        file: Option<PathBuf>,
    },
    /// Show the decision on one request, line by line; exit code 1 if it is refused
    Explain(Explain),
    /// Run the cases of a file; exit code 1 if one fails
    Test {
        /// A TOML file of [[cases]]
        cases: PathBuf,
        /// The policy file (default: the policy in force)
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Who asks: a username or user id (default: somebody who is not signed in)
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The policy file (default: the policy in force)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The host that is called, where it decides which API behind gets the request
    #[arg(long, value_name = "HOST", default_value = "")]
    host: String,
    /// The method, such as GET
    method: String,
    /// The path, such as /reports/7
    path: String,
}

impl Policy {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(Vec::new())?;
        match self {
            Self::Check { file } => check(common, &settings, file),
            Self::Apply { file } => apply(common, &settings, file).await,
            Self::Explain(explain) => explain.run(common, &settings).await,
            Self::Test { cases, policy } => test(common, &settings, &cases, policy.as_deref()).await,
        }
    }
}

fn check(common: &Common, settings: &Settings, file: Option<PathBuf>) -> Result<(), Failure> {
    let file = named(settings, file, "check")?;
    let policy = read(&file)?;
    let roles = policy.roles().count();
    let routes: Vec<_> = policy.routes().map(|route| [route.path, route.methods, route.needs]).collect();
    say::note(&format!(
        "{} is a policy: {roles} roles, {} rules, default {}",
        file.display(),
        routes.len(),
        policy.default_name()
    ));
    if common.json {
        let rule = |[path, methods, needs]: &[String; 3]| serde_json::json!({ "path": path, "methods": methods, "needs": needs });
        let listed: Vec<_> = routes.iter().map(rule).collect();
        return say::json(&serde_json::json!({ "roles": roles, "default": policy.default_name(), "rules": listed }));
    }
    say::data(&say::table(["path", "methods", "needs"], &routes))
}

/// The policy file that was named, or else that of the configuration.
fn named(settings: &Settings, file: Option<PathBuf>, verb: &str) -> Result<PathBuf, Failure> {
    file.or_else(|| settings.policy.clone()).ok_or_else(|| {
        Failure::usage(format!("there is no policy file to {verb}"))
            .hint(format!("name one: `keyfob policy {verb} policy.toml`"))
    })
}

async fn apply(common: &Common, settings: &Settings, file: Option<PathBuf>) -> Result<(), Failure> {
    let file = named(settings, file, "apply")?;
    // Line and column of what is wrong are said here; the server reads it once more.
    read(&file)?;
    let (text, file) = (read_text(&file, FILE_BYTES_MAX as u64)?, file.display().to_string());
    let Outcome::PolicyApplied(changed) =
        carry_out(settings, Intention::PolicyApply { file: file.clone(), text }).await?
    else {
        return Err(Failure::unexpected());
    };
    say::note(&if changed { format!("{file} is in force") } else { format!("{file} was in force already") });
    if common.json { say::json(&serde_json::json!({ "changed": changed })) } else { Ok(()) }
}

impl Explain {
    async fn run(self, common: &Common, settings: &Settings) -> Result<(), Failure> {
        let policy = choose(settings, self.policy.as_deref()).await?;
        let ask = Ask::parse(&self.method, &self.host, self.path.as_bytes()).map_err(|ambiguous| {
            Failure::failed(ambiguous.to_string()).hint("every such request is refused with 400")
        })?;
        let user = match self.user {
            Some(user) => Some(known(settings, &policy, user).await?),
            None => None,
        };
        let explanation = core::explain(&policy, &ask, user.as_ref());
        let upstream = upstream(settings, &ask);
        if common.json {
            let mut steps = steps(&explanation, settings);
            if let (Some(shown), Some(upstream)) = (steps.as_object_mut(), upstream) {
                shown.insert("upstream".to_owned(), upstream.into());
            }
            say::json(&steps)?;
        } else {
            let upstream = upstream.filter(|_| explanation.is_allowed());
            let line = upstream.map(|upstream| format!("goes to  {upstream}\n")).unwrap_or_default();
            say::data(&format!("{explanation}{line}"))?;
        }
        if explanation.is_allowed() { Ok(()) } else { Err(Failure::answered_no()) }
    }
}

/// Where the gateway would send it, if this keyfob is one.
fn upstream(settings: &Settings, ask: &Ask) -> Option<String> {
    if settings.upstream.is_none() && settings.upstreams.is_empty() {
        return None;
    }
    let Some(upstream) = settings.upstream_of(ask) else {
        return Some("none takes this host and path: 404".to_owned());
    };
    Some(upstream.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
}

fn steps(explanation: &Explanation, settings: &Settings) -> serde_json::Value {
    let steps: Vec<_> =
        explanation.lines().map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect();
    let status = explanation.refusal().map(|refusal| refusal.status(settings.refusals));
    serde_json::json!({ "allowed": explanation.is_allowed(), "status": status, "steps": steps })
}

async fn test(common: &Common, settings: &Settings, cases: &Path, policy: Option<&Path>) -> Result<(), Failure> {
    let text = read_text(cases, FILE_BYTES_MAX as u64)?;
    let parsed = Cases::parse(&text).map_err(|problem| Failure::failed(format!("{}: {problem}", cases.display())))?;
    let results = parsed.run(&choose(settings, policy).await?, settings.refusals);
    let failed = results.iter().filter(|result| !result.passed).count();
    if common.json {
        say::json(&results.iter().map(result).collect::<Vec<_>>())?;
    } else {
        say::data(&results.iter().map(line).collect::<String>())?;
    }
    say::note(&format!("{} of {} cases passed", results.len() - failed, results.len()));
    if failed == 0 { Ok(()) } else { Err(Failure::answered_no()) }
}

fn result(case: &CaseResult) -> serde_json::Value {
    let CaseResult { line, name, expected, actual, passed } = case;
    serde_json::json!({ "line": line, "name": name, "expected": expected.to_string(), "actual": actual, "passed": passed })
}

fn line(case: &CaseResult) -> String {
    let CaseResult { line, name, expected, actual, passed } = case;
    if *passed {
        format!("ok    {name}: {actual}\n")
    } else {
        format!("fail  {name} (line {line}): expected {expected}, got {actual}\n")
    }
}

fn read(file: &Path) -> Result<core::Policy, Failure> {
    let text = read_text(file, FILE_BYTES_MAX as u64)?;
    core::Policy::parse(&text, 1).map_err(|problem| Failure::failed(format!("{}: {problem}", file.display())))
}

/// The policy of a file, or else the one in force.
async fn choose(settings: &Settings, file: Option<&Path>) -> Result<core::Policy, Failure> {
    if let Some(file) = file {
        return read(file);
    }
    match carry_out(settings, Intention::Policy).await? {
        Outcome::Policy(Some(view)) => core::Policy::parse(&view.text, view.version)
            .map_err(|problem| Failure::failed(format!("the policy in force cannot be read: {problem}"))),
        Outcome::Policy(None) => Ok(core::Policy::signed_in(0)),
        _ => Err(Failure::unexpected()),
    }
}

async fn known(settings: &Settings, policy: &core::Policy, user: String) -> Result<KnownUser, Failure> {
    let Outcome::User { user, .. } = carry_out(settings, Intention::UserShow { user }).await? else {
        return Err(Failure::unexpected());
    };
    let UserView { id, username, status, roles, .. } = user;
    let id = id.parse().map_err(|_| Failure::unexpected())?;
    let username = Username::parse(&username).map_err(|_| Failure::unexpected())?;
    // A decision does not look at these two.
    let (auth_version, created_at) = (0, Timestamp::default());
    Ok(policy.know(User { id, username, status, roles, auth_version, created_at }))
}
