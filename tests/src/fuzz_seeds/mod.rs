//! Seeds for the fuzz targets of `tests/fuzz`: valid inputs, made of the committed vectors and of generated values.
//!
//! From a seed, a fuzzer gets behind magic numbers, versions and checksums, which it hardly ever guesses. The seeds are
//! made whenever they are needed, so they have the present version of each format. They are the same on every machine.
//!
//! | file | makes seeds of |
//! |---|---|
//! | `vectors.rs` | committed evidence, trust roots, recorded justifications, dialogues with vehicles, the configuration |
//! | `generated.rs` | generated events, log entries, checkpoints and frames |
//! | `signed.rs` | notes, proofs of entries and COSE statements |

#[path = "../../../gateway/crates/delivery/src/tests/frames.rs"]
mod frames;
mod generated;
#[path = "../../../primitives/tests/pins/mod.rs"]
mod pins;
mod signed;
mod vectors;

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_delivery::wire;

/// The maximum length of a seed, in bytes. A fuzzer that starts with long inputs is slow.
const MAX_BYTES: usize = 16 * 1024;

/// A valid input of a fuzz target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    /// The name of the target.
    pub target: &'static str,
    /// The name of the seed, unique within the target.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { target, name: name.into(), bytes: bytes.into() }
    }
}

/// Makes the seeds of all targets, except those longer than 16 KiB.
pub fn all() -> Result<Vec<Seed>> {
    let mut seeds = vectors::all()?;
    seeds.extend(generated::all()?);
    seeds.extend(signed::all()?);
    seeds.retain(|seed| seed.bytes.len() <= MAX_BYTES);
    Ok(seeds)
}

/// Writes each seed to `FOLDER/TARGET/seed-NAME`. Returns the number of seeds.
pub fn write(folder: &Path) -> Result<usize> {
    let seeds = all()?;
    for Seed { target, name, bytes } in &seeds {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join(format!("seed-{name}"));
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(seeds.len())
}

/// Returns a path in this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Reads a file of this repository.
fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests;
