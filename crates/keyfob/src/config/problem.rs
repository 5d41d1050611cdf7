//! What is wrong with a setting, where it came from, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file; line and column are one-based, the column counts characters.
    File {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
    /// The defaults and everything else together.
    Together,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}, line {line}, column {column}: ", path.display()),
            Self::Variable(name) => write!(f, "variable {name}: "),
            Self::Flag(name) => write!(f, "flag {name}: "),
            Self::Together => Ok(()),
        }
    }
}

/// A configuration that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{message}")]
pub struct ConfigProblem {
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong; names the key.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl ConfigProblem {
    /// Whether the command line itself is wrong (exit code 2), not what it refers to (exit code 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self.origin, Origin::Flag(_))
    }
}
