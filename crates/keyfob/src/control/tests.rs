//! The control desk: one owner, whatever a peer does; and nothing is told before it is in force.

mod moves;
mod resume;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::client::ClientStatus;
use keyfob_core::password::Cost;
use keyfob_core::secret::Secret;
use keyfob_core::user::{RoleName, Status};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::*;
use crate::config::Settings;

const PASSWORD: &str = "violet anvil tram ocelot";
const SOON: Duration = Duration::from_millis(200);

/// A directory of its own, and settings for it that hash cheaply.
fn place() -> (TempDir, Settings) {
    let home = tempfile::tempdir().expect("a folder");
    let password_cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let settings = Settings { data: home.path().join("data"), password_cost, ..Settings::default() };
    (home, settings)
}

async fn desk(settings: &Settings) -> (OpenStore, Desk) {
    let open = open_store(&settings.data).expect("opened");
    let desk = offline_desk(settings, &open).await.expect("a desk");
    (open, desk)
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).expect("a role name")
}

fn add(name: &str) -> Intention {
    Intention::UserAdd { name: name.to_owned(), password: Secret::new(PASSWORD.to_owned()), roles: Vec::new() }
}

fn disable(user: &str) -> Intention {
    Intention::UserStatus { user: user.to_owned(), status: Status::Disabled }
}

fn roles(user: &str, add: Vec<RoleName>) -> Intention {
    Intention::UserRole { user: user.to_owned(), set: None, add, remove: Vec::new() }
}

async fn send(dir: &Path, intention: Intention) -> Result<Outcome, Problem> {
    client::send(client::connect(dir).await.expect("an owner"), intention).await
}

/// Send a line as it is, and read what comes back.
async fn raw(dir: &Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join("control.sock")).await.expect("connected");
    // The owner may hang up before it has read everything.
    let _ = stream.write_all(line).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

/// Applies a change when it is let.
struct Gate(Semaphore);

#[async_trait]
impl Acknowledge for Gate {
    async fn applied(&self, _revision: Revision) -> bool {
        self.0.acquire().await.expect("open").forget();
        true
    }
}

/// Never learns whether a change was applied.
struct Lost;

#[async_trait]
impl Acknowledge for Lost {
    async fn applied(&self, _revision: Revision) -> bool {
        false
    }
}

#[tokio::test]
async fn an_outcome_is_told_only_after_the_change_is_in_force() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let gate = Arc::new(Gate(Semaphore::new(0)));
    let desk = Arc::new(Desk { acknowledge: Arc::<Gate>::clone(&gate), ..desk });
    let listening = listen(&open.hold, desk).expect("listening");
    send(&settings.data, add("ada")).await.expect("new facts are found by a miss: nothing to wait for");
    let change = send(&settings.data, disable("ada"));
    tokio::pin!(change);
    assert!(timeout(SOON, &mut change).await.is_err(), "told before it was in force");
    gate.0.add_permits(1);
    let outcome = change.await.expect("applied");
    assert!(matches!(outcome, Outcome::User { ref user, changed: true, .. } if user.status == Status::Disabled));
    // It was so already, but whoever asks must still know that it is in force.
    let again = send(&settings.data, disable("ada"));
    tokio::pin!(again);
    assert!(timeout(SOON, &mut again).await.is_err(), "told before it was in force");
    gate.0.add_permits(1);
    assert!(matches!(again.await, Ok(Outcome::User { changed: false, .. })));
    listening.stop().await;
}

#[tokio::test]
async fn a_change_that_may_not_be_in_force_is_not_told_as_done() {
    let (_home, settings) = place();
    let (_open, desk) = desk(&settings).await;
    let desk = Desk { acknowledge: Arc::new(Lost), ..desk };
    apply(&desk, "cli:test", add("ada")).await.expect("added");
    for intention in [disable("ada"), roles("ada", vec![role("x")])] {
        assert!(apply(&desk, "cli:test", intention).await.is_err());
    }
    let which = SessionChoice::AllOf("ada".to_owned());
    assert!(apply(&desk, "cli:test", Intention::SessionEnd { which }).await.is_err());
    assert!(apply(&desk, "cli:test", Intention::UserDelete { user: "ada".to_owned() }).await.is_err());
}

#[tokio::test]
async fn a_second_owner_is_told_who_the_first_is_and_may_follow_it() {
    let (_home, settings) = place();
    let first = Hold::take(&settings.data).expect("ours");
    let problem = Hold::take(&settings.data).expect_err("taken");
    assert!(problem.message.contains(&format!("in use by process {}", std::process::id())), "{problem}");
    assert_eq!(owner(&settings.data), Some(std::process::id()));
    drop(first);
    assert_eq!(owner(&settings.data), None);
    Hold::take(&settings.data).expect("ours again");
}

#[tokio::test]
async fn a_command_without_an_owner_does_the_work_itself_and_lets_go() {
    let (_home, settings) = place();
    carry_out(&settings, add("ada")).await.expect("added");
    carry_out(&settings, disable("ada")).await.expect("disabled");
    assert_eq!(owner(&settings.data), None);
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&settings.data), 0o700);
    for file in ["lock", "root.key", "keyfob.db"] {
        assert_eq!(mode(&settings.data.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn commands_at_the_same_time_all_take_effect() {
    let (_home, settings) = place();
    carry_out(&settings, add("ada")).await.expect("added");
    let (one, two, three) = tokio::join!(
        carry_out(&settings, roles("ada", vec![role("one")])),
        carry_out(&settings, roles("ada", vec![role("two")])),
        carry_out(&settings, roles("ada", vec![role("three")])),
    );
    for outcome in [one, two, three] {
        outcome.expect("done");
    }
    let shown = carry_out(&settings, Intention::UserShow { user: "ada".to_owned() }).await.expect("shown");
    let Outcome::User { user, .. } = shown else { panic!("a user") };
    assert_eq!(user.roles, [role("one"), role("three"), role("two")]);
}

/// Hashing and acknowledging give others a turn: here every acknowledgement does.
struct Slow;

#[async_trait]
impl Acknowledge for Slow {
    async fn applied(&self, _revision: Revision) -> bool {
        tokio::time::sleep(Duration::from_millis(5)).await;
        true
    }
}

#[tokio::test]
async fn role_changes_at_one_desk_never_undo_each_other() {
    let (_home, settings) = place();
    let (_open, desk) = desk(&settings).await;
    let desk = Arc::new(Desk { acknowledge: Arc::new(Slow), ..desk });
    apply(&desk, "cli:test", add("ada")).await.expect("added");
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..20 {
        let desk = Arc::clone(&desk);
        let intention = roles("ada", vec![role(&format!("role-{number}"))]);
        changes.spawn(async move { apply(&desk, "cli:test", intention).await });
    }
    assert!(changes.join_all().await.iter().all(Result::is_ok));
    let shown = apply(&desk, "cli:test", Intention::UserShow { user: "ada".to_owned() }).await.expect("shown");
    let Outcome::User { user, .. } = shown else { panic!("a user") };
    assert_eq!(user.roles.len(), 20);
}

#[tokio::test]
async fn every_change_leaves_an_audit_row_with_its_actor() {
    let (_home, settings) = place();
    let (_open, desk) = desk(&settings).await;
    let password = || Secret::new("another quite long line of words".to_owned());
    let changes = [
        add("ada"),
        roles("ada", vec![role("x")]),
        Intention::UserPasswd { user: "ada".to_owned(), password: password() },
        disable("ada"),
        Intention::UserStatus { user: "ada".to_owned(), status: Status::Active },
        Intention::UserDelete { user: "ada".to_owned() },
    ];
    for change in changes {
        apply(&desk, "cli:grace", change).await.expect("done");
    }
    let rows = desk.store.audit(100).await.expect("rows");
    let events: Vec<_> = rows.iter().rev().map(|row| (row.actor.as_str(), row.event.as_str())).collect();
    let expected = ["user.created", "user.roles", "user.password", "user.disabled", "user.enabled", "user.deleted"];
    assert_eq!(events, expected.map(|event| ("cli:grace", event)));
    assert!(rows.iter().all(|row| row.detail.starts_with("ada") && !row.detail.contains("violet")));
}

#[tokio::test]
async fn the_owner_writes_down_the_unix_user_of_its_peer() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let store = Arc::clone(&desk.store);
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    send(&settings.data, add("ada")).await.expect("added");
    let actor = store.audit(1).await.expect("rows")[0].actor.clone();
    assert_eq!(actor, listener::actor(rustix::process::geteuid().as_raw()));
    assert_eq!(listener::actor(u32::MAX - 1), format!("cli:{}", u32::MAX - 1));
    listening.stop().await;
}

#[tokio::test]
async fn a_socket_that_a_dead_owner_left_is_replaced_and_private() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let path = settings.data.join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("left behind"));
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    send(&settings.data, add("ada")).await.expect("answered");
    listening.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_path_that_no_socket_address_holds_works_all_the_same() {
    let (_home, settings) = place();
    let settings = Settings { data: settings.data.join("d".repeat(120)), ..settings };
    let (open, desk) = desk(&settings).await;
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    carry_out(&settings, add("ada")).await.expect("answered");
    listening.stop().await;
    assert!(!settings.data.join("control.sock").exists());
}

#[tokio::test]
async fn a_command_of_another_version_is_told_so() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    let answer = raw(&settings.data, b"{\"version\":999,\"body\":{\"intention\":\"of-the-future\"}}\n").await;
    assert!(answer.contains("another version"), "{answer}");
    listening.stop().await;
}

#[tokio::test]
async fn nonsense_is_refused_without_quoting_it_and_stops_nothing() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    let half =
        format!("{{\"version\":1,\"body\":{{\"intention\":\"user-add\",\"name\":1,\"password\":\"{PASSWORD}\"}}}}\n");
    let unknown = format!(
        "{{\"version\":1,\"body\":{{\"intention\":\"user-show\",\"user\":\"a\",\"violet\":\"{PASSWORD}\"}}}}\n"
    );
    for line in [half.as_bytes(), unknown.as_bytes(), b"violet\n", b"\n", b"\xFF\xFE\n"] {
        let answer = raw(&settings.data, line).await;
        assert!(answer.contains("does not understand") && !answer.contains("violet"), "{answer}");
    }
    let endless = vec![b'x'; 2 * 64 * 1024];
    assert_eq!(raw(&settings.data, &endless).await, "");
    send(&settings.data, add("ada")).await.expect("still answering");
    listening.stop().await;
}

#[tokio::test]
async fn a_peer_that_hangs_up_cancels_nothing() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let desk = Arc::new(desk);
    let listening = listen(&open.hold, Arc::clone(&desk)).expect("listening");
    let stream = client::connect(&settings.data).await.expect("an owner");
    wire::write_line(stream, &wire::Request { version: wire::VERSION, body: add("ada") }).await.expect("sent");
    // The stream is gone; stopping waits for what is at work.
    tokio::time::sleep(SOON).await;
    listening.stop().await;
    apply(&desk, "cli:test", Intention::UserShow { user: "ada".to_owned() }).await.expect("made");
}

#[tokio::test]
async fn silent_peers_are_hung_up_on_and_give_way() {
    let (_home, settings) = place();
    let (open, desk) = desk(&settings).await;
    let listening = listen(&open.hold, Arc::new(desk)).expect("listening");
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(client::connect(&settings.data).await.expect("an owner"));
    }
    let ninth = send(&settings.data, add("ada"));
    tokio::pin!(ninth);
    assert!(timeout(SOON, &mut ninth).await.is_err(), "there are eight places");
    timeout(Duration::from_secs(10), ninth).await.expect("a place").expect("added");
    listening.stop().await;
}

#[test]
fn an_intention_shows_no_secret_in_debug_output() {
    let shown = format!("{:?}", add("ada"));
    assert!(shown.contains("ada") && !shown.contains("violet"), "{shown}");
}

#[tokio::test]
async fn a_user_has_at_most_64_roles() {
    let (_home, settings) = place();
    let (_open, desk) = desk(&settings).await;
    apply(&desk, "cli:test", add("ada")).await.expect("added");
    let many = |count: u32| (0..count).map(|number| role(&format!("r{number}"))).collect();
    apply(&desk, "cli:test", roles("ada", many(64))).await.expect("64 are allowed");
    assert!(apply(&desk, "cli:test", roles("ada", many(65))).await.is_err());
}
