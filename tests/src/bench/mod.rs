//! The measurements of `docs/benchmarks.md`: the log beside its ceiling, large, and beside others; the chain.
//!
//! `streembit-bench-log` runs those of the log (`make bench-log` installs what the comparison needs and runs it),
//! `streembit-bench-chain` those of the chain.

mod bar_chart;
pub mod chain;
pub mod comparison;
pub mod ingest;
pub mod large_log;
mod signed_events;

use anyhow::Result;
use std::{path::Path, time::Duration};

/// A folder for one measurement, on the disk of the build; removed afterwards.
fn scratch() -> Result<tempfile::TempDir> {
    let target = std::env::current_exe()?;
    let beside = target.parent().unwrap_or(Path::new("."));
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(beside)?)
}

/// The value below which `percent` of sorted times are, in microseconds.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What this process has used of the processors so far, in seconds.
fn own_cpu_seconds() -> f64 {
    cpu_seconds(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// What a process has used of the processors, in seconds, by its `/proc/PID/stat`.
fn cpu_seconds(stat: &str) -> f64 {
    // After the name in brackets: user and system time are the 12th and 13th, in ticks of 10 ms.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

/// The bytes of a folder's files.
fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
