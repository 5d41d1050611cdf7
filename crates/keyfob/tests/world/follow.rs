//! Services that follow keyfob (`POST /auth/follow`): what is acknowledged is refused by them, whatever becomes of them, of
//! their node, or of the database.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::campaign::revoke_race::{COMMANDS, amid_calls, words};
use crate::cluster::{Cluster, PATIENCE};
use crate::own::oauth::{basic, form};
use crate::support::clock;
use crate::support::house::{House, POLICY};
use crate::support::http::{Connection, Request, ask};
use crate::support::keyfob::must;
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;
use crate::support::service::{Client, Service};

/// A lease, and a little for the machine.
const LEASE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(800);

/// Sessions that end at full speed.
const SESSIONS: usize = 80;

fn thing(token: &str) -> Request {
    Request::new("GET", "/things/1").bearer(token)
}

fn call(service: &Service, token: &str) -> u16 {
    ask(service.address, &thing(token)).status
}

struct Street {
    service: Service,
    house: House,
    client: Client,
    _api: Recorder,
}

fn street() -> Street {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    let client = Client::register(&house.data(), "things", &["keyfob:follow"]);
    let service = Service::start("follow", house.keyfob(), &format!("http://{}", house.public()), &client);
    Street { service, house, client, _api: api }
}

impl Street {
    fn signed_in(&self, name: &str) -> String {
        self.house.user(name, &["caller"]);
        self.house.token(name)
    }
}

#[test]
fn what_a_command_took_away_is_refused_by_a_follower_when_it_returns() {
    let street = street();
    for (turn, command) in COMMANDS.iter().enumerate() {
        let name = format!("victim{turn}");
        let token = street.signed_in(&name);
        let words = words(command, &name, "");
        let addresses = [street.service.address; 3];
        let (calls, returned) = amid_calls(&addresses, &token, &street.house.data(), &words);
        let calls: Vec<_> = calls.into_iter().flatten().collect();
        let before = calls.iter().filter(|call| call.status == 200).count();
        let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
        assert!(before > 0 && !late.is_empty(), "{before} calls passed and {} came late", late.len());
        assert!(late.iter().all(|status| *status == 401), "after `keyfob {}`: {late:?}", words.join(" "));
    }
}

#[test]
fn a_follower_that_stands_still_delays_the_answer_by_its_lease_and_lets_nobody_in_when_it_goes_on() {
    let street = street();
    let token = street.signed_in("ada");
    let mut connections: Vec<Connection> =
        (0..32).map(|_| Connection::open(street.service.address).expect("the service is there")).collect();
    for connection in &mut connections {
        assert_eq!(connection.ask(&thing(&token)).expect("an answer").status, 200);
    }
    street.service.signal(Signal::STOP);
    let began = clock::now();
    must(&street.house.data(), &["user", "disable", "ada"], "");
    let took = began.elapsed();
    assert!(took > LEASE / 4, "nobody waited for the lease that it holds: {took:?}");
    assert!(took < LEASE + SLACK, "it was waited for longer than its lease: {took:?}");
    // Each begins after the acknowledgement, and lies before the service when it wakes up.
    for connection in &mut connections {
        connection.send(&thing(&token).bytes()).expect("sent");
    }
    street.service.signal(Signal::CONT);
    let answers = connections.iter_mut().map(|it| it.answer(false).expect("an answer").status).collect::<Vec<_>>();
    assert!(answers.iter().all(|status| [401, 503].contains(status)), "{answers:?}");
    // It was late, and dropped; it begins anew, with a snapshot that has what it slept through.
    let bob = street.signed_in("bob");
    clock::until(PATIENCE, || (call(&street.service, &bob) == 200).then_some(())).expect("it follows again");
    assert_eq!(call(&street.service, &token), 401);
}

#[test]
fn without_its_node_a_follower_answers_until_its_lease_has_run_out_and_a_command_waits_for_that() {
    let mut street = street();
    let token = street.signed_in("ada");
    assert_eq!(call(&street.service, &token), 200);
    let data = street.house.data();
    street.house.kill();
    // No server is left that could know of the follower.
    let (calls, returned) = amid_calls(&[street.service.address], &token, &data, &["user", "disable", "ada"]);
    let calls: Vec<_> = calls.into_iter().flatten().collect();
    assert!(calls.iter().any(|call| call.status == 200), "it goes on for as long as its lease lasts");
    let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
    assert!(!late.is_empty() && late.iter().all(|status| *status == 503), "{late:?}");
    let began = clock::now();
    must(&data, &["user", "enable", "ada"], "");
    must(&data, &["user", "disable", "ada"], "");
    assert!(began.elapsed() < LEASE, "the wait is over once");
}

#[test]
fn a_node_that_was_killed_and_started_again_waits_for_the_leases_that_it_gave() {
    let mut street = street();
    let token = street.signed_in("ada");
    assert_eq!(call(&street.service, &token), 200);
    street.house.kill();
    street.house.start();
    let data = street.house.data();
    let (calls, returned) = amid_calls(&[street.service.address], &token, &data, &["user", "disable", "ada"]);
    let late = calls.into_iter().flatten().filter(|call| call.began > returned);
    let late: Vec<u16> = late.map(|call| call.status).collect();
    assert!(!late.is_empty() && late.iter().all(|status| [401, 503].contains(status)), "{late:?}");
}

#[test]
fn whoever_follows_a_store_that_moves_away_lets_nobody_in_once_the_move_has_returned() {
    let street = street();
    let token = street.signed_in("ada");
    let database = Database::own();
    let command = ["move", "--to", database.url.as_str()];
    let (calls, returned) = amid_calls(&[street.service.address], &token, &street.house.data(), &command);
    let calls: Vec<_> = calls.into_iter().flatten().collect();
    assert!(calls.iter().any(|call| call.status == 200));
    let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
    assert!(!late.is_empty() && late.iter().all(|status| *status == 503), "{late:?}");
}

#[test]
fn whoever_follows_a_store_that_is_restored_lets_nobody_in_once_that_has_returned() {
    let mut street = street();
    let token = street.signed_in("ada");
    let data = street.house.data();
    let backup = data.with_extension("backup").display().to_string();
    street.house.run(&["backup", &backup]);
    assert_eq!(call(&street.service, &token), 200);
    street.house.kill();
    let (calls, returned) = amid_calls(&[street.service.address], &token, &data, &["restore", &backup]);
    let calls: Vec<_> = calls.into_iter().flatten().collect();
    assert!(calls.iter().any(|call| call.status == 200));
    let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
    assert!(!late.is_empty() && late.iter().all(|status| *status == 503), "{late:?}");
}

#[test]
fn sessions_that_end_at_full_speed_are_each_refused_by_two_followers_when_the_answer_is_there() {
    let street = street();
    let issuer = format!("http://{}", street.house.public());
    let second = Service::start("follow", street.house.keyfob(), &issuer, &street.client);
    let tokens: Vec<String> = (0..SESSIONS)
        .map(|number| {
            let name = format!("user{}", number % 4);
            if number < 4 { street.signed_in(&name) } else { street.house.token(&name) }
        })
        .collect();
    let (street, second) = (&street, &second);
    thread::scope(|scope| {
        for tokens in tokens.chunks(SESSIONS / 4) {
            scope.spawn(move || {
                let connect = |address| Connection::open(address).expect("it is there");
                let mut keyfob = connect(street.house.public());
                let mut services = [connect(street.service.address), connect(second.address)];
                for token in tokens {
                    let mut ask = || services.each_mut().map(|it| it.ask(&thing(token)).expect("an answer").status);
                    assert_eq!(ask(), [200, 200]);
                    let out = keyfob.ask(&Request::new("POST", "/auth/logout").bearer(token)).expect("an answer");
                    assert_eq!(out.status, 204);
                    assert_eq!(ask(), [401, 401]);
                }
            });
        }
    });
}

#[test]
fn followers_need_a_client_with_the_scope_and_are_bounded_in_number() {
    let street = street();
    let ask = |client: &Client, body: &str| {
        ask(street.house.public(), &form("follow", Some(&basic(&client.id, &client.secret)), body))
    };
    let plain = Client::register(&street.house.data(), "plain", &["api:use"]);
    let refused = ask(&plain, "");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("insufficient_scope")));
    assert_eq!(ask(&Client { secret: plain.secret.clone(), ..street.client.clone() }, "").status, 401);
    assert_eq!(street.house.ask(&form("follow", None, "")).status, 401);
    assert_eq!(ask(&street.client, "follower=x&applied=1&incarnation=y").status, 400);
    assert_eq!(ask(&street.client, "applied=1").status, 400);

    let flood: Vec<_> = (0..40).map(|_| ask(&street.client, "")).collect();
    let taken = flood.iter().filter(|answer| answer.status == 200).count();
    assert!((15..=16).contains(&taken), "{taken} followers of one client");
    let last = flood.last().expect("forty");
    assert_eq!((last.status, last.json()["error"].as_str()), (429, Some("slow_down")), "{}", last.text());
    let other = Client::register(&street.house.data(), "other", &["keyfob:follow"]);
    let other_is_in = ask(&other, "");
    assert_eq!(other_is_in.status, 200, "one client leaves room for others");

    // Nobody confirms for another client: it is a stranger there, and begins anew.
    let theirs = other_is_in.json();
    let body = format!(
        "follower={}&applied={}&incarnation={}",
        theirs["follower"].as_str().expect("an id"),
        theirs["revision"],
        theirs["incarnation"].as_str().expect("a life")
    );
    let third = Client::register(&street.house.data(), "third", &["keyfob:follow"]);
    let answer = ask(&third, &body);
    assert_eq!((answer.status, answer.json()["snapshot"].as_bool()), (200, Some(true)));
    assert_ne!(answer.json()["follower"], theirs["follower"]);

    // What never says a word delays an answer by a lease at most, and gives up its place.
    let token = street.signed_in("ada");
    let began = clock::now();
    street.house.run(&["user", "disable", "ada"]);
    assert!(began.elapsed() < LEASE + SLACK, "{:?}", began.elapsed());
    assert_eq!(call(&street.service, &token), 401, "the real one heard of it all the same");
    clock::until(PATIENCE, || (ask(&street.client, "").status == 200).then_some(())).expect("places come back");
}

/// The second of two nodes is followed.
fn two() -> (Cluster, Service) {
    let cluster = Cluster::of(2);
    let client = Client::register(&cluster.data(0), "things", &["keyfob:follow"]);
    let metadata = ask(cluster.addresses()[1], &Request::new("GET", "/.well-known/oauth-authorization-server"));
    let issuer = metadata.json()["issuer"].as_str().expect("an issuer").to_owned();
    let service = Service::start("follow", cluster.node(1), &issuer, &client);
    (cluster, service)
}

#[test]
fn what_is_acknowledged_at_one_node_is_refused_by_who_follows_another() {
    let (cluster, service) = two();
    for (turn, command) in COMMANDS.iter().enumerate() {
        let name = format!("victim{turn}");
        let token = cluster.signed_in(&name);
        let words = words(command, &name, "");
        let (calls, returned) = amid_calls(&[service.address; 2], &token, &cluster.data(0), &words);
        let calls: Vec<_> = calls.into_iter().flatten().collect();
        let before = calls.iter().filter(|call| call.status == 200).count();
        let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
        assert!(before > 0 && !late.is_empty(), "{before} calls passed and {} came late", late.len());
        assert!(late.iter().all(|status| *status == 401), "after `keyfob {}`: {late:?}", words.join(" "));
    }
    // It sleeps: the other node waits for its lease, by the row of the node that gave it.
    let token = cluster.signed_in("ada");
    assert_eq!(call(&service, &token), 200);
    service.signal(Signal::STOP);
    let began = clock::now();
    must(&cluster.data(0), &["user", "disable", "ada"], "");
    let took = began.elapsed();
    assert!(took > LEASE / 4 && took < LEASE + SLACK, "{took:?}");
    let mut connection = Connection::open(service.address).expect("it listens");
    connection.send(&thing(&token).bytes()).expect("sent");
    service.signal(Signal::CONT);
    let status = connection.answer(false).expect("an answer").status;
    assert!([401, 503].contains(&status), "{status}");
}

#[test]
fn whoever_follows_a_node_that_stopped_or_was_killed_lets_nobody_in_who_was_revoked_at_another() {
    let (mut cluster, service) = two();
    let token = cluster.signed_in("ada");
    assert_eq!(call(&service, &token), 200);
    cluster.signal(1, Signal::STOP);
    let (calls, returned) = amid_calls(&[service.address], &token, &cluster.data(0), &["user", "disable", "ada"]);
    let late = calls.into_iter().flatten().filter(|call| call.began > returned).map(|call| call.status);
    let late: Vec<u16> = late.collect();
    assert!(!late.is_empty() && late.iter().all(|status| [401, 503].contains(status)), "{late:?}");
    cluster.signal(1, Signal::CONT);

    let token = cluster.signed_in("bob");
    clock::until(PATIENCE, || (call(&service, &token) == 200).then_some(())).expect("it follows again");
    cluster.nodes[1].take().expect("it runs").kill();
    let (calls, returned) = amid_calls(&[service.address], &token, &cluster.data(0), &["user", "disable", "bob"]);
    let late = calls.into_iter().flatten().filter(|call| call.began > returned).map(|call| call.status);
    let late: Vec<u16> = late.collect();
    assert!(!late.is_empty() && late.iter().all(|status| *status == 503), "{late:?}");
}
