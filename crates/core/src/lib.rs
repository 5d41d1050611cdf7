//! keyfob-core decides. It holds every rule of keyfob and none of its machinery.
//!
//! A caller presents a bearer token ([`bearer`]); the token is an RFC 9068 JWT ([`access_token`]) signed with a
//! [`signing_key`]; it names a [`user`] and a [`session`]; the [`policy`] says what the user may do, and
//! [`policy::decide`] is the one function that answers.
//!
//! Pure: no async runtime, clock, randomness, network, SQL or HTTP framework. Time and randomness are arguments.

pub mod access_token;
pub mod api_key;
pub mod assertion;
pub mod basic;
pub mod bearer;
pub mod change;
pub mod client;
pub mod follow;
pub mod id;
pub mod lease;
pub mod opaque;
pub mod password;
pub mod policy;
pub mod refresh;
pub mod refusal;
pub mod rotation;
pub mod scope;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod throttle;
pub mod time;
pub mod user;

pub use aws_lc_rs::rand::SecureRandom;
