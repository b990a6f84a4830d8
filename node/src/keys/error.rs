//! The error type of the commands on keys.

use super::backup::BackupError;
use crate::spec_error::with_remedy;
use std::{io, path::PathBuf};
use streembit_chain_spec::SpecError;
use streembit_keystore::{files::FileError, PassphraseError};

/// A command on a node's keys failed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file of secrets could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The passphrase could not be read.
    #[error("{}", with_option(.0))]
    Passphrase(#[from] PassphraseError),
    /// The backup could not be written or read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The chain spec could not be loaded.
    #[error("{}", with_remedy(.0))]
    Spec(#[from] SpecError),
    /// Another file operation failed.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The genesis block of the chain could not be computed.
    #[error("computing the genesis block of the chain {chain}: {problem}; use the chain spec that the node is started with")]
    Genesis {
        /// The chain's id.
        chain: String,
        /// The problem.
        problem: String,
    },
    /// The base path has no chain.
    #[error("{} has no folder of a chain: check --base-path", .0.display())]
    NoChain(PathBuf),
    /// The base path has several chains, and none was named.
    #[error("{} has the folders of several chains ({}): choose one with --chain", .base.display(), .found.join(", "))]
    AmbiguousChain {
        /// The base path.
        base: PathBuf,
        /// The ids of the chains.
        found: Vec<String>,
    },
    /// The keystore has no session keys.
    #[error(
        "{} has no session keys: check --base-path and --chain, or pass --keystore-path if the node is started with it",
        .0.display()
    )]
    NoSessionKeys(PathBuf),
    /// There is no network key.
    #[error(
        "the network key {} does not exist; a node creates it when it first starts: check --base-path and --chain, or pass \
         --node-key-file if the node is started with it",
        .0.display()
    )]
    NoNetworkKey(PathBuf),
    /// The file of the network key contains something else.
    #[error("{} is not a network key: it has neither 32 bytes nor 64 hexadecimal digits", .0.display())]
    InvalidNetworkKey(PathBuf),
    /// A file in the keystore does not contain the key that its name promises.
    #[error("the key in {} does not match the file name: {problem}", .path.display())]
    InvalidSessionKey {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A node is using the folder.
    #[error("a node is running on {} (process {process}): stop it, then run the command again", .folder.display())]
    NodeRunning {
        /// The folder of the database.
        folder: PathBuf,
        /// The process that holds the lock.
        process: String,
    },
    /// The backup belongs to another chain.
    #[error("{} is a backup for the chain {theirs}, but --chain is {ours}: use the chain of the backup", .file.display())]
    WrongChain {
        /// The backup.
        file: PathBuf,
        /// The chain of the backup.
        theirs: String,
        /// The chain on the command line.
        ours: String,
    },
    /// The keystore has a key that is not in the backup.
    #[error(
        "{} is a key that is not in the backup; nothing was restored. Use an empty --base-path, or move the file away if no \
         node needs it",
        .0.display()
    )]
    ForeignKey(PathBuf),
    /// A key has the same name as one in the backup but other contents.
    #[error(
        "{} differs from the backup; nothing was restored. Use an empty --base-path, or move the file away if no node needs \
         it",
        .0.display()
    )]
    ConflictingKey(PathBuf),
}

/// Returns the text of an error, with the option that avoids it.
fn with_option(error: &PassphraseError) -> String {
    match error {
        PassphraseError::Terminal(_) => format!("{error}; without a terminal, use --passphrase-file FILE"),
        _ => error.to_string(),
    }
}
