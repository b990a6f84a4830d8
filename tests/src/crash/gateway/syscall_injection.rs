//! Makes system calls on the log's files fail, with `strace`.

use super::plan::Fault;
use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How many files that the log may create later are included.
const FUTURE_FILES: u64 = 60;

/// Returns true if `strace` is installed and may trace another process of this user.
pub fn available() -> bool {
    let Ok(mut child) = Command::new("sleep").arg("20").spawn() else { return false };
    let pid = child.id().to_string();
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "-p", &pid]).spawn().is_ok_and(
        |mut tracer| {
            // Either it fails at once, or it traces until it is stopped.
            std::thread::sleep(Duration::from_millis(300));
            let traced = matches!(tracer.try_wait(), Ok(None));
            let _ = detach(&mut tracer);
            traced
        },
    );
    let _ = child.kill();
    let _ = child.wait();
    traced
}

/// The arguments of `strace`: which calls on which files fail, when, and how.
pub struct SyscallInjection {
    arguments: Vec<String>,
    report: PathBuf,
}

impl SyscallInjection {
    /// Prepares the injection of a fault into the log in `data`.
    pub fn new(fault: &Fault, data: &Path, report: &Path) -> Result<Self> {
        let mut rules = Vec::new();
        match fault {
            Fault::FailingCalls { call, error, first, again } => {
                let again = match again {
                    0 => String::new(),
                    1 => "+".into(),
                    step => format!("+{step}"),
                };
                rules.push((*call, format!("{call}:error={error}:when={first}{again}")));
                // Most of these calls are made only when the log is reopened, which a failed write triggers.
                if !matches!(*call, "write" | "fdatasync" | "pwrite64") {
                    rules.push(("fdatasync", "fdatasync:error=EIO:when=2".into()));
                }
            }
            Fault::FailingCallsAtStart(call, error, first) => {
                rules.push((*call, format!("{call}:error={error}:when={first}")));
            }
            other => anyhow::bail!("{other} is not a fault of system calls"),
        }
        let calls: Vec<_> = rules.iter().map(|(call, _)| *call).collect();
        let mut arguments: Vec<String> = ["-f", "-qq", "-o"].map(String::from).into();
        arguments.push(report.display().to_string());
        arguments.extend(["-e".into(), format!("trace={}", calls.join(","))]);
        for (_, rule) in &rules {
            arguments.extend(["-e".into(), format!("inject={rule}")]);
        }
        for path in files(data)? {
            arguments.extend(["-P".into(), path.display().to_string()]);
        }
        if report.exists() {
            fs::remove_file(report)?;
        }
        Ok(Self { arguments, report: report.to_owned() })
    }

    /// The command-line prefix that runs a program under `strace`. The program stays the caller's child.
    pub fn prefix(&self) -> impl Iterator<Item = &str> {
        ["strace", "-D"].into_iter().chain(self.arguments.iter().map(String::as_str))
    }

    /// Attaches to a running process.
    pub fn attach(&self, pid: u32) -> Result<Tracer> {
        let child = Command::new("strace")
            .args(&self.arguments)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(File::options().create(true).append(true).open(self.report.with_extension("strace.log"))?)
            .spawn()
            .context("starting strace")?;
        Ok(Tracer { child: Some(child) })
    }

    /// Returns how many calls were made to fail.
    pub fn injected(&self) -> usize {
        let report = fs::read(&self.report).unwrap_or_default();
        String::from_utf8_lossy(&report).matches("(INJECTED)").count()
    }
}

/// A running `strace`, which is detached when this value is dropped.
pub struct Tracer {
    child: Option<Child>,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Err(error) = detach(&mut child) {
                eprintln!("strace: {error:#}");
            }
        }
    }
}

/// Detaches a tracer.
fn detach(tracer: &mut Child) -> Result<()> {
    let id = i32::try_from(tracer.id()).ok().and_then(Pid::from_raw).context("invalid process id")?;
    let start = Instant::now();
    while tracer.try_wait()?.is_none() {
        ensure!(start.elapsed() < Duration::from_secs(20), "it does not stop");
        let _ = kill_process(id, Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Lists the existing files of a log and those that it may create next.
fn files(data: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![data.to_owned()];
    let mut newest = 0;
    for entry in fs::read_dir(data).with_context(|| format!("reading {}", data.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let digits = stem.trim_start_matches(|byte: char| !byte.is_ascii_digit());
        newest = newest.max(digits.parse().unwrap_or(0));
        // The lock holds no data, and RocksDB's own log is not part of ours.
        if !matches!(stem, "LOCK" | "LOG") && !stem.starts_with("LOG.") {
            files.push(path);
        }
    }
    for number in newest + 1..newest + FUTURE_FILES {
        for name in [format!("{number:06}.log"), format!("{number:06}.sst"), format!("{number:06}.dbtmp")] {
            files.push(data.join(name));
        }
        files.push(data.join(format!("MANIFEST-{number:06}")));
        files.push(data.join(format!("OPTIONS-{number:06}.dbtmp")));
    }
    Ok(files)
}
