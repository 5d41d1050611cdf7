//! Settings: each layer, their order, and what each mistake says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{KEYS, variable};
use super::value::{duration, network, origin};
use super::*;

fn sources(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Sources {
    Sources {
        file: Some((PathBuf::from("keyfob.toml"), file.to_owned())),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        flags: flags.iter().map(|(key, flag, value)| (*key, *flag, (*value).to_owned())).collect(),
    }
}

fn settings(file: &str) -> Settings {
    load(&sources(file, &[], &[])).expect("these settings are right").settings
}

fn refused(file: &str) -> String {
    let problem = load(&sources(file, &[], &[])).expect_err("these settings are wrong");
    format!("{problem} | {}", problem.hint)
}

#[test]
fn nothing_set_gives_the_defaults() {
    let loaded = load(&Sources::default()).expect("defaults are right").settings;
    assert_eq!(loaded.data, Path::new("keyfob-data"));
    assert_eq!(loaded.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.tls, Tls::Loopback);
    assert!(loaded.upstream.is_none() && loaded.trusted_proxies.is_empty());
    assert_eq!(loaded.exposed_listener(), None);
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let file = "listen = \"127.0.0.1:1\"\naccess-life = \"1m\"\nrealm = \"file\"\n";
    let variables = [("KEYFOB_LISTEN", "127.0.0.1:2"), ("KEYFOB_ACCESS_LIFE", "2m")];
    let flags = [("listen", "--listen", "127.0.0.1:3")];
    let loaded = load(&sources(file, &variables, &flags)).expect("right").settings;
    assert_eq!(loaded.listen.port(), 3);
    assert_eq!(loaded.access_life, Duration::from_mins(2));
    assert_eq!(loaded.realm, "file");
}

#[test]
fn every_key_has_a_variable_of_its_own_and_is_documented() {
    let mut variables: Vec<_> = KEYS.iter().map(|key| variable(key.name)).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), KEYS.len());
    assert!(KEYS.iter().all(|key| !key.takes.is_empty() && key.name == key.name.to_ascii_lowercase()));
}

#[test]
fn an_unknown_key_is_refused_with_line_and_column() {
    assert_eq!(
        refused("data = \"d\"\n  acess-life = \"15m\"\n"),
        "keyfob.toml, line 2, column 3: there is no setting `acess-life` | did you mean `access-life`?"
    );
    assert!(
        refused("[limits]\nbodies = 3\n")
            .starts_with("keyfob.toml, line 2, column 1: there is no setting `limits.bodies`")
    );
    assert!(refused("[clients]\na = 3\n").starts_with("keyfob.toml, line 1, column 2: there is no setting `clients`"));
}

#[test]
fn a_wrong_value_says_the_key_the_place_and_what_it_takes() {
    assert_eq!(
        refused("# times\naccess-life = \"90m\"\n"),
        "keyfob.toml, line 2, column 15: `access-life` cannot be `90m` | it takes a length of time from 1s to 60m, such as `15m`"
    );
    assert!(refused("hash-queue = \"64\"\n").contains("`hash-queue` cannot be `64`"), "a string is no number in TOML");
    assert!(refused("listen = [1]\n").contains("cannot be an array of anything but strings"));
    assert!(refused("listen = \"a\"\nlisten = \"b\"\n").starts_with("keyfob.toml, line 2, column 1: "));
    let problem = load(&sources("", &[("KEYFOB_LEEWAY", "2m")], &[])).expect_err("too long");
    assert_eq!(problem.to_string(), "variable KEYFOB_LEEWAY: `leeway` cannot be `2m`");
    assert!(!problem.is_usage());
    let problem = load(&sources("", &[], &[("listen", "--listen", "everywhere")])).expect_err("no address");
    assert_eq!(problem.to_string(), "flag --listen: `listen` cannot be `everywhere`");
    assert!(problem.is_usage());
}

#[test]
fn every_key_refuses_a_value_of_the_wrong_kind() {
    for key in KEYS {
        let (table, name) = key.name.split_once('.').map_or((None, key.name), |(table, name)| (Some(table), name));
        let head = table.map(|table| format!("[{table}]\n")).unwrap_or_default();
        let text = format!("{head}{name} = 1979-05-27\n");
        assert!(refused(&text).contains(&format!("`{}` cannot be a date", key.name)), "{}", key.name);
    }
}

#[test]
fn password_hashing_cannot_be_made_too_cheap() {
    assert!(refused("password-memory-kib = 7167\n").contains("7168"));
    assert!(refused("password-memory-kib = 19455\npassword-passes = 1\n").contains("OWASP"));
    assert!(refused("password-memory-kib = 7168\npassword-passes = 4\n").contains("OWASP"));
    assert_eq!(settings("password-memory-kib = 7168\npassword-passes = 5\n").password_cost.memory_kib, 7168);
    assert_eq!(settings("password-memory-kib = 47104\npassword-passes = 1\n").password_cost.passes, 1);
    assert!(refused("password-min-length = 7\n").contains("from 8 to 64"));
}

#[test]
fn as_many_unknown_names_are_remembered_as_an_address_may_try() {
    let throttle = |text: &str| settings(&format!("[throttle]\n{text}")).throttle;
    assert_eq!(throttle("unknown-names = 100").unknown_names, 100);
    // Else the failures of an address would be forgotten before they are too many.
    assert_eq!(throttle("unknown-names = 100\naddress-failures = 5000").unknown_names, 5000);
    assert_eq!(throttle("address-failures = 1000000").unknown_names, 1_000_000);
}

#[test]
fn an_unknown_variable_is_a_warning_and_a_service_name_is_nothing() {
    let variables = [("KEYFOB_LISTENER", "x"), ("KEYFOB_SERVICE_HOST", "10.0.0.1"), ("KEYFOB_PORT", "tcp://x")];
    let loaded = load(&sources("", &variables, &[])).expect("only warnings");
    assert_eq!(loaded.warnings, ["variable KEYFOB_LISTENER sets nothing: there is no such setting"]);
}

#[test]
fn tls_is_a_word_or_a_table_and_the_upper_layer_wins() {
    let files = "[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";
    assert_eq!(settings(files).tls, Tls::Files { certificate: "c.pem".into(), key: "k.pem".into() });
    assert_eq!(settings("tls = \"terminated-upstream\"").tls, Tls::TerminatedUpstream);
    let over = load(&sources(files, &[("KEYFOB_TLS", "terminated-upstream")], &[])).expect("right").settings;
    assert_eq!(over.tls, Tls::TerminatedUpstream);
    let both = [("KEYFOB_TLS", "loopback"), ("KEYFOB_TLS_KEY", "k.pem")];
    assert!(load(&sources("", &both, &[])).expect_err("both").to_string().contains("and so is"));
    assert!(refused("[tls]\nkey = \"k.pem\"\n").contains("`tls.certificate` is not"));
}

#[test]
fn plaintext_off_loopback_is_exposed_unless_the_settings_say_how_it_is_protected() {
    for key in ["listen", "internal-listen"] {
        let exposed = |address: &str, more: &str| {
            settings(&format!("{key} = \"{address}\"\n{more}")).exposed_listener().map(|found| found.to_string())
        };
        assert_eq!(exposed("0.0.0.0:443", "").as_deref(), Some("0.0.0.0:443"));
        assert_eq!(exposed("[::]:443", "").as_deref(), Some("[::]:443"));
        assert_eq!(exposed("[::1]:443", ""), None);
        assert_eq!(exposed("[::ffff:127.0.0.1]:443", ""), None);
        assert_eq!(exposed("0.0.0.0:443", "tls = \"terminated-upstream\"\n"), None);
        let files = exposed("0.0.0.0:443", "[tls]\ncertificate = \"c\"\nkey = \"k\"\n");
        assert_eq!(files.is_some(), key == "internal-listen", "the internal listener never speaks TLS");
    }
}

#[test]
fn relative_paths_in_a_file_start_from_its_folder() {
    let mut from = sources("policy = \"policy.toml\"\ndata = \"/var/lib/keyfob\"\n", &[], &[]);
    from.file = Some((PathBuf::from("/etc/keyfob/keyfob.toml"), from.file.expect("set").1));
    let loaded = load(&from).expect("right").settings;
    assert_eq!(loaded.policy.as_deref(), Some(Path::new("/etc/keyfob/policy.toml")));
    assert_eq!(loaded.data, Path::new("/var/lib/keyfob"));
}

#[test]
fn an_origin_is_exact_and_canonical() {
    assert_eq!(origin("HTTPS://API.Example.com:443/").as_deref(), Some("https://api.example.com"));
    assert_eq!(origin("http://127.0.0.1:3000").as_deref(), Some("http://127.0.0.1:3000"));
    assert_eq!(origin("http://[::1]:80").as_deref(), Some("http://[::1]"));
    for wrong in ["", "api.example.com", "ftp://a", "http://a/b", "http://a?b", "http://u@a", "http://a#b", "//a"] {
        assert_eq!(origin(wrong), None, "{wrong}");
    }
    for wrong in ["http://a:", "http://a:0", "http://a:99999", "http://", "null", "*"] {
        assert_eq!(origin(wrong), None, "{wrong}");
    }
}

#[test]
fn a_duration_has_a_number_and_a_unit() {
    assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(duration("15m"), Some(Duration::from_mins(15)));
    assert_eq!(duration("7d"), Some(Duration::from_hours(7 * 24)));
    for wrong in ["", "15", "m", "1.5h", "-1s", "+1s", "1 s", "1w", "99999999999999999999s", "18446744073709551615d"] {
        assert_eq!(duration(wrong), None, "{wrong}");
    }
}

#[test]
fn a_network_has_no_bits_after_its_prefix() {
    let ten = network("10.0.0.0/8").expect("a network");
    assert_eq!((ten.address.to_string().as_str(), ten.prefix_length), ("10.0.0.0", 8));
    assert_eq!(network("127.0.0.1").map(|one| one.prefix_length), Some(32));
    assert_eq!(network("::1").map(|one| one.prefix_length), Some(128));
    assert_eq!(network("0.0.0.0/0").map(|all| all.prefix_length), Some(0));
    for wrong in ["10.0.0.1/8", "10.0.0.0/33", "::/129", "fe80::1/64", "10.0.0.0/", "10/8", "host"] {
        assert_eq!(network(wrong), None, "{wrong}");
    }
}

#[test]
fn the_password_of_a_url_that_is_refused_for_it_is_not_shown() {
    for file in ["upstream = \"http://u:hunter2@a\"", "[[upstreams]]\norigins = [\"http://u:hunter2@a\"]"] {
        let said = refused(file);
        assert!(!said.contains("hunter2") && said.contains("cannot be what it is set to"), "{said}");
    }
    for key in ["database", "database-direct"] {
        let said = refused(&format!("{key} = \"postgres://keyfob:hunter2@db/keyfob\"\n"));
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn apis_are_named_by_host_and_path_the_most_particular_first() {
    let settings = settings(
        r#"
upstream = ["http://127.0.0.1:1", "http://127.0.0.1:2"]

[[upstreams]]
path = "/reports"
origins = "http://127.0.0.1:3"
response-timeout = "5s"
body-bytes = 1000
connections = 7

[[upstreams]]
host = "Admin.test"
origins = ["http://127.0.0.1:4"]

[[upstreams]]
path = "/reports/old"
origins = ["http://127.0.0.1:5"]
preserve-host = false
"#,
    );
    let goes = |host: &str, path: &str| {
        let ask = Ask::parse("GET", host, path.as_bytes()).expect("one reading");
        settings.upstream_of(&ask).expect("somewhere").origins[0].port_u16().expect("a port")
    };
    assert_eq!(settings.upstream.as_ref().map(|upstream| upstream.origins.len()), Some(2));
    assert_eq!((goes("api.test", "/x"), goes("api.test", "/reportsx")), (1, 1));
    assert_eq!((goes("api.test", "/reports"), goes("api.test", "/%72eports/7?x")), (3, 3));
    assert_eq!((goes("api.test", "/reports/old/7"), goes("admin.test:8080", "/reports/old/7")), (5, 4));
    let reports = &settings.upstreams[2].upstream;
    assert_eq!(
        (reports.response_timeout, reports.body_bytes, reports.connections),
        (Duration::from_secs(5), Some(1000), 7)
    );
    assert!(reports.preserve_host && !settings.upstreams[1].upstream.preserve_host);
}

#[test]
fn the_proxy_protocol_is_for_proxies_that_are_named() {
    assert!(!settings("").proxy_protocol);
    assert!(settings("proxy-protocol = true\ntrusted-proxies = [\"10.0.0.7\"]").proxy_protocol);
    assert!(refused("proxy-protocol = true").contains("`trusted-proxies` is not | list the balancers"));
}

#[test]
fn a_mistake_in_a_block_of_upstreams_is_named_with_line_and_column() {
    for (file, problem) in [
        (
            "[[upstreams]]\npaht = \"/r\"",
            "keyfob.toml, line 2, column 1: there is no setting `upstreams.paht` | a block has host, path",
        ),
        ("[[upstreams]]\npath = \"/r\"", "keyfob.toml, line 1, column 1: this block has no `origins` | say where"),
        ("[[upstreams]]\norigins = \"http://a\"", "keyfob.toml, line 1, column 1: this block takes every request | "),
        (
            "[[upstreams]]\npath = \"/r/../s\"",
            "keyfob.toml, line 2, column 8: `upstreams.path` cannot be `/r/../s` | it takes a path",
        ),
        (
            "[[upstreams]]\nhost = \"a:80\"",
            "keyfob.toml, line 2, column 8: `upstreams.host` cannot be `a:80` | it takes a host name",
        ),
        (
            "[[upstreams]]\npath = \"/r\"\norigins = [\"http://a\", \"http://a/\"]",
            "keyfob.toml, line 3, column 11: `upstreams.origins` cannot be `http://a, http://a/` | it takes an http",
        ),
        (
            "[[upstreams]]\npath = \"/r\"\norigins = \"http://a\"\n[[upstreams]]\npath = \"/%72\"\norigins = \"http://b\"",
            "keyfob.toml, line 4, column 1: the block on line 1 takes these requests already | list all",
        ),
        ("upstreams = \"http://a\"", "keyfob.toml, line 1, column 13: `upstreams` are blocks | write `[[upstreams]]`"),
    ] {
        let said = refused(file);
        assert!(said.starts_with(problem), "{said}\n{problem}");
    }
}
