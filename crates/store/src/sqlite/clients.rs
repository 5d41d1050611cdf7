//! Clients. A secret is known by its digest only. A new secret or status brings a new session, in the same transaction,
//! so that nothing minted before is believed after.

use keyfob_core::change::Fact;
use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, SessionId};
use keyfob_core::opaque::Digest;
use keyfob_core::scope::Scope;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::audit;
use super::failure::Outcome;
use super::writer::Transaction;
use crate::{Audit, Changed, ClientRotation, Made, StoredClient, column};

const FIND: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients WHERE id = ?1";
const BY_NAME: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients WHERE name = ?1";
const PAGE: &str = "SELECT id, name, secret, scope, status, session, created_at FROM clients \
    WHERE name > ?1 ORDER BY name LIMIT 1000";
const INSERT: &str = "INSERT INTO clients (id, name, secret, scope, status, session, created_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const ROTATE: &str = "UPDATE clients SET secret = ?2, session = ?3 WHERE id = ?1";
const SET_SCOPE: &str = "UPDATE clients SET scope = ?2 WHERE id = ?1";
const SET_STATUS: &str = "UPDATE clients SET status = ?2, session = ?3, by_restore = 0 WHERE id = ?1";
const KEEP_SUSPENDED: &str = "UPDATE clients SET by_restore = 0 WHERE id = ?1 AND by_restore = 1";
const SUSPENDED_BY_RESTORE: &str = "SELECT id FROM clients WHERE by_restore = 1 AND ?1 < id ORDER BY id LIMIT 1000";
const SET_SESSION: &str = "UPDATE clients SET session = ?2 WHERE id = ?1";
const DELETE: &str = "DELETE FROM clients WHERE id = ?1";

/// One client.
pub(super) fn find(db: &Connection, id: ClientId) -> Outcome<Option<StoredClient>> {
    let mut statement = db.prepare_cached(FIND)?;
    statement.query_one([id.to_bytes()], Columns::read).optional()?.map(Columns::parse).transpose()
}

/// The client of that name.
pub(super) fn by_name(db: &Connection, name: &ClientName) -> Outcome<Option<Client>> {
    let mut statement = db.prepare_cached(BY_NAME)?;
    let found = statement.query_one([name.as_str()], Columns::read).optional()?;
    found.map(|columns| Ok(columns.parse()?.client)).transpose()
}

/// A page of clients in order of name.
pub(super) fn page(db: &Connection, after: Option<&ClientName>) -> Outcome<Vec<Client>> {
    let mut statement = db.prepare_cached(PAGE)?;
    let rows = statement.query_map([after.map_or("", ClientName::as_str)], Columns::read)?;
    rows.map(|columns| Ok(columns?.parse()?.client)).collect()
}

/// A page of the clients that a restore suspended.
pub(super) fn suspended(db: &Connection, after: Option<ClientId>) -> Outcome<Vec<ClientId>> {
    let mut statement = db.prepare_cached(SUSPENDED_BY_RESTORE)?;
    let after = after.map_or_else(Vec::new, |id| id.to_bytes().to_vec());
    let ids = statement.query_map([after], |row| row.get(0))?;
    Ok(ids.collect::<Result<Vec<_>, _>>()?.into_iter().map(ClientId::from_bytes).collect())
}

/// Register a client. Raises nothing: a guard that does not know it asks.
pub(super) fn create(transaction: &Transaction<'_>, new: &StoredClient, by: &Audit) -> Outcome<Made> {
    let (db, client) = (transaction.db(), &new.client);
    if by_name(db, &client.name)?.is_some() {
        return Ok(Made::Exists);
    }
    db.prepare_cached(INSERT)?.execute((
        client.id.to_bytes(),
        client.name.as_str(),
        new.secret.0,
        client.scope.to_string(),
        column::client_status_text(client.status),
        client.session.to_bytes(),
        client.created_at.micros(),
    ))?;
    audit::append(db, by)?;
    Ok(Made::Made)
}

/// Replace the secret, and the session with it.
pub(super) fn rotate(transaction: &mut Transaction<'_>, rotation: &ClientRotation, by: &Audit) -> Outcome<Changed> {
    let ClientRotation { client, secret, session } = rotation;
    let values = (client.to_bytes(), secret.0, session.to_bytes());
    if transaction.db().prepare_cached(ROTATE)?.execute(values)? == 0 {
        return Ok(Changed::NotFound);
    }
    publish(transaction, *client, by)
}

/// Replace the scopes.
pub(super) fn set_scope(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    scope: &Scope,
    by: &Audit,
) -> Outcome<Changed> {
    let Some(stored) = find(transaction.db(), id)? else { return Ok(Changed::NotFound) };
    if stored.client.scope == *scope {
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(SET_SCOPE)?.execute((id.to_bytes(), scope.to_string()))?;
    publish(transaction, id, by)
}

/// Suspend or resume.
pub(super) fn set_status(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    status: ClientStatus,
    session: SessionId,
    by: &Audit,
) -> Outcome<Changed> {
    let Some(stored) = find(transaction.db(), id)? else { return Ok(Changed::NotFound) };
    if stored.client.status == status {
        // One that a restore suspended is from here on suspended by an operator, who is to resume it by name.
        if status == ClientStatus::Suspended
            && transaction.db().prepare_cached(KEEP_SUSPENDED)?.execute([id.to_bytes()])? > 0
        {
            audit::append(transaction.db(), by)?;
        }
        return Ok(Changed::Already(transaction.revision()));
    }
    let values = (id.to_bytes(), column::client_status_text(status), session.to_bytes());
    transaction.db().prepare_cached(SET_STATUS)?.execute(values)?;
    publish(transaction, id, by)
}

/// Replace the session, if it is still the one that was judged.
pub(super) fn end_session(
    transaction: &mut Transaction<'_>,
    id: ClientId,
    session: SessionId,
    fresh: SessionId,
    by: &Audit,
) -> Outcome<Changed> {
    let Some(stored) = find(transaction.db(), id)? else { return Ok(Changed::NotFound) };
    if stored.client.session != session {
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(SET_SESSION)?.execute((id.to_bytes(), fresh.to_bytes()))?;
    publish(transaction, id, by)
}

/// Delete a client. Its audit rows stay.
pub(super) fn delete(transaction: &mut Transaction<'_>, id: ClientId, by: &Audit) -> Outcome<Changed> {
    if transaction.db().prepare_cached(DELETE)?.execute([id.to_bytes()])? == 0 {
        return Ok(Changed::NotFound);
    }
    publish(transaction, id, by)
}

/// The last beat of every change of a client: its audit row, then the feed.
fn publish(transaction: &mut Transaction<'_>, id: ClientId, by: &Audit) -> Outcome<Changed> {
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::Client(id), by.at)?;
    Ok(Changed::At(transaction.revision()))
}

/// A row before its texts are parsed.
struct Columns {
    id: [u8; 16],
    name: String,
    secret: [u8; 32],
    scope: String,
    status: String,
    session: [u8; 16],
    created_at: i64,
}

impl Columns {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            secret: row.get(2)?,
            scope: row.get(3)?,
            status: row.get(4)?,
            session: row.get(5)?,
            created_at: row.get(6)?,
        })
    }

    fn parse(self) -> Outcome<StoredClient> {
        let client = Client {
            id: ClientId::from_bytes(self.id),
            name: column::client_name(self.name)?,
            scope: column::scope(&self.scope)?,
            status: column::client_status(&self.status)?,
            session: SessionId::from_bytes(self.session),
            created_at: column::time(self.created_at),
        };
        Ok(StoredClient { client, secret: Digest(self.secret) })
    }
}
