//! The crash campaign of the node: breaks the database of one of four validators, and checks after each fault that the
//! validator comes back or says what to do.
//!
//! - `plan`: which fault is injected in which cycle. Follows from a seed.
//! - `validators`: the four validators, and what must be true of them after each cycle.
//! - `way_back`: what the documents tell an operator whose database is lost.
//! - `cycle_runner`: one cycle: fault, restart, check.
//! - `report`: how each cycle ended, and the table of all.
//!
//! Two validators that contradict each other, a lost key, or others that do not finalize end the campaign. All other
//! violations are counted, because the documented way back makes the validator whole again for the next cycle.

mod cycle_runner;
mod plan;
mod report;
mod validators;
mod way_back;

pub use plan::Fault;
pub use report::Summary;

use super::{disk::NEEDS_OWN_FILESYSTEM, stop_on_interrupt, Disk, Options};
use crate::TestEnv;
use anyhow::{Context, Result};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use validators::Validators;

/// A new chain begins after this many cycles, because a validator that lost its database fetches the whole chain.
const MAX_CYCLES: u64 = 50;

/// The longest time, in milliseconds, that the very first start lasts before it is cut short.
const MAX_FIRST_START: u64 = 4_000;

/// Runs a campaign. Returns an error if something happened after which it cannot go on.
pub fn run(env: &TestEnv, options: &Options) -> Result<Summary> {
    let start = Instant::now();
    let stop = stop_on_interrupt(env);
    let mut cycles = plan::plan(options.seed, options.cycles);
    if let Some(only) = options.only {
        cycles.retain(|cycle| cycle.fault.kind().contains(only));
    }
    let mut disk = Disk::create(env.dir())?;
    let mut summary = Summary::new(options);
    if !disk.is_own_filesystem() {
        eprintln!("!!! NOT TESTED HERE: {NEEDS_OWN_FILESYSTEM}");
        summary.missing.push(NEEDS_OWN_FILESYSTEM);
    }
    let mut running: Option<Validators> = None;
    for cycle in &cycles {
        if stop.load(Ordering::Relaxed) {
            eprintln!("interrupted");
            break;
        }
        let description = || format!("cycle {} ({cycle}) of seed {}", cycle.number, options.seed);
        if running.as_ref().is_some_and(|validators| validators.cycles() >= MAX_CYCLES) {
            running.take().context("no validators")?.finish().with_context(description)?;
        }
        if running.is_none() {
            eprintln!("starting four validators");
            let milliseconds = StdRng::seed_from_u64(!cycle.seed).gen_range(0..MAX_FIRST_START);
            let delay = Duration::from_millis(milliseconds);
            let started = Validators::start(env, &disk, cycle.number, delay);
            running = Some(started.with_context(description)?);
        }
        let validators = running.as_mut().context("no validators")?;
        let report = cycle_runner::run(cycle, validators, &mut disk).with_context(description)?;
        println!("{report}");
        summary.add(&report);
    }
    if let Some(validators) = running {
        validators.finish().context("the last checks")?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}
