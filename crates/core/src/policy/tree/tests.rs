//! The tree against a plain reading of the rule: of all patterns that match, the most specific, segment by segment.

use proptest::prelude::*;

use super::*;

fn tree(patterns: &[&str]) -> (Tree, Vec<Pattern>) {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text).expect(text)).collect();
    let tree = Tree::build(&patterns.iter().collect::<Vec<_>>()).expect("no conflict");
    (tree, patterns)
}

fn found(patterns: &[&'static str], path: &str) -> Option<&'static str> {
    tree(patterns).0.find(path).map(|(index, _parameters)| patterns[index])
}

#[test]
fn the_most_specific_path_decides() {
    let patterns = ["/{*rest}", "/users/{id}", "/users/me", "/users/{id}/posts", "/users/{*all}"];
    for (path, expected) in [
        ("/", "/{*rest}"),
        ("/x/y", "/{*rest}"),
        ("/users", "/users/{*all}"),
        ("/users/", "/users/{*all}"),
        ("/users/me", "/users/me"),
        ("/users/me/", "/users/me"),
        ("/users/7", "/users/{id}"),
        ("/users/mess", "/users/{id}"),
        ("/users/7/posts", "/users/{id}/posts"),
        ("/users/me/posts", "/users/{id}/posts"),
        ("/users/7/posts/1", "/users/{*all}"),
        ("/users/7/likes", "/users/{*all}"),
        ("/userss", "/{*rest}"),
    ] {
        assert_eq!(found(&patterns, path), Some(expected), "{path}");
    }
}

#[test]
fn a_path_that_no_pattern_matches_is_not_found() {
    for path in ["/", "/a/b/c", "/A/b", "/a/bb", "*", "/b", "/a"] {
        assert_eq!(found(&["/a/b"], path), None, "{path}");
    }
    assert_eq!(found(&["/{one}"], "/"), None);
}

#[test]
fn a_parameter_keeps_the_name_its_own_route_gives_it() {
    let (tree, _) = tree(&["/users/{id}", "/users/{name}/posts", "/users/{who}/{*rest}", "/{*rest}"]);
    let held = |path, name| tree.find(path).and_then(|(_, parameters)| parameters.get(name));
    assert_eq!(held("/users/7", "id"), Some("7"));
    assert_eq!(held("/users/7/posts", "name"), Some("7"));
    assert_eq!(held("/users/7/likes/1", "who"), Some("7"));
    assert_eq!(held("/users/7/likes/1", "id"), None);
}

/// How specific each segment of a match is; a match that is greater decides.
fn rank(pattern: &Pattern, path: &str) -> Option<Vec<u8>> {
    let path = path.trim_matches('/');
    let mut segments = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    segments.reverse();
    let mut ranks = Vec::new();
    for segment in &pattern.segments {
        match segment {
            Segment::Rest(_) => {
                ranks.push(1);
                return Some(ranks);
            }
            Segment::Parameter(_) => segments.pop().map(|_| ranks.push(2))?,
            Segment::Literal(text) => segments.pop().filter(|have| *have == text.as_ref()).map(|_| ranks.push(3))?,
        }
    }
    // An end that is written is more specific than one that `{*rest}` covers.
    ranks.push(2);
    segments.is_empty().then_some(ranks)
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "é", "è", "{}", "{}"]);
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, open)| {
        let named = segments.iter().enumerate().map(|(at, text)| text.replace("{}", &format!("{{p{at}}}")));
        let mut text = named.fold(String::new(), |path, text| path + "/" + &text);
        if open {
            text.push_str("/{*rest}");
        }
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "abc", "é", "è", "x"]);
    (prop::collection::vec(segment, 0..6), any::<bool>()).prop_map(|(segments, slash)| {
        let text = segments.iter().fold(String::new(), |path, text| path + "/" + text);
        if slash || text.is_empty() { format!("{text}/") } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_tree_finds_what_a_plain_reading_finds(
        texts in prop::collection::vec(pattern(), 0..12),
        paths in prop::collection::vec(path(), 8),
    ) {
        let mut patterns: Vec<Pattern> = Vec::new();
        for text in texts {
            let pattern = Pattern::parse(&text).expect("generated");
            if patterns.iter().all(|known| known.shape() != pattern.shape()) {
                patterns.push(pattern);
            }
        }
        let tree = Tree::build(&patterns.iter().collect::<Vec<_>>()).expect("distinct shapes never conflict");
        for path in paths {
            let expected = (0..patterns.len()).filter_map(|index| Some((rank(&patterns[index], &path)?, index))).max();
            let actual = tree.find(&path).map(|(index, _)| index);
            prop_assert_eq!(actual, expected.map(|(_, index)| index), "{} in {:?}", path, patterns);
        }
    }
}

#[test]
fn the_longest_path_against_a_thousand_hostile_routes_ends() {
    // T24. At every level there is a literal to follow and a parameter to come back to, and the path fails only at its
    // end. The tree has a place for each written segment and no more, and a search sees each place once.
    let mut texts: Vec<String> = Vec::new();
    for depth in 0..80 {
        let literals = "/a".repeat(depth);
        texts.push(format!("{literals}/{{x}}{}/end", "/a".repeat(80 - depth)));
        for wide in 0..12 {
            texts.push(format!("{literals}/{{x}}/w{wide}"));
        }
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(texts.len() >= 1_000);
    let (tree, _) = tree(&texts);
    assert!(tree.find(&"/a".repeat(4_096)).is_none());
    assert!(tree.find(&format!("/{}", "a".repeat(8_191))).is_none());
    assert!(tree.find(&format!("{}/end", "/a".repeat(81))).is_some());
}
