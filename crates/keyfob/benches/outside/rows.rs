//! The rows of the report.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use super::flood::{self, Checks};
use super::load::{LOAD_CORE, Rate, SERVER_CORE, pin, run as load, run_with, zipf};
use super::say;
use super::support::clock;
use super::support::house::{House, PASSWORD, POLICY, login, login_request, token_of};
use super::support::http::{Connection, Request};
use super::support::nginx::Nginx;
use super::support::upstream::Upstream;

/// Users of the bench; their sign-ins make the tokens.
const USERS: usize = 50;
/// Interleaved sign-ins of each kind for the difference in time.
const TIMINGS: usize = 1_000;
/// Failures are wanted here, and an hour of life, so that no token dies in the middle.
const SETTINGS: &[(&str, &str)] = &[
    ("KEYFOB_ACCESS_LIFE", "1h"),
    ("KEYFOB_THROTTLE_ADDRESS_FAILURES", "1000000"),
    ("KEYFOB_THROTTLE_ACCOUNT_FAILURES", "100"),
    ("KEYFOB_LOG_LEVEL", "warn"),
];

/// The name of a user of the bench.
pub fn user(number: usize) -> String {
    format!("user{number:04}")
}

/// All rows; `--seconds N` and `--tokens N` make a shorter run.
pub fn run(words: &[&str]) {
    let option = |name: &str, default: u32| {
        let at = words.iter().position(|word| *word == name);
        at.and_then(|at| words.get(at + 1)).map_or(default, |text| text.parse().expect("a number"))
    };
    let bench = Bench::start(option("--seconds", 8), option("--tokens", 10_000) as usize);
    say("| row | requests/s | p99 µs | against | ratio |\n|---|---:|---:|---|---:|");
    bench.checks();
    bench.gateway();
    say("\n| figure | value |\n|---|---:|");
    bench.sign_ins();
    bench.timing();
    bench.flood();
    bench.size();
}

struct Bench {
    seconds: u32,
    folder: TempDir,
    api: Upstream,
    house: House,
    tokens: Vec<String>,
    started: Duration,
    idle: u64,
}

impl Bench {
    fn start(seconds: u32, tokens: usize) -> Self {
        pin(SERVER_CORE);
        let api = bare("api");
        let mut house = House::with(&api.origin(), POLICY, SETTINGS);
        (0..USERS).for_each(|number| house.user(&user(number), &["caller"]));
        house.kill();
        let start = clock::now();
        house.start();
        let _ = house.ask(&Request::new("GET", "/"));
        let started = start.elapsed();
        let idle = memory(house.keyfob().id());
        let signed = |number: usize| token_of(&login(house.public(), &user(number % USERS), PASSWORD));
        let tokens = (0..tokens).map(signed).collect();
        Self { seconds, folder: TempDir::new().expect("a temporary directory"), api, house, tokens, started, idle }
    }

    fn load(&self, address: SocketAddr, requests: &[Request]) -> Rate {
        load(self.folder.path(), address, &zipf(requests), self.seconds)
    }

    /// What a proxy asks.
    fn check(token: &str) -> Request {
        let request = Request::new("GET", "/auth/check/forward").bearer(token);
        request
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Uri", "/things/1")
            .header("X-Forwarded-Host", "api.test")
    }

    fn checks(&self) {
        let good: Vec<Request> = self.tokens.iter().map(|token| Self::check(token)).collect();
        let garbage: Vec<Request> = self.tokens.iter().map(|token| Self::check(&forged(token))).collect();
        pin(SERVER_CORE);
        let bare = bare("check");
        let limit = self.load(bare.address, &good);
        drop(bare);
        row("bare hyper, the same requests and headers", limit, None);
        let checks = self.load(self.house.keyfob().internal, &good);
        assert_eq!(checks.refused, 0, "good tokens are let through");
        row("keyfob /auth/check/forward", checks, Some(("bare hyper", limit)));
        let refused = self.load(self.house.keyfob().internal, &garbage);
        assert!(refused.refused > 0, "forged tokens are refused");
        row("keyfob /auth/check/forward, forged tokens", refused, Some(("good tokens", checks)));
    }

    fn gateway(&self) {
        let calls: Vec<Request> =
            self.tokens.iter().map(|token| Request::new("GET", "/things/1").bearer(token)).collect();
        let keyfob = self.house.keyfob();
        let (api, internal) = (self.api.address, keyfob.internal);
        let proxied = "proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection \"\";";
        let upstreams = format!(
            "upstream api {{ server {api}; keepalive 64; }} upstream check {{ server {internal}; keepalive 64; }}\n\
             keepalive_requests 1000000000;"
        );
        pin(SERVER_CORE);
        let plain = Nginx::start(&format!("{upstreams} server {{ listen $LISTEN; location / {{ {proxied} }} }}"));
        let limit = self.load(plain.address(), &calls);
        drop(plain);
        row("nginx, plain proxy", limit, None);
        pin(SERVER_CORE);
        let asking = Nginx::start(&format!(
            "{upstreams} server {{ listen $LISTEN; location / {{ auth_request /check; {proxied} }}\n\
             location = /check {{ internal; proxy_pass http://check/auth/check/nginx; proxy_pass_request_body off;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Content-Length \"\";\n\
             proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URI $request_uri; }} }}"
        ));
        let asked = self.load(asking.address(), &calls);
        drop(asking);
        assert_eq!(asked.refused, 0, "nginx lets good tokens through");
        row("nginx auth_request asking keyfob, and proxy", asked, Some(("nginx, plain", limit)));
        let gateway = self.load(keyfob.public, &calls);
        assert_eq!(gateway.refused, 0, "the gateway lets good tokens through");
        row("keyfob gateway", gateway, Some(("nginx, plain", limit)));
        row("keyfob gateway", gateway, Some(("nginx auth_request", asked)));
    }

    fn sign_ins(&self) {
        pin(SERVER_CORE);
        let own = std::env::current_exe().expect("this program");
        let output = std::process::Command::new(own).arg("argon2").output().expect("this program can be run again");
        let hash: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a time in microseconds");
        let mut times = sign_in_times(self.house.public(), &login_request(&user(0), PASSWORD), 60);
        let whole = median(&mut times);
        figure("Argon2id by itself, median", &format!("{:.2} ms", hash / 1e3));
        figure("sign-in, median", &format!("{:.2} ms, {:.3} x", whole / 1e3, whole / hash));
        let requests: Vec<Request> = (0..USERS).map(|number| login_request(&user(number), PASSWORD)).collect();
        let rate =
            run_with(self.folder.path(), self.house.public(), &requests.iter().collect::<Vec<_>>(), self.seconds, 4);
        figure("sign-ins a second on one core, 4 connections", &format!("{:.0}", rate.per_second));
    }

    /// Wrong password against unknown user, taken in turns.
    fn timing(&self) {
        let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..TIMINGS {
            let name = user(number % USERS);
            wrong.extend(sign_in_times(self.house.public(), &login_request(&name, "not the password at all"), 1));
            let nobody = format!("nobody{:04}", number % USERS);
            unknown.extend(sign_in_times(self.house.public(), &login_request(&nobody, "not the password at all"), 1));
        }
        let (wrong, unknown) = (median(&mut wrong), median(&mut unknown));
        let gap = (wrong - unknown).abs() / wrong * 100.0;
        figure("wrong password against unknown user, medians", &format!("{wrong:.0} µs, {unknown:.0} µs: {gap:.2} %"));
    }

    fn flood(&self) {
        let check = Self::check(&self.tokens[0]);
        let address = self.house.keyfob().internal;
        let quiet_most = load(self.folder.path(), address, &[&check], 3).per_second;
        // One core generates this load with a system call for each request, so it cannot reach 40 % of wrk's rate.
        let rate = (quiet_most * 0.4).min(8_000.0);
        let length = Duration::from_secs(u64::from(self.seconds));
        let checks = Checks { address, request: &check, per_second: rate, length };
        let quiet = flood::run(&checks, None, USERS);
        let loud = flood::run(&checks, Some(self.house.public()), USERS);
        figure("checks a second, open loop", &format!("{rate:.0}"));
        figure("p99 of checks, quiet", &format!("{:.0} µs", quiet.p99));
        let ratio = loud.p99 / quiet.p99;
        figure("p99 of checks while sign-ins flood", &format!("{:.0} µs, {ratio:.2} x", loud.p99));
        figure("sign-ins in the flood: in, turned away with 429", &format!("{}, {}", loud.signed_in, loud.turned_away));
        figure("resident memory after the flood", &format!("{:.1} MiB", mebibytes(memory(self.house.keyfob().id()))));
    }

    fn size(&self) {
        figure("start to first answer", &format!("{:.0} ms", self.started.as_secs_f64() * 1e3));
        figure("resident memory, idle", &format!("{:.1} MiB", mebibytes(self.idle)));
        let binary = fs::metadata(env!("CARGO_BIN_EXE_keyfob")).expect("the binary").len();
        figure("binary", &format!("{:.1} MB", binary as f64 / 1e6));
    }
}

/// This program again, as a server that decides nothing, on the core of the servers.
fn bare(kind: &str) -> Upstream {
    let own = std::env::current_exe().expect("this program").display().to_string();
    Upstream::run(&[&own, "bare", kind])
}

/// A token with another signature: of the right shape, and wrong.
fn forged(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').expect("a token has three parts");
    let flipped: String = signature.chars().rev().collect();
    // The last character holds spare bits, so the first and the last stay where they are.
    format!("{head}.{}{}{}", &signature[..1], &flipped[1..flipped.len() - 1], &signature[signature.len() - 1..])
}

fn sign_in_times(address: SocketAddr, request: &Request, count: usize) -> Vec<f64> {
    pin(LOAD_CORE);
    let mut connection = Connection::open(address).expect("keyfob is there");
    let one = |_| {
        let start = clock::now();
        let answer = connection.ask(request).expect("an answer");
        assert!([200, 401].contains(&answer.status), "{}: {}", answer.status, answer.text());
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..count).map(one).collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Resident memory of a process, in KiB.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).expect("VmRSS")
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

fn row(name: &str, rate: Rate, against: Option<(&str, Rate)>) {
    let (other, ratio) = against.map_or((String::new(), String::new()), |(name, other)| {
        (name.to_owned(), format!("{:.3}", rate.per_second / other.per_second))
    });
    say(&format!("| {name} | {:.0} | {:.0} | {other} | {ratio} |", rate.per_second, rate.p99));
}

fn figure(name: &str, value: &str) {
    say(&format!("| {name} | {value} |"));
}
