//! The PROXY protocol (haproxy.org/download/3.2/doc/proxy-protocol.txt, versions 1 and 2): a balancer that passes bytes on
//! says before the first of them whose they are. Off unless the settings say so; then every connection must begin with it and
//! come from a trusted proxy, because whoever may say it may be anybody. Never guesses whether it is there.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::is_trusted;
use crate::config::Network;

/// The first bytes of version 2, §2.2. As many of version 1 are always there (§2.1: the shortest line has 15).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest line of version 1, its end included, §2.1.
const LINE_BYTES_MAX: usize = 107;

/// Longest addresses and extensions of version 2. A balancer adds a certificate's names, and no more.
const ADDRESS_BYTES_MAX: usize = 4 * 1024;

/// Whose connection it is; the proxy's own where it says that it speaks for itself, or does not know.
///
/// # Errors
/// The peer is not trusted, or what it says is not of this protocol: the connection is to be closed without a word (§2).
pub(super) async fn read<S>(stream: &mut S, peer: SocketAddr, trusted: &[Network]) -> io::Result<SocketAddr>
where
    S: AsyncRead + Unpin,
{
    if !is_trusted(peer.ip().to_canonical(), trusted) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    let said = if start == *SIGNATURE { version_2(stream).await? } else { version_1(stream, &start).await? };
    Ok(said.unwrap_or(peer))
}

async fn version_1<S: AsyncRead + Unpin>(stream: &mut S, start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    // One by one: what follows the line is the client's, and nobody else must take it.
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(ErrorKind::InvalidData.into());
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(io::Error::other)?.trim_end_matches("\r\n");
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4", from, to, from_port, to_port] => {
            let _: (Ipv4Addr, u16) = (parsed(to)?, port(to_port)?);
            Ok(Some((parsed::<Ipv4Addr>(from)?, port(from_port)?).into()))
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] => {
            let _: (Ipv6Addr, u16) = (parsed(to)?, port(to_port)?);
            Ok(Some((parsed::<Ipv6Addr>(from)?, port(from_port)?).into()))
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

async fn version_2<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > ADDRESS_BYTES_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut addresses = vec![0; length];
    stream.read_exact(&mut addresses).await?;
    match (command, family) {
        // LOCAL, such as a health check; and a connection of which the proxy knows nothing.
        (0x20, _) | (0x21, 0x00) => Ok(None),
        (0x21, 0x11) => {
            let (from, _to) = split::<4, 12>(&addresses)?;
            Ok(Some((IpAddr::from(from.0), from.1).into()))
        }
        (0x21, 0x21) => {
            let (from, _to) = split::<16, 36>(&addresses)?;
            Ok(Some((IpAddr::from(from.0), from.1).into()))
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

type Pair<const N: usize> = (([u8; N], u16), [u8; N]);

/// Source address and port, and destination address, of `N` bytes an address.
fn split<const N: usize, const ALL: usize>(bytes: &[u8]) -> io::Result<Pair<N>> {
    let bytes: &[u8; ALL] = bytes.first_chunk().ok_or(ErrorKind::InvalidData)?;
    let (from, rest) = bytes.split_first_chunk::<N>().ok_or(ErrorKind::InvalidData)?;
    let (to, rest) = rest.split_first_chunk::<N>().ok_or(ErrorKind::InvalidData)?;
    let port = rest.first_chunk::<2>().ok_or(ErrorKind::InvalidData)?;
    Ok(((*from, u16::from_be_bytes(*port)), *to))
}

fn parsed<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| ErrorKind::InvalidData.into())
}

/// §2.1: decimal, without a sign and without leading zeros.
fn port(text: &str) -> io::Result<u16> {
    let port: u16 = parsed(text)?;
    if port.to_string() == text { Ok(port) } else { Err(ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "192.0.2.1:4711";

    /// What is made of these bytes, and what of them is left.
    fn of(bytes: &[u8], trusted: &str) -> (io::Result<SocketAddr>, Vec<u8>) {
        let network = Network { address: trusted.parse().expect("an address"), prefix_length: 32 };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut rest = bytes;
        let said = runtime.block_on(read(&mut rest, PROXY.parse().expect("an address"), &[network]));
        (said, rest.to_vec())
    }

    fn said(bytes: &[u8]) -> Option<String> {
        let (said, rest) = of(bytes, "192.0.2.1");
        assert!(said.is_err() || rest == b"GET", "what follows is the client's: {rest:?}");
        said.ok().map(|address| address.to_string())
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses, b"GET"].concat()
    }

    #[test]
    fn both_versions_say_whose_the_connection_is() {
        let v1 = |line: &str| said(format!("{line}\r\nGET").as_bytes());
        assert_eq!(v1("PROXY TCP4 203.0.113.9 192.0.2.2 5000 443").as_deref(), Some("203.0.113.9:5000"));
        assert_eq!(v1("PROXY TCP6 2001:db8::9 2001:db8::1 5000 443").as_deref(), Some("[2001:db8::9]:5000"));
        assert_eq!(v1("PROXY UNKNOWN").as_deref(), Some(PROXY));
        assert_eq!(v1("PROXY UNKNOWN ffff:: ffff:: 1 2").as_deref(), Some(PROXY));
        let four = [203, 0, 113, 9, 192, 0, 2, 2, 0x13, 0x88, 1, 0xbb];
        assert_eq!(said(&version_2(0x21, 0x11, &four)).as_deref(), Some("203.0.113.9:5000"));
        let extended = [&four[..], &[4, 0, 1, 7]].concat();
        assert_eq!(said(&version_2(0x21, 0x11, &extended)).as_deref(), Some("203.0.113.9:5000"));
        let mut six = [0; 36];
        (six[0], six[1], six[15], six[33]) = (0x20, 1, 9, 7);
        assert_eq!(said(&version_2(0x21, 0x21, &six)).as_deref(), Some("[2001::9]:7"));
        assert_eq!(said(&version_2(0x20, 0x11, &four)).as_deref(), Some(PROXY), "a health check of the balancer's own");
    }

    #[test]
    fn anything_else_is_no_connection() {
        for line in [
            "GET / HTTP/1.1",
            "proxy TCP4 203.0.113.9 192.0.2.2 5000 443",
            "PROXY TCP4 203.0.113.9 192.0.2.2 5000",
            "PROXY TCP4 203.0.113.9 192.0.2.2 5000 443 7",
            "PROXY  TCP4 203.0.113.9 192.0.2.2 5000 443",
            "PROXY TCP4 2001:db8::9 2001:db8::1 5000 443",
            "PROXY TCP6 203.0.113.9 192.0.2.2 5000 443",
            "PROXY TCP4 203.0.113.09 192.0.2.2 5000 443",
            "PROXY TCP4 203.0.113.9 192.0.2.2 05000 443",
            "PROXY TCP4 203.0.113.9 192.0.2.2 +500 443",
            "PROXY TCP4 203.0.113.9 192.0.2.2 70000 443",
            "PROXY UDP4 203.0.113.9 192.0.2.2 5000 443",
            &format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES_MAX)),
        ] {
            assert_eq!(said(format!("{line}\r\nGET").as_bytes()), None, "{line}");
        }
        assert_eq!(said(b"PROXY TCP4 203.0.113.9 192.0.2.2 5000 443\nGET"), None, "a bare line feed");
        for (command, family, length) in [
            (0x21, 0x11, 11),
            (0x21, 0x21, 35),
            (0x11, 0x11, 12),
            (0x22, 0x11, 12),
            (0x21, 0x12, 12),
            (0x21, 0x31, 216),
        ] {
            assert_eq!(said(&version_2(command, family, &vec![0; length])), None, "{command:x} {family:x} {length}");
        }
        assert_eq!(said(&version_2(0x21, 0x11, &vec![0; ADDRESS_BYTES_MAX + 1])), None);
    }

    #[test]
    fn only_a_trusted_proxy_may_say_it() {
        let line = b"PROXY TCP4 203.0.113.9 192.0.2.2 5000 443\r\nGET";
        let (refused, rest) = of(line, "192.0.2.7");
        assert_eq!(refused.expect_err("not trusted").kind(), ErrorKind::PermissionDenied);
        assert_eq!(rest, line, "and is not even read");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300), signed in any::<bool>()) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { [b"PROXY ", &bytes[..]].concat() };
            let _ = of(&bytes, "192.0.2.1");
        }
    }
}
