//! Behind pgbouncer in transaction mode, where each transaction may run on another server connection: nothing that a store
//! does depends on the one before. The server connections are fewer than those of the store, so they do change.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::{Cluster, as_owner, unprivileged};
use super::*;
use crate::conformance::{api_keys, installation, races, refresh_tokens, sessions, signing_keys, strangers, users};

/// A pgbouncer before the shared cluster; it ends with this.
struct Pooler {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Pooler {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = Cluster::shared().directory().join(format!("pooler{port}"));
        fs::create_dir(&folder).unwrap();
        let server = Cluster::shared();
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
            unix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n\
            default_pool_size = 3\nlogfile = {folder}/log\n",
            server.directory().display(),
            server.port(),
            folder = folder.display(),
        );
        fs::write(folder.join("settings"), settings).unwrap();
        fs::write(folder.join("users"), "\"keyfob\" \"\"\n").unwrap();
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        }
        let program = ["/usr/sbin/pgbouncer", "pgbouncer"].into_iter();
        let mut started = program.filter_map(|program| {
            let mut pooler = as_owner(Command::new(program), unprivileged());
            pooler.arg("--quiet").arg(folder.join("settings")).current_dir("/").stdin(Stdio::null());
            pooler.spawn().ok()
        });
        let child = started.next().expect("hint: `cargo xtask prepare`, or install the package pgbouncer");
        let pooler = Self { child, port, folder };
        let up = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(up, "{}", fs::read_to_string(pooler.folder.join("log")).unwrap_or_default());
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store on an empty database, by the pooler.
async fn pooled(pooler: &Pooler) -> (sample::Shared, Database) {
    let database = Database::fresh();
    let name = database.url.rsplit('/').next().unwrap();
    (node(&format!("postgres://keyfob@127.0.0.1:{}/{name}", pooler.port)).await, database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_makes_no_difference() {
    let pooler = Pooler::start();
    macro_rules! cases {
        ($($area:ident::$case:ident,)+) => {
            $(
                let (store, _database) = pooled(&pooler).await;
                $area::$case(store).await;
            )+
        };
    }
    cases! {
        users::deleting_ends_every_session_and_keeps_the_audit,
        sessions::the_session_that_is_one_too_many_ends_the_least_recently_used,
        api_keys::the_last_use_is_kept_and_raises_nothing,
        strangers::the_begin_of_a_lock_is_one_audit_row,
        refresh_tokens::of_many_uses_at_once_one_makes_the_successor,
        signing_keys::of_many_rotations_at_once_one_takes_place,
        installation::sweeping_removes_what_ended_and_nothing_else,
        races::no_login_outlives_a_password_change_it_raced_with,
        races::the_revision_has_no_gap_under_load,
    }
}
