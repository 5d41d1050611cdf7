//! Rings: each transition at its instant, and what holds after any steps in any order.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_hours(24);

fn schedule() -> Schedule {
    Schedule {
        key_life: 30 * DAY,
        publish_ahead: DAY,
        token_life: Duration::from_mins(15),
        leeway: Duration::from_secs(30),
        algorithm: Algorithm::Es256,
    }
}

fn fresh(kid: &str) -> Fresh {
    Fresh { kid: kid.into(), algorithm: Algorithm::Es256 }
}

fn begun() -> Ring {
    Ring::default().step(&Step::Tend, START, &schedule(), &[fresh("a"), fresh("b")]).unwrap()
}

fn rotation(judged: &str, early: bool) -> Step {
    Step::Rotate { judged: judged.into(), early }
}

fn kids(ring: &Ring) -> (&str, &str) {
    (&ring.active().unwrap().kid, &ring.next().unwrap().kid)
}

#[test]
fn a_new_ring_has_a_key_that_signs_and_one_that_is_published() {
    let ring = begun();
    assert_eq!(kids(&ring), ("a", "b"));
    assert!(ring.keys().iter().all(Standing::is_accepted));
    assert_eq!(ring.step(&Step::Tend, START + DAY, &schedule(), &[]), Ok(ring), "nothing is due");
}

#[test]
fn a_key_signs_for_its_life_and_not_an_instant_longer() {
    let (ring, due) = (begun(), START + 30 * DAY);
    assert_eq!(ring.due_at(&schedule()), Some(due));
    let before = due - Duration::from_micros(1);
    assert_eq!(ring.step(&Step::Tend, before, &schedule(), &[fresh("c")]), Ok(ring.clone()));
    let after = ring.step(&Step::Tend, due, &schedule(), &[fresh("c")]).unwrap();
    assert_eq!(kids(&after), ("b", "c"));
    assert_eq!(after.key("a").unwrap().stage, Stage::Old { stopped: due });
}

#[test]
fn no_key_signs_by_schedule_before_it_was_published_for_long_enough() {
    let schedule = Schedule { key_life: Duration::from_secs(1), ..schedule() };
    let ring = begun();
    let early = START + DAY - Duration::from_micros(1);
    assert_eq!(ring.step(&Step::Tend, early, &schedule, &[fresh("c")]), Ok(ring.clone()));
    assert_eq!(kids(&ring.step(&Step::Tend, START + DAY, &schedule, &[fresh("c")]).unwrap()), ("b", "c"));
}

#[test]
fn an_old_key_is_dropped_when_nothing_it_signed_is_alive_and_not_before() {
    let rotated = begun().step(&rotation("a", true), START + DAY, &schedule(), &[fresh("c")]).unwrap();
    let dead = START + DAY + Duration::from_mins(15) + Duration::from_secs(30) + SIGNING_LAG;
    assert_eq!(rotated.due_at(&schedule()), Some(dead));
    let tended = |at| rotated.step(&Step::Tend, at, &schedule(), &[]).unwrap();
    assert!(tended(dead - Duration::from_micros(1)).key("a").is_some_and(Standing::is_accepted));
    assert_eq!(tended(dead).key("a"), None);
}

#[test]
fn a_shorter_token_life_does_not_shorten_what_was_signed_before() {
    let longer = Schedule { token_life: Duration::from_hours(1), ..schedule() };
    let ring = begun().step(&Step::Tend, START, &longer, &[]).unwrap();
    let ring = ring.step(&Step::Tend, START, &schedule(), &[]).unwrap();
    let ring = ring.step(&rotation("a", true), START, &schedule(), &[fresh("c")]).unwrap();
    assert_eq!(ring.key("a").unwrap().token_life, Duration::from_hours(1));
    assert_eq!(ring.key("b").unwrap().token_life, Duration::from_mins(15));
}

#[test]
fn a_rotation_on_command_waits_for_the_published_time_unless_it_is_told_not_to() {
    let ring = begun();
    let refused = ring.step(&rotation("a", false), START, &schedule(), &[fresh("c")]);
    assert_eq!(refused, Err(Refusal::Early { ready_at: START + DAY }));
    assert_eq!(kids(&ring.step(&rotation("a", true), START, &schedule(), &[fresh("c")]).unwrap()), ("b", "c"));
    assert_eq!(kids(&ring.step(&rotation("a", false), START + DAY, &schedule(), &[fresh("c")]).unwrap()), ("b", "c"));
    assert_eq!(ring.step(&rotation("a", true), START, &schedule(), &[]), Err(Refusal::Short));
    assert_eq!(Ring::default().step(&rotation("a", true), START, &schedule(), &[]), Err(Refusal::NoKey));
}

#[test]
fn of_two_rotations_judged_on_one_key_the_second_is_stale() {
    let once = begun().step(&rotation("a", true), START, &schedule(), &[fresh("c")]).unwrap();
    assert_eq!(once.step(&rotation("a", true), START, &schedule(), &[fresh("d")]), Err(Refusal::Stale));
}

#[test]
fn a_retired_active_key_is_refused_and_the_next_one_signs_in_the_same_step() {
    let retire = |kid: &str| Step::Retire { kid: kid.into() };
    let ring = begun().step(&retire("a"), START, &schedule(), &[fresh("c")]).unwrap();
    assert_eq!(kids(&ring), ("b", "c"));
    assert!(!ring.key("a").unwrap().is_accepted());
    assert_eq!(ring.step(&retire("a"), START + DAY, &schedule(), &[]), Ok(ring.clone()), "it was so already");
    assert_eq!(ring.step(&retire("z"), START, &schedule(), &[]), Err(Refusal::Unknown));
    // The key to come may have leaked too.
    let again = ring.step(&retire("c"), START, &schedule(), &[fresh("d")]).unwrap();
    assert_eq!(kids(&again), ("b", "d"));
    let dead = again.key("c").unwrap().dead_at(Duration::ZERO).unwrap();
    assert_eq!(dead, START + SIGNING_LAG, "it has signed nothing");
}

#[test]
fn another_algorithm_takes_over_after_it_was_published_for_long_enough() {
    let other = Schedule { algorithm: Algorithm::EdDsa, ..schedule() };
    let [c, d] = ["c", "d"].map(|kid| Fresh { algorithm: Algorithm::EdDsa, ..fresh(kid) });
    assert_eq!(begun().step(&Step::Tend, START, &other, &[fresh("x")]), Err(Refusal::Short), "one of that algorithm");
    let ring = begun().step(&Step::Tend, START + DAY, &other, &[c]).unwrap();
    assert_eq!(kids(&ring), ("a", "c"));
    assert_eq!(ring.due_at(&other), Some(START + 2 * DAY));
    assert_eq!(kids(&ring.step(&Step::Tend, START + 2 * DAY, &other, &[d]).unwrap()), ("c", "d"));
}

#[test]
fn a_full_ring_refuses_to_rotate_and_never_to_retire() {
    let (mut ring, names): (_, Vec<String>) = (begun(), (0..100).map(|number| format!("k{number}")).collect());
    let mut refusal = None;
    for name in &names {
        let active = ring.active().unwrap().kid.clone();
        match ring.step(&rotation(&active, true), START, &schedule(), &[fresh(name)]) {
            Ok(rotated) => ring = rotated,
            Err(refused) => refusal = Some(refused),
        }
    }
    assert_eq!(refusal, Some(Refusal::Full));
    assert_eq!(ring.keys().len(), KEYS_MAX);
    let kid = ring.active().unwrap().kid.clone();
    let retired = ring.step(&Step::Retire { kid }, START, &schedule(), &[fresh("z")]).unwrap();
    assert_eq!(retired.next().map(|key| &*key.kid), Some("z"));
}

proptest! {
    #[test]
    fn after_any_steps_one_key_signs_one_is_next_and_none_died_early(
        steps in prop::collection::vec((0_u8..4, 0_u64..4_000_000, any::<prop::sample::Index>()), 1..60),
    ) {
        let (mut ring, mut now, mut made) = (begun(), START, 0_usize);
        let mut retired: Vec<Box<str>> = Vec::new();
        // When the last token that each key may have signed is dead.
        let mut alive_until: Vec<(Box<str>, Timestamp)> = Vec::new();
        for (kind, later, which) in steps {
            now = now + Duration::from_secs(later);
            let active = ring.active().unwrap().kid.clone();
            let last = now + schedule().token_life + schedule().leeway;
            alive_until.retain(|(kid, _)| *kid != active);
            alive_until.push((active.clone(), last));
            let step = match kind {
                0 | 1 => Step::Tend,
                2 => Step::Rotate { judged: active, early: which.index(2) == 0 },
                _ => Step::Retire { kid: ring.keys()[which.index(ring.keys().len())].kid.clone() },
            };
            made += 1;
            let Ok(after) = ring.step(&step, now, &schedule(), &[fresh(&format!("{made}x")), fresh(&format!("{made}y"))])
            else { continue };
            if let Step::Retire { kid } = step {
                retired.push(kid);
            }
            ring = after;
            let count = |wanted: fn(&Stage) -> bool| ring.keys().iter().filter(|key| wanted(&key.stage)).count();
            prop_assert_eq!(count(|stage| matches!(stage, Stage::Active { .. })), 1);
            prop_assert_eq!(count(|stage| *stage == Stage::Next), 1);
            prop_assert!(ring.keys().iter().all(|key| key.is_accepted() != retired.contains(&key.kid)));
            for (kid, until) in &alive_until {
                let accepted = ring.key(kid).is_some_and(Standing::is_accepted);
                prop_assert!(accepted || now >= *until || retired.contains(kid), "{} went too early", kid);
            }
        }
    }
}
