//! One value of a setting, and the readings it allows. Every reading returns `None` for what it does not take: the
//! caller knows the key and says what it takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Network;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// A word from a variable or a flag: any type may be read from it.
    Word(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Number(i64),
    /// A TOML boolean.
    Truth(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// Any other TOML type.
    Other(&'static str),
}

/// A value, and the folder that its relative paths start from.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) raw: Raw,
    pub(super) base: PathBuf,
}

impl Value {
    /// A text that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.raw {
            Raw::Word(text) | Raw::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A path; a relative one in a file starts from the file's own folder, elsewhere from the working directory.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.text().map(|text| self.base.join(text))
    }

    pub(super) fn number(&self, min: u64, max: u64) -> Option<u64> {
        let number = match &self.raw {
            Raw::Number(number) => u64::try_from(*number).ok()?,
            Raw::Word(text) => digits(text)?,
            _ => return None,
        };
        (min..=max).contains(&number).then_some(number)
    }

    /// A number that is a count of things in memory.
    pub(super) fn count(&self, min: usize, max: usize) -> Option<usize> {
        usize::try_from(self.number(min as u64, max as u64)?).ok()
    }

    pub(super) fn count32(&self, min: u32, max: u32) -> Option<u32> {
        u32::try_from(self.number(min.into(), max.into())?).ok()
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match &self.raw {
            Raw::Truth(truth) => Some(*truth),
            Raw::Word(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A length of time such as `30s`, `15m`, `500ms`, `2h`, `7d`, within bounds.
    pub(super) fn duration(&self, min: Duration, max: Duration) -> Option<Duration> {
        duration(self.text()?).filter(|length| (min..=max).contains(length))
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.text()?.parse().ok()
    }

    /// A list: a TOML array of strings, or a word with commas.
    pub(super) fn list(&self) -> Option<Vec<&str>> {
        match &self.raw {
            Raw::List(items) => Some(items.iter().map(String::as_str).collect()),
            Raw::Word(text) if text.is_empty() => Some(Vec::new()),
            Raw::Word(text) => Some(text.split(',').map(str::trim).collect()),
            _ => None,
        }
    }

    /// The value for a message; a wrong type by its name.
    pub(super) fn shown(&self) -> String {
        match &self.raw {
            Raw::Word(text) | Raw::Text(text) => format!("`{}`", text.escape_debug()),
            Raw::Number(number) => format!("`{number}`"),
            Raw::Truth(truth) => format!("`{truth}`"),
            Raw::List(items) => format!("`{}`", items.join(", ").escape_debug()),
            Raw::Other(kind) => (*kind).to_owned(),
        }
    }
}

/// An `http` or `https` origin (RFC 6454 §4) in its canonical spelling: lower case, no default port, no slash.
pub(crate) fn origin(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let authority = uri.authority()?;
    let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/" || rest.as_str().is_empty());
    // `http::Uri` drops a fragment without a word, and user information must never be in an origin.
    if !bare || text.contains(['#', '@']) || authority.host().is_empty() {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // A port that is there but is no number, as in `http://host:`, has no place in an origin.
    let port = authority.as_str().len() > authority.host().len();
    match (port, authority.port_u16()) {
        (true, None | Some(0)) => None,
        (true, Some(port)) if port != default => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

/// A length of time: a whole number and a unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number = digits(number)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// An address range in CIDR notation, or one address. Bits after the prefix must be zero: `10.0.0.1/8` is a mistake.
pub(super) fn network(text: &str) -> Option<Network> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, Some(digits(length)?)),
        None => (text.parse().ok()?, None),
    };
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let prefix_length = u8::try_from(length.unwrap_or(width)).ok().filter(|length| u64::from(*length) <= width)?;
    let rest = bits.checked_shl(prefix_length.into()).unwrap_or(0);
    (rest == 0).then_some(Network { address, prefix_length })
}

/// A decimal number without a sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
