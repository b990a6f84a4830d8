//! Verifies received events, so that a subscriber does not have to trust a gateway.

use super::wire::{Content, Delivered};
use std::ops::Range;
use streembit_primitives::{device::DeviceRecord, event::EventError, DeviceId, Hash, LogEntry, LogId, Part};

/// The reason why verification of a delivered event failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The event is invalid.
    #[error("{0}")]
    Event(#[from] EventError),
    /// A disclosed part does not belong to the body, or appears twice.
    #[error("a disclosed part does not belong to the event's body, or appears twice")]
    Disclosure,
    /// The inclusion proof is for another log than the one that the event is in by the device's record.
    #[error("the inclusion proof is for log {found}, but the device's record says that the event is in log {expected}")]
    Log {
        /// The log of the proof.
        found: LogId,
        /// The log that the event is in.
        expected: LogId,
    },
    /// The event is declared lost.
    #[error("the event is declared lost, so it proves nothing")]
    Lost,
    /// The log that the chain has anchored does not include the event.
    #[error(
        "the log anchored at {size} entries does not include the event: the gateway shows another history"
    )]
    Inclusion {
        /// The anchored size.
        size: u64,
    },
}

/// A subscriber's position in a device's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The sequence of the next event.
    pub next: u64,
    /// The hash of the previous header; [`Hash::ZERO`] at the start.
    pub previous: Hash,
}

impl Position {
    /// The position before the first event.
    pub const START: Self = Self { next: 0, previous: Hash::ZERO };

    /// Returns the sequence and the hash of the last event.
    fn last(&self) -> Option<(u64, Hash)> {
        self.next.checked_sub(1).map(|sequence| (sequence, self.previous))
    }
}

/// A verified event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The log that the event is in, by the device's record.
    pub log: LogId,
    /// The entry's index in the gateway's log.
    pub index: u64,
    /// The log entry.
    pub entry: LogEntry,
    /// The parts that the subscriber may read, with their indexes in the body.
    pub parts: Vec<(u32, Part)>,
    /// Whether `parts` contains all parts of the body.
    pub complete: bool,
    /// Whether the gateway says that it has erased the body.
    pub erased: bool,
    /// The anchored size of the log for which inclusion was proven. `None` if inclusion was not proven.
    pub anchored: Option<u64>,
    /// The anchored size that the gateway names, if the subscriber's node knows no root of the log at this size: it does not
    /// have the anchor yet, no longer keeps it, or never had it. `None` if inclusion was proven, or if the gateway says that
    /// the entry is not anchored yet.
    pub unknown_anchor: Option<u64>,
    /// The sequences before this event that were not delivered, if any: they are declared lost, or they are in logs that the
    /// device has left.
    pub skipped: Option<Range<u64>>,
}

/// Verifies the events of one device in order.
pub(super) struct Verifier {
    device: DeviceId,
    record: DeviceRecord,
    position: Position,
}

impl Verifier {
    pub fn new(device: DeviceId, record: DeviceRecord, position: Position) -> Self {
        Self { device, record, position }
    }

    /// Returns the log and size of the anchored root that [`Verifier::verify`] needs for this event.
    pub fn wanted_root(event: &Delivered) -> Option<(LogId, u64)> {
        event.anchored.as_ref().map(|inclusion| (inclusion.log, inclusion.size))
    }

    /// Returns true if an event is one of the device's that are declared lost.
    pub fn is_lost(&self, event: &Delivered) -> bool {
        let header = &event.entry.event.header;
        header.device == self.device && self.record.is_lost(header.sequence)
    }

    /// Verifies an event against the device's key for its sequence, the previous events, its body and the anchored root.
    /// Events that are declared lost, or that are in another log than this one, may be missing before it.
    ///
    /// `root` is the chain's root for [`Verifier::wanted_root`], or `None` if the chain does not keep it. The position
    /// does not change if the verification fails.
    pub fn verify(&mut self, delivered: Delivered, root: Option<Hash>) -> Result<Received, VerifyError> {
        let anchored = self.verify_inclusion(&delivered, root)?;
        let unknown_anchor = match anchored {
            Some(_) => None,
            None => delivered.anchored.as_ref().map(|inclusion| inclusion.size),
        };
        let Delivered { index, entry, content, .. } = delivered;
        if entry.event.header.device != self.device {
            return Err(EventError::Device.into());
        }
        let sequence = entry.event.header.sequence;
        if self.record.is_lost(sequence) {
            return Err(VerifyError::Lost);
        }
        let event = entry.event.clone().verify(&self.record.key_at(sequence).key)?;
        let header = &event.event().header;
        let log = self.record.log_at(sequence).log;
        self.record.ensure_follows(&log, header, self.position.last())?;
        let skipped = Some(self.position.next..sequence).filter(|skipped| !skipped.is_empty());
        let erased = content == Content::Erased;
        let (parts, complete) = verify_content(header, content)?;
        self.position = Position { next: header.sequence.saturating_add(1), previous: header.hash() };
        Ok(Received { log, index, entry, parts, complete, erased, anchored, unknown_anchor, skipped })
    }

    fn verify_inclusion(&self, event: &Delivered, root: Option<Hash>) -> Result<Option<u64>, VerifyError> {
        let Some(inclusion) = &event.anchored else { return Ok(None) };
        let expected = self.record.log_at(event.entry.event.header.sequence).log;
        if inclusion.log != expected {
            return Err(VerifyError::Log { found: inclusion.log, expected });
        }
        let Some(root) = root else { return Ok(None) };
        if inclusion.proof.verify(event.entry.leaf(), event.index, inclusion.size, &root) {
            Ok(Some(inclusion.size))
        } else {
            Err(VerifyError::Inclusion { size: inclusion.size })
        }
    }

    /// The device's record that events are verified against.
    pub fn record(&self) -> &DeviceRecord {
        &self.record
    }

    /// Replaces the record by a newer one.
    pub fn set_record(&mut self, record: DeviceRecord) {
        self.record = record;
    }

    /// The position after the last verified event.
    pub fn position(&self) -> Position {
        self.position
    }
}

fn verify_content(
    header: &streembit_primitives::EventHeader,
    content: Content,
) -> Result<(Vec<(u32, Part)>, bool), VerifyError> {
    let parts = match content {
        Content::Body(body) => {
            header.verify_body(&body)?;
            return Ok(((0u32..).zip(body.parts).collect(), true));
        }
        Content::Disclosed(parts) => parts,
        Content::Erased => return Ok((Vec::new(), false)),
    };
    let ascending = parts.windows(2).all(|pair| matches!(pair, [a, b] if a.index < b.index));
    if !ascending || !parts.iter().all(|part| part.verify(&header.body_hash)) {
        return Err(VerifyError::Disclosure);
    }
    if !parts.iter().all(|part| header.kind.allows(&part.part)) {
        return Err(EventError::Kind.into());
    }
    let complete = parts.first().is_some_and(|first| first.count as usize == parts.len());
    Ok((parts.into_iter().map(|part| (part.index, part.part)).collect(), complete))
}

impl Received {
    /// The event's sequence in the device's history.
    pub fn sequence(&self) -> u64 {
        self.entry.event.header.sequence
    }
}
