//! The locks of the cache: the standard library's, or shuttle's in this crate's own tests, where a model check runs
//! the same code under every interleaving it is given. Nothing else of the crate differs between the two.

#[cfg(not(test))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(test))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(test)]
pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
#[cfg(test)]
pub(super) use shuttle::sync::{Mutex, MutexGuard};
