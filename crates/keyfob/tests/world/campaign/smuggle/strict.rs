//! RFC 9112 with nothing left open: a reader of what the gateway may write. One space, one line end, one host, one framing,
//! no field that a lenient reader could take for another. What it does not know is a violation, never skipped.

/// A request as it stood on the wire.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its `X-Request-Id`.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its content out of its framing; nothing where the connection ended before it did.
    pub body: Option<Vec<u8>>,
}

/// What stands at the beginning of some bytes.
pub enum Reading {
    /// A message of so many bytes.
    Message(Message, usize),
    /// Not a whole one.
    More,
}

/// Fields that frame a message or end at a hop; under no other spelling may they stand in it.
const FRAMING: &[&str] =
    &["content-length", "transfer-encoding", "connection", "host", "te", "trailer", "upgrade", "keep-alive", "expect"];

/// Fields that only the gateway sets, each once.
const OURS: &[&str] = &["x-auth-user", "x-auth-subject", "x-auth-roles", "x-auth-scope", "x-request-id"];

/// Bytes of a violation that are shown.
const SHOWN: usize = 1_000;

/// Read one message. `ended`: there will be no more bytes.
pub fn read(bytes: &[u8], ended: bool) -> Result<Reading, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(Reading::More) };
    // As ISO 8859-1, which has a character for every byte (RFC 9110 §5.5: a value may be opaque).
    let head: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = head.split("\r\n");
    let start: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = start[..] else { return shown(bytes, "a request line") };
    if method.is_empty() || !method.bytes().all(is_token) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return shown(bytes, "a request line");
    }
    let mut fields = Vec::new();
    for line in lines {
        fields.push(field(line).ok_or("a field").or_else(|what| shown(bytes, what))?);
    }
    let framing = framing(&fields).or_else(|what| shown(bytes, &what))?;
    let id = all(&fields, "x-request-id").concat();
    let (method, target) = (method.to_owned(), target.to_owned());
    let content = &bytes[end + 4..];
    let (body, length) = match framing {
        Framing::Length(length) => match content.get(..length) {
            Some(body) => (Some(body.to_vec()), length),
            None if ended => (None, content.len()),
            None => return Ok(Reading::More),
        },
        Framing::Chunked => match chunks(content).or_else(|what| shown(bytes, what))? {
            Some((body, length)) => (Some(body), length),
            None if ended => (None, content.len()),
            None => return Ok(Reading::More),
        },
    };
    Ok(Reading::Message(Message { id, method, target, body }, end + 4 + length))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(fields: &[(String, &str)]) -> Result<Framing, String> {
    for (name, _) in fields {
        let folded = name.replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
        if folded != *name && (FRAMING.contains(&folded.as_str()) || OURS.contains(&folded.as_str())) {
            return Err(format!("{name}, which some read as {folded}"));
        }
    }
    for ours in OURS.iter().chain(&["host"]) {
        if all(fields, ours).len() != 1 {
            return Err(format!("{ours}: {:?}", all(fields, ours)));
        }
    }
    // Nobody is signed in here, so that any value is a forgery.
    let forged = |name: &str, value: &str| name != "x-request-id" && OURS.contains(&name) && !value.is_empty();
    if let Some((name, value)) = fields.iter().find(|(name, value)| forged(name, value)) {
        return Err(format!("{name}: {value}"));
    }
    for gone in ["upgrade", "keep-alive", "expect", "proxy-connection", "http2-settings", "authorization"] {
        if !all(fields, gone).is_empty() {
            return Err(format!("{gone}, which ends at the gateway"));
        }
    }
    match (&all(fields, "connection")[..], &all(fields, "te")[..]) {
        ([], []) | (["te"], ["trailers"]) => {}
        other => return Err(format!("Connection and TE: {other:?}")),
    }
    match (&all(fields, "content-length")[..], &all(fields, "transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([], ["chunked"]) => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| format!("a length of {length}"))
        }
        other => Err(format!("more than one framing: {other:?}")),
    }
}

/// A lower-case name and its value.
fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let plain = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    let valid = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(plain);
    valid.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
}

fn all<'a>(fields: &[(String, &'a str)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect()
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The content of chunks and how many bytes they take; nothing where they are not whole.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&bytes[at..]) else { return Ok(None) };
        at += line.len() + 2;
        if line.is_empty() || line.len() > 8 || !line.iter().all(u8::is_ascii_hexdigit) {
            return Err("a chunk's size");
        }
        let size = usize::from_str_radix(&String::from_utf8_lossy(line), 16).map_err(|_| "a chunk's size")?;
        if size == 0 {
            return trailers(&bytes[at..]).map(|end| end.map(|length| (body, at + length)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk's end");
        }
        body.extend(&chunk[..size]);
        at += size + 2;
    }
}

/// How many bytes the trailers take, and the line that ends them.
fn trailers(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut at = 0;
    loop {
        let Some(line) = line(&bytes[at..]) else { return Ok(None) };
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(at));
        }
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        let (name, _) = field(&text).ok_or("a trailer")?;
        let folded = name.replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
        if FRAMING.contains(&folded.as_str()) || OURS.contains(&folded.as_str()) || folded == "authorization" {
            return Err("a trailer that some take for a field");
        }
    }
}

/// Up to a CRLF; a bare CR or LF stays inside and is an error there.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(2).position(|two| two == b"\r\n").map(|at| &bytes[..at])
}

fn shown<T>(bytes: &[u8], what: &str) -> Result<T, String> {
    Err(format!("the gateway wrote {what}: {}", bytes[..bytes.len().min(SHOWN)].escape_ascii()))
}
