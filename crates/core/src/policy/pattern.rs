//! Route paths as a policy file writes them: decoded segments, `{name}` for one whole segment, `{*rest}` at the end for
//! everything below, the bare prefix included. A trailing slash is ignored, as it is in requests.

use std::borrow::Cow;

/// Longest route path, in bytes. It bounds how deep the route tree can be.
pub(super) const PATTERN_BYTES_MAX: usize = 1024;

/// A route path that can be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) segments: Vec<Segment>,
}

/// One segment of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Any one segment.
    Parameter(Box<str>),
    /// Everything below; always the last.
    Rest(Box<str>),
}

impl Pattern {
    /// Read a route path. The error says what to do.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('/').ok_or("a path begins with `/`")?;
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("a path has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return if text == "/" { Ok(Self { segments: Vec::new() }) } else { Err(EMPTY_SEGMENT.to_owned()) };
        }
        let segments = inner.split('/').map(read_segment).collect::<Result<Vec<_>, _>>()?;
        let pattern = Self { segments };
        pattern.check_parameters()?;
        Ok(pattern)
    }

    /// Whether it has the one-segment parameter `name`.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Parameter(have) if have.as_ref() == name))
    }

    /// What it matches, whatever its parameters are called: two patterns with one shape match the same paths.
    pub(super) fn shape(&self) -> String {
        shape(&self.segments)
    }

    fn check_parameters(&self) -> Result<(), String> {
        for (at, segment) in self.segments.iter().enumerate() {
            let (Segment::Parameter(name) | Segment::Rest(name)) = segment else { continue };
            if matches!(segment, Segment::Rest(_)) && at + 1 < self.segments.len() {
                return Err(format!("`{{*{name}}}` matches everything below, so it can only come last"));
            }
            let earlier = self.segments[..at].iter();
            if earlier.into_iter().any(|other| matches!(other, Segment::Parameter(have) if have == name)) {
                return Err(format!("the path names `{{{name}}}` twice: give each parameter its own name"));
            }
        }
        Ok(())
    }
}

/// The shape of a pattern with these segments.
pub(super) fn shape(segments: &[Segment]) -> String {
    join(segments.iter().map(|segment| match segment {
        Segment::Literal(text) => Cow::Borrowed(text.as_ref()),
        Segment::Parameter(_) => Cow::Borrowed("{}"),
        Segment::Rest(_) => Cow::Borrowed("{*}"),
    }))
}

/// The path as a policy file would write it, and as matchit reads it.
pub(super) fn spell(segments: &[Segment]) -> String {
    join(segments.iter().map(|segment| match segment {
        Segment::Literal(text) => Cow::Borrowed(text.as_ref()),
        Segment::Parameter(name) => Cow::Owned(format!("{{{name}}}")),
        Segment::Rest(name) => Cow::Owned(format!("{{*{name}}}")),
    }))
}

fn join<'a>(segments: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(&segment);
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

const EMPTY_SEGMENT: &str = "a path has no empty segments: requests with `//` are refused before they are matched";

fn read_segment(text: &str) -> Result<Segment, String> {
    if let Some(name) = text.strip_prefix("{*").and_then(|rest| rest.strip_suffix('}')) {
        return read_name(name).map(Segment::Rest);
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return read_name(name).map(Segment::Parameter);
    }
    match text {
        "" => Err(EMPTY_SEGMENT.to_owned()),
        "." | ".." => Err("a path has no dot segments: requests with them are refused".to_owned()),
        "*" | "**" => Err("write `{*rest}` for everything below, `{name}` for one segment".to_owned()),
        _ if text.starts_with(':') => Err(format!("write `{{{}}}` for a parameter", &text[1..])),
        _ if text.contains(['{', '}']) => Err("a parameter is a whole segment: `/{name}/` or `/{*rest}`".to_owned()),
        _ if text.contains(['?', '#']) => Err("a route is matched on its path only: leave out `?` and `#`".to_owned()),
        _ if text.contains('%') => Err("write the path decoded: requests are matched after decoding".to_owned()),
        _ if text.contains([';', '\\']) => Err("requests with `;` or `\\` in the path are refused".to_owned()),
        _ if text.chars().any(char::is_control) => Err("a path has no control characters".to_owned()),
        _ => Ok(Segment::Literal(text.into())),
    }
}

fn read_name(name: &str) -> Result<Box<str>, String> {
    let ok = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if ok { Ok(name.into()) } else { Err("a parameter is named with letters, digits, `_` and `-`".to_owned()) }
}
