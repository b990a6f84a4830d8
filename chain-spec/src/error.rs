//! The error types of this crate.

use std::{fmt, path::PathBuf};

/// A chain spec could not be created or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The name of the chain is empty.
    #[error("no chain given")]
    NoChainGiven,
    /// This build does not contain the compiled Wasm runtime, which the presets need.
    #[error("this program was built without the compiled Wasm runtime, so it has no preset chains")]
    NoRuntime,
    /// The chain is neither a preset nor an existing file.
    #[error("no preset is called `{}` and there is no such file; the presets are `dev`, `local` and `four`", .0.display())]
    UnknownChain(PathBuf),
    /// The file exists but does not contain a chain spec.
    #[error("`{}` is not a chain spec: {reason}", .path.display())]
    MalformedSpec {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// The TOML file of a consortium or of a successor chain could not be read.
    #[error("cannot read `{}`: {reason}", .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The operating system's message.
        reason: String,
    },
    /// The TOML file of a consortium or of a successor chain has errors.
    #[error("`{}` has errors:\n{errors}", .path.display())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// All errors in it.
        errors: SpecFileErrors,
    },
    /// The genesis configuration could not be encoded.
    #[error("cannot encode the genesis configuration: {0}")]
    Genesis(String),
    /// The successor chain could not be created from the state of the old chain.
    #[error("cannot create the successor chain: {0}")]
    Successor(String),
}

/// An error in a TOML file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecFileError {
    /// The line, counted from 1; `None` if the error concerns the whole file.
    pub line: Option<usize>,
    /// The problem, and how to solve it.
    pub problem: String,
}

/// All errors in a TOML file, ordered by line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecFileErrors(pub Vec<SpecFileError>);

impl fmt::Display for SpecFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, SpecFileError { line, problem }) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match line {
                Some(line) => write!(f, "  line {line}: {problem}")?,
                None => write!(f, "  {problem}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for SpecFileErrors {}
