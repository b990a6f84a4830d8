//! The resources that a process uses.

use crate::{fixtures::process::written_bytes, Process};
use anyhow::{Context, Result};
use std::fs;

/// The resources that a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResourceUsage {
    /// The current resident memory, in bytes.
    pub resident: u64,
    /// The number of bytes written to disks.
    pub written: u64,
    /// The CPU time, in seconds.
    pub cpu: f64,
}

impl ResourceUsage {
    /// Reads the usage of a process.
    pub fn of(process: &Process) -> Result<Self> {
        let path = format!("/proc/{}/stat", process.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        Ok(Self {
            resident: process.resident_kib()? * 1024,
            written: written_bytes(process.id())?,
            cpu: crate::bench::cpu_seconds(&stat),
        })
    }
}
