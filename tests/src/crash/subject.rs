//! The process under test: a real gateway daemon over a log on the campaign's disk.

use super::syscall_injection::SyscallInjection;
use crate::{
    binary, fixtures::process::bound_command, wait_until, Gateway, GatewaySettings, Process, TestEnv,
};
use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a start may take, whatever happened before.
const START: u64 = 40;

/// How a gateway is started.
pub enum StartMode<'a> {
    /// As a user would.
    Plain,
    /// To die at a named place.
    Failpoint(&'a str, u64),
    /// With calls that fail from the start on.
    Failing(&'a SyscallInjection),
}

/// What a start came to.
#[derive(Debug)]
pub enum StartOutcome {
    /// Its API answers.
    Ready,
    /// It has ended; what it said.
    Ended(String),
}

/// A gateway's folder, and its process while it runs.
pub struct Subject<'s> {
    env: &'s TestEnv,
    gateway: Gateway,
    config: PathBuf,
    data: PathBuf,
    clock: PathBuf,
    log: PathBuf,
    process: Option<Process>,
    client: reqwest::Client,
}

impl<'s> Subject<'s> {
    /// A gateway that keeps its log in `data`, for a node at `url` that need not be there.
    pub fn new(
        env: &'s TestEnv,
        name: &str,
        settings: GatewaySettings,
        data: PathBuf,
        url: &str,
    ) -> Result<Self> {
        let gateway = Gateway::init(env, name, settings)?;
        let config = gateway.configure_copy(url, &data, "crash")?;
        let client = reqwest::Client::builder()
            .unix_socket(gateway.dir().join("gateway.sock"))
            .timeout(Duration::from_secs(5))
            .build()?;
        let (clock, log) = (gateway.dir().join("clock"), env.dir().join(format!("{name}.log")));
        Ok(Self { env, gateway, config, data, clock, log, process: None, client })
    }

    /// Its configuration.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The log's folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its API's socket.
    pub fn socket(&self) -> PathBuf {
        self.gateway.dir().join("gateway.sock")
    }

    /// Starts it, and does not wait.
    pub fn spawn(&mut self, mode: &StartMode) -> Result<()> {
        let program = binary("streembit")?;
        let mut command = match mode {
            StartMode::Failing(injection) => {
                let mut words = injection.prefix();
                let mut command = bound_command(words.next().context("no tracer")?);
                command.args(words).arg("--").arg(program);
                command
            }
            _ => bound_command(program),
        };
        command.args(["gateway", "run", "--config"]).arg(&self.config);
        command.env("STREEMBIT_TEST_CLOCK", &self.clock);
        if let StartMode::Failpoint(name, passage) = mode {
            command.env("STREEMBIT_TEST_FAILPOINT", format!("{name}:{passage}"));
        }
        self.process = Some(Process::start("the gateway", command, &self.log)?);
        Ok(())
    }

    /// Starts it, and waits until its API answers or it has ended.
    pub fn start(&mut self, mode: &StartMode) -> Result<StartOutcome> {
        let before = self.said_bytes();
        self.spawn(mode)?;
        wait_until("the gateway starts or ends", START, || {
            if self.has_ended()? {
                return Ok(StartOutcome::Ended(self.said_since(before)));
            }
            self.answers()?;
            Ok(StartOutcome::Ready)
        })
    }

    /// Starts it as a user would; it must run.
    pub fn must_start(&mut self) -> Result<()> {
        match self.start(&StartMode::Plain)? {
            StartOutcome::Ready => Ok(()),
            StartOutcome::Ended(said) => anyhow::bail!("the gateway does not start any more:\n{said}"),
        }
    }

    /// Fails, without hope, where it has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.process.as_mut().context("the gateway is not started")?.check_running()
    }

    /// Whether its process is no more.
    pub fn has_ended(&mut self) -> Result<bool> {
        match &mut self.process {
            Some(process) => Ok(process.check_running().is_err()),
            None => Ok(true),
        }
    }

    /// Its process id.
    pub fn id(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the gateway is not started")?.id())
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Asks it to end; it must do so in good order.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.stop()?;
            ensure!(status.success(), "the gateway ended with {status} when it was asked to stop");
        }
        Ok(())
    }

    /// Holds it, or lets it go on.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.id()?).ok().and_then(Pid::from_raw).context("a process without an id")?;
        Ok(kill_process(id, signal)?)
    }

    /// Sets its clock off by so many seconds.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        Ok(fs::write(&self.clock, format!("{}\n", seconds.saturating_mul(1000)))?)
    }

    /// The size of the log, as its API says.
    pub fn answers(&self) -> Result<u64> {
        crate::u64_at(&self.get("/v1/log")?, "/size")
    }

    /// The gateway in one screen, as its API says.
    pub fn status(&self) -> Result<Value> {
        self.get("/v1/status")
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.env.block_on(async {
            let response =
                self.client.get(format!("http://gateway{path}")).send().await?.error_for_status()?;
            Ok(serde_json::from_slice(&response.bytes().await?)?)
        })
    }

    /// How much it has said so far.
    pub fn said_bytes(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }

    /// What it has said since.
    pub fn said_since(&self, before: u64) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let new = usize::try_from(before).ok().and_then(|before| bytes.get(before..)).unwrap_or_default();
        String::from_utf8_lossy(new).into_owned()
    }
}
