//! One cycle of the campaign: load, a fault that the gateway must survive, a fault that ends its process, and all
//! checks.

use super::{
    log_under_test::LogUnderTest,
    plan::{Cycle, Fault},
    report::CycleReport,
    subject::{StartMode, StartOutcome},
    syscall_injection::{SyscallInjection, Tracer},
    CampaignEnv,
};
use crate::{
    crash::{disk::DiskFiller, file_damage, DamageKind, DamagedFile},
    fixtures::process::run as command,
    wait_until, Unrecoverable,
};
use anyhow::{bail, ensure, Context, Result};
use rand::{rngs::StdRng, Rng as _, SeedableRng as _};
use std::{fs, path::Path, thread, time::Duration};
use streembit_log::{Log, OpenError, ReadError, StorageError};

/// How many seconds the gateway may need to recover from a fault.
const RECOVERY_TIMEOUT: u64 = 60;

/// Runs a cycle and reports it.
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
    runner.apply_load()?;
    let first = cycle.survivable.as_ref().map(|fault| runner.campaign.or_replacement(fault));
    let last = cycle.fatal.as_ref().map(|fault| runner.campaign.or_replacement(fault));
    runner.inject_faults(first.as_ref(), last.as_ref())?;
    runner.under_test.producers.wait_for_progress(RECOVERY_TIMEOUT, || Ok(()))?;
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

/// A fault that lasts until this value is dropped.
enum ActiveFault {
    FailingCalls { _tracer: Tracer, injection: SyscallInjection },
    DiskFull { _filler: DiskFiller },
    Stopped,
    Nothing,
}

impl CycleRunner<'_, '_> {
    /// Waits until as many events are acknowledged as the cycle wants before its first fault.
    fn apply_load(&mut self) -> Result<()> {
        let Self { cycle, under_test, .. } = self;
        under_test.producers.resume(cycle.batch);
        let enough = under_test.producers.acknowledged() + cycle.events;
        wait_until("enough events are acknowledged", RECOVERY_TIMEOUT, || {
            under_test.subject.check_running()?;
            let now = under_test.producers.acknowledged();
            ensure!(now >= enough, "{now} of {enough} events");
            Ok(())
        })
    }

    /// Injects the faults of the cycle and restarts the gateway if one ended it.
    fn inject_faults(&mut self, first: Option<&Fault>, last: Option<&Fault>) -> Result<()> {
        if let Some(Fault::Failpoint(name, passage)) = last.filter(|fault| !fault.is_at_start()) {
            // Needs a new process, with the failpoint set. It may die before its API answers.
            self.under_test.subject.stop()?;
            self.under_test.subject.spawn(&StartMode::Failpoint(name, *passage))?;
            if first.is_some() {
                self.wait_until_ready()?;
            }
        }
        if let Some(fault) = first {
            thread::sleep(self.cycle.delay / 2);
            let active = self.begin(fault, last)?;
            let recover_first =
                last.is_none() || (self.cycle.recover_between && !matches!(last, Some(Fault::Failpoint(..))));
            if recover_first {
                self.end(active)?;
                // The gateway must recover without a restart.
                let LogUnderTest { subject, producers, .. } = &mut *self.under_test;
                producers
                    .wait_for_progress(RECOVERY_TIMEOUT, || subject.check_running())
                    .with_context(|| format!("after: {fault}"))?;
            } else if let Some(last) = last {
                self.end_process(last)?;
                self.end(active)?;
                return self.restart(last);
            }
        }
        if let Some(last) = last {
            thread::sleep(self.cycle.delay);
            self.end_process(last)?;
            self.restart(last)?;
        }
        Ok(())
    }

    /// Starts a fault under load and keeps it up for a while.
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
                let filler = self.campaign.disk.fill()?;
                let noticed = wait_until("the full disk has an effect", 10, || {
                    ensure!(self.under_test.producers.ledger().failed > failed, "no request failed");
                    Ok(())
                });
                if noticed.is_err() {
                    self.notes.push("the full disk had no effect".into());
                }
                thread::sleep(self.cycle.delay);
                ActiveFault::DiskFull { _filler: filler }
            }
            Fault::Pause => {
                self.under_test.subject.process()?.pause()?;
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

    /// Ends a fault.
    fn end(&mut self, active: ActiveFault) -> Result<()> {
        match active {
            ActiveFault::FailingCalls { _tracer: tracer, injection } => {
                drop(tracer);
                self.count(&injection);
            }
            ActiveFault::Stopped if !self.under_test.subject.has_ended()? => {
                self.under_test.subject.process()?.resume()?;
            }
            ActiveFault::DiskFull { .. } | ActiveFault::Stopped | ActiveFault::Nothing => {}
        }
        Ok(())
    }

    /// Records how many calls failed.
    fn count(&mut self, injection: &SyscallInjection) {
        let injected = injection.injected();
        self.injected += injected;
        self.notes.push(if injected == 0 {
            "no such call was made".into()
        } else {
            format!("{injected} calls failed")
        });
    }

    /// Ends the process with a fault.
    fn end_process(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::PowerCut => {
                self.campaign.disk.cut_power(self.under_test.subject.process()?)?;
                self.under_test.subject.kill()
            }
            Fault::Failpoint(..) if !fault.is_at_start() => {
                let died = wait_until("the gateway dies at the failpoint", 30, || {
                    ensure!(self.under_test.subject.has_ended()?, "it is running");
                    Ok(())
                });
                if died.is_err() {
                    self.notes.push("the failpoint was not reached: killed".into());
                }
                self.under_test.subject.kill()
            }
            _ => self.under_test.subject.kill(),
        }
    }

    /// Restarts the gateway after the fault that ended it.
    fn restart(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::PowerCut => self.campaign.disk.power_on()?,
            Fault::Failpoint(name, passage) if fault.is_at_start() => {
                let mode = StartMode::Failpoint(name, *passage);
                if let StartOutcome::Ready = self.under_test.subject.start(&mode)? {
                    self.notes.push("the failpoint was not reached: killed".into());
                }
                self.under_test.subject.kill()?;
            }
            Fault::FailingCallsAtStart(..) => self.start_with_failing_calls(fault)?,
            Fault::Damage(target, kind) => {
                self.under_test.producers.pause();
                self.start_damaged(*target, *kind)?;
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

    /// Starts the gateway while a call fails. It may start or refuse to start. If it refuses, it must say why, and
    /// the next start must succeed.
    fn start_with_failing_calls(&mut self, fault: &Fault) -> Result<()> {
        let report = self.campaign.env.dir().join("calls.txt");
        let injection = SyscallInjection::new(fault, self.under_test.subject.data(), &report)?;
        let started = self.under_test.subject.start(&StartMode::Failing(&injection))?;
        if let StartOutcome::Ended(output) = &started {
            ensure!(!output.contains("panicked"), "it panicked instead of printing a message:\n{output}");
            ensure!(output.to_lowercase().contains("error"), "it ended without an error message:\n{output}");
        }
        self.under_test.subject.kill()?;
        self.count(&injection);
        let outcome =
            if matches!(started, StartOutcome::Ready) { "it started anyway" } else { "it refused to start" };
        self.notes.push(outcome.into());
        Ok(())
    }

    /// Starts the gateway on damaged data. The damage must be reported, unless nothing acknowledged is affected. If
    /// the data had to be restored, the gateway is left stopped.
    fn start_damaged(&mut self, target: DamagedFile, kind: DamageKind) -> Result<()> {
        let data = self.under_test.subject.data().to_owned();
        let kept = data.with_extension("kept");
        command("cp", ["-a".as_ref(), data.as_os_str(), kept.as_os_str()])?;
        let Some(what) = file_damage::damage(&data, target, kind, &mut self.random)? else {
            self.notes.push("no such file".into());
            return Ok(fs::remove_dir_all(&kept)?);
        };
        self.notes.push(what);
        if self.is_undamaged(&data, target)? {
            return Ok(fs::remove_dir_all(&kept)?);
        }
        self.under_test.subject.kill()?;
        fs::remove_dir_all(&data)?;
        fs::rename(&kept, &data)?;
        // The restored data must survive the next power cut.
        self.campaign.disk.sync()
    }

    /// Starts the gateway on damaged data and checks that the damage is reported by the gateway or by an audit.
    /// Returns true if nothing acknowledged is affected, so that the data can stay.
    fn is_undamaged(&mut self, data: &Path, target: DamagedFile) -> Result<bool> {
        let before = self.under_test.subject.output().length();
        let undamaged = match self.under_test.subject.start(&StartMode::Plain)? {
            StartOutcome::Ended(_) => {
                self.notes.push("it refused to start and reported the damage".into());
                false
            }
            StartOutcome::Ready => match self.under_test.recompute_without_recording() {
                Ok(_) => {
                    self.notes.push("nothing acknowledged was affected".into());
                    // A damaged table may be noticed only later, when compaction reads all of it.
                    target != DamagedFile::Table
                }
                Err(error) => {
                    let finding = audit_finding(data).with_context(|| {
                        format!("after damage that the gateway did not notice: {error:#}")
                    })?;
                    self.notes.push(format!("the audit reports it: {finding}"));
                    false
                }
            },
        };
        let subject = &mut self.under_test.subject;
        if subject.has_ended()? {
            let output = subject.output().since(before);
            ensure!(!output.contains("panicked"), "it panicked instead of printing a message:\n{output}");
            let reported = output.contains("damaged") || output.contains("opening the log");
            ensure!(reported, "it ended without reporting the damage:\n{output}");
        }
        Ok(undamaged)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let subject = &mut self.under_test.subject;
        wait_until("the gateway answers", RECOVERY_TIMEOUT, || {
            if subject.has_ended()? {
                return Err(Unrecoverable("it ended".into()).into());
            }
            subject.log_size().map(|_| ())
        })
    }
}

/// Audits the whole log and returns the first finding. Fails if there is none.
fn audit_finding(data: &Path) -> Result<String> {
    let log = match Log::open_for_audit(data) {
        Ok(log) => log,
        Err(OpenError::Storage(error @ StorageError::Damaged { .. })) => return Ok(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    match log.verify(0..log.size()) {
        Ok(findings) => match findings.first() {
            Some(first) => Ok(format!("{first}, and {} more", findings.len() - 1)),
            None => bail!("the audit finds nothing"),
        },
        Err(ReadError::Storage(error @ StorageError::Damaged { .. })) => Ok(error.to_string()),
        Err(error) => Err(error.into()),
    }
}

impl Fault {
    /// Returns true for a failpoint that is passed during start.
    fn is_at_start(&self) -> bool {
        matches!(self, Self::Failpoint(name, _) if name.starts_with("open-"))
    }
}
