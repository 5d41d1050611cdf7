//! Stands between a door and keyfob's internal listener, passes each question on and each answer back, and remembers both:
//! what it has not seen allowed was not allowed. Can also fall silent, and be gone. Never changes a question or an answer
//! but for their framing.

use std::fmt::Write as _;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::listening::Listening;
use super::wire::Message;
use crate::support::http::{Answer, Connection};

/// How a door asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `/auth/check/nginx`.
    Nginx,
    /// `/auth/check/forward`.
    Forward,
    /// `/auth/check/envoy/…`.
    Envoy,
    /// RFC 7662: about a token, and not about a request.
    Introspection,
    /// It is keyfob, and asks nobody.
    None,
}

/// A question that keyfob answered with yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Of the request that was judged; empty for an introspection.
    pub method: String,
    /// Of the request that was judged; empty for an introspection.
    pub target: String,
    /// Who the caller is; empty for a service account, and where anybody may.
    pub user: String,
}

/// The witness.
pub struct Witness {
    listening: Listening,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    spoken: Condvar,
}

#[derive(Default)]
struct Book {
    allows: Vec<Allow>,
    questions: usize,
    silent: bool,
}

impl Witness {
    pub fn start(keyfob: SocketAddr, dialect: Dialect) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        Self { listening: Listening::start(move |stream| attend(stream, keyfob, dialect, &own)), shared }
    }

    /// Where the door asks.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Take the allows since the last time, and how many questions there were.
    pub fn take(&self) -> (Vec<Allow>, usize) {
        let mut book = self.shared.book();
        (std::mem::take(&mut book.allows), std::mem::take(&mut book.questions))
    }

    /// Take questions and leave them without an answer, until told otherwise.
    pub fn silent(&self, silent: bool) {
        self.shared.book().silent = silent;
        self.shared.spoken.notify_all();
    }

    /// Be gone: the port refuses.
    pub fn close(&mut self) {
        self.listening.close();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attend(stream: TcpStream, keyfob: SocketAddr, dialect: Dialect, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let question = Message::read(&mut reader)?;
        shared.book().questions += 1;
        let waited = shared.spoken.wait_while(shared.book(), |book| book.silent);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        let bodiless = question.method == "HEAD";
        let mut onward = Connection::open(keyfob)?;
        onward.send(&bytes(&question))?;
        let answer = onward.answer(bodiless)?;
        if let Some(allow) = allow(dialect, &question, &answer) {
            shared.book().allows.push(allow);
        }
        stream.write_all(&framed(&answer))?;
    }
}

fn bytes(question: &Message) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", question.method, question.target);
    for (name, value) in &question.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", &question.body].concat()
}

fn framed(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} As said\r\n", answer.status);
    for (name, value) in &answer.headers {
        let own = ["content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own));
        if !own {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", answer.body.len());
    [head.as_bytes(), &answer.body].concat()
}

/// What was allowed, if anything was: read as keyfob reads that dialect.
fn allow(dialect: Dialect, question: &Message, answer: &Answer) -> Option<Allow> {
    if answer.status != 200 {
        return None;
    }
    let told = |name: &str| question.header(name).unwrap_or_default().to_owned();
    let (method, target) = match dialect {
        Dialect::Nginx => (told("x-original-method"), told("x-original-uri")),
        Dialect::Forward => (told("x-forwarded-method"), told("x-forwarded-uri")),
        Dialect::Envoy => {
            (question.method.clone(), question.target.strip_prefix("/auth/check/envoy").unwrap_or_default().to_owned())
        }
        Dialect::Introspection => {
            let said = answer.json();
            let user = said["username"].as_str().unwrap_or_default().to_owned();
            return (said["active"] == true).then(|| Allow { method: String::new(), target: String::new(), user });
        }
        Dialect::None => return None,
    };
    Some(Allow { method, target, user: answer.header("x-auth-user").unwrap_or_default().to_owned() })
}
