//! What happens beside the requests: the policy file and the certificate are read again on SIGHUP and when they change,
//! expired rows are swept, and the last uses of API keys are written. A bad file is refused with line and column, and what was in
//! force stays. The policy of nodes that share a store is in the store, and no file of one node changes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keyfob_core::policy::Policy;
use keyfob_store::{Changed, Store};

use super::tls::Reloadable;
use super::{ServeProblem, by_keyfob};
use crate::app::App;
use crate::clock;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often expired rows are swept.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How often the last uses of API keys are written, in one transaction.
const FLUSH_EVERY: Duration = Duration::from_mins(1);
/// Rows the store removes in one call; when it did, there may be more.
const SWEEP_ROWS: u64 = 10_000;

/// What is said of a policy file that is not in force.
const NOT_BY_FILE: &str = "the policy of the nodes that share the database is another than that of this file, and stays: \
    `keyfob policy apply` changes it at all of them";

/// At start: put a policy file in force, if it is not already. Nodes that share a store have one policy between them, which the
/// file of none changes: an older one on the machine that is restarted last would open again what was closed.
pub(super) async fn import_policy_at_start(store: &dyn Store, file: &Path) -> Result<(), ServeProblem> {
    let text = read_policy(file).await?;
    match store.policy().await? {
        Some(in_force) if store.nodes().is_some() => {
            if in_force.text != text {
                tracing::warn!(file = %file.display(), "{NOT_BY_FILE}");
            }
        }
        _ => {
            import_policy(store, file).await?;
        }
    }
    Ok(())
}

/// The text of a policy file that is a policy.
async fn read_policy(file: &Path) -> Result<String, ServeProblem> {
    let refused = |reason: String| ServeProblem::Policy { path: file.to_owned(), reason };
    let text = tokio::fs::read_to_string(file).await.map_err(|error| refused(error.to_string()))?;
    Policy::parse(&text, 0).map_err(|problem| refused(problem.to_string()))?;
    Ok(text)
}

/// Put a policy file in force, if it is not already.
async fn import_policy(store: &dyn Store, file: &Path) -> Result<Changed, ServeProblem> {
    let text = read_policy(file).await?;
    let audit = by_keyfob("policy.applied", &file.display().to_string());
    Ok(store.set_policy(&text, &audit).await?)
}

/// Read policy and certificate again.
pub(super) async fn reload(app: &App, tls: Option<&Reloadable>) {
    if let Some(file) = app.settings.policy.as_ref().filter(|_| app.node.is_none()) {
        match import_policy(&**app.store(), file).await {
            Ok(Changed::At(revision)) if app.applied.reached(revision).await => {
                tracing::info!(file = %file.display(), "the new policy is in force");
            }
            Ok(Changed::At(_)) => tracing::error!("the new policy is stored but not applied yet"),
            Ok(_) => {}
            Err(problem) => tracing::error!(%problem, "the old policy stays in force"),
        }
    }
    if let Some(tls) = tls
        && let Err(problem) = tls.reload()
    {
        tracing::error!(%problem, "the old certificate stays in force");
    }
}

/// Reload when a file changes.
pub(super) async fn watch(app: Arc<App>, tls: Option<Arc<Reloadable>>) {
    let mut files: Vec<PathBuf> = app.settings.policy.iter().filter(|_| app.node.is_none()).cloned().collect();
    files.extend(tls.iter().flat_map(|tls| tls.files().map(Path::to_path_buf)));
    if files.is_empty() {
        return;
    }
    let mut seen = look(&files).await;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(&files).await;
        if now != seen {
            seen = now;
            reload(&app, tls.as_deref()).await;
        }
    }
}

/// Time and size of each file; a file that is gone for a moment, as editors do it, looks like a change when it is back.
async fn look(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let mut seen = Vec::with_capacity(files.len());
    for file in files {
        let found = tokio::fs::metadata(file).await.ok();
        seen.push(found.and_then(|found| Some((found.modified().ok()?, found.len()))));
    }
    seen
}

/// Write when API keys and HTTP Basic were last used.
pub(super) async fn flush_uses(app: Arc<App>) {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        if let Err(error) = app.verifier.key_uses.flush(&**app.store()).await {
            tracing::warn!(%error, "the last uses of API keys cannot be written");
        }
        if let Err(error) = app.basic.uses.flush(&**app.store()).await {
            tracing::warn!(%error, "the last uses of HTTP Basic cannot be written");
        }
        app.basic.sweep(clock::now());
    }
}

/// Remove what nothing can need any more.
pub(super) async fn sweep(app: Arc<App>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        loop {
            // By a clock that is ahead it would remove what is alive: of nodes that share a store, each asks both.
            let now = app.node.as_ref().map_or_else(|| Some(clock::now()), |node| node.skew.at_least());
            let Some(now) = now else { break };
            match app.store().sweep(now - app.settings.leeway).await {
                Ok(SWEEP_ROWS..) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "expired rows cannot be swept");
                    break;
                }
            }
        }
    }
}
