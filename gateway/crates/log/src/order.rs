//! Order: which event may follow which. Runs on the writer's thread, which alone knows what is about to be written, so
//! that nothing can come between the look at a device's head and the event after it.

use super::{
    store::{device_key, integer, Family, Guard},
    Fork, Head, LogError, NewEntry, Receipt, Refusal,
};
use std::collections::HashMap;
use streembit_primitives::{event::EventError, DeviceId, LogEntry};

/// What is known of the devices, read when first needed. What a group adds is staged until it is on disk.
#[derive(Default)]
pub(crate) struct Devices(HashMap<DeviceId, Device>);

#[derive(Clone, Copy)]
struct Device {
    /// The last event, the group's own included.
    head: Option<Head>,
    /// The sequence that its key signed twice.
    forked: Option<u64>,
}

/// What is to be done with an entry.
pub(crate) enum Admission {
    /// Append it.
    Append,
    /// It is in the log already.
    Known(Receipt),
    /// Keep it as proof that the device's key was copied.
    Fork(Fork),
}

impl Devices {
    /// The last event of a device, the group's own included.
    pub(crate) fn head(&mut self, db: &Guard<'_>, device: &DeviceId) -> Result<Option<Head>, LogError> {
        Ok(self.device(db, device)?.head)
    }

    /// What is to be done with an entry, given those that the group has `appended` before it.
    pub(crate) fn judge(
        &mut self,
        db: &Guard<'_>,
        entry: &NewEntry,
        appended: &[Receipt],
    ) -> Result<Admission, LogError> {
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
                return Ok(Admission::Known(first));
            }
            if device.forked.is_none() {
                let other = LogEntry { event: entry.signed().clone(), received: entry.received() };
                return Ok(Admission::Fork(Fork { admitted: first.index, other }));
            }
        }
        if let Some(sequence) = device.forked {
            return Err(Refusal::Forked { device: header.device, sequence }.into());
        }
        header.ensure_follows(device.head.map(|head| (head.sequence, head.hash))).map_err(Refusal::Event)?;
        Ok(Admission::Append)
    }

    /// Makes an entry its device's head.
    pub(crate) fn advance(&mut self, device: DeviceId, head: Head) {
        self.0.entry(device).and_modify(|known| known.head = Some(head));
    }

    /// Takes nothing further from a device.
    pub(crate) fn flag(&mut self, device: DeviceId, sequence: u64) {
        self.0.entry(device).and_modify(|known| known.forked = Some(sequence));
    }

    /// Forgets everything: what was staged is not on disk.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    fn device(&mut self, db: &Guard<'_>, id: &DeviceId) -> Result<&Device, LogError> {
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

/// The proof that a device's key was copied, where there is one.
pub(crate) fn first_fork(guard: &Guard<'_>, device: &DeviceId) -> Result<Option<Fork>, LogError> {
    let (db, handle) = guard.family(Family::Forks)?;
    let start = device_key(device, 0);
    let next = db
        .iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
        .next()
        .transpose()
        .map_err(LogError::storage("reading a device's state"))?;
    match next {
        Some((key, value)) if key.starts_with(&device.0) => {
            super::store::decode(Family::Forks, &key, &value).map(Some)
        }
        _ => Ok(None),
    }
}

/// The receipt that a stored event had.
fn stored_receipt(guard: &Guard<'_>, device: &DeviceId, sequence: u64) -> Result<Receipt, LogError> {
    let key = device_key(device, sequence);
    let lost = || LogError::damaged(format!("event {sequence} of device {device} is not where it belongs"));
    let index = integer(Family::ByDevice, &guard.bytes(Family::ByDevice, &key)?.ok_or_else(lost)?)?;
    let entry: LogEntry = guard.value(Family::Entries, &index.to_be_bytes())?.ok_or_else(lost)?;
    if entry.event.header.device != *device || entry.event.header.sequence != sequence {
        return Err(lost());
    }
    let hash = entry.event.header.hash();
    Ok(Receipt { index, device: *device, sequence, hash, received: entry.received })
}

/// Whether an error is the event's own, so that the next of its group may go on.
pub(crate) fn is_refusal(error: &LogError) -> bool {
    matches!(error, LogError::Refused(_))
}

impl From<EventError> for LogError {
    fn from(error: EventError) -> Self {
        Self::Refused(Refusal::Event(error))
    }
}
