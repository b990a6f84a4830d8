//! The Streembit node: a validator or a full node of a permissioned chain, light enough for a Raspberry Pi, and the
//! gateway in the same process where `--gateway` asks for it.

#![forbid(unsafe_code)]

#[cfg(feature = "runtime-benchmarks")]
mod benchmark;
mod cli;
mod clock;
mod command;
mod condition;
mod equivocation;
mod founding;
mod gateway;
mod idle;
mod in_process_rpc;
mod keys;
mod refounding;
mod rpc;
mod run;
mod runtime;
mod service;
mod voters;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::execute(&cli::Cli::from_arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streembit-node: {error}");
            ExitCode::FAILURE
        }
    }
}
