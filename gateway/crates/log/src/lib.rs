#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as streembit_log;

mod chain_proofs;
mod entry;
mod erase;
mod error;
pub mod failpoint;
mod fork;
mod heads;
mod order;
mod read;
mod store;
mod tables;
mod tiles;
mod verify;
mod watermark;
mod writer;

#[cfg(test)]
mod tests;

pub use chain_proofs::{ChainProof, KnownVoters, LastBlock, MAX_CHAINS};
pub use entry::{Fork, Head, Make, NewEntry, Proposal, Receipt};
pub use erase::{Erasure, MAX_ERASED};
pub use error::{LogError, Refusal};
pub use fork::{CopiedKey, SignedTwice};
pub use read::LogReader;
pub use streembit_primitives::stored::{StoredBody, StoredEvent};
pub use tiles::TileReader;
pub use verify::{Finding, Place, MAX_FINDINGS};

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use streembit_primitives::{checkpoint::Anchor, LogId, SignedCheckpoint};
use tokio::sync::{mpsc, oneshot, watch};
pub use writer::Append;
use writer::Writer;

/// The version of the database's layout.
pub const FORMAT: u32 = 3;

/// The largest body that is admitted, in bytes when encoded; larger things travel by hash.
pub const MAX_BODY_BYTES: usize = 16 << 10;

/// How many appends may wait for the writer; whoever comes next waits for a place.
const QUEUE: usize = 1024;

/// What hears of the results of an append: one for each proposal, in their order.
pub type Reply = Box<dyn FnOnce(Vec<Result<Receipt, LogError>>) + Send>;

/// The log with its writer. Clones share both; the last one dropped lets the writer finish what waits, and closes the
/// database. Reads are those of [`LogReader`].
#[derive(Clone)]
pub struct Log {
    // Before the reader: the writer ends first, then the database is closed.
    writer: Arc<Handle>,
    reader: LogReader,
}

struct Handle {
    appends: Option<mpsc::Sender<Vec<Append>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    durable: watch::Receiver<u64>,
    /// One erasure at a time.
    erasing: Mutex<()>,
}

impl Log {
    /// Opens the log of `id` in a folder of its own, made where it is not there.
    ///
    /// Refuses what is not this log or not whole: it must have all that was acknowledged, the tree's stored peaks must
    /// lead to the stored root, the last entry to its leaf, each device's head to its entry, and no table may be missing.
    pub fn open(path: &Path, id: LogId) -> Result<Self, LogError> {
        let acknowledged = watermark::read(path)?;
        let store = Arc::new(store::Store::open(path)?);
        failpoint::reach("open-identity");
        store::check_identity(&store, &id)?;
        failpoint::reach("open-checks");
        let reader = LogReader::new(store.clone(), id)?;
        watermark::check(reader.size(), acknowledged)?;
        reader.check_heads()?;
        tables::check(reader.store(), reader.size())?;
        erase::resume(&store)?;
        chain_proofs::convert(&store)?;
        let (appends, queue) = mpsc::channel(QUEUE);
        let (durable_tx, durable) = watch::channel(reader.size());
        let writer = Writer::new(store, reader.shared_size(), queue, durable_tx)?;
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| LogError::Open { path: path.into(), problem: error.to_string() })?;
        let writer = Arc::new(Handle {
            appends: Some(appends),
            thread: Some(thread),
            durable,
            erasing: Mutex::default(),
        });
        Ok(Self { writer, reader })
    }

    /// Opens what is on disk now, to read only; also beside the gateway that is writing it.
    pub fn open_read_only(path: &Path) -> Result<LogReader, LogError> {
        // Read first: the gateway may acknowledge more while this opens.
        let acknowledged = watermark::read(path)?;
        let store = Arc::new(store::Store::open_read_only(path)?);
        let id = store::identity(&store)?.ok_or_else(|| LogError::Missing { path: path.into() })?;
        let reader = LogReader::new(store, id)?;
        watermark::check(reader.size(), acknowledged)?;
        Ok(reader)
    }

    /// Opens what is on disk now, to read only and as it is: what [`Self::open_read_only`] refuses as damaged is left
    /// for [`LogReader::verify`] to name.
    pub fn open_for_audit(path: &Path) -> Result<LogReader, LogError> {
        let store = Arc::new(store::Store::open_read_only(path)?);
        let id = store::identity(&store)?.ok_or_else(|| LogError::Missing { path: path.into() })?;
        LogReader::unchecked(store, id)
    }

    /// Appends entries, all of them after one another; waits for a place in the queue, then for the synced write.
    ///
    /// An entry that is already in the log gets its first receipt. If one is refused the others are appended all the
    /// same, and the error is the first refusal; [`Self::admit`] tells of each.
    pub async fn append(&self, entries: Vec<NewEntry>) -> Result<Vec<Receipt>, LogError> {
        self.admit(entries.into_iter().map(|entry| Proposal::Entry(Box::new(entry))).collect())
            .await
            .into_iter()
            .collect()
    }

    /// Admits what can be admitted, in order, and tells of each.
    pub async fn admit(&self, proposals: Vec<Proposal>) -> Vec<Result<Receipt, LogError>> {
        let count = proposals.len();
        let (send, receive) = oneshot::channel();
        let reply: Reply = Box::new(move |results| {
            // Nobody waits any more: the caller was dropped, the entries are in.
            let _ = send.send(results);
        });
        let closed = || vec![Err(LogError::Closed); count];
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
    pub fn append_blocking(&self, appends: Vec<Append>) -> Result<(), LogError> {
        let queue = self.writer.appends.as_ref().ok_or(LogError::Closed)?;
        queue.blocking_send(appends).map_err(|_| LogError::Closed)
    }

    /// How many appends wait for the writer.
    pub fn queue(&self) -> usize {
        self.writer.appends.as_ref().map_or(0, |appends| appends.max_capacity() - appends.capacity())
    }

    /// The durable size, as it changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.writer.durable.clone()
    }

    /// Keeps a checkpoint of this log, synced.
    pub fn put_checkpoint(&self, checkpoint: &SignedCheckpoint) -> Result<(), LogError> {
        let content = &checkpoint.checkpoint;
        self.reader.check_own(content)?;
        failpoint::reach("checkpoint-before");
        self.keep(store::Family::Checkpoints, content.size, checkpoint)?;
        failpoint::reach("checkpoint-after");
        Ok(())
    }

    /// Keeps an anchor of this log, synced. Refuses one that this log does not agree with.
    pub fn put_anchor(&self, anchor: &Anchor) -> Result<(), LogError> {
        self.reader.check_against(anchor)?;
        failpoint::reach("anchor-before");
        self.keep(store::Family::Anchors, anchor.checkpoint.size, anchor)?;
        failpoint::reach("anchor-after");
        Ok(())
    }

    fn erasing(&self) -> MutexGuard<'_, ()> {
        self.writer.erasing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one value, synced.
    fn keep(&self, family: store::Family, size: u64, value: &impl codec::Encode) -> Result<(), LogError> {
        // In a statement of its own, so that the database is not held when the writer opens it.
        let kept = self.reader.store().db().put(family, &size.to_be_bytes(), value);
        kept.inspect_err(|error| self.mark_for_reopen(error))
    }

    /// After a write that failed RocksDB takes none: tells the writer, which opens it again, also where no event comes.
    fn mark_for_reopen(&self, error: &LogError) {
        self.reader.store().mark_for_reopen(error.clone());
        if let Some(appends) = &self.writer.appends {
            // A full queue has a group in it, which finds the mark.
            let _ = appends.try_send(Vec::new());
        }
    }

    /// The read side alone.
    pub fn reader(&self) -> &LogReader {
        &self.reader
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

impl Drop for Handle {
    fn drop(&mut self) {
        // The writer ends when its queue is closed and empty.
        self.appends = None;
        if let Some(thread) = self.thread.take() {
            // A reply may hold the last handle: then this is the writer's own thread, which cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("the log's writer ended in a panic; what was acknowledged is on disk");
            }
        }
    }
}
