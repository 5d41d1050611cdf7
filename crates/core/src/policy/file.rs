//! Reads a policy file: TOML with `default`, `[roles]` and `[[routes]]`, unknown keys refused. Only its shape is judged
//! here; what it means is judged in `compile`, which uses the spans kept here to name line and column.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

/// Longest policy file, in bytes. Ten thousand routes are near 1 MB; more is a mistake or an attack.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A policy file that is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyProblem {
    /// One-based.
    pub line: usize,
    /// One-based, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl PolicyProblem {
    /// The problem `message` at the place in `text` where `span` begins.
    pub(super) fn at(text: &str, span: &Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: line_of(text, span), column: before[line_start..].chars().count() + 1, message: message.into() }
    }
}

/// The one-based line on which `span` begins.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).unwrap_or(text).bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// A policy file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) roles: BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) routes: Vec<Block>,
}

/// One `[[routes]]` block as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Block {
    pub(super) path: Spanned<String>,
    pub(super) methods: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) require: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) any_of: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) or_scope: Option<Spanned<String>>,
    pub(super) public: Option<Spanned<bool>>,
    pub(super) signed_in: Option<Spanned<bool>>,
    pub(super) owner: Option<Spanned<String>>,
    pub(super) owner_username: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) websocket: bool,
    #[serde(default)]
    pub(super) forward_authorization: bool,
    #[serde(default)]
    pub(super) encoded_slash: bool,
    pub(super) assertion: Option<Spanned<String>>,
    pub(super) basic: Option<Spanned<String>>,
    pub(super) cors: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) deny: Option<Spanned<i64>>,
}

/// Read TOML of a known shape.
///
/// # Errors
/// [`PolicyProblem`] for a file that is too long, is no TOML, or has a key that is unknown, missing or of another type.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, PolicyProblem> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is longer than {FILE_BYTES_MAX} bytes: merge routes that share a path");
        return Err(PolicyProblem::at(text, &(0..0), message));
    }
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        PolicyProblem::at(text, &span, error.message())
    })
}
