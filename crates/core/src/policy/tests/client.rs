//! Service accounts: what a client may that got a token for itself, and when it may no more.

use super::*;
use crate::client::{Client, ClientName, ClientStatus, KnownClient};
use crate::id::ClientId;
use crate::opaque::Digest;
use crate::policy::{ClientProof, decide_scoped, decide_signed_in};
use crate::refusal::Reason;

const ROBOT: [u8; 16] = [0xC1; 16];

fn robot(scopes: &str) -> Client {
    Client {
        id: ClientId::from_bytes(ROBOT),
        name: ClientName::parse("robot").expect("a name"),
        scope: scope(scopes),
        status: ClientStatus::Active,
        session: SessionId::from_bytes([0x5C; 16]),
        created_at: NOW - Duration::from_hours(24),
    }
}

/// A good proof of a client; its token carries `carried`.
fn proof_of(client: Client, carried: &str) -> ClientProof {
    let claims = Claims {
        subject: UserId::from_bytes(ROBOT),
        session: client.session,
        token_id: TokenId::from_bytes([0x70; 16]),
        client_id: client.id.to_string().into(),
        scope: scope(carried).into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_mins(10),
        incarnation: Incarnation([9; 16]),
    };
    let client = Arc::new(KnownClient::new(client, Digest([1; 32])));
    ClientProof { claims: Arc::new(claims), client, incarnation: Incarnation([9; 16]), leeway: LEEWAY }
}

fn token_of(scopes: &str, carried: &str) -> Evidence {
    Evidence::Client(proof_of(robot(scopes), carried))
}

#[test]
fn a_service_account_has_what_its_registration_and_its_token_both_give() {
    let policy = policy();
    let both = token_of("reports:read reports:write", "reports:read reports:write");
    assert!(allows(&policy, "POST /reports/7", &both));
    let narrowed = token_of("reports:read reports:write", "reports:read");
    assert!(allows(&policy, "GET /reports/7", &narrowed) && !allows(&policy, "POST /reports/7", &narrowed));
    let taken_away = token_of("reports:read", "reports:read reports:write");
    assert!(!allows(&policy, "POST /reports/7", &taken_away));
    let permit = permit(&policy, "GET /reports/7", &taken_away);
    let caller = permit.caller().expect("somebody");
    assert_eq!(caller.scope().as_ref(), b"reports:read");
    assert!(caller.user().is_none());
    assert_eq!(caller.client().expect("a client").subject_header, ClientId::from_bytes(ROBOT).to_string());
}

#[test]
fn a_token_of_a_client_that_changed_is_invalid() {
    let policy = policy();
    let good = || proof_of(robot("reports:read"), "reports:read");
    assert!(allows(&policy, "GET /reports/7", &Evidence::Client(good())));
    let with = |change: &dyn Fn(&mut Client)| {
        let mut client = robot("reports:read");
        change(&mut client);
        ClientProof { client: Arc::new(KnownClient::new(client, Digest([1; 32]))), ..good() }
    };
    let claiming = |change: &dyn Fn(&mut Claims)| {
        let mut claims = (*good().claims).clone();
        change(&mut claims);
        ClientProof { claims: Arc::new(claims), ..good() }
    };
    for (why, proof) in [
        ("rotated", with(&|client| client.session = SessionId::from_bytes([1; 16]))),
        ("suspended", with(&|client| client.status = ClientStatus::Suspended)),
        ("another client", with(&|client| client.id = ClientId::from_bytes([1; 16]))),
        ("restored", ClientProof { incarnation: Incarnation([8; 16]), ..good() }),
        ("a user's token", claiming(&|claims| claims.client_id = "keyfob".into())),
        ("another's subject", claiming(&|claims| claims.subject = UserId::from_bytes(ALICE))),
        ("expired", claiming(&|claims| claims.expires_at = NOW - LEEWAY)),
    ] {
        let refusal = refusal(&policy, "GET /reports/7", &Evidence::Client(proof));
        assert_eq!(refusal.reason, Reason::InvalidToken, "{why}");
    }
}

#[test]
fn a_service_account_has_no_account_to_look_after() {
    let robot = token_of("reports:read", "reports:read");
    let own = decide_signed_in(&policy(), ask("GET /auth/me"), &robot, NOW);
    assert!(matches!(own, Decision::Refuse(Refusal { reason: Reason::Insufficient { scope: None }, .. })));
}

#[test]
fn a_path_names_a_service_account_by_its_subject_only() {
    let id = ClientId::from_bytes(ROBOT);
    let text =
        "[[routes]]\npath = \"/ids/{id}\"\nowner = \"id\"\n[[routes]]\npath = \"/names/{n}\"\nowner-username = \"n\"";
    let policy = Policy::parse(text, 1).expect("valid");
    let robot = token_of("", "");
    assert!(allows(&policy, &format!("GET /ids/{id}"), &robot));
    for other in ["GET /names/robot".to_owned(), format!("GET /names/{id}"), "GET /ids/robot".to_owned()] {
        assert!(!allows(&policy, &other, &robot), "{other}");
    }
}

#[test]
fn an_endpoint_that_needs_a_scope_takes_whoever_has_it() {
    let policy = policy();
    let judge =
        |evidence: &Evidence| decide_scoped(&policy, ask("POST /auth/introspect"), evidence, "users:admin", NOW);
    for evidence in [token_of("users:admin", "users:admin"), token(&policy, &["root"])] {
        assert!(matches!(judge(&evidence), Decision::Allow(_)));
    }
    let needed = Reason::Insufficient { scope: Some("users:admin".into()) };
    for (evidence, reason) in [
        (token_of("users:admin", ""), needed.clone()),
        (token(&policy, &["editor"]), needed),
        (Evidence::Nothing, Reason::NoCredentials),
        (Evidence::Invalid, Reason::InvalidToken),
    ] {
        assert!(matches!(judge(&evidence), Decision::Refuse(refusal) if refusal.reason == reason), "{reason:?}");
    }
}
