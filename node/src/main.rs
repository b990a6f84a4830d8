#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "runtime-benchmarks")]
mod benchmark;
mod cli;
mod commands;
mod consensus;
mod dispatch;
mod gateway;
mod genesis;
mod keys;
mod pool;
mod rpc;
mod run;
mod service;
mod spec_error;
mod status_log;
mod types;

use std::process::ExitCode;

fn main() -> ExitCode {
    match dispatch::execute(&cli::Cli::from_arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streembit-node: {error}");
            ExitCode::FAILURE
        }
    }
}
