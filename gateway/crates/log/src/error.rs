//! What can be wrong with a log, and what to do about it.

use std::path::PathBuf;
use streembit_primitives::{event::EventError, DeviceId, Hash, LogId};

/// Why an event was not admitted. The log itself is well.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The event's own fault.
    #[error("{0}")]
    Event(#[from] EventError),
    /// A body beyond [`super::MAX_BODY_BYTES`].
    #[error("a body of {bytes} bytes where {} are the most: split it, or put the large thing elsewhere and its hash here", super::MAX_BODY_BYTES)]
    BodyTooLarge {
        /// Its size when encoded.
        bytes: usize,
    },
    /// The device's key signed two events for one sequence: somebody has a copy of it.
    #[error("device {device} signed two different events as number {sequence}: its key was copied. Both are kept as proof (`streembit audit forks`), and nothing further is taken from it: give the device a new key, and configure and register it as a new device; what it logged until now stays proven")]
    Forked {
        /// The device.
        device: DeviceId,
        /// The sequence that was signed twice.
        sequence: u64,
    },
}

/// What went wrong in a log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The event was not admitted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another process has the database open.
    #[error("the log at {path} is in use by another process: stop the other gateway first (only one may write); to audit beside it, open it read-only")]
    Locked {
        /// The database's folder.
        path: PathBuf,
    },
    /// The folder could not be made or opened.
    #[error("opening the log at {path}: {problem}. Check that the folder exists, is this user's and on a writable disk with free space")]
    Open {
        /// The database's folder.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// There is no log here to read.
    #[error(
        "there is no log at {path}: check data_dir in the gateway's configuration, or run the gateway once"
    )]
    Missing {
        /// The database's folder.
        path: PathBuf,
    },
    /// The database is another gateway's, or another epoch's.
    #[error("the log at {path} is {found}, not {expected}: point data_dir to this gateway's own folder, or use the key that the log was made with")]
    OtherLog {
        /// The database's folder.
        path: PathBuf,
        /// Whose log was asked for.
        expected: Box<LogId>,
        /// Whose it is.
        found: Box<LogId>,
    },
    /// Written in a format that this program does not know.
    #[error(
        "the log at {path} has format {found}, this program knows {}: use the newer release that wrote it",
        super::FORMAT
    )]
    Format {
        /// The database's folder.
        path: PathBuf,
        /// The format's number.
        found: u32,
    },
    /// Something stored is not what it must be.
    #[error("the log is damaged: {what}. Stop the gateway, keep a copy of the folder, and restore the data folder from a backup; `streembit audit` names every damaged place")]
    Damaged {
        /// What, and where.
        what: String,
    },
    /// The database could not read or write.
    #[error("{doing}: {problem}. Nothing that was acknowledged is lost; check the disk and its free space, the log goes on by itself")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What RocksDB says.
        problem: String,
    },
    /// The writer has ended.
    #[error("the log is closed: the gateway is shutting down or its log writer has failed; start it again")]
    Closed,
    /// There is no such entry or size.
    #[error("{asked} is outside of a log of {size} entries")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// The size of the log.
        size: u64,
    },
    /// The chain has seen more of this log than is here.
    #[error("the log has {size} entries, but {anchored} are anchored: its end is lost. Restore the data folder from a backup that has it; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    ShorterThanAnchor {
        /// What is here.
        size: u64,
        /// What the chain knows.
        anchored: u64,
    },
    /// The chain has seen another history.
    #[error("the first {anchored} entries of the log lead to {found}, but {expected} is anchored: they were changed. Restore the data folder from a backup; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    DifferentFromAnchor {
        /// The anchored size.
        anchored: u64,
        /// The root here at that size.
        found: Hash,
        /// The anchored root.
        expected: Hash,
    },
    /// The log has other last events of its devices than were signed for.
    #[error("after {size} entries the devices' last events lead to {}, but {expected} was signed and anchored: the log's indexes were changed. Restore the data folder from a backup; `streembit audit device` names what is wrong", .found.map_or_else(|| "none".into(), |found| found.to_string()))]
    DifferentHeads {
        /// The size of the checkpoint.
        size: u64,
        /// The root of the heads map here; `None` where there are no events.
        found: Option<Hash>,
        /// The root that was signed.
        expected: Hash,
    },
    /// More bodies than one call erases.
    #[error(
        "{asked} bodies to erase at once, where {} are the most: erase them in several steps",
        super::MAX_ERASED
    )]
    TooManyErased {
        /// How many.
        asked: usize,
    },
    /// The bodies are out of reach, but not yet off the disk.
    #[error("erasing: {problem}. Nobody can read the bodies through the gateway any more, but they may still be in the database's files: erase them once more, or start the gateway again, which finishes it")]
    ErasureNotFinished {
        /// What hinders it.
        problem: String,
    },
    /// What proves the log is kept of as many chains as may be, and this is another one.
    #[error("what proves this log on {} chains is kept, which are the most, and the node's chain is none of them. Check that it is the right node; `streembit audit chains` lists the chains, and with --forget GENESIS forgets one while the gateway is stopped", super::MAX_CHAINS)]
    TooManyChains,
    /// An anchor or a checkpoint of another log.
    #[error("a checkpoint of log {found} where log {expected} is kept: the chain's answer or the configuration is mixed up")]
    ForeignCheckpoint {
        /// The log that is kept here.
        expected: Box<LogId>,
        /// The log of the checkpoint.
        found: Box<LogId>,
    },
}

impl LogError {
    pub(crate) fn storage(doing: &'static str) -> impl Fn(rocksdb::Error) -> Self {
        move |error| match error.kind() {
            rocksdb::ErrorKind::Corruption => {
                Self::Damaged { what: format!("{doing}: {}", error.into_string()) }
            }
            _ => Self::Storage { doing, problem: error.into_string() },
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
