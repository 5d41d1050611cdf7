//! What must hold for every policy and every path, not only for the ones somebody thought of.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;
use crate::policy::explain;

const PUBLIC_ONLY: &str = r#"
[roles]
admin = ["admin"]
[[routes]]
path = "/public/{*rest}"
public = true
[[routes]]
path = "/public/admin/{*rest}"
require = ["admin"]
[[routes]]
path = "/admin/{*rest}"
require = ["admin"]
"#;

/// How many path spellings are tried (requirement T1).
const SPELLINGS: u32 = 50_000;

/// A small generator, so that a failure repeats: `SplitMix64`.
struct Spellings(u64);

impl Spellings {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).expect("below is a usize")
    }

    fn path(&mut self) -> String {
        const PIECES: [&str; 44] = [
            "public", "public", "public", "admin", "admin", "%70ublic", "%61dmin", "adm%69n", "PUBLIC", "a", "b", ".",
            "..", "%2e", "%2E%2e", ".%2e", "..;", ";", "%3b", "#", "%23", "?", "%3f", "%2f", "%2F", "%5c", "\\", "%00",
            "%25", "%252e", "%252f", "%", "%2", "%zz", "%c0%af", "%ff", "é", "%c3%a9", " ", "%20", "\t", "*", "~",
            "%0d%0a",
        ];
        let mut path = String::new();
        if self.next(50) > 0 {
            path.push_str(
                ["/public", "/public/", "/", "//", "/a/../public/"][self.next(9).min(4).saturating_sub(self.next(3))],
            );
        }
        for _ in 0..self.next(6) {
            path.push_str(PIECES[self.next(PIECES.len())]);
            path.push_str(["/", "/", "", "//"][self.next(9).min(3) % 4]);
        }
        path
    }
}

/// Every path that some upstream may take `target` for: decoded up to three times, `\` as `/`, cut at `;`, `?` and `#`,
/// dots resolved, empty segments dropped.
fn readings(target: &str) -> Vec<Vec<String>> {
    let mut text = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let mut readings = Vec::new();
    for _ in 0..4 {
        for slashes in [text.clone(), text.replace('\\', "/")] {
            for cut in [slashes.clone(), slashes.split(['?', '#', '\0']).next().unwrap_or_default().to_owned()] {
                let mut segments: Vec<String> = Vec::new();
                for segment in cut.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
                    match segment {
                        "" | "." => {}
                        ".." => drop(segments.pop()),
                        plain => segments.push(plain.to_owned()),
                    }
                }
                readings.push(segments);
            }
        }
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    readings
}

#[test]
fn no_spelling_of_a_protected_path_passes_for_a_public_one() {
    let policy = Policy::parse(PUBLIC_ONLY, 1).expect("valid");
    let mut spellings = Spellings(20_261_124);
    let (mut passed, mut refused) = (0_u32, 0_u32);
    for _ in 0..SPELLINGS {
        let target = spellings.path();
        let Ok(ask) = Ask::parse("GET", "", target.as_bytes()) else {
            refused += 1;
            continue;
        };
        let Decision::Allow(permit) = decide(&policy, ask, &Evidence::Nothing, NOW) else {
            refused += 1;
            continue;
        };
        passed += 1;
        assert_eq!(permit.ask().target(), target, "the bytes forwarded are the bytes judged");
        // The raw reading may differ in spelling (`%70ublic`), so it is the decoded ones that must all be public.
        for reading in readings(&target).into_iter().skip(4) {
            assert_eq!(reading.first().map(String::as_str), Some("public"), "{target:?}: {reading:?}");
            assert_ne!(reading.get(1).map(String::as_str), Some("admin"), "{target:?}: {reading:?}");
        }
    }
    assert!(passed > SPELLINGS / 50 && refused > SPELLINGS / 4, "{passed} passed, {refused} refused: a dull sample");
}

fn needs() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "public = true",
        "signed-in = true",
        "require = [\"s0\"]",
        "require = [\"s0\", \"s1\"]",
        "any-of = [\"s1\", \"s2\"]",
        "require = [\"s0\"]\nany-of = [\"s1\", \"s2\"]",
        "owner = \"p\"",
        "owner = \"p\"\nor-scope = \"s2\"",
        "owner-username = \"p\"\nrequire = [\"s1\"]\nor-scope = \"s0\"",
    ])
}

fn any_policy() -> impl Strategy<Value = String> {
    let paths = ["/{p}", "/{p}/a", "/a/{p}", "/a/{p}/{*rest}", "/{p}/{*rest}"];
    let methods = prop::sample::select(vec!["", "methods = [\"GET\"]\n", "methods = [\"POST\", \"HEAD\"]\n"]);
    let routes = prop::collection::vec((prop::sample::select(paths.to_vec()), methods, needs()), 0..5);
    (routes, any::<bool>()).prop_map(|(routes, open)| {
        let mut text = format!("default = \"{}\"\n", if open { "signed-in" } else { "deny" });
        text.push_str("[roles]\nr0 = [\"s0\"]\nr1 = [\"s1\", \"s2\"]\nr2 = [\"s2\"]\n");
        let mut seen = Vec::new();
        for (path, methods, needs) in routes {
            if !seen.contains(&path) {
                text.extend(["[[routes]]\npath = \"", path, "\"\n", methods, needs, "\n"]);
                seen.push(path);
            }
        }
        text
    })
}

fn any_request() -> impl Strategy<Value = String> {
    let id = UserId::from_bytes(ALICE).to_string();
    let paths = ["/", "/a", "/a/a", "/alice", "/a/alice", "/alice/a", "/a/alice/b/c", "/x/y/z"].map(str::to_owned);
    let paths =
        paths.into_iter().chain([format!("/{id}"), format!("/a/{id}/b"), format!("/{id}/a")]).collect::<Vec<_>>();
    let methods = prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE"]);
    (methods, prop::sample::select(paths)).prop_map(|(method, path)| format!("{method} {path}"))
}

fn some_roles() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["r0", "r1", "r2"], 0..=3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn adding_a_role_never_removes_a_permission(
        text in any_policy(), request in any_request(), roles in some_roles(), more in some_roles(),
    ) {
        let policy = Policy::parse(&text, 1).expect("generated");
        if allows(&policy, &request, &token(&policy, &roles)) {
            let mut both = roles;
            both.extend(more);
            prop_assert!(allows(&policy, &request, &token(&policy, &both)), "{} {}", request, text);
        }
    }

    #[test]
    fn a_narrowed_token_never_opens_more_than_the_whole_one(
        text in any_policy(), request in any_request(), roles in some_roles(),
        carried in prop::sample::subsequence(vec!["s0", "s1", "s2"], 0..=3),
    ) {
        let policy = Policy::parse(&text, 1).expect("generated");
        let narrowed = Evidence::Token(proof(&policy, &roles, Some(&carried.join(" "))));
        if allows(&policy, &request, &narrowed) {
            prop_assert!(allows(&policy, &request, &token(&policy, &roles)), "{} {}", request, text);
        }
    }

    #[test]
    fn nobody_passes_without_a_token_but_on_a_public_route(text in any_policy(), request in any_request()) {
        let policy = Policy::parse(&text, 1).expect("generated");
        if allows(&policy, &request, &Evidence::Nothing) {
            let why = explain(&policy, &ask(&request), None).to_string();
            prop_assert!(why.contains("needs    public"), "{}", why);
        }
        prop_assert!(!allows(&policy, &request, &Evidence::Invalid));
        prop_assert!(!allows(&policy, &request, &Evidence::Malformed));
    }

    #[test]
    fn no_text_at_all_breaks_the_policy_parser(text in "(?s).{0,200}") {
        if let Err(problem) = Policy::parse(&text, 1) {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(problem.line <= text.matches('\n').count() + 1);
        }
    }

    #[test]
    fn a_broken_policy_is_refused_and_never_panics(text in any_policy(), at in any::<prop::sample::Index>(), new in any::<char>()) {
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        characters[at] = new;
        let broken: String = characters.into_iter().collect();
        if let Err(problem) = Policy::parse(&broken, 1) {
            prop_assert!(problem.line <= broken.matches('\n').count() + 1, "{}", problem);
            prop_assert!(!problem.message.is_empty());
        }
    }
}
