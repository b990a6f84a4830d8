//! One cycle: load, a fault that the gateway survives, a fault that ends it, and everything checked.

use super::{
    disk::DiskFiller,
    file_damage,
    log_under_test::LogUnderTest,
    plan::{Cycle, DamageKind, DamagedFile, Fault},
    report::CycleReport,
    subject::{StartMode, StartOutcome},
    syscall_injection::{SyscallInjection, Tracer},
    CampaignEnv,
};
use crate::{fixtures::process::run as command, wait_until, Unrecoverable};
use anyhow::{bail, ensure, Context, Result};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::{fs, thread, time::Duration};
use streembit::log::{Log, LogError};

/// How long a fault that passes may be felt, in seconds.
const PATIENCE: u64 = 60;

/// Runs a cycle; what it came to.
pub fn run<'s>(
    cycle: &Cycle,
    under_test: &mut LogUnderTest<'s>,
    campaign: &mut CampaignEnv<'s>,
) -> Result<CycleReport> {
    let before = under_test.producers.acknowledged();
    let mut runner = CycleRunner {
        cycle,
        random: StdRng::seed_from_u64(cycle.seed),
        notes: Vec::new(),
        injected: 0,
        under_test,
        campaign,
    };
    runner.load()?;
    let first = cycle.survivable.as_ref().map(|fault| runner.campaign.possible(fault));
    let last = cycle.fatal.as_ref().map(|fault| runner.campaign.possible(fault));
    runner.faults(first.as_ref(), last.as_ref())?;
    runner.under_test.producers.wait_for_progress(PATIENCE, || Ok(()))?;
    runner.under_test.producers.pause();
    runner.under_test.subject.check_running()?;
    runner.under_test.check(runner.campaign)?;
    let (notes, injected) = (runner.notes.join("; "), runner.injected);
    Ok(CycleReport {
        number: cycle.number,
        faults: [first, last].into_iter().flatten().collect(),
        acknowledged: under_test.producers.acknowledged() - before,
        size: under_test.size(),
        anchored: under_test.anchored(),
        notes,
        injected,
        seconds: 0.0,
    })
}

struct CycleRunner<'a, 's> {
    cycle: &'a Cycle,
    random: StdRng,
    notes: Vec<String>,
    injected: usize,
    under_test: &'a mut LogUnderTest<'s>,
    campaign: &'a mut CampaignEnv<'s>,
}

/// A fault that lasts until it is dropped.
enum ActiveFault {
    Calls { _tracer: Tracer, injection: SyscallInjection },
    Full { _filling: DiskFiller },
    Stopped,
    Nothing,
}

impl CycleRunner<'_, '_> {
    /// The load that every fault is preceded by.
    fn load(&mut self) -> Result<()> {
        let Self { cycle, under_test, .. } = self;
        under_test.producers.resume(cycle.batch);
        let enough = under_test.producers.acknowledged() + cycle.load;
        wait_until("enough is acknowledged", PATIENCE, || {
            under_test.subject.check_running()?;
            let now = under_test.producers.acknowledged();
            ensure!(now >= enough, "{now} of {enough}");
            Ok(())
        })
    }

    fn faults(&mut self, first: Option<&Fault>, last: Option<&Fault>) -> Result<()> {
        if let Some(Fault::Failpoint(name, passage)) = last.filter(|fault| !fault.is_at_start()) {
            // The process that is to die there is another one. It may die before it answers.
            self.under_test.subject.stop()?;
            self.under_test.subject.spawn(&StartMode::Failpoint(name, *passage))?;
            if first.is_some() {
                self.wait_until_ready()?;
            }
        }
        if let Some(fault) = first {
            thread::sleep(self.cycle.delay / 2);
            let active = self.begin(fault, last)?;
            let apart =
                last.is_none() || (self.cycle.recover_between && !matches!(last, Some(Fault::Failpoint(..))));
            if apart {
                self.end(active)?;
                // Without a restart.
                let LogUnderTest { subject, producers, .. } = &mut *self.under_test;
                load.wait_for_progress(PATIENCE, || subject.check_running())
                    .with_context(|| format!("after: {fault}"))?;
            } else if let Some(last) = last {
                self.last(last)?;
                self.end(active)?;
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
    fn begin(&mut self, fault: &Fault, last: Option<&Fault>) -> Result<ActiveFault> {
        let subject = &self.under_test.subject;
        Ok(match fault {
            Fault::FailingCalls { .. } => {
                let report = self.campaign.env.dir().join("calls.txt");
                let injection = SyscallInjection::new(fault, subject.data(), &report)?;
                let tracer = injection.attach(subject.id()?)?;
                let most = if last.is_some() { 800 } else { 2_500 };
                thread::sleep(Duration::from_millis(self.random.gen_range(400..most)));
                ActiveFault::FailingCalls { _tracer: tracer, injection }
            }
            Fault::DiskFull => {
                let failed = self.under_test.producers.ledger().failed;
                let filling = self.campaign.disk.fill()?;
                let felt = wait_until("the full disk is felt", 10, || {
                    ensure!(self.under_test.producers.ledger().failed > failed, "nothing failed");
                    Ok(())
                });
                if felt.is_err() {
                    self.notes.push("the full disk was not felt".into());
                }
                thread::sleep(self.cycle.delay);
                ActiveFault::Full { _filling: filling }
            }
            Fault::Pause => {
                subject.signal(Signal::STOP)?;
                thread::sleep(Duration::from_millis(self.random.gen_range(200..1_500)));
                ActiveFault::Stopped
            }
            Fault::ClockJumps(one, two) => {
                subject.set_clock(*one)?;
                thread::sleep(Duration::from_millis(self.random.gen_range(300..1_500)));
                subject.set_clock(*two)?;
                ActiveFault::Nothing
            }
            _ => {
                self.under_test.subject.kill()?;
                self.under_test.subject.must_start()?;
                ActiveFault::Nothing
            }
        })
    }

    /// Lifts it.
    fn end(&mut self, active: ActiveFault) -> Result<()> {
        match active {
            ActiveFault::FailingCalls { _tracer: tracer, injection } => {
                drop(tracer);
                self.count(&injection);
            }
            ActiveFault::Stopped if !self.under_test.subject.has_ended()? => {
                self.under_test.subject.signal(Signal::CONT)?;
            }
            ActiveFault::Full { .. } | ActiveFault::Stopped | ActiveFault::Nothing => {}
        }
        Ok(())
    }

    fn count(&mut self, injection: &SyscallInjection) {
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
                self.under_test.subject.signal(Signal::STOP)?;
                thread::sleep(Duration::from_millis(20));
                self.campaign.disk.power_off()?;
                self.under_test.subject.kill()
            }
            Fault::Failpoint(..) if !fault.is_at_start() => {
                let died = wait_until("the gateway dies where it is to", 30, || {
                    ensure!(self.under_test.subject.has_ended()?, "it runs");
                    Ok(())
                });
                if died.is_err() {
                    self.notes.push("it never came there: killed".into());
                }
                self.under_test.subject.kill()
            }
            _ => self.under_test.subject.kill(),
        }
    }

    /// Has it run again after what ended it.
    fn restart(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::PowerCut => self.campaign.disk.power_on()?,
            Fault::Failpoint(name, passage) if fault.is_at_start() => {
                let mode = StartMode::Failpoint(name, *passage);
                if let StartOutcome::Ready = self.under_test.subject.start(&mode)? {
                    self.notes.push("it never came there: killed".into());
                }
                self.under_test.subject.kill()?;
            }
            Fault::FailingCallsAtStart(..) => self.start_with_failing_calls(fault)?,
            Fault::Damage(target, harm) => {
                self.under_test.producers.pause();
                self.start_damaged(*target, *harm)?;
                if !self.under_test.subject.has_ended()? {
                    self.under_test.producers.resume(self.cycle.batch);
                    return Ok(());
                }
                self.under_test.producers.resume(self.cycle.batch);
            }
            _ => {}
        }
        self.under_test.subject.must_start()
    }

    /// It may start or refuse to; either way it says what is wrong, and the next start is well.
    fn start_with_failing_calls(&mut self, fault: &Fault) -> Result<()> {
        let report = self.campaign.env.dir().join("calls.txt");
        let injection = SyscallInjection::new(fault, self.under_test.subject.data(), &report)?;
        let started = self.under_test.subject.start(&StartMode::Failing(&injection))?;
        if let StartOutcome::Ended(said) = &started {
            ensure!(!said.contains("panicked"), "it panicked where a message was due:\n{said}");
            ensure!(said.to_lowercase().contains("error"), "it ended without a word:\n{said}");
        }
        self.under_test.subject.kill()?;
        self.count(&injection);
        let outcome =
            if matches!(started, StartOutcome::Ready) { "it started all the same" } else { "it refused" };
        self.notes.push(outcome.into());
        Ok(())
    }

    /// Damage must be named, or cost nothing that was acknowledged. FakeLog the gateway stopped where its data had to be
    /// restored.
    fn start_damaged(&mut self, target: DamagedFile, harm: DamageKind) -> Result<()> {
        let data = self.under_test.subject.data().to_owned();
        let kept = data.with_extension("kept");
        command("cp", ["-a".as_ref(), data.as_os_str(), kept.as_os_str()])?;
        let Some(what) = file_damage::damage(&data, target, harm, &mut self.random)? else {
            self.notes.push("no such file".into());
            return Ok(fs::remove_dir_all(&kept)?);
        };
        self.notes.push(what);
        let before = self.under_test.subject.said_bytes();
        let whole = match self.under_test.subject.start(&StartMode::Plain)? {
            StartOutcome::Ended(_) => {
                self.notes.push("it refused to run, and said so".into());
                false
            }
            StartOutcome::Ready => match self.under_test.recompute_without_recording() {
                Ok(_) => {
                    self.notes.push("nothing acknowledged was touched".into());
                    // A table may be read as a whole only later, when it is merged with others.
                    target != DamagedFile::Table
                }
                Err(error) => {
                    let named = named_by_audit(&data)
                        .with_context(|| format!("after damage that the gateway did not see: {error:#}"))?;
                    self.notes.push(format!("the audit names it: {named}"));
                    false
                }
            },
        };
        let subject = &mut self.under_test.subject;
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
        self.campaign.disk.sync()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let subject = &mut self.under_test.subject;
        wait_until("the gateway answers", PATIENCE, || {
            if subject.has_ended()? {
                return Err(Unrecoverable("it ended".into()).into());
            }
            subject.answers().map(|_| ())
        })
    }
}

/// What an audit of the whole log says first; an error where it finds nothing.
fn named_by_audit(data: &std::path::Path) -> Result<String> {
    let log = match Log::open_for_audit(data) {
        Ok(log) => log,
        Err(error @ LogError::Damaged { .. }) => return Ok(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    match log.verify(0..log.size()) {
        Ok(findings) => match findings.first() {
            Some(first) => Ok(format!("{first}, and {} more", findings.len() - 1)),
            None => bail!("the audit finds nothing wrong"),
        },
        Err(error @ LogError::Damaged { .. }) => Ok(error.to_string()),
        Err(error) => Err(error.into()),
    }
}

impl Fault {
    /// Whether it is a campaign on the way of a start.
    fn is_at_start(&self) -> bool {
        matches!(self, Self::Failpoint(name, _) if name.starts_with("open-"))
    }
}
