#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "runtime-benchmarks")]
mod benchmark;
mod cli;
mod commands;
mod consensus;
mod database;
mod dispatch;
mod gateway;
mod genesis;
mod keys;
mod notices;
mod pool;
mod preflight;
mod restart;
mod rpc;
mod run;
mod service;
mod spec_error;
mod status_log;
mod types;

use run::End;
use std::process::ExitCode;

fn main() -> ExitCode {
    match dispatch::execute(&mut cli::Cli::from_arguments()) {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Restart) => {
            let error = restart::replace_process();
            eprintln!("streembit-node: the node cannot restart by itself: {error}; start it again");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("streembit-node: {error}");
            ExitCode::FAILURE
        }
    }
}
