//! Exports evidence from a log and the collected proof of its last anchor. It needs no node, and its memory does not
//! grow with the number of events.

use super::{
    output::OutputError,
    select::{Span, UnmatchedNames},
    CollectedChain, Disclose, EventLog, State, StateProofError,
};
use codec::Encode as _;
use serde::Serialize;
use std::{
    error::Error,
    io::{self, Write},
};
use streembit_primitives::{
    evidence::{
        file, BodyCounts, ChainEvidence, EvidenceError, Item, Prelude, ShownBody, TrustRoot, Verifier,
    },
    merkle::{Frontier, NodeId, NodeStore as _},
    Body, BoundedVec, Checkpoint, DeviceId, Hash, StoredBody, StoredEvent,
};

/// The number of events that are read at once.
const PAGE: usize = 512;

/// The selection of the events to export, and of the chain to prove them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The device.
    pub device: DeviceId,
    /// The span of time of its events.
    pub span: Span,
    /// The parts of the events' bodies to disclose.
    pub disclose: Disclose,
    /// The genesis hash of the chain that proves the events, or `None` for the chain of the last collection.
    pub chain: Option<Hash>,
}

/// A summary of the exported file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExportSummary {
    /// The device.
    pub device: DeviceId,
    /// The number of events.
    pub events: u64,
    /// The sequence of the first event.
    pub first: u64,
    /// The sequence of the last event.
    pub last: u64,
    /// The sequence of the device's last anchored event.
    pub head: u64,
    /// The number of the device's events that are not anchored yet and so cannot be proven.
    pub not_anchored: u64,
    /// The number of anchored entries of the log.
    pub log_size: u64,
    /// The genesis hash of the chain that proves the events.
    pub chain: Hash,
    /// The number of the final block at which they are proven.
    pub block: u32,
    /// The number of bodies by how much of them is disclosed.
    pub bodies: BodyCounts,
    /// The length of the file, in bytes.
    pub bytes: u64,
}

/// Evidence cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read, or does not agree with its anchor.
    #[error(transparent)]
    Log(Box<dyn Error + Send + Sync>),
    /// Nothing was collected yet.
    #[error("no proof of an anchor of this log is stored yet: run the gateway with its node until its status says how many events are provable")]
    NothingCollected,
    /// Nothing was collected from the requested chain.
    #[error("no proof of this log on the chain with genesis {chain} is stored; proofs are stored for {}", list(.kept))]
    NotOfChain {
        /// The genesis hash of the requested chain.
        chain: Hash,
        /// The genesis hashes of the chains with proofs; the last one was collected last.
        kept: Vec<Hash>,
    },
    /// The device is not registered on the chain.
    #[error("device {device} is not registered on the chain as of block {block}: register it; the gateway then collects the proof by itself")]
    NotRegistered {
        /// The device.
        device: DeviceId,
        /// The number of the block.
        block: u32,
    },
    /// The device has no anchored event.
    #[error("device {device} has no event among the {size} anchored ones: check its name, or wait for the next anchor")]
    NoEvents {
        /// The device.
        device: DeviceId,
        /// The number of anchored entries.
        size: u64,
    },
    /// The device has no event with this sequence.
    #[error("device {device} has no event with the sequence number {sequence} in this log")]
    NoSuchEvent {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
    },
    /// The event is not anchored yet.
    #[error("the event with the sequence number {sequence} is not among the {size} anchored ones yet: wait for the next anchor")]
    NotAnchored {
        /// The sequence of the event.
        sequence: u64,
        /// The number of anchored entries.
        size: u64,
    },
    /// No event is in the span.
    #[error("no anchored event of the device is in this span: its events are from {} to {}", streembit_clock::show(*.first), streembit_clock::show(*.last))]
    EmptySpan {
        /// The time of the device's first event.
        first: u64,
        /// The time of the device's last anchored event.
        last: u64,
    },
    /// The collected proof of the state is damaged.
    #[error("the collected proof is damaged: {0}; it is collected again with the next anchor")]
    State(#[from] StateProofError),
    /// A verifier would refuse the evidence.
    #[error("a verifier would refuse the evidence: {0}")]
    Refused(#[from] EvidenceError),
    /// The tree of the stored log does not have the anchored root.
    #[error("the log does not have the root that was anchored: audit the device to find the damage")]
    NotTheAnchored,
    /// A body is missing although it was not erased.
    #[error("the log is damaged: the body of entry {index} is missing. Stop the gateway, keep a copy of the folder, and restore the data folder from a backup; an audit names every damaged place")]
    MissingBody {
        /// The index of the entry.
        index: u64,
    },
    /// No reading has one of the requested names.
    #[error("no reading of these events is called {missing}{}", if .others.is_empty() { String::new() } else { format!("; there are: {}", .others) })]
    NoSuchName {
        /// The requested names that no reading has.
        missing: String,
        /// Some names of readings that were not requested.
        others: String,
    },
    /// The file could not be written.
    #[error("writing the evidence: {0}")]
    Write(#[from] io::Error),
    /// The file could not be created or finished.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl ExportError {
    pub(crate) fn log(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Log(Box::new(error))
    }
}

/// The first part of a file, verified, with the checkpoint that the rest of the file must match.
pub struct VerifiedPrelude {
    /// The first part of the file.
    pub prelude: Prelude,
    /// The trust root that it was verified with. Its voters are the ones that the node named.
    pub trust: TrustRoot,
    checkpoint: Checkpoint,
    block: u32,
}

impl VerifiedPrelude {
    /// Builds and verifies the prelude for a device from the collected proof of a chain. If `chain` is `None`, it uses
    /// the chain of the last collection.
    pub fn new<L: EventLog>(log: &L, device: DeviceId, chain: Option<Hash>) -> Result<Self, ExportError> {
        let CollectedChain { genesis, first_voters, mut changes, last, number, state_root, nodes } =
            collected(log, chain)?;
        let proof = State::new(&state_root, nodes)
            .prove(&log.id(), &device)?
            .ok_or(ExportError::NotRegistered { device, block: number })?;
        let checkpoint = proof.anchor.checkpoint.clone();
        log.check_against(&proof.anchor).map_err(ExportError::log)?;
        let size = checkpoint.size;
        let head = log.head_proof(&device, size).map_err(ExportError::log)?;
        let head = head.ok_or(ExportError::NoEvents { device, size })?;
        // The newest block may itself be the last one of its set of voters. Then its change is not needed.
        changes.retain(|change| change.header != last.header);
        let chain = ChainEvidence { changes, last, state: proof };
        let prelude = Prelude { genesis, log: log.id(), device, chain, head };
        let trust = TrustRoot { genesis, authorities: first_voters };
        Verifier::new(&prelude, &trust)?;
        Ok(Self { prelude, trust, checkpoint, block: number })
    }
}

/// Returns what was collected from a chain, or from the chain of the last collection.
pub(crate) fn collected<L: EventLog>(log: &L, chain: Option<Hash>) -> Result<CollectedChain, ExportError> {
    let kept = log.chains().map_err(ExportError::log)?;
    let last = kept.last().ok_or(ExportError::NothingCollected)?;
    let chain = chain.unwrap_or(*last);
    log.collected(&chain).map_err(ExportError::log)?.ok_or(ExportError::NotOfChain { chain, kept })
}

/// Writes evidence. Calls `progress` with the number of processed entries of the log, the number of all anchored
/// entries, and the number of written events.
pub fn write<L: EventLog>(
    log: &L,
    request: &Request,
    out: &mut impl Write,
    progress: impl FnMut(u64, u64, u64),
) -> Result<ExportSummary, ExportError> {
    let verified = VerifiedPrelude::new(log, request.device, request.chain)?;
    let head = verified.prelude.head.entry.sequence;
    let (first, last) = sequences(log, request, head)?;
    let bytes = file::encode_prelude(&verified.prelude)
        .ok_or(EvidenceError::Malformed { what: "prelude", items: 0 })?;
    let mut stream = Stream {
        log,
        nodes: log.nodes(),
        out,
        bytes: 0,
        frontier: Frontier::new(),
        size: verified.checkpoint.size,
        bodies: BodyCounts::default(),
        names: UnmatchedNames::of(&request.disclose),
        progress,
        events: 0,
    };
    stream.write(&bytes)?;
    stream.write_events(request, first, last)?;
    stream.skip_to(verified.checkpoint.size)?;
    stream.write_item(&Item::End)?;
    stream.check(&verified.checkpoint)?;
    let newest = log.last_sequence(&request.device).map_err(ExportError::log)?.unwrap_or(head);
    Ok(ExportSummary {
        device: request.device,
        events: stream.events,
        first,
        last,
        head,
        not_anchored: newest.saturating_sub(head),
        log_size: verified.checkpoint.size,
        chain: verified.prelude.genesis,
        block: verified.block,
        bodies: stream.bodies,
        bytes: stream.bytes,
    })
}

/// Returns the sequences of the first and the last event in the span.
fn sequences<L: EventLog>(log: &L, request: &Request, head: u64) -> Result<(u64, u64), ExportError> {
    if request.span.is_all() {
        return Ok((0, head));
    }
    let (mut first, mut last, mut times) = (None, 0, (0, 0));
    let mut next = 0;
    while next <= head {
        let page = log.device_events(&request.device, next, PAGE).map_err(ExportError::log)?;
        if page.is_empty() {
            break;
        }
        for StoredEvent { entry, .. } in page {
            let header = entry.event.header;
            next = header.sequence.saturating_add(1);
            if header.sequence > head {
                break;
            }
            times = if header.sequence == 0 { (header.time, header.time) } else { (times.0, header.time) };
            if request.span.contains(header.time) {
                first.get_or_insert(header.sequence);
                last = header.sequence;
            }
        }
    }
    let first = first.ok_or(ExportError::EmptySpan { first: times.0, last: times.1 })?;
    Ok((first, last))
}

/// Writes the items of a file.
struct Stream<'a, L: EventLog + 'a, W, P> {
    log: &'a L,
    nodes: L::Nodes<'a>,
    out: &'a mut W,
    bytes: u64,
    /// The tree that a verifier builds from the items.
    frontier: Frontier,
    size: u64,
    bodies: BodyCounts,
    names: UnmatchedNames,
    progress: P,
    events: u64,
}

impl<L: EventLog, W: Write, P: FnMut(u64, u64, u64)> Stream<'_, L, W, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.out.write_all(bytes)
    }

    fn write_item(&mut self, item: &Item) -> io::Result<()> {
        self.write(&item.encode())
    }

    fn write_events(&mut self, request: &Request, first: u64, last: u64) -> Result<(), ExportError> {
        let mut next = first;
        while next <= last {
            let room = usize::try_from(last - next).map_or(PAGE, |left| PAGE.min(left.saturating_add(1)));
            let page = self.log.device_events(&request.device, next, room).map_err(ExportError::log)?;
            if page.is_empty() {
                return Err(ExportError::NotTheAnchored);
            }
            for stored in page {
                next = stored.entry.event.header.sequence.saturating_add(1);
                self.skip_to(stored.index)?;
                self.write_event(stored, &request.disclose)?;
            }
            (self.progress)(self.frontier.size(), self.size, self.events);
        }
        Ok(())
    }

    fn write_event(&mut self, stored: StoredEvent, disclose: &Disclose) -> Result<(), ExportError> {
        let body = disclosed_body(stored.body, disclose, &mut self.names)
            .ok_or(ExportError::MissingBody { index: stored.index })?;
        let counter = match &body {
            ShownBody::Whole(_) => &mut self.bodies.whole,
            ShownBody::Parts(_) => &mut self.bodies.parts,
            ShownBody::Withheld => &mut self.bodies.withheld,
            ShownBody::Erased => &mut self.bodies.erased,
        };
        *counter = counter.saturating_add(1);
        self.events = self.events.saturating_add(1);
        self.frontier.append(stored.entry.leaf(), |_| {});
        self.write_item(&Item::Event { entry: stored.entry, body })?;
        Ok(())
    }

    /// Writes the entries before `index` that are left out, as complete subtrees.
    fn skip_to(&mut self, index: u64) -> Result<(), ExportError> {
        while self.frontier.size() < index {
            let id = subtree_at(self.frontier.size(), index);
            let hash: Hash = self.nodes.node(id).map_err(ExportError::log)?;
            self.frontier.append_subtree(id.level, hash, |_| {}).map_err(|_| ExportError::NotTheAnchored)?;
            self.write_item(&Item::Skip { level: id.level, hash })?;
        }
        match self.frontier.size() == index {
            true => Ok(()),
            // The entry comes before one that was written already, so the log's index of devices is wrong.
            false => Err(ExportError::NotTheAnchored),
        }
    }

    /// Checks that the items have the anchored root, and that all requested names were found.
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        if self.frontier.size() != checkpoint.size || self.frontier.root() != checkpoint.root {
            return Err(ExportError::NotTheAnchored);
        }
        if self.names.missing.is_empty() {
            return Ok(());
        }
        Err(ExportError::NoSuchName { missing: list(&self.names.missing), others: list(&self.names.others) })
    }
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Returns the largest complete subtree that begins at `start` and does not extend beyond `end`. `start` must be less
/// than `end`.
fn subtree_at(start: u64, end: u64) -> NodeId {
    let fits = (end - start).ilog2();
    let level = start.trailing_zeros().min(fits);
    NodeId { level: level as u8, index: start >> level }
}

/// Returns the disclosed part of a body, or `None` if the body is missing although it was not erased.
fn disclosed_body(
    body: StoredBody,
    disclose: &Disclose,
    unmatched: &mut UnmatchedNames,
) -> Option<ShownBody> {
    let body = match body {
        StoredBody::Present(body) => body,
        StoredBody::Erased { .. } => return Some(ShownBody::Erased),
        StoredBody::Missing => return None,
    };
    Some(match disclose {
        Disclose::All => ShownBody::Whole(body),
        Disclose::None => ShownBody::Withheld,
        Disclose::Names(names) => {
            let picked = unmatched.pick(names, &body);
            disclosed_parts(&body, &picked)
        }
    })
}

fn disclosed_parts(body: &Body, positions: &[u32]) -> ShownBody {
    let parts: Vec<_> = positions.iter().filter_map(|position| body.disclose(*position)).collect();
    match BoundedVec::try_from(parts) {
        Ok(parts) if !parts.is_empty() => ShownBody::Parts(parts),
        _ => ShownBody::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_entries_are_covered_by_the_fewest_complete_subtrees() {
        let cover = |start: u64, end: u64| {
            let (mut at, mut levels) = (start, Vec::new());
            while at < end {
                let id = subtree_at(at, end);
                assert_eq!(id.index << id.level, at);
                levels.push(id.level);
                at += 1 << id.level;
            }
            assert_eq!(at, end);
            levels
        };
        assert_eq!(cover(0, 8), [3]);
        assert_eq!(cover(0, 7), [2, 1, 0]);
        assert_eq!(cover(1, 8), [0, 1, 2]);
        assert_eq!(cover(5, 6), [0]);
        assert_eq!(cover(3, 1 << 40).len(), 39);
        assert!(cover(1, (1 << 40) - 1).len() <= 80);
    }
}
