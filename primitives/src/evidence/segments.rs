//! The progress of the verifier: from the log of one segment to the next, and who counts for which events.

use super::{prelude::ProvenSegment, EventPosition, EventSpan, EvidenceError, VerifiedSegment};
use crate::{device::DeviceRecord, heads::HeadEntry, merkle::Frontier, Hash, LogId};
use alloc::vec::{self, Vec};

/// The segments of the evidence: those that are verified, the current one, and those to come.
pub(super) struct Segments {
    verified: Vec<VerifiedSegment>,
    current: Segment,
    upcoming: vec::IntoIter<ProvenSegment>,
    count: u64,
}

/// The segment whose items are being verified.
struct Segment {
    proven: ProvenSegment,
    frontier: Frontier,
    events: Option<(EventPosition, EventPosition)>,
    count: u64,
}

impl Segment {
    fn new(proven: ProvenSegment) -> Self {
        Self { proven, frontier: Frontier::new(), events: None, count: 0 }
    }

    /// Verifies that the items are the whole log, and that at least one of them is an event.
    fn verify(self) -> Result<VerifiedSegment, EvidenceError> {
        let Self { proven, frontier, events, count } = self;
        let ProvenSegment { anchor, head, block } = proven;
        let checkpoint = anchor.checkpoint;
        let log = checkpoint.log;
        if frontier.size() != checkpoint.size {
            return Err(EvidenceError::Size { log, expected: checkpoint.size, found: frontier.size() });
        }
        if frontier.root() != checkpoint.root {
            return Err(EvidenceError::Root { log });
        }
        let (first, last_event) = events.ok_or(EvidenceError::Empty { log })?;
        Ok(VerifiedSegment {
            checkpoint,
            anchored: anchor.block,
            proven: block,
            head: head.sequence,
            events: count,
            first,
            last_event,
        })
    }
}

impl Segments {
    /// Begins with the first segment. Returns `None` if there is none.
    pub(super) fn new(segments: Vec<ProvenSegment>) -> Option<Self> {
        let count = segments.len() as u64;
        let mut upcoming = segments.into_iter();
        let current = Segment::new(upcoming.next()?);
        Some(Self { verified: Vec::new(), current, upcoming, count })
    }

    /// Returns the log of the current segment.
    pub(super) fn log(&self) -> LogId {
        self.current.proven.anchor.checkpoint.log
    }

    /// Returns the size of that log.
    pub(super) fn log_size(&self) -> u64 {
        self.current.proven.anchor.checkpoint.size
    }

    /// Returns the device's last event in that log.
    pub(super) fn head(&self) -> &HeadEntry {
        &self.current.proven.head
    }

    /// Returns the number of entries of that log that the items add up to so far.
    pub(super) fn position(&self) -> u64 {
        self.current.frontier.size()
    }

    /// Adds a skipped subtree.
    pub(super) fn skip(&mut self, level: u8, hash: Hash) -> Result<(), EvidenceError> {
        let index = self.position();
        self.current
            .frontier
            .append_subtree(level, hash, |_| {})
            .map_err(|_| EvidenceError::Skip { index, level })
    }

    /// Adds an event.
    pub(super) fn append(&mut self, leaf: Hash, at: EventPosition) {
        let Segment { frontier, events, count, .. } = &mut self.current;
        frontier.append(leaf, |_| {});
        *events = Some((events.map_or(at, |(first, _)| first), at));
        *count = count.saturating_add(1);
    }

    /// Verifies the current segment and begins the next one.
    pub(super) fn begin_next(&mut self) -> Result<(), EvidenceError> {
        let Some(next) = self.upcoming.next() else {
            return Err(EvidenceError::Segments {
                expected: self.count,
                found: self.count.saturating_add(1),
            });
        };
        let ended = core::mem::replace(&mut self.current, Segment::new(next));
        self.verified.push(ended.verify()?);
        Ok(())
    }

    /// Verifies the last segment. Returns all of them.
    pub(super) fn finish(mut self) -> Result<Vec<VerifiedSegment>, EvidenceError> {
        self.ensure_last()?;
        self.verified.push(self.current.verify()?);
        Ok(self.verified)
    }

    /// Ensures that the current segment is the last one.
    pub(super) fn ensure_last(&self) -> Result<(), EvidenceError> {
        if !self.upcoming.as_slice().is_empty() {
            let found = (self.verified.len() as u64).saturating_add(1);
            return Err(EvidenceError::Segments { expected: self.count, found });
        }
        Ok(())
    }
}

/// Which key, log and owner count for the events so far. A record has few of each, and none of them comes back, so that
/// there are few spans.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EventSpans {
    spans: Vec<EventSpan>,
    /// The number of the owner of the last event, counted from 0.
    owner: u32,
}

impl EventSpans {
    /// Adds an event that follows the events so far, in the device's history.
    pub fn add(&mut self, record: &DeviceRecord, at: &EventPosition) {
        let key = (0u32..).zip(record.keys().iter()).filter(|(_, period)| period.from <= at.sequence);
        let key = key.last().map_or(0, |(number, _)| number);
        let owner =
            (0u32..).zip(record.owners().iter()).filter(|(_, period)| period.since <= at.received).last();
        self.owner = owner.map_or(0, |(number, _)| number).max(self.owner);
        let owner = record.owners().iter().nth(self.owner as usize).unwrap_or(record.owners().last()).party;
        let log = record.log_at(at.sequence).log;
        match self.spans.last_mut() {
            Some(span) if (span.key, span.log, span.owner) == (key, log, owner) => {
                span.last = at.sequence;
                span.events = span.events.saturating_add(1);
            }
            _ => self.spans.push(EventSpan {
                first: at.sequence,
                last: at.sequence,
                events: 1,
                key,
                log,
                owner,
            }),
        }
    }

    /// Returns the spans, in the order of the events.
    pub fn finish(self) -> Vec<EventSpan> {
        self.spans
    }
}
