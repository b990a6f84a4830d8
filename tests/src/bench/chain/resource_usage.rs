//! What the system says a process uses.

use crate::Process;
use anyhow::{Context, Result};
use std::fs;

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResourceUsage {
    /// Its resident memory now, in bytes.
    pub resident: u64,
    /// What it had the system write to a disk, in bytes.
    pub written: u64,
    /// The time of processors, in seconds.
    pub cpu: f64,
}

impl ResourceUsage {
    /// Of a process.
    pub fn of(process: &Process) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", process.id());
            fs::read_to_string(&path).with_context(|| format!("reading {path}"))
        };
        let io = read("io")?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
        Ok(Self {
            resident: process.resident_kib()? * 1024,
            written: written.context("no write_bytes")?.trim().parse().context("reading write_bytes")?,
            cpu: crate::bench::cpu_seconds(&read("stat")?),
        })
    }
}
