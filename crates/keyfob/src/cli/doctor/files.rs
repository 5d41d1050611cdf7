//! The files of an installation: who may read them, and whether they are what they should be.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use keyfob_core::policy::{FILE_BYTES_MAX, Policy};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Finding;
use crate::cli::settings::read_text;
use crate::config::{Settings, Tls};
use crate::control::{RootKeyFile, root_key_file};

/// Permission bits of the group and of others.
const NOT_THE_OWNER: u32 = 0o077;

pub(super) fn data_directory(dir: &Path) -> Vec<Finding> {
    let name = "data directory";
    let shown = dir.display();
    let Ok(found) = std::fs::metadata(dir) else {
        return vec![Finding::warn(name, format!("{shown} is not there yet"), "`keyfob serve` makes it")];
    };
    if !found.is_dir() {
        return vec![Finding::fail(name, format!("{shown} is not a directory"), "name another one with `--data`")];
    }
    let mut findings = Vec::new();
    let mode = found.mode() & 0o7777;
    if mode & NOT_THE_OWNER != 0 {
        let hint = format!("make it private with `chmod 700 {shown}`");
        findings.push(Finding::warn(name, format!("others may enter {shown} (mode {mode:04o})"), hint));
    }
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        let detail = format!("{shown} belongs to user {}, and this is user {user}", found.uid());
        findings.push(Finding::warn(name, detail, "run keyfob as the user that the directory belongs to"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(name, format!("{shown} (mode {mode:04o})")));
    }
    findings
}

pub(super) fn root_key(dir: &Path) -> Finding {
    let name = "root key";
    let place = root_key_file(dir);
    let fresh = matches!(place, RootKeyFile::Own(_)) && !dir.join("keyfob.db").exists();
    if fresh && !place.path().exists() {
        return Finding::warn(name, "there is none yet", "the first `keyfob serve` makes it");
    }
    match place.load(dir) {
        Ok(_) => Finding::ok(name, place.path().display().to_string()),
        Err(problem) => {
            Finding::fail(name, problem.message, problem.hint.unwrap_or_else(|| "see `keyfob root-key`".to_owned()))
        }
    }
}

pub(super) fn policy(settings: &Settings) -> Option<Finding> {
    let file = settings.policy.as_deref()?;
    let shown = file.display();
    let read = read_text(file, FILE_BYTES_MAX as u64).map_err(|_| "cannot be read".to_owned());
    let parsed = read.and_then(|text| Policy::parse(&text, 1).map_err(|problem| problem.to_string()));
    Some(match parsed {
        Ok(_) => Finding::ok("policy file", shown.to_string()),
        Err(problem) => {
            let hint = format!("mend it and try it with `keyfob policy check {shown}`");
            Finding::fail("policy file", format!("{shown}: {problem}"), hint)
        }
    })
}

pub(super) fn tls(tls: &Tls) -> Option<Finding> {
    let Tls::Files { certificate, key } = tls else { return None };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    if chain.as_ref().map_or(true, Vec::is_empty) {
        let detail = format!("there is no certificate in {}", certificate.display());
        return Some(Finding::fail("tls", detail, "it must be a PEM file: the server's certificate, then its issuers"));
    }
    if PrivateKeyDer::from_pem_file(key).is_err() {
        let detail = format!("there is no private key in {}", key.display());
        return Some(Finding::fail("tls", detail, "it must be a PEM file that this user can read"));
    }
    let mode = std::fs::metadata(key).map_or(0, |found| found.mode() & 0o7777);
    if mode & 0o007 != 0 {
        let hint = format!("make it private with `chmod o-rwx {}`", key.display());
        return Some(Finding::warn("tls", format!("others can read {} (mode {mode:04o})", key.display()), hint));
    }
    Some(Finding::ok("tls", format!("{} and its key", certificate.display())))
}
