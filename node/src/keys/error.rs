//! Why keys are not backed up, restored or shown.

use super::backup::BackupError;
use std::{io, path::PathBuf};
use streembit_chain_spec::SpecError;
use streembit_keystore::{files::FileError, PassphraseError};

/// Why a command on a node's keys fails.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file of secrets could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The file of the backup is of no use.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// There is no such chain.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The system said no.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The chain's first block cannot be made.
    #[error("making the first block of the chain {chain}: {problem}; give the chain spec that the node is started with")]
    Genesis {
        /// The chain.
        chain: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No node has been started there.
    #[error("{} has no folder of a chain: check --base-path", .0.display())]
    NoChain(PathBuf),
    /// Which chain is meant is not clear.
    #[error("{} has folders of several chains ({}): name one with --chain", .base.display(), .found.join(", "))]
    WhichChain {
        /// The base path.
        base: PathBuf,
        /// The chains that have a folder in it.
        found: Vec<String>,
    },
    /// There is nothing to back up.
    #[error(
        "{} holds no session keys: check --base-path and --chain, or name the folder with --keystore-path where the node is \
         started with it",
        .0.display()
    )]
    NoSessionKeys(PathBuf),
    /// The node has never been started.
    #[error(
        "{} is not there, the network key that a node makes when it first starts: check --base-path and --chain, or name the \
         file with --node-key-file where the node is started with it",
        .0.display()
    )]
    NoNetworkKey(PathBuf),
    /// The network key is something else.
    #[error("{} is no network key: it has neither 32 bytes nor 64 hexadecimal digits", .0.display())]
    NotANetworkKey(PathBuf),
    /// A file of the keystore is not what its name says.
    #[error("{} is not the key that its name says: {problem}", .path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A node uses the folder.
    #[error("a node is running on {} (process {process}): stop it, then run the command again", .folder.display())]
    Running {
        /// The database.
        folder: PathBuf,
        /// The process that holds its lock.
        process: String,
    },
    /// The backup is another chain's.
    #[error("{} is a backup from the chain {theirs}, and --chain is {ours}: name the chain that it is from", .file.display())]
    OtherChain {
        /// The backup.
        file: PathBuf,
        /// Its chain.
        theirs: String,
        /// The one that was asked for.
        ours: String,
    },
    /// Another validator's keys are there.
    #[error(
        "{} holds keys that are not in the backup: nothing was restored. Name an empty --base-path, or move the file away if \
         no node needs it",
        .0.display()
    )]
    OtherKeys(PathBuf),
    /// Another key has the name of one in the backup.
    #[error(
        "{} is there and differs from the backup: nothing was restored. Name an empty --base-path, or move the file away if \
         no node needs it",
        .0.display()
    )]
    Differs(PathBuf),
}
