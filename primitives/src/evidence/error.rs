//! The reasons why evidence is rejected.

use super::{grandpa::FinalityError, header::HeaderError};
use crate::{event::EventError, AccountId, DeviceId, Hash, LogId};
use core::fmt;

/// The role of a block in the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockRole {
    /// The last block of the voter set with this number.
    Change(u64),
    /// The block whose state is proven.
    Last,
}

/// Why an event of the evidence is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvidenceEventError {
    /// The event itself is invalid.
    Event(EventError),
    /// The disclosed part with this index, counted from 0, does not belong to the event's body.
    Disclosure(u32),
    /// The list of disclosed parts is empty, out of order, or contains a part twice.
    DisclosureOrder,
    /// The event comes after the one that the gateway's heads map names as the device's last: the map hides it.
    BeyondHead {
        /// The sequence of the device's last event according to the heads map.
        head: u64,
    },
    /// The heads map names another event with this sequence as the device's last.
    NotTheHead,
}

/// Why evidence is rejected: the first problem found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvidenceError {
    /// Not an evidence file, or one of an unsupported version.
    Magic,
    /// Some bytes cannot be decoded, or the file ends early.
    Malformed {
        /// The element that could not be read.
        what: &'static str,
        /// The number of items read before it.
        items: u64,
    },
    /// Bytes follow the end of the evidence.
    Trailing,
    /// The evidence is of another chain.
    Genesis {
        /// The genesis hash of the trusted chain.
        expected: Hash,
        /// The genesis hash in the file.
        found: Hash,
    },
    /// A block header is invalid, or does not fit the block's role.
    Block {
        /// The role of the block.
        role: BlockRole,
        /// The block number, or `None` if the header could not be decoded.
        number: Option<u32>,
        /// Why the header is rejected.
        error: HeaderError,
    },
    /// A block is not final.
    Finality {
        /// The role of the block.
        role: BlockRole,
        /// The block number.
        number: u32,
        /// The number of the voter set that should have made it final.
        set: u64,
        /// Why the votes do not make it final.
        error: FinalityError,
    },
    /// The state proof does not prove the anchor, the device's record, or that the state is of this chain.
    State {
        /// The number of the block whose state it is.
        number: u32,
    },
    /// The proven anchor is of another log, or of a later block.
    Anchor {
        /// The log of the file.
        log: LogId,
    },
    /// The proven key is not the one that the device's id is derived from.
    Key {
        /// The device.
        device: DeviceId,
    },
    /// According to the chain, another gateway keeps the device's log.
    Gateway {
        /// The gateway that keeps it.
        keeper: AccountId,
        /// The log in the evidence.
        log: LogId,
    },
    /// The heads map of the checkpoint does not prove the device's last event.
    Head,
    /// A skipped subtree is not aligned with its position in the log.
    Skip {
        /// The index of its first entry.
        index: u64,
        /// The height of the subtree.
        level: u8,
    },
    /// An event is invalid.
    Event {
        /// The index of its entry in the log.
        index: u64,
        /// The sequence that the event claims.
        sequence: u64,
        /// Why the event is rejected.
        error: EvidenceEventError,
    },
    /// An item follows [`super::Item::End`].
    AfterEnd,
    /// The items end without [`super::Item::End`].
    NoEnd,
    /// The evidence contains no event.
    Empty,
    /// The items add up to a log of another size than the checkpoint's.
    Size {
        /// The size in the checkpoint.
        expected: u64,
        /// The size that the items add up to.
        found: u64,
    },
    /// The items add up to another log root than the checkpoint's.
    Root,
}

impl fmt::Display for BlockRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(set) => write!(f, "the last block of voter set {set}"),
            Self::Last => f.write_str("the block whose state is proven"),
        }
    }
}

impl fmt::Display for EvidenceEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Disclosure(index) => {
                write!(f, "disclosed part {index} (counted from 0) does not belong to its body")
            }
            Self::DisclosureOrder => {
                f.write_str("its list of disclosed parts is empty, out of order, or contains a part twice")
            }
            Self::BeyondHead { head } => write!(
                f,
                "the gateway's heads map names sequence {head} as the device's last and so hides this event"
            ),
            Self::NotTheHead => f.write_str(
                "the gateway's heads map names another event with this sequence as the device's last",
            ),
        }
    }
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not an evidence file of version 2"),
            Self::Malformed { what, items } => {
                write!(f, "cannot read the {what} after {items} items: the data is truncated or corrupted")
            }
            Self::Trailing => f.write_str("there are extra bytes after the end of the evidence"),
            Self::Genesis { expected, found } => {
                write!(f, "it is of the chain with genesis {found}, not {expected}: pass the specification of that chain")
            }
            Self::Block { role, number: Some(number), error } => write!(f, "block {number}, {role}: {error}"),
            Self::Block { role, number: None, error } => write!(f, "{role}: {error}"),
            Self::Finality { role, number, set, error } => {
                write!(f, "block {number}, {role}, was not made final by voter set {set}: {error}")
            }
            Self::State { number } => {
                write!(
                    f,
                    "the state of block {number} does not contain this anchor and this device record, or is of another chain"
                )
            }
            Self::Anchor { log } => {
                write!(f, "the anchor is of another log than {log}, or of a block after the last one")
            }
            Self::Key { device } => {
                write!(
                    f,
                    "the key of device {device} has changed, which this version of the format does not support"
                )
            }
            Self::Gateway { keeper, log } => {
                write!(
                    f,
                    "according to the chain, gateway {keeper} keeps the device's log, but the events are in log {log}"
                )
            }
            Self::Head => {
                f.write_str("the heads map of the checkpoint does not prove the device's last event")
            }
            Self::Skip { index, level } => {
                write!(f, "a subtree of height {level} cannot be skipped at entry {index} of the log")
            }
            Self::Event { index, sequence, error } => {
                write!(f, "the event with sequence {sequence}, at entry {index} of the log: {error}")
            }
            Self::AfterEnd => f.write_str("there are items after the end"),
            Self::NoEnd => f.write_str("the file ends early"),
            Self::Empty => f.write_str("it contains no event"),
            Self::Size { expected, found } => {
                write!(f, "it proves a log of {found} entries, but {expected} were anchored")
            }
            Self::Root => f.write_str("the log that it proves is not the one that was anchored"),
        }
    }
}

impl core::error::Error for EvidenceError {}
