//! An installation of many nodes on one store (DESIGN §6), made of the very machines of [`keyfob_core::lease`] that the
//! program runs, with a store, caches, clocks and a network that are as bad as they may be.
//!
//! `tests/exhaustive` looks at every interleaving within small bounds, `tests/simulation` at larger installations, seed by seed.
//! Both are run with each [`Flaw`] too, and must notice it. No part of the program; knows no database and no socket.

pub mod cache;
pub mod flaw;
pub mod guard;
pub mod store;

pub use cache::{Cache, Fill};
pub use flaw::Flaw;
pub use guard::{Guard, Next};
pub use store::{Store, Value};
