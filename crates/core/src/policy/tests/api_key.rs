//! API keys: what a caller may that shows one, and when no more.

use super::*;
use crate::api_key::ApiKey;
use crate::id::KeyId;
use crate::policy::{KeyProof, decide_signed_in};
use crate::refusal::Reason;
use crate::user::Status;

/// A good proof: a key that is good for `carried`, of a user with `roles`.
fn proof(policy: &Policy, roles: &[&str], carried: &str) -> KeyProof {
    let Evidence::Token(Proof { user, .. }) = token(policy, roles) else { panic!("a token") };
    let key = ApiKey {
        id: KeyId::from_bytes([0x6B; 16]),
        user: user.user.id,
        scope: scope(carried),
        incarnation: Incarnation([9; 16]),
        created_at: NOW - Duration::from_hours(1),
        expires_at: NOW + Duration::from_hours(1),
        revoked_at: None,
    };
    KeyProof { key: Arc::new(key), user, incarnation: Incarnation([9; 16]) }
}

fn key(policy: &Policy, roles: &[&str], carried: &str) -> Evidence {
    Evidence::Key(proof(policy, roles, carried))
}

#[test]
fn a_key_gives_what_it_was_made_for_and_its_user_has_now() {
    let policy = policy();
    let both = "reports:read reports:write";
    assert!(allows(&policy, "POST /reports/7", &key(&policy, &["editor"], both)));
    let narrow = key(&policy, &["editor"], "reports:read");
    assert!(allows(&policy, "GET /reports/7", &narrow) && !allows(&policy, "POST /reports/7", &narrow));
    let taken_away = key(&policy, &["analyst"], both);
    assert!(allows(&policy, "GET /reports/7", &taken_away) && !allows(&policy, "POST /reports/7", &taken_away));
    assert!(!allows(&policy, "GET /reports/7", &key(&policy, &[], both)));
    let permit = permit(&policy, "GET /reports/7", &taken_away);
    let caller = permit.caller().expect("somebody");
    assert_eq!(caller.scope().as_ref(), b"reports:read");
    assert!(caller.claims().is_none() && caller.user().is_some());
    assert_eq!(caller.key().map(|key| key.id), Some(KeyId::from_bytes([0x6B; 16])));
}

#[test]
fn a_key_that_changed_or_whose_user_did_is_invalid() {
    let policy = policy();
    let good = || proof(&policy, &["editor"], "reports:read");
    assert!(allows(&policy, "GET /reports/7", &Evidence::Key(good())));
    let with = |change: &dyn Fn(&mut ApiKey)| {
        let mut key = (*good().key).clone();
        change(&mut key);
        KeyProof { key: Arc::new(key), ..good() }
    };
    let mut disabled = good();
    Arc::make_mut(&mut disabled.user).user.status = Status::Disabled;
    for (why, proof) in [
        ("revoked", with(&|key| key.revoked_at = Some(NOW))),
        ("expired at this instant", with(&|key| key.expires_at = NOW)),
        ("another user's", with(&|key| key.user = UserId::from_bytes([1; 16]))),
        ("suspended by a restore", KeyProof { incarnation: Incarnation([8; 16]), ..good() }),
        ("disabled", disabled),
    ] {
        for path in ["GET /reports/7", "GET /news"] {
            assert_eq!(refusal(&policy, path, &Evidence::Key(proof.clone())).reason, Reason::InvalidToken, "{why}");
        }
        let own = decide_signed_in(&policy, ask("GET /auth/me"), &Evidence::Key(proof), NOW);
        assert!(matches!(own, Decision::Refuse(Refusal { reason: Reason::InvalidToken, .. })), "{why}");
    }
}

#[test]
fn a_key_of_a_grant_of_another_policy_is_judged_by_the_policy_in_force() {
    let old = policy();
    let evidence = key(&old, &["editor"], "reports:read reports:write");
    let new = Policy::parse(
        "[roles]\neditor = [\"reports:read\"]\n[[routes]]\npath = \"/reports/{id}\"\nrequire = [\"reports:write\"]",
        8,
    );
    assert!(!allows(&new.expect("valid"), "POST /reports/7", &evidence));
}
