//! What goes into a log and what comes out.

use super::{Refusal, MAX_BODY_BYTES};
use codec::{Decode, Encode};
use streembit_primitives::{
    hash::Domain, Body, DeviceId, EventHeader, Hash, LogEntry, SignedEvent, VerifiedEvent,
};

/// An event that may be appended: its signature was checked, its body is the one that it commits to.
///
/// Everything that can be computed without knowing its place is computed here, off the writer's thread.
#[derive(Clone, Debug)]
pub struct NewEntry {
    event: VerifiedEvent,
    received: u64,
    leaf: Hash,
    /// The entry and its body, encoded, in one allocation.
    bytes: Vec<u8>,
    /// Where the body begins.
    split: usize,
}

impl NewEntry {
    /// Of an event, its body, and the gateway's clock when it came (milliseconds since 1970-01-01 UTC).
    pub fn new(event: VerifiedEvent, body: &Body, received: u64) -> Result<Self, Refusal> {
        let body_bytes = body.encoded_size();
        if body_bytes > MAX_BODY_BYTES {
            return Err(Refusal::BodyTooLarge { bytes: body_bytes });
        }
        event.event().header.verify_body(body)?;
        // As `LogEntry` encodes, without a copy of the event.
        let entry = (event.event(), received);
        let split = entry.encoded_size();
        let mut bytes = Vec::with_capacity(split + body_bytes);
        entry.encode_to(&mut bytes);
        let leaf = Domain::LogLeaf.hash(&bytes);
        body.encode_to(&mut bytes);
        Ok(Self { event, received, leaf, bytes, split })
    }

    /// The header of its event.
    pub fn header(&self) -> &EventHeader {
        &self.event.event().header
    }

    pub(crate) fn signed(&self) -> &SignedEvent {
        self.event.event()
    }

    pub(crate) fn hash(&self) -> Hash {
        self.event.hash()
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn leaf(&self) -> Hash {
        self.leaf
    }

    /// How many bytes entry and body have.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The encoded entry, and the encoded body.
    pub(crate) fn bytes(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.split).unwrap_or_default()
    }
}

/// What the writer is asked to admit.
pub enum Proposal {
    /// An event that was signed elsewhere.
    Entry(Box<NewEntry>),
    /// An event of a hosted device, made when its place in the device's history is known. Nothing can come between.
    Next {
        /// The device.
        device: DeviceId,
        /// Makes the event that follows the device's head (`None` before the first).
        make: Make,
    },
}

impl Proposal {
    /// The bytes of entry and body; 0 for what is made only later.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.size(),
            Self::Next { .. } => 0,
        }
    }
}

/// Makes the event that follows a device's head.
pub type Make = Box<dyn FnOnce(Option<&Head>) -> Result<NewEntry, Refusal> + Send>;

/// Says that an event is in the log, on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// Its place in the log, from 0.
    pub index: u64,
    /// Whose event.
    pub device: DeviceId,
    /// Its place in the device's history.
    pub sequence: u64,
    /// The hash of its header.
    pub hash: Hash,
    /// The gateway's clock when it came, in milliseconds since 1970-01-01 UTC.
    pub received: u64,
}

/// The last event of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Head {
    /// Its place in the device's history.
    pub sequence: u64,
    /// The hash of its header, which the next one names.
    pub hash: Hash,
    /// Its place in the log.
    pub index: u64,
}

/// Proof of a copied key: an event that was refused because another of its sequence is in the log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Fork {
    /// Where the event is that was there first.
    pub admitted: u64,
    /// The other one; its signature was checked.
    pub other: LogEntry,
}
