//! Lays out `target/world/`: the Python and Node programs that the tests run keyfob against, at the versions of
//! `requirements.txt` and `package-lock.json`. Does nothing where a stamp says that it was done for the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Failure, Outcome, output, root, say, target};
use crate::system;

/// Where the lock files of the world are.
const LOCKS: &str = "crates/keyfob/tests/world";

/// Install everything; the path of the world is the answer.
pub(crate) fn run() -> Outcome<PathBuf> {
    system::ensure(system::TESTS)?;
    let world = target().join("world");
    fs::create_dir_all(&world).map_err(|error| Failure::at(world.display(), error))?;
    python(&world)?;
    node(&world)?;
    Ok(world)
}

fn python(world: &Path) -> Outcome {
    let requirements = root().join(LOCKS).join("requirements.txt");
    let version = output("python3", &["--version"]).unwrap_or_default();
    let venv = world.join("venv");
    let stamp = Stamp::of(world.join("venv.stamp"), &version, &[&requirements])?;
    if stamp.holds()
        && ["gunicorn", "caddy", "traefik", "envoy"].iter().all(|name| venv.join("bin").join(name).exists())
    {
        return Ok(());
    }
    say("preparing target/world/venv");
    run::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    run::run(&mut pip)?;
    stamp.write()
}

fn node(world: &Path) -> Outcome {
    let folder = world.join("node");
    let locks = [root().join(LOCKS).join("package.json"), root().join(LOCKS).join("package-lock.json")];
    let version = output("node", &["--version"]).unwrap_or_default();
    let stamp = Stamp::of(world.join("node.stamp"), &version, &[&locks[0], &locks[1]])?;
    if stamp.holds() && folder.join("node_modules/.bin/newman").exists() {
        return Ok(());
    }
    say("preparing target/world/node");
    fs::create_dir_all(&folder).map_err(|error| Failure::at(folder.display(), error))?;
    for lock in &locks {
        let copy = folder.join(lock.file_name().unwrap_or_default());
        fs::copy(lock, &copy).map_err(|error| Failure::at(copy.display(), error))?;
    }
    let mut npm = Command::new("npm");
    run::run(npm.args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    stamp.write()
}

/// The text of the lock files that an installation was made from.
struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    fn of(path: PathBuf, version: &str, locks: &[&Path]) -> Outcome<Self> {
        let mut text = format!("{version}\n");
        for lock in locks {
            text += &fs::read_to_string(lock).map_err(|error| Failure::at(lock.display(), error))?;
        }
        Ok(Self { path, text })
    }

    fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|written| written == self.text)
    }

    fn write(&self) -> Outcome {
        fs::write(&self.path, &self.text).map_err(|error| Failure::at(self.path.display(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn a_stamp_holds_until_a_lock_file_or_the_version_changes() {
        let folder = std::env::temp_dir().join(format!("keyfob-stamp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let lock = folder.join("lock");
        std::fs::write(&lock, "one").unwrap();
        let stamp = |version| Stamp::of(folder.join("stamp"), version, &[&lock]).unwrap();
        assert!(!stamp("v1").holds());
        stamp("v1").write().unwrap();
        assert!(stamp("v1").holds());
        assert!(!stamp("v2").holds());
        std::fs::write(&lock, "two").unwrap();
        assert!(!stamp("v1").holds());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
