//! Callers: each uses every credential there is at one node, over and over. Where the node stands still a caller leaves its
//! request lying there, opens another connection and goes on with what has been revoked meanwhile, so that a node which
//! wakes up finds many requests that began after an acknowledgement.

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::Duration;

use super::line::Line;
use super::recorder::{Stage, Use};

/// How long an answer is waited for before the request is left lying.
const PATIENCE: Duration = Duration::from_millis(50);
/// Requests that lie at a node, at most, of each caller.
const LYING_MAX: usize = 100;
/// Between two requests while the nodes recover.
const PACE: Duration = Duration::from_millis(2);
/// How long those are waited for at the end.
const LAST: Duration = Duration::from_secs(4);

/// One caller at `node`; `way` is 0 for checks and 1 for calls through the gateway.
pub fn call(stage: &Stage<'_>, node: usize, way: usize) {
    let mut caller = Caller { stage, node, line: None, lying: VecDeque::new(), counts: BTreeMap::new() };
    while !stage.stopped() {
        let rows = stage.rows();
        if rows.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        for credential in rows.iter() {
            let used = stage.begin(node, credential);
            stage.pace(PACE);
            if stage.stopped() || !caller.go(used, &credential.requests[way]) {
                break;
            }
        }
        caller.look(Duration::from_millis(1));
    }
    caller.look(LAST);
    stage.count(&caller.counts);
}

struct Caller<'s, 'i> {
    stage: &'s Stage<'i>,
    node: usize,
    line: Option<Line>,
    lying: VecDeque<(Line, Use)>,
    counts: BTreeMap<&'static str, usize>,
}

impl Caller<'_, '_> {
    /// Whether the node answered.
    fn go(&mut self, used: Use, request: &[u8]) -> bool {
        let address = self.stage.installation.nodes[self.node].public();
        let Some(mut line) = self.line.take().or_else(|| Line::open(address).ok()) else {
            // It is down: whoever is called next is not up sooner for being called more.
            thread::sleep(Duration::from_millis(5));
            return false;
        };
        let reply = line.send(request).and_then(|()| line.reply(PATIENCE));
        match reply {
            Ok(Some(reply)) => {
                self.note(&used, reply.status);
                self.line = Some(line);
                true
            }
            Ok(None) => {
                self.lying.push_back((line, used));
                if self.lying.len() > LYING_MAX {
                    self.lying.pop_front();
                }
                false
            }
            Err(_) => {
                *self.counts.entry("uses cut off").or_default() += 1;
                false
            }
        }
    }

    /// Whether what lies at the node has been answered.
    fn look(&mut self, patience: Duration) {
        for _ in 0..self.lying.len() {
            let Some((mut line, used)) = self.lying.pop_front() else { return };
            match line.reply(patience) {
                Ok(Some(reply)) => {
                    self.note(&used, reply.status);
                    *self.counts.entry("uses that lay at a node").or_default() += 1;
                }
                Ok(None) => {
                    self.lying.push_back((line, used));
                    // The others were sent later.
                    return;
                }
                Err(_) => *self.counts.entry("uses cut off").or_default() += 1,
            }
        }
    }

    fn note(&mut self, used: &Use, status: u16) {
        *self.counts.entry(self.stage.judge(self.node, used, status)).or_default() += 1;
    }
}
