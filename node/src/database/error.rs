//! The errors of the database's folder.

use std::{io, path::PathBuf};

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Files of the database are missing or empty.
    #[error("the database in {} is damaged: {problem}. {WAY_BACK}", .folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The damage.
        problem: String,
    },
    /// The database was there at an earlier start.
    #[error("the database in {} is gone, although this node had one. The node does not begin a new one by itself. {WAY_BACK}", .0.display())]
    Gone(PathBuf),
    /// RocksDB or sc-client-db cannot open the database.
    #[error("opening the database in {}: {problem}. If the disk is full, make space and start the node again. {WAY_BACK}", .folder.display())]
    Open {
        /// The folder.
        folder: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A part of the node failed, maybe because it cannot read the database.
    #[error("{problem}; the lines above say why. If this happens at every start, the database in {} is damaged. {WAY_BACK}", .folder.display())]
    PartFailed {
        /// The folder.
        folder: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The database belongs to another chain with the same id.
    #[error(
        "the database in {} belongs to another chain: its genesis block is {database}, but that of the chain spec is \
         {spec}. The spec was made anew under the same id. Use the spec with which this database began, or another \
         --base-path", .folder.display()
    )]
    OtherGenesis {
        /// The folder.
        folder: PathBuf,
        /// The genesis hash in the database.
        database: String,
        /// The genesis hash of the spec.
        spec: String,
    },
    /// A file operation failed.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// How a node gets its database back.
const WAY_BACK: &str =
    "Put the files back, or remove what is left with `streembit-node purge-chain` and the options of the node: it then \
     fetches the chain from the other nodes. A validator first does what docs/validator/keys.md says, so that it does \
     not contradict its earlier votes";
