//! The Streembit node: a validator or a full node of a permissioned chain, light enough for a Raspberry Pi.

mod cli;
mod command;
mod rpc;
mod run;
mod service;

fn main() -> sc_cli::Result<()> {
    command::execute(&cli::Cli::from_arguments())
}
