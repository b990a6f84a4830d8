#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as streembit_log;

mod admission;
mod chain_proofs;
mod checkpoints;
mod copied_key;
mod entry;
mod erase;
mod error;
pub mod failpoint;
mod heads;
mod lineage;
mod missing_tables;
mod prove;
mod read;
mod store;
mod tiles;
mod verify;
mod watermark;
mod writer;

#[cfg(test)]
mod tests;

pub use chain_proofs::{ChainProof, KnownVoters, LastBlock, MAX_CHAINS};
pub use copied_key::{CopiedKey, SignedTwice};
pub use entry::{Fork, Head, MakeEntry, NewEntry, Proposal, Receipt};
pub use erase::{Erasure, MAX_ERASED};
pub use error::{
    AppendError, ChainProofError, CheckpointError, DamageCause, EraseError, IoError, OpenError,
    OutOfRangeError, ReadError, Refusal, RemovalError, StorageError,
};
pub use lineage::Lineage;
pub use read::LogReader;
pub use streembit_primitives::stored::{StoredBody, StoredEvent};
pub use tiles::TileReader;
pub use verify::{Finding, Place, MAX_FINDINGS};
pub use writer::Append;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use streembit_primitives::LogId;
use tokio::sync::{mpsc, oneshot, watch};
use writer::Writer;

/// The version of the database's format. Up to version 3 the tree was made with BLAKE3.
pub const FORMAT: u32 = 4;

/// The largest encoded body that is admitted, in bytes. Larger data is stored elsewhere, and its hash is logged.
pub const MAX_BODY_BYTES: usize = 16 << 10;

/// The number of appends that can wait for the writer. Further callers wait for a place.
const QUEUE: usize = 1024;

/// Receives the results of an append, one per proposal in the same order. Runs on the writer's thread.
pub type Reply = Box<dyn FnOnce(Vec<Result<Receipt, AppendError>>) + Send>;

/// An open log and its writer. Dereferences to [`LogReader`] for reads.
///
/// Clones share the writer. When the last clone is dropped, the writer finishes the waiting appends and closes the
/// database.
#[derive(Clone)]
pub struct Log {
    // Declared before the reader, so that the writer ends before the database is closed.
    writer: Arc<WriterHandle>,
    reader: LogReader,
}

struct WriterHandle {
    appends: Option<mpsc::Sender<Vec<Append>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    durable_size: watch::Receiver<u64>,
    problem: watch::Receiver<Option<AppendError>>,
    /// Allows one erasure at a time.
    erasing: Mutex<()>,
}

impl Log {
    /// Opens the log `id` in its own folder `path`, which is created if it does not exist.
    ///
    /// Returns an error if the folder holds another log, or if the log is damaged at a place that is checked here:
    /// every acknowledged entry must be present, the tree's stored peaks must lead to the stored root, the last entry
    /// must match its leaf, each device's head must be an indexed entry, and no table of the database may be missing.
    pub fn open(path: &Path, id: LogId) -> Result<Self, OpenError> {
        let acknowledged = watermark::read(path)?;
        let store = Arc::new(store::Store::open(path)?);
        failpoint::reach("open-identity");
        store::check_identity(&store, &id)?;
        failpoint::reach("open-checks");
        let reader = LogReader::new(store.clone(), id)?;
        watermark::check(reader.size(), acknowledged)?;
        reader.check_heads()?;
        missing_tables::check(reader.store(), reader.size())?;
        erase::resume(&store)?;
        chain_proofs::migrate(&store)?;
        let (appends, queue) = mpsc::channel(QUEUE);
        let (durable, durable_size) = watch::channel(reader.size());
        let (reported, problem) = watch::channel(None);
        let writer = Writer::new(store, id, reader.shared_size(), queue, durable, reported)?;
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Thread(error.into()))?;
        let writer = Arc::new(WriterHandle {
            appends: Some(appends),
            thread: Some(thread),
            durable_size,
            problem,
            erasing: Mutex::default(),
        });
        Ok(Self { writer, reader })
    }

    /// Opens the current state of the log at `path` for reading, even while a gateway writes to it.
    pub fn open_read_only(path: &Path) -> Result<LogReader, OpenError> {
        // Read before the database is opened, because the gateway may acknowledge more entries in the meantime.
        let acknowledged = watermark::read(path)?;
        let store = Arc::new(store::Store::open_read_only(path)?);
        let id = store::identity(&store)?.ok_or_else(|| OpenError::Missing { path: path.into() })?;
        let reader = LogReader::new(store, id)?;
        watermark::check(reader.size(), acknowledged)?;
        Ok(reader)
    }

    /// Returns the id of the log at `path`, or `None` if there is none yet.
    pub fn identity(path: &Path) -> Result<Option<LogId>, OpenError> {
        match store::Store::open_read_only(path) {
            Ok(store) => store::identity(&store),
            Err(OpenError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Like [`Self::open_read_only`], but also opens a damaged log, so that [`LogReader::verify`] can report the
    /// damage.
    pub fn open_for_audit(path: &Path) -> Result<LogReader, OpenError> {
        let store = Arc::new(store::Store::open_read_only(path)?);
        let id = store::identity(&store)?.ok_or_else(|| OpenError::Missing { path: path.into() })?;
        LogReader::unchecked(store, id)
    }

    /// Appends entries in order and waits until they are on disk.
    ///
    /// An entry that the log already has gets its first receipt. If an entry is refused, the others are appended all
    /// the same, and the first refusal is returned; [`Self::admit`] returns one result per entry.
    pub async fn append(&self, entries: Vec<NewEntry>) -> Result<Vec<Receipt>, AppendError> {
        self.admit(entries.into_iter().map(|entry| Proposal::Entry(Box::new(entry))).collect())
            .await
            .into_iter()
            .collect()
    }

    /// Appends the proposed events that are admitted, in order, and waits until they are on disk. Returns one result
    /// per proposal, in the same order.
    pub async fn admit(&self, proposals: Vec<Proposal>) -> Vec<Result<Receipt, AppendError>> {
        let count = proposals.len();
        let (send, receive) = oneshot::channel();
        let reply: Reply = Box::new(move |results| {
            // Fails if the caller was dropped. The entries are in the log all the same.
            let _ = send.send(results);
        });
        let closed = || vec![Err(AppendError::Closed); count];
        let Some(queue) = &self.writer.appends else { return closed() };
        if queue.send(vec![Append { proposals, reply }]).await.is_err() {
            return closed();
        }
        receive.await.unwrap_or_else(|_| closed())
    }

    /// Queues appends for the writer, blocking the thread while the queue is full.
    ///
    /// # Panics
    /// If called on a thread that runs asynchronous tasks.
    pub fn append_blocking(&self, appends: Vec<Append>) -> Result<(), AppendError> {
        let queue = self.writer.appends.as_ref().ok_or(AppendError::Closed)?;
        queue.blocking_send(appends).map_err(|_| AppendError::Closed)
    }

    /// The number of appends that wait for the writer.
    pub fn queue_len(&self) -> usize {
        self.writer.appends.as_ref().map_or(0, |appends| appends.max_capacity() - appends.capacity())
    }

    /// Returns a watch on the number of entries on disk.
    pub fn watch_size(&self) -> watch::Receiver<u64> {
        self.writer.durable_size.clone()
    }

    /// Returns a watch on the reason why the last write failed; `None` if it succeeded.
    pub fn watch_problem(&self) -> watch::Receiver<Option<AppendError>> {
        self.writer.problem.clone()
    }

    /// The reader of this log.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    fn lock_erasing(&self) -> MutexGuard<'_, ()> {
        self.writer.erasing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a failed write RocksDB refuses all others until it is opened again. Only the writer can do that.
    fn mark_for_reopen(&self) {
        self.reader.store().mark_for_reopen();
        if let Some(appends) = &self.writer.appends {
            // Wakes the writer if it is idle. If the queue is full, the writer sees the mark with its next group.
            let _ = appends.try_send(Vec::new());
        }
    }
}

impl std::ops::Deref for Log {
    type Target = LogReader;

    fn deref(&self) -> &LogReader {
        &self.reader
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Log").field(&self.reader).finish()
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        // The writer ends when its queue is closed and empty.
        self.appends = None;
        if let Some(thread) = self.thread.take() {
            // A reply may hold the last clone of the log and run this on the writer's thread, which cannot join itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("the log's writer panicked; all acknowledged events are on disk");
            }
        }
    }
}
