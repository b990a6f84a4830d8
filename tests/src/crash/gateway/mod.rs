//! The crash campaign: injects faults into a gateway under load, and checks after each that nothing acknowledged is
//! lost.
//!
//! - `plan`: which faults are injected in which cycle. Follows from a seed.
//! - `subject`: the gateway under test. It is the real daemon and anchors to a real chain.
//! - `producers`: many devices that send events through the gateway's socket at the same time.
//! - `ledger`: what the gateway acknowledged, recorded outside of its process.
//! - `oracle`: recomputes the log from its raw entries and compares it with the ledger.
//! - `log_under_test`: one log with its subject, producers and checks.
//! - `cycle_runner`: one cycle: load, faults, restart, check.
//! - `syscall_injection`: a fault. The others are shared with the campaign of the node.

mod cycle_runner;
mod ledger;
mod log_under_test;
mod oracle;
mod plan;
mod producers;
mod report;
mod subject;
pub mod syscall_injection;

pub use plan::{Cycle, Fault};
pub use report::Summary;

use super::{disk::NEEDS_OWN_FILESYSTEM, stop_on_interrupt, Disk, Options};
use crate::{Node, TestEnv};
use anyhow::{Context, Result};
use log_under_test::LogUnderTest;
use report::CycleReport;
use std::{sync::atomic::Ordering, time::Instant};

/// The campaign continues with a new gateway when a log has more entries than this, because every check recomputes
/// the whole log.
const MAX_LOG_SIZE: u64 = 60_000;

/// The largest number of cycles with one log.
const MAX_CYCLES: u64 = 25;

/// The chain and the disk of a campaign, and which faults can be injected here.
pub struct CampaignEnv<'s> {
    env: &'s TestEnv,
    node: Node,
    disk: Disk,
    strace: bool,
}

/// Runs a campaign. Fails at the first violation.
pub fn run(env: &TestEnv, options: &Options) -> Result<Summary> {
    let mut cycles = plan::plan(options.seed, options.cycles);
    if let Some(only) = options.only {
        cycles.retain(|cycle| cycle.faults().any(|fault| fault.kind().contains(only)));
    }
    run_cycles(env, options, &cycles)
}

/// Runs the given cycles instead of those of the seed.
pub fn run_cycles(env: &TestEnv, options: &Options, cycles: &[Cycle]) -> Result<Summary> {
    let start = Instant::now();
    let stop = stop_on_interrupt(env);
    eprintln!("starting a chain");
    let node = Node::dev(env)?;
    let mut campaign =
        CampaignEnv { env, node, disk: Disk::create(env.dir())?, strace: syscall_injection::available() };
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
        let cycle_start = Instant::now();
        if under_test.as_ref().is_some_and(|old| old.size() > MAX_LOG_SIZE || old.cycles() >= MAX_CYCLES) {
            under_test.take().context("no log")?.finish(&mut campaign)?;
        }
        let description = || format!("cycle {} ({cycle}) of seed {}", cycle.number, options.seed);
        if under_test.is_none() {
            under_test =
                Some(LogUnderTest::new(&mut campaign, options.seed, cycle.number).with_context(description)?);
        }
        let current = under_test.as_mut().context("no log")?;
        let line = cycle_runner::run(cycle, current, &mut campaign).with_context(description)?;
        println!("{}", summary.add(CycleReport { seconds: cycle_start.elapsed().as_secs_f64(), ..line }));
    }
    if let Some(under_test) = under_test {
        under_test.finish(&mut campaign)?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

impl CampaignEnv<'_> {
    /// Describes the faults that cannot be injected on this machine.
    fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.disk.is_own_filesystem() {
            missing.push(NEEDS_OWN_FILESYSTEM);
        }
        if !self.strace {
            missing.push("failing calls, which need strace and permission to trace; replaced by kill -9");
        }
        missing
    }

    /// Returns the fault, or its replacement if it cannot be injected here.
    fn or_replacement(&self, fault: &Fault) -> Fault {
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
