//! Measures the log, for `docs/benchmarks.md`:
//! - `ingest [EVENTS]`: signed events a second beside the machine's ceiling, and one at a time;
//! - `large [EVENTS]`: a log of many events: memory, opening after a kill, proofs;
//! - `others [ENTRIES]`: side by side with raw RocksDB, ct-merkle, siglog and Hypercore, and a plot in `docs/`.

use anyhow::{bail, Result};
use std::path::Path;
use streembit_tests::bench::{ingest, large, others};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ingest"] => ingest::run(200_000),
        ["ingest", count] => ingest::run(count.parse()?),
        ["large"] => large::run(10_000_000),
        ["large", count] => large::run(count.parse()?),
        ["fill", folder] => large::fill(Path::new(folder)),
        ["others"] => others::run(100_000),
        ["others", count] => others::run(count.parse()?),
        _ => bail!("streembit-bench-log ingest|large|others [COUNT]"),
    }
}
