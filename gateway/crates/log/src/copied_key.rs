//! Copied keys: the stored proofs that two events were signed for one sequence.

use super::{admission, store::Family, Fork, LogReader, ReadError, StorageError};
use codec::Encode as _;
use serde::{Serialize, Serializer};
use streembit_primitives::{
    fork::{ForkError, ForkProof},
    DeviceId, DeviceKey, Hash, LogEntry, SignedEvent,
};

/// Two different events that one key signed for the same place in a device's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CopiedKey {
    /// The device.
    pub device: DeviceId,
    /// The sequence that was signed twice.
    pub sequence: u64,
    /// The event that came first and is in the log.
    pub first: SignedTwice,
    /// The event that was refused.
    pub second: SignedTwice,
}

/// One of the two events.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SignedTwice {
    /// The event's index in the log, or `None` for the refused event.
    pub index: Option<u64>,
    /// The hash of the event's header.
    pub hash: Hash,
    /// The signer's clock, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The gateway's clock when the event arrived, in milliseconds since the Unix epoch.
    pub received: u64,
    /// The signed event. Serialized as the hexadecimal digits of its SCALE encoding.
    #[serde(serialize_with = "as_scale")]
    pub event: SignedEvent,
}

impl CopiedKey {
    /// Verifies that `key` signed both events.
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
    /// Returns true if a key of the device was copied. No further events with that key are admitted.
    pub fn is_forked(&self, device: &DeviceId) -> Result<bool, ReadError> {
        Ok(admission::first_fork(&self.store().db(), device)?.is_some())
    }

    /// Returns the last sequence that a key of the device has signed twice, or `None` if there is none.
    pub fn forked_at(&self, device: &DeviceId) -> Result<Option<u64>, ReadError> {
        let forks = admission::forks_of(&self.store().db(), device)?;
        Ok(forks.last().map(|fork| fork.other.event.header.sequence))
    }

    /// Returns true if this key of the device was copied.
    pub fn is_copied(&self, device: &DeviceId, key: &DeviceKey) -> Result<bool, ReadError> {
        let forks = admission::forks_of(&self.store().db(), device)?;
        Ok(forks.into_iter().any(|fork| fork.other.event.verify(key).is_ok()))
    }

    /// Returns the first proof that a key of the device was copied, or `None` if there is none.
    pub fn copied_key(&self, device: &DeviceId) -> Result<Option<CopiedKey>, ReadError> {
        let fork = admission::first_fork(&self.store().db(), device)?;
        Ok(fork.map(|fork| self.copied_key_of(fork)).transpose()?)
    }

    /// Returns the proofs of all copied keys.
    pub fn forks(&self) -> Result<Vec<CopiedKey>, ReadError> {
        let forks = {
            let guard = self.store().db();
            let (db, handle) = guard.family(Family::Forks)?;
            let pairs = db.iterator_cf(handle, rocksdb::IteratorMode::Start).map(|pair| {
                let (key, value) =
                    pair.map_err(StorageError::database("reading the proofs of copied keys"))?;
                super::store::decode::<Fork>(Family::Forks, &key, &value)
            });
            pairs.collect::<Result<Vec<_>, StorageError>>()?
        };
        Ok(forks.into_iter().map(|fork| self.copied_key_of(fork)).collect::<Result<_, _>>()?)
    }

    /// Completes a stored fork with the admitted event.
    fn copied_key_of(&self, fork: Fork) -> Result<CopiedKey, StorageError> {
        let Fork { admitted, other } = fork;
        let first: LogEntry = self
            .store()
            .db()
            .value(Family::Entries, &admitted.to_be_bytes())?
            .ok_or_else(|| StorageError::damaged(format!("entry {admitted} is missing")))?;
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
