//! Whether a text that was given for something else, such as an id or a path, holds one of our secrets or a token: then it is
//! repeated in no message and no log (RFC 6750 §5.3). Knows shapes only, never a secret.

/// Whether there is something in it that begins like one: `fob_…`, or the `eyJ….` of a JWT.
pub(crate) fn looks_secret(text: &str) -> bool {
    text.contains("fob_") || text.split_once("eyJ").is_some_and(|(_, rest)| rest.contains('.'))
}
