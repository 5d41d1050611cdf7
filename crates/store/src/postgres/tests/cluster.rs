//! A PostgreSQL of the tests' own: made by initdb in a temporary directory, as an unprivileged user where the tests are root,
//! on a socket in that directory and a free loopback port. It ends with the process that made it, however that ends: its
//! shell waits at a pipe that the process holds. Touches no other PostgreSQL.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// How long a server may take to start: a busy machine syncs slowly.
const START_MAX: Duration = Duration::from_mins(1);

/// Runs the server until standard input ends, then stops it at once and removes its directory.
const KEEPER: &str = r#"
directory=$1; shift
"$@" >>"$directory/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$directory"
"#;

/// A running server.
pub(crate) struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    keeper: Child,
}

/// Empties a database but for its schema, whoever still uses it.
const EMPTY: &str = r"
SET client_min_messages = error;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid();
BEGIN;
SET LOCAL session_replication_role = replica;
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename != 'migrations' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', name);
  END LOOP;
END $$;
COMMIT;
";

/// A database of one test, in the cluster that all tests of this process share.
pub(crate) struct Database {
    name: String,
    /// Where it is.
    pub(crate) url: String,
    again: bool,
}

/// Emptied ones. To make a database and to drop it costs the server seconds on a slow disk.
static IDLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Database {
    /// One without rows, for a test that does nothing to its schema: another may get it afterwards.
    pub(crate) fn fresh() -> Self {
        let idle = IDLE.lock().unwrap().pop();
        let (name, url) = idle.map_or_else(Self::make, |name| (name.clone(), Cluster::shared().url(&name)));
        Self { name, url, again: true }
    }

    /// One without anything, for a test that does what it likes to it.
    pub(crate) fn own() -> Self {
        let (name, url) = Self::make();
        Self { name, url, again: false }
    }

    fn make() -> (String, String) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Cluster::shared().create(&name);
        let url = Cluster::shared().url(&name);
        (name, url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.again || std::thread::panicking() {
            return;
        }
        let mut psql = Cluster::shared().client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--output=/dev/null", "-v", "ON_ERROR_STOP=1"]);
        let emptied = psql.args(["-d", &self.name, "-f", "-"]).stdin(Stdio::piped()).spawn().and_then(|mut psql| {
            psql.stdin.take().map_or(Ok(()), |mut input| input.write_all(EMPTY.as_bytes()))?;
            psql.wait()
        });
        if emptied.is_ok_and(|status| status.success()) {
            IDLE.lock().unwrap().push(self.name.clone());
        }
    }
}

impl Cluster {
    /// The one that all tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// Make and start one, with these settings (`name=value`) beside the defaults.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let programs = programs();
        let owner = unprivileged();
        let directory = tempfile::Builder::new().prefix("kfpg").tempdir().unwrap().keep();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        if let Some((user, group)) = owner {
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = directory.join("data");
        let mut made = as_owner(Command::new(programs.join("initdb")), owner);
        made.args(["--no-sync", "--auth=trust", "--username=keyfob", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        let made = made.current_dir("/").output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut keeper = as_owner(Command::new("sh"), owner);
        keeper.args(["-c", KEEPER, "keeper"]).arg(&directory).arg(programs.join("postgres")).arg("-D").arg(&data);
        keeper.arg("-k").arg(&directory).args(["-p", &port.to_string()]);
        for setting in
            ["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=64MB"].iter().chain(settings)
        {
            keeper.args(["-c", setting]);
        }
        let keeper = keeper.current_dir("/").process_group(0).stdin(Stdio::piped()).spawn().unwrap();
        let cluster = Self { programs, directory, port, owner, keeper };
        cluster.wait_until_ready();
        cluster
    }

    /// The URL of a database, by the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let socket = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://keyfob@{socket}:{}/{database}", self.port)
    }

    /// Its loopback port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Encrypt from here on, with `server.key` and `server.crt` of that folder.
    pub(crate) fn serve_tls(&self, folder: &Path) {
        let data = self.directory.join("data");
        for (file, mode) in [("server.crt", 0o644), ("server.key", 0o600)] {
            let place = data.join(file);
            fs::copy(folder.join(file), &place).unwrap();
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
            if let Some((user, group)) = self.owner {
                chown(&place, Some(user), Some(group)).unwrap();
            }
        }
        let mut settings = fs::OpenOptions::new().append(true).open(data.join("postgresql.auto.conf")).unwrap();
        settings.write_all(b"ssl = on\n").unwrap();
        let mut reload = as_owner(Command::new(self.programs.join("pg_ctl")), self.owner);
        reload.args(["reload", "--silent", "-D"]).arg(data);
        assert!(reload.current_dir("/").status().unwrap().success(), "{}", self.log());
    }

    /// Its directory, where its socket is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Make a database.
    pub(crate) fn create(&self, name: &str) {
        let made = self.client("createdb").arg(name).output().unwrap();
        assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// The rows of a database, but for which steps it has run, as `INSERT` statements, one a line.
    pub(crate) fn rows(&self, database: &str) -> String {
        let mut dump = self.client("pg_dump");
        dump.args(["--data-only", "--column-inserts", "--exclude-table=migrations", database]);
        let dump = dump.output().unwrap();
        assert!(dump.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dump.stderr));
        let text = String::from_utf8_lossy(&dump.stdout).replace("public.", "");
        let rows = text.split_inclusive('\n').filter(|line| line.starts_with("INSERT ") || line.contains("setval("));
        rows.collect()
    }

    /// Stop it and start it again: in the mode `immediate` as after a loss of power, in the mode `fast` in order.
    pub(crate) fn restart(&self, mode: &str) {
        let data = self.directory.join("data");
        let mut restart = as_owner(Command::new(self.programs.join("pg_ctl")), self.owner);
        restart.args(["restart", "--wait", "--silent", "-m", mode, "-D"]).arg(data);
        restart.arg("-l").arg(self.directory.join("log"));
        assert!(restart.current_dir("/").status().unwrap().success(), "{}", self.log());
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(&self.directory).args(["-p", &self.port.to_string(), "-U", "keyfob"]);
        command.current_dir("/");
        command
    }

    fn wait_until_ready(&self) {
        let mut waited = Duration::ZERO;
        let ready =
            || fs::read_to_string(self.directory.join("data/postmaster.pid")).is_ok_and(|text| text.contains("ready"));
        while !ready() {
            assert!(waited < START_MAX, "PostgreSQL does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
        }
    }

    fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut log) = fs::File::open(self.directory.join("log")) {
            let _ = log.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where PostgreSQL's programs are: the newest of Debian's, else what is on the search path.
pub(crate) fn programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    let named = std::env::var_os("KEYFOB_TEST_POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())?;
        fs::canonicalize(found.join("initdb")).ok()?.parent().map(Path::to_owned)
    };
    named.or(newest.map(|(_, bin)| bin)).or_else(on_path).expect(
        "there is no PostgreSQL here; hint: `cargo xtask prepare`, or install the package postgresql, \
        or name the folder of initdb with KEYFOB_TEST_POSTGRES_BIN",
    )
}

/// PostgreSQL refuses to run as root: whom it runs as instead.
pub(crate) fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").map_or(0, |own| std::os::unix::fs::MetadataExt::uid(&own)) != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let named = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    Some(named("postgres").or_else(|| named("nobody")).expect("a user other than root"))
}

/// That user runs it.
pub(crate) fn as_owner(mut command: Command, owner: Option<(u32, u32)>) -> Command {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}
