//! The first thing that is wrong with evidence.

use super::{block::BlockFault, grandpa::FinalityFault};
use crate::{event::EventError, AccountId, DeviceId, Hash, LogId};
use core::fmt;

/// Which block of the chain's part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockRole {
    /// The last block of a set of voters, by the set's place since the trust root.
    Change(u64),
    /// The one that the state is proven at.
    Last,
}

/// What is wrong with an event of the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventFault {
    /// The event's own fault.
    Event(EventError),
    /// A disclosed part, by its place among those disclosed, is none of the event's body.
    Disclosure(u32),
    /// The disclosed parts are none at all, not in their order, or one is there twice.
    DisclosureOrder,
    /// After the device's last event at the checkpoint: the gateway's heads map hides it.
    BeyondHead {
        /// The sequence of the device's last event by the heads map.
        head: u64,
    },
    /// The device's last event by its sequence, but another one than the heads map names.
    NotTheHead,
}

/// The first thing that is wrong with evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvidenceError {
    /// Not an evidence file, or of a version that this code does not know.
    Magic,
    /// Some bytes are not what should be there, or the file ends too early.
    Malformed {
        /// What could not be read.
        what: &'static str,
        /// How many items were read before.
        items: u64,
    },
    /// Bytes after the end.
    Trailing,
    /// Of another chain.
    Genesis {
        /// The chain trusted.
        expected: Hash,
        /// The chain of the file.
        found: Hash,
    },
    /// A block is not what it is given for.
    Block {
        /// Which.
        role: BlockRole,
        /// Its number, where that could be read.
        number: Option<u32>,
        /// What is wrong with it.
        fault: BlockFault,
    },
    /// A block is not final.
    Finality {
        /// Which.
        role: BlockRole,
        /// Its number.
        number: u32,
        /// The set of voters that should have made it final.
        set: u64,
        /// What is wrong with the votes.
        fault: FinalityFault,
    },
    /// The state does not say what the file says that it does: the anchor, the device's record, or that it is a state of
    /// this chain is not proven.
    State {
        /// The block whose state it is.
        number: u32,
    },
    /// The anchor proven is of another log, or of a later block.
    Anchor {
        /// The log of the file.
        log: LogId,
    },
    /// The key proven is not the one that the device's id is derived from.
    Key {
        /// The device.
        device: DeviceId,
    },
    /// By the chain, another gateway keeps the device's log.
    Gateway {
        /// The one that keeps it.
        keeper: AccountId,
        /// The one whose log this is.
        log: LogId,
    },
    /// The checkpoint has no map of the devices' last events.
    NoHeads,
    /// The device's last event is not proven by the checkpoint.
    Head,
    /// A skipped subtree that cannot be at this place.
    Skip {
        /// How many entries were before it.
        index: u64,
        /// Its level.
        level: u8,
    },
    /// An event is wrong.
    Event {
        /// Its place in the log.
        index: u64,
        /// Its place in the device's history, as it says.
        sequence: u64,
        /// What is wrong with it.
        fault: EventFault,
    },
    /// Something follows the end.
    AfterEnd,
    /// The stream stopped before its end.
    NoEnd,
    /// No event at all.
    Empty,
    /// The items make a log of another size than the checkpoint's.
    Size {
        /// The checkpoint's.
        expected: u64,
        /// That of the items.
        found: u64,
    },
    /// The items make another log than the one of the checkpoint.
    Root,
}

impl fmt::Display for BlockRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(set) => write!(f, "the last block of voter set {set}"),
            Self::Last => f.write_str("the block that the state is proven at"),
        }
    }
}

impl fmt::Display for EventFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Disclosure(place) => {
                write!(f, "disclosed part {place} (counted from 0) is none of its body's")
            }
            Self::DisclosureOrder => f.write_str("its disclosed parts are none, out of order or doubled"),
            Self::BeyondHead { head } => write!(
                f,
                "the gateway's map says that sequence {head} was the device's last: the map hides this event"
            ),
            Self::NotTheHead => {
                f.write_str("the gateway's map names another event as the device's last with this sequence")
            }
        }
    }
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not an evidence file of version 1"),
            Self::Malformed { what, items } => {
                write!(f, "the file is cut or changed: no {what} after {items} items")
            }
            Self::Trailing => f.write_str("there are bytes after the end"),
            Self::Genesis { expected, found } => {
                write!(f, "it is of the chain with genesis {found}, not of {expected}: give that chain's specification")
            }
            Self::Block { role, number: Some(number), fault } => write!(f, "block {number}, {role}: {fault}"),
            Self::Block { role, number: None, fault } => write!(f, "{role}: {fault}"),
            Self::Finality { role, number, set, fault } => {
                write!(f, "block {number}, {role}, is not final by voter set {set}: {fault}")
            }
            Self::State { number } => {
                write!(
                    f,
                    "the state of block {number} is not of this chain, or does not have this anchor and this record of the device"
                )
            }
            Self::Anchor { log } => {
                write!(f, "the anchor is not one of log {log} at or before the last block")
            }
            Self::Key { device } => {
                write!(
                    f,
                    "device {device} has changed its key, which this version of evidence does not cover"
                )
            }
            Self::Gateway { keeper, log } => {
                write!(
                    f,
                    "by the chain, gateway {keeper} keeps the device's log, but the events are in log {log}"
                )
            }
            Self::NoHeads => f.write_str(
                "the checkpoint has no map of last events: make new evidence from a newer checkpoint",
            ),
            Self::Head => f.write_str("the checkpoint does not prove the device's last event"),
            Self::Skip { index, level } => {
                write!(f, "no subtree of level {level} can be skipped at entry {index} of the log")
            }
            Self::Event { index, sequence, fault } => {
                write!(f, "the event at entry {index} of the log, sequence {sequence}: {fault}")
            }
            Self::AfterEnd => f.write_str("there is something after the end"),
            Self::NoEnd => f.write_str("the file stops before its end"),
            Self::Empty => f.write_str("there is no event in it"),
            Self::Size { expected, found } => {
                write!(f, "it shows a log of {found} entries, but {expected} were anchored")
            }
            Self::Root => f.write_str("the log that it shows is not the one that was anchored"),
        }
    }
}

impl core::error::Error for EvidenceError {}
