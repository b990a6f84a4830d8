//! Damage to the files of a program that is not running.

use anyhow::{Context, Result};
use rand::{rngs::StdRng, Rng as _};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// The kind of file that is damaged while the program is not running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamagedFile {
    /// A write-ahead log.
    Wal,
    /// A table (SST file).
    Table,
    /// The manifest, which lists the tables.
    Manifest,
    /// `CURRENT`, which names the manifest.
    Current,
    /// The gateway's file with the acknowledged size.
    Acknowledged,
    /// The node's file with the version of its database.
    Version,
    /// The node's file that says whether its database is complete.
    State,
}

/// How a file is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamageKind {
    /// One bit is flipped.
    Flip,
    /// The file is truncated.
    Tear,
    /// 4 KiB are overwritten with zeros.
    Zero,
    /// The file is removed.
    Remove,
}

/// Damages a random file of a kind in a folder. Returns a description, or `None` if there is no such file or it is empty.
pub fn damage(
    folder: &Path,
    target: DamagedFile,
    kind: DamageKind,
    random: &mut StdRng,
) -> Result<Option<String>> {
    let Some(path) = choose(folder, target, random)? else { return Ok(None) };
    let name = path.file_name().context("a file without a name")?.to_string_lossy().into_owned();
    if kind == DamageKind::Remove {
        fs::remove_file(&path)?;
        return Ok(Some(format!("{name} removed")));
    }
    let file = File::options().read(true).write(true).open(&path)?;
    let length = content_length(&path)?;
    if length == 0 {
        return Ok(None);
    }
    // Often near the end, where the newest data is.
    let at = if random.gen_bool(0.5) {
        random.gen_range(length - length.min(2000)..length)
    } else {
        random.gen_range(0..length)
    };
    match kind {
        DamageKind::Flip => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            let [old] = byte;
            file.write_all_at(&[old ^ 1 << random.gen_range(0..8)], at)?;
            Ok(Some(format!("a bit of {name} at {at} of {length}")))
        }
        DamageKind::Zero => {
            let count = (length - at).min(4096) as usize;
            file.write_all_at(&vec![0; count], at)?;
            Ok(Some(format!("{count} zeros in {name} at {at} of {length}")))
        }
        DamageKind::Tear | DamageKind::Remove => {
            file.set_len(at)?;
            Ok(Some(format!("{name} torn at {at} of {length}")))
        }
    }
}

/// Returns the length of a file without trailing zeros, because write-ahead logs are preallocated.
fn content_length(path: &Path) -> Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

fn choose(folder: &Path, target: DamagedFile, random: &mut StdRng) -> Result<Option<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fits = match target {
            DamagedFile::Wal => name.ends_with(".log"),
            DamagedFile::Table => name.ends_with(".sst"),
            DamagedFile::Manifest => name.starts_with("MANIFEST-"),
            DamagedFile::Current => name == "CURRENT",
            DamagedFile::Acknowledged => name == "ACKNOWLEDGED",
            DamagedFile::Version => name == "db_version",
            DamagedFile::State => name == "database.state",
        };
        if fits && path.metadata()?.len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Ok(None);
    }
    let at = random.gen_range(0..files.len());
    Ok(files.into_iter().nth(at))
}
