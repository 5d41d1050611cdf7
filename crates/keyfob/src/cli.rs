//! The command line (DESIGN §9). Data goes to standard output, everything else to standard error; exit code 0 is done,
//! 1 refused or failed, 2 wrong usage. A password is never an argument.

mod backup;
mod basic;
mod client;
mod cluster;
mod demo;
mod doctor;
mod failure;
mod import;
mod key;
mod moving;
mod password;
mod policy;
mod restore;
mod root_key;
mod say;
mod serve;
mod session;
mod settings;
mod signing_key;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// A front door for any HTTP API: sign in, get a bearer token, pass the gate.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, color = clap::ColorChoice::Never, infer_subcommands = false)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// Data directory (variable `KEYFOB_DATA`, default ./keyfob-data)
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Configuration file (variable `KEYFOB_CONFIG`, default ./keyfob.toml if there is one)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole flow on a throw-away store, every request and answer; on a terminal, stay up to be tried
    Demo,
    /// Serve: sign users in, guard the API
    Serve(serve::Serve),
    /// Make, list, change and delete users
    #[command(subcommand)]
    User(user::User),
    /// Look at what is left of HTTP Basic
    #[command(subcommand)]
    Basic(basic::Basic),
    /// List and end sessions
    #[command(subcommand)]
    Session(session::Session),
    /// Register, list, change and delete clients: service accounts and resource servers
    #[command(subcommand)]
    Client(client::Client),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Check, explain and test a policy
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Look into access tokens
    #[command(subcommand)]
    Token(token::Token),
    /// List, rotate and retire signing keys
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),
    /// Look at the nodes that share a PostgreSQL database
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// Export or import the root key, which is kept outside the database
    #[command(subcommand)]
    RootKey(root_key::RootKey),
    /// Write a verified copy of the database to a new file, with or without a running server
    Backup(backup::Backup),
    /// Put a backup in place of the database, as a new life: everything issued before is refused
    Restore(restore::Restore),
    /// Move the store from SQLite to PostgreSQL or back: everybody stays signed in
    Move(moving::Move),
    /// Check the installation and say what to do about what is wrong
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

/// Run the command that this process was given.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; all else is wrong usage.
            let code = if error.use_stderr() { ExitCode::from(failure::USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.say();
            failure.code()
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Serve(command) => command.run(common),
        Command::Demo => block_on(demo::run()),
        Command::User(command) => block_on(command.run(common)),
        Command::Basic(command) => block_on(command.run(common)),
        Command::Session(command) => block_on(command.run(common)),
        Command::Client(command) => block_on(command.run(common)),
        Command::Key(command) => block_on(command.run(common)),
        Command::Policy(command) => block_on(command.run(common)),
        Command::Token(command) => block_on(command.run(common)),
        Command::Cluster(command) => block_on(command.run(common)),
        Command::SigningKey(command) => block_on(command.run(common)),
        Command::RootKey(command) => block_on(command.run(common)),
        Command::Backup(command) => block_on(command.run(common)),
        Command::Restore(command) => block_on(command.run(common)),
        Command::Move(command) => block_on(command.run(common)),
        Command::Doctor => block_on(doctor::run(common)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "keyfob", &mut script);
            say::bytes(&script)
        }
    }
}

/// A command is one task that waits for one thing at a time: a single thread is enough.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_takes_a_password() {
        fn check(command: &clap::Command) {
            let takes_value = |argument: &clap::Arg| argument.get_action().takes_values();
            for argument in command.get_arguments().filter(|argument| takes_value(argument)) {
                assert!(
                    !argument.get_id().as_str().contains("password"),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
