//! The owner's end of the control socket. It answers processes of its own user and of root, nobody else, and tells an
//! outcome only after the change is in force. A peer that hangs up cancels nothing: the change runs in its own task.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::socket::SocketPath;
use super::wire::{self, Answer, REQUEST_BYTES_MAX, Request, VERSION, Versioned};
use super::{Desk, Hold, Problem, apply};

/// Connections at a time: commands are typed by people and scripts of one machine.
const CONNECTIONS_MAX: u32 = 8;

/// To send a request, and to take an answer.
const MESSAGE_TIME: Duration = Duration::from_secs(5);

/// A control socket that is being answered, until [`Listening::stop`].
pub struct Listening {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    socket: SocketPath,
}

/// Answer the control socket of a directory that this process owns. A socket that a dead owner left is replaced.
///
/// # Errors
/// If the socket cannot be made.
pub fn listen(hold: &Hold, desk: Arc<Desk>) -> io::Result<Listening> {
    let socket = SocketPath::of(hold.dir())?;
    match std::fs::remove_file(socket.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket.path())?;
    // The directory is 0700 and each peer's user is checked: between these two lines nobody else gets in either.
    std::fs::set_permissions(socket.path(), std::fs::Permissions::from_mode(0o600))?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, desk, stopped));
    Ok(Listening { stop, task, socket })
}

impl Listening {
    /// Take no more intentions, and finish those at work.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        let _ = std::fs::remove_file(self.socket.path());
    }
}

async fn accept(listener: UnixListener, desk: Arc<Desk>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // A sender that is gone means the same: the server is going.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: wait for some to come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, desk).await {
                tracing::warn!(%error, "a command's connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = places.acquire_many(CONNECTIONS_MAX).await;
}

async fn serve(mut stream: UnixStream, desk: Arc<Desk>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let answer = if peer == own || peer == 0 {
        let line = timeout(MESSAGE_TIME, wire::read_line(&mut stream, REQUEST_BYTES_MAX)).await??;
        match read(&line) {
            // In a task of its own: nothing that happens to this connection can stop it halfway.
            Ok(request) => tokio::spawn(async move { apply(&desk, &actor(peer), request.body).await })
                .await
                .unwrap_or_else(|_| Err(Problem::could_not_tell("the running keyfob failed while it did this"))),
            Err(problem) => Err(problem),
        }
    } else {
        Err(Problem::refused("this keyfob belongs to another user").hint("run the command as the user that runs it"))
    };
    let answer = answer.map_or_else(Answer::Refused, Answer::Done);
    timeout(MESSAGE_TIME, wire::write_line(&mut stream, &answer)).await?
}

fn read(line: &[u8]) -> Result<Request, Problem> {
    // The text of a JSON error could quote a password, so it is not passed on.
    let unclear = |_| Problem::refused("the running keyfob does not understand this command");
    let Versioned { version } = serde_json::from_slice(line).map_err(unclear)?;
    if version != VERSION {
        return Err(Problem::refused("the running keyfob is another version than this command")
            .hint("restart the running one, or use its own program file"));
    }
    serde_json::from_slice(line).map_err(unclear)
}

/// Who acts, for the audit log: the name of a Unix user, or its number where it has no name.
pub(super) fn actor(uid: u32) -> String {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    format!("cli:{}", name.map_or_else(|| uid.to_string(), str::to_owned))
}
