//! HTTP Basic: taken on the routes that say so, until they say so no more, and nowhere else.

use super::*;
use crate::policy::{BasicEvidence, BasicProof, Credential, caller_of, decide_scoped, decide_signed_in};
use crate::refusal::Reason;

/// Its windows end a second after [`NOW`], which is 2027-01-15T08:00:00Z, and at it.
const OLD: &str = r#"
[roles]
analyst = ["reports:read"]

[[routes]]
path = "/reports/{*rest}"
methods = ["GET"]
require = ["reports:read"]
basic = "until 2027-01-15T08:00:01Z"

[[routes]]
path = "/ended"
signed-in = true
basic = "until 2027-01-15T08:00:00Z"

[[routes]]
path = "/new"
signed-in = true

[[routes]]
path = "/news"
public = true
"#;

fn old() -> Policy {
    Policy::parse(OLD, 7).expect("the policy of these tests")
}

fn right(policy: &Policy, roles: &[&str]) -> BasicProof {
    let user = alice(policy, roles);
    BasicProof { auth_version: user.user.auth_version, user: Arc::new(user) }
}

fn basic(proof: BasicProof) -> Evidence {
    Evidence::Basic(BasicEvidence::Right(proof))
}

fn reason(policy: &Policy, request: &str, evidence: &Evidence) -> Reason {
    refusal(policy, request, evidence).reason
}

#[test]
fn a_right_password_is_taken_where_the_window_is_open_with_all_that_its_user_may() {
    let policy = old();
    let permit = permit(&policy, "GET /reports/7", &basic(right(&policy, &["analyst"])));
    let caller = permit.caller().expect("somebody");
    assert_eq!(caller.scope().as_ref(), b"reports:read");
    assert_eq!(caller.user().map(|user| user.user.username.as_str()), Some("alice"));
    assert!(caller.claims().is_none() && caller.key().is_none() && caller.client().is_none());
    let Credential::Basic(shown) = caller.credential() else { panic!("{caller:?}") };
    assert_eq!((shown.until, shown.auth_version), (NOW + Duration::from_secs(1), 3));
    let none = basic(right(&policy, &[]));
    assert!(
        matches!(reason(&policy, "GET /reports/7", &none), Reason::Insufficient { .. }),
        "permissions are asked as ever"
    );
}

#[test]
fn a_right_password_is_another_scheme_everywhere_else() {
    let policy = old();
    let evidence = basic(right(&policy, &["analyst"]));
    assert_eq!(reason(&policy, "GET /ended", &evidence), Reason::BasicEnded, "the instant itself is over");
    assert_eq!(reason(&policy, "GET /new", &evidence), Reason::NoCredentials);
    assert_eq!(reason(&policy, "GET /nowhere", &evidence), Reason::NoCredentials);
    assert_eq!(reason(&policy, "POST /reports/7", &evidence), Reason::NoCredentials, "the window is of its methods");
    assert!(permit(&policy, "GET /news", &evidence).caller().is_none(), "a public route knows nobody");
    let own = decide_signed_in(&policy, ask("GET /auth/me"), &evidence, NOW);
    assert!(matches!(own, Decision::Refuse(Refusal { reason: Reason::NoCredentials, .. })));
    let scoped = decide_scoped(&policy, ask("GET /auth/x"), &evidence, "reports:read", NOW);
    assert!(matches!(scoped, Decision::Refuse(Refusal { reason: Reason::NoCredentials, .. })));
    assert!(caller_of(&policy, &evidence, NOW).is_none());
    let later = decide(&policy, ask("GET /reports/7"), &evidence, NOW + Duration::from_secs(1));
    assert!(
        matches!(later, Decision::Refuse(Refusal { reason: Reason::BasicEnded, .. })),
        "each window ends by itself"
    );
}

#[test]
fn a_password_of_a_user_who_has_changed_since_is_wrong() {
    let policy = old();
    let mut changed = right(&policy, &["analyst"]);
    Arc::make_mut(&mut changed.user).user.auth_version += 1;
    let mut older = right(&policy, &["analyst"]);
    older.auth_version += 1;
    let mut disabled = right(&policy, &["analyst"]);
    Arc::make_mut(&mut disabled.user).user.status = Status::Disabled;
    for proof in [changed, older, disabled] {
        assert_eq!(reason(&policy, "GET /reports/7", &basic(proof)), Reason::BasicFailed);
    }
    for worth in [BasicEvidence::Wrong, BasicEvidence::Unchecked] {
        assert_eq!(reason(&policy, "GET /reports/7", &Evidence::Basic(worth)), Reason::BasicFailed);
    }
    let wait = Duration::from_secs(9);
    let many = Evidence::Basic(BasicEvidence::TooMany(wait));
    assert_eq!(reason(&policy, "GET /reports/7", &many), Reason::TooManyAttempts { retry_after: wait });
    assert_eq!(reason(&policy, "GET /new", &many), Reason::NoCredentials, "no oracle where Basic is not taken");
}

#[test]
fn basic_is_offered_only_where_it_is_taken() {
    let policy = old();
    for (request, expected) in [
        ("GET /reports/7", Reason::NoCredentialsYet),
        ("HEAD /reports/7", Reason::NoCredentialsYet),
        ("POST /reports/7", Reason::NoCredentials),
        ("GET /ended", Reason::NoCredentials),
        ("GET /new", Reason::NoCredentials),
    ] {
        for evidence in [Evidence::Nothing, Evidence::OtherScheme] {
            assert_eq!(reason(&policy, request, &evidence), expected, "{request}");
        }
    }
    assert_eq!(reason(&policy, "GET /reports/7", &Evidence::Invalid), Reason::InvalidToken);
}

#[test]
fn a_grant_of_another_policy_is_judged_by_the_policy_in_force() {
    let evidence = basic(right(&policy(), &["editor"]));
    let new =
        "[roles]\neditor = []\n[[routes]]\npath = \"/r\"\nrequire = [\"reports:read\"]\nbasic = \"until 2999-01-01\"";
    assert!(!allows(&Policy::parse(new, 8).expect("valid"), "GET /r", &evidence));
}

#[test]
fn a_window_is_a_day_or_an_instant_of_utc_and_never_hands_passwords_on() {
    let block = |keys: &str| Policy::parse(&format!("[[routes]]\npath = \"/a\"\n{keys}"), 1).map(|_| ());
    for keys in [
        "signed-in = true\nbasic = \"until 2027-03-01\"",
        "signed-in = true\nbasic = \"until 2027-03-01T06:00:00Z\"",
        "require = [\"a\"]\nbasic = \"until 1999-12-31\"",
    ] {
        assert_eq!(block(keys), Ok(()), "{keys}");
    }
    for (keys, says) in [
        ("signed-in = true\nbasic = \"2027-03-01\"", "until 2027-03-01"),
        ("signed-in = true\nbasic = \"until tomorrow\"", "until 2027-03-01"),
        ("signed-in = true\nbasic = \"until 2027-02-30\"", "until 2027-03-01"),
        ("signed-in = true\nbasic = \"until 2027-03-01T06:00:00\"", "until 2027-03-01"),
        ("signed-in = true\nbasic = \"until 2027-03-01T06:00:00+01:00\"", "until 2027-03-01"),
        ("signed-in = true\nbasic = \"until 06:00:00\"", "until 2027-03-01"),
        ("public = true\nbasic = \"until 2027-03-01\"", "public"),
        ("signed-in = true\nforward-authorization = true\nbasic = \"until 2027-03-01\"", "passwords"),
    ] {
        let problem = block(keys).expect_err(keys);
        assert!(problem.message.contains(says), "{keys}: {problem}");
    }
}

#[test]
fn who_came_with_basic_is_cut_off_when_the_window_ends_or_the_user_changes() {
    let policy = old();
    let permit = permit(&policy, "GET /reports/7", &basic(right(&policy, &["analyst"])));
    let Some(Credential::Basic(shown)) = permit.caller().map(|caller| caller.credential().clone()) else { panic!() };
    let user = alice(&policy, &["analyst"]);
    assert!(shown.is_live(&user, NOW));
    assert!(!shown.is_live(&user, NOW + Duration::from_secs(1)));
    let change = |change: &dyn Fn(&mut User)| {
        let mut user = user.clone();
        change(&mut user.user);
        user
    };
    assert!(!shown.is_live(&change(&|user| user.auth_version += 1), NOW));
    assert!(!shown.is_live(&change(&|user| user.status = Status::Disabled), NOW));
    assert!(!shown.is_live(&change(&|user| user.id = UserId::from_bytes([1; 16])), NOW));
}
