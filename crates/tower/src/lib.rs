//! keyfob-tower guards other people's axum and tower services.

pub mod body;
pub mod cache;
pub mod guard;
pub mod identity;
pub mod layer;
pub mod local;
pub mod refusal;
