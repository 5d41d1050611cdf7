//! Measures keyfob beside what the same machine does without it: a bare hyper server, a bare proxy, nginx, the bare
//! cryptography, a disk that costs nothing; and npm oidc-provider. All in one run, in interleaved rounds, as ratios. Speaks to loopback only, picks free ports, and ends
//! what it starts. Nothing here is part of the program.

pub mod cache;
pub mod capacity;
pub mod chains;
#[expect(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "the store's own tests use all of it")]
#[path = "../../crates/store/src/postgres/tests/cluster.rs"]
pub(crate) mod cluster;
pub mod decision;
pub mod doors;
pub mod figure;
pub mod flood;
pub mod follow;
pub mod group_commit;
pub mod house;
pub mod introspect;
pub mod latencies;
pub mod load;
pub mod login;
pub mod memory;
pub mod place;
pub mod postgres;
pub mod process;
pub mod refresh;
pub mod sessions;
pub mod statistics;
pub mod steps;
pub mod wire;
pub mod wrk;

/// What a measurement comes to; any failure ends the section and is printed.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
