//! Header fields between client and API: what ends at this hop, what the client may not say, and what keyfob says
//! instead (RFC 9110 §7.6.1, DESIGN §4). Everything else passes byte for byte.
//!
//! The order is the guarantee: all that the client asked to have removed is removed before keyfob sets its own
//! fields, so no `Connection: X-Auth-User` can take one away again.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use keyfob_core::policy::Caller;
use keyfob_tower::identity;

use super::ClientInfo;
use crate::framing::lists;

// Names by text are parsed at each look-up.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields that keyfob may add to a request: room for them is made once instead of as they come.
pub(super) const ADDED: usize = 10;

/// What of a request decides its fields at the API.
pub(super) struct Facts<'a> {
    pub(super) client: &'a ClientInfo,
    pub(super) caller: Option<&'a Caller>,
    pub(super) forward_authorization: bool,
    /// An authorised WebSocket handshake.
    pub(super) websocket: bool,
    /// A body of unknown length follows.
    pub(super) chunked: bool,
    /// The API's own authority instead of the client's `Host`.
    pub(super) host: Option<&'a HeaderValue>,
    /// The host that was judged.
    pub(super) judged_host: &'a str,
}

/// Turn the client's fields into those the API gets.
pub(super) fn to_upstream(headers: &mut HeaderMap, facts: &Facts<'_>) {
    strip_request(headers, facts.forward_authorization);
    join_cookies(headers);

    set_host(headers, facts);
    set_forwarded(headers, facts);
    identity::set(headers, facts.caller);
    if let Some(assertion) = &facts.client.assertion {
        headers.insert(identity::ASSERTION, assertion.clone());
    }
    if facts.chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if facts.websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// What of the client's trailers goes on: nothing that could not be a field of its request either, because a server may
/// merge the two (RFC 9110 §6.5.1).
pub(super) fn trailers_to_upstream(trailers: &mut HeaderMap) {
    remove_what_ends_here(trailers);
    trailers.remove(AUTHORIZATION);
}

/// Turn the API's fields into those the client gets: hop-by-hop ones go, `Cache-Control: private` comes where there
/// is none, because a guarded answer is for one caller (RFC 9111 §3.5).
pub(super) fn to_client(headers: &mut HeaderMap) {
    remove_connection_named(headers);
    // A response with both is framed by the first (RFC 9112 §6.3); the second would be wrong from here on.
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    headers.remove(UPGRADE);
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// Take off the client's fields all that the API does not get.
fn strip_request(headers: &mut HeaderMap, keep_authorization: bool) {
    let trailers = headers.get_all(TE).iter().any(|value| lists(value.as_bytes(), "trailers"));
    remove_connection_named(headers);
    remove_what_ends_here(headers);
    if !keep_authorization {
        headers.remove(AUTHORIZATION);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Remove what ends at this hop and what only keyfob may say, except what depends on the route.
fn remove_what_ends_here(headers: &mut HeaderMap) {
    identity::strip(headers);
    // Nearly every request has none of these, and then nothing is allocated.
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| ends_here(name.as_str())).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// RFC 9110 §7.6.1: the fields that `Connection` names, and itself.
fn remove_connection_named(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !is_option(token) && !token.eq_ignore_ascii_case(REQUEST_ID.as_bytes()))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
}

// The connection options that everybody sends: each of them is dealt with by its own name.
fn is_option(token: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"upgrade", b"te"].iter().any(|option| token.eq_ignore_ascii_case(option))
}

/// Whether a request field ends at this hop. Names are lower case. All punctuation counts as `-`: a CGI-like upstream
/// cannot tell it apart, so `transfer_encoding` would frame its message and `x_forwarded_for` name its client.
fn ends_here(name: &str) -> bool {
    let bytes = name.as_bytes();
    match bytes.first() {
        Some(b'c') => same(bytes, "connection") || (same(bytes, "content-length") && name != "content-length"),
        Some(b'e') => same(bytes, "expect"),
        Some(b'f') => same(bytes, "forwarded"),
        Some(b'h') => same(bytes, "http2-settings"),
        Some(b'k') => same(bytes, "keep-alive"),
        Some(b'p') => same(bytes, "proxy-connection") || same(bytes, "proxy-authorization"),
        Some(b't') => same(bytes, "te") || same(bytes, "transfer-encoding"),
        Some(b'u') => same(bytes, "upgrade"),
        Some(b'x') => {
            (bytes.len() >= X_FORWARDED.len() && same(&bytes[..X_FORWARDED.len()], X_FORWARDED))
                || same(bytes, "x-real-ip")
                || (same(bytes, REQUEST_ID) && name != REQUEST_ID)
        }
        _ => false,
    }
}

const X_FORWARDED: &str = "x-forwarded";
// keyfob's own, set before these are looked at.
const REQUEST_ID: &str = "x-request-id";

fn same(name: &[u8], folded: &str) -> bool {
    name.len() == folded.len()
        && name
            .iter()
            .zip(folded.as_bytes())
            .all(|(byte, wanted)| if byte.is_ascii_alphanumeric() { byte == wanted } else { *wanted == b'-' })
}

// RFC 9113 §8.2.3: HTTP/2 may split a cookie into crumbs, which HTTP/1.1 must see as one field.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    // Valid values joined by valid bytes are valid; were they not, no cookie is safer than half of one.
    match HeaderValue::from_bytes(&joined) {
        Ok(value) => headers.insert(COOKIE, value),
        Err(_) => headers.remove(COOKIE),
    };
}

fn set_host(headers: &mut HeaderMap, facts: &Facts<'_>) {
    if let Some(own) = facts.host {
        headers.insert(HOST, own.clone());
    } else if headers.get(HOST).is_none_or(|host| host.as_bytes() != facts.judged_host.as_bytes())
        && let Ok(judged) = HeaderValue::from_str(facts.judged_host)
    {
        headers.insert(HOST, judged);
    }
}

fn set_forwarded(headers: &mut HeaderMap, facts: &Facts<'_>) {
    let client = facts.client;
    let chain = client.forwarded_for.clone().or_else(|| address_value(client.address));
    if let Some(chain) = chain {
        headers.insert(FORWARDED_FOR, chain);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.proto));
    // HTTP/2 names the host in `:authority` and has no field of it; HTTP/1.0 may name none.
    let judged = || HeaderValue::from_str(facts.judged_host).ok().filter(|host| !host.is_empty());
    if let Some(host) = client.host.clone().or_else(judged) {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn address_value(address: IpAddr) -> Option<HeaderValue> {
    let IpAddr::V4(address) = address else { return HeaderValue::try_from(address.to_string()).ok() };
    // What `Display` writes, without its machinery: nearly every request has one.
    let (mut text, mut length) = ([b'.'; 15], 0);
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    HeaderValue::from_bytes(&text[..length]).ok()
}

#[cfg(test)]
mod tests;
