//! The heads map of the log at any size.
//!
//! Only the heads at the current size are stored. The heads at a smaller size are found by searching each device's
//! index.

use super::{store::Family, Head, LogReader, ReadError, StorageError};
use streembit_primitives::{
    heads::{AbsenceProof, HeadEntry, HeadProof, HeadsMap},
    DeviceId, Hash, LogEntry,
};

impl LogReader {
    /// Returns the root of the heads map of the first `size` entries.
    pub fn heads_root(&self, size: u64) -> Result<Hash, ReadError> {
        Ok(self.heads_map(size)?.root())
    }

    /// Proves the last event of a device among the first `size` entries. Returns `None` if the device has no event
    /// there.
    pub fn head_proof(&self, device: &DeviceId, size: u64) -> Result<Option<HeadProof>, ReadError> {
        Ok(self.heads_map(size)?.prove(device))
    }

    /// Proves that a device has no event among the first `size` entries. Returns `None` if it has one, or if `size` is
    /// 0.
    pub fn absence_proof(&self, device: &DeviceId, size: u64) -> Result<Option<AbsenceProof>, ReadError> {
        Ok(self.heads_map(size)?.prove_absence(device))
    }

    /// Returns the last event of each device among the first `size` entries.
    pub fn heads_map(&self, size: u64) -> Result<HeadsMap, ReadError> {
        self.check_size(size)?;
        let heads = self.heads()?;
        let entries =
            heads.into_iter().filter_map(|(device, head)| self.head_at(device, head, size).transpose());
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Returns the last event of a device among the first `size` entries. `last` is its last event of all.
    fn head_at(&self, device: DeviceId, last: Head, size: u64) -> Result<Option<HeadEntry>, StorageError> {
        if last.index < size {
            return Ok(Some(HeadEntry { device, sequence: last.sequence, hash: last.hash }));
        }
        // Most requests are for a size near the end, so search backwards in steps that double, then bisect.
        let (mut beyond, mut step) = (last.sequence, 1u64);
        let mut within = loop {
            let Some(at) = beyond.checked_sub(step) else {
                if beyond == 0 || self.event_index(&device, 0)? >= size {
                    return Ok(None);
                }
                break 0;
            };
            if self.event_index(&device, at)? < size {
                break at;
            }
            (beyond, step) = (at, step.saturating_mul(2));
        };
        while beyond - within > 1 {
            let middle = within + (beyond - within) / 2;
            match self.event_index(&device, middle)? < size {
                true => within = middle,
                false => beyond = middle,
            }
        }
        self.head_entry(device, within).map(Some)
    }

    /// Returns the index of an event that must be in the log.
    fn event_index(&self, device: &DeviceId, sequence: u64) -> Result<u64, StorageError> {
        let found = self.read_device_indexes(device, sequence, 1)?.first().copied();
        found.ok_or_else(|| {
            StorageError::damaged(format!("event {sequence} of device {device} is not indexed"))
        })
    }

    fn head_entry(&self, device: DeviceId, sequence: u64) -> Result<HeadEntry, StorageError> {
        let index = self.event_index(&device, sequence)?;
        let entry: Option<LogEntry> = self.store().db().value(Family::Entries, &index.to_be_bytes())?;
        match entry.map(|entry| entry.event.header) {
            Some(header) if header.device == device && header.sequence == sequence => {
                Ok(HeadEntry { device, sequence, hash: header.hash() })
            }
            _ => {
                let what = format!("entry {index} is not event {sequence} of device {device}");
                Err(StorageError::damaged(what))
            }
        }
    }
}
