//! The clients of `docs/clients/`, run as people run them: sign in, keep the tokens, call, refresh on `invalid_token` and on
//! nothing else, sign out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::support::house::{House, PASSWORD, POLICY};
use super::support::http::Request;
use super::support::recorder::Recorder;
use super::support::{canary, clock, root, world};

const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    program: Vec<String>,
    origin: String,
    tokens: std::path::PathBuf,
}

impl Client {
    /// Run one step; its standard output, or what it said before it failed.
    fn step(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        use std::io::Write as _;
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).arg(&self.origin).args(arguments).env("TOKENS", &self.tokens);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client can be run");
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if let Ok(text) = fs::read_to_string(&self.tokens)
            && let Ok(kept) = serde_json::from_str::<Value>(&text)
        {
            for member in ["access_token", "refresh_token"] {
                canary::remember("a token that a client keeps", kept[member].as_str().unwrap_or("none"));
            }
        }
        if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(said) }
    }

    fn kept(&self, member: &str) -> String {
        let text = fs::read_to_string(&self.tokens).expect("the tokens are kept");
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        kept[member].as_str().expect(member).to_owned()
    }

    fn get(&self, path: &str) -> String {
        self.step(&["get", path], "").expect("a call").lines().next().unwrap_or_default().to_owned()
    }
}

fn walk(program: &[&str]) {
    let api = Recorder::start();
    let lobby = "\n[[routes]]\npath = \"/lobby\"\nrequire = [\"lobby:see\"]\n";
    let settings = &[("KEYFOB_ACCESS_LIFE", "2s"), ("KEYFOB_LEEWAY", "0s")];
    let house = House::with(&api.origin(), &format!("{POLICY}{lobby}"), settings);
    house.user("ada", &["caller"]);
    let folder = TempDir::new().expect("a folder");
    let client = Client {
        program: program.iter().map(|&word| word.to_owned()).collect(),
        origin: format!("http://{}", house.public()),
        tokens: folder.path().join("tokens.json"),
    };
    assert!(client.step(&["sign-in", "ada"], "wrong\n").is_err(), "{program:?}");
    client.step(&["sign-in", "ada"], &format!("{PASSWORD}\n")).expect("signed in");
    let mode = fs::metadata(&client.tokens).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads them");
    let first = client.kept("refresh_token");
    assert_eq!(client.get("/things/1"), "200");

    // The access token expires; the next call gets the next pair and is answered all the same.
    let access = client.kept("access_token");
    let dead = || (house.ask(&Request::new("GET", "/things/1").bearer(&access)).status == 401).then_some(());
    clock::until(PATIENCE, dead).expect("it expires");
    assert_eq!(client.get("/things/2"), "200");
    let second = client.kept("refresh_token");
    assert_ne!(first, second, "it refreshed, and keeps the newest");
    let mode = fs::metadata(&client.tokens).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Refused for want of a permission: no refresh helps, so there is none. With a token that lives, whatever it takes.
    let lacking = || {
        client.step(&["sign-in", "ada"], &format!("{PASSWORD}\n")).expect("signed in");
        let (before, access) = (client.kept("refresh_token"), client.kept("access_token"));
        let status = client.get("/lobby");
        let alive = house.ask(&Request::new("GET", "/things/3").bearer(&access)).status == 200;
        alive.then(|| assert_eq!((status.as_str(), client.kept("refresh_token")), ("401", before)))
    };
    clock::until(PATIENCE, lacking).expect("once it is fast enough");

    let last = client.kept("refresh_token");
    client.step(&["sign-out"], "").expect("signed out");
    assert!(!client.tokens.exists(), "nothing is left behind");
    let form = Request::new("POST", "/auth/token").header("Content-Type", "application/x-www-form-urlencoded");
    let again = house.ask(&form.body(format!("grant_type=refresh_token&refresh_token={last}")));
    assert_eq!(again.status, 400, "the session has ended: {}", again.text());
}

fn of(file: &str) -> String {
    let path = root().join("docs/clients").join(file);
    assert!(Path::new(&path).exists(), "{}", path.display());
    path.display().to_string()
}

#[test]
fn curl_signs_in_calls_refreshes_when_it_must_and_signs_out() {
    walk(&["bash", &of("client.sh")]);
}

#[test]
fn httpx_signs_in_calls_refreshes_when_it_must_and_signs_out() {
    walk(&[&world().join("venv/bin/python").display().to_string(), &of("client.py")]);
}

#[test]
fn fetch_signs_in_calls_refreshes_when_it_must_and_signs_out() {
    walk(&["node", &of("client.mjs")]);
}
