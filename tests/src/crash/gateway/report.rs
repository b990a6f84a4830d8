//! The report of a campaign: one line per cycle, and a table at the end.

use super::Fault;
use crate::crash::Options;
use std::{collections::BTreeMap, fmt};

/// The report of a cycle that passed.
pub struct CycleReport {
    /// The number of the cycle.
    pub number: u64,
    /// The injected faults.
    pub faults: Vec<Fault>,
    /// How many events were acknowledged during the cycle.
    pub acknowledged: u64,
    /// The size of the log after the cycle.
    pub size: u64,
    /// The anchored size after the cycle.
    pub anchored: u64,
    /// Remarks.
    pub notes: String,
    /// How many system calls were made to fail.
    pub injected: usize,
    /// The duration.
    pub seconds: f64,
}

impl fmt::Display for CycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.faults.iter().map(Fault::to_string).collect();
        let Self { number, acknowledged, size, anchored, notes, seconds, .. } = self;
        let notes = if notes.is_empty() { String::new() } else { format!("  ({notes})") };
        write!(
            f,
            "{number:>5}  {:<52} acknowledged {acknowledged:>6}  log {size:>6}  anchored {anchored:>6}  lost 0  {seconds:>5.1} s{notes}",
            faults.join(" + "),
        )
    }
}

/// The summary of all cycles.
pub struct Summary {
    options: Options,
    cycles: u64,
    acknowledged: u64,
    injected: usize,
    kinds: BTreeMap<&'static str, u64>,
    /// The faults that could not be injected here.
    pub missing: Vec<&'static str>,
    /// The duration.
    pub seconds: f64,
}

impl Summary {
    pub(super) fn new(options: &Options) -> Self {
        let (kinds, missing) = (BTreeMap::new(), Vec::new());
        Self { options: *options, cycles: 0, acknowledged: 0, injected: 0, kinds, missing, seconds: 0.0 }
    }

    pub(super) fn add(&mut self, line: CycleReport) -> CycleReport {
        self.cycles += 1;
        self.acknowledged += line.acknowledged;
        self.injected += line.injected;
        for fault in &line.faults {
            *self.kinds.entry(fault.kind()).or_default() += 1;
        }
        line
    }

    /// The number of cycles.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// The number of acknowledged events.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| fault | cycles with it |\n|---|---|")?;
        for kind in Fault::KINDS {
            writeln!(f, "| {kind} | {} |", self.kinds.get(kind).copied().unwrap_or(0))?;
        }
        writeln!(f, "| all cycles (some have two faults) | {} |", self.cycles)?;
        let Self { acknowledged, injected, seconds, options, .. } = self;
        writeln!(f, "\n{acknowledged} events acknowledged, 0 lost; {injected} calls failed; {seconds:.0} s")?;
        for missing in &self.missing {
            writeln!(f, "not tested: {missing}")?;
        }
        f.write_str(&options.command("crash"))
    }
}
