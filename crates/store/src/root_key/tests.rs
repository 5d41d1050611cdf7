//! The root key: text, file, wrapping.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::fixture::rng;

fn key() -> RootKey {
    RootKey::from_bytes([7; 32])
}

#[test]
fn a_root_key_survives_its_text() {
    let text = key().to_text();
    assert_eq!(text.expose().len(), TEXT_PREFIX.len() + 48);
    let read = RootKey::from_text(&format!(" {}\n", text.expose())).unwrap();
    assert_eq!(read.expose(), key().expose());
}

#[test]
fn every_single_wrong_character_is_noticed() {
    let text = key().to_text().expose().to_owned();
    for at in 0..text.len() {
        let mut typo = text.clone().into_bytes();
        typo[at] = if typo[at] == b'A' { b'B' } else { b'A' };
        let typo = String::from_utf8(typo).unwrap();
        assert!(RootKey::from_text(&typo).is_err(), "position {at} of {text}");
    }
    assert!(matches!(RootKey::from_text(&text[..text.len() - 1]), Err(RootKeyError::NotARootKey)));
    assert!(matches!(RootKey::from_text(&format!("{text}AAAA")), Err(RootKeyError::NotARootKey)));
    assert!(matches!(RootKey::from_text(""), Err(RootKeyError::NotARootKey)));
}

#[test]
fn purposes_give_unrelated_keys() {
    assert_ne!(key().derive("session-tag"), key().derive("check-value"));
    assert_eq!(key().derive("session-tag"), key().derive("session-tag"));
    assert_ne!(key().derive("session-tag"), RootKey::from_bytes([8; 32]).derive("session-tag"));
    assert_ne!(&*key().derive("session-tag"), key().expose());
}

#[test]
fn a_derived_key_is_the_one_that_old_databases_were_made_with() {
    // HKDF-SHA-256 of RFC 5869 by an independent implementation: salt, 32 bytes of 7, info `check-value`.
    let expected = "6e707123579e56a84c4ae69497523ef7";
    assert_eq!(format!("{:032x}", u128::from_be_bytes(*key().derive("check-value").first_chunk().unwrap())), expected);
}

#[test]
fn a_wrapped_secret_opens_only_under_its_name_and_its_root_key() {
    let wrapped = key().wrap("kid-1", b"pkcs8", rng()).unwrap();
    assert!(!wrapped.windows(5).any(|window| window == b"pkcs8"));
    assert_eq!(key().unwrap("kid-1", &wrapped).unwrap().as_slice(), b"pkcs8");
    assert!(key().unwrap("kid-2", &wrapped).is_err());
    assert!(RootKey::from_bytes([8; 32]).unwrap("kid-1", &wrapped).is_err());
    for at in 0..wrapped.len() {
        let mut altered = wrapped.clone();
        altered[at] ^= 1;
        assert!(key().unwrap("kid-1", &altered).is_err(), "byte {at}");
    }
    assert!(key().unwrap("kid-1", &wrapped[..5]).is_err());
}

#[test]
fn two_wrappings_of_one_secret_differ() {
    assert_ne!(key().wrap("kid", b"pkcs8", rng()), key().wrap("kid", b"pkcs8", rng()));
}

#[test]
fn a_key_file_is_made_once_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let made = RootKey::load_or_create(&path, rng()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(RootKey::load_or_create(&path, rng()).unwrap().expose(), made.expose());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    assert!(key().save_new(&path).is_err(), "a root key is never overwritten");
    assert_eq!(RootKey::load_or_create(&path, rng()).unwrap().expose(), made.expose());
}

#[test]
fn a_half_written_key_from_a_crash_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    fs::write(directory.path().join("root.new"), "fob_ro").unwrap();
    let made = RootKey::load_or_create(&path, rng()).unwrap();
    assert_eq!(RootKey::load_or_create(&path, rng()).unwrap().expose(), made.expose());
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    RootKey::load_or_create(&path, rng()).unwrap();
    for mode in [0o640, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refusal = RootKey::load_or_create(&path, rng()).unwrap_err();
        assert!(refusal.to_string().contains("chmod 600"), "{refusal}");
    }
    assert!(RootKey::load_credential(&path).is_err(), "others can read it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
    RootKey::load_credential(&path).unwrap();
}

#[test]
fn a_damaged_key_file_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    key().save_new(&path).unwrap();
    fs::write(&path, "fob_root_oops").unwrap();
    assert!(matches!(RootKey::load_or_create(&path, rng()), Err(RootKeyError::NotARootKey)));
    assert_eq!(fs::read(&path).unwrap(), b"fob_root_oops");
}

#[test]
fn a_missing_credential_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyfob-root-key");
    assert!(matches!(RootKey::load_credential(&path), Err(RootKeyError::File { .. })));
    assert!(!path.exists());
}

#[test]
fn a_root_key_is_never_shown() {
    assert_eq!(format!("{:?}", key()), "RootKey(..)");
}
