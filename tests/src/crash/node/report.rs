//! The report of a campaign: one line per cycle, and a table at the end.

use super::plan::Fault;
use crate::crash::Options;
use std::{collections::BTreeMap, fmt};

/// How a cycle ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// The validator came back by itself after it was started.
    CameBack,
    /// It ended while the disk was full, and came back when it was started again, as a service manager does.
    StartedAgain,
    /// It refused to start and named the folder and the way back, which worked.
    Refused,
    /// It did something that it must not do. It came back the documented way.
    Violated,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::CameBack, Self::StartedAgain, Self::Refused, Self::Violated];

    fn text(self) -> &'static str {
        match self {
            Self::CameBack => "came back by itself",
            Self::StartedAgain => "came back when started again",
            Self::Refused => "refused, and the way back worked",
            Self::Violated => "VIOLATION",
        }
    }
}

/// The report of a cycle.
pub struct CycleReport {
    /// The number of the cycle.
    pub number: u64,
    /// The injected fault.
    pub fault: Fault,
    /// How it ended.
    pub outcome: Outcome,
    /// How many blocks the other validators finalized during the cycle.
    pub finalized: u64,
    /// Remarks.
    pub notes: Vec<String>,
    /// What the validator must not do, but did.
    pub violations: Vec<String>,
    /// The duration.
    pub seconds: f64,
}

impl fmt::Display for CycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, fault, outcome, finalized, notes, violations, seconds } = self;
        let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join("; ")) };
        write!(
            f,
            "{number:>5}  {:<48} {:<34} finalized {finalized:>3}  {seconds:>5.1} s{notes}",
            fault.to_string(),
            outcome.text()
        )?;
        violations.iter().try_for_each(|violation| write!(f, "\n       VIOLATION: {violation}"))
    }
}

/// The summary of all cycles.
pub struct Summary {
    options: Options,
    cycles: u64,
    finalized: u64,
    outcomes: BTreeMap<(&'static str, Outcome), u64>,
    violations: Vec<String>,
    /// The faults that could not be injected here.
    pub missing: Vec<&'static str>,
    /// The duration.
    pub seconds: f64,
}

impl Summary {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: *options,
            cycles: 0,
            finalized: 0,
            outcomes: BTreeMap::new(),
            violations: Vec::new(),
            missing: Vec::new(),
            seconds: 0.0,
        }
    }

    pub(super) fn add(&mut self, report: &CycleReport) {
        self.cycles += 1;
        self.finalized += report.finalized;
        *self.outcomes.entry((report.fault.kind(), report.outcome)).or_default() += 1;
        let numbered = report.violations.iter().map(|text| format!("cycle {}: {text}", report.number));
        self.violations.extend(numbered);
    }

    /// The number of cycles.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// What validators did although they must not, by cycle.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    fn count(&self, kind: &'static str, outcome: Outcome) -> u64 {
        self.outcomes.get(&(kind, outcome)).copied().unwrap_or(0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |", cells.join(" | "));
        let names = Outcome::ALL.map(|outcome| outcome.text().to_owned());
        writeln!(
            f,
            "{}\n|---|---|---|---|---|---|",
            row("fault", [vec!["cycles".into()], names.into()].concat())
        )?;
        let mut totals = [0u64; Outcome::ALL.len()];
        for kind in Fault::KINDS {
            let counts = Outcome::ALL.map(|outcome| self.count(kind, outcome));
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            let cells =
                std::iter::once(counts.iter().sum::<u64>()).chain(counts).map(|count| count.to_string());
            writeln!(f, "{}", row(kind, cells.collect()))?;
        }
        let cells = std::iter::once(self.cycles).chain(totals).map(|count| count.to_string());
        writeln!(f, "{}", row("all", cells.collect()))?;
        let Self { finalized, seconds, options, violations, .. } = self;
        writeln!(
            f,
            "\n{finalized} blocks finalized by the others, 0 equivocations, {} violations; {seconds:.0} s",
            violations.len()
        )?;
        violations.iter().try_for_each(|violation| writeln!(f, "VIOLATION in {violation}"))?;
        self.missing.iter().try_for_each(|missing| writeln!(f, "not tested: {missing}"))?;
        f.write_str(&options.command("crash-node"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: u64, fault: Fault, outcome: Outcome) -> CycleReport {
        let violations =
            if outcome == Outcome::Violated { vec!["it forgot its keys".into()] } else { Vec::new() };
        CycleReport { number, fault, outcome, finalized: 3, notes: Vec::new(), violations, seconds: 4.5 }
    }

    #[test]
    fn the_table_counts_each_fault_and_outcome() {
        let mut summary = Summary::new(&Options { cycles: 3, seed: 7, only: None });
        summary.add(&report(1, Fault::PowerCut, Outcome::CameBack));
        summary.add(&report(2, Fault::PowerCut, Outcome::Violated));
        summary.add(&report(3, Fault::Kill, Outcome::CameBack));
        let text = summary.to_string();
        for line in [
            "| power cut | 2 | 1 | 0 | 0 | 1 |",
            "| kill -9 | 1 | 1 | 0 | 0 | 0 |",
            "| all | 3 | 2 | 0 | 0 | 1 |",
            "9 blocks finalized by the others, 0 equivocations, 1 violations; 0 s",
            "VIOLATION in cycle 2: it forgot its keys",
            "make crash-node CYCLES=3 SEED=7",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
        }
        assert_eq!(summary.cycles(), 3);
        assert_eq!(summary.violations(), ["cycle 2: it forgot its keys"]);
    }
}
