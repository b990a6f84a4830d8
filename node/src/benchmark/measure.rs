//! Measures a call and fits a line to the results.

use super::runner::{BenchmarkId, BenchmarkRunner, Point};
use frame_benchmarking::{
    Analysis, BenchmarkMetadata, BenchmarkParameter, BenchmarkResult, BenchmarkSelector,
};
use sc_cli::{Error, Result};

/// The number of values of a component at which a call is measured.
const STEPS: u32 = 10;

/// The measured weight of a call.
pub struct MeasuredWeight {
    pub name: String,
    /// The components (parameters) of the benchmark, on which the weight depends.
    pub components: Vec<String>,
    /// In picoseconds.
    pub time: LinearFit,
    pub reads: LinearFit,
    pub writes: LinearFit,
}

/// A base, and a slope for each component.
pub struct LinearFit {
    pub base: u64,
    pub slopes: Vec<u64>,
}

impl From<Analysis> for LinearFit {
    fn from(analysis: Analysis) -> Self {
        let saturate = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        Self { base: saturate(analysis.base), slopes: analysis.slopes.into_iter().map(saturate).collect() }
    }
}

impl MeasuredWeight {
    /// Returns the weight in one line, for the terminal.
    pub fn summary(&self) -> String {
        let mut line = format!("{}: {} us", self.name, self.time.base / 1_000_000);
        for (component, slope) in self.components.iter().zip(&self.time.slopes) {
            line += &format!(" + {}.{:03} us * {component}", slope / 1_000_000, slope / 1_000 % 1_000);
        }
        line + &format!(", {} reads, {} writes", self.reads.base, self.writes.base)
    }
}

/// Measures a call with each component from its lowest to its highest value, while the others have their highest
/// values.
pub fn measure(
    runner: &BenchmarkRunner,
    id: &BenchmarkId,
    benchmark: &BenchmarkMetadata,
    repeat: u32,
) -> Result<MeasuredWeight> {
    let (mut times, mut accesses) = (Vec::new(), Vec::new());
    for point in points(&benchmark.components) {
        runner.verify(id, &point)?;
        accesses.extend(runner.count_accesses(id, &point)?);
        times.extend(runner.measure_time(id, &point, repeat)?);
    }
    let fit = |results: &Vec<BenchmarkResult>, selector| {
        Analysis::max(results, selector)
            .map(LinearFit::from)
            .map_err(|error| Error::Input(format!("{error:#}")))
    };
    Ok(MeasuredWeight {
        name: String::from_utf8_lossy(&benchmark.name).into_owned(),
        components: benchmark.components.iter().map(|(name, ..)| name.to_string()).collect(),
        time: fit(&times, BenchmarkSelector::ExtrinsicTime)?,
        reads: fit(&accesses, BenchmarkSelector::Reads)?,
        writes: fit(&accesses, BenchmarkSelector::Writes)?,
    })
}

/// Returns the points at which a call with these components is measured.
fn points(components: &[(BenchmarkParameter, u32, u32)]) -> Vec<Point> {
    let highest: Point = components.iter().map(|(name, _, high)| (*name, *high)).collect();
    if components.is_empty() {
        return vec![highest];
    }
    let mut points = Vec::new();
    for (index, (_, low, high)) in components.iter().enumerate() {
        let range = high.saturating_sub(*low);
        let steps = STEPS.min(range.saturating_add(1)).max(2);
        for step in 0..steps {
            let mut point = highest.clone();
            if let Some((_, value)) = point.get_mut(index) {
                *value = low.saturating_add(range.saturating_mul(step) / (steps - 1));
            }
            points.push(point);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_varies_from_its_lowest_to_its_highest_value() {
        assert_eq!(points(&[]), vec![vec![]]);
        let (first, second) = (BenchmarkParameter::a, BenchmarkParameter::b);
        let points = points(&[(first, 3, 63), (second, 1, 2)]);
        assert_eq!(points.first(), Some(&vec![(first, 3), (second, 2)]));
        assert_eq!(points.len(), 12);
        assert_eq!(points[9], vec![(first, 63), (second, 2)]);
        assert_eq!(points[10..], [vec![(first, 63), (second, 1)], vec![(first, 63), (second, 2)]]);
    }
}
