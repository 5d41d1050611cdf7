//! A bounded map with CLOCK eviction, split into shards, that refuses a late fill.
//!
//! Each shard counts the invalidations it has seen: its generation. A look-up that misses returns the generation it
//! saw under the shard's lock; a fill is accepted under the same lock only if no invalidation came between. So there
//! is no placeholder that could get stuck, and nobody joins the fill of another.
//!
//! Entries lie in one dense array; an index of four bytes a bucket (16 bits of slot, 16 bits of hash) finds them. Both
//! grow with use and never past the bound. Never reads a clock, never runs foreign code under a lock but the two
//! closures its callers in this crate pass.

use std::sync::PoisonError;

use super::sync::{Mutex, MutexGuard};

/// Shards of a large map: enough that two cores seldom want the same lock.
const SHARDS: usize = 64;
/// A map smaller than this many entries for each shard takes fewer shards.
const SHARD_ENTRIES_MIN: usize = 1024;
/// Entries of one shard at most: a slot number and one must fit 16 bits.
const SHARD_ENTRIES_MAX: usize = 0xFFFE;
/// Buckets of the index for each four entries: linear probing stays short up to this load of 80 %.
const BUCKETS_PER_FOUR: usize = 5;
/// First allocation of a shard, in entries.
const FIRST_ENTRIES: usize = 16;

/// What can be looked up. Keys hold random bits that no client chooses, so their mix needs no secret.
pub(super) trait Key: Copy + Eq {
    /// 64 bits of the key that differ from key to key.
    fn bits(&self) -> u64;
}

/// How many invalidations a shard had seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// The map.
pub(super) struct ClockMap<K, V> {
    shards: Box<[Aligned<K, V>]>,
}

// Two cache lines, so that neighbours do not take each other's locks along.
#[repr(align(128))]
struct Aligned<K, V>(Mutex<Shard<K, V>>);

impl<K: Key, V: Clone> ClockMap<K, V> {
    /// A map of at most `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        let mut shards = (capacity / SHARD_ENTRIES_MIN).next_power_of_two().clamp(1, SHARDS);
        while capacity / shards > SHARD_ENTRIES_MAX {
            shards *= 2;
        }
        let each = capacity / shards;
        Self { shards: (0..shards).map(|_| Aligned(Mutex::new(Shard::new(each)))).collect() }
    }

    /// The value of `key` if there is one and it is `usable`, else the generation for a fill that begins now.
    pub(super) fn look(&self, key: &K, usable: impl FnOnce(&V) -> bool) -> Result<V, Generation> {
        let hash = mix(key.bits());
        let mut shard = self.lock(hash);
        match shard.find(key, hash) {
            Some((_, slot)) if usable(&shard.slots[slot].1) => {
                shard.seen[slot] = true;
                Ok(shard.slots[slot].1.clone())
            }
            _ => Err(shard.generation),
        }
    }

    /// Keep `value` if `valid` says so of the shard's generation, asked under its lock.
    pub(super) fn remember(&self, key: K, value: V, valid: impl FnOnce(Generation) -> bool) {
        let hash = mix(key.bits());
        let mut shard = self.lock(hash);
        // The sabotaged build lets a late fill through: the model check must notice.
        if valid(shard.generation) || cfg!(feature = "sabotage") {
            shard.insert(key, hash, value);
        }
    }

    /// Drop an entry that has run out. No fact changed, so fills that are under way stay valid.
    pub(super) fn discard(&self, key: &K, stale: impl FnOnce(&V) -> bool) {
        let hash = mix(key.bits());
        let mut shard = self.lock(hash);
        if let Some((bucket, slot)) = shard.find(key, hash)
            && stale(&shard.slots[slot].1)
        {
            shard.remove(bucket, slot);
        }
    }

    /// Forget one entry, and refuse the fills of its shard that are under way.
    pub(super) fn forget(&self, key: &K) {
        let hash = mix(key.bits());
        let mut shard = self.lock(hash);
        shard.generation.0 += 1;
        if let Some((bucket, slot)) = shard.find(key, hash) {
            shard.remove(bucket, slot);
        }
    }

    /// Forget everything, and refuse all fills that are under way.
    pub(super) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            shard.empty();
        }
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard<K, V>> {
        let at = usize::from(low16(hash)) & (self.shards.len() - 1);
        self.shards[at].0.lock().unwrap_or_else(|poisoned| {
            // A panic left the shard half changed: it remembers nothing from now on, which is slow and safe.
            let mut shard = poisoned.into_inner();
            shard.empty();
            shard
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().unwrap().slots.len()).sum()
    }
}

struct Shard<K, V> {
    generation: Generation,
    capacity: usize,
    hand: usize,
    slots: Vec<(K, V)>,
    // Whether a slot was looked up since the hand last passed: CLOCK's second chance.
    seen: Vec<bool>,
    // Zero, or a tag of the hash in the upper and slot + 1 in the lower half. Linear probing, no tombstones.
    index: Vec<u32>,
}

impl<K: Key, V> Shard<K, V> {
    fn new(capacity: usize) -> Self {
        Self { generation: Generation(0), capacity, hand: 0, slots: Vec::new(), seen: Vec::new(), index: Vec::new() }
    }

    fn empty(&mut self) {
        let generation = Generation(self.generation.0 + 1);
        *self = Self { generation, ..Self::new(self.capacity) };
    }

    /// Bucket and slot of a key.
    fn find(&self, key: &K, hash: u64) -> Option<(usize, usize)> {
        if self.index.is_empty() {
            return None;
        }
        let mut bucket = home(hash, self.index.len());
        loop {
            let entry = self.index[bucket];
            if entry == 0 {
                return None;
            }
            if entry >> 16 == tag(hash) && self.slots[slot_of(entry)].0 == *key {
                return Some((bucket, slot_of(entry)));
            }
            bucket = self.after(bucket);
        }
    }

    fn insert(&mut self, key: K, hash: u64, value: V) {
        if let Some((_, slot)) = self.find(&key, hash) {
            self.slots[slot].1 = value;
        } else if self.slots.len() < self.capacity {
            self.make_room();
            self.slots.push((key, value));
            self.seen.push(false);
            self.place(hash, self.slots.len() - 1);
        } else if self.capacity > 0 {
            let slot = self.evict();
            self.slots[slot] = (key, value);
            self.place(hash, slot);
        }
    }

    /// Free the slot of an entry that was not looked up lately, and say which. At most one turn and one step.
    fn evict(&mut self) -> usize {
        loop {
            let slot = self.hand;
            self.hand = (slot + 1) % self.slots.len();
            if !std::mem::take(&mut self.seen[slot]) {
                let key = self.slots[slot].0;
                if let Some((bucket, _)) = self.find(&key, mix(key.bits())) {
                    self.vacate(bucket);
                }
                return slot;
            }
        }
    }

    fn remove(&mut self, bucket: usize, slot: usize) {
        self.vacate(bucket);
        let last = self.slots.len() - 1;
        if slot != last {
            let (key, hash) = (self.slots[last].0, mix(self.slots[last].0.bits()));
            if let Some((moved, _)) = self.find(&key, hash) {
                self.index[moved] = entry(hash, slot);
            }
        }
        self.slots.swap_remove(slot);
        self.seen.swap_remove(slot);
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
    }

    fn place(&mut self, hash: u64, slot: usize) {
        let mut bucket = home(hash, self.index.len());
        while self.index[bucket] != 0 {
            bucket = self.after(bucket);
        }
        self.index[bucket] = entry(hash, slot);
    }

    /// Empty a bucket and close the gap, so that every entry stays reachable from its home without a tombstone.
    fn vacate(&mut self, mut hole: usize) {
        let buckets = self.index.len();
        let mut bucket = self.after(hole);
        while self.index[bucket] != 0 {
            let key = &self.slots[slot_of(self.index[bucket])].0;
            let wanted = home(mix(key.bits()), buckets);
            let distance = |from: usize| (bucket + buckets - from) % buckets;
            if distance(wanted) >= distance(hole) {
                self.index[hole] = self.index[bucket];
                hole = bucket;
            }
            bucket = self.after(bucket);
        }
        self.index[hole] = 0;
    }

    /// Grow by half, never past the capacity, when the next entry would not fit.
    fn make_room(&mut self) {
        let len = self.slots.len();
        if len < self.slots.capacity() && len < self.seen.capacity() {
            return;
        }
        let more = (len / 2).max(FIRST_ENTRIES).min(self.capacity - len);
        self.slots.reserve_exact(more);
        self.seen.reserve_exact(more);
        // One bucket more than entries at least, so that every probe ends.
        self.index = vec![0; (len + more) * BUCKETS_PER_FOUR / 4 + 1];
        for slot in 0..len {
            self.place(mix(self.slots[slot].0.bits()), slot);
        }
    }

    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.index.len() { 0 } else { bucket + 1 }
    }
}

/// Spreads the bits of a key over all 64 (the finaliser of `MurmurHash3`).
fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

// Three disjoint parts of a hash: the low 16 bits choose the shard, the next 16 are the tag, the upper 32 the bucket.

#[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are what is meant")]
fn low16(bits: u64) -> u16 {
    bits as u16
}

fn tag(hash: u64) -> u32 {
    u32::from(low16(hash >> 16))
}

fn home(hash: u64, buckets: usize) -> usize {
    // Scales 32 bits to the range without a division; `buckets` is far below 2^32.
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a slot is at most SHARD_ENTRIES_MAX")]
fn entry(hash: u64, slot: usize) -> u32 {
    (tag(hash) << 16) | (slot as u32 + 1)
}

fn slot_of(entry: u32) -> usize {
    (entry & 0xFFFF) as usize - 1
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
