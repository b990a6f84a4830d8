//! Benchmarks of the log for `docs/benchmarks.md`:
//! - `ingest [EVENTS]`: signed events per second compared with the machine's ceiling, and the latency of single events;
//! - `large [EVENTS]`: a log of many events: memory, opening after a kill, proofs;
//! - `compare [ENTRIES]`: comparison with bare RocksDB, ct-merkle, siglog and Hypercore, and a chart in `docs/`.

use anyhow::{bail, Result};
use std::path::Path;
use streembit_tests::{
    bench::{comparison, ingest, large_log},
    program::print_help_if_asked,
};

const HELP: &str = "
Benchmarks the log, and compares it with other logs.

Usage: streembit-bench-log ingest [EVENTS] | large [EVENTS] | compare [ENTRIES]
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ingest"] => ingest::run(200_000),
        ["ingest", count] => ingest::run(count.parse()?),
        ["large"] => large_log::run(10_000_000),
        ["large", count] => large_log::run(count.parse()?),
        ["fill", folder] => large_log::fill(Path::new(folder)),
        ["compare"] => comparison::run(100_000),
        ["compare", count] => comparison::run(count.parse()?),
        _ => bail!("usage: streembit-bench-log ingest|large|compare [COUNT]"),
    }
}
