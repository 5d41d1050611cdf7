//! Reads what this process was given: the configuration file, its environment, its flags.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::{Common, say};
use crate::config::{Settings, Sources, load};

/// A flag that sets a key: the key, the flag, its value if it was given.
pub(super) type Flag = (&'static str, &'static str, Option<String>);

/// Bytes of a configuration file: real ones are a few hundred.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Common {
    /// The settings of this process.
    pub(super) fn settings(&self, flags: Vec<Flag>) -> Result<Settings, Failure> {
        let data: Flag = ("data", "--data", self.data.clone());
        let given = std::iter::once(data).chain(flags);
        let sources = Sources {
            file: self.file()?,
            variables: variables()?,
            flags: given.filter_map(|(key, flag, value)| Some((key, flag, value?))).collect(),
        };
        let loaded = load(&sources)?;
        for warning in &loaded.warnings {
            say::warning(warning);
        }
        Ok(loaded.settings)
    }

    fn file(&self) -> Result<Option<(PathBuf, String)>, Failure> {
        let named = self.config.clone().or_else(|| std::env::var_os("KEYFOB_CONFIG").map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None if Path::new("keyfob.toml").exists() => PathBuf::from("keyfob.toml"),
            None => return Ok(None),
        };
        let text = read_text(&path, FILE_BYTES_MAX)?;
        Ok(Some((path, text)))
    }
}

/// A text file that somebody named.
pub(super) fn read_text(path: &Path, most: u64) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |cause: std::io::Error| Failure::failed(format!("cannot read {}: {cause}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(Failure::failed(format!("{} has more than {most} bytes", path.display())));
    }
    String::from_utf8(bytes).map_err(|_| Failure::failed(format!("{} is not UTF-8 text", path.display())))
}

fn variables() -> Result<Vec<(String, String)>, Failure> {
    let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"KEYFOB_"));
    ours.map(|(name, value)| {
        let name = name.to_string_lossy().into_owned();
        let value = value.into_string().map_err(|_| Failure::failed(format!("variable {name} is not UTF-8 text")))?;
        Ok((name, value))
    })
    .collect()
}
