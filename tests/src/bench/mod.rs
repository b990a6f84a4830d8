//! The benchmarks of `docs/benchmarks.md`.
//!
//! - [`ingest`]: signed events per second, compared with the ceiling of the machine;
//! - [`large_log`]: a log of many events;
//! - [`comparison`]: the log compared with other logs and with bare RocksDB;
//! - [`chain`]: four validators.
//!
//! `streembit-bench-log` runs those of the log (`make bench-log` also installs the programs to compare with), and
//! `streembit-bench-chain` and `streembit-bench-scale` run those of the chain.

mod bar_chart;
pub mod chain;
pub mod comparison;
pub mod ingest;
pub mod large_log;
mod signed_events;

use anyhow::Result;
use std::{path::Path, time::Duration};

/// Creates a temporary folder on the disk of the build.
fn temp_dir() -> Result<tempfile::TempDir> {
    let target = std::env::current_exe()?;
    let beside = target.parent().unwrap_or(Path::new("."));
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(beside)?)
}

/// Returns a percentile of sorted times, in microseconds.
fn percentile_us(sorted: &[Duration], percent: usize) -> f64 {
    let index = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// Returns the median.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the CPU time of this process so far, in seconds.
fn own_cpu_seconds() -> f64 {
    cpu_seconds(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// Returns the CPU time in a `/proc/PID/stat`, in seconds.
fn cpu_seconds(stat: &str) -> f64 {
    // After the name in brackets, user and system time are the 12th and 13th field, in ticks of 10 ms.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

/// Returns the total size of a folder's files.
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

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
