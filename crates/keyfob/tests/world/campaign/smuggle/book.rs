//! What is known of a bench: what the gateway was seen to write, what the API read, and the line that keyfob's access log
//! has of each request. The three must agree.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::api::{Api, Record, hex};
use super::strict::Message;
use super::tap::Tap;

/// The three accounts.
#[derive(Default)]
pub struct Book {
    written: HashMap<String, Message>,
    read: Vec<Record>,
    /// Ids that an API has read a request of.
    known: HashSet<String>,
    /// Method and path by id.
    lines: HashMap<String, (String, String)>,
    log_read: usize,
    /// Without a line so far.
    waiting: Vec<String>,
    idle: bool,
    violation: Option<String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Book {
    /// Read on in all three.
    pub fn read(&mut self, tap: &Tap, api: &Api, log: &str) {
        // First what was read, then what was written: that is written down before it can be read.
        self.read.extend(api.take());
        match tap.take() {
            Ok((messages, idle)) => {
                self.idle = idle;
                for message in messages {
                    self.note(message);
                }
            }
            Err(problem) => self.violate(problem),
        }
        let fresh = log.get(self.log_read..).unwrap_or_default();
        let whole = fresh.rfind('\n').map_or(0, |at| at + 1);
        self.log_read += whole;
        let lines = fresh[..whole].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for line in lines.filter(|line| line["target"] == "keyfob::access") {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            self.lines.insert(text("id"), (text("method"), text("path")));
        }
        self.waiting.retain(|id| !self.lines.contains_key(id));
    }

    fn note(&mut self, message: Message) {
        *self.counts.entry("requests written").or_default() += 1;
        self.waiting.push(message.id.clone());
        if let Some(twice) = self.written.insert(message.id.clone(), message) {
            self.violate(format!("the id of {twice:?} was written twice"));
        }
    }

    fn violate(&mut self, problem: String) {
        self.violation.get_or_insert(problem);
    }

    /// Whether everything that was begun has come to its end.
    pub fn is_settled(&self) -> bool {
        self.violation.is_some()
            || (self.idle
                && self.waiting.is_empty()
                && self.read.iter().all(|record| self.written.contains_key(&record.id)))
    }

    /// What has not.
    pub fn unsettled(&self) -> String {
        let unknown: Vec<_> = self.read.iter().filter(|record| !self.written.contains_key(&record.id)).collect();
        let waiting: Vec<_> = self.waiting.iter().map(|id| &self.written[id]).collect();
        format!("read and never written: {unknown:?}; written and without a line of keyfob's: {waiting:?}")
    }

    /// Hold the three against each other. `allowed`: how many requests keyfob says that it has let through.
    pub fn judge(&mut self, allowed: u64) -> Result<(), String> {
        if let Some(violation) = self.violation.take() {
            return Err(violation);
        }
        if self.written.len() as u64 > allowed {
            return Err(format!("{} requests were written, and {allowed} allowed", self.written.len()));
        }
        for message in self.written.values() {
            let path = message.target.split('?').next().unwrap_or_default();
            let (method, judged) = &self.lines[&message.id];
            let open = path == "/open" || path.starts_with("/open/");
            if *method != message.method || judged != path || !open {
                return Err(format!("{method} {judged} was judged, and {message:?} written"));
            }
        }
        for record in std::mem::take(&mut self.read) {
            self.compare(&record)?;
        }
        Ok(())
    }

    fn compare(&mut self, record: &Record) -> Result<(), String> {
        let written = &self.written[&record.id];
        let body = written.body.as_deref().map(hex);
        let same_body = body.is_none() || record.body.is_none() || body == record.body;
        if written.method != record.method || written.target != record.target || !same_body {
            return Err(format!("{written:?} was written, and {record:?} read"));
        }
        if !self.known.insert(record.id.clone()) {
            return Err(format!("{record:?} was read twice"));
        }
        *self.counts.entry("requests read").or_default() += 1;
        if record.body.as_deref().is_some_and(|body| !body.is_empty()) {
            *self.counts.entry("with a body").or_default() += 1;
        }
        Ok(())
    }

    /// What was counted since the last time.
    pub fn counts(&mut self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut self.counts)
    }
}
