//! Where a shared database is. The password has a file of its own and joins the URL only when that is used: a setting is seen
//! by whoever sees the process list, the environment or the file.

use std::fs;
use std::path::PathBuf;

use keyfob_core::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A PostgreSQL database that several nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Where it is, without a password.
    pub url: String,
    /// Where it is past a pooler, for what needs a connection of its own: the lease and the feed.
    pub direct: Option<String>,
    /// The file with nothing but the password.
    pub password: Option<PathBuf>,
    /// Connections of this node at most (16; 1 to 1,000), beside the three of the lease and the feed.
    pub connections: usize,
}

impl Database {
    /// The URLs with the password in them.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn urls(&self) -> Result<(Secret, Option<Secret>), String> {
        let password = match &self.password {
            None => None,
            Some(file) => {
                let text =
                    fs::read_to_string(file).map_err(|cause| format!("cannot read {}: {cause}", file.display()))?;
                Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        };
        let with = |url: &str| with_password(url, password.as_ref());
        Ok((with(&self.url), self.direct.as_deref().map(with)))
    }
}

fn with_password(url: &str, password: Option<&Secret>) -> Secret {
    let Some(password) = password else { return Secret::new(url.to_owned()) };
    let encoded = utf8_percent_encode(password.expose(), NON_ALPHANUMERIC);
    Secret::new(match url.split_once('@') {
        Some((user, rest)) => format!("{user}:{encoded}@{rest}"),
        None => url.replacen("://", &format!("://:{encoded}@"), 1),
    })
}

/// A URL without a password.
pub(super) fn url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))?;
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = base.split_once('@').map_or("", |(user, _)| user);
    let plain = !user.contains(':') && query.split('&').all(|pair| !pair.starts_with("password="));
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_in_it_is_no_setting() {
        for fine in
            ["postgres://k@db.example.com/k", "postgresql://%2Frun%2Fpg/k?sslmode=disable", "postgres://db:5432/k"]
        {
            assert_eq!(url(fine).as_deref(), Some(fine));
        }
        for wrong in ["postgres://k:secret@db/k", "postgres://k@db/k?a=b&password=secret", "mysql://k@db/k", "db"] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_password_of_its_file_joins_the_url_and_is_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        fs::write(&file, "p@ss/word?\n").expect("written");
        let url =
            |url: &str| Database { url: url.to_owned(), direct: None, password: Some(file.clone()), connections: 1 };
        let (with, _) = url("postgres://k@db/k").urls().expect("read");
        assert_eq!(with.expose(), "postgres://k:p%40ss%2Fword%3F@db/k");
        assert_eq!(url("postgres://db/k").urls().expect("read").0.expose(), "postgres://:p%40ss%2Fword%3F@db/k");
        assert!(!format!("{with:?}").contains("word"));
    }
}
