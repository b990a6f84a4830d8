//! The proof of one reading: from a disclosed part of a body up to an anchored root.

use crate::{
    body::Disclosure, event::EventError, merkle::InclusionProof, DeviceKey, Hash, LogEntry, LogId, Part,
    Reading,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Claims that a reading was signed, and is in a log at an anchored size. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ReadingProof {
    /// The log.
    pub log: LogId,
    /// The size of the log at the checkpoint.
    pub size: u64,
    /// The entry's place in the log.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// The way from the entry to the checkpoint's root.
    pub inclusion: InclusionProof,
    /// The reading, and its way to the body's hash.
    pub disclosure: Disclosure,
}

/// A reading that was proven. Made by [`ReadingProof::verify`] and by nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenReading {
    reading: Reading,
    sequence: u64,
}

/// What is wrong with a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofError {
    /// The event's own fault.
    Event(EventError),
    /// The entry is not in the log at that checkpoint.
    Inclusion,
    /// The disclosed part is not in the event's body.
    Disclosure,
    /// The disclosed part is no reading.
    NotAReading,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Inclusion => f.write_str("the entry is not in the log at that checkpoint"),
            Self::Disclosure => f.write_str("the disclosed part is not one of the event's body"),
            Self::NotAReading => f.write_str("the disclosed part is not a reading"),
        }
    }
}

impl core::error::Error for ProofError {}

impl ReadingProof {
    /// Checks everything against a device's key and the root anchored for ([`Self::log`], [`Self::size`]).
    pub fn verify(self, key: &DeviceKey, root: &Hash) -> Result<ProvenReading, ProofError> {
        if !self.inclusion.verify(self.entry.leaf(), self.index, self.size, root) {
            return Err(ProofError::Inclusion);
        }
        let event = self.entry.event.verify(key).map_err(ProofError::Event)?;
        let header = &event.event().header;
        // The id is the hash of the device's first key: while keys do not rotate, this ties the key to the event.
        if header.device != key.device_id() {
            return Err(ProofError::Event(EventError::Device));
        }
        if !self.disclosure.verify(&header.body_hash) {
            return Err(ProofError::Disclosure);
        }
        match self.disclosure.part {
            Part::Reading(reading) => Ok(ProvenReading { reading, sequence: header.sequence }),
            Part::Status(_) => Err(ProofError::NotAReading),
        }
    }
}

impl ProvenReading {
    /// The reading.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The place of its event in the device's history.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}
