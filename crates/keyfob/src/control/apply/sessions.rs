//! Intentions about sessions.

use keyfob_core::id::SessionId;

use super::{audit, find, no_such_user, settle, shown, unavailable};
use crate::clock;
use crate::control::{Desk, Outcome, Problem, SessionChoice, SessionView};

pub(super) async fn list(desk: &Desk, named: &str) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let live = desk.store.sessions_of(user.id, clock::now()).await.map_err(unavailable)?;
    Ok(Outcome::Sessions(live.iter().map(SessionView::from).collect()))
}

pub(super) async fn end(desk: &Desk, actor: &str, which: &SessionChoice) -> Result<Outcome, Problem> {
    match which {
        SessionChoice::Id(text) => {
            let id: SessionId = text.parse().map_err(|_| no_such_session(text))?;
            let by = audit(actor, "session.ended", id, "");
            let changed = desk.store.end_session(id, None, &by).await.map_err(unavailable)?;
            settle(desk, changed).await?.map(Outcome::Ended).ok_or_else(|| no_such_session(text))
        }
        SessionChoice::AllOf(named) => {
            let user = find(desk, named).await?;
            let by = audit(actor, "user.sessions-ended", user.id, user.username.as_str());
            let changed = desk.store.end_sessions(user.id, None, &by).await.map_err(unavailable)?;
            settle(desk, changed).await?.map(Outcome::Ended).ok_or_else(|| no_such_user(named))
        }
    }
}

fn no_such_session(text: &str) -> Problem {
    Problem::refused(format!("there is no session `{}`", shown(text))).hint("list them with `keyfob session list USER`")
}
