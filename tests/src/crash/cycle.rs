//! One cycle: load, a fault that the gateway survives, a fault that ends it, and everything checked.

use super::{
    damage,
    disk::Filling,
    generation::Generation,
    inject::{Injection, Tracer},
    plan::{Cycle, Fault, Harm, Target},
    subject::{Manner, Started},
    table::Line,
    Place,
};
use crate::{process::run as command, until, Hopeless};
use anyhow::{bail, ensure, Context, Result};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::{fs, thread, time::Duration};
use streembit_log::{Log, OpenError, ReadError, StorageError};

/// How long a fault that passes may be felt, in seconds.
const PATIENCE: u64 = 60;

/// Runs a cycle; what it came to.
pub fn run<'s>(cycle: &Cycle, generation: &mut Generation<'s>, place: &mut Place<'s>) -> Result<Line> {
    let before = generation.load.acknowledged();
    let mut acts = Acts {
        cycle,
        random: StdRng::seed_from_u64(cycle.seed),
        notes: Vec::new(),
        injected: 0,
        generation,
        place,
    };
    acts.load()?;
    let first = cycle.first.as_ref().map(|fault| acts.place.possible(fault));
    let last = cycle.last.as_ref().map(|fault| acts.place.possible(fault));
    acts.faults(first.as_ref(), last.as_ref())?;
    acts.generation.load.all_go_on(PATIENCE, || Ok(()))?;
    acts.generation.load.pause();
    acts.generation.subject.check_running()?;
    acts.generation.check(acts.place)?;
    let (notes, injected) = (acts.notes.join("; "), acts.injected);
    Ok(Line {
        number: cycle.number,
        faults: [first, last].into_iter().flatten().collect(),
        acknowledged: generation.load.acknowledged() - before,
        size: generation.size(),
        anchored: generation.anchored(),
        notes,
        injected,
        seconds: 0.0,
    })
}

struct Acts<'a, 's> {
    cycle: &'a Cycle,
    random: StdRng,
    notes: Vec<String>,
    injected: usize,
    generation: &'a mut Generation<'s>,
    place: &'a mut Place<'s>,
}

/// A fault that lasts until it is dropped.
enum Lasting {
    Calls { _tracer: Tracer, injection: Injection },
    Full { _filling: Filling },
    Stopped,
    Nothing,
}

impl Acts<'_, '_> {
    /// The load that every fault is preceded by.
    fn load(&mut self) -> Result<()> {
        let Self { cycle, generation, .. } = self;
        generation.load.resume(cycle.batch);
        let enough = generation.load.acknowledged() + cycle.load;
        until("enough is acknowledged", PATIENCE, || {
            generation.subject.check_running()?;
            let now = generation.load.acknowledged();
            ensure!(now >= enough, "{now} of {enough}");
            Ok(())
        })
    }

    fn faults(&mut self, first: Option<&Fault>, last: Option<&Fault>) -> Result<()> {
        if let Some(Fault::Failpoint(name, passage)) = last.filter(|fault| !fault.is_at_start()) {
            // The process that is to die there is another one. It may die before it answers.
            self.generation.subject.stop()?;
            self.generation.subject.spawn(&Manner::Failpoint(name, *passage))?;
            if first.is_some() {
                self.wait_until_ready()?;
            }
        }
        if let Some(fault) = first {
            thread::sleep(self.cycle.delay / 2);
            let lasting = self.begin(fault, last)?;
            let apart = last.is_none() || (self.cycle.rest && !matches!(last, Some(Fault::Failpoint(..))));
            if apart {
                self.end(lasting)?;
                // Without a restart.
                let Generation { subject, load, .. } = &mut *self.generation;
                load.all_go_on(PATIENCE, || subject.check_running())
                    .with_context(|| format!("after: {fault}"))?;
            } else if let Some(last) = last {
                self.last(last)?;
                self.end(lasting)?;
                return self.restart(last);
            }
        }
        if let Some(last) = last {
            thread::sleep(self.cycle.delay);
            self.last(last)?;
            self.restart(last)?;
        }
        Ok(())
    }

    /// Begins a fault, under load, and lets it last for a while.
    fn begin(&mut self, fault: &Fault, last: Option<&Fault>) -> Result<Lasting> {
        let subject = &self.generation.subject;
        Ok(match fault {
            Fault::Calls { .. } => {
                let report = self.place.scene.dir().join("calls.txt");
                let injection = Injection::new(fault, subject.data(), &report)?;
                let tracer = injection.attach(subject.id()?)?;
                let most = if last.is_some() { 800 } else { 2_500 };
                thread::sleep(Duration::from_millis(self.random.gen_range(400..most)));
                Lasting::Calls { _tracer: tracer, injection }
            }
            Fault::DiskFull => {
                let failed = self.generation.load.ledger().failed;
                let filling = self.place.disk.fill()?;
                let felt = until("the full disk is felt", 10, || {
                    ensure!(self.generation.load.ledger().failed > failed, "nothing failed");
                    Ok(())
                });
                if felt.is_err() {
                    self.notes.push("the full disk was not felt".into());
                }
                thread::sleep(self.cycle.delay);
                Lasting::Full { _filling: filling }
            }
            Fault::Pause => {
                subject.signal(Signal::STOP)?;
                thread::sleep(Duration::from_millis(self.random.gen_range(200..1_500)));
                Lasting::Stopped
            }
            Fault::Clock(one, two) => {
                subject.set_clock(*one)?;
                thread::sleep(Duration::from_millis(self.random.gen_range(300..1_500)));
                subject.set_clock(*two)?;
                Lasting::Nothing
            }
            _ => {
                self.generation.subject.kill()?;
                self.generation.subject.must_start()?;
                Lasting::Nothing
            }
        })
    }

    /// Lifts it.
    fn end(&mut self, lasting: Lasting) -> Result<()> {
        match lasting {
            Lasting::Calls { _tracer: tracer, injection } => {
                drop(tracer);
                self.count(&injection);
            }
            Lasting::Stopped if !self.generation.subject.has_ended()? => {
                self.generation.subject.signal(Signal::CONT)?;
            }
            Lasting::Full { .. } | Lasting::Stopped | Lasting::Nothing => {}
        }
        Ok(())
    }

    fn count(&mut self, injection: &Injection) {
        let injected = injection.injected();
        self.injected += injected;
        self.notes.push(if injected == 0 {
            "no such call was made".into()
        } else {
            format!("{injected} calls failed")
        });
    }

    /// Ends the process.
    fn last(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::PowerCut => {
                // A machine without power acknowledges nothing. Were the process to go on, it could be told of a sync
                // that ext4 lets pass while it is shut down under it.
                self.generation.subject.signal(Signal::STOP)?;
                thread::sleep(Duration::from_millis(20));
                self.place.disk.power_off()?;
                self.generation.subject.kill()
            }
            Fault::Failpoint(..) if !fault.is_at_start() => {
                let died = until("the gateway dies where it is to", 30, || {
                    ensure!(self.generation.subject.has_ended()?, "it runs");
                    Ok(())
                });
                if died.is_err() {
                    self.notes.push("it never came there: killed".into());
                }
                self.generation.subject.kill()
            }
            _ => self.generation.subject.kill(),
        }
    }

    /// Has it run again after what ended it.
    fn restart(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::PowerCut => self.place.disk.power_on()?,
            Fault::Failpoint(name, passage) if fault.is_at_start() => {
                let manner = Manner::Failpoint(name, *passage);
                if let Started::Ready = self.generation.subject.start(&manner)? {
                    self.notes.push("it never came there: killed".into());
                }
                self.generation.subject.kill()?;
            }
            Fault::CallsAtStart(..) => self.start_with_failing_calls(fault)?,
            Fault::Damage(target, harm) => {
                self.generation.load.pause();
                self.start_damaged(*target, *harm)?;
                if !self.generation.subject.has_ended()? {
                    self.generation.load.resume(self.cycle.batch);
                    return Ok(());
                }
                self.generation.load.resume(self.cycle.batch);
            }
            _ => {}
        }
        self.generation.subject.must_start()
    }

    /// It may start or refuse to; either way it says what is wrong, and the next start is well.
    fn start_with_failing_calls(&mut self, fault: &Fault) -> Result<()> {
        let report = self.place.scene.dir().join("calls.txt");
        let injection = Injection::new(fault, self.generation.subject.data(), &report)?;
        let started = self.generation.subject.start(&Manner::Failing(&injection))?;
        if let Started::Ended(said) = &started {
            ensure!(!said.contains("panicked"), "it panicked where a message was due:\n{said}");
            ensure!(said.to_lowercase().contains("error"), "it ended without a word:\n{said}");
        }
        self.generation.subject.kill()?;
        self.count(&injection);
        let outcome =
            if matches!(started, Started::Ready) { "it started all the same" } else { "it refused" };
        self.notes.push(outcome.into());
        Ok(())
    }

    /// Damage must be named, or cost nothing that was acknowledged. Leaves the gateway stopped where its data had to be
    /// restored.
    fn start_damaged(&mut self, target: Target, harm: Harm) -> Result<()> {
        let data = self.generation.subject.data().to_owned();
        let kept = data.with_extension("kept");
        command("cp", ["-a".as_ref(), data.as_os_str(), kept.as_os_str()])?;
        let Some(what) = damage::damage(&data, target, harm, &mut self.random)? else {
            self.notes.push("no such file".into());
            return Ok(fs::remove_dir_all(&kept)?);
        };
        self.notes.push(what);
        let before = self.generation.subject.said_bytes();
        let whole = match self.generation.subject.start(&Manner::Plain)? {
            Started::Ended(_) => {
                self.notes.push("it refused to run, and said so".into());
                false
            }
            Started::Ready => match self.generation.derive_aside() {
                Ok(_) => {
                    self.notes.push("nothing acknowledged was touched".into());
                    // A table may be read as a whole only later, when it is merged with others.
                    target != Target::Table
                }
                Err(error) => {
                    let named = named_by_audit(&data)
                        .with_context(|| format!("after damage that the gateway did not see: {error:#}"))?;
                    self.notes.push(format!("the audit names it: {named}"));
                    false
                }
            },
        };
        let subject = &mut self.generation.subject;
        if subject.has_ended()? {
            let said = subject.said_since(before);
            ensure!(!said.contains("panicked"), "it panicked where a message was due:\n{said}");
            let named = said.contains("damaged") || said.contains("opening the log");
            ensure!(named, "it ended without naming the damage:\n{said}");
        }
        if whole {
            return Ok(fs::remove_dir_all(&kept)?);
        }
        subject.kill()?;
        fs::remove_dir_all(&data)?;
        fs::rename(&kept, &data)?;
        // What is put back must survive the next power cut.
        self.place.disk.sync()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let subject = &mut self.generation.subject;
        until("the gateway answers", PATIENCE, || {
            if subject.has_ended()? {
                return Err(Hopeless("it ended".into()).into());
            }
            subject.answers().map(|_| ())
        })
    }
}

/// What an audit of the whole log says first; an error where it finds nothing.
fn named_by_audit(data: &std::path::Path) -> Result<String> {
    let log = match Log::open_for_audit(data) {
        Ok(log) => log,
        Err(OpenError::Storage(error @ StorageError::Damaged { .. })) => return Ok(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    match log.verify(0..log.size()) {
        Ok(findings) => match findings.first() {
            Some(first) => Ok(format!("{first}, and {} more", findings.len() - 1)),
            None => bail!("the audit finds nothing wrong"),
        },
        Err(ReadError::Storage(error @ StorageError::Damaged { .. })) => Ok(error.to_string()),
        Err(error) => Err(error.into()),
    }
}

impl Fault {
    /// Whether it is a place on the way of a start.
    fn is_at_start(&self) -> bool {
        matches!(self, Self::Failpoint(name, _) if name.starts_with("open-"))
    }
}
