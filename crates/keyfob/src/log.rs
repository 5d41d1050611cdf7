//! Log set-up: to stderr, as text for people or one JSON object a line. Never logged: tokens, passwords, `Authorization`,
//! cookies, query strings, bodies; a token is named by its `jti`, a sign-in by a digest of its name.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};

/// Set up logging for the process. A second call changes nothing.
pub fn init(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match settings.log_format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
