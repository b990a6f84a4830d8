//! The report of an audit.

use super::{ChainState, Subject, TimeContradiction};
use crate::event_view::EventView;
use serde::Serialize;
use std::fmt;
use streembit_keystore::account;
use streembit_log::{CopiedKey, Place};
use streembit_primitives::{
    checkpoint::Anchor, device::DeviceRecord, AccountId, DeviceId, DeviceKey, Hash, LogId, PartyId,
};

/// The result of an audit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Whether the history is verified, so that [`Self::problems`] is empty.
    pub verified: bool,
    /// The device's id.
    pub device: DeviceId,
    /// The device's name in the gateway's configuration.
    pub name: Option<String>,
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The number of the finalized block that the log is checked against.
    pub block: u32,
    /// The block's hash.
    pub block_hash: Hash,
    /// The block's time, in milliseconds since 1970-01-01 UTC.
    pub block_time: u64,
    /// The device's key that counts now, as recorded on the chain.
    pub key: Option<DeviceKey>,
    /// The party that owns the device now.
    pub owner: Option<PartyId>,
    /// The device's record on the chain: all its keys, owners and logs, and what was lost.
    pub record: Option<DeviceRecord>,
    /// The gateway that keeps this log.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub gateway: AccountId,
    /// The log's id.
    pub log: LogId,
    /// The number of entries in the log, including entries of other devices.
    pub log_size: u64,
    /// The log's last finalized anchor.
    pub anchor: Option<Anchor>,
    /// The number of the device's events that are valid and proven to be anchored.
    pub anchored: u64,
    /// The number of the device's events that are valid and wait for the next anchor.
    pub pending: u64,
    /// The number of the device's events in the log that its record declares lost.
    pub lost: u64,
    /// The number of the device's events whose bodies were erased. The rest of these events is still verified.
    pub erased: u64,
    /// Whether the history is proven to have no gap and no missing end.
    pub completeness: Completeness,
    /// The problems, with causes before their consequences.
    pub problems: Vec<AuditProblem>,
    /// The two events that prove that the device's key was copied, if the log holds such a proof.
    pub copied_key: Option<CopiedKey>,
    /// Problems that concern other devices only. They do not affect [`Self::verified`].
    pub elsewhere: Vec<AuditProblem>,
    /// The times that contradict each other or the anchors: a clock was wrong. They do not affect [`Self::verified`].
    pub times: Vec<TimeContradiction>,
    /// The number of the device's events in the log.
    #[serde(rename = "event_count")]
    pub events: u64,
    /// All of the device's events.
    pub history: Vec<AuditedEvent>,
}

/// Whether a device's history is complete up to a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Completeness {
    /// Whether completeness is proven: there is no gap, and the anchored heads map commits to the last event.
    pub proven: bool,
    /// The number of events that the device had in this log at the checkpoint; 0 if completeness is not proven.
    #[serde(rename = "event_count")]
    pub events: u64,
    /// The sequence of the first of these events, or `None` if there is none.
    pub first: Option<u64>,
    /// The sequence of the last of these events, or `None` if there is none.
    pub last: Option<u64>,
    /// The size of the log at the checkpoint.
    pub checkpoint: Option<u64>,
    /// The reason why completeness is not proven.
    pub why: Option<String>,
}

/// A problem that an audit found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditProblem {
    /// The part of the log or the chain that is wrong.
    #[serde(rename = "where")]
    pub place: ProblemPlace,
    /// The index of the entry in the log, if the problem concerns one entry.
    pub index: Option<u64>,
    /// The sequence of the event, if the problem concerns one event.
    pub sequence: Option<u64>,
    /// The description.
    pub problem: String,
}

/// The part of the log or the chain that a problem is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemPlace {
    /// The anchor: the log was cut short or rewritten after it was anchored.
    Anchor,
    /// A stored entry, which holds an event's header and signature.
    Entry,
    /// A stored body, which holds an event's content.
    Body,
    /// A stored node of the Merkle tree.
    Node,
    /// The stored size and root of the log.
    Root,
    /// The anchored map of each device's last event.
    Heads,
    /// The index by which the log finds a device's events.
    Index,
    /// The signature of an event.
    Signature,
    /// The order of the device's events.
    Sequence,
    /// The device's record on the chain.
    Chain,
}

/// Whether an event is anchored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorState {
    /// The event is proven to be under the root on the chain.
    Anchored,
    /// The event comes after the last anchor.
    Pending,
    /// The event should be anchored, but is not under the root on the chain.
    Outside,
}

/// An event in the report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditedEvent {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// Whether the event is anchored.
    pub anchor: AnchorState,
    /// The number of the key in the device's record that the event must be signed with, counted from 0.
    pub key: Option<u32>,
    /// Whether the device's record declares the event lost. It proves nothing then, and its signature and order are not
    /// checked.
    pub lost: bool,
    /// Whether the event passed all checks.
    pub ok: bool,
}

impl Report {
    /// Returns a report without events and problems.
    pub(super) fn new(subject: Subject, chain: &ChainState, log: LogId) -> Self {
        let record = chain.device.as_ref();
        Self {
            verified: false,
            device: subject.device,
            name: subject.name,
            genesis: chain.genesis,
            block: chain.block,
            block_hash: chain.hash,
            block_time: chain.time,
            key: record.map(|record| record.key().clone()),
            owner: record.map(DeviceRecord::owner),
            record: record.cloned(),
            gateway: log.gateway,
            log,
            log_size: 0,
            anchor: chain.anchor.clone(),
            anchored: 0,
            pending: 0,
            lost: 0,
            erased: 0,
            completeness: Completeness::unknown("the log could not be read"),
            problems: Vec::new(),
            copied_key: None,
            elsewhere: Vec::new(),
            times: Vec::new(),
            events: 0,
            history: Vec::new(),
        }
    }

    /// Returns the report for a log that cannot be read because of `problem`.
    pub fn for_unreadable_log(subject: Subject, chain: &ChainState, log: LogId, problem: String) -> Self {
        let mut report = Self::new(subject, chain, log);
        report.problems.push(AuditProblem::new(ProblemPlace::Root, problem));
        report
    }

    /// Returns the verdict in one line.
    pub fn verdict(&self) -> String {
        let count = |number: u64| format!("{number} event{}", if number == 1 { "" } else { "s" });
        if let Some(first) = self.problems.first() {
            let more = self.problems.len().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            return format!("NOT VERIFIED: {first}{more}");
        }
        let anchored = match &self.anchor {
            Some(anchor) if self.anchored > 0 => {
                format!(", anchored at log size {} in block {}", anchor.checkpoint.size, anchor.block)
            }
            _ => String::new(),
        };
        let pending = match self.pending {
            0 => String::new(),
            pending => format!("; {} not yet anchored", count(pending)),
        };
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("; {} declared lost", count(lost)),
        };
        format!("VERIFIED: {}{anchored}{pending}{lost}", count(self.anchored))
    }
}

impl Completeness {
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self { proven: false, events: 0, first: None, last: None, checkpoint: None, why: Some(why.into()) }
    }

    /// Returns that the events with these sequences are all of the device in a log of this size.
    pub(super) fn proven(sequences: &[u64], checkpoint: u64) -> Self {
        Self {
            proven: true,
            events: sequences.len() as u64,
            first: sequences.first().copied(),
            last: sequences.last().copied(),
            checkpoint: Some(checkpoint),
            why: None,
        }
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.checkpoint.unwrap_or_default();
        match (self.proven, self.first.zip(self.last)) {
            (true, None) => write!(f, "no event as of the checkpoint at {size} entries, and none is missing"),
            (true, Some((first, last))) if first == last => {
                write!(f, "event {first}, and no other, as of the checkpoint at {size} entries")
            }
            (true, Some((first, last))) => write!(
                f,
                "events {first} to {last}, nothing missing in between or at the end, as of the checkpoint at {size} entries"
            ),
            (false, _) => write!(f, "not proven: {}", self.why.as_deref().unwrap_or("not checked")),
        }
    }
}

impl AuditProblem {
    pub(super) fn new(place: ProblemPlace, problem: impl Into<String>) -> Self {
        Self { place, index: None, sequence: None, problem: problem.into() }
    }

    pub(super) fn at(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    pub(super) fn of_event(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }
}

impl ProblemPlace {
    pub(super) fn of(place: Place) -> Self {
        match place {
            Place::Entry => Self::Entry,
            Place::Body => Self::Body,
            Place::Node(_) => Self::Node,
            Place::ByDevice | Place::Head => Self::Index,
            Place::Root => Self::Root,
        }
    }
}

impl fmt::Display for ProblemPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Anchor => "anchor",
            Self::Entry => "entries",
            Self::Body => "bodies",
            Self::Node => "nodes",
            Self::Root => "root",
            Self::Heads => "heads map",
            Self::Index => "index",
            Self::Signature => "signature",
            Self::Sequence => "sequence",
            Self::Chain => "chain",
        })
    }
}

impl fmt::Display for AuditProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if let Some(index) = self.index {
            write!(f, " {index}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " (event {sequence})")?;
        }
        write!(f, ": {}", self.problem)
    }
}
