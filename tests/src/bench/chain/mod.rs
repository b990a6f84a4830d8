//! Benchmarks of the chain: four validators on this machine with the default settings, while the chain is idle, while
//! one gateway anchors from time to time, and while many gateways anchor continuously.
//!
//! `streembit-bench-chain` runs them. All three use one network, whose last validator runs a gateway in its process.
//! `streembit-bench-scale` runs [`scale`], which uses a network with a large state.

pub mod idle;
pub mod latency;
pub mod rate;
mod resource_usage;
pub mod scale;

use crate::{Gateway, GatewaySettings, TestEnv, ValidatorNetwork};
use anyhow::{ensure, Result};
use resource_usage::ResourceUsage;
use std::time::Duration;

/// The default interval of empty blocks, in seconds.
pub const HEARTBEAT: u64 = 300;

/// The validator with a gateway in its process.
const HOST: &str = "dave";

/// Starts the network and registers the gateway, which has nothing to log.
pub fn start_network(env: &TestEnv, heartbeat: u64) -> Result<ValidatorNetwork<'_>> {
    eprintln!("starting four validators with a heartbeat of {heartbeat} s");
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    let config = gateway.config().to_string_lossy().into_owned();
    let mut network = env.network_with(|name| {
        let mut more = vec![format!("--heartbeat={heartbeat}")];
        if name == HOST {
            more.extend(["--gateway".to_owned(), config.clone()]);
        }
        more
    })?;
    gateway.wait_until_ready()?;
    gateway.register(env, network.node(HOST)?, HOST)?;
    for (name, usage) in usages(&mut network)? {
        ensure!(
            usage.written > 0,
            "{name} has written nothing, so {} is in memory. Set TMPDIR to a folder on a disk",
            env.dir().display()
        );
    }
    Ok(network)
}

/// Returns the names of the validators and the resources that each has used so far.
fn usages(network: &mut ValidatorNetwork<'_>) -> Result<Vec<(String, ResourceUsage)>> {
    let nodes = network.nodes.iter_mut();
    nodes.map(|node| Ok((node.name().to_owned(), ResourceUsage::of(node.process()?)?))).collect()
}

/// The name of a validator in a table.
fn label(name: &str) -> String {
    if name == HOST {
        format!("{name}, with a gateway in the process")
    } else {
        name.to_owned()
    }
}

/// Returns a percentile of sorted times, in seconds.
fn percentile_s(sorted: &[Duration], percent: usize) -> f64 {
    super::percentile_us(sorted, percent) / 1e6
}
