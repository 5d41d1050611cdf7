//! Explanations say what the decision says, and why.

use super::*;
use crate::policy::explain;

fn text(request: &str, roles: Option<&[&str]>) -> String {
    let policy = policy();
    let user = roles.map(|roles| alice(&policy, roles));
    explain(&policy, &ask(request), user.as_ref()).to_string()
}

#[test]
fn an_allowed_request_is_explained_step_by_step() {
    let expected = "\
request  GET /reports/7?x=1
path     /reports/7
route    /reports/{*rest} (line 15)
method   GET, HEAD (line 15)
needs    all of reports:read
user     alice (active)
roles    analyst
unknown  ghost: the policy does not know these roles
scopes   reports:read
verdict  allow
";
    assert_eq!(text("GET /reports/7?x=1", Some(&["analyst", "ghost"])), expected);
}

#[test]
fn a_refusal_names_exactly_what_is_missing() {
    let missing = |request, roles| {
        let text = text(request, roles);
        let line = text.lines().find_map(|line| line.strip_prefix("missing  ")).map(str::to_owned);
        (line.unwrap_or_default(), text.lines().last().unwrap_or_default().to_owned())
    };
    for (request, roles, lack, verdict) in [
        ("PUT /reports/7", Some(["analyst"].as_slice()), "reports:write", "refuse: insufficient-scope"),
        ("GET /either", Some(&["analyst"]), "reports:write users:admin", "refuse: insufficient-scope"),
        ("GET /me", None, "a signed-in user", "refuse: no-credentials"),
        ("PUT /news", Some(&[]), "a rule for this method", "refuse: insufficient-scope"),
        ("PUT /nowhere", Some(&[]), "a route for this path", "refuse: insufficient-scope"),
        ("GET /people/bob", Some(&[]), "the path does not name the caller", "refuse: insufficient-scope"),
        ("GET /secret", Some(&[]), "users:admin", "refuse: insufficient-scope, sent as 404"),
    ] {
        assert_eq!(missing(request, roles), (lack.to_owned(), format!("verdict  {verdict}")), "{request}");
    }
    assert!(missing("GET /a%2Fb", None).0.contains("encoded-slash"));
}

#[test]
fn a_disabled_user_is_refused_as_the_decision_refuses() {
    let policy = policy();
    let mut user = alice(&policy, &["root"]);
    user.user.status = Status::Disabled;
    let explanation = explain(&policy, &ask("GET /news"), Some(&user));
    assert!(explanation.to_string().contains("alice (disabled)"));
    let mut proof = proof(&policy, &["root"], None);
    proof.user = Arc::new(user);
    let decided = refusal(&policy, "GET /news", &Evidence::Token(proof));
    assert_eq!(explanation.refusal(), Some(&decided));
}

#[test]
fn an_explanation_always_agrees_with_the_decision() {
    let policy = policy();
    let id = UserId::from_bytes(ALICE);
    let own = [format!("/users/{id}"), format!("/users/{id}/x")];
    let paths =
        ["/news", "/reports/7", "/users/x", "/people/alice", "/either", "/me", "/secret", "/files/a%2Fb", "/a%25", "/"];
    for path in paths.into_iter().chain(own.iter().map(String::as_str)) {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            for roles in [None, Some([].as_slice()), Some(&["analyst"]), Some(&["editor"]), Some(&["root", "editor"])] {
                let request = format!("{method} {path}");
                let known = roles.map(|roles| alice(&policy, roles));
                let explanation = explain(&policy, &ask(&request), known.as_ref());
                let evidence = roles.map_or(Evidence::Nothing, |roles| token(&policy, roles));
                let decided = match decide(&policy, ask(&request), &evidence, NOW) {
                    Decision::Allow(_) => None,
                    Decision::Refuse(refusal) => Some(refusal),
                };
                assert_eq!(explanation.refusal(), decided.as_ref(), "{request} {roles:?}");
                assert_eq!(explanation.is_allowed(), decided.is_none());
            }
        }
    }
}
