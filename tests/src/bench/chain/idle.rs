//! The memory, disk writes and CPU that validators use while the chain is idle.

use super::{label, usages, ResourceUsage};
use crate::ValidatorNetwork;
use anyhow::{Context, Result};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long to wait before the measurement, until caches are filled and connections are established.
const WARM_UP: Duration = Duration::from_secs(120);
/// The interval at which memory is read.
const INTERVAL: Duration = Duration::from_secs(10);

/// The resources of a validator at the start and at the end, and its largest resident memory.
struct Measured {
    name: String,
    first: ResourceUsage,
    last: ResourceUsage,
    largest: u64,
}

/// Measures the validators for `minutes`, and prints a table.
pub fn run(network: &mut ValidatorNetwork<'_>, minutes: u64) -> Result<()> {
    eprintln!("warming up for {} s, then idle for {minutes} min", WARM_UP.as_secs());
    thread::sleep(WARM_UP);
    let before = network.node("alice")?.finalized()?;
    let start = Instant::now();
    let begin = |(name, first): (String, ResourceUsage)| Measured {
        name,
        first,
        last: first,
        largest: first.resident,
    };
    let mut measured: Vec<Measured> = usages(network)?.into_iter().map(begin).collect();
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        thread::sleep(INTERVAL);
        for (validator, (_, usage)) in measured.iter_mut().zip(usages(network)?) {
            validator.last = usage;
            validator.largest = validator.largest.max(usage.resident);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let blocks =
        network.node("alice")?.finalized()?.checked_sub(before).context("the number of blocks decreased")?;
    print_table(&measured, seconds, blocks);
    Ok(())
}

fn print_table(measured: &[Measured], seconds: f64, blocks: u64) {
    println!("\nIdle for {:.0} min, {blocks} blocks:\n", seconds / 60.0);
    println!("| validator | RSS at the start | at the end | largest | written per day | CPU |");
    println!("|---|---|---|---|---|---|");
    let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    for Measured { name, first, last, largest } in measured {
        let written = last.written.saturating_sub(first.written) as f64 / seconds * 86_400.0;
        println!(
            "| {} | {} | {} | {} | {} | {:.2} % |",
            label(name),
            megabytes(first.resident as f64),
            megabytes(last.resident as f64),
            megabytes(*largest as f64),
            megabytes(written),
            (last.cpu - first.cpu) / seconds * 100.0
        );
    }
    println!("| target | | | 120 MB, 180 MB with a gateway | 20 MB | 0.5 % |");
    println!("| a plain node template, two validators, a block every 6 s | | | 122 MB | 1,640 MB | 1.1 % |");
}
