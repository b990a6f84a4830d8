//! The subject under test: a real gateway daemon with its log on the campaign's disk.

use super::syscall_injection::SyscallInjection;
use crate::{
    binary, crash::output::Output, fixtures::process::bound_command, wait_until, Gateway, GatewaySettings,
    Process, TestEnv,
};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The time limit of a start, in seconds.
const START_TIMEOUT: u64 = 40;

/// How the gateway is started.
pub enum StartMode<'a> {
    /// Without faults.
    Plain,
    /// With a failpoint set: its name, and the passage at which the process dies.
    Failpoint(&'a str, u64),
    /// With system calls that fail.
    Failing(&'a SyscallInjection),
}

/// The outcome of a start.
#[derive(Debug)]
pub enum StartOutcome {
    /// The API responds.
    Ready,
    /// The process has ended, with this output.
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
    /// Prepares a gateway with its log in `data` and the node at `url`, which does not have to exist.
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

    /// The path of the configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The path of the API's socket.
    pub fn socket(&self) -> PathBuf {
        self.gateway.dir().join("gateway.sock")
    }

    /// Starts the gateway and does not wait.
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

    /// Starts the gateway, and waits until its API responds or the process has ended.
    pub fn start(&mut self, mode: &StartMode) -> Result<StartOutcome> {
        let before = self.output().length();
        self.spawn(mode)?;
        wait_until("the gateway starts or ends", START_TIMEOUT, || {
            if self.has_ended()? {
                return Ok(StartOutcome::Ended(self.output().since(before)));
            }
            self.log_size()?;
            Ok(StartOutcome::Ready)
        })
    }

    /// Starts the gateway without faults. It must run.
    pub fn must_start(&mut self) -> Result<()> {
        match self.start(&StartMode::Plain)? {
            StartOutcome::Ready => Ok(()),
            StartOutcome::Ended(output) => anyhow::bail!("the gateway does not start:\n{output}"),
        }
    }

    /// Returns the process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the gateway is not started")
    }

    /// Fails with [`crate::Unrecoverable`] if the process has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.process()?.check_running()
    }

    /// Returns true if the process has ended or was never started.
    pub fn has_ended(&mut self) -> Result<bool> {
        match &mut self.process {
            Some(process) => Ok(process.check_running().is_err()),
            None => Ok(true),
        }
    }

    /// The process id.
    pub fn id(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the gateway is not started")?.id())
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Stops the process with SIGTERM. It must exit with success.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.stop()?;
            ensure!(status.success(), "the gateway exited with {status} on SIGTERM");
        }
        Ok(())
    }

    /// Sets the difference between the gateway's clock and the system's, in seconds.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        Ok(fs::write(&self.clock, format!("{}\n", seconds.saturating_mul(1000)))?)
    }

    /// Returns the size of the log, according to the API.
    pub fn log_size(&self) -> Result<u64> {
        crate::u64_at(&self.get("/v1/log")?, "/size")
    }

    /// Returns the status, according to the API.
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

    /// The output of all runs.
    pub fn output(&self) -> Output {
        Output::new(&self.log)
    }
}
