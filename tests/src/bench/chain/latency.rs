//! How long an anchor takes to become final on an otherwise idle chain.

use super::percentile_s;
use crate::{FakeGateway, GrowingLog, ValidatorNetwork};
use anyhow::Result;
use std::time::{Duration, Instant};
use streembit_chain::ChainClient;

/// Submits anchors one after the other, as a gateway does, and prints a table.
pub fn run(network: &mut ValidatorNetwork<'_>, anchors: usize) -> Result<()> {
    eprintln!("{anchors} anchors one after the other");
    let connection = network.node("alice")?.connection()?;
    let mut times = network.env.block_on(async {
        let chain = ChainClient::connect(connection).await?;
        let gateway = FakeGateway::registered(&chain).await?;
        let mut log = GrowingLog { gateway, ..GrowingLog::default() };
        let mut times = Vec::with_capacity(anchors);
        for at in 0..anchors {
            // Vary the pause, so that the anchors do not always hit the same moment of a slot.
            tokio::time::sleep(Duration::from_millis(500 + 137 * (at as u64 % 15))).await;
            let call = log.anchor();
            let start = Instant::now();
            chain.submit(&log.gateway.keys, call).await?;
            times.push(start.elapsed());
        }
        anyhow::Ok(times)
    })?;
    times.sort_unstable();
    println!("\n{anchors} anchors one after the other, on an otherwise idle chain:\n");
    println!("| anchor submitted -> final | p50 | p95 | slowest |\n|---|---|---|---|");
    println!(
        "| measured | {:.2} s | {:.2} s | {:.2} s |",
        percentile_s(&times, 50),
        percentile_s(&times, 95),
        percentile_s(&times, 100)
    );
    println!("| target | 3 s | 6 s | |");
    Ok(())
}
