//! What a validator uses while nobody asks anything of the chain.

use super::{shown, usages, ResourceUsage};
use crate::ValidatorNetwork;
use anyhow::{Context, Result};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long the network is left alone before: caches fill, connections settle.
const SETTLING: Duration = Duration::from_secs(120);
/// How long between two looks at the memory.
const PAUSE: Duration = Duration::from_secs(10);

/// A validator, from the first look to the last.
struct Watched {
    name: String,
    first: ResourceUsage,
    last: ResourceUsage,
    largest: u64,
}

/// Looks at the validators for so long, and prints a table.
pub fn run(network: &mut ValidatorNetwork<'_>, minutes: u64) -> Result<()> {
    eprintln!("settling for {} s, then idle for {minutes} min", SETTLING.as_secs());
    thread::sleep(SETTLING);
    let before = network.node("alice")?.finalized()?;
    let start = Instant::now();
    let watch = |(name, first): (String, ResourceUsage)| Watched {
        name,
        first,
        last: first,
        largest: first.resident,
    };
    let mut watched: Vec<Watched> = usages(network)?.into_iter().map(watch).collect();
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        thread::sleep(PAUSE);
        for (validator, (_, usage)) in watched.iter_mut().zip(usages(network)?) {
            validator.last = usage;
            validator.largest = validator.largest.max(usage.resident);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let blocks = network.node("alice")?.finalized()?.checked_sub(before).context("blocks went away")?;
    print_table(&watched, seconds, blocks);
    Ok(())
}

fn print_table(watched: &[Watched], seconds: f64, blocks: u64) {
    println!("\nIdle for {:.0} min, {blocks} blocks:\n", seconds / 60.0);
    println!("| validator | RSS at the start | at the end | largest | written a day | CPU |");
    println!("|---|---|---|---|---|---|");
    let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    for Watched { name, first, last, largest } in watched {
        let written = last.written.saturating_sub(first.written) as f64 / seconds * 86_400.0;
        println!(
            "| {} | {} | {} | {} | {} | {:.2} % |",
            shown(name),
            megabytes(first.resident as f64),
            megabytes(last.resident as f64),
            megabytes(*largest as f64),
            megabytes(written),
            (last.cpu - first.cpu) / seconds * 100.0
        );
    }
    println!("| aimed at | | | 120 MB, 180 MB with a gateway | 20 MB | 0.5 % |");
    println!("| a plain node template, two validators, a block every 6 s | | | 122 MB | 1,640 MB | 1.1 % |");
}
