//! G10 and T14: no request is smuggled past the gate. Streams of bytes that two readers could frame in two ways are sent to
//! a gateway before four kinds of API; on the wire between the two stands a reader of our own, the strictest there is.
//! What an API read must be what that reader read, and what it read must have its own allow, for exactly those bytes.

mod api;
mod book;
mod http2;
mod stream;
mod strict;
mod tap;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use super::Run;
use crate::support::clock;
use crate::support::house::House;
use crate::support::http::{Request, ask};
use api::Api;
use book::Book;
use stream::Stream;
use tap::Tap;

/// Streams between two looks at what arrived, and how many are sent at once to one API.
const BATCH: u64 = 80;
const AT_ONCE: usize = 8;

/// Nothing more is coming: the two ends wait for each other, which is how many of these streams end.
const QUIET: Duration = Duration::from_millis(100);

/// Until what arrived late, on a busy machine, has arrived.
const SETTLED: Duration = Duration::from_secs(20);

/// Everybody may call what is below `/open`, nobody anything else.
const POLICY: &str = r#"
default = "deny"

[[routes]]
path = "/open/{*rest}"
public = true
"#;

/// Each request leaves a line, so that what arrives can be held against it.
const SETTINGS: &[(&str, &str)] = &[
    ("KEYFOB_LOG_LEVEL", "warn,keyfob::access=debug"),
    ("KEYFOB_LOG_FORMAT", "json"),
    ("KEYFOB_LIMITS_HEAD_TIMEOUT", "2s"),
];

#[test]
fn what_an_api_reads_had_its_own_allow_whatever_the_framing() {
    let mut run = Run::begin("smuggle", 240);
    let mut benches: Vec<Bench> = api::KINDS.iter().map(|kind| Bench::open(kind)).collect();
    while let Some(cycles) = run.next(BATCH) {
        let batch = run.done()..run.done() + cycles;
        std::thread::scope(|scope| {
            for bench in &mut benches {
                let batch = batch.clone();
                scope.spawn(move || bench.play(batch));
            }
        });
        for bench in &mut benches {
            for (what, number) in bench.book.counts() {
                run.count(&format!("{what}, {}", bench.kind), number);
            }
        }
        run.count("streams", usize::try_from(cycles).expect("a batch is small"));
        run.held(cycles);
    }
    for bench in &benches {
        let read = run.counted(&format!("requests read, {}", bench.kind));
        let whole = run.counted(&format!("with a body, {}", bench.kind));
        assert!(read > run.done() && whole * 20 > read, "{}: hardly anything arrives: {read}, {whole}", bench.kind);
    }
    run.finish();
}

/// An API, and a keyfob before it.
struct Bench {
    kind: &'static str,
    // The order in which they end: who calls, before who is called.
    house: House,
    tap: Tap,
    api: Api,
    book: Book,
}

impl Bench {
    fn open(kind: &'static str) -> Self {
        let api = Api::start(kind);
        let tap = Tap::start(api.address);
        let house = House::with(&format!("http://{}", tap.address), POLICY, SETTINGS);
        Self { kind, house, tap, api, book: Book::default() }
    }

    /// Send some streams, and look at what came of them.
    fn play(&mut self, cycles: Range<u64>) {
        let address = self.house.public();
        let streams: Vec<Stream> = cycles.map(stream::of).collect();
        std::thread::scope(|scope| {
            for part in streams.chunks(streams.len().div_ceil(AT_ONCE)) {
                scope.spawn(move || part.iter().for_each(|stream| attack(address, stream)));
            }
        });
        let settled = clock::until(SETTLED, || {
            self.book.read(&self.tap, &self.api, &self.house.keyfob().log());
            self.book.is_settled().then_some(())
        });
        assert!(settled.is_some(), "{}: {}", self.kind, self.book.unsettled());
        let allowed = allowed(&self.house);
        self.book.judge(allowed).unwrap_or_else(|problem| panic!("{}: {problem}", self.kind));
    }
}

/// Send a stream and read all that comes. Whatever an API says is about a request of this stream; after it comes somebody
/// else, who must get the answer to their own.
fn attack(address: SocketAddr, stream: &Stream) {
    let shown = || stream.bytes.escape_ascii().to_string();
    let said = talk(address, &stream.bytes);
    let said = String::from_utf8_lossy(&said);
    for told in said.split("has-read ").skip(1) {
        let line = told.split('\n').next().unwrap_or_default();
        assert!(line.contains(&stream.tag), "an answer to somebody else, {line:?}, came back for {}", shown());
        assert!(!line.contains(" /shut"), "{line:?} was answered, for {}", shown());
    }
    let target = format!("/open/victim-{}", stream.tag);
    // Some APIs close a connection after what they do not like, and a request may be under way to it then.
    let own = |_| Some(ask(address, &Request::new("GET", &target))).filter(|answer| answer.status != 502);
    let answer = (0..10).find_map(own).expect("the API is there");
    assert_eq!(answer.text(), format!("has-read GET {target}\n"), "after {}", shown());
}

/// All that comes back; an end of any kind is an end.
fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return said };
    stream.set_read_timeout(Some(QUIET)).expect("a socket takes a timeout");
    // A refusal may close while the rest is still being written.
    let _ = stream.write_all(bytes);
    let mut half_closed = false;
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return said,
            Ok(length) => said.extend(&piece[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && !half_closed => {
                half_closed = true;
                let _ = stream.shutdown(Shutdown::Write);
            }
            Err(_) => return said,
        }
    }
}

/// How many requests this keyfob has let through in its life.
fn allowed(house: &House) -> u64 {
    let name = "keyfob_decisions_total{door=\"gateway\",outcome=\"allowed\"}";
    let metrics = house.keyfob().metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}
