//! One shard against a plain map: whatever the order of operations, what it holds is right, and nothing is unreachable.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Key, Shard, mix};

const CAPACITY: usize = 40;

/// Keys of which many share all their bits, so that probes run long and tags do not tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Crowded(u8);

impl Key for Crowded {
    fn bits(&self) -> u64 {
        u64::from(self.0 % 5)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u32),
    Remove(u8),
    Look(u8),
    Empty,
}

fn steps(keys: u8) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..keys, any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => (0..keys).prop_map(Step::Remove),
        4 => (0..keys).prop_map(Step::Look),
        1 => Just(Step::Empty),
    ];
    prop::collection::vec(step, 0..300)
}

fn run(steps: Vec<Step>) -> (Shard<Crowded, u32>, HashMap<Crowded, u32>) {
    let (mut shard, mut oracle) = (Shard::new(CAPACITY), HashMap::new());
    for step in steps {
        match step {
            Step::Insert(key, value) => {
                shard.insert(Crowded(key), mix(Crowded(key).bits()), value);
                oracle.insert(Crowded(key), value);
            }
            Step::Remove(key) => {
                if let Some((bucket, slot)) = find(&shard, key) {
                    shard.remove(bucket, slot);
                }
                oracle.remove(&Crowded(key));
            }
            Step::Look(key) => {
                if let Some((_, slot)) = find(&shard, key) {
                    shard.seen[slot] = true;
                }
            }
            Step::Empty => {
                shard.empty();
                oracle.clear();
            }
        }
    }
    (shard, oracle)
}

fn find(shard: &Shard<Crowded, u32>, key: u8) -> Option<(usize, usize)> {
    shard.find(&Crowded(key), mix(Crowded(key).bits()))
}

proptest! {
    #[test]
    fn without_eviction_a_shard_is_a_map(steps in steps(40)) {
        let (shard, oracle) = run(steps);
        prop_assert_eq!(shard.slots.iter().copied().collect::<HashMap<_, _>>(), oracle.clone());
        for key in 0..40 {
            let found = find(&shard, key).map(|(_, slot)| shard.slots[slot].1);
            prop_assert_eq!(found, oracle.get(&Crowded(key)).copied());
        }
    }

    #[test]
    fn with_eviction_it_holds_at_most_its_capacity_and_never_a_wrong_value(steps in steps(120)) {
        let (shard, oracle) = run(steps);
        prop_assert!(shard.slots.len() <= CAPACITY && shard.slots.len() <= oracle.len());
        prop_assert_eq!(shard.seen.len(), shard.slots.len());
        prop_assert_eq!(shard.index.iter().filter(|entry| **entry != 0).count(), shard.slots.len());
        for (key, value) in &shard.slots {
            prop_assert_eq!(Some(value), oracle.get(key));
            prop_assert!(find(&shard, key.0).is_some());
        }
    }
}

#[test]
fn an_entry_that_is_used_survives_a_flood_of_new_ones() {
    let mut shard: Shard<Crowded, u32> = Shard::new(CAPACITY);
    for key in 0..=255 {
        shard.insert(Crowded(key), mix(Crowded(key).bits()), 0);
        if let Some((_, slot)) = find(&shard, 0) {
            shard.seen[slot] = true;
        }
    }
    assert!(find(&shard, 0).is_some());
    assert_eq!(shard.slots.len(), CAPACITY);
}

#[test]
fn memory_grows_with_use_and_never_past_the_capacity() {
    let mut shard: Shard<Crowded, u32> = Shard::new(CAPACITY);
    assert_eq!(shard.slots.capacity() + shard.index.capacity(), 0);
    for key in 0..=255 {
        shard.insert(Crowded(key), mix(Crowded(key).bits()), 0);
    }
    assert_eq!(shard.slots.capacity(), CAPACITY);
    assert_eq!(shard.index.len(), CAPACITY * 5 / 4 + 1);
}
