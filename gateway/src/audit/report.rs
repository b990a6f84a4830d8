//! What an audit has found.

use super::{ChainState, Subject};
use serde::Serialize;
use std::fmt;
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_log::{CopiedKey, Place};
use streembit_primitives::{
    checkpoint::Anchor, AccountId, DeviceId, DeviceKey, EventKind, Hash, LogId, Part, Signer,
};

/// The result of an audit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Whether everything holds: nothing in [`Self::problems`].
    pub verified: bool,
    /// The device.
    pub device: DeviceId,
    /// What its gateway calls it.
    pub name: Option<String>,
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The finalized block that the audit holds the log against.
    pub block: u32,
    /// Its hash.
    pub block_hash: Hash,
    /// Its time, in milliseconds since 1970-01-01 UTC.
    pub block_time: u64,
    /// The key that the chain has of the device.
    pub key: Option<DeviceKey>,
    /// The device's owner.
    #[serde(serialize_with = "optional_account")]
    pub owner: Option<AccountId>,
    /// The gateway that keeps its log.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub gateway: AccountId,
    /// The log.
    pub log: LogId,
    /// How many entries it has, those of other devices included.
    pub log_size: u64,
    /// Its last finalized anchor.
    pub anchor: Option<Anchor>,
    /// How many events of the device are proven to be under the anchor, and hold.
    pub anchored: u64,
    /// How many hold, and wait for the next anchor.
    pub pending: u64,
    /// How many of the device's bodies were erased; all else of those events holds without them.
    pub erased: u64,
    /// Whether the history has neither gap nor missing end.
    pub completeness: Completeness,
    /// What is wrong, worst first.
    pub problems: Vec<AuditProblem>,
    /// The two events that prove that the device's key was copied, where it was.
    pub copied_key: Option<CopiedKey>,
    /// What is wrong with bodies of other devices: no matter of this one.
    pub elsewhere: Vec<AuditProblem>,
    /// How many events the log has of the device.
    pub events: u64,
    /// Every one of them.
    pub history: Vec<AuditedEvent>,
}

/// Whether a device's history is all that there was, up to a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Completeness {
    /// Whether it is proven: no gap, and the last event is the one that the anchored heads map commits to.
    pub proven: bool,
    /// How many events the device had at the checkpoint; 0 where it is not proven.
    pub events: u64,
    /// The size of the log at that checkpoint.
    pub checkpoint: Option<u64>,
    /// Why it is not proven.
    pub why: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditProblem {
    /// Where.
    #[serde(rename = "where")]
    pub place: ProblemPlace,
    /// The entry's place in the log, where it is one entry's.
    pub index: Option<u64>,
    /// The event's place in the device's history, where it is one event's.
    pub sequence: Option<u64>,
    /// What.
    pub problem: String,
}

/// ProblemPlace something is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemPlace {
    /// The log against its anchor: cut short or rewritten.
    Anchor,
    /// A stored entry: an event as signed and received.
    Entry,
    /// A stored body: what an event says.
    Body,
    /// A stored node of the tree.
    Node,
    /// The stored size and root.
    Root,
    /// The anchored map of the devices' last events.
    Heads,
    /// What the log keeps to find a device's events.
    Index,
    /// Who signed.
    Signature,
    /// The order of the device's events.
    Sequence,
    /// What the chain says of the device.
    Chain,
}

/// How an event stands to the anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorState {
    /// Proven to be under the chain's root.
    Anchored,
    /// After the last anchor.
    Pending,
    /// Before the last anchor, and not under the chain's root.
    Outside,
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditedEvent {
    /// Its place in the device's history.
    pub sequence: u64,
    /// Its place in the log.
    pub index: u64,
    /// When it happened, by its signer's clock.
    pub time: u64,
    /// When the gateway received it.
    pub received: u64,
    /// What kind it is.
    pub kind: EventKind,
    /// Whose signature it carries.
    pub signer: Signer,
    /// Its parts; `None` where the body is not kept or not readable.
    pub parts: Option<Vec<Part>>,
    /// When its body was erased, where it was: milliseconds since 1970-01-01 UTC.
    pub erased: Option<u64>,
    /// The hash of its header.
    pub hash: Hash,
    /// How it stands to the anchor.
    pub anchor: AnchorState,
    /// Whether all holds.
    pub ok: bool,
}

impl Report {
    /// An empty report on a subject.
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
            key: record.map(|record| record.key.clone()),
            owner: record.map(|record| record.owner),
            gateway: log.gateway,
            log,
            log_size: 0,
            anchor: chain.anchor.clone(),
            anchored: 0,
            pending: 0,
            erased: 0,
            completeness: Completeness::unknown("the log could not be read"),
            problems: Vec::new(),
            copied_key: None,
            elsewhere: Vec::new(),
            events: 0,
            history: Vec::new(),
        }
    }

    /// A report that there is no log to read.
    pub fn of_unreadable(subject: Subject, chain: &ChainState, log: LogId, problem: String) -> Self {
        let mut report = Self::new(subject, chain, log);
        report.problems.push(AuditProblem::new(ProblemPlace::Root, problem));
        report
    }

    /// The verdict in a sentence.
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
        format!("VERIFIED: {}{anchored}{pending}", count(self.anchored))
    }
}

impl Completeness {
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self { proven: false, events: 0, checkpoint: None, why: Some(why.into()) }
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.checkpoint.unwrap_or_default();
        match (self.proven, self.events) {
            (true, 0) => write!(f, "no event as of the checkpoint at {size} entries, and none is missing"),
            (true, 1) => write!(f, "event 0, and no other, as of the checkpoint at {size} entries"),
            (true, events) => write!(
                f,
                "events 0 to {}, nothing missing in between or at the end, as of the checkpoint at {size} entries",
                events.saturating_sub(1)
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

impl AuditedEvent {
    /// What it says, in one line.
    pub fn summary(&self) -> String {
        let Some(parts) = &self.parts else {
            return self.erased.map_or("(no body)".into(), |at| format!("(erased {})", clock::show(at)));
        };
        let texts = parts.iter().map(|part| match part {
            Part::Reading(reading) => {
                let short = reading.name.as_str().rsplit('.').next().unwrap_or_default();
                format!("{short} {} {}", reading.value, reading.unit).trim_end().to_owned()
            }
            Part::Status(text) => text.to_string(),
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    /// When it happened, for people.
    pub fn when(&self) -> String {
        clock::show(self.time)
    }

    /// Who signed, for people.
    pub fn signed_by(&self) -> &'static str {
        match self.signer {
            Signer::Device => "device",
            Signer::Gateway(_) => "gateway",
        }
    }
}

fn optional_account<S: serde::Serializer>(
    account: &Option<AccountId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match account {
        Some(account) => serializer.serialize_some(&account::show(account)),
        None => serializer.serialize_none(),
    }
}
