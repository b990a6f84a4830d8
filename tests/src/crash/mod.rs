//! The campaign: a gateway under load, one fault after the other, and after each the question whether anything that was
//! acknowledged is lost.
//!
//! Everything that is done follows from a seed (`plan`). The gateway is the real daemon, fed through its socket by many
//! producers at once (`load`) and anchoring to a real chain. What it acknowledged is kept outside of it (`ledger`); after
//! each cycle the log is recomputed again from its raw entries and held against that (`oracle`).

mod cycle_runner;
mod disk;
mod file_damage;
mod ledger;
mod log_under_test;
mod oracle;
mod plan;
mod producers;
mod report;
mod subject;
pub mod syscall_injection;

pub use disk::Disk;
pub use plan::{Cycle, Fault};
pub use report::Summary;

use crate::{Node, TestEnv};
use anyhow::{Context, Result};
use log_under_test::LogUnderTest;
use report::CycleReport;
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Instant,
};

/// A log of so many entries is followed by another gateway's: each is recomputed as a whole after each cycle.
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

/// Where the campaign takes campaign, and what can be done to a gateway there.
pub struct CampaignEnv<'s> {
    env: &'s TestEnv,
    node: Node,
    disk: Disk,
    strace: bool,
}

/// Runs a campaign; an error at the first thing that is wrong.
pub fn run(env: &TestEnv, options: &Options) -> Result<Summary> {
    let mut cycles = plan::plan(options.seed, options.cycles);
    if let Some(only) = options.only {
        cycles.retain(|cycle| cycle.faults().any(|fault| fault.kind().contains(only)));
    }
    run_cycles(env, options, &cycles)
}

/// Runs these cycles, whatever the seed says.
pub fn run_cycles(env: &TestEnv, options: &Options, cycles: &[Cycle]) -> Result<Summary> {
    let start = Instant::now();
    let stop = stop_on_interrupt(env);
    eprintln!("starting a chain to anchor to");
    let node = Node::dev(env)?;
    let mut campaign =
        CampaignEnv { env, node, disk: Disk::make(env.dir())?, strace: syscall_injection::available() };
    let mut summary = Summary::new(options);
    for missing in campaign.missing() {
        eprintln!("!!! NOT TESTED HERE: {missing}");
        summary.missing.push(missing);
    }
    let mut under_test: Option<LogUnderTest> = None;
    for cycle in cycles {
        if stop.load(Ordering::Relaxed) {
            eprintln!("interrupted");
            break;
        }
        let began = Instant::now();
        if under_test.as_ref().is_some_and(|old| old.size() > LARGEST || old.cycles() >= LONGEST) {
            under_test.take().context("no log")?.finish(&mut campaign)?;
        }
        let told = || format!("cycle {} ({cycle}) of seed {}", cycle.number, options.seed);
        if under_test.is_none() {
            under_test =
                Some(LogUnderTest::new(&mut campaign, options.seed, cycle.number).with_context(told)?);
        }
        let current = under_test.as_mut().context("no log")?;
        let line = cycle_runner::run(cycle, current, &mut campaign).with_context(told)?;
        println!("{}", summary.add(CycleReport { seconds: began.elapsed().as_secs_f64(), ..line }));
    }
    if let Some(under_test) = under_test {
        under_test.finish(&mut campaign)?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

impl CampaignEnv<'_> {
    /// What this machine or user cannot do, in words.
    fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.disk.is_own_filesystem() {
            missing
                .push("power cuts and full disks: they need root and a loop device; kill -9 in their place");
        }
        if !self.strace {
            missing.push("failing calls: they need strace, and the right to trace; kill -9 in their place");
        }
        missing
    }

    /// The fault, or what stands in its campaign here.
    fn possible(&self, fault: &Fault) -> Fault {
        match fault {
            Fault::PowerCut | Fault::DiskFull if !self.disk.is_own_filesystem() => Fault::Kill,
            Fault::FailingCalls { .. } | Fault::FailingCallsAtStart(..) if !self.strace => Fault::Kill,
            fault => fault.clone(),
        }
    }
}

impl Cycle {
    fn faults(&self) -> impl Iterator<Item = &Fault> {
        [&self.survivable, &self.fatal].into_iter().flatten()
    }
}

/// Ends the campaign after the cycle that runs: everything is put away then.
fn stop_on_interrupt(env: &TestEnv) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    env.handle().spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.store(true, Ordering::Relaxed);
        }
    });
    stop
}
