//! Each machine by itself, and the arithmetic of clocks. How they work together is checked in `model/`.

use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms::DEFAULT;
const LEASE: Duration = Duration::from_secs(2);
const START: Moment = Moment::from_micros(1_000_000_000);
const TICK: Duration = Duration::from_micros(1);

fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 16])
}

fn row(number: u8, applied: u64, beat: u64) -> Row {
    Row { id: id(number), applied: Revision(applied), beat: Beat(beat) }
}

fn registered() -> Node {
    let mut node = Node::new(TERMS, id(1), Revision(5));
    node.registered(id(1));
    node
}

/// A renewal at `sent` that was committed, with the changes up to `applied` read after it.
fn renew(node: &mut Node, sent: Moment, applied: u64) {
    let renewal = node.renew(sent).unwrap();
    let Renewed::ReadChanges(granted) = node.renewed(renewal, 1) else { panic!("there is a row") };
    node.grant(granted, Revision(applied));
}

#[test]
fn a_lease_counts_from_before_the_renewal_was_sent_and_is_half_open() {
    let mut node = registered();
    assert_eq!(node.answer(START, true), Answer::AskStore, "registered is not yet leased");
    renew(&mut node, START, 7);
    assert_eq!(node.answer(START, true), Answer::FromCache);
    assert_eq!(node.lease_left(START + LEASE / 4), LEASE * 3 / 4);
    assert_eq!(node.answer(Moment::from_micros(1_001_999_999), false), Answer::FromCache);
    assert_eq!(node.answer(START + LEASE, true), Answer::AskStore);
    assert_eq!(node.answer(START + LEASE, false), Answer::Unavailable);
    assert_eq!(node.applied(), Revision(7));
    assert_eq!(node.row(), row(1, 7, 0));
}

#[test]
fn a_committed_renewal_is_no_lease_before_its_changes_are_applied() {
    let mut node = registered();
    let renewal = node.renew(START).unwrap();
    assert_eq!((renewal.id(), renewal.applied()), (id(1), Revision(5)));
    let Renewed::ReadChanges(granted) = node.renewed(renewal, 1) else { panic!("there is a row") };
    assert_eq!(node.answer(START, true), Answer::AskStore);
    node.grant(granted, Revision(5));
    assert_eq!(node.answer(START, true), Answer::FromCache);
}

#[test]
fn late_answers_never_shorten_a_lease_nor_lower_what_is_applied() {
    let mut node = registered();
    let early = node.renew(START).unwrap();
    renew(&mut node, START + LEASE / 2, 9);
    let Renewed::ReadChanges(granted) = node.renewed(early, 1) else { panic!("there is a row") };
    node.grant(granted, Revision(6));
    assert_eq!(node.lease_left(START + LEASE / 2), LEASE);
    assert_eq!(node.applied(), Revision(9));
    node.apply(Revision(3));
    assert_eq!(node.applied(), Revision(9));
}

#[test]
fn a_clock_that_went_back_is_no_lease() {
    let mut node = registered();
    renew(&mut node, START, 5);
    assert_eq!(node.answer(Moment::from_micros(999_999_999), true), Answer::AskStore);
}

#[test]
fn a_node_that_was_struck_out_has_no_lease_and_cannot_renew_until_it_is_registered_again() {
    let mut node = registered();
    renew(&mut node, START, 8);
    let renewal = node.renew(START + TICK).unwrap();
    assert_eq!(node.renewed(renewal, 0), Renewed::StruckOut);
    assert_eq!(node.answer(START + TICK, true), Answer::AskStore);
    assert_eq!(node.renew(START + TICK), None);

    node.registered(id(1));
    assert_eq!(node.renew(START + TICK), None, "that row is gone for good");
    node.begin_again(id(2));
    assert_eq!(node.row(), row(2, 8, 0));
    assert_eq!(node.renew(START + TICK), None, "its new row is not committed");
    node.registered(id(1));
    assert_eq!(node.renew(START + TICK), None, "that was the old row");
    node.registered(id(2));
    renew(&mut node, START + TICK, 8);
    assert_eq!(node.answer(START + TICK, true), Answer::FromCache);
}

#[test]
fn nothing_of_an_earlier_registration_grants_a_lease() {
    let mut node = registered();
    let unanswered = node.renew(START).unwrap();
    let answered = node.renew(START).unwrap();
    let Renewed::ReadChanges(granted) = node.renewed(answered, 1) else { panic!("there is a row") };
    node.begin_again(id(2));
    node.registered(id(2));
    assert_eq!(node.renewed(unanswered.clone(), 1), Renewed::Outdated);
    assert_eq!(node.renewed(unanswered, 0), Renewed::Outdated);
    node.grant(granted, Revision(9));
    assert_eq!(node.answer(START, true), Answer::AskStore);
    assert_eq!(node.applied(), Revision(9), "what was read was applied all the same");
    assert!(node.renew(START).is_some(), "the new registration stands");
}

#[test]
fn a_change_that_was_read_while_struck_out_grants_no_lease() {
    let mut node = registered();
    let (first, second) = (node.renew(START).unwrap(), node.renew(START).unwrap());
    let Renewed::ReadChanges(granted) = node.renewed(first, 1) else { panic!("there is a row") };
    assert_eq!(node.renewed(second, 0), Renewed::StruckOut);
    node.grant(granted, Revision(9));
    assert_eq!(node.answer(START, true), Answer::AskStore);
}

fn waiting() -> Acknowledgement {
    Acknowledgement::new(TERMS, Revision(10), START)
}

const WAIT: Progress = Progress::Wait { until: Moment::from_micros(1_002_004_005) };

#[test]
fn without_a_reading_only_time_acknowledges() {
    let change = waiting();
    assert_eq!(change.progress(START), WAIT);
    assert_eq!(change.progress(Moment::from_micros(1_002_004_004)), WAIT);
    assert_eq!(change.progress(Moment::from_micros(1_002_004_005)), Progress::Acknowledge);
}

#[test]
fn where_no_node_is_registered_a_reading_is_enough() {
    let mut change = waiting();
    change.read(&[]);
    assert_eq!(change.progress(START), Progress::Acknowledge);
}

#[test]
fn every_row_of_the_first_reading_must_apply_the_change_or_go() {
    let mut change = waiting();
    change.read(&[row(1, 9, 0), row(2, 10, 0), row(3, 0, 0)]);
    assert_eq!(change.lagging(), [id(1), id(3)]);
    change.read(&[row(1, 10, 1), row(2, 10, 0), row(3, 9, 1)]);
    assert_eq!((change.progress(START), change.lagging()), (WAIT, &[id(3)][..]));
    change.read(&[row(1, 10, 1)]);
    assert_eq!(change.progress(START), Progress::Acknowledge, "3 is gone");
}

#[test]
fn who_registers_after_the_commit_is_not_waited_for() {
    let mut change = waiting();
    change.read(&[row(1, 9, 0)]);
    change.read(&[row(1, 10, 1), row(4, 0, 0)]);
    assert_eq!(change.progress(START), Progress::Acknowledge);
}

#[test]
fn an_older_reading_that_comes_late_takes_nothing_back() {
    let mut change = waiting();
    change.read(&[row(1, 9, 0)]);
    change.read(&[row(1, 10, 1)]);
    change.read(&[row(1, 9, 0)]);
    assert_eq!(change.progress(START), Progress::Acknowledge);
}

#[test]
fn a_row_is_struck_out_when_its_beat_has_not_moved_for_two_leases() {
    let mut watch = Watch::new(TERMS);
    assert_eq!(watch.read(&[row(1, 5, 3)], START), []);
    assert_eq!(watch.read(&[row(1, 5, 3), row(2, 5, 0)], Moment::from_micros(1_003_999_999)), []);
    let now = START + 2 * LEASE;
    assert_eq!(watch.read(&[row(1, 5, 3), row(2, 5, 0)], now), [Strike { id: id(1), beat: Beat(3) }]);
    assert_eq!(watch.read(&[row(1, 5, 4), row(2, 5, 0)], now + TICK), [], "it renewed before it was deleted");
    assert_eq!(watch.read(&[row(1, 5, 4)], now + LEASE), [], "silence counts from the new beat");
}

#[test]
fn a_row_that_went_and_came_is_watched_anew() {
    let mut watch = Watch::new(TERMS);
    assert_eq!(watch.read(&[row(1, 5, 3)], START), []);
    assert_eq!(watch.read(&[], START + LEASE), []);
    assert_eq!(watch.read(&[row(1, 5, 3)], START + 2 * LEASE), []);
}

#[test]
fn terms_that_mean_nothing_are_refused() {
    let lease = Duration::from_secs(1);
    assert_eq!(Terms::new(lease, 1, 0), None);
    assert_eq!(Terms::new(lease, 3, 3), None);
    assert_eq!(Terms::new(Duration::from_nanos(999), 1, 1000), None);
    assert_eq!(Terms::new(Duration::from_secs(3_601), 1, 1000), None);
    assert_eq!(Terms::new(LEASE, 1, 1000), Some(TERMS));
    // A wide drift: the wait is longer than two leases, and a row lives as long as that.
    let wide = Terms::new(lease, 1, 2).unwrap();
    assert_eq!((wide.wait(), wide.silence()), (3 * lease, 3 * lease));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Real time in units that keep everything whole: a clock with the pace p counts p in `of` of them.
    #[test]
    fn a_wait_outlasts_every_lease_from_before_it(
        micros in 1_u64..10_000_000,
        (parts, of) in (2_u32..2_000).prop_flat_map(|of| (0..of, Just(of))),
        holder in 0_u128..=1_000,
        waiter in 0_u128..=1_000,
    ) {
        let terms = Terms::new(Duration::from_micros(micros), parts, of).unwrap();
        let (slowest, fastest) = (u128::from(of - parts), u128::from(of + parts));
        let pace = |share: u128| slowest + (fastest - slowest) * share / 1_000;
        // A lease of `micros` at pace p takes micros / p; cross-multiplied, to stay exact.
        for (holder, waiter) in [(pace(holder), pace(waiter)), (slowest, fastest)] {
            prop_assert!(terms.wait().as_micros() * holder >= u128::from(micros) * waiter);
            prop_assert!(terms.silence().as_micros() * holder >= u128::from(micros) * waiter);
        }
        // And not much longer than it must be.
        prop_assert!((terms.wait().as_micros() - 1) * slowest < u128::from(micros) * fastest);
    }

    /// Whatever comes in whatever order, a lease is from before a renewal of this registration was sent.
    #[test]
    fn a_lease_is_never_longer_than_its_last_renewal_allows(steps in prop::collection::vec((0_u8..6, 0_u64..40), 1..60)) {
        let mut node = Node::new(TERMS, id(0), Revision(0));
        let (mut renewals, mut granted, mut now, mut ids) = (Vec::new(), Vec::new(), START, 0_u8);
        let mut newest: Option<Moment> = None;
        for (step, amount) in steps {
            now = now + LEASE * u32::try_from(amount).unwrap() / 40;
            match step {
                0 => node.registered(id(ids)),
                1 => if let Some(renewal) = node.renew(now) {
                    newest = Some(now);
                    renewals.push(renewal);
                },
                2 if !renewals.is_empty() => {
                    let renewal = renewals.swap_remove(usize::try_from(amount).unwrap() % renewals.len());
                    if let Renewed::ReadChanges(one) = node.renewed(renewal, 1) {
                        granted.push(one);
                    }
                }
                3 if !granted.is_empty() => node.grant(granted.swap_remove(0), Revision(amount)),
                4 if amount < 5 => {
                    ids += 1;
                    newest = None;
                    node.begin_again(id(ids));
                }
                5 if amount < 5 && !renewals.is_empty() => {
                    let struck = node.renewed(renewals.swap_remove(0), 0) == Renewed::StruckOut;
                    newest = newest.filter(|_| !struck);
                }
                _ => {}
            }
            let allowed = newest.and_then(|sent| LEASE.checked_sub(now.since(sent)?)).unwrap_or_default();
            prop_assert!(node.lease_left(now) <= allowed);
        }
    }
}
