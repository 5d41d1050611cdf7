//! As much of a WebSocket client (RFC 6455) as it takes to hear an echo: one text frame out, one frame in.

use std::io;

use super::http::{Connection, Request};

/// The key and its answer from RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server answers to [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 0x1;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Payloads up to this need no extended length.
const SHORT: usize = 125;

/// The opening handshake for a target.
pub fn opening(target: &str) -> Request {
    Request::new("GET", target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// Send a short text and read the next frame's payload.
pub fn say(connection: &mut Connection, text: &str) -> io::Result<Vec<u8>> {
    assert!(text.len() <= SHORT, "longer texts need longer frames");
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u8::try_from(text.len()).map_err(io::Error::other)?;
    let mut frame = vec![FINAL | TEXT, MASKED | length];
    frame.extend(mask);
    frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    connection.send(&frame)?;
    listen(connection)
}

fn listen(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let head = connection.exactly(2)?;
    let length = match head[1] {
        126 => {
            let bytes = connection.exactly(2)?;
            usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
        }
        short => usize::from(short),
    };
    connection.exactly(length)
}
