//! Intentions about clients. A client is named by its name or its id: a name never looks like an id.

use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, SessionId};
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::scope::Scope;
use keyfob_store::{ClientRotation, Made, StoredClient};

use super::{audit, settle, shown, unavailable};
use crate::clock;
use crate::control::{ClientView, Desk, Outcome, Problem, ShownOnce};

pub(super) async fn add(desk: &Desk, actor: &str, name: &str, scope: &str) -> Result<Outcome, Problem> {
    let name = ClientName::parse(name).map_err(|problem| Problem::refused(problem.to_string()))?;
    let now = clock::now();
    let client = Client {
        id: ClientId::new(now, &clock::random()),
        name,
        scope: read(scope)?,
        status: ClientStatus::Active,
        session: SessionId::new(now, &clock::random()),
        created_at: now,
    };
    let secret = Opaque::new(Kind::Client, &clock::random());
    let by = audit(actor, "client.created", client.id, detail(&client));
    let new = StoredClient { client, secret: secret.digest() };
    match desk.store.create_client(&new, &by).await.map_err(unavailable)? {
        Made::Made => Ok(with_secret(&new.client, &secret)),
        Made::Exists => Err(Problem::refused(format!("there is a client `{}` already", new.client.name))
            .hint("give it another secret with `keyfob client rotate-secret`")),
    }
}

pub(super) async fn list(desk: &Desk, after: Option<&str>) -> Result<Outcome, Problem> {
    let after = after.map(ClientName::parse).transpose().map_err(|problem| Problem::refused(problem.to_string()))?;
    let page = desk.store.clients(after.as_ref()).await.map_err(unavailable)?;
    Ok(Outcome::Clients(page.iter().map(ClientView::from).collect()))
}

pub(super) async fn rotate_secret(desk: &Desk, actor: &str, named: &str) -> Result<Outcome, Problem> {
    let client = find(desk, named).await?;
    let secret = Opaque::new(Kind::Client, &clock::random());
    let session = SessionId::new(clock::now(), &clock::random());
    let rotation = ClientRotation { client: client.id, secret: secret.digest(), session };
    let by = audit(actor, "client.secret-rotated", client.id, detail(&client));
    let changed = desk.store.rotate_client_secret(&rotation, &by).await.map_err(unavailable)?;
    settle(desk, changed).await?.ok_or_else(|| no_such_client(named))?;
    Ok(with_secret(&client, &secret))
}

pub(super) async fn scope(desk: &Desk, actor: &str, named: &str, scope: &str) -> Result<Outcome, Problem> {
    let client = Client { scope: read(scope)?, ..find(desk, named).await? };
    let by = audit(actor, "client.scope", client.id, detail(&client));
    let changed = desk.store.set_client_scope(client.id, &client.scope, &by).await.map_err(unavailable)?;
    let changed = settle(desk, changed).await?.ok_or_else(|| no_such_client(named))?;
    Ok(Outcome::Client { client: ClientView::from(&client), changed, secret: None })
}

pub(super) async fn status(desk: &Desk, actor: &str, named: &str, status: ClientStatus) -> Result<Outcome, Problem> {
    let client = Client { status, ..find(desk, named).await? };
    let event = match status {
        ClientStatus::Active => "client.resumed",
        ClientStatus::Suspended => "client.suspended",
    };
    let by = audit(actor, event, client.id, detail(&client));
    let session = SessionId::new(clock::now(), &clock::random());
    let changed = desk.store.set_client_status(client.id, status, session, &by).await.map_err(unavailable)?;
    let changed = settle(desk, changed).await?.ok_or_else(|| no_such_client(named))?;
    Ok(Outcome::Client { client: ClientView::from(&client), changed, secret: None })
}

/// Accept clients again; if none is named, all that a restore suspended, and none that an operator did. The named ones are
/// looked up before anything is done.
pub(super) async fn resume(desk: &Desk, actor: &str, named: &[String]) -> Result<Outcome, Problem> {
    let mut clients = Vec::new();
    for name in named {
        clients.push(find(desk, name).await?);
    }
    if named.is_empty() {
        loop {
            let after = clients.last().map(|client: &Client| client.id);
            let page = desk.store.suspended_clients(after).await.map_err(unavailable)?;
            if page.is_empty() {
                break;
            }
            for id in page {
                clients.push(find(desk, &id.to_string()).await?);
            }
        }
    }
    let mut resumed = Vec::new();
    for client in clients {
        let outcome = status(desk, actor, &client.id.to_string(), ClientStatus::Active).await?;
        if matches!(outcome, Outcome::Client { changed: true, .. }) {
            resumed.push(client.name.to_string());
        }
    }
    Ok(Outcome::Resumed(resumed))
}

pub(super) async fn delete(desk: &Desk, actor: &str, named: &str) -> Result<Outcome, Problem> {
    let client = find(desk, named).await?;
    let by = audit(actor, "client.deleted", client.id, detail(&client));
    let changed = desk.store.delete_client(client.id, &by).await.map_err(unavailable)?;
    settle(desk, changed).await?.ok_or_else(|| no_such_client(named))?;
    Ok(Outcome::ClientDeleted(ClientView::from(&client)))
}

async fn find(desk: &Desk, named: &str) -> Result<Client, Problem> {
    let found = if let Ok(id) = named.parse::<ClientId>() {
        desk.store.client(id).await.map(|stored| stored.map(|stored| stored.client))
    } else {
        let name = ClientName::parse(named).map_err(|problem| Problem::refused(problem.to_string()))?;
        desk.store.client_by_name(&name).await
    };
    found.map_err(unavailable)?.ok_or_else(|| no_such_client(named))
}

fn no_such_client(named: &str) -> Problem {
    Problem::refused(format!("there is no client `{}`", shown(named))).hint("list them with `keyfob client list`")
}

fn read(scope: &str) -> Result<Scope, Problem> {
    Scope::parse(scope).map_err(|problem| Problem::refused(problem.to_string()))
}

fn with_secret(client: &Client, secret: &Opaque) -> Outcome {
    Outcome::Client { client: ClientView::from(client), changed: true, secret: Some(ShownOnce::from(secret)) }
}

/// A client for an audit row: the row outlives the client, so it says the name as well as the id.
fn detail(client: &Client) -> String {
    format!("{}: {}", client.name, client.scope)
}
