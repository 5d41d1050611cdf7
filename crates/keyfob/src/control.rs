//! The control desk: how a command changes a store that one process owns (DESIGN §6). A command sends its intention to
//! the owner over `DIR/control.sock`; with no owner it takes `DIR/lock` and does the work itself. Either way the same
//! [`apply`] runs, and its outcome is told only after the change is acknowledged. Never listens on a network.

mod apply;
mod client;
mod desk;
mod hold;
mod intention;
mod listener;
mod moving;
mod outcome;
mod reach;
mod restore;
mod shown_once;
mod socket;
mod store;
mod wire;

#[cfg(test)]
mod tests;

pub use apply::apply;
pub(crate) use apply::decode;
pub use desk::{Acknowledge, AtOnce, Desk, HashPassword, Outlast};
pub use hold::{Hold, owner};
pub use intention::{ImportedUser, Intention, SessionChoice};
pub use listener::{Listening, listen};
pub use moving::{to_postgres, to_sqlite};
pub use outcome::{
    ApiKeyView, BackupView, BasicUserView, ClientView, Examination, FailedSignInsView, KeyView, MovedTableView,
    MovedView, NodeView, Outcome, PolicyView, Problem, RestoredView, SessionView, TableView, TokenView, UserView,
};
pub use reach::{carry_out, offline_desk};
pub use restore::{accept_shared, restore};
pub use shown_once::ShownOnce;
pub use store::{OpenStore, RootKeyFile, open, open_for, open_store, root_key_file};
