//! Measures the chain on four validators of this machine, for `docs/benchmarks.md`. Without a word, or with minutes alone, all
//! three one after the other:
//! - `idle [MINUTES [HEARTBEAT]]`: memory, writes and CPU of validators that nobody asks anything, by default for 30 minutes
//!   with a block every 300 s;
//! - `latency [ANCHORS]`: an anchor from its submission until it is final, by default 100 of them;
//! - `rate [SECONDS [GATEWAYS]]`: anchors final a second, by default for 120 s by 400 gateways.

use anyhow::{bail, Result};
use streembit_tests::{
    bench::chain::{idle, latency, open, rate, HEARTBEAT},
    TestEnv,
};

const MINUTES: u64 = 30;
const ANCHORS: usize = 100;
const SECONDS: u64 = 120;
const GATEWAYS: usize = 400;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let env = TestEnv::open("bench-chain")?;
    let network = |heartbeat| open(&env, heartbeat);
    match words.as_slice() {
        [] => all(&env, MINUTES),
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
        [minutes] if minutes.parse::<u64>().is_ok() => all(&env, minutes.parse()?),
        _ => bail!(
            "streembit-bench-chain [MINUTES | idle [MINUTES [HEARTBEAT]] | latency [ANCHORS] | rate [SECONDS [GATEWAYS]]]"
        ),
    }
}

fn all(env: &TestEnv, minutes: u64) -> Result<()> {
    let mut network = open(env, HEARTBEAT)?;
    idle::run(&mut network, minutes)?;
    latency::run(&mut network, ANCHORS)?;
    rate::run(&mut network, SECONDS, GATEWAYS)
}
