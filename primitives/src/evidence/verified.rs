//! The result of a successful verification: what the evidence proves.

use super::{AuthorityKey, BlockRef};
use crate::{device::DeviceRecord, Checkpoint, DeviceId, Hash, LogId, PartyId};
use alloc::vec::Vec;

/// Verified evidence: the events that it proves, who signed them, and the block that proves it.
///
/// Only [`super::Verifier::finish`] constructs this type.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VerifiedEvidence {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The device whose events these are.
    pub device: DeviceId,
    /// The device's record on chain as of the block [`Self::last`]: its keys, owners and logs, and what was lost.
    pub record: DeviceRecord,
    /// The parts of the evidence, one for each log, in the order of the events.
    pub segments: Vec<VerifiedSegment>,
    /// Which key, log and owner count for which events, in the order of the events.
    pub spans: Vec<EventSpan>,
    /// The newest final block, whose state proves the record and the checkpoint of the last segment.
    pub last: FinalizedBlock,
    /// The number of changes of voters between the trust root and that block.
    pub changes: u64,
    /// The number of events.
    #[cfg_attr(feature = "serde", serde(rename = "event_count"))]
    pub events: u64,
    /// The first event.
    pub first: EventPosition,
    /// The last event.
    pub last_event: EventPosition,
    /// The sequence of the device's last event at the checkpoint of the last segment.
    pub head: u64,
    /// The number of lost events between the first event and the last one.
    pub lost: u64,
    /// True if the first event is the device's very first one that is not lost.
    pub from_first: bool,
    /// True if the last event is the device's last one at the checkpoint of the log that the record names now.
    pub to_last: bool,
    /// The number of events signed by the device itself.
    pub device_signed: u64,
    /// The number of events signed by a gateway on behalf of the device.
    pub gateway_signed: u64,
    /// How much of the event bodies is disclosed.
    pub bodies: BodyCounts,
}

impl VerifiedEvidence {
    /// Returns true if these are all events of the device up to the last checkpoint, except for the lost ones.
    pub fn is_complete(&self) -> bool {
        self.from_first && self.to_last
    }
}

/// The part of the evidence that is in one log.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VerifiedSegment {
    /// The checkpoint of the log that the chain accepted.
    pub checkpoint: Checkpoint,
    /// The number of the block that accepted the checkpoint.
    pub anchored: u32,
    /// The final block whose state proves the checkpoint. For the last segment it is [`VerifiedEvidence::last`].
    pub proven: FinalizedBlock,
    /// The sequence of the device's last event at the checkpoint.
    pub head: u64,
    /// The number of events.
    #[cfg_attr(feature = "serde", serde(rename = "event_count"))]
    pub events: u64,
    /// The first event.
    pub first: EventPosition,
    /// The last event.
    pub last_event: EventPosition,
}

/// Consecutive events with one key, in one log, and for one owner.
///
/// Key and log follow from the sequence. The owner follows from the time at which the gateway received the event, which is
/// the gateway's claim. If the gateway's clock goes back, the later owner stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EventSpan {
    /// The sequence of the first event.
    pub first: u64,
    /// The sequence of the last event.
    pub last: u64,
    /// The number of events.
    #[cfg_attr(feature = "serde", serde(rename = "event_count"))]
    pub events: u64,
    /// The number of the key in the device's record, counted from 0.
    pub key: u32,
    /// The log.
    pub log: LogId,
    /// The party that owned the device.
    pub owner: PartyId,
}

/// A block that was verified to be final, and the voters that made it final.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FinalizedBlock {
    /// The number and hash of the block.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub block: BlockRef,
    /// When the block's slot began, in milliseconds since 1970-01-01 UTC, or `None` if it has no slot.
    pub time: Option<u64>,
    /// The number of the voter set, counted from 0.
    pub set: u64,
    /// The number of voters in the set.
    pub voters: u64,
    /// The voters whose votes are in the file: more than two thirds of the set by weight.
    pub signers: Vec<AuthorityKey>,
}

/// An event's position in the device's history and in its log, and its times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EventPosition {
    /// The position in the device's history.
    pub sequence: u64,
    /// The index of the entry in the log.
    pub index: u64,
    /// When the event happened by its signer's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// When the gateway received the event by the gateway's clock, in milliseconds since 1970-01-01 UTC.
    pub received: u64,
}

/// The number of event bodies by how much of them is disclosed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BodyCounts {
    /// Bodies disclosed as a whole.
    pub whole: u64,
    /// Bodies of which some parts are disclosed.
    pub parts: u64,
    /// Bodies that the author of the file claims to withhold. Not proven.
    pub withheld: u64,
    /// Bodies that the author of the file claims to be erased. Not proven.
    pub erased: u64,
}
