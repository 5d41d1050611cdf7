//! The matrix is worth what it notices: each rule of the configurations that keeps something out is taken away once, and
//! the row that is about it must complain. Never compares anything with the page.

use super::door::{Door, home};
use super::proxies::{Break, KINDS};
use super::rows::{GROUPS, play};

/// A door, a rule of its configuration and what stands there instead, and the rows that must complain.
const BROKEN: &[(&str, Break, &[&str])] = &[
    ("nginx", ("proxy_set_header X-Auth-User    $auth_user;", ""), &[IDENTITY]),
    ("nginx", ("underscores_in_headers off;", "underscores_in_headers on;"), &[UNDERSCORE]),
    ("nginx", ("$keyfob_cache_control always;", "\"\";"), &[CACHE]),
    ("nginx", ("proxy_pass http://api;", "proxy_pass http://api/;"), &["odd but plain bytes"]),
    ("Caddy", ("request_header @plain -Connection", ""), &[NAMED]),
    ("Caddy", ("copy_headers X-Auth-User", "copy_headers"), &[IDENTITY]),
    ("Traefik", ("authResponseHeaders: [X-Auth-User,", "authResponseHeaders: ["), &[IDENTITY]),
    ("Traefik", ("Authorization: \"\"", ""), &["a good token"]),
    ("Envoy", ("x[-_.]auth[-_.](user", "x-auth-(user"), &[DOT]),
    ("Envoy", ("request_headers_to_remove: [authorization]", ""), &["a good token"]),
    ("HAProxy", ("http-request del-header ^x[-_.]auth[-_.]", "http-request del-header ^y"), &[UNDERSCORE, DOT]),
    ("HAProxy", ("{ txn.f:pathq() }", "{ \"/things/7\" }"), &["a good token, without the permission"]),
    ("HAProxy", ("unless { var(txn.keyfob_status) -m int 200 }", "if FALSE"), &["keyfob is down"]),
    ("Apache, mod_oauth2", ("&expiry=0", ""), &["a session that ends between two requests"]),
    ("Apache, mod_auth_openidc", ("RewriteCond %{REQUEST_METHOD} =OPTIONS", "RewriteCond a b"), &[PREFLIGHT]),
    ("Apache, mod_oauth2", (r"%(2e|2f|5c|25|3b|00)", "%00"), &[BEHIND]),
];

const IDENTITY: &str = "`X-Auth-User` and its kin, twice, in any case";
const UNDERSCORE: &str = "`X_Auth_User`";
const DOT: &str = "`X.Auth.User`";
const PREFLIGHT: &str = "CORS preflight, no token or no permission";
const BEHIND: &str = "`/admin/../things`";
const NAMED: &str = "`Connection: X-Auth-User`";
const CACHE: &str = "a caching proxy in front";

#[test]
fn a_rule_that_is_taken_away_is_noticed() {
    let home = home();
    let mut unnoticed = Vec::new();
    for (name, broken, names) in BROKEN {
        let kind = KINDS.iter().find(|kind| kind.name == *name).expect("a door of that name");
        let mut door = Door::open_broken(kind, home.clone(), *broken);
        for row in *names {
            let row = GROUPS.iter().flat_map(|(_, rows)| *rows).find(|known| known.name == *row).expect("a row");
            let cell = play(row, &mut door);
            if door.problems().is_empty() {
                unnoticed.push(format!("{name} without `{}`: {} is {cell}", broken.0, row.name));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
