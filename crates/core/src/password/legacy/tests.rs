//! Hashes that Apache's htpasswd, OpenSSL and glibc made, each taken and each told from its neighbours.

use super::*;
use crate::password::{Cost, dummy_hash};

const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
const SALT: &[u8; 16] = b"sixteen bytes.. ";

/// What htpasswd 2.4 wrote, but `salted`: by OpenSSL and by glibc's crypt.
const OTHERS: [(&str, &str); 10] = [
    ("bcrypt-000000005", "$2y$05$Zptr0w8YJvd4V52Ag2d46uiawK8.p7Ao/Ohwei2kfsVdKbc9mo26C"),
    ("bcrypt-000000010", "$2y$10$BOZ70DPTco3fDqiD8G/tqu8uWUbUJt9IlrhuRP.5vPveX.8abGzQ6"),
    ("apr1md-000001000", "$apr1$ZMPn4lxh$0iTj0oVUnFToUWhwdDyQF/"),
    ("sha1-1-000000001", "{SHA}NiWBXRwgrTw6WoODZ3yKCeLNoW0="),
    ("sha256-000005000", "$5$JaZrRrFyIW20cw6k$5piy31sCA2iwTsc5xSonti18DBfKXM9z93Oby58rxV8"),
    (
        "sha512-000005000",
        "$6$Vzj/CuFYetWK9J8m$kj/49lP21F63AuRYlQttuc6/V6PA8LT1RqjMR6BUKtH469bTUdWk9EguFf0xFaU5HMOg7PoZEMGfken2LB2Oy.",
    ),
    ("sha256-000005000", "$5$saltstring$tXqU1BmQfZvGTBY7Bc3YpWq.0s2J1ztNhw43lwRobf0"),
    (
        "sha512-000005000",
        "$6$saltstring$tlo6ZcYh5YydmLtmUvLze9APMNVU7ypM0on.IqWTXUfIGw3ggADh578PUMhlD/SfWb0R2vDOayWQPKJar8W6u.",
    ),
    ("sha256-000010000", "$5$rounds=10000$salt$F4W6WPoIP0cuOR9.d27bwIofIczHJSK3NdRIO9hcwD/"),
    (
        "sha512-000001000",
        "$6$rounds=1000$saltstring$W79pWC41GgaX3icXViw3YNtEUMjdua0s221l5t0vQp0noBfcu/aQMykRlp29ZuwLFHkVAofikXQKk8lWVXBL01",
    ),
];

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

fn stored(text: &str) -> PasswordHash {
    Hasher::new(SMALL).wrap(&LegacyHash::parse(text).unwrap(), SALT).unwrap()
}

#[test]
fn what_others_hashed_is_known_by_its_password_and_by_no_other() {
    for (form, text) in OTHERS {
        let stored = stored(text);
        assert_eq!(stored.legacy_form().unwrap().to_string(), form);
        assert!(stored.expose_phc().starts_with(&format!("legacy:{form}:")), "stores find it there");
        let checksum = &text[text.len() - 20..];
        assert!(!stored.expose_phc().contains(checksum), "{form}: the hash itself is not stored");
        let mut hasher = Hasher::new(SMALL);
        let right = hasher.verify(&password("hunter2 is mine"), &stored).unwrap();
        assert_eq!(right, Verdict { matches: true, rehash: true }, "{form}");
        for wrong in ["hunter2 is min", "hunter2 is mine ", "Hunter2 is mine", ""] {
            assert!(!hasher.verify(&password(wrong), &stored).unwrap().matches, "{form} {wrong:?}");
        }
        assert!(!hasher.verify(&password(&text[..text.len().min(60)]), &stored).unwrap().matches, "no pass the hash");
    }
}

#[test]
fn every_form_has_a_text_of_sixteen_characters_and_a_sample_that_computes() {
    for (form, text) in OTHERS {
        let form: LegacyForm = form.parse().unwrap();
        assert_eq!(form.to_string().len(), 16);
        assert_eq!(LegacyHash::parse(text).unwrap().form(), form);
        form.checksum(&form.sample(), b"any").unwrap();
    }
    for text in
        ["", "bcrypt", "bcrypt-10", "bcrypt-0000000010", "scrypt-000000010", "bcrypt-00000001x", "bcrypté000000010"]
    {
        assert!(text.parse::<LegacyForm>().is_err(), "{text}");
    }
}

#[test]
fn the_other_forms_of_a_store_are_computed_too_and_change_no_answer() {
    let forms: Vec<LegacyForm> = OTHERS.iter().map(|(form, _)| form.parse().unwrap()).collect();
    let mut hasher = Hasher::new(SMALL);
    let own = hasher.hash(&password("hunter2 is mine"), SALT).unwrap();
    let legacy = stored(OTHERS[2].1);
    for stored in [&own, &legacy] {
        assert!(hasher.verify_among(&password("hunter2 is mine"), stored, &forms).unwrap().matches);
        assert!(!hasher.verify_among(&password("hunter2 is mind"), stored, &forms).unwrap().matches);
    }
    let dummy = dummy_hash(SMALL, &[7; 32]).unwrap();
    assert!(!hasher.verify_among(&password("hunter2 is mine"), &dummy, &forms).unwrap().matches);
}

#[test]
fn a_password_that_a_legacy_hash_would_cut_never_matches() {
    // bcrypt of 72 letters, whatever follows; and its key is a C string, repeated: "x" is "x\0x".
    let long = "0123456789".repeat(7) + "ab";
    let mut hasher = Hasher::new(SMALL);
    let form: LegacyForm = "bcrypt-000000004".parse().unwrap();
    let checksum = |text: &str| form.checksum(&form.sample(), text.as_bytes()).unwrap();
    let hash = |text: &str| stored(&format!("{}{}", form.sample(), *checksum(text)));
    assert!(hasher.verify(&password(&long), &hash(&long)).unwrap().matches);
    assert_eq!(checksum(&long), checksum(&(long.clone() + "more")), "bcrypt cuts it");
    assert!(!hasher.verify(&password(&(long.clone() + "more")), &hash(&long)).unwrap().matches);
    assert!(!hasher.verify(&password("x\0x"), &hash("x")).unwrap().matches);
    // The others take all of it.
    let apr1: LegacyForm = "apr1md-000001000".parse().unwrap();
    let long = long + "more";
    let text = format!("{}{}", apr1.sample(), *apr1.checksum(&apr1.sample(), long.as_bytes()).unwrap());
    assert!(hasher.verify(&password(&long), &stored(&text)).unwrap().matches);
    assert!(!hasher.verify(&password(&long[..72]), &stored(&text)).unwrap().matches);
}

#[test]
fn a_damaged_stored_hash_is_an_error_and_no_panic() {
    let good = stored(OTHERS[1].1).expose_phc().to_owned();
    for at in 0..good.len() {
        let cut = PasswordHash::from_phc(good[..at].to_owned());
        let answer = Hasher::new(SMALL).verify(&password("hunter2 is mine"), &cut);
        assert!(!answer.is_ok_and(|verdict| verdict.matches), "{at}");
    }
    for (from, to) in
        [("bcrypt-000000010", "bcrypt-000000099"), ("$2b$10$", "$2b$1$"), ("BOZ7", "BO!7"), ("m=64", "m=1")]
    {
        let damaged = PasswordHash::from_phc(good.replacen(from, to, 1));
        assert_eq!(Hasher::new(SMALL).verify(&password("hunter2 is mine"), &damaged), Err(HashError), "{to}");
    }
}

#[test]
fn what_cannot_be_taken_is_told_apart() {
    use LegacyProblem::{Damaged, Des, NoHash, TooDear, Unsupported};
    let bcrypt = OTHERS[1].1;
    for (text, problem) in [
        ("QBUaGf1ED8BLE", Des),
        ("$1$abc$OGyl6dDvZCDiGmIVbeuCq/", Unsupported),
        ("$2x$10$BOZ70DPTco3fDqiD8G/tqu8uWUbUJt9IlrhuRP.5vPveX.8abGzQ6", Unsupported),
        ("{SSHA}nU0UoxMxzyHHkS4Y3gBhDBTNpBZpZXQx", Unsupported),
        ("{PLAIN}secret", Unsupported),
        ("$y$j9T$abc$def", Unsupported),
        ("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", Unsupported),
        ("", NoHash),
        ("correct horse battery", NoHash),
        ("hunter2", NoHash),
        (&bcrypt[..59], Damaged),
        (&format!("{bcrypt}x"), Damaged),
        (&bcrypt.replace("$10$", "$3$"), Damaged),
        (&bcrypt.replace("$10$", "$03$"), Damaged),
        (&bcrypt.replace("tqu8u", "tqx8u"), Damaged),
        (&bcrypt.replace("$10$", "$15$"), TooDear),
        (
            "$6$rounds=100001$salt$W79pWC41GgaX3icXViw3YNtEUMjdua0s221l5t0vQp0noBfcu/aQMykRlp29ZuwLFHkVAofikXQKk8lWVXBL01",
            TooDear,
        ),
        (
            "$6$rounds=99999999999$salt$W79pWC41GgaX3icXViw3YNtEUMjdua0s221l5t0vQp0noBfcu/aQMykRlp29ZuwLFHkVAofikXQKk8lWVXBL01",
            Damaged,
        ),
        ("$5$rounds=999$salt$F4W6WPoIP0cuOR9.d27bwIofIczHJSK3NdRIO9hcwD/", Damaged),
        ("$apr1$$0iTj0oVUnFToUWhwdDyQF/", Damaged),
        ("$apr1$123456789$0iTj0oVUnFToUWhwdDyQF/", Damaged),
        ("{SHA}NiWBXRwgrTw6WoODZ3yKCeLNoW0", Damaged),
    ] {
        assert_eq!(LegacyHash::parse(text).map(|_| ()), Err(problem), "{text}");
        assert!(!problem.to_string().contains(text) || text.is_empty());
    }
}
