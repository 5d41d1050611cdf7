//! What is remembered of a credential, for how long, and how much of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn credential(text: &str) -> Credential {
    Credential::read(format!("Basic {}", STANDARD.encode(text)).as_bytes()).expect("a credential")
}

fn known(number: u8) -> Known {
    Known {
        user: UserId::from_bytes([number; 16]),
        auth_version: 3,
        incarnation: Incarnation([7; 16]),
        until: NOW + KNOWN_FOR,
    }
}

#[test]
fn what_was_proven_is_known_for_a_while_in_this_life_of_the_store_and_by_its_exact_text() {
    let basic = Basic::default();
    let digest = basic.digest(&credential("ada:one"));
    basic.remember(digest, known(1));
    let look = |text: &str, life: u8, now: Timestamp| {
        basic.known(&basic.digest(&credential(text)), Incarnation([life; 16]), now).map(|known| known.user)
    };
    assert_eq!(look("ada:one", 7, NOW), Some(UserId::from_bytes([1; 16])));
    for text in ["ada:onE", "Ada:one", "ada:one ", "ad:aone", "ada::one"] {
        assert_eq!(look(text, 7, NOW), None, "{text}");
    }
    assert_eq!(look("ada:one", 8, NOW), None, "a restored store may have another password at the same version");
    // Each look above was a use: none of them prolonged it.
    assert_eq!(look("ada:one", 7, NOW + KNOWN_FOR), None, "half open");
    basic.sweep(NOW + KNOWN_FOR);
    assert!(lock(&basic.known).is_empty());
}

#[test]
fn the_digest_means_nothing_in_another_process_and_the_memory_has_no_password() {
    let (one, other) = (Basic::default(), Basic::default());
    let secret = credential("ada:seven violet kettles");
    assert_ne!(one.digest(&secret), other.digest(&secret), "the key is this process's own");
    assert_eq!(std::mem::size_of::<(Digest, Known)>(), 80, "digests, ids and numbers: no room for a text");
}

#[test]
fn the_memory_is_bounded_and_a_newcomer_displaces_one() {
    let basic = Basic::default();
    for number in 0..=KNOWN_MAX as u64 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        basic.remember(digest, known(1));
        // One that is known already takes no room.
        basic.remember(digest, known(2));
    }
    assert_eq!(lock(&basic.known).len(), KNOWN_MAX);
}

#[tokio::test]
async fn a_check_that_breaks_off_is_over_for_those_who_wait_and_for_those_who_come_after() {
    let basic = Arc::new(Basic::default());
    let (land, mut flight) = watch::channel(None);
    lock(&basic.flights).insert([1; 32], flight.clone());
    drop(Flying { basic: Arc::clone(&basic), digest: [1; 32], land });
    assert!(flight.wait_for(Option::is_some).await.is_err(), "it is no answer, and it is no hang");
    assert!(lock(&basic.flights).is_empty());

    let (land, mut flight) = watch::channel(None);
    Flying { basic: Arc::clone(&basic), digest: [2; 32], land }.land(Landed::Wrong);
    assert!(matches!(*flight.wait_for(Option::is_some).await.expect("landed"), Some(Landed::Wrong)));
    assert!(lock(&basic.known).is_empty(), "a wrong one is not remembered");
}

#[test]
fn the_latest_use_counts_and_what_is_noted_is_bounded() {
    let uses = BasicUses::default();
    let (id, from) = (UserId::from_bytes([1; 16]), IpAddr::from([192, 0, 2, 1]));
    uses.note(id, NOW, from);
    uses.note(id, NOW - Duration::from_secs(5), IpAddr::from([192, 0, 2, 2]));
    assert_eq!(uses.last(id), Some((NOW, from)));
    for number in 0..70_000_u128 {
        uses.note(UserId::from_bytes((number << 8).to_be_bytes()), NOW, from);
    }
    assert_eq!(uses.noted(), 65_536);
    uses.note(id, NOW + Duration::from_secs(1), from);
    assert_eq!(uses.last(id), Some((NOW + Duration::from_secs(1), from)), "a known one is noted all the same");
}
