//! One cycle of the campaign: a fault, a restart, and what must be true afterwards.

use super::{
    plan::{Cycle, Fault},
    report::{CycleReport, Outcome},
    validators::{Return, Validators},
    way_back,
};
use crate::{
    crash::{disk::DiskFiller, file_damage, DamageKind, DamagedFile, Disk},
    wait_until,
};
use anyhow::{ensure, Context, Result};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use std::{
    thread,
    time::{Duration, Instant},
};

/// The space that is left on a disk that is nearly full: less than the validator's minimum, which is 64 MiB.
const LEFT: u64 = 48 << 20;

/// The length of a slot. A machine takes longer to come back from a power cut. A validator that were back in the same slot
/// could make a second block in it, as `docs/validator/keys.md` says.
const SLOT: Duration = Duration::from_secs(2);

/// How many blocks whose finality the validator has reported may be open again after a power cut. The record of finality
/// is written after the last vote, and only votes are synced.
const UNSYNCED_BLOCKS: u64 = 4;

/// What a node logs while it waits for space.
const WAITS_FOR_SPACE: &str = "the node starts as soon as there are";

/// The end of an output that is shown, in characters.
const SHOWN_OUTPUT: usize = 600;

/// Runs a cycle and reports it. An error ends the campaign.
pub fn run(cycle: &Cycle, validators: &mut Validators, disk: &mut Disk) -> Result<CycleReport> {
    let start = Instant::now();
    let before = validators.finalized()?;
    let fault = if cycle.fault.needs_own_filesystem() && !disk.is_own_filesystem() {
        Fault::Kill
    } else {
        cycle.fault
    };
    let random = StdRng::seed_from_u64(cycle.seed);
    let (notes, violations) = (Vec::new(), Vec::new());
    let mut runner = CycleRunner { cycle, random, notes, violations, validators, disk };
    let mut outcome = runner.inject(fault)?;
    let CycleRunner { notes, violations, validators, .. } = runner;
    if !violations.is_empty() {
        outcome = Outcome::Violated;
    }
    validators.wait_for_others(before)?;
    validators.check()?;
    let finalized = validators.finalized()?.saturating_sub(before);
    let seconds = start.elapsed().as_secs_f64();
    Ok(CycleReport { number: cycle.number, fault, outcome, finalized, notes, violations, seconds })
}

struct CycleRunner<'a, 's> {
    cycle: &'a Cycle,
    random: StdRng,
    notes: Vec<String>,
    violations: Vec<String>,
    validators: &'a mut Validators<'s>,
    disk: &'a mut Disk,
}

/// What the validator must still have after a restart.
#[derive(Clone, Copy)]
enum Kept {
    /// Its database was new.
    Nothing,
    /// The database, which may be older than before.
    Database,
    /// This final block.
    Block(u64),
}

impl CycleRunner<'_, '_> {
    fn inject(&mut self, fault: Fault) -> Result<Outcome> {
        match fault {
            Fault::KillAtFirstStart | Fault::PowerCutAtFirstStart => {
                self.validators.remove_database()?;
                self.validators.launch()?;
                thread::sleep(self.cycle.delay);
                self.end_process(fault == Fault::PowerCutAtFirstStart)?;
                self.restart(Kept::Nothing)
            }
            Fault::Kill | Fault::PowerCut => {
                thread::sleep(self.cycle.delay);
                let last = self.validators.subject()?.finalized()?;
                let has_power_cut = fault == Fault::PowerCut;
                self.end_process(has_power_cut)?;
                self.restart(Kept::Block(last.saturating_sub(if has_power_cut {
                    UNSYNCED_BLOCKS
                } else {
                    0
                })))
            }
            Fault::DiskFull { completely, kill } => {
                thread::sleep(self.cycle.delay);
                let last = self.validators.subject()?.finalized()?;
                self.fill_disk(completely, kill, last)
            }
            Fault::Damage(target, kind) => {
                thread::sleep(self.cycle.delay);
                self.validators.subject()?.kill()?;
                self.restart_damaged(target, kind)
            }
        }
    }

    /// Kills the validator, and cuts the power before if `cut_power` is true.
    fn end_process(&mut self, cut_power: bool) -> Result<()> {
        if cut_power {
            self.disk.cut_power(self.validators.subject()?.process()?)?;
            self.validators.subject()?.kill()?;
            thread::sleep(SLOT);
            return self.disk.power_on();
        }
        self.validators.subject()?.kill()
    }

    /// Starts the validator after a fault that it must survive without help.
    fn restart(&mut self, kept: Kept) -> Result<Outcome> {
        self.start()?;
        match self.validators.wait_for_return()? {
            Return::Back { first, began_anew } => self.compare(kept, first, began_anew),
            Return::Ended(output) => {
                self.violations.push(format!("it ended instead of coming back: {}", end_of(&output)));
                self.go_the_way_back()?;
            }
            Return::Stuck(reason) => {
                self.violations.push(format!("it is stuck: {reason}"));
                self.go_the_way_back()?;
            }
        }
        Ok(Outcome::CameBack)
    }

    /// Starts the validator. In some cycles the others finalize blocks before.
    fn start(&mut self) -> Result<()> {
        if self.cycle.falls_behind {
            let now = self.validators.finalized()?;
            self.validators.wait_for_others(now)?;
        }
        self.validators.launch()
    }

    /// Compares what a validator that is back still had with what it must have.
    fn compare(&mut self, kept: Kept, first: u64, began_anew: bool) {
        match kept {
            Kept::Nothing => {}
            Kept::Database | Kept::Block(_) if began_anew => {
                self.violations.push("it silently began a new database".into());
            }
            Kept::Block(number) if first < number => {
                self.violations.push(format!("it lost final blocks: {first} was the last one, not {number}"));
            }
            Kept::Database | Kept::Block(_) => {}
        }
    }

    /// Fills the disk, and frees it when the validator waits for space.
    fn fill_disk(&mut self, completely: bool, kill: bool, last: u64) -> Result<Outcome> {
        self.validators.forget_output();
        let filler = self.fill(completely)?;
        if kill {
            let milliseconds = self.random.gen_range(0..3_000);
            thread::sleep(Duration::from_millis(milliseconds));
            self.validators.subject()?.kill()?;
            self.validators.launch()?;
            self.wait_until_it_waits().context("started on a full disk")?;
            return self.free(filler, last, Outcome::CameBack);
        }
        let waits = self.wait_until_it_waits();
        if !self.validators.has_ended()? {
            waits?;
            return self.free(filler, last, Outcome::CameBack);
        }
        let output = self.validators.output();
        let text = format!("it ended on the full disk: {}", end_of(&output));
        // It has time to stop if the last byte is not taken at once.
        if completely && !output.contains("panicked") {
            self.notes.push(text);
        } else {
            self.violations.push(text);
        }
        self.validators.launch()?;
        self.wait_until_it_waits().context("started again on a full disk")?;
        self.free(filler, last, Outcome::StartedAgain)
    }

    fn fill(&self, completely: bool) -> Result<DiskFiller> {
        if completely {
            self.disk.fill()
        } else {
            self.disk.fill_leaving(LEFT)
        }
    }

    /// Frees the disk. The validator must continue without a restart.
    fn free(&mut self, filler: DiskFiller, last: u64, outcome: Outcome) -> Result<Outcome> {
        thread::sleep(self.cycle.delay / 4);
        drop(filler);
        match self.validators.wait_for_return()? {
            Return::Back { first, began_anew } => self.compare(Kept::Block(last), first, began_anew),
            Return::Ended(output) => {
                self.violations.push(format!("it ended after the disk was freed: {}", end_of(&output)));
                self.go_the_way_back()?;
            }
            Return::Stuck(reason) => {
                self.violations.push(format!("it is stuck after the disk was freed: {reason}"));
                self.go_the_way_back()?;
            }
        }
        Ok(outcome)
    }

    fn wait_until_it_waits(&mut self) -> Result<()> {
        wait_until("the validator waits for space", 60, || {
            self.validators.subject()?.process()?.check_running()?;
            ensure!(self.validators.output().contains(WAITS_FOR_SPACE), "it does not say so");
            Ok(())
        })
    }

    /// Damages a file and starts the validator. It must come back, or refuse and name the folder and the way back.
    fn restart_damaged(&mut self, target: DamagedFile, kind: DamageKind) -> Result<Outcome> {
        let database = self.validators.database()?;
        let folder =
            if target == DamagedFile::State { self.validators.chain_folder()? } else { database.clone() };
        match file_damage::damage(&folder, target, kind, &mut self.random)? {
            Some(damage) => self.notes.push(damage),
            None => self.notes.push("no such file".into()),
        }
        // The damage may have taken a block of this slot.
        thread::sleep(SLOT);
        self.start()?;
        let outcome = match self.validators.wait_for_return()? {
            Return::Back { first, began_anew } => {
                self.compare(Kept::Database, first, began_anew);
                // A damaged table may be read only later, and would then be taken for the fault of another cycle.
                if target != DamagedFile::Table && !began_anew {
                    return Ok(Outcome::CameBack);
                }
                Outcome::CameBack
            }
            Return::Ended(output) => {
                self.notes.push(end_of(&output));
                self.violations.extend(way_back::missing_in(&output, &database));
                Outcome::Refused
            }
            Return::Stuck(reason) => {
                self.violations.push(format!("it neither came back nor refused to run: {reason}"));
                Outcome::Violated
            }
        };
        self.go_the_way_back()?;
        Ok(outcome)
    }

    /// Removes the database in the documented way and starts the validator, which must come back and vote.
    fn go_the_way_back(&mut self) -> Result<()> {
        self.validators.remove_database().context("going the documented way back")?;
        self.validators.launch()?;
        self.validators.must_return().context("after the documented way back")
    }
}

/// Returns the end of an output in one line.
fn end_of(output: &str) -> String {
    let words: Vec<_> = output.split_whitespace().collect();
    let line = words.join(" ");
    let skipped = line.chars().count().saturating_sub(SHOWN_OUTPUT);
    let end: String = line.chars().skip(skipped).collect();
    if skipped > 0 {
        format!("... {end}")
    } else {
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_one_line() {
        assert_eq!(end_of("one\n  two\n"), "one two");
        let long = end_of(&"word\n".repeat(1_000));
        assert!(long.starts_with("... ") && long.ends_with("word word"), "{long}");
        assert_eq!(long.chars().count(), SHOWN_OUTPUT + 4);
    }
}
