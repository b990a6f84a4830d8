//! What happens in which cycle: everything is drawn from the seed and the cycle's number alone.

use rand::{rngs::StdRng, seq::SliceRandom as _, Rng as _, SeedableRng as _};
use std::{fmt, time::Duration};
use streembit::log::failpoint;

/// The calls by which the log reaches the disk.
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

/// The errors that they are made to give.
pub const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// Which file of a dead gateway is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamagedFile {
    /// A write-ahead log.
    Wal,
    /// A table.
    Table,
    /// The list of the tables.
    Manifest,
    /// The file that names the manifest.
    Current,
    /// The acknowledged size.
    Acknowledged,
}

/// How it is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamageKind {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Tear,
    /// 4 KiB are zeros.
    Zero,
    /// The file is gone.
    Remove,
}

/// What is done to the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// The process dies at a named place, at this passage of it.
    Failpoint(&'static str, u64),
    /// The power goes: what was not synced is gone.
    PowerCut,
    /// Calls fail from this one of a thread on: `again` says how many pass between two failures, 0 for only one failure.
    FailingCalls {
        /// The call.
        call: &'static str,
        /// Its error.
        error: &'static str,
        /// Which one of a thread fails first, from 1.
        first: u64,
        /// `+0`: once. `+1`: from then on all.
        again: u64,
    },
    /// One call fails while the gateway starts.
    FailingCallsAtStart(&'static str, &'static str, u64),
    /// The disk is filled by somebody else, and freed later.
    DiskFull,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// The clock jumps by so many seconds, and again to somewhere else.
    ClockJumps(i64, i64),
    /// A file is damaged while the gateway is dead.
    Damage(DamagedFile, DamageKind),
}

/// One cycle.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// Its number, from 1.
    pub number: u64,
    /// How many events come in one request.
    pub batch: usize,
    /// How many events are acknowledged before the first fault.
    pub load: u64,
    /// So long under load before each fault.
    pub delay: Duration,
    /// What the gateway must survive without a restart.
    pub survivable: Option<Fault>,
    /// What ends its process.
    pub fatal: Option<Fault>,
    /// Whether the gateway is waited for between the two.
    pub recover_between: bool,
    /// For what is decided on the way.
    pub seed: u64,
}

impl Fault {
    /// What it is counted as.
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

    /// Every kind.
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
            Self::Damage(target, harm) => {
                write!(f, "{harm:?} {target:?}")
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

/// The kinds of one round; each round has all of them, in an order of its own.
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

/// The cycles of a seed. A longer plan begins with the shorter one.
pub fn plan(seed: u64, cycles: u64) -> Vec<Cycle> {
    let mut generator = PlanGenerator::new(seed);
    (1..=cycles).map(|number| generator.cycle(seed, number)).collect()
}

/// What is dealt one after the other, so that each has its turn.
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
        // Often two at once: what is survived may leave a state that the next one finds.
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
            load: random.gen_range(100..800),
            delay: Duration::from_millis(random.gen_range(0..400)),
            survivable,
            fatal,
            recover_between: random.gen_bool(0.5),
            seed: seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn fault(&mut self, kind: &str) -> Fault {
        let random = &mut self.random;
        match kind {
            "kill at a failpoint" => {
                // Those of a folder that is just being made are for each log's first start.
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
                let (target, harm) = draw(&mut self.damages, random, every_damage);
                Fault::Damage(target, harm)
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
    let pairs = all.into_iter().flat_map(|target| [Flip, Tear, Zero, Remove].map(|harm| (target, harm)));
    pairs.filter(|(target, harm)| *harm != Zero || !matches!(target, Current | Acknowledged)).collect()
}

/// The next of a shuffled deck; a new one when it is used up.
fn draw<T>(deck: &mut Vec<T>, random: &mut StdRng, new: impl FnOnce() -> Vec<T>) -> T
where
    T: Clone,
{
    if deck.is_empty() {
        *deck = new();
        deck.shuffle(random);
    }
    deck.pop().unwrap_or_else(|| unreachable!("a new deck is never empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_a_longer_one_begins_with_the_shorter() {
        let short: Vec<_> = plan(7, 40).iter().map(|cycle| format!("{cycle:?}")).collect();
        let long: Vec<_> = plan(7, 80).iter().take(40).map(|cycle| format!("{cycle:?}")).collect();
        assert_eq!(short, long);
        assert_ne!(short, plan(8, 40).iter().map(|cycle| format!("{cycle:?}")).collect::<Vec<_>>());
    }

    #[test]
    fn every_kind_has_its_turn_in_each_round_and_every_call_within_six() {
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
