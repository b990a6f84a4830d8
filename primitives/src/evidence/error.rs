//! The reasons why evidence is rejected.

use super::{grandpa::FinalityError, header::HeaderError};
use crate::{event::EventError, DeviceId, Hash, LogId};
use core::fmt;

/// The role of a block in the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockRole {
    /// The last block of the voter set with this number.
    Change(u64),
    /// The block whose state proves the checkpoint of this log, which the device has left.
    Former(LogId),
    /// The newest block, whose state proves the device's record and the checkpoint of the last segment.
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
    /// The device's record declares the event lost.
    Lost,
    /// The event came into the log after the device's period there ended.
    AfterPeriod {
        /// The size of the log at the end of the period.
        size: u64,
    },
    /// The device's record puts the event in another log than the segment's.
    OtherLog {
        /// The log in the record.
        log: LogId,
    },
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
    /// There is not one proof for each segment, there is no segment, or there are more than the device has had logs.
    SegmentCount {
        /// The number of segments.
        segments: u64,
        /// The number of proofs of checkpoints.
        proofs: u64,
        /// The number of logs in the device's record.
        logs: u64,
    },
    /// The block that proves the checkpoint of a former log names a voter set that is not in the file, or one before the
    /// set of the segment before it.
    FormerSet {
        /// The log of the segment.
        log: LogId,
        /// The number of changes of voters before the block, by its proof.
        changes: u32,
        /// The number of changes of voters in the file.
        known: u64,
    },
    /// The state proof does not prove the anchor, the device's record, or that the state is of this chain.
    State {
        /// The number of the block whose state it is.
        number: u32,
    },
    /// The proven record is of another device: the id is not derived from its first key.
    Record {
        /// The device.
        device: DeviceId,
    },
    /// The device's record does not name the log of a segment after the logs of the segments before it.
    SegmentOrder {
        /// The log.
        log: LogId,
    },
    /// A proven anchor is of another log, or of a later block.
    Anchor {
        /// The log of the segment.
        log: LogId,
    },
    /// The heads map of a checkpoint does not prove the device's last event.
    Head {
        /// The log of the checkpoint.
        log: LogId,
    },
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
    /// A segment contains no event.
    Empty {
        /// The log of the segment.
        log: LogId,
    },
    /// The items of a segment add up to a log of another size than the checkpoint's.
    Size {
        /// The log of the segment.
        log: LogId,
        /// The size in the checkpoint.
        expected: u64,
        /// The size that the items add up to.
        found: u64,
    },
    /// The items of a segment add up to another log root than the checkpoint's.
    Root {
        /// The log of the segment.
        log: LogId,
    },
    /// The items have another number of segments than the prelude.
    Segments {
        /// The number in the prelude.
        expected: u64,
        /// The number so far in the items.
        found: u64,
    },
}

impl fmt::Display for BlockRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(set) => write!(f, "the last block of voter set {set}"),
            Self::Former(log) => write!(f, "the block that proves the checkpoint of log {log}"),
            Self::Last => f.write_str("the newest block, whose state is proven"),
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
            Self::Lost => f.write_str("the chain's record of the device declares it lost"),
            Self::AfterPeriod { size } => write!(
                f,
                "the device left this log when {size} entries were anchored, and this event came later"
            ),
            Self::OtherLog { log } => {
                write!(
                    f,
                    "the chain's record of the device puts it in log {log}, not in the log of this segment"
                )
            }
        }
    }
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not an evidence file of version 4"),
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
            Self::SegmentCount { segments, proofs, logs } => write!(
                f,
                "it has {segments} segments, {proofs} proofs of checkpoints and a device record with {logs} logs: each \
                 segment needs one proof and one log"
            ),
            Self::FormerSet { log, changes, known } => write!(
                f,
                "the block that proves the checkpoint of log {log} is said to come after {changes} changes of voters: it \
                 must not come before the block of the segment before, nor after the {known} changes in the file"
            ),
            Self::State { number } => write!(
                f,
                "the state of block {number} does not contain this anchor and this device record, or is of another chain"
            ),
            Self::Record { device } => {
                write!(f, "the record is not of device {device}, whose id is derived from another first key")
            }
            Self::SegmentOrder { log } => write!(
                f,
                "the chain's record of the device does not name log {log} after the logs of the segments before it"
            ),
            Self::Anchor { log } => {
                write!(f, "the anchor is of another log than {log}, or of a block after the one that proves it")
            }
            Self::Head { log } => {
                write!(f, "the heads map of the checkpoint of log {log} does not prove the device's last event")
            }
            Self::Skip { index, level } => {
                write!(f, "a subtree of height {level} cannot be skipped at entry {index} of the log")
            }
            Self::Event { index, sequence, error } => {
                write!(f, "the event with sequence {sequence}, at entry {index} of the log: {error}")
            }
            Self::AfterEnd => f.write_str("there are items after the end"),
            Self::NoEnd => f.write_str("the file ends early"),
            Self::Empty { log } => write!(f, "it contains no event from log {log}"),
            Self::Size { log, expected, found } => {
                write!(f, "it proves {found} entries of log {log}, but {expected} were anchored")
            }
            Self::Root { log } => write!(f, "its entries of log {log} are not the ones that were anchored"),
            Self::Segments { expected, found } => {
                write!(f, "its entries are of {found} segments, but its first part names {expected}")
            }
        }
    }
}

impl core::error::Error for EvidenceError {}
