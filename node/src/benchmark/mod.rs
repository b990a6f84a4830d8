//! `streembit-node benchmark`: measures the weights of the runtime's calls.
//!
//! It runs every benchmark of the pallets in this repository in the compiled Wasm runtime, on the genesis state of a
//! chain in memory. A line is fitted to the results of each call, and the weights of each pallet are written to a Rust
//! source file of the runtime.

mod measure;
mod runner;
mod source;

use measure::measure;
use runner::{BenchmarkId, BenchmarkRunner};
use sc_cli::{Error, Result};
use std::{fs, path::PathBuf};

/// `streembit-node benchmark`
#[derive(Debug, clap::Parser)]
pub struct BenchmarkCmd {
    /// The folder to write the weights to, one file per pallet; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runtime/src/weights")]
    out: PathBuf,

    /// The number of measurements of each call at each point.
    #[arg(long, value_name = "TIMES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    repeat: u32,
}

impl BenchmarkCmd {
    /// Measures all calls of all pallets and prints a line for each.
    pub fn run(&self) -> Result<()> {
        let (runner, processor) = (BenchmarkRunner::new()?, processor());
        for list in runner.benchmarks()? {
            let (crate_name, name) = (text(&list.pallet), text(&list.instance));
            let mut calls = Vec::new();
            for benchmark in &list.benchmarks {
                let id = BenchmarkId {
                    pallet: &list.pallet,
                    instance: &list.instance,
                    benchmark: &benchmark.name,
                };
                let weight = measure(&runner, &id, benchmark, self.repeat).map_err(|error| {
                    Error::Input(format!("benchmark of {crate_name}, {}: {error}", text(&benchmark.name)))
                })?;
                eprintln!("{name}.{}", weight.summary());
                calls.push(weight);
            }
            let pallet = source::Pallet { crate_name, calls };
            let file = self.out.join(pallet.file_name());
            fs::write(&file, pallet.source(&processor, self.repeat))
                .map_err(|error| Error::Input(format!("cannot write {}: {error}", file.display())))?;
            eprintln!("The weights are in {}.", file.display());
        }
        Ok(())
    }
}

/// Decodes the name of a pallet or benchmark.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the model of this machine's processor.
fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.into(), |(_, model)| model.trim().into())
}
