//! Benchmarks of the chain for `docs/benchmarks.md`, with four validators on this machine. Without a subcommand, runs
//! all three:
//! - `idle [MINUTES [HEARTBEAT]]`: memory, disk writes and CPU of idle validators, by default for 30 minutes with a
//!   block every 300 s;
//! - `latency [ANCHORS]`: the time from the submission of an anchor until it is final, by default for 100 anchors;
//! - `rate [SECONDS [GATEWAYS]]`: final anchors per second, by default for 120 s with 400 gateways.

use anyhow::{bail, Result};
use streembit_tests::{
    bench::chain::{idle, latency, rate, start_network, HEARTBEAT},
    program::print_help_if_asked,
    TestEnv,
};

const MINUTES: u64 = 30;
const ANCHORS: usize = 100;
const SECONDS: u64 = 120;
const GATEWAYS: usize = 400;

const HELP: &str = "
Benchmarks the chain with four validators on this machine. Without a command, runs all three.

Usage: streembit-bench-chain [MINUTES | idle [MINUTES [HEARTBEAT]] | latency [ANCHORS] | rate [SECONDS [GATEWAYS]]]
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let env = TestEnv::open("bench-chain")?;
    env.clean_up_on_signal()?;
    let network = |heartbeat| start_network(&env, heartbeat);
    match words.as_slice() {
        [] => run_all(&env, MINUTES),
        ["idle"] => idle::run(&mut network(HEARTBEAT)?, MINUTES),
        ["idle", minutes] => idle::run(&mut network(HEARTBEAT)?, minutes.parse()?),
        ["idle", minutes, heartbeat] => idle::run(&mut network(heartbeat.parse()?)?, minutes.parse()?),
        ["latency"] => latency::run(&mut network(HEARTBEAT)?, ANCHORS),
        ["latency", anchors] => latency::run(&mut network(HEARTBEAT)?, anchors.parse()?),
        ["rate"] => rate::run(&mut network(HEARTBEAT)?, SECONDS, GATEWAYS),
        ["rate", seconds] => rate::run(&mut network(HEARTBEAT)?, seconds.parse()?, GATEWAYS),
        ["rate", seconds, gateways] => {
            rate::run(&mut network(HEARTBEAT)?, seconds.parse()?, gateways.parse()?)
        }
        [minutes] if minutes.parse::<u64>().is_ok() => run_all(&env, minutes.parse()?),
        _ => bail!(
            "usage: streembit-bench-chain [MINUTES | idle [MINUTES [HEARTBEAT]] | latency [ANCHORS] | rate [SECONDS [GATEWAYS]]]"
        ),
    }
}

fn run_all(env: &TestEnv, minutes: u64) -> Result<()> {
    let mut network = start_network(env, HEARTBEAT)?;
    idle::run(&mut network, minutes)?;
    latency::run(&mut network, ANCHORS)?;
    rate::run(&mut network, SECONDS, GATEWAYS)
}
