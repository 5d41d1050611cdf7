//! What is asked: method, host and raw target (RFC 9112 §3.2), judged once on decoded segments. The bytes forwarded are
//! the bytes judged, so this value is built once and travels inside the [`super::Permit`]. Never tidies a path: what two
//! readers could read in two ways is refused. The query is never judged and never changed.

use percent_encoding::percent_decode_str;

/// Longest method, in bytes. The longest registered one (`UPDATEREDIRECTREF`) has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// Longest host, in bytes: a DNS name of 253, a colon and a port, with room for a bracketed address.
pub const HOST_BYTES_MAX: usize = 262;

/// Longest target, path and query together, in bytes: RFC 9110 §4.1 asks for 8,000 at least. It also bounds matching.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// One request to judge. Owns the exact method, host and target.
///
/// ```
/// use keyfob_core::policy::Ask;
///
/// let ask = Ask::parse("GET", "api.example.com", b"/reports/caf%C3%A9?year=2026").expect("one reading");
/// assert_eq!(ask.path(), "/reports/café");
/// assert_eq!(ask.target(), "/reports/caf%C3%A9?year=2026");
///
/// assert!(Ask::parse("GET", "", b"/public/%2e%2e/admin").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    method: Box<str>,
    host: Box<str>,
    target: Box<str>,
    // Decoded path segments for matching; `None` when the raw path needs no decoding.
    decoded: Option<Box<str>>,
    path_len: usize,
    keeps_escapes: bool,
}

/// A target that two readers could read in two ways: dot segments, empty inner segments, `;`, `\`, an encoded `/`,
/// `\`, `%` or NUL, a fragment, invalid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request path is ambiguous")]
pub struct AmbiguousTarget;

impl Ask {
    /// Read a method token, the effective host (may be empty) and an origin-form target (`/path?query`), or `*` for
    /// `OPTIONS`.
    ///
    /// # Errors
    /// [`AmbiguousTarget`]. Encoded `/` and `%` are kept aside: only a route that opts in lets them pass.
    pub fn parse(method: &str, host: &str, target: &[u8]) -> Result<Self, AmbiguousTarget> {
        let target = visible(target).filter(|target| target.len() <= TARGET_BYTES_MAX).ok_or(AmbiguousTarget)?;
        if !is_method(method) || !is_host(host) || target.contains('#') {
            return Err(AmbiguousTarget);
        }
        let path = target.split_once('?').map_or(target, |(path, _query)| path);
        let read = if target == "*" && method == "OPTIONS" { Read::AsSent } else { read_path(path)? };
        let (decoded, keeps_escapes) = match read {
            Read::AsSent => (None, false),
            Read::Decoded { path, keeps_escapes } => (Some(path.into_boxed_str()), keeps_escapes),
        };
        let path_len = path.len();
        Ok(Self { method: method.into(), host: host.into(), target: target.into(), decoded, path_len, keeps_escapes })
    }

    /// The method, as sent.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The host, as sent.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The raw target: path and query, byte for byte.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path that routes are matched on: each segment decoded once, except that an encoded `/` or `%` stays encoded
    /// (`%2F`, `%25`), so a segment is never split and no two different paths look alike.
    #[must_use]
    pub fn path(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.target[..self.path_len])
    }

    /// Whether the path carries an encoded `/` or `%`, which only a route with `encoded-slash = true` lets pass.
    #[must_use]
    pub fn keeps_escapes(&self) -> bool {
        self.keeps_escapes
    }
}

/// How a path reads.
enum Read {
    /// Nothing to decode: the common case, which allocates nothing.
    AsSent,
    /// Decoded once.
    Decoded { path: String, keeps_escapes: bool },
}

fn read_path(path: &str) -> Result<Read, AmbiguousTarget> {
    let segments = path.strip_prefix('/').ok_or(AmbiguousTarget)?;
    if path.bytes().any(|byte| matches!(byte, b';' | b'\\')) {
        return Err(AmbiguousTarget);
    }
    let inner = segments.strip_suffix('/').unwrap_or(segments);
    // "//" leaves an inner "" behind, which is what the root leaves too: only the root may be empty.
    if (inner.is_empty() && segments == "/") || (!inner.is_empty() && inner.split('/').any(is_empty_or_dots)) {
        return Err(AmbiguousTarget);
    }
    if path.contains('%') { decode(segments) } else { Ok(Read::AsSent) }
}

fn decode(segments: &str) -> Result<Read, AmbiguousTarget> {
    // Decoding only ever shortens, so this is the one allocation.
    let mut path = String::with_capacity(1 + segments.len());
    let mut keeps_escapes = false;
    for segment in segments.split('/') {
        path.push('/');
        let start = path.len();
        keeps_escapes |= decode_segment(segment, &mut path)?;
        // An opted-in `%2F` may be a separator to the API, so the dots beside it count as segments.
        if path[start..].split("%2F").any(is_dots) {
            return Err(AmbiguousTarget);
        }
    }
    Ok(Read::Decoded { path, keeps_escapes })
}

/// Appends `segment` decoded once, and says whether an encoded `/` or `%` was kept.
fn decode_segment(segment: &str, path: &mut String) -> Result<bool, AmbiguousTarget> {
    let mut kept = false;
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        path.push_str(&rest[..at]);
        let run = escapes(&rest[at..])?;
        let (escaped, after) = rest[at..].split_at(run);
        kept |= decode_run(escaped, path)?;
        rest = after;
    }
    path.push_str(rest);
    Ok(kept)
}

/// How many bytes of complete escapes `text` begins with. One at least, or the escape is broken.
fn escapes(text: &str) -> Result<usize, AmbiguousTarget> {
    let run = text
        .as_bytes()
        .chunks_exact(3)
        .take_while(|chunk| chunk[0] == b'%' && chunk[1].is_ascii_hexdigit() && chunk[2].is_ascii_hexdigit());
    match run.count() * 3 {
        0 => Err(AmbiguousTarget),
        bytes => Ok(bytes),
    }
}

/// Decodes a run of escapes. A character's bytes are always in one run, since UTF-8 beyond ASCII must be escaped here.
fn decode_run(escaped: &str, path: &mut String) -> Result<bool, AmbiguousTarget> {
    let decoded = percent_decode_str(escaped).decode_utf8().map_err(|_| AmbiguousTarget)?;
    let mut kept = false;
    for character in decoded.chars() {
        match character {
            '/' => path.push_str("%2F"),
            '%' => path.push_str("%25"),
            ';' | '\\' => return Err(AmbiguousTarget),
            control if control.is_control() => return Err(AmbiguousTarget),
            plain => path.push(plain),
        }
        kept |= matches!(character, '/' | '%');
    }
    Ok(kept)
}

/// The text, if it is visible ASCII and not empty.
fn visible(bytes: &[u8]) -> Option<&str> {
    let all_visible = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    if all_visible { std::str::from_utf8(bytes).ok() } else { None }
}

fn is_empty_or_dots(segment: &str) -> bool {
    segment.is_empty() || is_dots(segment)
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// RFC 9110 §5.6.2 `token`, at most [`METHOD_BYTES_MAX`] bytes. Case-sensitive (§9.1).
pub(super) fn is_method(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= METHOD_BYTES_MAX && text.bytes().all(is_tchar)
}

/// Empty, or visible ASCII without what would make it more than a host and a port.
fn is_host(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#@;,\"<>".contains(&byte);
    text.len() <= HOST_BYTES_MAX && text.bytes().all(is_part)
}
