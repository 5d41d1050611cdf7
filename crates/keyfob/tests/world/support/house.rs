//! A keyfob in front of an API, with people who may and people who may not: where most tests live.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Answer, Request, ask};
use super::keyfob::{Keyfob, must};

/// Everybody's password, unless a test needs another. Long enough, on no list, no part of any name.
pub const PASSWORD: &str = "seven violet kettles drumming";

/// One role that opens everything, `WebSocket`s under `/ws` included, and one role whose scope opens nothing.
pub const POLICY: &str = r#"
default = "deny"

[roles]
caller = ["api:use"]
visitor = ["lobby:see"]

[[routes]]
path = "/{*rest}"
require = ["api:use"]

[[routes]]
path = "/ws/{*rest}"
require = ["api:use"]
websocket = true
"#;

/// A running keyfob, its data, and its people.
pub struct House {
    // Before the folder: a program ends before its data goes.
    keyfob: Option<Keyfob>,
    arguments: Vec<String>,
    settings: &'static [(&'static str, &'static str)],
    folder: TempDir,
}

impl House {
    /// keyfob in front of `upstream` under [`POLICY`], with `ada` (role `caller`) and `bob` (role `visitor`).
    pub fn open(upstream: &str) -> Self {
        let house = Self::empty(upstream, POLICY);
        house.user("ada", &["caller"]);
        house.user("bob", &["visitor"]);
        house
    }

    /// keyfob in front of `upstream` under a policy, with nobody in it.
    pub fn empty(upstream: &str, policy: &str) -> Self {
        Self::with(upstream, policy, &[])
    }

    /// The same, with `KEYFOB_…` settings.
    pub fn with(upstream: &str, policy: &str, settings: &'static [(&'static str, &'static str)]) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let file = folder.path().join("policy.toml");
        fs::write(&file, policy).expect("a policy file can be written");
        let arguments = ["--upstream", upstream, "--policy", &file.display().to_string()].map(str::to_owned).to_vec();
        let mut house = Self { keyfob: None, arguments, settings, folder };
        house.start();
        house
    }

    /// Start the program over the data that is there.
    pub fn start(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.keyfob = Some(Keyfob::serve(&self.data(), &arguments, self.settings));
    }

    /// Kill the program and start it over the same data with other settings.
    pub fn restarted(mut self, settings: &'static [(&'static str, &'static str)]) -> Self {
        self.kill();
        self.settings = settings;
        self.start();
        self
    }

    /// Kill the program; the data stays.
    pub fn kill(&mut self) {
        if let Some(keyfob) = self.keyfob.take() {
            keyfob.kill();
        }
    }

    /// Take the program out of the house, to watch it end.
    pub fn release(&mut self) -> Keyfob {
        self.keyfob.take().expect("keyfob was started")
    }

    /// The program.
    pub fn keyfob(&self) -> &Keyfob {
        self.keyfob.as_ref().expect("keyfob was started")
    }

    /// Where clients connect.
    pub fn public(&self) -> SocketAddr {
        self.keyfob().public
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Replace the policy file, as an editor does: a new file under the old name.
    pub fn write_policy(&self, policy: &str) {
        let (file, fresh) = (self.folder.path().join("policy.toml"), self.folder.path().join("policy.new"));
        fs::write(&fresh, policy).expect("a policy file can be written");
        fs::rename(fresh, file).expect("a policy file can be replaced");
    }

    /// Add a user with [`PASSWORD`].
    pub fn user(&self, name: &str, roles: &[&str]) {
        let mut arguments = vec!["user", "add", name, "--password-stdin"];
        for role in roles {
            arguments.extend(["--role", role]);
        }
        must(&self.data(), &arguments, &format!("{PASSWORD}\n"));
    }

    /// Run a command over the data of this house; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        must(&self.data(), arguments, "")
    }

    /// Sign in; the access token is the answer.
    pub fn token(&self, name: &str) -> String {
        let answer = login(self.public(), name, PASSWORD);
        assert_eq!(answer.status, 200, "{name} signs in: {}", answer.text());
        token_of(&answer)
    }

    /// One request to keyfob on a connection of its own.
    pub fn ask(&self, request: &Request) -> Answer {
        ask(self.public(), request)
    }

    /// Who this token names, as `/auth/me` tells.
    pub fn me(&self, token: &str) -> Value {
        let answer = self.ask(&Request::new("GET", "/auth/me").bearer(token));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// A sign-in, whatever comes of it.
pub fn login(address: SocketAddr, name: &str, password: &str) -> Answer {
    ask(address, &login_request(name, password))
}

/// The request of a sign-in.
pub fn login_request(name: &str, password: &str) -> Request {
    Request::new("POST", "/auth/login").json(&json!({ "username": name, "password": password }))
}

/// The access token of a successful sign-in.
pub fn token_of(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().expect("a sign-in answers with a token").to_owned()
}
