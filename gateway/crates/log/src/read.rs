//! Reading: entries, heads, proofs.

use super::{
    store::{decode, device_key, integer, meta, Family, State, Store},
    tiles::TileReader,
    writer::load_tree,
    Head, LogError, StoredBody, StoredEvent,
};
use codec::{DecodeAll, Encode};
use std::sync::{
    atomic::{AtomicU64, Ordering},
    Arc,
};
use streembit_primitives::{
    checkpoint::Anchor,
    hash::Domain,
    merkle::{ConsistencyProof, InclusionProof, NodeId, NodeStore as _, Tree, TreeError},
    Body, Checkpoint, DeviceId, Hash, LogEntry, LogId, SignedCheckpoint,
};

/// The read side of a log: sees what is on disk. Of an opened [`super::Log`] it follows the writer; opened read-only it
/// stays as it was. Clones share the database.
#[derive(Clone)]
pub struct LogReader {
    store: Arc<Store>,
    id: LogId,
    size: Arc<AtomicU64>,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {} ({} entries)", self.id, self.store.path().display(), self.size())
    }
}

impl LogReader {
    /// Checks that what is stored fits together at its end, where an unfinished write would show.
    pub(crate) fn new(store: Arc<Store>, id: LogId) -> Result<Self, LogError> {
        let size = load_tree(&store)?.0.size();
        let reader = Self { store, id, size: Arc::new(AtomicU64::new(size)) };
        reader.check_end(size)?;
        Ok(reader)
    }

    /// Takes what is stored as it is. The size is the stored one; that of the entries where it cannot be read.
    pub(crate) fn unchecked(store: Arc<Store>, id: LogId) -> Result<Self, LogError> {
        let guard = store.db();
        let size = match guard.value::<State>(Family::Meta, meta::STATE) {
            Ok(Some(state)) => state.size,
            Ok(None) | Err(LogError::Damaged { .. }) => match guard.last(Family::Entries)? {
                Some((key, _)) => integer(Family::Entries, &key)?.saturating_add(1),
                None => 0,
            },
            Err(error) => return Err(error),
        };
        drop(guard);
        Ok(Self { store, id, size: Arc::new(AtomicU64::new(size)) })
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// How many entries are on disk.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The root of the first `size` entries.
    pub fn root(&self, size: u64) -> Result<Hash, LogError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).root()
    }

    /// An entry with its body; `None` beyond the end.
    pub fn stored(&self, index: u64) -> Result<Option<StoredEvent>, LogError> {
        if index >= self.size() {
            return Ok(None);
        }
        let key = index.to_be_bytes();
        let guard = self.store.db();
        let entry: LogEntry = guard
            .value(Family::Entries, &key)?
            .ok_or_else(|| LogError::damaged(format!("entry {index} is not there")))?;
        let body = match guard.value::<Body>(Family::Bodies, &key)? {
            Some(body) => StoredBody::Present(body),
            None => match guard.value(Family::Erasures, &key)? {
                Some(at) => StoredBody::Erased { at },
                None => StoredBody::Missing,
            },
        };
        Ok(Some(StoredEvent { index, entry, body }))
    }

    /// The last event of a device.
    pub fn head(&self, device: &DeviceId) -> Result<Option<Head>, LogError> {
        self.store.db().value(Family::Heads, &device.0)
    }

    /// The devices that have events here, each with its last.
    pub fn heads(&self) -> Result<Vec<(DeviceId, Head)>, LogError> {
        let guard = self.store.db();
        let (db, handle) = guard.family(Family::Heads)?;
        db.iterator_cf(handle, rocksdb::IteratorMode::Start)
            .map(|pair| {
                let (key, value) = pair.map_err(LogError::storage("reading the devices' heads"))?;
                let device = DeviceId::decode_all(&mut &*key)
                    .map_err(|_| LogError::damaged(format!("heads: key {}", hex::encode(&key))))?;
                Ok((device, decode(Family::Heads, &key, &value)?))
            })
            .collect()
    }

    /// A device's events in order, from a sequence on, at most `limit`.
    pub fn device_events(
        &self,
        device: &DeviceId,
        from_sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, LogError> {
        self.device_indexes(device, from_sequence, limit)?
            .into_iter()
            .map_while(|index| self.stored(index).transpose())
            .collect()
    }

    /// Where a device's events of a span of its history are in the log; fewer where the history ends before.
    pub fn device_places(&self, device: &DeviceId, first: u64, count: usize) -> Result<Vec<u64>, LogError> {
        self.device_indexes(device, first, count)
    }

    /// Proves that an entry is among the first `size`.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, LogError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).prove_inclusion(index).map_err(from_tree)
    }

    /// Proves that the first `size` entries extend the first `old`.
    pub fn consistency(&self, old: u64, size: u64) -> Result<ConsistencyProof, LogError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).prove_consistency(old).map_err(from_tree)
    }

    /// The largest checkpoint that was kept.
    pub fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>, LogError> {
        self.last(Family::Checkpoints)
    }

    /// The largest anchor that was kept.
    pub fn last_anchor(&self) -> Result<Option<Anchor>, LogError> {
        self.last(Family::Anchors)
    }

    /// Whether this log still is what the chain has anchored, or an extension of it.
    pub fn check_against(&self, anchor: &Anchor) -> Result<(), LogError> {
        let Checkpoint { size: anchored, root: expected, heads_root, .. } = anchor.checkpoint;
        self.check_log(&anchor.checkpoint)?;
        let size = self.size();
        if size < anchored {
            return Err(LogError::ShorterThanAnchor { size, anchored });
        }
        let found = self.root(anchored)?;
        if found != expected {
            return Err(LogError::DifferentFromAnchor { anchored, found, expected });
        }
        self.check_heads_root(anchored, heads_root)
    }

    /// Whether a checkpoint is of this log, and commits to its devices' last events as they are here.
    pub fn check_own(&self, checkpoint: &Checkpoint) -> Result<(), LogError> {
        self.check_log(checkpoint)?;
        self.check_heads_root(checkpoint.size, checkpoint.heads_root)
    }

    /// Whether the devices' last events are what a checkpoint commits to; one without a heads map says nothing of them.
    fn check_heads_root(&self, size: u64, expected: Option<Hash>) -> Result<(), LogError> {
        let Some(expected) = expected else { return Ok(()) };
        match self.heads_root(size)? {
            Some(found) if found == expected => Ok(()),
            found => Err(LogError::DifferentHeads { size, found, expected }),
        }
    }

    fn check_log(&self, checkpoint: &Checkpoint) -> Result<(), LogError> {
        if checkpoint.log != self.id {
            return Err(LogError::ForeignCheckpoint {
                expected: Box::new(self.id),
                found: Box::new(checkpoint.log),
            });
        }
        Ok(())
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn shared_size(&self) -> Arc<AtomicU64> {
        self.size.clone()
    }

    /// Whether each device's head is an event of it that is in the log.
    pub(crate) fn check_heads(&self) -> Result<(), LogError> {
        for (device, head) in self.heads()? {
            let index = self.device_indexes(&device, head.sequence, 1)?.first().copied();
            if index != Some(head.index) || head.index >= self.size() {
                return Err(LogError::damaged(format!("the head of device {device} is not in the log")));
            }
        }
        Ok(())
    }

    /// Whether entries and leaves end where the tree does.
    fn check_end(&self, size: u64) -> Result<(), LogError> {
        let last = self.store.db().last(Family::Entries)?;
        let stored = last.map(|(key, _)| integer(Family::Entries, &key)).transpose()?;
        if stored != size.checked_sub(1) {
            return Err(LogError::damaged(format!(
                "the tree has {size} entries, but the last stored one is {}",
                stored.map_or("none".into(), |index| index.to_string())
            )));
        }
        let Some(index) = stored else { return Ok(()) };
        // The body is not asked for: a damaged one is for the audit to name, the log goes on.
        let bytes = self.store.db().bytes(Family::Entries, &index.to_be_bytes())?;
        let leaf = bytes.map(|bytes| Domain::LogLeaf.hash(&bytes));
        if leaf != Some(self.nodes().node(NodeId { level: 0, index })?) {
            return Err(LogError::damaged(format!("entry {index}, the last, is not what its leaf says")));
        }
        Ok(())
    }

    pub(super) fn device_indexes(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<u64>, LogError> {
        let guard = self.store.db();
        let (db, handle) = guard.family(Family::ByDevice)?;
        let start = device_key(device, from);
        db.iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&device.0)))
            .take(limit)
            .map(|pair| {
                let (_, value) = pair.map_err(LogError::storage("reading a device's events"))?;
                integer(Family::ByDevice, &value)
            })
            .collect()
    }

    fn last<T: codec::Decode + Encode>(&self, family: Family) -> Result<Option<T>, LogError> {
        self.store.db().last(family)?.map(|(key, value)| decode(family, &key, &value)).transpose()
    }

    pub(super) fn check_size(&self, asked: u64) -> Result<(), LogError> {
        let size = self.size();
        if asked > size {
            return Err(LogError::OutOfRange { asked, size });
        }
        Ok(())
    }

    /// The nodes of the tree, for whoever reads many that are close together.
    pub fn nodes(&self) -> TileReader<'_> {
        TileReader::new(&self.store)
    }
}

fn from_tree(error: TreeError<LogError>) -> LogError {
    match error {
        TreeError::OutOfRange { asked, size } => LogError::OutOfRange { asked, size },
        TreeError::Store(error) => error,
    }
}
