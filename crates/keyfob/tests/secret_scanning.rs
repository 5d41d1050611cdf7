//! The rules that secret scanners are given (`packaging/secret-scanning/`) find every secret that keyfob makes, and
//! nothing that only looks like one.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use keyfob_core::api_key::Mint;
use keyfob_core::opaque::{Kind, Opaque};
use proptest::prelude::*;
use regex::Regex;

const KINDS: [Kind; 3] = [Kind::Refresh, Kind::ApiKey, Kind::Client];

fn table(file: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/secret-scanning").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().expect("TOML")
}

fn text<'t>(table: &'t toml::Table, name: &str) -> &'t str {
    table[name].as_str().expect("a text")
}

/// The rules, each with the number of the group that is the secret.
fn rules() -> [(&'static str, Regex, usize); 2] {
    let gitleaks = table("gitleaks.toml");
    let rule = gitleaks["rules"][0].as_table().expect("a rule");
    let group = usize::try_from(rule["secretGroup"].as_integer().expect("a number")).expect("small");
    let github = table("github.toml");
    // GitHub joins the three; the secret is what the middle one matched.
    let (before, after) = (text(&github, "before-secret"), text(&github, "after-secret"));
    let github = format!("(?:{before})({})(?:{after})", text(&github, "secret-format"));
    [
        ("gitleaks", Regex::new(text(rule, "regex")).expect("RE2"), group),
        ("GitHub", Regex::new(&github).expect("a pattern"), 1),
    ]
}

fn found<'t>((_, rule, group): &(&str, Regex, usize), text: &'t str) -> Option<&'t str> {
    rule.captures(text)?.get(*group).map(|secret| secret.as_str())
}

proptest! {
    #[test]
    fn every_secret_is_found_wherever_it_leaks(random: [u8; 24], short: [u8; 20], mint: [u8; 32]) {
        static RULES: LazyLock<[(&str, Regex, usize); 2]> = LazyLock::new(rules);
        let minted = Mint::new(&mint).make(&short);
        for secret in KINDS.map(|kind| Opaque::new(kind, &random)).iter().chain([&minted]) {
            let secret = secret.expose();
            for leak in [
                secret.to_owned(),
                format!("KEY={secret}\n"),
                format!("Authorization: Bearer {secret}"),
                format!("{{\"key\":\"{secret}\"}}"),
                format!("curl 'https://api.example.com/?key={secret}&page=2'"),
                format!("see {secret}."),
            ] {
                for rule in &*RULES {
                    prop_assert_eq!(found(rule, &leak), Some(secret), "{}: {}", rule.0, leak);
                }
            }
        }
    }
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    let secret = Opaque::new(Kind::ApiKey, &[0x2A; 24]).expose().to_owned();
    let near = [
        "fob_key_…".to_owned(),
        "fob_key_".to_owned(),
        "fob_key_EXAMPLE".to_owned(),
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}A"),
        format!("x{secret}"),
        format!("{}B", &secret[..secret.len() - 1]),
        secret.replace("fob_key_", "fob_otp_"),
        secret.replace("fob_key_", "FOB_KEY_"),
        secret.replace('_', "-"),
        secret.replacen("fob_key_K", "fob_key_=", 1),
    ];
    for rule in rules() {
        assert_eq!(found(&rule, &secret), Some(secret.as_str()), "{}", rule.0);
        for text in &near {
            assert_eq!(found(&rule, text), None, "{}: {text}", rule.0);
        }
    }
}

#[test]
fn every_prefix_is_a_keyword() {
    let gitleaks = table("gitleaks.toml");
    let keywords = gitleaks["rules"][0]["keywords"].as_array().expect("a list").clone();
    for kind in KINDS {
        assert!(keywords.iter().any(|word| word.as_str() == Some(kind.prefix())), "{}", kind.prefix());
    }
}
