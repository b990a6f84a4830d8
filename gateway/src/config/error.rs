//! The errors of the configuration.

use std::{io, path::PathBuf};

/// An error in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading {}: {source}; create one with `streembit gateway init --dir DIR`, or name another with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line of the file is invalid.
    #[error("{}:{line}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// An environment variable is unknown or invalid.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// The variable's name.
        name: String,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// Two values contradict each other.
    #[error("{}: {problem}", .path.display())]
    Whole {
        /// The file.
        path: PathBuf,
        /// The problem, and how to solve it.
        problem: String,
    },
}

/// The configuration has no device with the given name or id.
#[derive(Debug, thiserror::Error)]
#[error(
    "the configuration has no device {asked:?} (its devices: {known}): add a [[device]] section, or use the name or id of one that exists"
)]
pub struct UnknownDeviceError {
    pub(super) asked: String,
    pub(super) known: String,
}
