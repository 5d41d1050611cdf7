//! Followers (DESIGN §6): services in other processes that keep what a node's guards know of denials, and so refuse what
//! was revoked without asking anybody for each request. A follower is one more that confirms, one step further out.
//! Pure: every moment is an argument.
//!
//! The promise (G1): once a denial is acknowledged, no request that starts later is allowed by any follower.
//!
//! 1. A follower asks its node again and again, each time saying up to which revision it has applied all changes; the
//!    answer has those after that. It decides from its [`Memory`] only while it holds a **lease**, which each answer gives anew: what is
//!    left of the node's own (a whole one, where the node needs none), counted from before the follower had asked.
//! 2. So a lease ends before the node's would, and was given together with every change that the node had applied.
//! 3. The node keeps for each follower which leases it gave with which revision ([`Followers`]), and says that it has applied a change only
//!    when every follower has confirmed it, or the leases that were given without it have run out.
//! 4. What a token says of its holder was so at its `rev` ([`crate::access_token::Profile::sign_at`]). A follower that
//!    knows of a later change of that user, client or policy takes the token for worth nothing, and its client gets another.
//!
//! Never reads a clock, never speaks to anybody, never compares moments of two machines.

mod followers;
mod memory;
#[cfg(test)]
mod tests;
mod wire;

pub use followers::{Followers, Full, PER_CLIENT_MAX, TOTAL_MAX};
pub use memory::{Memory, Minted};
pub use wire::{Answer, Denial};
