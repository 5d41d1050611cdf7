//! The tables that every backend has, as they move from one to another: their columns, by what a row is known, and the order in
//! which they can be filled. What a backend keeps for itself (its steps, its nodes, the mark of a move) is not here.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Number,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

use Kind::{Bytes, Number, Text};

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// How many of its first columns are its key.
    pub(crate) key: usize,
    /// Whether rows of other tables refer to its rows: then a row that changed must stay while it changes.
    pub(crate) referenced: bool,
    /// Its columns.
    pub(crate) columns: &'static [(&'static str, Kind)],
}

impl Table {
    /// Its columns as SQL.
    pub(crate) fn column_list(&self) -> String {
        list(self.columns)
    }

    /// The columns of its key as SQL.
    pub(crate) fn key_list(&self) -> String {
        list(&self.columns[..self.key])
    }
}

/// Columns as SQL.
pub(crate) fn list(columns: &[(&str, Kind)]) -> String {
    columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

const fn table(name: &'static str, key: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, key, referenced: false, columns }
}

const fn referenced(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, key: 1, referenced: true, columns }
}

/// All of them. A table stands after those that it refers to.
pub(crate) const TABLES: &[Table] = &[
    table(
        "meta",
        1,
        &[
            ("only", Number),
            ("incarnation", Bytes),
            ("root_key_check", Bytes),
            ("revision", Number),
            ("public_url", Text),
            ("restored_at", Number),
            ("backed_up_at", Number),
        ],
    ),
    referenced(
        "users",
        &[
            ("id", Bytes),
            ("username", Text),
            ("account", Bytes),
            ("password", Text),
            ("status", Text),
            ("roles", Text),
            ("auth_version", Number),
            ("created_at", Number),
        ],
    ),
    referenced(
        "sessions",
        &[
            ("id", Bytes),
            ("user", Bytes),
            ("created_at", Number),
            ("expires_at", Number),
            ("ended_at", Number),
            ("client_name", Text),
            ("address", Text),
            ("scope", Text),
            ("used_at", Number),
        ],
    ),
    table(
        "refresh_tokens",
        1,
        &[("digest", Bytes), ("session", Bytes), ("used_at", Number), ("successor", Bytes), ("sealed", Bytes)],
    ),
    table(
        "api_keys",
        1,
        &[
            ("id", Bytes),
            ("user", Bytes),
            ("digest", Bytes),
            ("incarnation", Bytes),
            ("name", Text),
            ("scope", Text),
            ("created_at", Number),
            ("expires_at", Number),
            ("revoked_at", Number),
            ("used_at", Number),
        ],
    ),
    table(
        "clients",
        1,
        &[
            ("id", Bytes),
            ("name", Text),
            ("secret", Bytes),
            ("scope", Text),
            ("status", Text),
            ("session", Bytes),
            ("created_at", Number),
            ("by_restore", Number),
        ],
    ),
    table(
        "attempts",
        1,
        &[
            ("id", Bytes),
            ("account", Bytes),
            ("address", Bytes),
            ("at", Number),
            ("failed", Number),
            ("unknown", Number),
        ],
    ),
    table(
        "throttles",
        1,
        &[
            ("account", Bytes),
            ("consecutive", Number),
            ("failed_at", Number),
            ("unknown", Number),
            ("locked_at", Number),
        ],
    ),
    table(
        "failed_sign_ins",
        3,
        &[
            ("user", Bytes),
            ("hour", Number),
            ("network", Text),
            ("count", Number),
            ("first_at", Number),
            ("last_at", Number),
        ],
    ),
    table(
        "signing_keys",
        1,
        &[
            ("kid", Text),
            ("algorithm", Text),
            ("wrapped", Bytes),
            ("published_at", Number),
            ("stage", Text),
            ("stage_at", Number),
            ("token_life", Number),
        ],
    ),
    table("policies", 1, &[("version", Number), ("text", Text), ("applied_at", Number)]),
    table("changes", 1, &[("revision", Number), ("kind", Text), ("id", Bytes), ("at", Number)]),
    table(
        "audit",
        1,
        &[("sequence", Number), ("at", Number), ("event", Text), ("actor", Text), ("subject", Text), ("detail", Text)],
    ),
    table("basic_uses", 1, &[("user", Bytes), ("first_at", Number), ("last_at", Number), ("network", Text)]),
];
