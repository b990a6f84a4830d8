//! The plan of a campaign: which faults happen in which cycle. It depends only on the seed.

use crate::crash::{
    deck::{cycle_seed, draw},
    DamageKind, DamagedFile,
};
use rand::{rngs::StdRng, seq::SliceRandom as _, Rng as _, SeedableRng as _};
use std::{fmt, time::Duration};
use streembit_log::failpoint;

/// The system calls through which the log accesses the disk.
pub const CALLS: [&str; 11] = [
    "fdatasync",
    "write",
    "pwrite64",
    "openat",
    "fsync",
    "rename",
    "ftruncate",
    "fallocate",
    "sync_file_range",
    "unlink",
    "pread64",
];

/// The errors that system calls are made to return.
pub const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// The process dies when it passes a failpoint for the n-th time.
    Failpoint(&'static str, u64),
    /// A power cut: everything that was not synced is lost.
    PowerCut,
    /// System calls of a thread fail.
    FailingCalls {
        /// The system call.
        call: &'static str,
        /// The error that it returns.
        error: &'static str,
        /// The first call of a thread that fails, counted from 1.
        first: u64,
        /// 0: only that call fails. 1: all later calls fail too. n: every n-th later call fails too.
        again: u64,
    },
    /// The n-th system call fails while the gateway starts.
    FailingCallsAtStart(&'static str, &'static str, u64),
    /// Another program fills the disk, and frees it later.
    DiskFull,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// The clock jumps by a number of seconds, and later by another one.
    ClockJumps(i64, i64),
    /// A file is damaged while the gateway is not running.
    Damage(DamagedFile, DamageKind),
}

/// One cycle.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// The number of the cycle, from 1.
    pub number: u64,
    /// The number of events in a request.
    pub batch: usize,
    /// How many events are acknowledged before the first fault.
    pub events: u64,
    /// How long the load lasts before each fault.
    pub delay: Duration,
    /// A fault that the gateway must survive without a restart.
    pub survivable: Option<Fault>,
    /// A fault that ends the process.
    pub fatal: Option<Fault>,
    /// Whether the gateway recovers from the first fault before the second one.
    pub recover_between: bool,
    /// The seed for decisions within the cycle.
    pub seed: u64,
}

impl Fault {
    /// The kind under which the fault is counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Failpoint(..) => "kill at a failpoint",
            Self::PowerCut => "power cut",
            Self::FailingCalls { .. } => "failing calls",
            Self::FailingCallsAtStart(..) => "failing calls at start",
            Self::DiskFull => "disk full, then freed",
            Self::Pause => "pause (SIGSTOP)",
            Self::ClockJumps(..) => "clock jumps",
            Self::Damage(..) => "torn and flipped bytes",
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 9] = [
        "kill -9",
        "kill at a failpoint",
        "power cut",
        "failing calls",
        "failing calls at start",
        "disk full, then freed",
        "pause (SIGSTOP)",
        "clock jumps",
        "torn and flipped bytes",
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill | Self::PowerCut | Self::DiskFull | Self::Pause => f.write_str(self.kind()),
            Self::Failpoint(name, passage) => write!(f, "kill at {name}:{passage}"),
            Self::FailingCalls { call, error, first, again: 0 } => write!(f, "{call} {first} gives {error}"),
            Self::FailingCalls { call, error, first, again: 1 } => {
                write!(f, "{call} {first} on gives {error}")
            }
            Self::FailingCalls { call, error, first, again } => {
                write!(f, "{call} {first} and every {again} gives {error}")
            }
            Self::FailingCallsAtStart(call, error, first) => {
                write!(f, "at start, {call} {first} gives {error}")
            }
            Self::ClockJumps(one, two) => write!(f, "clock jumps {one:+} s, then {two:+} s"),
            Self::Damage(target, kind) => {
                write!(f, "{kind:?} {target:?}")
            }
        }
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> =
            [&self.survivable, &self.fatal].into_iter().flatten().map(Fault::to_string).collect();
        write!(f, "{}", faults.join(if self.recover_between { ", later " } else { ", at once " }))
    }
}

/// The kinds of faults of one round. Each round has all of them, in random order.
const ROUND: [&str; 20] = [
    "kill -9",
    "kill -9",
    "kill at a failpoint",
    "kill at a failpoint",
    "kill at a failpoint",
    "kill at a failpoint",
    "power cut",
    "power cut",
    "power cut",
    "failing calls",
    "failing calls",
    "failing calls",
    "failing calls",
    "failing calls at start",
    "failing calls at start",
    "disk full, then freed",
    "pause (SIGSTOP)",
    "clock jumps",
    "torn and flipped bytes",
    "torn and flipped bytes",
];

/// Returns the cycles of a seed. A longer plan starts with the shorter one.
pub fn plan(seed: u64, cycles: u64) -> Vec<Cycle> {
    let mut generator = PlanGenerator::new(seed);
    (1..=cycles).map(|number| generator.cycle(seed, number)).collect()
}

/// Draws faults from shuffled decks, so that each has its turn.
struct PlanGenerator {
    random: StdRng,
    kinds: Vec<&'static str>,
    calls: Vec<(&'static str, &'static str)>,
    starts: Vec<(&'static str, &'static str)>,
    failpoints: Vec<&'static str>,
    damages: Vec<(DamagedFile, DamageKind)>,
}

impl PlanGenerator {
    fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let (kinds, calls, starts) = (Vec::new(), Vec::new(), Vec::new());
        Self { random, kinds, calls, starts, failpoints: Vec::new(), damages: Vec::new() }
    }

    fn cycle(&mut self, seed: u64, number: u64) -> Cycle {
        let kind = draw(&mut self.kinds, &mut self.random, || ROUND.to_vec());
        let fault = self.fault(kind);
        let random = &mut self.random;
        let (mut survivable, mut fatal) = match kind {
            "failing calls" | "disk full, then freed" | "pause (SIGSTOP)" | "clock jumps" => {
                (Some(fault), None)
            }
            _ => (None, Some(fault)),
        };
        // Often combine two faults, because the first may leave a state that the second one exposes.
        match kind {
            "kill -9" | "power cut" if random.gen_bool(0.5) => {
                let kinds = ["failing calls", "disk full, then freed", "pause (SIGSTOP)", "clock jumps"];
                let kind = kinds.choose(random).copied().unwrap_or("failing calls");
                survivable = Some(self.fault(kind));
            }
            "failing calls" | "disk full, then freed" if random.gen_bool(0.4) => {
                fatal = Some(if random.gen_bool(0.5) { Fault::Kill } else { Fault::PowerCut });
            }
            _ => {}
        }
        if matches!(fatal, Some(Fault::Failpoint("reopen", _))) {
            survivable = Some(Fault::FailingCalls { call: "fdatasync", error: "EIO", first: 1, again: 0 });
        }
        let random = &mut self.random;
        let batch = *[1, 3, 20, 100, 250].choose(random).unwrap_or(&20);
        Cycle {
            number,
            batch,
            events: random.gen_range(100..800),
            delay: Duration::from_millis(random.gen_range(0..400)),
            survivable,
            fatal,
            recover_between: random.gen_bool(0.5),
            seed: cycle_seed(seed, number),
        }
    }

    fn fault(&mut self, kind: &str) -> Fault {
        let random = &mut self.random;
        match kind {
            "kill at a failpoint" => {
                // This failpoint is passed only on the very first start: see `log_under_test`.
                let names = || failpoint::NAMES.into_iter().filter(|name| *name != "open-folder").collect();
                let name = draw(&mut self.failpoints, random, names);
                let many = name.starts_with("write") || name.starts_with("ack") || name.starts_with("reply");
                Fault::Failpoint(name, if many { random.gen_range(1..40) } else { 1 })
            }
            "power cut" => Fault::PowerCut,
            "failing calls" => {
                let (call, error) = draw(&mut self.calls, random, every_call);
                let first = random.gen_range(1..if matches!(call, "write" | "fdatasync") { 12 } else { 4 });
                Fault::FailingCalls { call, error, first, again: *[0, 0, 1, 3].choose(random).unwrap_or(&0) }
            }
            "failing calls at start" => {
                let (call, error) = draw(&mut self.starts, random, every_call);
                let most = if matches!(call, "write" | "openat" | "pread64") { 12 } else { 3 };
                Fault::FailingCallsAtStart(call, error, random.gen_range(1..most))
            }
            "disk full, then freed" => Fault::DiskFull,
            "pause (SIGSTOP)" => Fault::Pause,
            "clock jumps" => {
                let mut jump = || {
                    let size = *[2, 3_600, 86_400, 400_000_000].choose(random).unwrap_or(&2);
                    if random.gen_bool(0.5) {
                        size
                    } else {
                        -size
                    }
                };
                Fault::ClockJumps(jump(), jump())
            }
            "torn and flipped bytes" => {
                let (target, kind) = draw(&mut self.damages, random, every_damage);
                Fault::Damage(target, kind)
            }
            _ => Fault::Kill,
        }
    }
}

fn every_call() -> Vec<(&'static str, &'static str)> {
    CALLS.into_iter().flat_map(|call| ERRORS.map(|error| (call, error))).collect()
}

fn every_damage() -> Vec<(DamagedFile, DamageKind)> {
    use {DamageKind::*, DamagedFile::*};
    let all = [Wal, Table, Manifest, Current, Acknowledged];
    let pairs = all.into_iter().flat_map(|target| [Flip, Tear, Zero, Remove].map(|kind| (target, kind)));
    pairs.filter(|(target, kind)| *kind != Zero || !matches!(target, Current | Acknowledged)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_plan_and_a_longer_plan_starts_with_the_shorter_one() {
        let short: Vec<_> = plan(7, 40).iter().map(|cycle| format!("{cycle:?}")).collect();
        let long: Vec<_> = plan(7, 80).iter().take(40).map(|cycle| format!("{cycle:?}")).collect();
        assert_eq!(short, long);
        assert_ne!(short, plan(8, 40).iter().map(|cycle| format!("{cycle:?}")).collect::<Vec<_>>());
    }

    #[test]
    fn each_round_has_every_kind_and_six_rounds_have_every_call() {
        let kinds = |cycles: &[Cycle]| -> std::collections::BTreeSet<_> {
            let faults = cycles.iter().flat_map(|cycle| [&cycle.survivable, &cycle.fatal]);
            faults.flatten().map(Fault::kind).collect()
        };
        let cycles = plan(1, 120);
        for round in cycles.chunks(20) {
            assert_eq!(kinds(round).len(), Fault::KINDS.len());
        }
        let calls: std::collections::BTreeSet<_> = cycles
            .iter()
            .filter_map(|cycle| match cycle.survivable {
                Some(Fault::FailingCalls { call, error, .. }) => Some((call, error)),
                _ => None,
            })
            .collect();
        assert_eq!(calls.len(), CALLS.len() * ERRORS.len());
    }
}
