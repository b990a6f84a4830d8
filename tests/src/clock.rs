//! Clocks that are wrong: libfaketime between a process and the time of day.

use crate::Scene;
use anyhow::{Context, Result};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// A clock that is wrong by some seconds, and can be set while a process goes by it; a clone is the same clock.
#[derive(Clone, Debug)]
pub struct WrongClock {
    library: PathBuf,
    /// By how many seconds.
    file: PathBuf,
}

impl WrongClock {
    /// Whether there can be one here: whether libfaketime is installed.
    pub fn available() -> bool {
        library().is_some()
    }

    /// A clock that is so many seconds ahead; behind, where they are negative.
    pub fn new(scene: &Scene, name: &str, seconds: i64) -> Result<Self> {
        let library = library().context("no libfaketime: `.ci/setup --tests` installs it")?;
        let clock = Self { library, file: scene.dir().join(format!("{name}.clock")) };
        clock.set(seconds)?;
        Ok(clock)
    }

    /// Sets it; within two seconds whoever goes by it has the new time.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // Never seen half written.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, &self.file)?)
    }

    /// What gives it to a process. Only the time of day is wrong: what counts how long something takes stays right.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 5] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
    }
}

/// The one for programs with threads, wherever this machine's kind of libraries is.
fn library() -> Option<PathBuf> {
    let within = |folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1");
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.chain([Path::new("/usr/lib").to_owned()]).map(within).find(|path| path.is_file())
}
