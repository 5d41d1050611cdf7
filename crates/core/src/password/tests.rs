//! Tests of the password rules and of stored hashes. Costs here are tiny: the arithmetic is the same at any size.

use proptest::prelude::*;

use super::{CODE_POINTS_MAX, Cost, HashError, Hasher, Password, PasswordHash, PasswordProblem, Rules, blocklist};
use super::{TYPED_BYTES_MAX, dummy_hash};
use crate::user::Username;

const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
const SALT: &[u8; 16] = b"0123456789abcdef";

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

fn check(text: &str, username: &str) -> Result<(), PasswordProblem> {
    Rules::default().check(&password(text), &Username::parse(username).unwrap())
}

fn parse_problem(text: &str) -> Option<PasswordProblem> {
    Password::parse(text).err()
}

#[test]
fn a_password_is_the_same_composed_and_decomposed() {
    assert_eq!(password("\u{e9}").expose(), password("e\u{301}").expose());
    assert_eq!(password("\u{e9}").expose(), "\u{e9}".as_bytes());
    // R29: NFC, not NFKC. The ligature fi is not the two letters, a full-width digit not the digit.
    assert_ne!(password("\u{fb01}").expose(), password("fi").expose());
    assert_ne!(password("\u{ff11}").expose(), password("1").expose());
    assert_ne!(password("Tea").expose(), password("tea").expose(), "case is kept");
    assert_ne!(password("tea ").expose(), password("tea").expose(), "spaces are kept");
}

#[test]
fn length_is_counted_in_code_points_after_normalising() {
    assert_eq!(parse_problem(&"\u{1f375}".repeat(CODE_POINTS_MAX)), None);
    assert_eq!(parse_problem(&"\u{1f375}".repeat(CODE_POINTS_MAX + 1)), Some(PasswordProblem::TooLong));
    // Four code points that NFC makes one of: the longest text that can still be a password.
    let most_decomposed = "\u{3b1}\u{313}\u{300}\u{345}".repeat(CODE_POINTS_MAX);
    assert_eq!(parse_problem(&most_decomposed), None);
    assert_eq!(password(&most_decomposed).expose().len(), CODE_POINTS_MAX * 3);
    // One that NFC makes three of.
    assert_eq!(parse_problem(&"\u{1d160}".repeat(CODE_POINTS_MAX / 3)), None);
    assert_eq!(parse_problem(&"\u{1d160}".repeat(CODE_POINTS_MAX / 3 + 1)), Some(PasswordProblem::TooLong));
    assert_eq!(parse_problem(&"a".repeat(TYPED_BYTES_MAX * 100)), Some(PasswordProblem::TooLong));
}

#[test]
fn fourteen_characters_are_too_few_and_fifteen_are_enough() {
    assert_eq!(check("\u{1f375}b cobalt fjor", "alice"), Err(PasswordProblem::TooShort { min: 15 }));
    assert_eq!(check("\u{1f375}b cobalt fjord", "alice"), Ok(()));
    assert_eq!(check("", "alice"), Err(PasswordProblem::TooShort { min: 15 }));
    let eight = Rules { min: 8 };
    assert_eq!(eight.check(&password("tq9 vbXz"), &Username::parse("alice").unwrap()), Ok(()));
}

#[test]
fn every_entry_of_the_blocklist_is_refused_in_any_case() {
    for entry in blocklist::ENTRIES.lines() {
        assert_eq!(check(entry, "zoltan"), Err(PasswordProblem::Blocked), "{entry}");
        assert_eq!(check(&entry.to_uppercase(), "zoltan"), Err(PasswordProblem::Blocked), "{entry}");
    }
}

#[test]
fn an_entry_of_the_blocklist_and_one_unusual_character_is_taken() {
    for entry in blocklist::ENTRIES.lines() {
        assert_eq!(check(&format!("{entry}\u{2602}"), "zoltan"), Ok(()), "{entry}");
        assert_eq!(check(&format!("\u{2602}{entry}"), "zoltan"), Ok(()), "{entry}");
    }
}

#[test]
fn regular_passwords_are_refused() {
    for regular in [
        "aaaaaaaaaaaaaaa",
        "abcabcabcabcabca",
        "tq9xvb2tq9xvb2tq9xvb2",
        "☂☃☂☃☂☃☂☃☂☃☂☃☂☃☂",
        "abcdefghijklmnop",
        "9876543210987654",
        "qwertyuiopasdfghjkl",
        "1q2w3e4r5t6y7u8i9o0p",
        "zxcvbnm,zxcvbnm!",
        "passwordpassword",
        "Password12345678",
        "Welcome!Welcome!2024",
        "dragon monkey sunshine",
        "password-2024-admin",
        "1111222233334444",
        "\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}\u{3b1}",
    ] {
        assert_eq!(check(regular, "zoltan"), Err(PasswordProblem::Blocked), "{regular}");
    }
}

#[test]
fn the_username_and_the_service_are_no_passwords() {
    for (made_of_names, username) in [
        ("alicealicealice", "alice"),
        ("Alice-Alice-Alice", "alice"),
        ("alice.keyfob.2024", "alice"),
        ("keyfobkeyfob12345", "alice"),
        ("KEYFOBalicehorse", "alice"),
        ("alice@example.org", "alice@example.org"),
        ("example.org!!alice", "alice@example.org"),
        ("x7alice_example9", "alice@example.org"),
        ("\u{e9}lo\u{ef}se\u{e9}lo\u{ef}se2024", "\u{c9}lo\u{ef}se"),
        ("bobobobobobobobob", "bo"),
    ] {
        assert_eq!(check(made_of_names, username), Err(PasswordProblem::Blocked), "{made_of_names} for {username}");
    }
}

#[test]
fn a_good_password_may_contain_a_name_or_a_common_word() {
    for good in [
        "cobalt teapot fjord",
        "alice has nine cobalt teapots",
        "password of the cobalt teapot",
        "839201847362915",
        "!#%&/()=?+*-_.:",
        "tq9xvb2mwl4rzk8",
        "\u{4e09}\u{5341}\u{516d}\u{8a08}\u{8d70}\u{70ba}\u{4e0a}\u{7b56}\u{5927}\u{6c34}\u{6c96}\u{4e86}\u{9f8d}\u{738b}\u{5edf}",
        "cobalt teapot fjord cobalt teapot fjord",
    ] {
        assert_eq!(check(good, "alice"), Ok(()), "{good}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_is_stable(text in "\\PC{0,300}") {
        if let Ok(once) = Password::parse(&text) {
            let normal = std::str::from_utf8(once.expose()).unwrap().to_owned();
            prop_assert!(normal.chars().count() <= CODE_POINTS_MAX);
            let again = password(&normal);
            prop_assert_eq!(again.expose(), normal.as_bytes());
        }
    }

    #[test]
    fn random_letters_are_never_blocked(text in "[a-z]{16}") {
        // The odds that sixteen random letters are regular, or on the list, are below one in 10^12.
        prop_assert_eq!(check(&text, "zoltan"), Ok(()));
    }

    #[test]
    fn judging_any_text_ends(text in "(\\PC|[a-c1]){0,256}") {
        if let Ok(parsed) = Password::parse(&text) {
            let _either = Rules { min: 0 }.check(&parsed, &Username::parse("abc").unwrap());
        }
    }

    #[test]
    fn a_damaged_hash_is_an_error_or_a_mismatch(at in 0_usize..97, byte in 0x20_u8..0x7f) {
        let stored = Hasher::new(SMALL).hash(&password("tea"), SALT).unwrap();
        let mut phc = stored.expose_phc().to_owned().into_bytes();
        // A digit of the cost could ask for much memory: that is another test's subject.
        let in_params = stored.expose_phc().find("m=").unwrap()..stored.expose_phc().rfind("p=1").unwrap() + 3;
        prop_assume!(at < phc.len() && phc[at] != byte && !in_params.contains(&at));
        phc[at] = byte;
        let damaged = PasswordHash::from_phc(String::from_utf8(phc).unwrap());
        let matches = Hasher::new(SMALL).verify(&password("tea"), &damaged).is_ok_and(|verdict| verdict.matches);
        prop_assert!(!matches);
    }
}

/// From the test suite of the Argon2 reference implementation (`src/test.c`), version 19.
#[test]
fn the_reference_implementations_hashes_verify() {
    for phc in [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ] {
        let stored = PasswordHash::from_phc(phc.to_owned());
        let mut hasher = Hasher::new(SMALL);
        assert!(hasher.verify(&password("password"), &stored).unwrap().matches, "{phc}");
        assert!(!hasher.verify(&password("passwore"), &stored).unwrap().matches, "{phc}");
    }
}

#[test]
fn a_new_hash_verifies_and_another_password_does_not() {
    let mut hasher = Hasher::new(SMALL);
    let stored = hasher.hash(&password("cobalt teapot fjord"), SALT).unwrap();
    let verdict = hasher.verify(&password("cobalt teapot fjord"), &stored).unwrap();
    assert!(verdict.matches && !verdict.rehash);
    assert!(!hasher.verify(&password("cobalt teapot fjorD"), &stored).unwrap().matches);
    assert!(!hasher.verify(&password(""), &stored).unwrap().matches);
    let other_salt = hasher.hash(&password("cobalt teapot fjord"), b"fedcba9876543210").unwrap();
    assert_ne!(stored.expose_phc(), other_salt.expose_phc());
}

#[test]
fn a_password_is_not_cut_short() {
    // R26: bcrypt would not see byte 73.
    let mut hasher = Hasher::new(SMALL);
    let stored = hasher.hash(&password(&"t".repeat(CODE_POINTS_MAX)), SALT).unwrap();
    let almost = format!("{}u", "t".repeat(CODE_POINTS_MAX - 1));
    assert!(!hasher.verify(&password(&almost), &stored).unwrap().matches);
    assert!(!hasher.verify(&password(&"t".repeat(CODE_POINTS_MAX - 1)), &stored).unwrap().matches);
}

#[test]
fn a_cheaper_hash_is_to_be_replaced_and_a_dearer_one_is_not() {
    let base = Cost { memory_kib: 128, passes: 2, lanes: 2 };
    let rehash = |stored: Cost| {
        let phc = Hasher::new(stored).hash(&password("tea"), SALT).unwrap();
        Hasher::new(base).verify(&password("tea"), &phc).unwrap().rehash
    };
    assert!(!rehash(base));
    assert!(!rehash(Cost { memory_kib: 256, passes: 3, lanes: 4 }));
    for cheaper in
        [Cost { memory_kib: 127, ..base }, Cost { passes: 1, memory_kib: 256, lanes: 2 }, Cost { lanes: 1, ..base }]
    {
        assert!(rehash(cheaper), "{cheaper:?}");
    }
    // The reference implementation's short salt.
    let short_salt = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
    let short_salt = PasswordHash::from_phc(short_salt.to_owned());
    assert!(Hasher::new(base).verify(&password("password"), &short_salt).unwrap().rehash);
}

#[test]
fn a_hash_that_is_damaged_foreign_or_too_dear_is_an_error() {
    let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    for (phc, why) in [
        (String::new(), "empty"),
        ("plain".to_owned(), "not PHC"),
        (format!("$argon2i$v=19$m=256,t=2,p=1${salt_and_hash}"), "argon2i"),
        (format!("$argon2d$v=19$m=256,t=2,p=1${salt_and_hash}"), "argon2d"),
        (format!("$argon2id$v=16$m=256,t=2,p=1${salt_and_hash}"), "version 16"),
        (format!("$argon2id$m=256,t=2,p=1${salt_and_hash}"), "no version"),
        (format!("$argon2id$v=19$m=256,t=2${salt_and_hash}"), "no lanes"),
        (format!("$argon2id$v=19$t=2,m=256,p=1${salt_and_hash}"), "another order"),
        (format!("$argon2id$v=19$m=256,t=2,p=1,x=1${salt_and_hash}"), "one parameter more"),
        (format!("$argon2id$v=19$m=1048577,t=2,p=1${salt_and_hash}"), "more than 1 GiB"),
        (format!("$argon2id$v=19$m=4294967295,t=2,p=1${salt_and_hash}"), "4 TiB"),
        (format!("$argon2id$v=19$m=256,t=65,p=1${salt_and_hash}"), "more than 64 passes"),
        (format!("$argon2id$v=19$m=256,t=2,p=17${salt_and_hash}"), "more than 16 lanes"),
        (format!("$argon2id$v=19$m=7,t=2,p=1${salt_and_hash}"), "too little memory"),
        (format!("$argon2id$v=19$m=256,t=0,p=1${salt_and_hash}"), "no pass"),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(), "no hash"),
        ("$argon2id$v=19$m=256,t=2,p=1$c29t$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_owned(), "short salt"),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4r".to_owned(), "short hash"),
    ] {
        let mut hasher = Hasher::new(SMALL);
        assert_eq!(hasher.verify(&password("password"), &PasswordHash::from_phc(phc)), Err(HashError), "{why}");
        assert!(hasher.memory_is_untouched(), "{why}: something was computed");
    }
}

#[test]
fn a_cost_out_of_range_hashes_nothing() {
    for cost in [
        Cost { memory_kib: 7, passes: 1, lanes: 1 },
        Cost { memory_kib: 15, passes: 1, lanes: 2 },
        Cost { memory_kib: 64, passes: 0, lanes: 1 },
        Cost { memory_kib: 64, passes: 1, lanes: 0 },
        Cost { memory_kib: u32::MAX, passes: 1, lanes: 1 },
    ] {
        assert_eq!(Hasher::new(cost).hash(&password("tea"), SALT), Err(HashError), "{cost:?}");
        assert_eq!(dummy_hash(cost, &[7; 32]), Err(HashError), "{cost:?}");
    }
}

#[test]
fn memory_is_kept_wiped_and_given_back_beyond_the_own_cost() {
    let mut hasher = Hasher::new(SMALL);
    let stored = hasher.hash(&password("tea"), SALT).unwrap();
    assert_eq!(hasher.memory_blocks(), 64);
    assert!(hasher.memory_is_wiped());
    let kept = hasher.memory_address();
    hasher.verify(&password("tea"), &stored).unwrap();
    assert_eq!(hasher.memory_address(), kept, "the second hash uses the memory of the first");

    let dearer = Hasher::new(Cost { memory_kib: 512, ..SMALL }).hash(&password("tea"), SALT).unwrap();
    assert!(hasher.verify(&password("tea"), &dearer).unwrap().matches);
    assert_eq!(hasher.memory_blocks(), 64);
    assert!(hasher.memory_is_wiped());
}

#[test]
fn the_dummy_hash_is_computed_in_full_and_matches_nothing() {
    let dummy = dummy_hash(Cost::default(), &[7; 32]).unwrap();
    assert!(dummy.expose_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    let mut hasher = Hasher::new(Cost::default());
    let verdict = hasher.verify(&password("cobalt teapot fjord"), &dummy).unwrap();
    assert!(!verdict.matches && !verdict.rehash);
    assert_eq!(hasher.memory_blocks(), 19_456, "all the memory of a real hash was filled");
    assert_ne!(dummy, dummy_hash(Cost::default(), &[8; 32]).unwrap());
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let stored = Hasher::new(SMALL).hash(&password("cobalt teapot"), SALT).unwrap();
    assert_eq!(format!("{:?} {stored:?}", password("cobalt teapot")), "Password(..) PasswordHash(..)");
}
