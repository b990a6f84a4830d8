//! The errors of the log: one type per operation, and [`StorageError`], which all operations share.

use std::{fmt, io, path::PathBuf, sync::Arc};
use streembit_primitives::{event::EventError, DeviceId, Hash, LogId};

/// An event was not admitted. The log itself is intact.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The event is malformed, or does not follow its device's last event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The body is larger than [`super::MAX_BODY_BYTES`].
    #[error("the body has {bytes} bytes, but at most {} are allowed: split it, or store the large part elsewhere and log its hash", super::MAX_BODY_BYTES)]
    BodyTooLarge {
        /// The size of the encoded body, in bytes.
        bytes: usize,
    },
    /// The device's key signed two events for one sequence, so somebody has a copy of it.
    #[error("device {device} signed two different events as number {sequence}: its key was copied. Both events are kept as proof, and no further events with this key are admitted. Give the device a new key, by a rotation or a recovery on the chain; what it has logged so far stays proven")]
    Forked {
        /// The device.
        device: DeviceId,
        /// The sequence that was signed twice.
        sequence: u64,
    },
    /// The log has an event with this sequence that another key of the device has signed.
    #[error("the log already has an event {sequence} of device {device}, signed with an earlier key: the new key begins too early. The gateway does not anchor such events, so let the owner declare those from the new key's first one up to the last one in this log lost, and continue after them")]
    OtherKey {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
    },
    /// The event is declared lost.
    #[error("event {sequence} of device {device} is declared lost: the next event has the sequence {until}")]
    Lost {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
        /// The first sequence that is not lost.
        until: u64,
    },
    /// The event belongs to another log.
    #[error("event {sequence} of device {device} belongs to log {log}, as the device's record on the chain says: send it to the gateway of that log, or assign the device to this log")]
    OtherLog {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
        /// The log.
        log: Box<LogId>,
    },
    /// The event belongs to another epoch of the same gateway.
    #[error("event {sequence} of device {device} belongs to epoch {epoch} of this gateway, as the device's record on the chain says: assign the device to the open epoch")]
    OtherEpoch {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
        /// The epoch.
        epoch: u32,
    },
    /// The event before this one is in a log that the gateway does not have, and the gateway was not told its hash.
    #[error("event {sequence} of device {device} must name the event before it, which is in another log and not known here: tell the gateway the device's last event in that log")]
    UnknownPrevious {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
    },
    /// The device is out of use for good.
    #[error("device {device} is retired: no further events of it are admitted")]
    Retired {
        /// The device.
        device: DeviceId,
    },
}

/// Opening a log failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the database open.
    #[error("the log at {path} is in use by another process: only one process can write to it. Stop the other gateway first, or open the log read-only")]
    Locked {
        /// The database's folder.
        path: PathBuf,
    },
    /// The folder, or a file in it, could not be created or opened.
    #[error("opening the log at {path}: {source}. Check that the folder exists, belongs to this user, and is on a writable disk with free space")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The error of the operating system.
        source: IoError,
    },
    /// RocksDB could not open the database.
    #[error("opening the log at {path}: {source}. Check that the folder exists, belongs to this user, and is on a writable disk with free space")]
    Database {
        /// The database's folder.
        path: PathBuf,
        /// The error of RocksDB.
        source: rocksdb::Error,
    },
    /// There is no log to read.
    #[error("there is no log at {path}: check the configured data folder, or run the gateway once")]
    Missing {
        /// The database's folder.
        path: PathBuf,
    },
    /// The database holds the log of another gateway or of another epoch.
    #[error("the log at {path} is {found}, not {expected}: configure the data folder of this gateway, or use the key that the log was created with")]
    OtherLog {
        /// The database's folder.
        path: PathBuf,
        /// The log that was asked for.
        expected: Box<LogId>,
        /// The log that is stored there.
        found: Box<LogId>,
    },
    /// The database has the format of a newer release.
    #[error(
        "the log at {path} has format {found}, but this release reads format {}: use the newer release that wrote it",
        super::FORMAT
    )]
    NewerFormat {
        /// The database's folder.
        path: PathBuf,
        /// The version of the format.
        found: u32,
    },
    /// The database has the format of an older release.
    #[error(
        "the log at {path} has format {found}, whose tree is made with BLAKE3, but this release reads format {} with SHA-256: \
         keep the folder and read it with the release that wrote it, and configure an empty folder for a new log",
        super::FORMAT
    )]
    OlderFormat {
        /// The database's folder.
        path: PathBuf,
        /// The version of the format.
        found: u32,
    },
    /// The operating system refused the writer's thread.
    #[error("starting the thread that writes the log: {0}. Check the limits on processes and memory")]
    Thread(#[source] IoError),
    /// The stored log is damaged or cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Appending an event failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The event was not admitted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database could not be opened again after a failed write.
    #[error("after a failed write: {0}")]
    Reopen(#[from] Box<OpenError>),
    /// The writer has ended.
    #[error("the log is closed: the gateway is shutting down or its log writer has failed; start it again")]
    Closed,
}

/// Reading or proving failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// The database could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log does not have this entry, or is not this large.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRangeError),
}

/// Erasing bodies failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EraseError {
    /// More than [`super::MAX_ERASED`] bodies in one call.
    #[error(
        "{asked} bodies to erase at once, but at most {} are allowed: erase them in several calls",
        super::MAX_ERASED
    )]
    TooMany {
        /// The number of bodies.
        asked: usize,
    },
    /// The log does not have one of the entries.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRangeError),
    /// The database could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The bodies can no longer be read through the log, but they may still be on the disk.
    #[error("erasing: {0}. The bodies can no longer be read through the gateway, but they may still be in the files of the database: erase them once more, or start the gateway again, which finishes the erasure")]
    NotFinished(#[from] RemovalError),
}

/// The files that hold erased bodies were not removed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RemovalError {
    /// RocksDB could not rewrite them.
    #[error(transparent)]
    Database(#[from] rocksdb::Error),
    /// A file was not removed in time.
    #[error("{path} is still there")]
    StillThere {
        /// The file.
        path: PathBuf,
    },
}

/// A checkpoint or an anchor was not stored, or could not be compared with the log, or the log does not agree with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The log has fewer entries than were anchored.
    #[error("the log has {size} entries, but {anchored} are anchored: its end is lost. Restore the data folder from a backup that has it; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    ShorterThanAnchor {
        /// The size of the log.
        size: u64,
        /// The anchored size.
        anchored: u64,
    },
    /// The log has other entries than were anchored.
    #[error("the first {anchored} entries of the log lead to root {found}, but root {expected} is anchored: they were changed. Restore the data folder from a backup; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    DifferentFromAnchor {
        /// The anchored size.
        anchored: u64,
        /// The root of the log at that size.
        found: Hash,
        /// The anchored root.
        expected: Hash,
    },
    /// The devices' last events differ from those that were signed.
    #[error("after {size} entries the devices' last events lead to root {found}, but root {expected} was signed: the log's indexes were changed. Restore the data folder from a backup")]
    DifferentHeads {
        /// The size of the checkpoint.
        size: u64,
        /// The root of the log's heads map.
        found: Hash,
        /// The signed root.
        expected: Hash,
    },
    /// The checkpoint is of another log.
    #[error("a checkpoint of log {found} does not belong to log {expected}: check that the gateway uses its own key and data folder, and a node of its chain")]
    ForeignCheckpoint {
        /// The log that is stored here.
        expected: Box<LogId>,
        /// The log of the checkpoint.
        found: Box<LogId>,
    },
    /// The checkpoint is larger than the log.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRangeError),
    /// The database could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The proof of a chain was not stored or read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChainProofError {
    /// Proofs of [`super::MAX_CHAINS`] other chains are stored already.
    #[error("the log is proven on {} other chains already, which is the maximum: check that the node is the right one, or forget one of the chains", super::MAX_CHAINS)]
    TooManyChains,
    /// The database could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The database could not be read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StorageError {
    /// Stored data is missing, or is not what it must be.
    #[error("the log is damaged: {what}. Stop the gateway, keep a copy of the folder, and restore the data folder from a backup")]
    Damaged {
        /// The data, and what is wrong with it.
        what: String,
        /// The error that revealed the damage, if another library found it.
        source: Option<DamageCause>,
    },
    /// RocksDB could not read or write.
    #[error("{doing}: {source}. No acknowledged event is lost; check the disk and its free space. The log resumes by itself")]
    Database {
        /// The operation.
        doing: &'static str,
        /// The error of RocksDB.
        source: rocksdb::Error,
    },
    /// The operating system could not read or write.
    #[error("{doing}: {source}. No acknowledged event is lost; check the disk and its free space. The log resumes by itself")]
    File {
        /// The operation.
        doing: &'static str,
        /// The error of the operating system.
        source: IoError,
    },
    /// The database is closed because it could not be opened again after a failed write.
    #[error("using the log: it could not be opened again after a failed write. No acknowledged event is lost; check the disk and its free space. The log resumes by itself")]
    Unavailable,
}

/// The error that revealed damaged data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DamageCause {
    /// RocksDB found a checksum or a file wrong.
    #[error(transparent)]
    Database(#[from] rocksdb::Error),
    /// A stored value is not an encoding of its type.
    #[error(transparent)]
    Encoding(#[from] codec::Error),
}

/// An entry or a size beyond the end of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{asked} is outside of a log of {size} entries")]
pub struct OutOfRangeError {
    /// The index or size that was asked for.
    pub asked: u64,
    /// The size of the log.
    pub size: u64,
}

/// An error of the operating system that can be cloned. Two are equal if they have the same kind and text.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct IoError(Arc<io::Error>);

impl From<io::Error> for IoError {
    fn from(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl PartialEq for IoError {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind() == other.0.kind() && self.0.to_string() == other.0.to_string()
    }
}

impl Eq for IoError {}

impl StorageError {
    /// Returns true if the same operation can succeed later. Damage stays; a full disk does not.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::Damaged { .. })
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), source: None }
    }

    /// Damage that another library found in `what`.
    pub(crate) fn damaged_by(what: impl fmt::Display, cause: impl Into<DamageCause>) -> Self {
        let cause = cause.into();
        Self::Damaged { what: format!("{what}: {cause}"), source: Some(cause) }
    }

    /// An error of RocksDB: damage if it reports corruption.
    pub(crate) fn database(doing: &'static str) -> impl Fn(rocksdb::Error) -> Self {
        move |source| match source.kind() {
            rocksdb::ErrorKind::Corruption => Self::damaged_by(doing, source),
            _ => Self::Database { doing, source },
        }
    }
}

impl ReadError {
    /// Returns true if the same read can succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_temporary())
    }
}

impl AppendError {
    /// Returns true if the log was not able to store the event, but may be later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_temporary(),
            Self::Reopen(error) => match &**error {
                OpenError::Storage(error) => error.is_temporary(),
                // A full disk, for example.
                OpenError::Folder { .. } | OpenError::Database { .. } | OpenError::Locked { .. } => true,
                _ => false,
            },
            Self::Closed => true,
            Self::Refused(_) => false,
        }
    }
}

impl CheckpointError {
    /// Returns true if the checkpoint could not be read, compared or written now, but may be later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_temporary())
    }
}

impl From<ReadError> for CheckpointError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => Self::Storage(error),
            ReadError::OutOfRange(error) => Self::OutOfRange(error),
        }
    }
}
