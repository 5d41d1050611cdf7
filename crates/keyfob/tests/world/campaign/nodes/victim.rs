//! Users who sign in, make API keys, refresh, and lose all of it again in every way there is, at whichever node. Only what was
//! answered with success is acknowledged; everything else may have gone either way and is judged no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::installation::NODES;
use super::line::{self, Reply};
use super::recorder::{Credential, Stage};
use crate::campaign::Dice;
use crate::support::clock;
use crate::support::house::{PASSWORD, login_request};
use crate::support::http::Request;
use crate::support::keyfob::command;

/// No answer is waited for longer: more than the longest pause.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long a credential may take to be seen at every node before it is revoked all the same.
const SEEN_MAX: Duration = Duration::from_secs(2);
/// Acknowledgements are told apart at these.
const QUICK: Duration = Duration::from_millis(50);
const WITHIN_A_LEASE: Duration = Duration::from_millis(2_100);
/// Between two steps of a reaper while the nodes recover.
const PACE: Duration = Duration::from_millis(250);
/// Sessions and keys of a user.
const SESSIONS: usize = 3;
const KEYS: usize = 14;
const ANOTHER_PASSWORD: &str = "another seven violet kettles";

/// What takes a user's credentials away, as a command, and whether it takes the keys too.
const OF_USER: &[(&[&str], bool)] = &[
    (&["user", "disable", "NAME"], true),
    (&["user", "delete", "NAME"], true),
    (&["user", "role", "NAME", "--remove", "caller"], true),
    (&["user", "passwd", "NAME", "--password-stdin"], false),
    (&["session", "end", "--user", "NAME"], false),
];

/// A session: its id, its refresh token, and what its access tokens opened.
struct Session {
    id: String,
    refresh: String,
    tokens: Vec<Arc<Credential>>,
}

/// One who makes users and takes everything away from them.
pub struct Reaper<'s, 'i> {
    stage: &'s Stage<'i>,
    dice: Dice,
    counts: BTreeMap<&'static str, usize>,
}

/// Make users and revoke, until the stage stops.
pub fn reap(stage: &Stage<'_>, cycle: u64, number: u64) {
    let dice = Dice::of(cycle * 1000 + number + 1);
    let mut reaper = Reaper { stage, dice, counts: BTreeMap::new() };
    for turn in 0.. {
        if stage.stopped() {
            break;
        }
        let name = format!("user{cycle}x{number}x{turn}x{}", std::process::id());
        if reaper.user(&name).is_none() {
            *reaper.counts.entry("steps that were not acknowledged").or_default() += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stage.count(&reaper.counts);
}

impl Reaper<'_, '_> {
    /// The life of one user; `None` as soon as a step before the revocations was not acknowledged.
    fn user(&mut self, name: &str) -> Option<()> {
        let add = ["user", "add", name, "--password-stdin", "--role", "caller"];
        self.command(&add, &format!("{PASSWORD}\n"))?;
        let sessions: Vec<Session> = (0..SESSIONS).map(|_| self.sign_in(name)).collect::<Option<_>>()?;
        let first = sessions[0].tokens[0].secret.clone();
        let keys: Vec<(String, Arc<Credential>)> = (0..KEYS).map(|_| self.key(&first)).collect::<Option<_>>()?;
        let everything: Vec<Arc<Credential>> = sessions
            .iter()
            .flat_map(|session| &session.tokens)
            .chain(keys.iter().map(|(_, key)| key))
            .cloned()
            .collect();
        self.stage.use_also(&everything);
        let seen = || (self.stage.stopped() || everything.iter().all(|one| one.is_known_everywhere())).then_some(());
        let _ = clock::until(SEEN_MAX, seen);
        self.fall(name, sessions, &keys);
        // What was left, or is unknown, is judged no more.
        let left: Vec<Arc<Credential>> = everything.into_iter().filter(|one| !one.is_dead()).collect();
        for one in &left {
            one.ends();
        }
        self.stage.drop_all(&left);
        Some(())
    }

    /// All of a user's credentials, one after the other, and the rest with the user.
    fn fall(&mut self, name: &str, mut sessions: Vec<Session>, keys: &[(String, Arc<Credential>)]) {
        let witness = sessions[1].tokens[0].secret.clone();
        for (id, key) in &keys[..KEYS - 1] {
            self.end_key(id, key, &witness);
        }
        let session = sessions.remove(0);
        self.end_session(&session, &witness);
        let last = &keys[KEYS - 1].1;
        let turn = self.dice.roll(OF_USER.len() + 1);
        if let Some((words, keys_too)) = OF_USER.get(turn) {
            let mut all: Vec<Arc<Credential>> = sessions.iter().flat_map(|session| session.tokens.clone()).collect();
            all.extend(keys_too.then(|| Arc::clone(last)));
            let words: Vec<&str> = words.iter().map(|word| if *word == "NAME" { name } else { word }).collect();
            self.revoke(&all, &format!("keyfob {}", words.join(" ")), |reaper| {
                reaper.command(&words, &format!("{ANOTHER_PASSWORD}\n"))
            });
        } else {
            // A new password ends the other sessions, not the one that asked.
            let change = json!({ "current_password": PASSWORD, "new_password": ANOTHER_PASSWORD });
            let request = Request::new("POST", "/auth/password").bearer(&sessions[0].tokens[0].secret).json(&change);
            self.revoke(&sessions[1].tokens, "POST /auth/password", |reaper| reaper.accepted(&request));
            sessions.remove(0);
        }
        // A role that was taken away leaves the session, which opens nothing.
        let ended = !OF_USER.get(turn).is_some_and(|(words, _)| words.contains(&"role"));
        if ended
            && !self.stage.stopped()
            && sessions.iter().flat_map(|session| &session.tokens).all(|token| token.is_dead())
        {
            for session in &sessions {
                self.refuses_refresh(session);
            }
        }
    }

    fn end_key(&mut self, id: &str, key: &Arc<Credential>, witness: &str) {
        let one = std::slice::from_ref(key);
        match self.dice.roll(10) {
            0 => self.revoke(one, "keyfob key revoke", |reaper| reaper.command(&["key", "revoke", id], "")),
            1..=4 => {
                let request = form("/auth/revoke", &format!("token={}", key.secret));
                self.revoke(one, "POST /auth/revoke of a key", |reaper| reaper.accepted(&request));
            }
            _ => {
                let request = Request::new("DELETE", &format!("/auth/keys/{id}")).bearer(witness);
                self.revoke(one, "DELETE /auth/keys", |reaper| reaper.accepted(&request));
            }
        }
    }

    fn end_session(&mut self, session: &Session, witness: &str) {
        let (tokens, id) = (&session.tokens, &session.id);
        let request = match self.dice.roll(5) {
            0 => {
                self.revoke(tokens, "keyfob session end", |reaper| reaper.command(&["session", "end", id], ""));
                None
            }
            1 => Some(("POST /auth/logout", Request::new("POST", "/auth/logout").bearer(&tokens[0].secret))),
            2 => Some((
                "POST /auth/revoke of a refresh token",
                form("/auth/revoke", &format!("token={}", session.refresh)),
            )),
            3 => Some(("POST /auth/revoke of a token", form("/auth/revoke", &format!("token={}", tokens[0].secret)))),
            _ => {
                Some(("DELETE /auth/sessions", Request::new("DELETE", &format!("/auth/sessions/{id}")).bearer(witness)))
            }
        };
        if let Some((by, request)) = request {
            self.revoke(tokens, by, |reaper| reaper.accepted(&request));
        }
        if tokens[0].is_dead() {
            self.refuses_refresh(session);
        }
    }

    /// G8: nothing is minted from a session whose end was acknowledged.
    fn refuses_refresh(&mut self, session: &Session) {
        let request = form("/auth/token", &format!("grant_type=refresh_token&refresh_token={}", session.refresh));
        let node = self.node();
        let reply = line::ask(self.stage.installation.nodes[node].public(), &request, PATIENCE);
        match reply {
            Some(reply) if reply.status == 200 => {
                self.stage.violated(format!("node {node} refreshed a session after its end was acknowledged"));
            }
            Some(reply) if reply.status == 400 => self.count("refreshes after the acknowledgement that were refused"),
            _ => {}
        }
    }

    /// Take these away with `how`; they are dead only if that was acknowledged.
    fn revoke(&mut self, all: &[Arc<Credential>], by: &str, how: impl FnOnce(&mut Self) -> Option<()>) {
        // Spread, so that there are some at any instant of a fault.
        std::thread::sleep(Duration::from_millis(self.dice.roll(40) as u64));
        if self.stage.stopped() {
            return;
        }
        let (weather, start) = (self.stage.weather.load(Ordering::SeqCst), clock::now());
        for one in all {
            one.ends();
        }
        if how(self).is_none() {
            self.count("revocations that were not acknowledged");
            return;
        }
        let took = start.elapsed();
        for one in all {
            one.ended(by);
        }
        self.stage.died();
        self.count("revocations");
        let same = weather == self.stage.weather.load(Ordering::SeqCst);
        if same && weather.is_multiple_of(2) && !by.starts_with("keyfob") {
            self.count(match took {
                _ if took <= QUICK => "acknowledged within 50 ms, in calm",
                _ if took <= WITHIN_A_LEASE => "acknowledged later, in calm",
                _ => "acknowledged after more than a lease, in calm",
            });
        }
    }

    fn sign_in(&mut self, name: &str) -> Option<Session> {
        let reply = self.ask(&login_request(name, PASSWORD)).filter(|reply| reply.status == 200)?;
        let (access, refresh) = (reply.text("access_token")?, reply.text("refresh_token")?);
        let me = self.ask(&Request::new("GET", "/auth/me").bearer(&access))?;
        // Its first token is refreshed at some node, and opens the API as well as the second.
        let request = form("/auth/token", &format!("grant_type=refresh_token&refresh_token={refresh}"));
        let again = self.ask(&request).filter(|reply| reply.status == 200)?;
        let tokens = vec![Credential::live(access), Credential::live(again.text("access_token")?)];
        self.count("sign-ins");
        self.count("refreshes");
        Some(Session { id: me.text("session_id")?, refresh: again.text("refresh_token")?, tokens })
    }

    fn key(&mut self, token: &str) -> Option<(String, Arc<Credential>)> {
        let request = Request::new("POST", "/auth/keys").bearer(token).json(&json!({ "name": "a script" }));
        let made = self.ask(&request).filter(|reply| reply.status == 201)?;
        Some((made.text("id")?, Credential::live(made.text("key")?)))
    }

    /// A request at some node.
    fn ask(&mut self, request: &Request) -> Option<Reply> {
        let node = self.node();
        (!self.stage.stopped()).then(|| line::ask(self.stage.installation.nodes[node].public(), request, PATIENCE))?
    }

    /// Whether it was answered with success.
    fn accepted(&mut self, request: &Request) -> Option<()> {
        self.ask(request).filter(|reply| (200..300).contains(&reply.status)).map(|_| ())
    }

    /// A command at some node; whether it returned 0.
    fn command(&mut self, words: &[&str], input: &str) -> Option<()> {
        let node = self.node();
        if self.stage.stopped() {
            return None;
        }
        command(&self.stage.installation.nodes[node].data(), words, input).status.success().then_some(())
    }

    /// Some node; seldom one that is ill, which would only hold everybody up.
    fn node(&mut self) -> usize {
        self.stage.pace(PACE);
        let node = self.dice.roll(NODES);
        let spared = self.stage.is_ill(node) && self.dice.roll(8) > 0;
        if spared { (0..NODES).find(|other| !self.stage.is_ill(*other)).unwrap_or(node) } else { node }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

fn form(endpoint: &str, body: &str) -> Request {
    Request::new("POST", endpoint).header("Content-Type", "application/x-www-form-urlencoded").body(body)
}
