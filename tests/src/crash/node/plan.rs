//! The plan of a campaign: which fault happens in which cycle. It depends only on the seed.

use crate::crash::{
    deck::{cycle_seed, draw},
    DamageKind, DamagedFile,
};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use std::{fmt, time::Duration};

/// The longest time that the validator runs before a fault, in milliseconds: two slots.
const MAX_DELAY: u64 = 4_000;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGKILL during the first start with an empty base path.
    KillAtFirstStart,
    /// A power cut: everything that was not synced is lost.
    PowerCut,
    /// A power cut during the first start with an empty base path.
    PowerCutAtFirstStart,
    /// Another program fills the disk, and frees it later.
    DiskFull {
        /// True if it takes the last byte at once, so that the validator cannot stop before the disk is full.
        completely: bool,
        /// True if the validator is killed while the disk is full.
        kill: bool,
    },
    /// A file of the database is damaged while the validator is not running.
    Damage(DamagedFile, DamageKind),
}

impl Fault {
    /// The kind under which the fault is counted.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::KillAtFirstStart => "kill -9 in the first start",
            Self::PowerCut => "power cut",
            Self::PowerCutAtFirstStart => "power cut in the first start",
            Self::DiskFull { kill: false, .. } => "disk full, then freed",
            Self::DiskFull { kill: true, .. } => "disk full, kill -9, then freed",
            Self::Damage(_, DamageKind::Flip) => "flipped bit",
            Self::Damage(_, DamageKind::Tear) => "torn file",
            Self::Damage(_, DamageKind::Zero) => "zeros in a file",
            Self::Damage(_, DamageKind::Remove) => "missing file",
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 10] = [
        "kill -9",
        "kill -9 in the first start",
        "power cut",
        "power cut in the first start",
        "disk full, then freed",
        "disk full, kill -9, then freed",
        "flipped bit",
        "torn file",
        "zeros in a file",
        "missing file",
    ];

    /// Returns true if the fault needs a disk with its own file system.
    pub fn needs_own_filesystem(self) -> bool {
        matches!(self, Self::PowerCut | Self::PowerCutAtFirstStart | Self::DiskFull { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull { completely: true, .. } => write!(f, "{} (to the last byte)", self.kind()),
            Self::Damage(target, kind) => write!(f, "{kind:?} {target:?}"),
            _ => f.write_str(self.kind()),
        }
    }
}

/// One cycle.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// The number of the cycle, from 1.
    pub number: u64,
    /// The fault.
    pub fault: Fault,
    /// How long the validator runs before the fault.
    pub delay: Duration,
    /// True if the other validators finalize blocks before the restart.
    pub falls_behind: bool,
    /// The seed for decisions within the cycle.
    pub seed: u64,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, delay, .. } = self;
        write!(f, "{fault} after {} ms", delay.as_millis())
    }
}

/// A card of the deck of faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Card {
    Kill,
    KillAtFirstStart,
    PowerCut,
    PowerCutAtFirstStart,
    DiskFull { kill: bool },
    Damage,
}

/// The faults of one round of 20 cycles. Each round has all of them, in random order.
fn round() -> Vec<Card> {
    let counts = [
        (Card::Kill, 3),
        (Card::KillAtFirstStart, 2),
        (Card::PowerCut, 4),
        (Card::PowerCutAtFirstStart, 2),
        (Card::DiskFull { kill: false }, 2),
        (Card::DiskFull { kill: true }, 1),
        (Card::Damage, 6),
    ];
    counts.into_iter().flat_map(|(card, count)| std::iter::repeat_n(card, count)).collect()
}

/// Returns every way to damage a file of the database.
fn every_damage() -> Vec<(DamagedFile, DamageKind)> {
    use {DamageKind::*, DamagedFile::*};
    let all = [Wal, Table, Manifest, Current, Version, State];
    let pairs = all.into_iter().flat_map(|target| [Flip, Tear, Zero, Remove].map(|kind| (target, kind)));
    // The other files are so small that zeros say nothing new.
    pairs.filter(|(target, kind)| *kind != Zero || matches!(target, Wal | Table | Manifest)).collect()
}

/// Returns the cycles of a seed. A longer plan starts with the shorter one.
pub fn plan(seed: u64, cycles: u64) -> Vec<Cycle> {
    let mut generator = PlanGenerator::new(seed);
    (1..=cycles).map(|number| generator.cycle(seed, number)).collect()
}

/// Draws faults from shuffled decks, so that each has its turn.
struct PlanGenerator {
    random: StdRng,
    cards: Vec<Card>,
    damages: Vec<(DamagedFile, DamageKind)>,
}

impl PlanGenerator {
    fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), cards: Vec::new(), damages: Vec::new() }
    }

    fn cycle(&mut self, seed: u64, number: u64) -> Cycle {
        let card = draw(&mut self.cards, &mut self.random, round);
        let fault = self.fault(card);
        let random = &mut self.random;
        Cycle {
            number,
            fault,
            delay: Duration::from_millis(random.gen_range(0..MAX_DELAY)),
            falls_behind: random.gen_bool(0.3),
            seed: cycle_seed(seed, number),
        }
    }

    fn fault(&mut self, card: Card) -> Fault {
        match card {
            Card::Kill => Fault::Kill,
            Card::KillAtFirstStart => Fault::KillAtFirstStart,
            Card::PowerCut => Fault::PowerCut,
            Card::PowerCutAtFirstStart => Fault::PowerCutAtFirstStart,
            Card::DiskFull { kill } => Fault::DiskFull { completely: self.random.gen_bool(0.5), kill },
            Card::Damage => {
                let (target, kind) = draw(&mut self.damages, &mut self.random, every_damage);
                Fault::Damage(target, kind)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_determines_the_plan_and_a_longer_plan_starts_with_the_shorter_one() {
        let text = |cycles: &[Cycle]| format!("{cycles:?}");
        let (short, long) = (plan(7, 40), plan(7, 80));
        assert_eq!(text(&short), text(long.get(..40).unwrap()));
        assert_ne!(text(&short), text(&plan(8, 40)));
    }

    #[test]
    fn each_round_has_every_fault_and_four_rounds_damage_every_file_in_every_way() {
        let cycles = plan(1, 80);
        for round in cycles.chunks(20) {
            let damages = round.iter().filter(|cycle| matches!(cycle.fault, Fault::Damage(..))).count();
            assert_eq!(damages, 6);
            let others = round.iter().filter(|cycle| !matches!(cycle.fault, Fault::Damage(..)));
            assert_eq!(others.map(|cycle| cycle.fault.kind()).collect::<BTreeSet<_>>().len(), 6);
        }
        let damages = cycles.iter().filter(|cycle| matches!(cycle.fault, Fault::Damage(..)));
        let ways: BTreeSet<_> = damages.map(|cycle| cycle.fault.to_string()).collect();
        assert_eq!(ways.len(), every_damage().len());
        assert!(cycles.iter().all(|cycle| Fault::KINDS.contains(&cycle.fault.kind())));
    }
}
