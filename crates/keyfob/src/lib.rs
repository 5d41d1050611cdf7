//! keyfob, the program: `cli` -> `serve` -> `http` | `gateway` -> `app`.

pub mod body;
pub mod clock;
pub mod config;
pub mod control;
