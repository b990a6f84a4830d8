//! The entries that are appended to a log, and the receipts for them.

use super::{Lineage, Refusal, MAX_BODY_BYTES};
use codec::{Decode, Encode};
use std::sync::Arc;
use streembit_primitives::{
    event::entry_digest, merkle::leaf_hash, Body, DeviceId, EventHeader, Hash, LogEntry, SignedEvent,
    VerifiedEvent,
};

/// A verified event with its own body, ready to be appended.
///
/// Everything that does not depend on the event's place in the log is computed here, on the caller's thread rather than
/// on the writer's.
#[derive(Clone, Debug)]
pub struct NewEntry {
    event: VerifiedEvent,
    received: u64,
    leaf: Hash,
    /// The encoded entry followed by the encoded body, in one allocation.
    bytes: Vec<u8>,
    /// The offset of the body in `bytes`.
    body_offset: usize,
    lineage: Option<Arc<Lineage>>,
}

impl NewEntry {
    /// Combines an event with its body. `received` is the gateway's clock when the event arrived, in milliseconds since
    /// the Unix epoch.
    ///
    /// Returns an error if the body is too large or the event does not commit to it.
    pub fn new(event: VerifiedEvent, body: &Body, received: u64) -> Result<Self, Refusal> {
        let body_bytes = body.encoded_size();
        if body_bytes > MAX_BODY_BYTES {
            return Err(Refusal::BodyTooLarge { bytes: body_bytes });
        }
        event.event().header.verify_body(body)?;
        // Encodes like a `LogEntry`, but without copying the event.
        let entry = (event.event(), received);
        let body_offset = entry.encoded_size();
        let mut bytes = Vec::with_capacity(body_offset + body_bytes);
        entry.encode_to(&mut bytes);
        let leaf = entry_leaf(&bytes);
        body.encode_to(&mut bytes);
        Ok(Self { event, received, leaf, bytes, body_offset, lineage: None })
    }

    /// Adds what the chain says of the device. Without it, the events of the device are expected to be in this log from
    /// the first one on, without gaps and signed with one key.
    #[must_use]
    pub fn with_lineage(self, lineage: Arc<Lineage>) -> Self {
        Self { lineage: Some(lineage), ..self }
    }

    pub(crate) fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_deref()
    }

    /// The header of the event.
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

    /// The encoded size of entry and body, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the encoded entry and the encoded body.
    pub(crate) fn bytes(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.body_offset).unwrap_or_default()
    }
}

/// Returns the leaf of an encoded entry in the log's tree.
pub(crate) fn entry_leaf(entry: &[u8]) -> Hash {
    leaf_hash(&entry_digest(entry))
}

/// An event proposed to the writer.
pub enum Proposal {
    /// A complete, signed event.
    Entry(Box<NewEntry>),
    /// The next event of a hosted device. The writer has it made and signed as soon as it knows the event's place in the
    /// device's history, so no other event can take that place.
    Next {
        /// The device.
        device: DeviceId,
        /// Makes the event.
        make: MakeEntry,
    },
}

impl Proposal {
    /// The encoded size of entry and body, in bytes, or 0 if the event has not been made yet.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.size(),
            Self::Next { .. } => 0,
        }
    }
}

/// Makes the event that follows a device's head (`None` if the device has no events yet). Runs on the writer's thread.
pub type MakeEntry = Box<dyn FnOnce(Option<&Head>) -> Result<NewEntry, Refusal> + Send>;

/// The acknowledgement that an event is in the log and on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// The event's index in the log, from 0.
    pub index: u64,
    /// The device.
    pub device: DeviceId,
    /// The event's place in the device's history, from 0.
    pub sequence: u64,
    /// The hash of the event's header.
    pub hash: Hash,
    /// The gateway's clock when the event arrived, in milliseconds since the Unix epoch.
    pub received: u64,
}

impl Receipt {
    /// Returns the event as the last event (head) of its device.
    pub(crate) fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash, index: self.index }
    }
}

/// The last event of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Head {
    /// The event's place in the device's history.
    pub sequence: u64,
    /// The hash of the event's header, which the next event must name.
    pub hash: Hash,
    /// The event's index in the log.
    pub index: u64,
}

/// The proof of a copied key: an event that was refused because the log has another event with the same sequence.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Fork {
    /// The index of the admitted event.
    pub admitted: u64,
    /// The refused event, whose signature was verified.
    pub other: LogEntry,
}
