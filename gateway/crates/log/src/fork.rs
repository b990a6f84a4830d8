//! Copied keys: the proofs that the log keeps of them.

use super::{order, store::Family, Fork, LogReader, ReadError, StorageError};
use codec::Encode as _;
use serde::{Serialize, Serializer};
use streembit_primitives::{
    fork::{ForkError, ForkProof},
    DeviceId, DeviceKey, Hash, LogEntry, SignedEvent,
};

/// Two events that one key signed for one place of a device's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CopiedKey {
    /// The device.
    pub device: DeviceId,
    /// The place that was signed for twice.
    pub sequence: u64,
    /// The event that came first, and is in the log.
    pub first: SignedTwice,
    /// The one that was refused because of it.
    pub second: SignedTwice,
}

/// One of the two.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SignedTwice {
    /// Its place in the log, where it is there.
    pub index: Option<u64>,
    /// The hash of its header.
    pub hash: Hash,
    /// When it happened, by the signer's clock.
    pub time: u64,
    /// When the gateway received it.
    pub received: u64,
    /// The signed event, SCALE in hexadecimal digits.
    #[serde(serialize_with = "as_scale")]
    pub event: SignedEvent,
}

impl CopiedKey {
    /// Whether the key signed both.
    pub fn verify(&self, key: &DeviceKey) -> Result<(), ForkError> {
        ForkProof { first: self.first.event.clone(), second: self.second.event.clone() }.verify(key)
    }
}

impl SignedTwice {
    fn new(index: Option<u64>, entry: LogEntry) -> Self {
        let LogEntry { event, received } = entry;
        Self { index, hash: event.header.hash(), time: event.header.time, received, event }
    }
}

impl LogReader {
    /// Whether nothing more is taken from a device because its key was copied.
    pub fn is_forked(&self, device: &DeviceId) -> Result<bool, ReadError> {
        Ok(order::first_fork(&self.store().db(), device)?.is_some())
    }

    /// The two events that prove that a device's key was copied.
    pub fn copied_key(&self, device: &DeviceId) -> Result<Option<CopiedKey>, ReadError> {
        Ok(order::first_fork(&self.store().db(), device)?.map(|fork| self.with_first(fork)).transpose()?)
    }

    /// The proofs of all keys that were copied.
    pub fn forks(&self) -> Result<Vec<CopiedKey>, ReadError> {
        let kept = {
            let guard = self.store().db();
            let (db, handle) = guard.family(Family::Forks)?;
            let pairs = db.iterator_cf(handle, rocksdb::IteratorMode::Start).map(|pair| {
                let (key, value) =
                    pair.map_err(StorageError::database("reading the proofs of copied keys"))?;
                super::store::decode::<Fork>(Family::Forks, &key, &value)
            });
            pairs.collect::<Result<Vec<_>, StorageError>>()?
        };
        Ok(kept.into_iter().map(|fork| self.with_first(fork)).collect::<Result<_, _>>()?)
    }

    fn with_first(&self, fork: Fork) -> Result<CopiedKey, StorageError> {
        let Fork { admitted, other } = fork;
        let first: LogEntry = self
            .store()
            .db()
            .value(Family::Entries, &admitted.to_be_bytes())?
            .ok_or_else(|| StorageError::damaged(format!("entry {admitted} is not there")))?;
        let (device, sequence) = (other.event.header.device, other.event.header.sequence);
        Ok(CopiedKey {
            device,
            sequence,
            first: SignedTwice::new(Some(admitted), first),
            second: SignedTwice::new(None, other),
        })
    }
}

fn as_scale<S: Serializer>(event: &SignedEvent, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("0x{}", hex::encode(event.encode())))
}
