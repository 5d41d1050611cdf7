//! The API behind a door: lets everything in, writes down what reached it, and answers with the name it was told. The
//! judge of every row: what is not in its book did not get through. Says nothing about caching, like most APIs.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::listening::Listening;
use super::wire::Message;
use crate::support::websocket::ACCEPT;

/// The recording API.
pub struct Api {
    /// Where it listens.
    pub listening: Listening,
    book: Arc<Mutex<Vec<Message>>>,
}

impl Api {
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Vec::new()));
        let pages = Arc::clone(&book);
        Self { listening: Listening::start(move |stream| attend(&stream, &pages)), book }
    }

    /// Take what has arrived since the last time.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn attend(stream: &TcpStream, book: &Mutex<Vec<Message>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let message = Message::read(&mut reader)?;
        let upgrade = message.header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
        let name = message.header("x-auth-user").unwrap_or_default().to_owned();
        let bodiless = message.method == "HEAD";
        book.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        let mut stream = stream;
        if upgrade {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
            write!(stream, "{head}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n")?;
            return echo(&mut reader, stream);
        }
        let body = format!("reached as [{name}]\n");
        let length = body.len();
        let body = if bodiless { "" } else { &body };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")?;
    }
}

/// RFC 6455 §5: short masked text frames come back unmasked.
fn echo(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<()> {
    loop {
        let mut head = [0; 6];
        reader.read_exact(&mut head)?;
        let length = head[1] & 0x7f;
        let mut text = vec![0; usize::from(length)];
        reader.read_exact(&mut text)?;
        text.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        stream.write_all(&[0x81, length])?;
        stream.write_all(&text)?;
    }
}
