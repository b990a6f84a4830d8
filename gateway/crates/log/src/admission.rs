//! Decides which events are admitted.
//!
//! The decision is made on the writer's thread, which alone knows the events that are about to be written. So no other
//! event can be appended between reading a device's head and appending the event that follows it.

use super::{
    store::{device_key, integer, Family, Guard},
    Fork, Head, NewEntry, Receipt, Refusal, StorageError,
};
use std::collections::HashMap;
use streembit_primitives::{DeviceId, LogEntry};

/// The state of the devices, read from the database when first needed. It includes the events of the current group,
/// which are not on disk yet.
#[derive(Default)]
pub(crate) struct Devices(HashMap<DeviceId, Device>);

#[derive(Clone, Copy)]
struct Device {
    /// The last event.
    head: Option<Head>,
    /// The sequence that the device's key has signed twice.
    forked: Option<u64>,
}

/// The decision on an event.
pub(crate) enum Admission {
    /// Append it.
    Append,
    /// The log already has it.
    Duplicate(Receipt),
    /// It proves that the device's key was copied: keep the proof, but do not append the event.
    Fork(Fork),
    /// Refuse it.
    Refuse(Refusal),
}

impl Devices {
    /// Returns the last event of a device.
    pub(crate) fn head(&mut self, db: &Guard<'_>, device: &DeviceId) -> Result<Option<Head>, StorageError> {
        Ok(self.device(db, device)?.head)
    }

    /// Decides on an event. `appended` are the events of the current group that come before it.
    pub(crate) fn decide(
        &mut self,
        db: &Guard<'_>,
        entry: &NewEntry,
        appended: &[Receipt],
    ) -> Result<Admission, StorageError> {
        let header = entry.header();
        let device = *self.device(db, &header.device)?;
        if device.head.is_some_and(|head| header.sequence <= head.sequence) {
            let first = match appended
                .iter()
                .find(|receipt| receipt.device == header.device && receipt.sequence == header.sequence)
            {
                Some(receipt) => *receipt,
                None => stored_receipt(db, &header.device, header.sequence)?,
            };
            if first.hash == entry.hash() {
                return Ok(Admission::Duplicate(first));
            }
            if device.forked.is_none() {
                let other = LogEntry { event: entry.signed().clone(), received: entry.received() };
                return Ok(Admission::Fork(Fork { admitted: first.index, other }));
            }
        }
        if let Some(sequence) = device.forked {
            return Ok(Admission::Refuse(Refusal::Forked { device: header.device, sequence }));
        }
        Ok(match header.ensure_follows(device.head.map(|head| (head.sequence, head.hash))) {
            Ok(()) => Admission::Append,
            Err(error) => Admission::Refuse(error.into()),
        })
    }

    /// Records a device's new last event.
    pub(crate) fn set_head(&mut self, device: DeviceId, head: Head) {
        self.0.entry(device).and_modify(|known| known.head = Some(head));
    }

    /// Records that a device's key has signed `sequence` twice.
    pub(crate) fn set_forked(&mut self, device: DeviceId, sequence: u64) {
        self.0.entry(device).and_modify(|known| known.forked = Some(sequence));
    }

    /// Forgets everything, because the events of the current group were not written.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn device(&mut self, db: &Guard<'_>, id: &DeviceId) -> Result<&Device, StorageError> {
        match self.0.entry(*id) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let head = db.value(Family::Heads, &id.0)?;
                let forked = first_fork(db, id)?.map(|fork| fork.other.event.header.sequence);
                Ok(unknown.insert(Device { head, forked }))
            }
        }
    }
}

/// Returns the proof that a device's key was copied, or `None` if there is none.
pub(crate) fn first_fork(guard: &Guard<'_>, device: &DeviceId) -> Result<Option<Fork>, StorageError> {
    let (db, handle) = guard.family(Family::Forks)?;
    let start = device_key(device, 0);
    let next = db
        .iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
        .next()
        .transpose()
        .map_err(StorageError::database("reading the proofs of copied keys"))?;
    match next {
        Some((key, value)) if key.starts_with(&device.0) => {
            super::store::decode(Family::Forks, &key, &value).map(Some)
        }
        _ => Ok(None),
    }
}

/// Rebuilds the receipt of a stored event.
fn stored_receipt(guard: &Guard<'_>, device: &DeviceId, sequence: u64) -> Result<Receipt, StorageError> {
    let key = device_key(device, sequence);
    let missing =
        || StorageError::damaged(format!("event {sequence} of device {device} is missing or misplaced"));
    let index = integer(Family::ByDevice, &guard.bytes(Family::ByDevice, &key)?.ok_or_else(missing)?)?;
    let entry: LogEntry = guard.value(Family::Entries, &index.to_be_bytes())?.ok_or_else(missing)?;
    if entry.event.header.device != *device || entry.event.header.sequence != sequence {
        return Err(missing());
    }
    let hash = entry.event.header.hash();
    Ok(Receipt { index, device: *device, sequence, hash, received: entry.received })
}
