//! The output of a program that is started many times.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The file with the output of all runs of a program.
pub struct Output(PathBuf);

impl Output {
    /// Reads the output from a file, which does not have to exist yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Returns the length so far, in bytes.
    pub fn length(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }

    /// Returns the output after the first `before` bytes.
    pub fn since(&self, before: u64) -> String {
        let bytes = fs::read(&self.0).unwrap_or_default();
        let new = usize::try_from(before).ok().and_then(|before| bytes.get(before..)).unwrap_or_default();
        String::from_utf8_lossy(new).into_owned()
    }
}
