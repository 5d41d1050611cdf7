//! keyfob, the program: `cli` -> `serve` -> `front` -> `http` | `gateway` -> `app`.
//!
//! [`config`] turns file, variables and flags into [`config::Settings`]; [`serve`] wires an [`app::App`] and listens;
//! `front` looks whose a path is, [`http`] answers keyfob's own endpoints and [`gateway`] forwards what was permitted; [`verify`] turns a token into
//! evidence, [`feed`] makes the cache forget what changed; [`control`] lets commands reach a running server.

pub mod app;
pub mod attempt;
pub mod basic;
pub mod body;
pub mod cli;
mod client;
pub mod clock;
pub mod config;
pub mod control;
mod cors;
pub mod desk;
pub mod failed_signatures;
pub mod feed;
pub mod following;
pub mod framing;
mod front;
pub mod gateway;
pub mod hashing;
mod htpasswd;
pub mod http;
pub mod key_uses;
pub mod keys;
pub mod log;
mod looks_secret;
pub mod metadata;
pub mod metrics;
mod new_key;
pub mod node;
mod one_reading;
pub mod peers;
mod reply;
mod request_id;
pub mod rotation;
mod sabotage;
pub mod serve;
pub mod skew;
pub mod verify;
