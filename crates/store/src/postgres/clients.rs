//! Clients. A secret is known by its digest only. A new secret or status brings a new session, in the same transaction,
//! so that nothing minted before is believed after. Whoever changes one holds its row.

use keyfob_core::change::Fact;
use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, SessionId};
use keyfob_core::opaque::Digest;
use keyfob_core::scope::Scope;
use tokio_postgres::Row;

use super::failure::Outcome;
use super::row;
use super::transaction::{Answer, Db, Transaction};
use crate::{Audit, Changed, ClientRotation, Made, StoredClient, column};

const FIND: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients WHERE id = $1";
const HOLD: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients WHERE id = $1 FOR UPDATE";
const BY_NAME: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients WHERE name = $1";
const PAGE: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients \
    WHERE name > $1 ORDER BY name LIMIT 1000";
const INSERT: &str = "INSERT INTO clients (id, name, secret, scope, status, session, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING RETURNING true";
const ROTATE: &str = "UPDATE clients SET secret = $2, session = $3 WHERE id = $1";
const SET_SCOPE: &str = "UPDATE clients SET scope = $2 WHERE id = $1";
const SET_STATUS: &str = "UPDATE clients SET status = $2, session = $3, by_restore = 0 WHERE id = $1";
const KEEP_SUSPENDED: &str = "UPDATE clients SET by_restore = 0 WHERE id = $1 AND by_restore = 1 RETURNING id";
const SUSPENDED_BY_RESTORE: &str = "SELECT id FROM clients WHERE by_restore = 1 AND $1 < id ORDER BY id LIMIT 1000";
const SET_SESSION: &str = "UPDATE clients SET session = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM clients WHERE id = $1";

/// One client.
pub(super) async fn find(db: &mut impl Db, id: ClientId) -> Outcome<Option<StoredClient>> {
    db.row(FIND, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()
}

async fn hold(transaction: &mut Transaction<'_>, id: ClientId) -> Outcome<Option<StoredClient>> {
    transaction.row(HOLD, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()
}

/// The client of that name.
pub(super) async fn by_name(db: &mut impl Db, name: &ClientName) -> Outcome<Option<Client>> {
    let found = db.row(BY_NAME, &[&name.as_str().to_owned()]).await?;
    found.as_ref().map(|found| Ok(read(found)?.client)).transpose()
}

/// A page of clients in order of name.
pub(super) async fn page(db: &mut impl Db, after: Option<&ClientName>) -> Outcome<Vec<Client>> {
    let rows = db.rows(PAGE, &[&after.map_or("", ClientName::as_str).to_owned()]).await?;
    rows.iter().map(|found| Ok(read(found)?.client)).collect()
}

/// A page of the clients that a restore suspended.
pub(super) async fn suspended(db: &mut impl Db, after: Option<ClientId>) -> Outcome<Vec<ClientId>> {
    let after = after.map_or_else(Vec::new, |id| id.to_bytes().to_vec());
    let rows = db.rows(SUSPENDED_BY_RESTORE, &[&after]).await?;
    rows.iter().map(|found| Ok(ClientId::from_bytes(row::bytes(found, 0)?))).collect()
}

/// Register a client. Raises nothing: a guard that does not know it asks.
pub(super) async fn create(transaction: &mut Transaction<'_>, new: &StoredClient, by: &Audit) -> Outcome<Answer<Made>> {
    let client = &new.client;
    let made = transaction
        .row(
            INSERT,
            &[
                &client.id.to_bytes(),
                &client.name.as_str().to_owned(),
                &new.secret.0,
                &client.scope.to_string(),
                &column::client_status_text(client.status),
                &client.session.to_bytes(),
                &client.created_at.micros(),
            ],
        )
        .await?;
    if made.is_none() {
        return Ok(Answer::Known(Made::Exists));
    }
    transaction.audit(by);
    Ok(Answer::Known(Made::Made))
}

/// Replace the secret, and the session with it.
pub(super) async fn rotate(
    transaction: &mut Transaction<'_>,
    rotation: &ClientRotation,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let ClientRotation { client, secret, session } = rotation;
    if hold(transaction, *client).await?.is_none() {
        return Ok(Answer::Known(Changed::NotFound));
    }
    transaction.later(ROTATE, values![client.to_bytes(), secret.0, session.to_bytes()]);
    Ok(publish(transaction, *client, by))
}

/// Replace the scopes.
pub(super) async fn set_scope(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    scope: &Scope,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(stored) = hold(transaction, id).await? else { return Ok(Answer::Known(Changed::NotFound)) };
    if stored.client.scope == *scope {
        return Ok(Answer::At(Changed::Already));
    }
    transaction.later(SET_SCOPE, values![id.to_bytes(), scope.to_string()]);
    Ok(publish(transaction, id, by))
}

/// Suspend or resume.
pub(super) async fn set_status(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    status: ClientStatus,
    session: SessionId,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(stored) = hold(transaction, id).await? else { return Ok(Answer::Known(Changed::NotFound)) };
    if stored.client.status == status {
        // One that a restore suspended is from here on suspended by an operator, who is to resume it by name.
        if status == ClientStatus::Suspended && transaction.row(KEEP_SUSPENDED, &[&id.to_bytes()]).await?.is_some() {
            transaction.audit(by);
        }
        return Ok(Answer::At(Changed::Already));
    }
    let values = values![id.to_bytes(), column::client_status_text(status), session.to_bytes()];
    transaction.later(SET_STATUS, values);
    Ok(publish(transaction, id, by))
}

/// Replace the session, if it is still the one that was judged.
pub(super) async fn end_session(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    (session, fresh): (SessionId, SessionId),
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(stored) = hold(transaction, id).await? else { return Ok(Answer::Known(Changed::NotFound)) };
    if stored.client.session != session {
        return Ok(Answer::At(Changed::Already));
    }
    transaction.later(SET_SESSION, values![id.to_bytes(), fresh.to_bytes()]);
    Ok(publish(transaction, id, by))
}

/// Delete a client. Its audit rows stay.
pub(super) async fn delete(transaction: &mut Transaction<'_>, id: ClientId, by: &Audit) -> Outcome<Answer<Changed>> {
    if hold(transaction, id).await?.is_none() {
        return Ok(Answer::Known(Changed::NotFound));
    }
    transaction.later(DELETE, values![id.to_bytes()]);
    Ok(publish(transaction, id, by))
}

/// The last beat of every change of a client: its audit row, then the feed.
fn publish(transaction: &mut Transaction<'_>, id: ClientId, by: &Audit) -> Answer<Changed> {
    transaction.audit(by);
    transaction.publish(Fact::Client(id), by.at);
    Answer::At(Changed::At)
}

fn read(found: &Row) -> Outcome<StoredClient> {
    let client = Client {
        id: ClientId::from_bytes(row::bytes(found, 0)?),
        name: column::client_name(row::column(found, 1)?)?,
        scope: column::scope(row::column(found, 3)?)?,
        status: column::client_status(row::column(found, 4)?)?,
        session: SessionId::from_bytes(row::bytes(found, 5)?),
        created_at: column::time(row::column(found, 6)?),
    };
    Ok(StoredClient { client, secret: Digest(row::bytes(found, 2)?) })
}
