//! Verification of event signatures in batches, on the caller's thread or elsewhere.

use super::{EvidenceError, EvidenceEventError};
use crate::{event::EventError, SignedEvent};
use alloc::vec::Vec;

/// The key that a batch is verified with: parsed once with `std`, where events are verified in batches.
#[cfg(feature = "std")]
pub(super) type EventVerifyingKey = crate::event::ParsedDeviceKey;

/// The key that events are verified with, one by one.
#[cfg(not(feature = "std"))]
#[derive(Clone)]
pub(super) struct EventVerifyingKey(crate::DeviceKey);

#[cfg(not(feature = "std"))]
impl EventVerifyingKey {
    pub(super) fn new(_: crate::DeviceId, key: crate::DeviceKey) -> Self {
        Self(key)
    }

    pub(super) fn key(&self) -> &crate::DeviceKey {
        &self.0
    }
}

/// An event whose signature has not been verified yet.
pub(super) struct UnverifiedEvent {
    pub(super) index: u64,
    pub(super) event: SignedEvent,
}

/// The signatures of some consecutive events of the evidence with one key, not yet verified.
pub struct SignatureBatch {
    pub(super) key: EventVerifyingKey,
    /// The number of events in the evidence before these.
    pub(super) before: u64,
    pub(super) events: Vec<UnverifiedEvent>,
}

impl SignatureBatch {
    /// Returns the number of signatures.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns true if the batch has no signatures.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the number of events in the evidence before the first event of this batch.
    pub fn events_before(&self) -> u64 {
        self.before
    }

    /// Verifies the signatures. The error is the one of the first event whose signature is invalid.
    #[cfg(feature = "std")]
    pub fn verify(self) -> Result<(), EvidenceError> {
        let positions: Vec<_> =
            self.events.iter().map(|pending| (pending.index, pending.event.header.sequence)).collect();
        let events = self.events.into_iter().map(|pending| (pending.event, &self.key)).collect();
        for ((index, sequence), result) in positions.into_iter().zip(crate::event::verify_batch(events)) {
            result.map_err(|error| rejected(index, sequence, error))?;
        }
        Ok(())
    }

    /// Verifies the signatures. The error is the one of the first event whose signature is invalid.
    #[cfg(not(feature = "std"))]
    pub fn verify(self) -> Result<(), EvidenceError> {
        for UnverifiedEvent { index, event } in self.events {
            let sequence = event.header.sequence;
            event.verify(&self.key.0).map_err(|error| rejected(index, sequence, error))?;
        }
        Ok(())
    }
}

fn rejected(index: u64, sequence: u64, error: EventError) -> EvidenceError {
    EvidenceError::Event { index, sequence, error: EvidenceEventError::Event(error) }
}

/// Verifies the signatures of the events, on the caller's thread ([`InlineVerifier`]) or on other threads.
pub trait SignatureVerifier {
    /// Accepts a batch to verify now or later. Returns the first error among the batches verified so far.
    fn submit(&mut self, batch: SignatureBatch) -> Result<(), EvidenceError>;
    /// Waits until all submitted batches are verified. Returns the first error.
    fn finish(&mut self) -> Result<(), EvidenceError>;
}

/// Verifies each batch at once, on the caller's thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InlineVerifier;

impl SignatureVerifier for InlineVerifier {
    fn submit(&mut self, batch: SignatureBatch) -> Result<(), EvidenceError> {
        batch.verify()
    }

    fn finish(&mut self) -> Result<(), EvidenceError> {
        Ok(())
    }
}
