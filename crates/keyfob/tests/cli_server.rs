//! Commands beside a running server: they reach it at once, and it owns its directory.

mod canary;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

const PASSWORD: &str = "violet anvil tram ocelot";
/// Where a server writes its log, in its home.
const LOG: &str = "log";

fn keyfob(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyfob"));
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("KEYFOB_")) {
        command.env_remove(name);
    }
    command.env_remove("CREDENTIALS_DIRECTORY").env("TMPDIR", home).current_dir(home).args(arguments);
    command.env("KEYFOB_LOG_LEVEL", "trace");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(home: &Path, arguments: &[&str], input: &str) -> Output {
    input.lines().for_each(|line| canary::remember("what was typed into a command", line));
    let mut child = keyfob(home, arguments).spawn().expect("started");
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("ended");
    canary::search(&format!("standard error of {arguments:?}"), &output.stderr);
    output
}

/// Run a command that must be done, and give its standard output.
fn done(home: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(home, arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

struct Server {
    home: TempDir,
    process: Child,
    address: String,
    // Held open: the server has more to say.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    fn start_in(home: TempDir) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        let log = File::options().create(true).append(true).open(home.path().join(LOG)).expect("a log");
        let mut process = keyfob(home.path(), &serve).stderr(log).spawn().expect("started");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        Self { home, process, address, _output: output }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn http(&self, request: &str, header: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            self.address
        );
        canary::sent(text.as_bytes());
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        canary::shown(answer.as_bytes());
        let status = answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn sign_in(&self, name: &str, password: &str) -> String {
        let body = serde_json::json!({ "username": name, "password": password }).to_string();
        let (status, answer) = self.http("POST /auth/login", "Content-Type: application/json", &body);
        assert_eq!(status, 200, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// What a guarded endpoint says to this token.
    fn me(&self, token: &str) -> u16 {
        self.http("GET /auth/me", &format!("Authorization: Bearer {token}"), "").0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            canary::search_tree(self.home());
        }
    }
}

#[test]
fn what_a_command_takes_away_is_refused_when_the_command_returns() {
    let server = Server::start();
    let home = server.home();
    done(home, &["user", "add", "ada", "--password-stdin"], PASSWORD);
    let mut token = server.sign_in("ada", PASSWORD);
    let denials: [(&[&str], &str); 4] = [
        (&["session", "end", "--user", "ada"], ""),
        (&["user", "passwd", "ada", "--password-stdin"], PASSWORD),
        (&["user", "disable", "ada"], ""),
        (&["user", "delete", "ada"], ""),
    ];
    for (command, input) in denials {
        assert_eq!(server.me(&token), 200, "before {command:?}");
        done(home, command, input);
        assert_eq!(server.me(&token), 401, "after {command:?}");
        match command[1] {
            "delete" => {}
            "disable" => {
                done(home, &["user", "enable", "ada"], "");
                assert_eq!(server.me(&token), 401, "a token of an ended session stays dead");
                token = server.sign_in("ada", PASSWORD);
            }
            _ => token = server.sign_in("ada", PASSWORD),
        }
    }
}

#[test]
fn one_session_is_ended_by_its_id_and_the_others_live() {
    let server = Server::start();
    let home = server.home();
    done(home, &["user", "add", "ada", "--password-stdin"], PASSWORD);
    let (first, second) = (server.sign_in("ada", PASSWORD), server.sign_in("ada", PASSWORD));
    let list: serde_json::Value =
        serde_json::from_str(&done(home, &["--json", "session", "list", "ada"], "")).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    // Newest first: the second of the list is the first sign-in.
    done(home, &["session", "end", list[1]["id"].as_str().expect("an id")], "");
    assert_eq!((server.me(&first), server.me(&second)), (401, 200));
}

#[test]
fn a_token_is_looked_into_and_never_shown() {
    let server = Server::start();
    let home = server.home();
    done(home, &["user", "add", "ada", "--password-stdin"], PASSWORD);
    let token = server.sign_in("ada", PASSWORD);
    let said = done(home, &["token", "inspect"], &token);
    assert!(
        said.contains("accepted  yes") && said.contains("user      ada") && said.contains("session   live"),
        "{said}"
    );
    assert!(!said.contains(token.rsplit('.').next().expect("a signature")), "the signature is shown");
    // Another first character keeps the last one, and with it the form, as it was.
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    let output = run(home, &["token", "inspect", "-"], &forged);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("accepted  no") && said.contains("because   its signature is wrong"), "{said}");
    done(home, &["user", "disable", "ada"], "");
    let output = run(home, &["token", "inspect", &token], "");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("because   its session is ended") && said.contains("because   its user is disabled"),
        "{said}"
    );
    assert_eq!(done(home, &["signing-key", "list"], "").lines().count(), 3);
}

#[test]
fn a_second_server_exits_1_and_names_the_first() {
    let server = Server::start();
    let output = run(server.home(), &["serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"], "");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("in use by process {}", server.process.id())) && said.contains("hint: "), "{said}");
    let doctor = done(server.home(), &["doctor"], "");
    assert!(doctor.contains(&format!("owner: process {} owns", server.process.id())), "{doctor}");
    assert!(doctor.contains("ok    database: sound"), "{doctor}");
}

#[test]
fn a_server_that_was_killed_leaves_nothing_in_the_way() {
    let mut server = Server::start();
    done(server.home(), &["user", "add", "ada", "--password-stdin"], PASSWORD);
    server.process.kill().expect("killed");
    server.process.wait().expect("gone");
    assert!(server.home().join("keyfob-data/control.sock").exists(), "it was killed, not stopped");
    done(server.home(), &["user", "role", "ada", "--add", "editor"], "");
    let home = std::mem::replace(&mut server.home, tempfile::tempdir().expect("a folder"));
    let server = Server::start_in(home);
    assert!(done(server.home(), &["user", "show", "ada"], "").contains("roles    editor"));
    assert_eq!(server.me(&server.sign_in("ada", PASSWORD)), 200);
}

#[test]
fn the_demo_shows_the_whole_flow_and_leaves_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let said = done(home.path(), &["demo"], "");
    for part in
        ["POST /auth/login", "Authorization: Bearer", "\"sub\"", "200 OK", "401 Unauthorized", "insufficient_scope"]
    {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(said.contains("Authorization: Basic") && said.contains("8. "));
    assert_eq!(std::fs::read_dir(home.path()).expect("a folder").count(), 0, "something is left behind");
}
