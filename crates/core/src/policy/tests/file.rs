//! Policy files: what each mistake is answered with, where, and what a good file means.

use super::*;
use crate::policy::{FILE_BYTES_MAX, PolicyProblem, ROUTES_MAX};

fn problem(text: &str) -> PolicyProblem {
    Policy::parse(text, 1).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

/// `text` with `«` before the place the problem must be found at, and a piece of its message.
fn check(marked: &str, message: &str) {
    let at = marked.find('«').expect("a marked place");
    let text = marked.replace('«', "");
    let problem = problem(&text);
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|character| *character != '\n').count() + 1;
    assert_eq!((problem.line, problem.column), (line, column), "{marked}\n{problem}");
    assert!(problem.message.contains(message), "{marked}\n{problem}");
}

#[test]
fn mistakes_in_the_shape_of_the_file_are_found_where_they_are() {
    check("default = \"deny\"\n«colour = 1", "unknown field `colour`");
    check("[[routes]]\npath = \"/a\"\n«requires = [\"x\"]", "unknown field `requires`");
    check("[[routes]]\npath = «7", "expected a string");
    check("[[routes]]\npath = \"/a\"\npublic = «\"yes\"", "expected a boolean");
    check("«[[routes]]\npublic = true", "missing field `path`");
    check("default = \"deny\"\n«default = \"deny\"", "duplicate key");
    check("[roles]\nx = «\"a\"", "expected a sequence");
    assert_eq!(problem("[[routes]\n").line, 1);
}

#[test]
fn the_default_is_deny_or_signed_in() {
    check("default = «\"public\"", "`public = true`");
    check("default = «\"allow\"", "`deny` or `signed-in`");
    assert_eq!(policy().default_name(), "deny");
    assert_eq!(Policy::signed_in(1).default_name(), "signed-in");
}

#[test]
fn roles_have_one_spelling_and_grant_scopes_or_nothing() {
    assert!(Policy::parse("[roles]\nx = []", 1).is_ok());
    check("[roles]\nx = [\"a\", «\"b c\"]", "this is no scope");
    check("[roles]\nx = [«\"\"]", "this is no scope");
    check("[roles]\n«\"a b\" = [\"x\"]", "a role name has");
    check("[roles]\nadmin = [\"x\"]\n# é\n«Admin = [\"x\"]", "line 2 has this role in another case");
    let policy = policy();
    assert!(policy.knows_role(&RoleName::parse("editor").expect("a role")));
    assert!(!policy.knows_role(&RoleName::parse("Editor").expect("a role")));
    let roles: Vec<String> = policy.roles().map(|(role, scope)| format!("{role}: {scope}")).collect();
    assert_eq!(roles, ["analyst: reports:read", "editor: reports:read reports:write", "root: users:admin"]);
}

#[test]
fn a_path_that_could_never_match_is_refused() {
    for (path, message) in [
        ("reports", "begins with `/`"),
        ("", "begins with `/`"),
        ("//", "no empty segments"),
        ("/a//b", "no empty segments"),
        ("/a/../b", "no dot segments"),
        ("/a/*", "write `{*rest}`"),
        ("/a/:id", "write `{id}`"),
        ("/a/x{id}", "a whole segment"),
        ("/a/{id", "a whole segment"),
        ("/a/{}", "a parameter is named"),
        ("/a/{*}", "a parameter is named"),
        ("/a/{b.c}", "a parameter is named"),
        ("/a/{*rest}/b", "only come last"),
        ("/{id}/{id}", "twice"),
        ("/{id}/{*id}", "twice"),
        ("/a?b", "leave out `?`"),
        ("/a%20b", "write the path decoded"),
        ("/a;b", "are refused"),
    ] {
        check(&format!("[[routes]]\npath = «\"{path}\"\npublic = true"), message);
    }
    let long = format!("/{}", "a".repeat(1_024));
    check(&format!("[[routes]]\npath = «\"{long}\"\npublic = true"), "at most 1024 bytes");
}

#[test]
fn methods_are_names_in_upper_case_each_listed_once() {
    for (methods, message) in [
        ("«[]", "leave `methods` out"),
        ("[«\"*\"]", "leave `methods` out"),
        ("[\"GET\", «\"post\"]", "write `POST`"),
        ("[«\"GET POST\"]", "this is no method"),
        ("[\"GET\", «\"GET\"]", "listed twice"),
    ] {
        check(&format!("[[routes]]\npath = \"/a\"\nmethods = {methods}\npublic = true"), message);
    }
}

#[test]
fn a_route_says_one_thing_about_who_may_pass() {
    let owner = "owner = \"id\"";
    for (keys, message) in [
        ("public = «true\nrequire = [\"x\"]", "a public route needs nothing"),
        ("public = «true\nsigned-in = true", "a public route needs nothing"),
        (&format!("public = «true\n{owner}"), "a public route needs nothing"),
        ("signed-in = «true\nany-of = [\"x\"]", "already mean signed in"),
        ("require = «[]", "requires nothing"),
        ("any-of = «[]", "requires nothing"),
        ("require = [«\"a b\"]", "this is no scope"),
        ("or-scope = «\"x\"", "`or-scope` lets somebody in"),
        ("public = true\nor-scope = «\"x\"", "`or-scope` lets somebody in"),
        ("require = [\"x\"]\nor-scope = «\"a b\"", "this is no scope"),
        ("owner = «\"name\"", "the path has no `{name}`"),
        ("owner = «\"rest\"", "the path has no `{rest}`"),
        (&format!("{owner}\nowner-username = «\"id\""), "names its owner once"),
        ("signed-in = true\ndeny = «418", "401, 403 or 404"),
    ] {
        check(&format!("[[routes]]\npath = \"/a/{{id}}/{{*rest}}\"\n{keys}"), message);
    }
    check("[[routes]]\npath = «\"/a\"", "say what this route needs");
    check("[[routes]]\npath = «\"/a\"\npublic = false\nsigned-in = false", "say what this route needs");
}

#[test]
fn blocks_of_one_path_are_merged_unless_they_contradict_each_other() {
    let one = "[[routes]]\npath = \"/a/{id}\"\nmethods = [\"GET\"]\npublic = true\n";
    check(&format!("{one}[[routes]]\npath = \"/a/{{id}}/\"\nmethods = [«\"GET\"]\nsigned-in = true"), "line 2 already");
    check(&format!("{one}[[routes]]\npath = «\"/a/{{name}}\"\nsigned-in = true"), "name the parameters alike");
    let all = "[[routes]]\npath = \"/a\"\npublic = true\n";
    check(&format!("{all}[[routes]]\npath = «\"/a/\"\nsigned-in = true"), "line 2 already covers every method");

    let merged = format!("{one}[[routes]]\npath = \"/a/{{id}}/\"\nsigned-in = true");
    let merged = Policy::parse(&merged, 1).expect("valid");
    let listed: Vec<String> = merged.routes().map(|route| format!("{}: {route}", route.line)).collect();
    assert_eq!(listed, ["2: /a/{id}  GET, HEAD  public", "6: /a/{id}  every other method  signed in"]);
}

#[test]
fn the_listing_says_what_every_route_needs() {
    let listed: Vec<String> = policy().routes().map(|route| route.to_string()).collect();
    assert_eq!(listed[2], "/reports/{*rest}  POST, PUT  all of reports:read reports:write");
    assert_eq!(listed[3], "/users/{id}/{*rest}  every method  {id} is the caller's id, or else users:admin");
    assert_eq!(listed[4], "/people/{name}  every method  {name} is the caller's username");
    assert_eq!(listed[5], "/either  every method  any of reports:write users:admin");
}

#[test]
fn cross_origin_rules_name_exact_origins_once_for_a_path() {
    for (origin, message) in [
        ("*", "cannot go with credentials"),
        ("null", "looks like"),
        ("app.example.com", "looks like"),
        ("https://app.example.com/", "remove the path"),
        ("https://*.example.com", "without wildcards"),
        ("https://App.example.com", "lower case"),
        ("HTTPS://app.example.com", "lower case"),
        ("https://", "lower case"),
        ("https://u@app.example.com", "remove the path, the user"),
        ("https://app.example.com:443", "leave `:443` out"),
        ("http://app.example.com:80", "leave `:80` out"),
        ("http://app.example.com:0", "a number"),
        ("http://app.example.com:080", "a number"),
        ("http://app.example.com:", "a number"),
    ] {
        let text = format!("[[routes]]\npath = \"/a\"\npublic = true\ncors = [«\"{origin}\"]");
        check(&text, message);
    }
    let text = r#"
        [[routes]]
        path = "/a/{*rest}"
        methods = ["GET"]
        public = true
        cors = ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"]
        [[routes]]
        path = "/a/{*rest}"
        methods = ["PUT"]
        signed-in = true
    "#;
    let policy = Policy::parse(text, 1).expect("valid");
    let origins = |path| policy.cors(path).map(|cors| cors.origins.len());
    assert_eq!((origins("/a"), origins("/a/b/"), origins("/b")), (Some(3), Some(3), None));
    let evidence = token(&policy, &[]);
    assert!(permit(&policy, "PUT /a/b", &evidence).options().cors.is_some(), "the other block learns of them too");
    check(&text.replace("signed-in = true", "signed-in = true\ncors = «[\"https://b.example\"]"), "other origins");
    check("[[routes]]\npath = \"/a\"\npublic = true\ncors = «[]", "list the origins");
}

#[test]
fn a_file_has_a_greatest_size_and_a_greatest_number_of_routes() {
    assert!(problem(&" ".repeat(FILE_BYTES_MAX + 1)).message.contains("longer than"));
    assert!(Policy::parse(&" ".repeat(FILE_BYTES_MAX), 1).is_ok());
    let routes = |number: usize| -> String {
        let routes = (0..number).map(|at| format!("[[routes]]\npath = \"/r{at}/{{*rest}}\"\npublic = true\n"));
        routes.collect::<Vec<_>>().concat()
    };
    assert!(Policy::parse(&routes(ROUTES_MAX), 1).is_ok());
    let problem = problem(&routes(ROUTES_MAX + 1));
    assert_eq!(problem.line, ROUTES_MAX * 3 + 2);
    assert!(problem.message.contains("at most 10000 routes"));
}

#[test]
fn a_problem_reads_as_a_place_and_a_way_out() {
    let text = problem("[[routes]]\npath = \"/é\"\nmethods = [\"é\", \"get\"]\npublic = true").to_string();
    assert_eq!(text, "line 3, column 12: this is no method: use a name such as `GET`, of at most 32 bytes");
}

#[test]
fn an_assertion_needs_a_name_that_the_api_knows_itself_by() {
    let route = |name: &str| format!("[[routes]]\npath = \"/r\"\nsigned-in = true\nassertion = \"{name}\"");
    assert!(Policy::parse(&route("https://reports.internal"), 1).is_ok());
    for bad in ["", "two words", "caf\u{e9}", &"x".repeat(256)] {
        let problem = Policy::parse(&route(bad), 1).expect_err("refused");
        assert_eq!((problem.line, problem.column), (4, 13), "{problem}");
        assert!(problem.message.contains("such as `https://"), "{problem}");
    }
}
