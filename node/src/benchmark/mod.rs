//! `streembit-node benchmark`: what the calls of the runtime weigh.
//!
//! Runs every benchmark of our pallets in the compiled Wasm, on the state of a founded chain in memory, fits a line through
//! the times, and writes the weights of each pallet as a source file of the runtime.

mod machine;
mod source;

use frame_benchmarking::{
    Analysis, BenchmarkMetadata, BenchmarkParameter, BenchmarkResult, BenchmarkSelector,
};
use machine::{Machine, Run};
use sc_cli::{Error, Result};
use std::{fs, path::PathBuf};

/// At how many values of a component a call is measured.
const STEPS: u32 = 10;

/// `streembit-node benchmark`
#[derive(Debug, clap::Parser)]
pub struct BenchmarkCmd {
    /// The folder for the weights: one file per pallet, which replaces an existing one.
    #[arg(long, value_name = "FOLDER", default_value = "runtime/src/weights")]
    out: PathBuf,

    /// How often each call is measured at each point.
    #[arg(long, value_name = "TIMES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    repeat: u32,
}

impl BenchmarkCmd {
    /// Measures all calls of all pallets, with a line about each.
    pub fn run(&self) -> Result<()> {
        let machine = Machine::new()?;
        let processor = machine::processor();
        for list in machine.list()? {
            let (crate_name, name) = (text(&list.pallet), text(&list.instance));
            let mut calls = Vec::new();
            for benchmark in &list.benchmarks {
                let run = Run { pallet: &list.pallet, instance: &list.instance, benchmark: &benchmark.name };
                let weight = measure(&machine, &run, benchmark, self.repeat).map_err(|error| {
                    Error::Input(format!("benchmark of {crate_name}, {}: {error}", text(&benchmark.name)))
                })?;
                eprintln!("{name}.{}", weight.summary());
                calls.push(weight);
            }
            let pallet = source::Pallet { crate_name, calls };
            let file = self.out.join(pallet.file_name());
            fs::write(&file, pallet.source(&processor, self.repeat))
                .map_err(|error| Error::Input(format!("writing {}: {error}", file.display())))?;
            eprintln!("written to {}", file.display());
        }
        Ok(())
    }
}

/// What a call takes, as a base and what each of its components adds.
pub struct Measured {
    name: String,
    components: Vec<String>,
    /// In picoseconds.
    time: Line,
    reads: Line,
    writes: Line,
}

/// A base, and a slope for each component.
pub struct Line {
    base: u64,
    slopes: Vec<u64>,
}

impl From<Analysis> for Line {
    fn from(analysis: Analysis) -> Self {
        let fit = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        Self { base: fit(analysis.base), slopes: analysis.slopes.into_iter().map(fit).collect() }
    }
}

impl Measured {
    /// One line for whoever waits.
    fn summary(&self) -> String {
        let mut line = format!("{}: {} us", self.name, self.time.base / 1_000_000);
        for (component, slope) in self.components.iter().zip(&self.time.slopes) {
            line += &format!(" + {}.{:03} us * {component}", slope / 1_000_000, slope / 1_000 % 1_000);
        }
        line + &format!(", {} reads, {} writes", self.reads.base, self.writes.base)
    }
}

/// Measures one call: each component from its lowest value to its highest, with all others at their highest.
fn measure(machine: &Machine, run: &Run, benchmark: &BenchmarkMetadata, repeat: u32) -> Result<Measured> {
    let (mut times, mut accesses) = (Vec::new(), Vec::new());
    for point in points(&benchmark.components) {
        // Once with its own assertions, and with storage that counts; then for the time alone.
        machine.verify(run, &point)?;
        accesses.extend(machine.count(run, &point)?);
        times.extend(machine.time(run, &point, repeat)?);
    }
    let line = |results: &Vec<BenchmarkResult>, selector| {
        Analysis::max(results, selector).map(Line::from).map_err(|error| Error::Input(format!("{error:#}")))
    };
    Ok(Measured {
        name: text(&benchmark.name),
        components: benchmark.components.iter().map(|(name, ..)| name.to_string()).collect(),
        time: line(&times, BenchmarkSelector::ExtrinsicTime)?,
        reads: line(&accesses, BenchmarkSelector::Reads)?,
        writes: line(&accesses, BenchmarkSelector::Writes)?,
    })
}

/// The values of the components at which a call is measured.
type Point = Vec<(BenchmarkParameter, u32)>;

fn points(components: &[(BenchmarkParameter, u32, u32)]) -> Vec<Point> {
    let highest: Point = components.iter().map(|(name, _, high)| (*name, *high)).collect();
    if components.is_empty() {
        return vec![highest];
    }
    let mut points = Vec::new();
    for (place, (_, low, high)) in components.iter().enumerate() {
        let range = high.saturating_sub(*low);
        let steps = STEPS.min(range.saturating_add(1)).max(2);
        for step in 0..steps {
            let mut point = highest.clone();
            if let Some((_, value)) = point.get_mut(place) {
                *value = low.saturating_add(range.saturating_mul(step) / (steps - 1));
            }
            points.push(point);
        }
    }
    points
}

/// The names of pallets and benchmarks are those of their sources.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_goes_from_its_lowest_value_to_its_highest() {
        assert_eq!(points(&[]), vec![vec![]]);
        let (first, second) = (BenchmarkParameter::a, BenchmarkParameter::b);
        let points = points(&[(first, 3, 63), (second, 1, 2)]);
        assert_eq!(points.first(), Some(&vec![(first, 3), (second, 2)]));
        assert_eq!(points.len(), 12);
        assert_eq!(points[9], vec![(first, 63), (second, 2)]);
        assert_eq!(points[10..], [vec![(first, 63), (second, 1)], vec![(first, 63), (second, 2)]]);
    }
}
