//! HTTP/1.1 (RFC 9112) as a server reads it, whole and without opinion: for the API behind the doors and for the witness
//! between a door and keyfob. Says `100 Continue` to who waits for it. Never repairs a message.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Every header line.
    pub headers: Vec<(String, String)>,
    /// Every trailer line, after content in chunks.
    pub trailers: Vec<(String, String)>,
    /// The content, out of its framing.
    pub body: Vec<u8>,
}

impl Message {
    /// Read one; an error is most often a connection that closed, which is how every one of them ends.
    pub fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let start = line(reader)?;
        let mut words = start.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (trailers, body) = (Vec::new(), Vec::new());
        let mut message = Self { method, target, headers: lines(reader)?, trailers, body };
        if message.header("expect").is_some() {
            reader.get_ref().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        message.content(reader)?;
        Ok(message)
    }

    /// Every value of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    fn content(&mut self, reader: &mut BufReader<TcpStream>) -> io::Result<()> {
        if self.header("transfer-encoding").is_none() {
            let length = self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            return reader.take(length).read_to_end(&mut self.body).map(drop);
        }
        loop {
            let size = line(reader)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
            match size.map_err(io::Error::other)? {
                0 => {
                    self.trailers = lines(reader)?;
                    return Ok(());
                }
                size => reader.take(size).read_to_end(&mut self.body)?,
            };
            line(reader)?;
        }
    }
}

fn lines(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(reader)?;
        match line.split_once(':') {
            Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
            None => return Ok(fields),
        }
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(String::from_utf8_lossy(&line).into_owned())
}
