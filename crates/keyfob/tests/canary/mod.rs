//! The secrets canary (RFC 6750 §5.3, RFC 9700 §4.2; rule 9 of ARCHITECTURE.md): every credential that these tests send or
//! receive is remembered, every server runs at the level `trace`, and when it has ended its log, its standard output and its
//! data directory are searched for all of them, as they were sent and in the encodings that a careless line would give them.
//! A run of 16 characters of one is enough. Never looks for what a store may keep: digests and sealed keys.

#![allow(dead_code, unreachable_pub, reason = "several test binaries share this, and none uses all of it")]

mod forms;
mod shapes;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Bytes of a piece. Pieces begin at every fourth byte, so a run of [`PIECE`] + 3 bytes holds one whole.
const PIECE: usize = 12;
const STRIDE: usize = 4;
/// Bits of the sieve that spares most bytes a look into the map.
const SIEVE_BITS: u32 = 22;
/// Of a request: what is longer is a body of bulk, and no credential is that far behind.
const REQUEST_BYTES: usize = 16 * 1024;
/// The one kind of file that may hold a secret: the root key itself, and where an operator kept it.
const ROOT_KEY: &str = "key";

struct Known {
    /// What was remembered or looked through, by its hash.
    seen: HashSet<u64>,
    pieces: HashMap<[u8; PIECE], &'static str>,
    sieve: Vec<u64>,
    hasher: RandomState,
    secrets: usize,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(Known::new()));

fn known() -> MutexGuard<'static, Known> {
    // A test that failed while it held the lock has left nothing half done.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn new() -> Self {
        Self {
            seen: HashSet::new(),
            pieces: HashMap::new(),
            sieve: vec![0; 1 << (SIEVE_BITS - 6)],
            hasher: RandomState::new(),
            secrets: 0,
        }
    }

    /// Whether these bytes are new here.
    fn first(&mut self, bytes: &[u8]) -> bool {
        let hash = self.hasher.hash_one(bytes);
        self.seen.insert(hash)
    }

    fn remember(&mut self, what: &'static str, secret: &[u8]) {
        if secret.len() < PIECE || !self.first(secret) {
            return;
        }
        self.secrets += 1;
        for form in forms::of(secret) {
            let starts = (0..form.len().saturating_sub(PIECE)).step_by(STRIDE).chain(form.len().checked_sub(PIECE));
            for start in starts {
                let mut piece = [0; PIECE];
                piece.copy_from_slice(&form[start..start + PIECE]);
                if is_monotonous(&piece) {
                    continue;
                }
                let (word, bit) = place(&piece);
                self.sieve[word] |= bit;
                self.pieces.insert(piece, what);
            }
        }
    }

    fn find(&self, bytes: &[u8]) -> Option<(usize, &'static str)> {
        bytes.windows(PIECE).enumerate().find_map(|(at, window)| {
            if let Some(what) = shapes::begins(&bytes[at..]) {
                return Some((at, what));
            }
            let (word, bit) = place(window);
            if self.sieve[word] & bit == 0 {
                return None;
            }
            self.pieces.get(window).map(|what| (at, *what))
        })
    }
}

/// Whether it is of two or three characters only, such as the padding of a long body: that can stand anywhere.
fn is_monotonous(piece: &[u8]) -> bool {
    piece.iter().collect::<HashSet<_>>().len() < 4
}

/// The word and the bit of the sieve for what these bytes begin with.
fn place(piece: &[u8]) -> (usize, u64) {
    let mut word = [0; 8];
    word.copy_from_slice(&piece[..8]);
    let hash = u64::from_le_bytes(word).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SIEVE_BITS);
    (usize::try_from(hash >> 6).unwrap_or(0), 1 << (hash & 63))
}

/// Whether anything is remembered and searched for. Not in a campaign at full length, whose servers write too much to be
/// searched at each of thousands of restarts; its share in the tests is.
pub fn watches() -> bool {
    static WATCHES: LazyLock<bool> = LazyLock::new(|| std::env::var_os("KEYFOB_CAMPAIGN_CYCLES").is_none());
    *WATCHES
}

/// Remember a secret. Shorter ones than twelve bytes are no canaries: they could stand anywhere.
pub fn remember(what: &'static str, secret: impl AsRef<[u8]>) {
    if watches() {
        known().remember(what, secret.as_ref());
    }
}

/// Remember the credentials in a request as it goes over the wire: in its fields, its query and its body.
pub fn sent(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(REQUEST_BYTES)];
    if watches() && known().first(bytes) {
        let found = shapes::in_request(bytes);
        for secret in found {
            remember("a credential that was sent", secret);
        }
        shown(bytes);
    }
}

/// Remember what is shown to its owner in an answer or on a terminal: tokens, keys and secrets of ours.
pub fn shown(bytes: &[u8]) {
    if !watches() {
        return;
    }
    for secret in shapes::ours(bytes) {
        remember("a secret that was issued", secret);
    }
}

/// How many secrets are remembered.
pub fn count() -> usize {
    known().secrets
}

/// What is found in these bytes, and where.
pub fn find(bytes: &[u8]) -> Option<(usize, &'static str)> {
    if !watches() {
        return None;
    }
    known().find(bytes)
}

/// Fail if there is a secret in what is called `place`.
pub fn search(place: &str, bytes: &[u8]) {
    if let Some((at, what)) = find(bytes) {
        let from = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(at.saturating_sub(200), |end| end + 1);
        let around =
            String::from_utf8_lossy(&bytes[from.max(at.saturating_sub(200))..bytes.len().min(at + 80)]).into_owned();
        panic!("{place} holds {what}, at byte {at}: {around:?}");
    }
}

/// Search every file in a data directory but the root key, which is remembered first.
pub fn search_directory(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let files = entries.map_while(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let (keys, others): (Vec<PathBuf>, Vec<PathBuf>) =
        files.map(|entry| entry.path()).partition(|path| path.extension().is_some_and(|end| end == ROOT_KEY));
    for key in keys.into_iter().filter_map(|path| fs::read_to_string(path).ok()) {
        remember("the root key", key.trim());
    }
    for path in others {
        // A file that has just gone holds nothing.
        if let Ok(bytes) = fs::read(&path) {
            search(&path.display().to_string(), &bytes);
        }
    }
}

/// Search every file below a directory, data directories among them.
pub fn search_tree(directory: &Path) {
    search_directory(directory);
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.map_while(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        search_tree(&entry.path());
    }
}

#[test]
fn a_secret_is_found_in_every_form_and_in_part() {
    use base64::Engine as _;
    let password = "a canary of many words & <signs>";
    let key = "fob_key_dG8gYmUgb3Igbm90IHRvIGJlLCB0aGF0IGlzIHRo";
    remember("a password", password);
    remember("a key", key);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{password}"));
    let random = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&key[8..]).expect("base64url");
    let hex = forms::hex(&random);
    for (form, text) in [
        ("as it is", password.as_bytes().to_vec()),
        ("in part", b"value=nary of many word, cut".to_vec()),
        ("percent-encoded", b"/x?p=a%20canary%20of%20many%20words%20%26".to_vec()),
        ("as a form", b"password=a+canary+of+many+words+%26".to_vec()),
        ("Basic", basic.into_bytes()),
        ("half a key", key.as_bytes()[26..].to_vec()),
        ("its bytes", random.clone()),
        ("their digits", hex.into_bytes()),
        ("a key that nobody told of", b"token=fob_ref_AAAABBBBCCCCDDDDEEEE".to_vec()),
        ("a token that nobody told of", b"eyJhbGciOiJub25l.eyJzdWIiOiJhZGEi.AAAA".to_vec()),
    ] {
        assert!(find(&text).is_some(), "{form}");
        assert!(find(&[b"some log line: ", &text[..], b" and on"].concat()).is_some(), "{form}, in a line");
    }
    assert_eq!(find(b"a line with fob_key_ and eyJ, session 0193a1f0-0000-7000-8000-000000000000"), None);
}

#[test]
fn requests_and_answers_tell_their_secrets() {
    let basic = "bWU6Y2FuYXJ5IG9mIHNvbWUgcHJveHk=";
    sent(format!("GET /x?access_token=canary-in-a-query HTTP/1.1\r\nAuthorization: Basic {basic}\r\n\r\n").as_bytes());
    sent(b"POST / HTTP/1.1\r\n\r\n{\"current_password\": \"canary in a body\"");
    sent(b"POST / HTTP/1.1\r\n\r\ngrant_type=x&client_secret=canary%20in%20a%20form");
    for text in ["canary-in-a-query", "canary of some proxy", "canary in a body", "canary in a form", basic] {
        assert!(find(text.as_bytes()).is_some(), "{text}");
    }
}
