//! How the events of a device in this log continue those that are elsewhere: what its record on the chain says, and the
//! last event in the log before this one.

use super::{Head, Refusal};
use streembit_primitives::{
    device::{DeviceRecord, DeviceState},
    heads::HeadEntry,
    EventHeader, Hash, LogId, SignedEvent,
};

/// The record of a device and, if its events were in another log before, the last of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lineage {
    record: DeviceRecord,
    handover: Option<HeadEntry>,
}

impl Lineage {
    /// Combines a device's record with its last event in the log before, if that is known.
    pub fn new(record: DeviceRecord, handover: Option<HeadEntry>) -> Self {
        let handover = handover.filter(|handover| handover.device == record.device_id());
        Self { record, handover }
    }

    /// The record.
    pub fn record(&self) -> &DeviceRecord {
        &self.record
    }

    /// The last event in the log before, if it is known.
    pub fn handover(&self) -> Option<&HeadEntry> {
        self.handover.as_ref()
    }

    /// Returns an error if an event with this sequence cannot be in the log, whoever signs it: the device is retired, or
    /// the event is declared lost or belongs to another log.
    pub fn ensure_in_log(&self, log: &LogId, sequence: u64) -> Result<(), Refusal> {
        let device = self.record.device_id();
        if self.record.state() == DeviceState::Retired {
            return Err(Refusal::Retired { device });
        }
        if self.record.is_lost(sequence) {
            return Err(Refusal::Lost { device, sequence, until: self.record.after_lost(sequence) });
        }
        let found = self.record.log_at(sequence).log;
        match found {
            _ if found == *log => Ok(()),
            LogId { gateway, epoch } if gateway == log.gateway => {
                Err(Refusal::OtherEpoch { device, sequence, epoch })
            }
            found => Err(Refusal::OtherLog { device, sequence, log: Box::new(found) }),
        }
    }

    /// Returns the sequence of the next event in the log and the hash of the event before it, which it names. `head` is
    /// the device's last event in the log.
    ///
    /// Fails with [`Refusal::UnknownPrevious`] if the event before it is neither known nor declared lost: an event that
    /// names a wrong one can never be mended.
    pub fn next(&self, log: &LogId, head: Option<&Head>) -> Result<(u64, Hash), Refusal> {
        let last = self.last(log, head);
        let next = last.map_or(0, |(sequence, _)| sequence.saturating_add(1));
        // If no further event belongs to this log, the error names the log that it belongs to.
        let sequence = self.record.next_in_log(log, next).unwrap_or_else(|| self.record.after_lost(next));
        self.ensure_in_log(log, sequence)?;
        let is_named = |last: u64| match sequence.checked_sub(1) {
            None => true,
            Some(before) => last == before || self.record.is_lost(before),
        };
        match last {
            Some((last, hash)) if is_named(last) => Ok((sequence, hash)),
            None if sequence == 0 || self.record.is_lost(sequence.saturating_sub(1)) => {
                Ok((sequence, Hash::ZERO))
            }
            _ => Err(Refusal::UnknownPrevious { device: self.record.device_id(), sequence }),
        }
    }

    /// Returns true if the event that the device's next one in the log must name is known, or none has to be.
    pub fn knows_previous(&self, log: &LogId, head: Option<&Head>) -> bool {
        !matches!(self.next(log, head), Err(Refusal::UnknownPrevious { .. }))
    }

    /// Ensures that an event follows the device's events before it.
    pub(crate) fn ensure_follows(
        &self,
        log: &LogId,
        header: &EventHeader,
        head: Option<&Head>,
    ) -> Result<(), Refusal> {
        Ok(self.record.ensure_follows(log, header, self.last(log, head))?)
    }

    /// Returns true if the key that counts for this sequence has signed the event.
    pub(crate) fn is_signed_by_key_at(&self, sequence: u64, event: &SignedEvent) -> bool {
        event.clone().verify(&self.record.key_at(sequence).key).is_ok()
    }

    /// Returns the last event that is known, in this log or in the one before.
    fn last(&self, log: &LogId, head: Option<&Head>) -> Option<(u64, Hash)> {
        let elsewhere = self
            .handover
            .as_ref()
            .filter(|handover| self.record.log_at(handover.sequence).log != *log)
            .map(|handover| (handover.sequence, handover.hash));
        let here = head.map(|head| (head.sequence, head.hash));
        here.into_iter().chain(elsewhere).max_by_key(|(sequence, _)| *sequence)
    }
}
