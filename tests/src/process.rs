//! Processes that end with their test.

use crate::Hopeless;
use anyhow::{bail, ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A running process; killed by its id when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What [`bound_command`] tells setpriv.
const BOUND: [&str; 3] = ["--pdeathsig", "KILL", "--"];

/// A command that does not outlive this thread, however this thread ends: the kernel kills it then.
pub(crate) fn bound_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(BOUND).arg(program);
    command
}

/// The same in a network namespace. Each of the programs becomes the next one: the process keeps its id.
pub(crate) fn bound_command_in(namespace: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "setpriv"]).args(BOUND).arg(program);
    command
}

/// Runs a command to its end; anything but success is an error.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<()> {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("running {}", program.to_string_lossy()))?;
    ensure!(
        output.status.success(),
        "{}: {}: {}",
        program.to_string_lossy(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

impl Process {
    /// Starts a command from [`bound_command`]; what it says is appended to `log`.
    pub(crate) fn start(name: &str, command: Command, log: &Path) -> Result<Self> {
        let output = open(log)?;
        Self::start_into(name, command, output, log)
    }

    /// Starts a command from [`bound_command`]; its standard output goes to `output`, its standard error to `log`.
    pub(crate) fn start_into(name: &str, mut command: Command, output: File, log: &Path) -> Result<Self> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(open(log)?)
            .spawn()
            .with_context(|| format!("starting {name} (through setpriv of util-linux)"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, still open.
    pub(crate) fn input(&mut self) -> Result<&mut ChildStdin> {
        self.child.stdin.as_mut().with_context(|| format!("{} has no standard input", self.name))
    }

    /// Everything that it and earlier processes with the same log said.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Fails, without hope, where the process has ended.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(Hopeless(format!("{} ended: {status}; see {}", self.name, self.log.display())).into())
            }
        }
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.kill().with_context(|| format!("killing {}", self.name))?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.terminate()?;
        self.wait_for_exit(30)
    }

    /// Asks it to end with SIGTERM.
    pub fn terminate(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            let id = i32::try_from(self.child.id())
                .ok()
                .and_then(Pid::from_raw)
                .context("a process without an id")?;
            kill_process(id, Signal::TERM).with_context(|| format!("stopping {}", self.name))?;
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    pub fn wait_for_exit(&mut self, seconds: u64) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(seconds) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} still runs after {seconds} s", self.name)
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.trim().trim_end_matches("kB").trim().parse().context("reading VmRSS")
    }
}

fn open(log: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(log);
    file.with_context(|| format!("opening {}", log.display()))
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{}: {error:#}", self.name);
        }
    }
}
