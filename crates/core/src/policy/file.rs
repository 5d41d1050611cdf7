//! Reads a policy file: TOML with `default`, `[roles]` and `[[routes]]`, unknown keys refused.

/// A policy file that is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyProblem {
    /// One-based.
    pub line: usize,
    /// One-based.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}
