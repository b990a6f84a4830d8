//! How the events of a device continue in one log: across lost ranges, and after events that are in other logs.

use super::DeviceRecord;
use crate::{event::EventError, EventHeader, Hash, LogId};

impl DeviceRecord {
    /// Returns the lowest sequence from `from` on that an event in this log can have: it skips what is lost and what is
    /// in other logs. `None` if no further event belongs to this log.
    pub fn next_in_log(&self, log: &LogId, from: u64) -> Option<u64> {
        let mut next = self.after_lost(from);
        while self.log_at(next).log != *log {
            let later = self.logs().iter().map(|period| period.from).find(|start| *start > next)?;
            next = self.after_lost(later);
        }
        Some(next)
    }

    /// Ensures that an event in this log follows `last`, the sequence and hash of the last of the device's events that are
    /// known. Its `previous` is checked if it refers to that event and that event is not lost.
    pub fn ensure_follows(
        &self,
        log: &LogId,
        header: &EventHeader,
        last: Option<(u64, Hash)>,
    ) -> Result<(), EventError> {
        let next = last.map_or(Some(0), |(sequence, _)| sequence.checked_add(1));
        let expected = next.and_then(|next| self.next_in_log(log, next));
        let found = header.sequence;
        if expected != Some(found) {
            let expected = expected.or(next).unwrap_or(u64::MAX);
            return Err(EventError::Sequence { expected, found });
        }
        let previous = match (found.checked_sub(1), last) {
            (None, _) => Hash::ZERO,
            (Some(before), Some((sequence, hash))) if sequence == before && !self.is_lost(before) => hash,
            (Some(_), _) => return Ok(()),
        };
        if header.previous != previous {
            return Err(EventError::Previous);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::ChangeTime,
        event::{EventKind, VERSION},
        AccountId, DeviceKey, PartyId, PublicKey,
    };

    const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

    fn log(gateway: u8, epoch: u32) -> LogId {
        LogId { gateway: AccountId([gateway; 32]), epoch }
    }

    /// A device whose events 0 to 9 are in one log, 10 to 14 are lost, 15 to 19 are in a second log with 17 lost, and
    /// which is back in the first log from 20 on.
    fn record() -> DeviceRecord {
        let key = DeviceKey::Own(PublicKey::Sr25519([7; 32]));
        let mut record = DeviceRecord::new(key, PartyId([1; 32]), log(1, 0), AT);
        record.assign(log(2, 0), None, 15, 10, u64::MAX, AT).unwrap();
        record.declare_lost(17, 18, AT).unwrap();
        record.assign(log(1, 0), None, 20, 20, u64::MAX, AT).unwrap();
        record
    }

    fn header(sequence: u64, previous: Hash) -> EventHeader {
        EventHeader {
            version: VERSION,
            device: record().device_id(),
            sequence,
            previous,
            time: 1,
            kind: EventKind::Status,
            body_hash: Hash([2; 32]),
        }
    }

    #[test]
    fn lost_events_and_those_of_other_logs_are_skipped() {
        let record = record();
        for (from, first, second) in [
            (0, Some(0), Some(15)),
            (9, Some(9), Some(15)),
            (10, Some(20), Some(15)),
            (16, Some(20), Some(16)),
            (17, Some(20), Some(18)),
            (19, Some(20), Some(19)),
            (20, Some(20), None),
            (99, Some(99), None),
        ] {
            assert_eq!(record.next_in_log(&log(1, 0), from), first, "{from}");
            assert_eq!(record.next_in_log(&log(2, 0), from), second, "{from}");
        }
        assert_eq!(record.next_in_log(&log(1, 1), 0), None);
    }

    #[test]
    fn an_event_names_the_one_before_it_if_that_one_is_known_and_not_lost() {
        let (record, hash) = (record(), |n: u64| Hash([n as u8; 32]));
        let follows = |in_log: LogId, sequence, previous, last: Option<u64>| {
            record.ensure_follows(&in_log, &header(sequence, previous), last.map(|last| (last, hash(last))))
        };
        let (first, second) = (log(1, 0), log(2, 0));
        assert_eq!(follows(first, 0, Hash::ZERO, None), Ok(()));
        assert_eq!(follows(first, 0, hash(9), None), Err(EventError::Previous));
        assert_eq!(follows(first, 4, hash(3), Some(3)), Ok(()));
        assert_eq!(follows(first, 4, hash(4), Some(3)), Err(EventError::Previous));
        // After lost events, and with the first event in a log whose predecessor is not known.
        assert_eq!(follows(second, 15, hash(77), None), Ok(()));
        assert_eq!(follows(second, 18, hash(77), Some(16)), Ok(()));
        assert_eq!(follows(first, 20, hash(77), Some(9)), Ok(()));
        // The last event in the other log is known.
        assert_eq!(follows(first, 20, hash(19), Some(19)), Ok(()));
        assert_eq!(follows(first, 20, hash(77), Some(19)), Err(EventError::Previous));
        for (in_log, found, last, expected) in
            [(first, 10, Some(9), 20), (second, 17, Some(16), 18), (second, 20, Some(19), 20)]
        {
            let error = follows(in_log, found, hash(1), last);
            assert_eq!(error, Err(EventError::Sequence { expected, found }), "{found}");
        }
    }
}
