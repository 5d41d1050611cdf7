//! Clients: registered, changed, gone; never a secret, only its digest.

use keyfob_core::change::{Fact, Revision};
use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, SessionId};
use keyfob_core::opaque::Digest;
use keyfob_core::scope::Scope;

use super::sample::*;
use crate::{Changed, ClientRotation, Made, StoredClient};

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn new_client(name: &str) -> StoredClient {
    let client = Client {
        id: ClientId::from_bytes(unique()),
        name: ClientName::parse(name).unwrap(),
        scope: scope("reports:read reports:write"),
        status: ClientStatus::Active,
        session: SessionId::from_bytes(unique()),
        created_at: START,
    };
    StoredClient { client, secret: Digest(digest(name)) }
}

async fn registered(store: &Shared, name: &str) -> Client {
    let new = new_client(name);
    assert_eq!(store.create_client(&new, &audit("client.created", START)).await.unwrap(), Made::Made);
    new.client
}

async fn current(store: &Shared, client: &Client) -> StoredClient {
    store.client(client.id).await.unwrap().unwrap()
}

fn rotation(client: &Client) -> ClientRotation {
    let secret = Digest(digest(&format!("{:?}", unique())));
    ClientRotation { client: client.id, secret, session: SessionId::from_bytes(unique()) }
}

pub(crate) async fn a_registered_client_is_found_by_id_and_by_name(store: Shared) {
    let client = registered(&store, "robot").await;
    let found = current(&store, &client).await;
    assert_eq!((&found.client, found.secret), (&client, Digest(digest("robot"))));
    assert_eq!(store.client_by_name(&client.name).await.unwrap(), Some(client));
    assert_eq!(store.revision().await.unwrap(), Revision(0), "a new fact raises nothing");
    assert_eq!(store.audit(1).await.unwrap()[0].event, "client.created");
    assert!(store.client(ClientId::from_bytes(unique())).await.unwrap().is_none());
}

pub(crate) async fn a_client_name_is_taken_once(store: Shared) {
    let first = registered(&store, "robot").await;
    let second = new_client("robot");
    assert_eq!(store.create_client(&second, &audit("client.created", START)).await.unwrap(), Made::Exists);
    assert!(store.client(second.client.id).await.unwrap().is_none());
    assert_eq!(store.client_by_name(&first.name).await.unwrap(), Some(first));
    assert_eq!(store.audit(10).await.unwrap().len(), 1);
}

pub(crate) async fn clients_come_in_order_of_name_after_the_one_given(store: Shared) {
    for name in ["b", "c", "a"] {
        registered(&store, name).await;
    }
    let names = |clients: Vec<Client>| clients.iter().map(|client| client.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.clients(None).await.unwrap()), ["a", "b", "c"]);
    let after = ClientName::parse("a").unwrap();
    assert_eq!(names(store.clients(Some(&after)).await.unwrap()), ["b", "c"]);
}

pub(crate) async fn a_rotated_secret_takes_the_session_with_it(store: Shared) {
    let client = registered(&store, "robot").await;
    let rotation = rotation(&client);
    let changed = store.rotate_client_secret(&rotation, &audit("client.secret-rotated", START)).await.unwrap();
    assert_eq!(changed, Changed::At(Revision(1)));
    let now = current(&store, &client).await;
    assert_eq!(now.secret, rotation.secret);
    assert_eq!(now.client, Client { session: rotation.session, ..client });
}

pub(crate) async fn a_client_that_is_suspended_and_resumed_has_another_session(store: Shared) {
    let client = registered(&store, "robot").await;
    let by = audit("client.suspended", START);
    let mut seen = vec![client.session];
    for status in [ClientStatus::Suspended, ClientStatus::Active] {
        let session = SessionId::from_bytes(unique());
        revision_of(store.set_client_status(client.id, status, session, &by).await.unwrap());
        let now = current(&store, &client).await.client;
        assert_eq!(now.status, status);
        assert!(!seen.contains(&now.session), "what was minted before must stay dead");
        seen.push(now.session);
        let again = store.set_client_status(client.id, status, SessionId::from_bytes(unique()), &by).await.unwrap();
        assert!(matches!(again, Changed::Already(_)), "{again:?}");
        assert_eq!(current(&store, &client).await.client.session, session, "nothing changed, so nothing dies");
    }
}

pub(crate) async fn the_session_of_a_client_ends_once(store: Shared) {
    let client = registered(&store, "robot").await;
    let by = audit("client.tokens-revoked", START);
    let fresh = SessionId::from_bytes(unique());
    let end = || store.end_client_session(client.id, client.session, fresh, &by);
    assert_eq!(end().await.unwrap(), Changed::At(Revision(1)));
    let now = current(&store, &client).await;
    assert_eq!(now.client, Client { session: fresh, ..client.clone() });
    assert_eq!(now.secret, Digest(digest("robot")), "the secret is not what got out");
    assert_eq!(end().await.unwrap(), Changed::Already(Revision(1)));
    let nobody = ClientId::from_bytes(unique());
    assert_eq!(store.end_client_session(nobody, fresh, fresh, &by).await.unwrap(), Changed::NotFound);
}

pub(crate) async fn a_new_scope_leaves_the_session_alone(store: Shared) {
    let client = registered(&store, "robot").await;
    let by = audit("client.scope", START);
    let less = scope("reports:read");
    assert_eq!(store.set_client_scope(client.id, &less, &by).await.unwrap(), Changed::At(Revision(1)));
    assert_eq!(store.set_client_scope(client.id, &less, &by).await.unwrap(), Changed::Already(Revision(1)));
    assert_eq!(current(&store, &client).await.client, Client { scope: less, ..client });
    assert_eq!(store.audit(10).await.unwrap().len(), 2, "what changed nothing leaves no trace");
}

pub(crate) async fn a_deleted_client_is_gone_and_its_audit_stays(store: Shared) {
    let client = registered(&store, "robot").await;
    revision_of(store.delete_client(client.id, &audit("client.deleted", START)).await.unwrap());
    assert!(store.client(client.id).await.unwrap().is_none());
    assert_eq!(store.audit(10).await.unwrap().len(), 2);
    let again = registered(&store, "robot").await;
    assert_ne!(again.id, client.id);
}

pub(crate) async fn every_change_of_a_client_is_in_the_feed_and_the_audit(store: Shared) {
    let client = registered(&store, "robot").await;
    let by = |event| audit(event, START);
    let session = SessionId::from_bytes(unique());
    store.rotate_client_secret(&rotation(&client), &by("client.secret-rotated")).await.unwrap();
    store.set_client_scope(client.id, &scope("x"), &by("client.scope")).await.unwrap();
    store.set_client_status(client.id, ClientStatus::Suspended, session, &by("client.suspended")).await.unwrap();
    store.delete_client(client.id, &by("client.deleted")).await.unwrap();
    let changes = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.fact).collect::<Vec<_>>(), [Fact::Client(client.id); 4]);
    assert_eq!(changes.iter().map(|change| change.revision.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let events = store.audit(4).await.unwrap();
    let events: Vec<_> = events.iter().map(|row| row.event.as_str()).collect();
    assert_eq!(events, ["client.deleted", "client.suspended", "client.scope", "client.secret-rotated"]);
}

pub(crate) async fn a_change_of_no_client_is_not_found(store: Shared) {
    let nobody = new_client("nobody").client;
    let by = audit("client.changed", START);
    let session = SessionId::from_bytes(unique());
    for changed in [
        store.rotate_client_secret(&rotation(&nobody), &by).await.unwrap(),
        store.set_client_scope(nobody.id, &scope("x"), &by).await.unwrap(),
        store.set_client_status(nobody.id, ClientStatus::Suspended, session, &by).await.unwrap(),
        store.delete_client(nobody.id, &by).await.unwrap(),
    ] {
        assert_eq!(changed, Changed::NotFound);
    }
    assert!(store.audit(10).await.unwrap().is_empty());
}

pub(crate) async fn of_many_rotations_at_once_the_last_one_holds(store: Shared) {
    let client = registered(&store, "robot").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, rotation) = (Shared::clone(&store), rotation(&client));
        tasks.spawn(async move {
            let changed = store.rotate_client_secret(&rotation, &audit("client.secret-rotated", START)).await.unwrap();
            (revision_of(changed), rotation)
        });
    }
    let (_, last) = tasks.join_all().await.into_iter().max_by_key(|(revision, _)| *revision).unwrap();
    let now = current(&store, &client).await;
    assert_eq!((now.secret, now.client.session), (last.secret, last.session), "secret and session of one rotation");
}
