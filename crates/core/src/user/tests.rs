//! Tests of the username rules (RFC 8265 §3.3 and its §3.5 examples).

use proptest::prelude::*;

use super::{Username, UsernameProblem};

fn check(raw: &str, expected: Result<&str, UsernameProblem>) {
    assert_eq!(Username::parse(raw).as_ref().map(Username::as_str), expected.as_ref().copied(), "{raw:?}");
}

#[test]
fn email_like_names_work() {
    for name in ["alice", "alice.smith", "alice_smith", "alice-smith", "alice+test@example.org", "a", "0", "o'brien"] {
        check(name, Ok(name));
    }
}

#[test]
fn case_width_and_composition_are_one_spelling() {
    check("Alice", Ok("alice"));
    check("\u{ff21}\u{ff4c}ice", Ok("alice"));
    check("E\u{301}lo\u{ef}se", Ok("\u{e9}lo\u{ef}se"));
    // RFC 8265 §3.5: the second one is U+00DF, the fourth has a final sigma.
    for name in ["fussball", "fu\u{df}ball", "\u{3c0}", "\u{3c3}\u{3c2}"] {
        check(name, Ok(name));
    }
    check("\u{3a0}", Ok("\u{3c0}"));
}

#[test]
fn rfc_8265_examples_that_are_no_usernames_are_refused() {
    for not_a_name in ["foo bar", "henry\u{2163}", "\u{265a}", "\u{221e}"] {
        check(not_a_name, Err(UsernameProblem::Character));
    }
    check("", Err(UsernameProblem::Empty));
}

#[test]
fn controls_invisible_and_mixed_direction_characters_are_refused() {
    for not_a_name in [
        "al\u{0}ice",
        "alice\n",
        "\u{7f}",
        "al\u{200b}ice",
        "al\u{200d}ice",
        "al\u{202e}ice",
        "al\u{a0}ice",
        "\u{fb01}ne",
        "al\u{ad}ice",
        "\u{1f375}",
        "\u{e000}",
        "\u{5d0}alice",
        "alice\u{5d0}",
    ] {
        check(not_a_name, Err(UsernameProblem::Character));
    }
    check("\u{5d0}\u{5d1}\u{5d2}", Ok("\u{5d0}\u{5d1}\u{5d2}"));
}

#[test]
fn sixty_four_code_points_are_the_most() {
    check(&"\u{e9}".repeat(64), Ok(&"\u{e9}".repeat(64)));
    check(&"a".repeat(65), Err(UsernameProblem::TooLong));
    check(&"a".repeat(10_000_000), Err(UsernameProblem::TooLong));
    // Composed it would be 64, but the length is judged before any work is done.
    check(&"e\u{301}".repeat(33), Err(UsernameProblem::TooLong));
    // The lower case of U+0130 is two code points: 33 of them fit before mapping and not after.
    check(&"\u{130}".repeat(33), Err(UsernameProblem::TooLong));
}

#[test]
fn names_that_look_like_ids_are_refused() {
    for id in [
        "0191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5b",
        "0191E7A2-7F3C-7D1E-8A4B-0C1D2E3F4A5B",
        "0191e7a27f3c7d1e8a4b0c1d2e3f4a5b",
        "{0191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5b}",
        "urn:uuid:0191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5b",
        "\u{ff10}191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5b",
    ] {
        check(id, Err(UsernameProblem::LooksLikeId));
    }
    check("0191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5", Ok("0191e7a2-7f3c-7d1e-8a4b-0c1d2e3f4a5"));
}

#[test]
fn a_stored_name_is_judged_again_when_it_is_read() {
    assert_eq!(serde_json::from_str::<Username>("\"Alice\"").unwrap().as_str(), "alice");
    assert!(serde_json::from_str::<Username>("\"alice smith\"").is_err());
}

proptest! {
    #[test]
    fn the_canonical_form_is_its_own(raw in "\\PC{1,64}") {
        if let Ok(name) = Username::parse(&raw) {
            prop_assert!((1..=64).contains(&name.as_str().chars().count()));
            prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn case_never_makes_two_users(raw in "[a-zA-Zà-öØ-ö0-9._@+-]{1,40}") {
        prop_assert_eq!(Username::parse(&raw.to_uppercase()).ok(), Username::parse(&raw.to_uppercase().to_lowercase()).ok());
    }

    #[test]
    fn every_text_of_any_size_gets_an_answer(raw in any::<String>()) {
        let _either = Username::parse(&raw);
    }
}
