//! The campaign: a gateway under load, one fault after the other, and after each the question whether anything that was
//! acknowledged is lost.
//!
//! Everything that is done follows from a seed (`plan`). The gateway is the real daemon, fed through its socket by many
//! producers at once (`load`) and anchoring to a real chain. What it acknowledged is kept outside of it (`ledger`); after
//! each cycle the log is derived again from its raw entries and held against that (`oracle`).

mod cycle;
mod damage;
mod disk;
mod generation;
pub mod inject;
mod ledger;
mod load;
mod oracle;
mod plan;
mod subject;
mod table;

pub use disk::Disk;
pub use plan::{Cycle, Fault};
pub use table::Summary;

use crate::{Node, Scene};
use anyhow::{Context, Result};
use generation::Generation;
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Instant,
};
use table::Line;

/// A log of so many entries is followed by another gateway's: each is derived as a whole after each cycle.
const LARGEST: u64 = 60_000;

/// So many cycles at most with one log.
const LONGEST: u64 = 25;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many cycles.
    pub cycles: u64,
    /// What everything is drawn from.
    pub seed: u64,
    /// Only cycles with a fault of a kind whose name has this in it.
    pub only: Option<&'static str>,
}

/// Where the campaign takes place, and what can be done to a gateway there.
pub struct Place<'s> {
    scene: &'s Scene,
    node: Node,
    disk: Disk,
    strace: bool,
}

/// Runs a campaign; an error at the first thing that is wrong.
pub fn run(scene: &Scene, options: &Options) -> Result<Summary> {
    let mut cycles = plan::plan(options.seed, options.cycles);
    if let Some(only) = options.only {
        cycles.retain(|cycle| cycle.faults().any(|fault| fault.kind().contains(only)));
    }
    run_cycles(scene, options, &cycles)
}

/// Runs these cycles, whatever the seed says.
pub fn run_cycles(scene: &Scene, options: &Options, cycles: &[Cycle]) -> Result<Summary> {
    let start = Instant::now();
    let stop = stop_on_interrupt(scene);
    eprintln!("starting a chain to anchor to");
    let node = Node::dev(scene)?;
    let mut place = Place { scene, node, disk: Disk::make(scene.dir())?, strace: inject::available() };
    let mut summary = Summary::new(options);
    for missing in place.missing() {
        eprintln!("!!! NOT TESTED HERE: {missing}");
        summary.missing.push(missing);
    }
    let mut generation: Option<Generation> = None;
    for cycle in cycles {
        if stop.load(Ordering::Relaxed) {
            eprintln!("interrupted");
            break;
        }
        let began = Instant::now();
        if generation.as_ref().is_some_and(|old| old.size() > LARGEST || old.cycles() >= LONGEST) {
            generation.take().context("no log")?.finish(&mut place)?;
        }
        let told = || format!("cycle {} ({cycle}) of seed {}", cycle.number, options.seed);
        if generation.is_none() {
            generation = Some(Generation::new(&mut place, options.seed, cycle.number).with_context(told)?);
        }
        let current = generation.as_mut().context("no log")?;
        let line = cycle::run(cycle, current, &mut place).with_context(told)?;
        println!("{}", summary.add(Line { seconds: began.elapsed().as_secs_f64(), ..line }));
    }
    if let Some(generation) = generation {
        generation.finish(&mut place)?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

impl Place<'_> {
    /// What this machine or user cannot do, in words.
    fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.disk.is_own() {
            missing
                .push("power cuts and full disks: they need root and a loop device; kill -9 in their place");
        }
        if !self.strace {
            missing.push("failing calls: they need strace, and the right to trace; kill -9 in their place");
        }
        missing
    }

    /// The fault, or what stands in its place here.
    fn possible(&self, fault: &Fault) -> Fault {
        match fault {
            Fault::PowerCut | Fault::DiskFull if !self.disk.is_own() => Fault::Kill,
            Fault::Calls { .. } | Fault::CallsAtStart(..) if !self.strace => Fault::Kill,
            fault => fault.clone(),
        }
    }
}

impl Cycle {
    fn faults(&self) -> impl Iterator<Item = &Fault> {
        [&self.first, &self.last].into_iter().flatten()
    }
}

/// Ends the campaign after the cycle that runs: everything is put away then.
fn stop_on_interrupt(scene: &Scene) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    scene.handle().spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.store(true, Ordering::Relaxed);
        }
    });
    stop
}
