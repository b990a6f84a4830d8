//! Reading entries, heads and the events of a device, and the checks when a log is opened.

use super::{
    entry::entry_leaf,
    store::{decode, device_key, integer, meta, Family, State, Store},
    writer::load_tree,
    Head, OpenError, ReadError, StorageError, StoredBody, StoredEvent,
};
use codec::DecodeAll;
use std::{
    ops::{Range, RangeInclusive},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
};
use streembit_primitives::{event::entry_digest, merkle::NodeId, Body, DeviceId, Hash, LogEntry, LogId};

/// Reads a log. The reader of an opened [`super::Log`] sees each entry as soon as it is on disk; a reader that was
/// opened read-only keeps the state of that moment. Clones share the database.
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
    /// Checks that the stored tree and entries agree at the end of the log, where an unfinished write would show.
    pub(crate) fn new(store: Arc<Store>, id: LogId) -> Result<Self, OpenError> {
        let size = load_tree(&store)?.0.size();
        let reader = Self { store, id, size: Arc::new(AtomicU64::new(size)) };
        reader.check_end(size)?;
        Ok(reader)
    }

    /// Skips the checks. If the stored size cannot be read, the size is derived from the last entry.
    pub(crate) fn unchecked(store: Arc<Store>, id: LogId) -> Result<Self, OpenError> {
        let guard = store.db();
        let size = match guard.value::<State>(Family::Meta, meta::STATE) {
            Ok(Some(state)) => state.size,
            Ok(None) | Err(StorageError::Damaged { .. }) => match guard.last(Family::Entries)? {
                Some((key, _)) => integer(Family::Entries, &key)?.saturating_add(1),
                None => 0,
            },
            Err(error) => return Err(error.into()),
        };
        drop(guard);
        Ok(Self { store, id, size: Arc::new(AtomicU64::new(size)) })
    }

    /// Returns this reader if it reads the log `id`, and [`OpenError::OtherLog`] otherwise.
    pub fn ensure_is(self, id: LogId) -> Result<Self, OpenError> {
        if self.id == id {
            return Ok(self);
        }
        Err(OpenError::OtherLog {
            path: self.store.path().into(),
            expected: Box::new(id),
            found: Box::new(self.id),
        })
    }

    /// The gateway and epoch of the log.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// The number of entries on disk.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Returns the entry at `index` with its body, or `None` beyond the end of the log.
    pub fn stored(&self, index: u64) -> Result<Option<StoredEvent>, ReadError> {
        if index >= self.size() {
            return Ok(None);
        }
        let key = index.to_be_bytes();
        let guard = self.store.db();
        let entry: LogEntry = guard
            .value(Family::Entries, &key)?
            .ok_or_else(|| StorageError::damaged(format!("entry {index} is missing")))?;
        let body = match guard.value::<Body>(Family::Bodies, &key)? {
            Some(body) => StoredBody::Present(body),
            None => match guard.value(Family::Erasures, &key)? {
                Some(at) => StoredBody::Erased { at },
                None => StoredBody::Missing,
            },
        };
        Ok(Some(StoredEvent { index, entry, body }))
    }

    /// Returns the digests of a range of entries, which are the data of their leaves.
    pub fn digests(&self, range: Range<u64>) -> Result<Vec<Hash>, ReadError> {
        self.check_size(range.end)?;
        let guard = self.store.db();
        range
            .map(|index| {
                let bytes = guard.bytes(Family::Entries, &index.to_be_bytes())?;
                let bytes =
                    bytes.ok_or_else(|| StorageError::damaged(format!("entry {index} is missing")))?;
                Ok(entry_digest(&bytes))
            })
            .collect()
    }

    /// Returns the last event of a device, or `None` if it has none.
    pub fn head(&self, device: &DeviceId) -> Result<Option<Head>, ReadError> {
        Ok(self.store.db().value(Family::Heads, &device.0)?)
    }

    /// Returns all devices with events in the log, each with its last event.
    pub fn heads(&self) -> Result<Vec<(DeviceId, Head)>, ReadError> {
        Ok(self.read_heads()?)
    }

    fn read_heads(&self) -> Result<Vec<(DeviceId, Head)>, StorageError> {
        let guard = self.store.db();
        let (db, handle) = guard.family(Family::Heads)?;
        db.iterator_cf(handle, rocksdb::IteratorMode::Start)
            .map(|pair| {
                let (key, value) = pair.map_err(StorageError::database("reading the devices' heads"))?;
                let device = DeviceId::decode_all(&mut &*key).map_err(|error| {
                    StorageError::damaged_by(format!("heads: key {}", hex::encode(&key)), error)
                })?;
                Ok((device, decode(Family::Heads, &key, &value)?))
            })
            .collect()
    }

    /// Returns at most `limit` events of a device in order, beginning with `from_sequence`.
    pub fn device_events(
        &self,
        device: &DeviceId,
        from_sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.read_device_indexes(device, from_sequence, limit)?
            .into_iter()
            .map_while(|index| self.stored(index).transpose())
            .collect()
    }

    /// Returns the log indexes of `count` events of a device, beginning with `from_sequence`. There are fewer if the
    /// device's history ends before.
    pub fn device_indexes(
        &self,
        device: &DeviceId,
        from_sequence: u64,
        count: usize,
    ) -> Result<Vec<u64>, ReadError> {
        Ok(self.read_device_indexes(device, from_sequence, count)?)
    }

    /// Returns the events of a device with a sequence in a range, each as its sequence and its index in the log, in order.
    pub fn device_range(
        &self,
        device: &DeviceId,
        sequences: RangeInclusive<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, u64)>, ReadError> {
        let guard = self.store.db();
        let (db, handle) = guard.family(Family::ByDevice)?;
        let (start, end) = (device_key(device, *sequences.start()), device_key(device, *sequences.end()));
        let events = db
            .iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| **key <= *end.as_slice()))
            .take(limit)
            .map(|pair| {
                let (key, value) = pair.map_err(StorageError::database("reading a device's events"))?;
                Ok((sequence_of(&key)?, integer(Family::ByDevice, &value)?))
            });
        Ok(events.collect::<Result<_, StorageError>>()?)
    }

    /// Returns the last event of a device whose sequence is not above `sequence`, or `None` if there is none.
    pub fn device_event_up_to(
        &self,
        device: &DeviceId,
        sequence: u64,
    ) -> Result<Option<StoredEvent>, ReadError> {
        let index = {
            let guard = self.store.db();
            let (db, handle) = guard.family(Family::ByDevice)?;
            let last = device_key(device, sequence);
            let found = db
                .iterator_cf(handle, rocksdb::IteratorMode::From(&last, rocksdb::Direction::Reverse))
                .next()
                .transpose()
                .map_err(StorageError::database("reading a device's events"))?;
            match found {
                Some((key, value)) if key.starts_with(&device.0) => integer(Family::ByDevice, &value)?,
                _ => return Ok(None),
            }
        };
        self.stored(index)
    }

    pub(super) fn read_device_indexes(
        &self,
        device: &DeviceId,
        from_sequence: u64,
        limit: usize,
    ) -> Result<Vec<u64>, StorageError> {
        let guard = self.store.db();
        let (db, handle) = guard.family(Family::ByDevice)?;
        let start = device_key(device, from_sequence);
        db.iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&device.0)))
            .take(limit)
            .map(|pair| {
                let (_, value) = pair.map_err(StorageError::database("reading a device's events"))?;
                integer(Family::ByDevice, &value)
            })
            .collect()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn shared_size(&self) -> Arc<AtomicU64> {
        self.size.clone()
    }

    /// Checks that each device's head is an indexed event of the device.
    pub(crate) fn check_heads(&self) -> Result<(), StorageError> {
        for (device, head) in self.read_heads()? {
            let index = self.read_device_indexes(&device, head.sequence, 1)?.first().copied();
            if index != Some(head.index) || head.index >= self.size() {
                return Err(StorageError::damaged(format!("the head of device {device} is not in the log")));
            }
        }
        Ok(())
    }

    /// Checks that the last entry is the last leaf of the tree.
    fn check_end(&self, size: u64) -> Result<(), StorageError> {
        let last = self.store.db().last(Family::Entries)?;
        let stored = last.map(|(key, _)| integer(Family::Entries, &key)).transpose()?;
        if stored != size.checked_sub(1) {
            return Err(StorageError::damaged(format!(
                "the tree has {size} entries, but the last stored entry is {}",
                stored.map_or("none".into(), |index| index.to_string())
            )));
        }
        let Some(index) = stored else { return Ok(()) };
        // The body is not checked: a damaged body is for an audit to report, and must not stop the log.
        let bytes = self.store.db().bytes(Family::Entries, &index.to_be_bytes())?;
        let leaf: Option<Hash> = bytes.map(|bytes| entry_leaf(&bytes));
        if leaf != Some(self.nodes().stored_hash(NodeId { level: 0, index })?) {
            return Err(StorageError::damaged(format!("the last entry, {index}, does not match its leaf")));
        }
        Ok(())
    }
}

/// Returns the sequence in a key of [`Family::ByDevice`].
fn sequence_of(key: &[u8]) -> Result<u64, StorageError> {
    integer(Family::ByDevice, key.get(32..).unwrap_or_default())
}
