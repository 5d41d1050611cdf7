//! A server that is measured: started on its core, read through `/proc` (proc(5)), ended when dropped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyfob::clock;

use crate::Outcome;
use crate::place::{self, SERVERS};

/// How long a server may take until it answers.
const READY_MAX: Duration = Duration::from_secs(30);
/// Microseconds in a tick of `/proc/PID/stat`: `USER_HZ` is 100 on every Linux.
const TICK_MICROS: f64 = 10_000.0;

/// A running server.
pub struct Server(Child);

impl Server {
    /// Start `program` on the servers' core; its standard error goes to `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &Path, arguments: &[&str], settings: &[(&str, &str)], log: &Path) -> Outcome<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", &SERVERS.to_string()]).arg(program).args(arguments);
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
        Ok(Self(command.spawn()?))
    }

    /// Start a `keyfob serve` on a data directory, and wait until it listens. Returns it with its two addresses.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn keyfob(data: &Path, more: &[&str], settings: &[(&str, &str)]) -> Outcome<(Self, SocketAddr, SocketAddr)> {
        let (public, internal) = (place::free_address()?, place::free_address()?);
        let (listen, internal_listen) = (public.to_string(), internal.to_string());
        let folder = data.to_string_lossy();
        let mut arguments =
            vec!["serve", "--data", &folder, "--listen", &listen, "--internal-listen", &internal_listen];
        arguments.extend(more);
        let server = Self::start(&place::sibling("keyfob")?, &arguments, settings, &data.with_extension("log"))?;
        wait_for(public)?;
        Ok((server, public, internal))
    }

    /// Processor time used so far, user and system, in microseconds, to the tick of 10 ms.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu_micros(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name in parentheses may hold spaces; fields 14 and 15 are counted from behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 =
            fields.get(11..13).unwrap_or_default().iter().filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks * TICK_MICROS)
    }

    /// Resident memory now, in MiB.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident_mib(&self) -> Outcome<f64> {
        status_mib(self.0.id(), "VmRSS:")
    }

    /// The most resident memory there was, in MiB.
    ///
    /// # Errors
    /// If it has ended.
    pub fn peak_mib(&self) -> Outcome<f64> {
        status_mib(self.0.id(), "VmHWM:")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Wait until somebody listens at `address`.
///
/// # Errors
/// If nobody does in time.
pub fn wait_for(address: SocketAddr) -> Outcome {
    let give_up = clock::instant() + READY_MAX;
    while TcpStream::connect(address).is_err() {
        if clock::instant() > give_up {
            return Err(format!("nobody listens at {address}").into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// A line of `/proc/PID/status` that is in kB, in MiB.
///
/// # Errors
/// If there is no such process or line.
pub fn status_mib(pid: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
