//! Writes the seeds of the fuzz targets into a folder: `tests/fuzz/run` calls it.

use anyhow::{bail, Result};
use std::path::Path;
use streembit_tests::{fuzz_seeds, program::print_help_if_asked};

const HELP: &str = "
Writes valid inputs for the fuzz targets of tests/fuzz into FOLDER/TARGET, made of the committed vectors.

Usage: streembit-fuzz-seeds FOLDER
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else { bail!("usage: streembit-fuzz-seeds FOLDER") };
    let count = fuzz_seeds::write(Path::new(folder))?;
    println!("{count} seeds in {folder}");
    Ok(())
}
