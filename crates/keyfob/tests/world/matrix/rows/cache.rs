//! A shared cache between clients and a door (RFC 9111), which keeps whatever it may and knows nothing of
//! `Authorization`: nginx is one. No answer that was made for one caller may reach another.

use tempfile::TempDir;

use crate::matrix::door::Door;
use crate::matrix::witness::Dialect;
use crate::support::http::{Request, ask};
use crate::support::nginx::Nginx;

/// What is kept is kept by its target alone.
const CACHE: &str = "
proxy_cache_path $FOLDER keys_zone=answers:1m;
proxy_http_version 1.1;
proxy_set_header Connection \"\";
server {
    listen $LISTEN;
    location / {
        proxy_pass http://$DOOR;
        proxy_cache answers;
        proxy_cache_key $request_uri;
        proxy_cache_valid any 1m;
    }
}";

pub fn in_front(door: &mut Door) -> String {
    let folder = TempDir::new().expect("a temporary directory");
    let text = CACHE.replace("$FOLDER", &folder.path().display().to_string());
    let cache = Nginx::start(&text.replace("$DOOR", &door.address.to_string()));
    let people = &door.people;
    let callers = [("ada", Some(&people.ada)), ("cleo", Some(&people.cleo)), ("", None), ("ada", Some(&people.ada))];
    for target in ["/things/report", "/open/hours"] {
        let open = target.starts_with("/open");
        for (name, token) in callers {
            let request = Request::new("GET", target);
            let request = token.map_or_else(|| request.clone(), |token| request.clone().bearer(token));
            let answer = ask(cache.address(), &request);
            // Where nobody needs to sign in, a door that asks about tokens only does not ask.
            let name = if open && door.kind.dialect == Dialect::Introspection { "" } else { name };
            let reached = answer.text().contains("reached as");
            let own = answer.text().contains(&format!("reached as [{name}]"));
            if reached != own || reached != (open || token.is_some()) {
                door.complain(&format!("{name} gets from the cache {} {}", answer.status, answer.text()));
            }
        }
    }
    door.api.take();
    "own answers".to_owned()
}
