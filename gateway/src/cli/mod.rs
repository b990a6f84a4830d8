//! The command line of everyone: who runs a gateway, who audits a device, who is party to a contract.
//!
//! One file for each area has its arguments (a `Command` or `Args`) and `pub async fn run(args, &Context)`; this file
//! only puts them into one tree.

pub mod audit;
pub mod chain;
pub mod common;
pub mod consortium;
pub mod contract;
pub mod device;
pub mod event;
pub mod gateway;
pub mod key;
pub mod output;
pub mod progress;
pub mod simulate;
pub mod status;
pub mod subscribe;

pub use common::{ConfigArg, Context, KeyArg, NodeArg, Outcome};

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Streembit: signed, logged and anchored events of devices, and contracts about them.
#[derive(Debug, Parser)]
#[command(name = "streembit", version, arg_required_else_help = true)]
pub struct Cli {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// The file with the passphrase of the key, mode 0600; asked for on the terminal otherwise.
    #[arg(long, global = true, value_name = "FILE", env = "STREEMBIT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up and run a gateway.
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Make and show the keys of parties.
    #[command(subcommand)]
    Key(key::Command),
    /// Show a running gateway in one screen: what it reads, logs and anchors, what is wrong and what to do.
    Status(ConfigArg),
    /// List and register a gateway's devices.
    #[command(subcommand)]
    Device(device::Command),
    /// Put events into a running gateway's log.
    #[command(subcommand)]
    Event(event::Command),
    /// Check a device's history: against the chain, or from a file of evidence without one.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show the consortium, join it, leave it, and vote on who belongs.
    #[command(subcommand)]
    Consortium(consortium::Command),
    /// Make, sign and follow contracts.
    #[command(subcommand)]
    Contract(contract::Command),
    /// Receive a device's events from its gateway, each verified before it is printed.
    Subscribe(subscribe::Args),
    /// Pretend to be a device, for trying things.
    #[command(subcommand)]
    Simulate(simulate::Command),
}

impl Command {
    /// Whether it runs until it is stopped, and so says on standard error what it does.
    fn is_daemon(&self) -> bool {
        matches!(self, Self::Gateway(gateway::Command::Run(_)))
    }
}

/// Parses the arguments of this process and does what they say.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    output::start_logging(if cli.command.is_daemon() { "info" } else { "warn" });
    let context = Context { json: cli.json, passphrase_file: cli.passphrase_file };
    match run(cli.command, &context).await {
        Ok(code) => code,
        Err(error) => {
            output::print_error(&error, context.json);
            ExitCode::from(2)
        }
    }
}

async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Gateway(command) => gateway::run(command, context).await,
        Command::Key(command) => key::run(command, context),
        Command::Status(config) => status::run(config, context).await,
        Command::Device(command) => device::run(command, context).await,
        Command::Event(command) => event::run(command, context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Consortium(command) => consortium::run(command, context).await,
        Command::Contract(command) => contract::run(command, context).await,
        Command::Subscribe(args) => subscribe::run(args, context).await,
        Command::Simulate(command) => simulate::run(command, context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_carries_a_secret() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["passphrase", "password", "seed", "token", "secret"].contains(&name);
                assert!(!secret, "{} takes a secret on the command line: {name}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
