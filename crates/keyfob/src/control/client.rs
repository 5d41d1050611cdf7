//! A command's end of the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::socket::SocketPath;
use super::wire::{self, ANSWER_BYTES_MAX, Answer, Request, VERSION};
use super::{Intention, Outcome, Problem};

/// To get an answer. A change waits for its hash and for every guard to have applied it; a check reads the whole file.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The same for a backup, which copies and checks the whole database.
const BACKUP_TIME: Duration = Duration::from_hours(4);

/// A connection to the owner of `dir`, if it has one that answers.
pub(super) async fn connect(dir: &Path) -> Option<UnixStream> {
    UnixStream::connect(SocketPath::of(dir).ok()?.path()).await.ok()
}

/// Send an intention and wait until it is in force.
pub(super) async fn send(mut stream: UnixStream, body: Intention) -> Result<Outcome, Problem> {
    let patience = if matches!(body, Intention::Backup { .. }) { BACKUP_TIME } else { ANSWER_TIME };
    let exchange = async {
        wire::write_line(&mut stream, &Request { version: VERSION, body }).await?;
        let line = wire::read_line(&mut stream, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice::<Answer>(&line).map_err(io::Error::from)
    };
    match timeout(patience, exchange).await {
        Ok(Ok(Answer::Done(outcome))) => Ok(outcome),
        Ok(Ok(Answer::Refused(problem))) => Err(problem),
        Ok(Err(_)) => Err(unsure("the running keyfob broke off before it answered")),
        Err(_) => Err(unsure("the running keyfob did not answer in time")),
    }
}

fn unsure(what: &str) -> Problem {
    Problem::could_not_tell(format!("{what}: whether the change was made is not known"))
        .hint("look with `keyfob user show` or `keyfob session list`, then repeat the command")
}
