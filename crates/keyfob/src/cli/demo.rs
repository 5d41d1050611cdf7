//! `keyfob demo`: the whole bearer flow on a throw-away store, over real HTTP, in front of an example API. Every request
//! and answer is shown and checked. Nothing in it outlives the command: no file, no user, no password is fixed.

mod api;
mod exchange;
mod walk;

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::secret::Secret;
use keyfob_core::user::RoleName;

use super::failure::Failure;
use super::say;
use crate::clock;
use crate::config::{Settings, Upstream};
use crate::control::{Intention, carry_out};
use crate::serve::{self, Running};

/// The demo's policy: analysts read reports, and everything else is refused.
const POLICY: &str = r#"[roles]
analyst = ["reports:read"]

[[routes]]
path = "/reports/{*rest}"
methods = ["GET"]
require = ["reports:read"]
"#;

/// Show the flow; then stay up on a terminal until Ctrl-C.
pub(super) async fn run() -> Result<(), Failure> {
    let folder = Folder::make()?;
    let api = api::start().await.map_err(|error| Failure::failed(format!("cannot start the example API: {error}")))?;
    let api = format!("http://{api}");
    let settings = settings(&folder.0, &api)?;
    let running = serve::start(settings.clone()).await?;
    let shown = tokio::select! {
        shown = show(&settings, &running, &api) => shown,
        () = told_to_stop() => Ok(()),
    };
    running.stop().await;
    shown
}

/// Ctrl-C, or SIGTERM from whoever started it: either way the folder is removed.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn show(settings: &Settings, running: &Running, api: &str) -> Result<(), Failure> {
    let address = running.public;
    let people =
        walk::People { alice: add(settings, "alice", &["analyst"]).await?, bob: add(settings, "bob", &[]).await? };
    say::data(&format!(
        "keyfob at http://{address}, on a throw-away store\n\
         in front of an example API at {api}, which knows nothing of passwords or tokens\n\
         its policy:\n\n{}\n",
        say::indented(POLICY)
    ))?;
    walk::walk(address, &people).await?;
    if !io::stdout().is_terminal() {
        return Ok(());
    }
    say::data(&format!(
        "it stays up to be tried; stop it with ctrl-c\n\n    \
         curl -d username=alice -d password={alice} http://{address}/auth/login\n    \
         curl -H \"Authorization: Bearer TOKEN\" http://{address}/reports/7\n\n\
         bob, who may not read reports, has the password {bob}\n",
        alice = people.alice.expose(),
        bob = people.bob.expose(),
    ))?;
    std::future::pending().await
}

fn settings(folder: &Path, api: &str) -> Result<Settings, Failure> {
    let policy = folder.join("policy.toml");
    std::fs::write(&policy, POLICY).map_err(|error| Failure::failed(format!("cannot write the policy: {error}")))?;
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let defaults = Settings::default();
    let origin = api.parse().map_err(|_| Failure::failed("the example API has no address"))?;
    let upstream = Upstream { response_timeout: std::time::Duration::from_secs(10), ..Upstream::at(vec![origin]) };
    Ok(Settings {
        data: folder.join("keyfob-data"),
        listen: free,
        internal_listen: free,
        policy: Some(policy),
        upstream: Some(upstream),
        // Nobody is in the middle of a request that is worth waiting for.
        drain: std::time::Duration::ZERO,
        ..defaults
    })
}

/// Make a user as `keyfob user add` does, with a password that nobody ever had.
async fn add(settings: &Settings, name: &str, roles: &[&str]) -> Result<Secret, Failure> {
    let password = Secret::new(URL_SAFE_NO_PAD.encode(clock::random::<18>()));
    let roles = roles.iter().filter_map(|role| RoleName::parse(role).ok()).collect();
    carry_out(settings, Intention::UserAdd { name: name.to_owned(), password: password.clone(), roles }).await?;
    Ok(password)
}

/// A private folder that is gone when the command is.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let name = format!("keyfob-demo-{}", URL_SAFE_NO_PAD.encode(clock::random::<9>()));
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::failed(format!("cannot make {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
