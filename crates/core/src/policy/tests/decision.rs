//! The decision: what a token must prove, what a route must ask, and what a permit is worth.

use super::*;
use crate::policy::decide_signed_in;
use crate::refusal::{Profile, Reason};

fn lacks(text: &str) -> Reason {
    Reason::Insufficient { scope: Some(text.into()) }
}

const LACKS_NO_SCOPE: Reason = Reason::Insufficient { scope: None };

#[test]
fn the_six_rows_of_the_table_come_out_in_both_profiles() {
    let policy = policy();
    let rows = [
        (token(&policy, &["analyst"]), None, ""),
        (Evidence::Nothing, Some((401, 401)), r#"Bearer realm="r""#),
        (Evidence::OtherScheme, Some((401, 401)), r#"Bearer realm="r""#),
        (Evidence::Malformed, Some((401, 400)), r#"Bearer realm="r", error="invalid_request""#),
        (Evidence::Invalid, Some((401, 401)), r#"Bearer realm="r", error="invalid_token""#),
        (
            token(&policy, &["root"]),
            Some((401, 403)),
            r#"Bearer realm="r", error="insufficient_scope", scope="reports:read""#,
        ),
    ];
    for (evidence, refused, challenge) in rows {
        match (decide(&policy, ask("GET /reports/7"), &evidence, NOW), refused) {
            (Decision::Allow(_), None) => {}
            (Decision::Refuse(refusal), Some((uniform, rfc6750))) => {
                assert_eq!(refusal.status(Profile::Uniform), uniform, "{evidence:?}");
                assert_eq!(refusal.status(Profile::Rfc6750), rfc6750, "{evidence:?}");
                assert_eq!(refusal.challenge("r").as_deref(), Some(challenge));
            }
            (decision, expected) => panic!("{evidence:?}: {decision:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_proof_whose_parts_do_not_belong_together_is_an_invalid_token() {
    let policy = policy();
    let good = proof(&policy, &["analyst"], None);
    assert!(allows(&policy, "GET /reports/7", &Evidence::Token(good.clone())));

    let claims = |change: fn(&mut Claims)| {
        let mut claims = (*good.claims).clone();
        change(&mut claims);
        Proof { claims: Arc::new(claims), ..good.clone() }
    };
    let session = |change: fn(&mut Session)| {
        let mut bad = good.clone();
        change(&mut bad.session);
        bad
    };
    let user = |change: fn(&mut User)| {
        let mut known = (*good.user).clone();
        change(&mut known.user);
        Proof { user: Arc::new(known), ..good.clone() }
    };
    let flawed = [
        ("another incarnation", Proof { incarnation: Incarnation([8; 16]), ..good.clone() }),
        ("an expired token", claims(|claims| claims.expires_at = NOW - LEEWAY)),
        ("another session's token", claims(|claims| claims.session = SessionId::from_bytes([1; 16]))),
        ("another subject's token", claims(|claims| claims.subject = UserId::from_bytes([1; 16]))),
        ("another user's session", session(|session| session.user = UserId::from_bytes([1; 16]))),
        ("an ended session", session(|session| session.ended_at = Some(NOW))),
        ("a session that ends in the future", session(|session| session.ended_at = Some(NOW + LEEWAY))),
        ("an expired session", session(|session| session.expires_at = NOW - LEEWAY)),
        ("a disabled user", user(|user| user.status = Status::Disabled)),
        ("a recreated user", user(|user| user.id = UserId::from_bytes([1; 16]))),
    ];
    for (flaw, bad) in flawed {
        // On a public route too: a bad credential is never taken for none.
        for request in ["GET /reports/7", "GET /news", "GET /me", "GET /nowhere"] {
            let refusal = refusal(&policy, request, &Evidence::Token(bad.clone()));
            assert_eq!(refusal.reason, Reason::InvalidToken, "{flaw}: {request}");
        }
        let own = decide_signed_in(&policy, ask("GET /auth/me"), &Evidence::Token(bad), NOW);
        assert!(matches!(own, Decision::Refuse(Refusal { reason: Reason::InvalidToken, .. })), "{flaw}");
    }
}

#[test]
fn a_token_is_dead_at_the_instant_it_expires_leeway_considered() {
    let policy = policy();
    let evidence = token(&policy, &["analyst"]);
    let Evidence::Token(Proof { claims, .. }) = &evidence else { panic!("a token") };
    let end = claims.expires_at + LEEWAY;
    let at = |now| matches!(decide(&policy, ask("GET /reports/7"), &evidence, now), Decision::Allow(_));
    assert!(at(claims.expires_at));
    assert!(at(end - Duration::from_micros(1)));
    assert!(!at(end));
    assert!(!at(end + Duration::from_micros(1)));
}

#[test]
fn anybody_may_use_a_public_route_and_a_good_token_is_still_named() {
    let policy = policy();
    assert!(permit(&policy, "GET /news", &Evidence::Nothing).caller().is_none());
    assert!(permit(&policy, "GET /news", &Evidence::OtherScheme).caller().is_none());
    assert_eq!(refusal(&policy, "GET /news", &Evidence::Malformed).reason, Reason::Malformed);
    let named = permit(&policy, "GET /news", &token(&policy, &["analyst"]));
    assert_eq!(named.caller().map(|caller| caller.user().expect("a user").user.id), Some(UserId::from_bytes(ALICE)));
}

#[test]
fn what_no_route_decides_is_refused_or_asks_for_a_signed_in_user() {
    let deny = policy();
    assert_eq!(refusal(&deny, "GET /nowhere", &Evidence::Nothing).reason, Reason::NoCredentials);
    assert_eq!(refusal(&deny, "GET /nowhere", &token(&deny, &["root"])).reason, LACKS_NO_SCOPE);
    assert_eq!(refusal(&deny, "OPTIONS *", &token(&deny, &["root"])).reason, LACKS_NO_SCOPE);
    for open in [Policy::signed_in(1), Policy::parse("default = \"signed-in\"", 1).expect("valid")] {
        assert!(allows(&open, "DELETE /nowhere", &token(&open, &[])));
        assert_eq!(refusal(&open, "GET /nowhere", &Evidence::Nothing).reason, Reason::NoCredentials);
    }
    let empty = Policy::parse("", 1).expect("an empty file denies");
    assert_eq!(refusal(&empty, "GET /", &token(&empty, &[])).reason, LACKS_NO_SCOPE);
}

#[test]
fn a_method_that_is_not_listed_never_falls_through() {
    let policy = policy();
    let root = token(&policy, &["analyst", "editor", "root"]);
    for request in ["DELETE /reports/7", "get /reports/7", "OPTIONS /reports/7", "POST /news", "PATCH /news"] {
        assert_eq!(refusal(&policy, request, &root).reason, LACKS_NO_SCOPE, "{request}");
        assert_eq!(refusal(&policy, request, &Evidence::Nothing).reason, Reason::NoCredentials, "{request}");
    }
    let wide = r#"
        default = "signed-in"
        [[routes]]
        path = "/{*rest}"
        public = true
        [[routes]]
        path = "/a"
        methods = ["GET"]
        signed-in = true
    "#;
    let wide = Policy::parse(wide, 1).expect("valid");
    assert_eq!(refusal(&wide, "POST /a", &token(&wide, &[])).reason, LACKS_NO_SCOPE);
}

#[test]
fn get_implies_head_unless_head_has_a_rule_of_its_own() {
    let policy = policy();
    assert!(allows(&policy, "HEAD /news", &Evidence::Nothing));
    let own = r#"
        [[routes]]
        path = "/a"
        methods = ["GET"]
        public = true
        [[routes]]
        path = "/a"
        methods = ["HEAD"]
        signed-in = true
        [[routes]]
        path = "/b"
        methods = ["HEAD"]
        public = true
        [[routes]]
        path = "/c"
        methods = ["GET"]
        signed-in = true
        [[routes]]
        path = "/c"
        public = true
    "#;
    let own = Policy::parse(own, 1).expect("valid");
    assert!(!allows(&own, "HEAD /a", &Evidence::Nothing));
    assert!(allows(&own, "HEAD /b", &Evidence::Nothing));
    assert!(!allows(&own, "GET /b", &Evidence::Nothing), "HEAD does not imply GET");
    assert!(!allows(&own, "HEAD /c", &Evidence::Nothing), "HEAD is GET's before it is anybody else's");
    assert!(allows(&own, "PUT /c", &Evidence::Nothing));
}

#[test]
fn every_required_scope_is_needed_and_all_are_named() {
    let policy = policy();
    assert!(allows(&policy, "POST /reports", &token(&policy, &["editor"])));
    let refusal_of = |roles: &[&str]| refusal(&policy, "POST /reports", &token(&policy, roles)).reason;
    assert_eq!(refusal_of(&["analyst"]), lacks("reports:read reports:write"));
    assert_eq!(refusal_of(&["root"]), lacks("reports:read reports:write"));
    assert_eq!(refusal_of(&["no-such-role"]), lacks("reports:read reports:write"));
}

#[test]
fn one_of_any_of_is_enough() {
    let policy = policy();
    assert!(allows(&policy, "GET /either", &token(&policy, &["editor"])));
    assert!(allows(&policy, "GET /either", &token(&policy, &["root"])));
    let refusal = refusal(&policy, "GET /either", &token(&policy, &["analyst"]));
    assert_eq!(refusal.reason, lacks("reports:write users:admin"));
}

#[test]
fn an_owner_is_let_in_by_id_and_an_administrator_by_scope() {
    let policy = policy();
    let id = UserId::from_bytes(ALICE).to_string();
    let alice = token(&policy, &[]);
    assert!(allows(&policy, &format!("PUT /users/{id}/photo"), &alice));
    assert!(allows(&policy, &format!("GET /users/{id}"), &alice));
    let other = UserId::from_bytes([1; 16]).to_string();
    for named in [other.as_str(), &id.to_uppercase(), &id.replace('-', ""), &format!("%7B{id}%7D"), "alice", "me"] {
        let request = format!("GET /users/{named}/photo");
        assert_eq!(refusal(&policy, &request, &alice).reason, LACKS_NO_SCOPE, "{named}");
    }
    assert!(allows(&policy, &format!("GET /users/{other}/photo"), &token(&policy, &["root"])));
    let narrowed = Evidence::Token(proof(&policy, &["root"], Some("reports:read")));
    assert!(!allows(&policy, &format!("GET /users/{other}/photo"), &narrowed));
}

#[test]
fn an_owner_is_let_in_by_canonical_username() {
    let policy = policy();
    let alice = token(&policy, &[]);
    assert!(allows(&policy, "GET /people/alice", &alice));
    assert!(allows(&policy, "GET /people/%61lice/", &alice));
    for named in ["Alice", "bob", "alice%20", "alic"] {
        assert!(!allows(&policy, &format!("GET /people/{named}"), &alice), "{named}");
    }
}

#[test]
fn a_token_gives_what_it_carries_of_what_the_roles_grant_now() {
    let policy = policy();
    let carries = |roles: &[&str], carried| Evidence::Token(proof(&policy, roles, Some(carried)));
    let narrowed = carries(&["editor"], "reports:read");
    assert!(allows(&policy, "GET /reports/7", &narrowed));
    assert!(!allows(&policy, "POST /reports/7", &narrowed), "the token carries less than the roles grant");
    let wide = carries(&["analyst"], "reports:read reports:write users:admin");
    assert!(!allows(&policy, "POST /reports/7", &wide), "the token carries more than the roles grant");

    let scope_of = |evidence: &Evidence| permit(&policy, "GET /me", evidence).caller().map(|it| it.scope().clone());
    assert_eq!(scope_of(&narrowed).as_deref(), Some(b"reports:read".as_slice()));
    assert_eq!(scope_of(&wide).as_deref(), Some(b"reports:read".as_slice()));
    assert_eq!(scope_of(&carries(&["root"], "reports:read")).as_deref(), Some(b"".as_slice()));
}

#[test]
fn a_hidden_route_is_not_found_by_whoever_may_not_use_it() {
    let policy = policy();
    for evidence in [Evidence::Nothing, Evidence::Malformed, Evidence::Invalid, token(&policy, &["editor"])] {
        let refusal = refusal(&policy, "GET /secret", &evidence);
        assert_eq!(refusal.status(Profile::Rfc6750), 404, "{evidence:?}");
        assert_eq!(refusal.challenge("r"), None);
    }
    assert!(allows(&policy, "GET /secret", &token(&policy, &["root"])));
    let methods = "[[routes]]\npath = \"/a\"\nmethods = [\"GET\"]\nsigned-in = true\ndeny = 404";
    let methods = Policy::parse(methods, 1).expect("valid");
    assert_eq!(refusal(&methods, "PUT /a", &token(&methods, &[])).status(Profile::Uniform), 404);
}
