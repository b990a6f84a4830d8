//! What evidence proves.

use super::{AuthorityKey, Block};
use crate::{chain::DeviceRecord, Checkpoint, DeviceId, Hash};
use alloc::vec::Vec;

/// What a file proves, by whom, and as of when. Made by [`super::Verifier::finish`] and by nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verdict {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// Whose events these are.
    pub device: DeviceId,
    /// The device's key, owner and gateway, and when it was registered, as of the final block.
    pub record: DeviceRecord,
    /// The state of the log, as the chain accepted it.
    pub checkpoint: Checkpoint,
    /// The block that accepted it.
    pub anchored: u32,
    /// The block that all of this is as of.
    pub last: Final,
    /// How often the voters changed from the trust root up to that block.
    pub changes: u64,
    /// How many events there are.
    pub events: u64,
    /// The first of them.
    pub first: EventAt,
    /// The last of them.
    pub last_event: EventAt,
    /// The sequence of the device's last event in the log at the checkpoint.
    pub head: u64,
    /// Whether they begin with the device's first event.
    pub from_first: bool,
    /// Whether they end with the device's last event at the checkpoint.
    pub to_last: bool,
    /// How many the device signed itself.
    pub device_signed: u64,
    /// How many its gateway signed for it.
    pub gateway_signed: u64,
    /// How much of their bodies is shown.
    pub bodies: Shares,
}

impl Verdict {
    /// Whether these are all events of the device up to the checkpoint.
    pub fn is_complete(&self) -> bool {
        self.from_first && self.to_last
    }
}

/// A final block and who made it final.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Final {
    /// The block.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub block: Block,
    /// When its slot began, in milliseconds since 1970-01-01 UTC; `None` of a block without a slot.
    pub time: Option<u64>,
    /// The set of voters, counted from 0.
    pub set: u64,
    /// How many voters the set has.
    pub voters: u64,
    /// Those whose votes are in the file: more than two thirds by weight.
    pub signers: Vec<AuthorityKey>,
}

/// An event's places and time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EventAt {
    /// In the device's history.
    pub sequence: u64,
    /// In the log.
    pub index: u64,
    /// By its signer's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// By the gateway's clock when it was received.
    pub received: u64,
}

/// How many bodies are shown, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Shares {
    /// All of it.
    pub whole: u64,
    /// Some parts.
    pub parts: u64,
    /// Nothing: kept by whoever made the file. Their word, not proven.
    pub withheld: u64,
    /// Nothing: erased. Their word, not proven.
    pub erased: u64,
}
