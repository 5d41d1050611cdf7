//! Policy test cases: what they say, and that a wrong one fails.

use super::*;
use crate::policy::{Cases, Expected};
use crate::refusal::Profile;

fn run(cases: &str, profile: Profile) -> Vec<(String, bool)> {
    let results = Cases::parse(cases).expect("valid cases").run(&policy(), profile);
    results.into_iter().map(|result| (result.actual, result.passed)).collect()
}

fn one(keys: &str, profile: Profile) -> (String, bool) {
    run(&format!("[[cases]]\n{keys}"), profile).remove(0)
}

#[test]
fn a_case_passes_when_the_decision_is_the_expected_one() {
    for (keys, actual) in [
        ("method = \"GET\"\npath = \"/news\"\nexpect = \"allow\"", "allow"),
        ("method = \"GET\"\npath = \"/me\"\nexpect = \"deny\"", "401 no-credentials"),
        ("method = \"GET\"\npath = \"/me\"\nroles = []\nexpect = \"allow\"", "allow"),
        ("method = \"PUT\"\npath = \"/reports\"\nroles = [\"editor\"]\nexpect = \"allow\"", "allow"),
        ("method = \"PUT\"\npath = \"/reports\"\nroles = [\"analyst\"]\nexpect = 403", "403 insufficient-scope"),
        (
            "method = \"PUT\"\npath = \"/reports\"\nroles = [\"editor\"]\nscope = \"reports:read\"\nexpect = 403",
            "403 insufficient-scope",
        ),
        ("method = \"GET\"\npath = \"/people/alice\"\nuser = \"alice\"\nexpect = \"allow\"", "allow"),
        ("method = \"GET\"\npath = \"/people/alice\"\nuser = \"bob\"\nexpect = 403", "403 insufficient-scope"),
        (
            "method = \"GET\"\npath = \"/users/0190a000-0000-7000-8000-000000000001\"\n\
             id = \"0190a000-0000-7000-8000-000000000001\"\nexpect = \"allow\"",
            "allow",
        ),
        ("method = \"GET\"\npath = \"/secret\"\nroles = []\nexpect = 404", "404 insufficient-scope"),
        ("method = \"GET\"\npath = \"/news/../me\"\nexpect = 400", "400 ambiguous-path"),
    ] {
        assert_eq!(one(keys, Profile::Rfc6750), (actual.to_owned(), true), "{keys}");
    }
}

#[test]
fn a_case_fails_when_the_decision_is_another_one() {
    for keys in [
        "method = \"GET\"\npath = \"/news\"\nexpect = \"deny\"",
        "method = \"GET\"\npath = \"/news\"\nexpect = 401",
        "method = \"GET\"\npath = \"/me\"\nexpect = \"allow\"",
        "method = \"GET\"\npath = \"/me\"\nexpect = 403",
        "method = \"GET\"\npath = \"/reports\"\nroles = [\"root\"]\nexpect = 403",
    ] {
        assert!(!one(keys, Profile::Uniform).1, "{keys}");
    }
    let misspelt = "method = \"GET\"\npath = \"/reports\"\nroles = [\"anlyst\"]\nexpect = \"deny\"";
    assert_eq!(one(misspelt, Profile::Uniform), ("the policy does not know the role `anlyst`".to_owned(), false));
}

#[test]
fn a_result_says_which_case_it_is_of() {
    let text = "\n[[cases]]\nmethod = \"GET\"\npath = \"/news\"\nexpect = \"allow\"\n\
                [[cases]]\nname = \"x\"\nmethod = \"GET\"\npath = \"/me\"\nexpect = 401\n";
    let cases = Cases::parse(text).expect("valid");
    assert_eq!(cases.cases().len(), 2);
    let results = cases.run(&policy(), Profile::Uniform);
    assert_eq!((results[0].line, results[0].name.as_str()), (4, "GET /news"));
    assert_eq!((results[1].line, results[1].name.as_str()), (9, "x"));
    assert_eq!((results[0].expected, results[1].expected), (Expected::Allow, Expected::Status(401)));
    assert_eq!(results[1].expected.to_string(), "401");
}

#[test]
fn a_bad_case_is_found_where_it_is() {
    for (keys, line, column) in [
        ("method = \"GET\"\npath = \"/\"\nexpect = \"maybe\"", 4, 10),
        ("method = \"GET\"\npath = \"/\"\nexpect = 200", 4, 10),
        ("method = \"GET\"\npath = \"/\"\nrole = [\"x\"]\nexpect = 401", 4, 1),
        ("method = \"GET\"\npath = \"/\"\nroles = [\"x\", \"a b\"]\nexpect = 401", 4, 15),
        ("method = \"GET\"\npath = \"/\"\nid = \"alice\"\nexpect = 401", 4, 6),
        ("method = \"GET\"\npath = \"/\"\nuser = \"\"\nexpect = 401", 4, 8),
        ("method = \"GET\"\npath = \"/\"\nscope = \"a  b\"\nexpect = 401", 4, 9),
        ("method = \"GET\"\nexpect = 401", 1, 1),
    ] {
        let problem = Cases::parse(&format!("[[cases]]\n{keys}")).expect_err(keys);
        assert_eq!((problem.line, problem.column), (line, column), "{keys}: {problem}");
    }
}
