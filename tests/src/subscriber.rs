//! `streembit subscribe` in a process of its own, and what it printed.

use crate::{binary, process::bound_command, until, Process, Scene};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::PathBuf,
};

/// What a subscriber is told, the same after each restart.
pub struct Subscription {
    /// The device's id.
    pub device: String,
    /// The gateway's address, with its peer id.
    pub gateway: String,
    /// The subscriber's keystore.
    pub key: PathBuf,
    /// The node that it asks.
    pub node: String,
}

/// A subscriber: its process while it runs, its cursor and its output over all runs.
pub struct Subscriber<'s> {
    scene: &'s Scene,
    name: String,
    /// What it is told.
    pub subscription: Subscription,
    process: Option<Process>,
}

impl<'s> Subscriber<'s> {
    /// A subscriber that is not yet started.
    pub fn new(scene: &'s Scene, name: &str, subscription: Subscription) -> Self {
        Self { scene, name: name.to_owned(), subscription, process: None }
    }

    /// Starts it, or starts it again, from where its cursor is.
    pub fn start(&mut self) -> Result<()> {
        let Subscription { device, gateway, key, node } = &self.subscription;
        let mut command = bound_command(binary("streembit")?);
        command
            .args(["--json", "subscribe", "--device", device, "--gateway", gateway, "--node", node, "--key"])
            .arg(key)
            .arg("--cursor")
            .arg(self.path("cursor"))
            .env("STREEMBIT_PASSPHRASE_FILE", self.scene.passphrase_file());
        let output = File::options().create(true).append(true).open(self.path("jsonl"))?;
        self.process = Some(Process::start_into(&self.name, command, output, &self.path("log"))?);
        Ok(())
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("the subscriber is not running")?.kill()
    }

    /// Its process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the subscriber is not running")
    }

    /// Every event that it printed, over all its runs, oldest first. A line that a kill cut short is an error.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.path("jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }

    /// What it said beside the events.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until it has printed `count` events.
    pub fn receives(&self, count: usize, seconds: u64) -> Result<Vec<Value>> {
        until(&format!("{} receives {count} events", self.name), seconds, || {
            let events = self.events()?;
            ensure!(events.len() >= count, "it has {}", events.len());
            Ok(events)
        })
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.scene.dir().join(format!("{}.{extension}", self.name))
    }
}
