//! Permits: what they carry, what they share, and the two doors that hand them out.

use super::*;
use crate::policy::decide_signed_in;
use crate::refusal::Reason;

#[test]
fn a_warm_decision_shares_what_it_hands_on() {
    let policy = policy();
    let evidence = token(&policy, &["editor"]);
    let Evidence::Token(Proof { user, .. }) = &evidence else { panic!("a token") };
    let permit = permit(&policy, "GET /reports/7", &evidence);
    let caller = permit.caller().expect("somebody");
    assert!(Arc::ptr_eq(caller.user().expect("a user"), user));
    assert_eq!(caller.scope().as_ptr(), user.grant.text.as_ptr(), "the scope text was copied");
}

#[test]
fn a_grant_of_another_policy_is_never_trusted() {
    let old = policy();
    let evidence = token(&old, &["editor"]);
    let narrower = POLICY.replace(r#"["reports:read", "reports:write"]"#, r#"["reports:read"]"#);
    let narrower = narrower.replacen("editor = [\"reports:read\"]", "editor = [\"users:admin\"]", 1);
    let new = Policy::parse(&narrower, 8).expect("valid");
    assert!(allows(&old, "POST /reports/7", &evidence));
    assert!(!allows(&new, "POST /reports/7", &evidence));
    let permit = permit(&new, "GET /me", &evidence);
    let caller = permit.caller().expect("somebody");
    assert_eq!(caller.user().expect("a user").grant.policy_version, 8);
    assert_eq!(caller.scope().as_ref(), b"", "the new policy grants nothing that the token carries");
}

#[test]
fn an_encoded_slash_passes_only_where_the_route_opts_in() {
    let policy = policy();
    let alice = token(&policy, &["editor", "root"]);
    for evidence in [&alice, &Evidence::Nothing, &Evidence::Invalid] {
        for request in ["GET /reports/a%2Fb", "GET /nowhere%25", "GET /news%2f", "GET /files%2Fa"] {
            assert_eq!(refusal(&policy, request, evidence).reason, Reason::AmbiguousTarget, "{request}");
        }
    }
    let permit = permit(&policy, "GET /files/a%2fb%25", &alice);
    assert_eq!(permit.ask().target(), "/files/a%2fb%25");
    assert_eq!(refusal(&policy, "GET /files/a%2fb/c", &alice).reason, Reason::AmbiguousTarget);
    let own = decide_signed_in(&policy, ask("GET /auth/a%2Fb"), &alice, NOW);
    assert!(matches!(own, Decision::Refuse(Refusal { reason: Reason::AmbiguousTarget, .. })));
}

#[test]
fn a_permit_carries_what_was_judged_and_what_the_route_wants() {
    let policy = policy();
    let editor = token(&policy, &["editor"]);
    let read = permit(&policy, "GET /reports/7/?q=%2e%2e", &editor);
    assert_eq!((read.ask().method(), read.ask().host()), ("GET", "api.example.com"));
    assert_eq!(read.ask().target(), "/reports/7/?q=%2e%2e");
    assert!(read.options().websocket && !read.options().forward_authorization);
    let write = permit(&policy, "PUT /reports/7", &editor);
    assert!(!write.options().websocket && write.options().forward_authorization);
}

#[test]
fn keyfobs_own_endpoints_take_any_signed_in_user_whatever_the_routes_say() {
    let policy = policy();
    let own = |evidence: &Evidence| decide_signed_in(&policy, ask("GET /auth/me"), evidence, NOW);
    assert!(matches!(own(&token(&policy, &[])), Decision::Allow(permit) if permit.caller().is_some()));
    for (evidence, reason) in [
        (Evidence::Nothing, Reason::NoCredentials),
        (Evidence::OtherScheme, Reason::NoCredentials),
        (Evidence::Malformed, Reason::Malformed),
        (Evidence::Invalid, Reason::InvalidToken),
    ] {
        let Decision::Refuse(refusal) = own(&evidence) else { panic!("{evidence:?} was let through") };
        assert_eq!(refusal, Refusal::of(reason));
    }
}

#[test]
fn a_caller_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Caller>();
    shared::<Policy>();
    shared::<Permit>();
}

#[test]
fn a_user_is_named_to_the_api_in_text_that_no_header_can_be_broken_with() {
    let policy = policy();
    let named = |name: &str| {
        let user = alice(&policy, &["analyst", "editor"]).user;
        policy.know(User { username: Username::parse(name).expect("a username"), ..user })
    };
    assert_eq!(named("alice-b.c_d").name_header.as_ref(), b"alice-b.c_d");
    assert_eq!(named("ana+x@example.com").name_header.as_ref(), b"ana%2Bx%40example.com");
    assert_eq!(named("jos\u{e9}").name_header.as_ref(), b"jos%C3%A9");
    let user = named("alice");
    assert_eq!(user.subject_header.as_ref(), UserId::from_bytes(ALICE).to_string().as_bytes());
    assert_eq!(user.roles_header.as_ref(), b"analyst editor");
    assert_eq!(user.grant.text.as_ref(), b"reports:read reports:write");
    assert_eq!((user.grant.scope.clone(), user.grant.policy_version), (scope("reports:read reports:write"), 7));
}
