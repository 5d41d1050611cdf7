//! The route tree: matchit over decoded segments. One look-up finds the most specific path: at each segment a literal
//! goes before `{name}`, and `{name}` before `{*rest}`.
//!
//! matchit keeps one wildcard per place, so `/users/{id}` and `/users/{*rest}` cannot stand side by side in it. This
//! file closes the gap when the tree is built, never when a request is matched: where a `{name}` stands beside a
//! `{*rest}`, the latter moves one segment down, to `/users/{name}` and `/users/{name}/{*rest}`, unless a route of its
//! own is there. What is matched stays the same.

use std::collections::HashSet;

use matchit::{InsertError, Params, Router};

use super::pattern::{Pattern, Segment, shape, spell};

/// Finds the route that decides a path, as its index in the list the tree was built from.
pub(super) struct Tree {
    router: Router<usize>,
}

impl Tree {
    /// A tree that finds nothing.
    pub(super) fn empty() -> Self {
        Self { router: Router::new() }
    }

    /// The tree of these patterns, no two of one shape.
    pub(super) fn build(patterns: &[&Pattern]) -> Result<Self, InsertError> {
        let mut planting = Planting::new(patterns);
        for (index, pattern) in patterns.iter().enumerate() {
            match pattern.segments.split_last() {
                Some((Segment::Rest(_), prefix)) => planting.cover(prefix, index)?,
                _ => planting.insert(&pattern.segments, index)?,
            }
        }
        Ok(Self { router: planting.router })
    }

    /// The most specific route for `path`, and what its parameters hold.
    pub(super) fn find<'t, 'p>(&'t self, path: &'p str) -> Option<(usize, Params<'t, 'p>)> {
        let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty()).unwrap_or(path);
        self.router.at(bare).ok().map(|found| (*found.value, found.params))
    }
}

/// A tree being built.
struct Planting {
    router: Router<usize>,
    // Shapes that some route owns: those of the file, then those implied by a `{*rest}`.
    owned: HashSet<String>,
    // Shapes of prefixes below which a one-segment parameter stands.
    beside_parameter: HashSet<String>,
}

impl Planting {
    fn new(patterns: &[&Pattern]) -> Self {
        let mut beside_parameter = HashSet::new();
        for pattern in patterns {
            for (at, segment) in pattern.segments.iter().enumerate() {
                if matches!(segment, Segment::Parameter(_)) {
                    beside_parameter.insert(shape(&pattern.segments[..at]));
                }
            }
        }
        let owned = patterns.iter().map(|pattern| pattern.shape()).collect();
        Self { router: Router::new(), owned, beside_parameter }
    }

    /// Lets the route `index` decide everything at and below `prefix` that no more specific route decides.
    fn cover(&mut self, prefix: &[Segment], index: usize) -> Result<(), InsertError> {
        let mut prefix = prefix.to_vec();
        loop {
            if self.owned.insert(shape(&prefix)) {
                self.insert(&prefix, index)?;
            }
            if !self.beside_parameter.contains(&shape(&prefix)) {
                prefix.push(Segment::Rest("rest".into()));
                return self.insert(&prefix, index);
            }
            // No name in a file can begin with `.`, so this one is never an owner's.
            prefix.push(Segment::Parameter(format!(".{}", prefix.len()).into()));
            let below = [prefix.as_slice(), &[Segment::Rest("rest".into())]].concat();
            if self.owned.contains(&shape(&below)) {
                return Ok(());
            }
        }
    }

    fn insert(&mut self, segments: &[Segment], index: usize) -> Result<(), InsertError> {
        self.router.insert(spell(segments), index)
    }
}

#[cfg(test)]
mod tests;
