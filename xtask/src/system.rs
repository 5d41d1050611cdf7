//! What must be on the machine before anything can be tested, and how to get it on Debian and Ubuntu. Installs only
//! what is missing, in one step, and never lets a freshly installed package start a service.

use std::process::Command;

use crate::run::{Failure, Outcome, output, run, say, succeeds};

/// Oldest Node.js that the programs in `package-lock.json` accept.
const NODE_MAJOR_MIN: u32 = 18;

/// One thing that must be there.
pub(crate) struct Need {
    name: &'static str,
    packages: &'static [&'static str],
    present: fn() -> bool,
}

/// For the tests.
pub(crate) const TESTS: &[Need] = &[
    Need { name: "a C compiler", packages: &["gcc", "libc6-dev"], present: || succeeds("cc", &["--version"]) },
    Need {
        name: "python3 with venv",
        packages: &["python3", "python3-venv"],
        present: || succeeds("python3", &["-c", "import venv, ensurepip"]),
    },
    Need {
        name: "node and npm",
        packages: &["nodejs", "npm"],
        present: || node_is_recent() && succeeds("npm", &["--version"]),
    },
    Need { name: "nginx", packages: &["nginx"], present: nginx_is_there },
    Need { name: "HAProxy with Lua", packages: &["haproxy"], present: haproxy_is_there },
    Need {
        name: "Apache with mod_oauth2 and mod_auth_openidc",
        packages: &["apache2-bin", "libapache2-mod-oauth2", "libapache2-mod-auth-openidc"],
        present: apache_is_there,
    },
    Need { name: "PostgreSQL", packages: &["postgresql"], present: postgresql_is_there },
    Need { name: "pgbouncer", packages: &["pgbouncer"], present: pgbouncer_is_there },
    Need { name: "htpasswd", packages: &["apache2-utils"], present: || succeeds("sh", &["-c", "command -v htpasswd"]) },
    Need { name: "openssl", packages: &["openssl"], present: || succeeds("openssl", &["version"]) },
    Need { name: "curl", packages: &["curl"], present: || succeeds("curl", &["--version"]) },
];

/// What only the measurements need.
pub(crate) const BENCH: &[Need] = &[
    Need { name: "nginx", packages: &["nginx"], present: nginx_is_there },
    // It has no way to succeed without an address: with `-v` it prints its version and fails.
    Need { name: "wrk", packages: &["wrk"], present: || succeeds("sh", &["-c", "command -v wrk"]) },
    Need { name: "PostgreSQL", packages: &["postgresql"], present: postgresql_is_there },
    Need { name: "taskset", packages: &["util-linux"], present: || succeeds("taskset", &["--version"]) },
];

/// Debian starts the services it installs unless this script, while it is there, says no.
const INSTALL: &str = r#"
set -eu
rule=/usr/sbin/policy-rc.d
if [ ! -e "$rule" ]; then
  trap 'rm -f "$rule"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$rule"
  chmod 755 "$rule"
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
"#;

/// Make sure that everything is there; install what is missing where that is possible.
pub(crate) fn ensure(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|need| need.name).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    say(&format!("missing: {names}"));
    install(&packages)?;
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => Err(Failure::at(need.name, "still missing after the installation")),
    }
}

fn install(packages: &[&str]) -> Outcome {
    let line = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    let Some(mut command) = installer() else {
        return Err(Failure::at("cannot install packages here; as root, run", line));
    };
    run(command.arg(INSTALL).arg("install").args(packages)).map_err(|Failure(_)| Failure::at("failed", line))
}

/// A shell that may install packages, if this is a Debian and somebody here may.
fn installer() -> Option<Command> {
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    if output("id", &["-u"]).as_deref() == Some("0") {
        let mut shell = Command::new("sh");
        shell.arg("-c");
        return Some(shell);
    }
    succeeds("sudo", &["-n", "true"]).then(|| {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh", "-c"]);
        sudo
    })
}

fn node_is_recent() -> bool {
    output("node", &["--version"]).is_some_and(|text| major(&text).is_some_and(|major| major >= NODE_MAJOR_MIN))
}

/// The 20 of `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn nginx_is_there() -> bool {
    // /usr/sbin is not on every user's search path.
    succeeds("nginx", &["-v"]) || succeeds("/usr/sbin/nginx", &["-v"])
}

fn haproxy_is_there() -> bool {
    let version = output("haproxy", &["-vv"]).or_else(|| output("/usr/sbin/haproxy", &["-vv"]));
    version.is_some_and(|text| text.contains("+LUA"))
}

/// The server without the service: `apache2-bin` starts nothing.
fn apache_is_there() -> bool {
    let files =
        ["/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_oauth2.so", "/usr/lib/apache2/modules/mod_auth_openidc.so"];
    files.iter().all(|file| std::path::Path::new(file).exists())
}

/// Debian keeps them in a folder of their version; nothing is on the search path but wrappers for the running server.
fn postgresql_is_there() -> bool {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.into_iter().any(|folder| folder.path().join("bin/initdb").exists()) || succeeds("initdb", &["--version"])
}

fn pgbouncer_is_there() -> bool {
    succeeds("pgbouncer", &["--version"]) || succeeds("/usr/sbin/pgbouncer", &["--version"])
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_of_node_is_its_first_number() {
        assert_eq!(major("v20.11.1"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("nonsense"), None);
        assert_eq!(major(""), None);
    }
}
