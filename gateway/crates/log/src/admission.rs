//! Decides which events are admitted.
//!
//! The decision is made on the writer's thread, which alone knows the events that are about to be written. So no other
//! event can be appended between reading a device's head and appending the event that follows it.

use super::{
    store::{device_key, integer, Family, Guard},
    Fork, Head, NewEntry, Receipt, Refusal, StorageError,
};
use std::collections::HashMap;
use streembit_primitives::{DeviceId, LogEntry, LogId, SignedEvent};

/// The state of the devices, read from the database when first needed. It includes the events of the current group,
/// which are not on disk yet.
pub(crate) struct Devices {
    log: LogId,
    known: HashMap<DeviceId, Device>,
}

#[derive(Clone)]
struct Device {
    /// The last event.
    head: Option<Head>,
    /// The refused events that prove a copied key: at most one for each key of the device.
    forks: Vec<SignedEvent>,
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
    pub(crate) fn new(log: LogId) -> Self {
        Self { log, known: HashMap::new() }
    }

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
        let device = self.device(db, &header.device)?.clone();
        if device.head.is_some_and(|head| header.sequence <= head.sequence) {
            if let Some(admission) = decide_on_known(db, entry, appended, &device)? {
                return Ok(admission);
            }
        }
        if let Some(sequence) = forked_with_same_key(entry, &device) {
            return Ok(Admission::Refuse(Refusal::Forked { device: header.device, sequence }));
        }
        let follows = match entry.lineage() {
            Some(lineage) => lineage.ensure_follows(&self.log, header, device.head.as_ref()),
            None => {
                let last = device.head.map(|head| (head.sequence, head.hash));
                header.ensure_follows(last).map_err(Refusal::from)
            }
        };
        Ok(follows.map_or_else(Admission::Refuse, |()| Admission::Append))
    }

    /// Records a device's new last event.
    pub(crate) fn set_head(&mut self, device: DeviceId, head: Head) {
        self.known.entry(device).and_modify(|known| known.head = Some(head));
    }

    /// Records a refused event, which proves that the device's key was copied.
    pub(crate) fn add_fork(&mut self, device: DeviceId, event: SignedEvent) {
        self.known.entry(device).and_modify(|known| known.forks.push(event));
    }

    /// Forgets everything, because the events of the current group were not written.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    fn device(&mut self, db: &Guard<'_>, id: &DeviceId) -> Result<&Device, StorageError> {
        match self.known.entry(*id) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let head = db.value(Family::Heads, &id.0)?;
                let forks = forks_of(db, id)?.into_iter().map(|fork| fork.other.event).collect();
                Ok(unknown.insert(Device { head, forks }))
            }
        }
    }
}

/// Decides on an event whose sequence is not above that of the device's last event. Returns `None` if the log has no event
/// with this sequence: it is lost or in another log, or a proven copy of the key has signed it.
fn decide_on_known(
    db: &Guard<'_>,
    entry: &NewEntry,
    appended: &[Receipt],
    device: &Device,
) -> Result<Option<Admission>, StorageError> {
    let header = entry.header();
    let is_same = |receipt: &&Receipt| receipt.device == header.device && receipt.sequence == header.sequence;
    let first = match appended.iter().find(is_same) {
        Some(receipt) => Some(*receipt),
        None => stored_receipt(db, &header.device, header.sequence)?,
    };
    let Some(first) = first else { return Ok(None) };
    if first.hash == entry.hash() {
        return Ok(Some(Admission::Duplicate(first)));
    }
    if forked_with_same_key(entry, device).is_some() {
        return Ok(None);
    }
    let (device, sequence) = (header.device, header.sequence);
    if is_of_other_key(db, entry, &first)? {
        return Ok(Some(Admission::Refuse(Refusal::OtherKey { device, sequence })));
    }
    let other = LogEntry { event: entry.signed().clone(), received: entry.received() };
    Ok(Some(Admission::Fork(Fork { admitted: first.index, other })))
}

/// Returns the last sequence that was signed twice with the key that counts for this event, or `None` if there is none.
///
/// The key that signed a fork is the one that verifies it. It need not be the one that counts for its sequence, because
/// the key may have changed since, from an earlier event on.
fn forked_with_same_key(entry: &NewEntry, device: &Device) -> Option<u64> {
    let sequence = entry.header().sequence;
    let is_of_key = |fork: &&SignedEvent| match entry.lineage() {
        Some(lineage) if lineage.record().keys().count() > 1 => lineage.is_signed_by_key_at(sequence, fork),
        _ => true,
    };
    device.forks.iter().filter(is_of_key).map(|fork| fork.header.sequence).max()
}

/// Returns true if the stored event with the sequence of `entry` was signed with a key that no longer counts for it: it was
/// admitted before the key changed. Two keys prove no copy.
fn is_of_other_key(db: &Guard<'_>, entry: &NewEntry, first: &Receipt) -> Result<bool, StorageError> {
    let Some(lineage) = entry.lineage() else { return Ok(false) };
    // An event of the current group was verified with the same keys.
    let stored: Option<LogEntry> = db.value(Family::Entries, &first.index.to_be_bytes())?;
    Ok(stored.is_some_and(|stored| !lineage.is_signed_by_key_at(first.sequence, &stored.event)))
}

/// Returns the first proof that a key of a device was copied, or `None` if there is none.
pub(crate) fn first_fork(guard: &Guard<'_>, device: &DeviceId) -> Result<Option<Fork>, StorageError> {
    fork_from(guard, device, 0)
}

/// Returns all proofs that keys of a device were copied, in the order of their sequences.
pub(crate) fn forks_of(guard: &Guard<'_>, device: &DeviceId) -> Result<Vec<Fork>, StorageError> {
    let mut forks = Vec::new();
    let mut next = Some(0);
    while let Some(sequence) = next {
        let Some(fork) = fork_from(guard, device, sequence)? else { break };
        next = fork.other.event.header.sequence.checked_add(1);
        forks.push(fork);
    }
    Ok(forks)
}

/// Returns the first proof for this or a later sequence.
fn fork_from(guard: &Guard<'_>, device: &DeviceId, sequence: u64) -> Result<Option<Fork>, StorageError> {
    let (db, handle) = guard.family(Family::Forks)?;
    let start = device_key(device, sequence);
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

/// Rebuilds the receipt of a stored event. Returns `None` if the log has no event with this sequence.
fn stored_receipt(
    guard: &Guard<'_>,
    device: &DeviceId,
    sequence: u64,
) -> Result<Option<Receipt>, StorageError> {
    let Some(index) = guard.bytes(Family::ByDevice, &device_key(device, sequence))? else { return Ok(None) };
    let misplaced =
        || StorageError::damaged(format!("event {sequence} of device {device} is missing or misplaced"));
    let index = integer(Family::ByDevice, &index)?;
    let entry: LogEntry = guard.value(Family::Entries, &index.to_be_bytes())?.ok_or_else(misplaced)?;
    if entry.event.header.device != *device || entry.event.header.sequence != sequence {
        return Err(misplaced());
    }
    let hash = entry.event.header.hash();
    Ok(Some(Receipt { index, device: *device, sequence, hash, received: entry.received }))
}
