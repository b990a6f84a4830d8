//! The verifier: checks the chain's part of the evidence first, then the logs in one pass.

use super::{
    prelude::verify_prelude,
    segments::{EventSpans, Segments},
    signatures::{EventVerifyingKey, InlineVerifier, SignatureBatch, SignatureVerifier, UnverifiedEvent},
    BodyCounts, EventPosition, EvidenceError, EvidenceEventError, FinalizedBlock, Item, Prelude, ShownBody,
    TrustRoot, VerifiedEvidence,
};
use crate::{
    body::Disclosure,
    device::{DeviceRecord, LogPeriod},
    event::EventError,
    DeviceId, EventHeader, Hash, LogEntry, Signer,
};
use alloc::vec::Vec;

/// The number of signatures that are verified together.
#[cfg(feature = "std")]
const BATCH: usize = 256;
/// The number of signatures that are verified together: one, because there is no batch verification without `std`.
#[cfg(not(feature = "std"))]
const BATCH: usize = 1;

/// Verifies the evidence of one file.
///
/// Call [`Verifier::new`] with the prelude, then [`Self::push`] with each item, then [`Self::finish`]. Nothing is proven
/// until [`Self::finish`] returns successfully.
pub struct Verifier<S = InlineVerifier> {
    genesis: Hash,
    device: DeviceId,
    record: DeviceRecord,
    last: FinalizedBlock,
    changes: u64,
    segments: Segments,
    seen: Option<EventRange>,
    spans: EventSpans,
    bodies: BodyCounts,
    device_signed: u64,
    /// The key of the events whose signatures are not verified yet. `None` before the first event.
    key: Option<EventVerifyingKey>,
    pending: Vec<UnverifiedEvent>,
    signatures: S,
    ended: bool,
}

/// The events pushed so far.
struct EventRange {
    first: EventPosition,
    last: EventPosition,
    /// The hash of the last event's header.
    last_hash: Hash,
    count: u64,
}

impl Verifier {
    /// Verifies the prelude: that the trust root proves the checkpoints, the device's record and its last events.
    pub fn new(prelude: &Prelude, trust: &TrustRoot) -> Result<Self, EvidenceError> {
        Self::with_signature_verifier(prelude, trust, InlineVerifier)
    }
}

impl<S: SignatureVerifier> Verifier<S> {
    /// Like [`Verifier::new`], with event signatures checked by `signatures`.
    pub fn with_signature_verifier(
        prelude: &Prelude,
        trust: &TrustRoot,
        signatures: S,
    ) -> Result<Self, EvidenceError> {
        if prelude.genesis != trust.genesis {
            return Err(EvidenceError::Genesis { expected: trust.genesis, found: prelude.genesis });
        }
        let proven = verify_prelude(prelude, trust)?;
        let segments = Segments::new(proven.segments).ok_or(EvidenceError::SegmentCount {
            segments: 0,
            proofs: 0,
            logs: proven.record.logs().count().into(),
        })?;
        Ok(Self {
            genesis: trust.genesis,
            device: prelude.device,
            record: proven.record,
            last: proven.last,
            changes: proven.changes,
            segments,
            seen: None,
            spans: EventSpans::default(),
            bodies: BodyCounts::default(),
            device_signed: 0,
            key: None,
            pending: Vec::new(),
            signatures,
            ended: false,
        })
    }

    /// Returns the number of entries of the current segment's log, which its items must add up to.
    pub fn log_size(&self) -> u64 {
        self.segments.log_size()
    }

    /// Returns the number of entries of the current segment's log that its items pushed so far add up to.
    pub fn position(&self) -> u64 {
        self.segments.position()
    }

    /// Returns the sequence of the last event pushed so far, or `None` before the first one.
    pub fn last_sequence(&self) -> Option<u64> {
        self.seen.as_ref().map(|seen| seen.last.sequence)
    }

    /// Verifies the next item. After an error the verifier must not be used any more.
    ///
    /// Signatures are verified in batches, so an invalid one is found some items later. If another check fails in the
    /// meantime, the returned error is still the one of the invalid signature.
    pub fn push(&mut self, item: Item) -> Result<(), EvidenceError> {
        self.push_item(item).map_err(|error| self.verify_pending().err().unwrap_or(error))
    }

    /// Returns what was proven, or the first error.
    pub fn finish(mut self) -> Result<VerifiedEvidence, EvidenceError> {
        self.verify_pending()?;
        if !self.ended {
            return Err(EvidenceError::NoEnd);
        }
        let (log, head) = (self.segments.log(), self.segments.head().sequence);
        let segments = self.segments.finish()?;
        let EventRange { first, last, count, .. } = self.seen.ok_or(EvidenceError::Empty { log })?;
        let record = self.record;
        // An event of an earlier period can be the head of a log that the device has come back to.
        let is_in_present_log = record.logs().last().from <= last.sequence;
        Ok(VerifiedEvidence {
            genesis: self.genesis,
            device: self.device,
            segments,
            spans: self.spans.finish(),
            last: self.last,
            changes: self.changes,
            events: count,
            first,
            last_event: last,
            head,
            lost: lost_between(&record, first.sequence, last.sequence),
            from_first: record.is_range_lost(0, first.sequence),
            to_last: is_in_present_log && last.sequence == head,
            device_signed: self.device_signed,
            gateway_signed: count.saturating_sub(self.device_signed),
            bodies: self.bodies,
            record,
        })
    }

    fn push_item(&mut self, item: Item) -> Result<(), EvidenceError> {
        if self.ended {
            return Err(EvidenceError::AfterEnd);
        }
        match item {
            Item::Skip { level, hash } => self.segments.skip(level, hash),
            Item::Event { entry, body } => self.push_event(entry, &body),
            Item::NextSegment => self.segments.begin_next(),
            Item::End => {
                self.segments.ensure_last()?;
                self.ended = true;
                Ok(())
            }
        }
    }

    fn push_event(&mut self, entry: LogEntry, body: &ShownBody) -> Result<(), EvidenceError> {
        let index = self.segments.position();
        let header = &entry.event.header;
        let at =
            EventPosition { sequence: header.sequence, index, time: header.time, received: entry.received };
        let hash = header.hash();
        self.validate_event(header, hash, body).map_err(|error| EvidenceError::Event {
            index,
            sequence: at.sequence,
            error,
        })?;
        self.use_key_at(at.sequence)?;
        self.bodies.count(body);
        self.device_signed += u64::from(entry.event.signer == Signer::Device);
        self.segments.append(entry.leaf(), at);
        self.spans.add(&self.record, &at);
        self.seen = Some(match self.seen.take() {
            Some(seen) => {
                EventRange { last: at, last_hash: hash, count: seen.count.saturating_add(1), ..seen }
            }
            None => EventRange { first: at, last: at, last_hash: hash, count: 1 },
        });
        self.pending.push(UnverifiedEvent { index, event: entry.event });
        if self.pending.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    /// Validates everything about an event except its signature and its index in the log.
    fn validate_event(
        &self,
        header: &EventHeader,
        hash: Hash,
        body: &ShownBody,
    ) -> Result<(), EvidenceEventError> {
        if header.device != self.device {
            return Err(EvidenceEventError::Event(EventError::Device));
        }
        if self.record.is_lost(header.sequence) {
            return Err(EvidenceEventError::Lost);
        }
        let LogPeriod { log, until_size, .. } = *self.record.log_at(header.sequence);
        if log != self.segments.log() {
            return Err(EvidenceEventError::OtherLog { log });
        }
        if let Some(size) = until_size.filter(|size| self.segments.position() >= *size) {
            return Err(EvidenceEventError::AfterPeriod { size });
        }
        self.ensure_follows(header).map_err(EvidenceEventError::Event)?;
        let head = self.segments.head();
        if header.sequence > head.sequence {
            return Err(EvidenceEventError::BeyondHead { head: head.sequence });
        }
        if header.sequence == head.sequence && hash != head.hash {
            return Err(EvidenceEventError::NotTheHead);
        }
        verify_shown_body(header, body)
    }

    /// Ensures that a header follows the last event, which may be in the segment before.
    fn ensure_follows(&self, header: &EventHeader) -> Result<(), EventError> {
        let Some(EventRange { last, last_hash, .. }) = &self.seen else {
            // Evidence may start at any event, but the first event of a device must not name a previous one.
            return if header.sequence == 0 { header.ensure_follows(None) } else { Ok(()) };
        };
        let next = last.sequence.saturating_add(1);
        if header.sequence > next && self.record.is_range_lost(next, header.sequence) {
            // Perhaps nobody has the lost events, so the hash of the last of them cannot be checked.
            return Ok(());
        }
        header.ensure_follows(Some((last.sequence, *last_hash)))
    }

    /// Makes the key that counts for a sequence the key of the next events. A batch has only one key.
    fn use_key_at(&mut self, sequence: u64) -> Result<(), EvidenceError> {
        let key = &self.record.key_at(sequence).key;
        if self.key.as_ref().is_some_and(|current| current.key() == key) {
            return Ok(());
        }
        let next = EventVerifyingKey::new(self.device, key.clone());
        self.flush()?;
        self.key = Some(next);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), EvidenceError> {
        let Some(key) = self.key.clone().filter(|_| !self.pending.is_empty()) else { return Ok(()) };
        let events = core::mem::take(&mut self.pending);
        let count = self.seen.as_ref().map_or(0, |seen| seen.count);
        let before = count.saturating_sub(events.len() as u64);
        self.signatures.submit(SignatureBatch { key, before, events })
    }

    /// Verifies all signatures of the events pushed so far.
    fn verify_pending(&mut self) -> Result<(), EvidenceError> {
        let flushed = self.flush();
        self.signatures.finish().and(flushed)
    }
}

/// Returns the number of lost events after the event `first` and before the event `last`.
fn lost_between(record: &DeviceRecord, first: u64, last: u64) -> u64 {
    let overlap = |until: u64, from: u64| until.min(last).saturating_sub(from.max(first));
    record.lost().iter().map(|range| overlap(range.until, range.from)).fold(0, u64::saturating_add)
}

fn verify_shown_body(header: &EventHeader, body: &ShownBody) -> Result<(), EvidenceEventError> {
    match body {
        ShownBody::Withheld | ShownBody::Erased => Ok(()),
        ShownBody::Whole(body) => header.verify_body(body).map_err(EvidenceEventError::Event),
        ShownBody::Parts(parts) => {
            let mut after = None;
            for (number, disclosed) in (0u32..).zip(parts) {
                if after.is_some_and(|after| disclosed.index <= after) {
                    return Err(EvidenceEventError::DisclosureOrder);
                }
                after = Some(disclosed.index);
                verify_disclosure(header, disclosed, number)?;
            }
            after.map(|_| ()).ok_or(EvidenceEventError::DisclosureOrder)
        }
    }
}

fn verify_disclosure(
    header: &EventHeader,
    disclosed: &Disclosure,
    number: u32,
) -> Result<(), EvidenceEventError> {
    if !header.kind.allows(&disclosed.part) {
        return Err(EvidenceEventError::Event(EventError::Kind));
    }
    if !disclosed.verify(&header.body_hash) {
        return Err(EvidenceEventError::Disclosure(number));
    }
    Ok(())
}

impl BodyCounts {
    fn count(&mut self, body: &ShownBody) {
        let counter = match body {
            ShownBody::Whole(_) => &mut self.whole,
            ShownBody::Parts(_) => &mut self.parts,
            ShownBody::Withheld => &mut self.withheld,
            ShownBody::Erased => &mut self.erased,
        };
        *counter = counter.saturating_add(1);
    }
}
