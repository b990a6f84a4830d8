//! What the chain costs and gives: four validators on this machine with the defaults of production, as nothing happens, as a
//! gateway anchors now and then, and as many anchor without a pause.
//!
//! `streembit-bench-chain` runs them. One run of all three is on one network, whose last validator has a gateway in its
//! process.

pub mod idle;
pub mod latency;
pub mod rate;
mod resource_usage;

use crate::{Gateway, GatewaySettings, TestEnv, ValidatorNetwork};
use anyhow::{ensure, Result};
use resource_usage::ResourceUsage;
use std::time::Duration;

/// How often a validator makes a block while nothing waits, in seconds, unless told otherwise.
pub const HEARTBEAT: u64 = 300;

/// The validator with a gateway in its process.
const HOST: &str = "dave";

/// Founds the network. The gateway is registered and has nothing to log; it lives as long as its folder.
pub fn open(env: &TestEnv, heartbeat: u64) -> Result<ValidatorNetwork<'_>> {
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
    let key = env.dev_keystore(HOST)?;
    let register = network.node_command(HOST, ["gateway", "register", "--config"])?.arg(gateway.config());
    register.arg("--key").arg(key).ok()?;
    for (name, usage) in usages(&mut network)? {
        ensure!(
            usage.written > 0,
            "{name} has written nothing: {} is in memory. Set TMPDIR to a folder on a disk",
            env.dir().display()
        );
    }
    Ok(network)
}

/// What each validator has used so far, by its name.
fn usages(network: &mut ValidatorNetwork<'_>) -> Result<Vec<(String, ResourceUsage)>> {
    let nodes = network.nodes.iter_mut();
    nodes.map(|node| Ok((node.name().to_owned(), ResourceUsage::of(node.process()?)?))).collect()
}

/// How a table calls a validator.
fn shown(name: &str) -> String {
    if name == HOST {
        format!("{name}, with a gateway in the process")
    } else {
        name.to_owned()
    }
}

/// The time that so many percent of sorted ones do not exceed, in seconds.
fn seconds_at(sorted: &[Duration], percent: usize) -> f64 {
    super::at(sorted, percent) / 1e6
}
