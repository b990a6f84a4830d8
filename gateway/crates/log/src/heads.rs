//! The heads map of the log at any of its sizes, from what is stored: nothing of older sizes is kept.

use super::{store::Family, Head, LogError, LogReader};
use streembit_primitives::{
    heads::{AbsenceProof, HeadEntry, HeadProof, HeadsMap},
    DeviceId, Hash, LogEntry,
};

impl LogReader {
    /// The root of the map from each device to its last event among the first `size` entries; `None` of an empty log.
    pub fn heads_root(&self, size: u64) -> Result<Option<Hash>, LogError> {
        Ok(self.heads_map(size)?.root())
    }

    /// Proves a device's last event among the first `size` entries; `None` where it has none there.
    pub fn head_proof(&self, device: &DeviceId, size: u64) -> Result<Option<HeadProof>, LogError> {
        Ok(self.heads_map(size)?.prove(device))
    }

    /// Proves that a device has no event among the first `size` entries; `None` where it has one, or the log is empty.
    pub fn absence_proof(&self, device: &DeviceId, size: u64) -> Result<Option<AbsenceProof>, LogError> {
        Ok(self.heads_map(size)?.prove_absence(device))
    }

    /// Each device's last event among the first `size` entries.
    pub fn heads_map(&self, size: u64) -> Result<HeadsMap, LogError> {
        self.check_size(size)?;
        let heads = self.heads()?;
        let entries =
            heads.into_iter().filter_map(|(device, head)| self.head_at(device, head, size).transpose());
        entries.collect()
    }

    /// A device's last event among the first `size` entries, given the last of all.
    fn head_at(&self, device: DeviceId, last: Head, size: u64) -> Result<Option<HeadEntry>, LogError> {
        if last.index < size {
            return Ok(Some(HeadEntry { device, sequence: last.sequence, hash: last.hash }));
        }
        // Back in steps that double, as what is asked for is mostly near the end; then between the last two.
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

    /// Where a device's event is that is known to be there.
    fn event_index(&self, device: &DeviceId, sequence: u64) -> Result<u64, LogError> {
        let found = self.device_indexes(device, sequence, 1)?.first().copied();
        found.ok_or_else(|| LogError::damaged(format!("event {sequence} of device {device} is not indexed")))
    }

    fn head_entry(&self, device: DeviceId, sequence: u64) -> Result<HeadEntry, LogError> {
        let index = self.event_index(&device, sequence)?;
        let entry: Option<LogEntry> = self.store().db().value(Family::Entries, &index.to_be_bytes())?;
        match entry.map(|entry| entry.event.header) {
            Some(header) if header.device == device && header.sequence == sequence => {
                Ok(HeadEntry { device, sequence, hash: header.hash() })
            }
            _ => Err(LogError::damaged(format!("entry {index} is not event {sequence} of device {device}"))),
        }
    }
}
