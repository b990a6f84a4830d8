//! The command line of the `streembit` program, for those who run a gateway, audit a device or have a contract.
//!
//! Each subcommand has a module with its arguments (`Command` or `Args`) and a function `run(args, &Context)`. This
//! module only joins them into one tree.

mod accounts;
mod arguments;
pub mod audit;
pub mod common;
pub mod consortium;
pub mod contract;
pub mod device;
pub mod epoch;
pub mod event;
pub mod gateway;
mod gateway_show;
pub mod grant;
pub mod key;
mod log_anchor;
pub mod name;
pub mod offline;
pub mod output;
pub mod party;
pub mod progress;
pub mod record;
pub mod resolver;
pub mod simulate;
pub mod status;
pub mod subscribe;
pub mod token;

use crate::address_book::AddressBookFile;
use clap::{Parser, Subcommand};
use common::{CommandResult, ConfigArg, Context};
use std::{path::PathBuf, process::ExitCode, sync::Arc};

/// Streembit: signed, logged and anchored events of devices, and contracts about devices.
#[derive(Debug, Parser)]
#[command(name = "streembit", version, arg_required_else_help = true)]
pub struct Cli {
    /// Print results and errors as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// The file with the key's passphrase (mode 0600). Without it, the passphrase is asked for on the terminal. The key of a
    /// gateway is opened with --gateway-passphrase-file or the file in its configuration, and with this one if there is none.
    #[arg(long, global = true, value_name = "FILE", env = "STREEMBIT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Write the transaction to this file instead of signing and sending it. `streembit sign` signs it on another
    /// machine, and `streembit submit` sends it.
    #[arg(long, global = true, value_name = "FILE")]
    offline: Option<PathBuf>,
    /// The file with your names for parties, accounts, gateways, devices and contracts. Without it,
    /// `streembit/names.toml` in your configuration folder (`$XDG_CONFIG_HOME`, or `~/.config`).
    #[arg(long, global = true, value_name = "FILE", env = "STREEMBIT_ADDRESS_BOOK")]
    address_book: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Separates the command from the context that the global options give it.
    fn into_parts(self) -> (Command, Context) {
        let Self { json, passphrase_file, offline, address_book, command } = self;
        let address_book = Arc::new(AddressBookFile::new(address_book));
        (command, Context { json, passphrase_file, offline, address_book })
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up and run a gateway.
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Create and show keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Name parties, accounts, gateways, devices and contracts in your address book.
    #[command(subcommand)]
    Name(name::Command),
    /// Show the status of a running gateway: its log, its devices, its components, and what to do about problems.
    Status(ConfigArg),
    /// Make, list and revoke the tokens of the gateway's API over TCP.
    #[command(subcommand)]
    Token(token::Command),
    /// List a gateway's devices, and manage their registrations, keys, owners and logs on the chain.
    #[command(subcommand)]
    Device(device::Command),
    /// Add events to a running gateway's log, or erase their bodies.
    #[command(subcommand)]
    Event(event::Command),
    /// Check a device's history against the chain, and export and verify evidence.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show the consortium, and vote on its parties, validators, quotas and runtime.
    #[command(subcommand)]
    Consortium(consortium::Command),
    /// Manage the accounts and the encryption key of a party, or ask the council to replace lost accounts.
    #[command(subcommand)]
    Party(party::Command),
    /// Write, agree on, fulfil, change and end contracts.
    #[command(subcommand)]
    Contract(contract::Command),
    /// List and revoke rights to read devices, to send them commands and to keep their logs.
    #[command(subcommand)]
    Grant(grant::Command),
    /// Sign a transaction that another machine has prepared with --offline. Needs no network.
    Sign(offline::SignArgs),
    /// Send a transaction that another machine has signed.
    Submit(offline::SubmitArgs),
    /// Receive a device's events from its gateway, and verify each before printing it.
    Subscribe(subscribe::Args),
    /// Simulate a device, for development and demonstrations.
    #[command(subcommand)]
    Simulate(simulate::Command),
}

impl Command {
    /// Returns true if the command runs until it is stopped. Only then does it log at level `info`.
    fn is_daemon(&self) -> bool {
        matches!(self, Self::Gateway(gateway::Command::Run(_)))
    }
}

/// Parses the arguments of this process and runs the command.
pub async fn main() -> ExitCode {
    let cli = arguments::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let (command, context) = cli.into_parts();
    output::start_logging(if command.is_daemon() { "info" } else { "warn" });
    match run(command, &context).await {
        Ok(code) => code,
        Err(error) => match offline::write_prepared(&error, &context) {
            Some(Ok(())) => ExitCode::SUCCESS,
            Some(Err(error)) => fail(&error, &context),
            None => fail(&error, &context),
        },
    }
}

/// Prints an error and returns the exit code of a failed command.
fn fail(error: &anyhow::Error, context: &Context) -> ExitCode {
    output::print_error(error, context.json);
    ExitCode::from(2)
}

async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Gateway(command) => gateway::run(command, context).await,
        Command::Key(command) => key::run(command, context),
        Command::Name(command) => name::run(command, context).await,
        Command::Status(config) => status::run(config, context).await,
        Command::Token(command) => token::run(command, context),
        Command::Device(command) => device::run(command, context).await,
        Command::Event(command) => event::run(command, context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Consortium(command) => consortium::run(command, context).await,
        Command::Party(command) => party::run(command, context).await,
        Command::Contract(command) => contract::run(command, context).await,
        Command::Grant(command) => grant::run(command, context).await,
        Command::Sign(args) => offline::sign(&args, context),
        Command::Submit(args) => offline::submit(&args, context).await,
        Command::Subscribe(args) => subscribe::run(args, context).await,
        Command::Simulate(command) => simulate::run(command, context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NOT_CONFIGURATION;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_takes_a_secret() {
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
    #[test]
    fn the_configuration_ignores_the_variables_of_options() {
        fn walk(command: &clap::Command) {
            for variable in command.get_arguments().filter_map(|argument| argument.get_env()) {
                let variable = variable.to_str().unwrap();
                assert!(NOT_CONFIGURATION.contains(&variable), "{}: {variable}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
