//! keyfob, the program: `cli` -> `serve` -> `http` | `gateway` -> `app`.
//!
//! [`config`] turns file, variables and flags into [`config::Settings`]; [`serve`] wires an [`app::App`] and listens;
//! [`http`] answers keyfob's own endpoints and [`gateway`] forwards what was permitted; [`verify`] turns a token into
//! evidence, [`feed`] makes the cache forget what changed; [`control`] lets commands reach a running server.

pub mod app;
pub mod body;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod desk;
pub mod failed_signatures;
pub mod feed;
pub mod gateway;
pub mod hashing;
pub mod http;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod rotation;
pub mod serve;
pub mod verify;
