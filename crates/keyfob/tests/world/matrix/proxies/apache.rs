//! Apache with either of the modules that introspect (RFC 7662), and the TLS that one of them insists on.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Places, Program, folder, replaced, write};
use crate::support::nginx::{Nginx, free};

/// What `a2enmod` puts there, and what Debian's own configuration has besides.
const MODULES: &[&str] =
    &["mpm_event", "authn_core", "authz_core", "setenvif", "headers", "rewrite", "proxy", "proxy_http"];

pub fn with_oauth2(places: &Places) -> Program {
    run(places, &places.file("apache/keyfob.conf"), "oauth2", None)
}

pub fn with_openidc(places: &Places) -> Program {
    // The workers read the certificate at each question, and are somebody else.
    let certificates = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir();
    let certificates = certificates.expect("a temporary directory");
    let certificate = certificate(certificates.path());
    let tls = Nginx::start(&format!(
        "server {{ listen $LISTEN ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}.key;\n\
         location / {{ proxy_pass http://{}; proxy_set_header Host $http_host; }} }}",
        places.check
    ));
    let text = places.file("apache/keyfob-openidc.conf");
    let text = replaced(&text, "https://keyfob.example.com", &format!("https://{}", tls.address()));
    let trust = format!("OIDCCABundlePath {certificate}\n</VirtualHost>");
    run(places, &replaced(&text, "</VirtualHost>", &trust), "auth_openidc", Some((tls, certificates)))
}

fn run(places: &Places, text: &str, module: &str, tls: Option<(Nginx, TempDir)>) -> Program {
    let (folder, address) = (folder(), free());
    let said = places.house.run(&["--json", "client", "add", &format!("apache-{address}")]);
    let client: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let text = replaced(text, "*:80", &address.to_string());
    let text = replaced(&text, "the id", client["id"].as_str().expect("an id"));
    let text = replaced(&text, "the secret", client["secret"].as_str().expect("a secret"));
    let own = folder.path().display().to_string();
    // A root's workers must be somebody else; for everybody else Apache ignores the two.
    let mut base = format!(
        "ServerRoot {own}\nDefaultRuntimeDir {own}\nPidFile {own}/pid\nErrorLog {own}/error.log\nServerName api.test\n\
         Listen {address}\nUser nobody\nGroup nogroup\n"
    );
    for module in MODULES.iter().chain(&[module]) {
        let _ = writeln!(base, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so");
    }
    let file = write(folder.path(), "apache.conf", &(base + &text));
    Program::run_with(&["/usr/sbin/apache2", "-f", &file, "-DFOREGROUND"], address, folder, tls)
}

/// A certificate that signs itself, and its key beside it.
fn certificate(folder: &Path) -> String {
    let file = folder.join("tls.pem").display().to_string();
    let key = format!("{file}.key");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-keyout", &key, "-out", &file]).args(curve).args(name);
    let made = openssl.output().expect("openssl can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}
