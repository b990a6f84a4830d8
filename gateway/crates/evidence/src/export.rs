//! Making evidence: from the log, and what was collected to prove its last anchor. No node is asked, and memory does
//! not grow with the number of events.

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

/// How many events are read at once.
const PAGE: usize = 512;

/// What evidence is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The device.
    pub device: DeviceId,
    /// Which of its events.
    pub span: Span,
    /// How much of them is shown.
    pub disclose: Disclose,
    /// The chain that it has to be proven by, by its genesis; that of the last collection where none is named.
    pub chain: Option<Hash>,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExportSummary {
    /// The device.
    pub device: DeviceId,
    /// How many events.
    pub events: u64,
    /// The sequence of the first.
    pub first: u64,
    /// The sequence of the last.
    pub last: u64,
    /// The sequence of the device's last event under the anchor.
    pub head: u64,
    /// How many events of the device came after the anchor, and so are not provable yet.
    pub not_anchored: u64,
    /// How many entries of the log are anchored.
    pub log_size: u64,
    /// The chain that proves it, by its genesis.
    pub chain: Hash,
    /// The final block that all is proven at.
    pub block: u32,
    /// How many bodies are shown, and how.
    pub bodies: BodyCounts,
    /// How long the file is.
    pub bytes: u64,
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read, or is not what is anchored.
    #[error(transparent)]
    Log(Box<dyn Error + Send + Sync>),
    /// Nothing was collected yet.
    #[error("nothing is kept yet that proves an anchor of this log: run the gateway with its node until its status says how many events are provable")]
    NothingCollected,
    /// Nothing was collected of this chain.
    #[error("nothing is kept that proves this log on the chain of genesis {chain}; it is kept of {}", list(.kept))]
    NotOfChain {
        /// The chain that was asked for.
        chain: Hash,
        /// The chains there are; the one collected last at the end.
        kept: Vec<Hash>,
    },
    /// The chain knows nothing of the device.
    #[error("the chain knows no device {device} as of block {block}: register it; the gateway collects what is new by itself")]
    NotRegistered {
        /// The device.
        device: DeviceId,
        /// The block.
        block: u32,
    },
    /// The device has no event under the anchor.
    #[error("device {device} has no event among the {size} that are anchored: check the name, or wait for the next anchor")]
    NoEvents {
        /// The device.
        device: DeviceId,
        /// The anchored size.
        size: u64,
    },
    /// No event is in the span.
    #[error("no anchored event of the device is in this span: its events are from {} to {}", streembit_clock::show(*.first), streembit_clock::show(*.last))]
    EmptySpan {
        /// The time of its first event.
        first: u64,
        /// The time of its last anchored one.
        last: u64,
    },
    /// What was collected does not prove the state.
    #[error("what was collected is damaged: {0}; it is collected anew with the next anchor")]
    State(#[from] StateProofError),
    /// The evidence would not be accepted.
    #[error("the evidence would not hold: {0}")]
    Refused(#[from] EvidenceError),
    /// The log's stored nodes do not lead to the anchored root.
    #[error("the log does not lead to its anchored root: an audit of the device names what is damaged")]
    NotTheAnchored,
    /// A body is gone though nobody erased it.
    #[error("the log is damaged: the body of entry {index} is not there. Stop the gateway, keep a copy of the folder, and restore the data folder from a backup; an audit names every damaged place")]
    MissingBody {
        /// The entry.
        index: u64,
    },
    /// A name that no reading has.
    #[error("no reading of these events is called {wanted}{}", if .met.is_empty() { String::new() } else { format!("; there are: {}", .met) })]
    NoSuchName {
        /// What was asked for.
        wanted: String,
        /// What there is.
        met: String,
    },
    /// The file could not be written.
    #[error("writing the evidence: {0}")]
    Write(#[from] io::Error),
    /// The file could not be made.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl ExportError {
    fn log(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Log(Box::new(error))
    }
}

/// What a file begins with, and what it has to lead to.
pub struct VerifiedPrelude {
    /// The prelude.
    pub prelude: Prelude,
    /// The trust root that it was verified with: the one that the node named.
    pub trust: TrustRoot,
    checkpoint: Checkpoint,
    block: u32,
}

impl VerifiedPrelude {
    /// For a device, from what was collected of a chain; of the chain of the last collection if none is named.
    pub fn new<L: EventLog>(log: &L, device: DeviceId, chain: Option<Hash>) -> Result<Self, ExportError> {
        let CollectedChain { genesis, first_voters, mut changes, last, number, state_root, nodes } =
            collected(log, chain)?;
        let proof = State::new(&state_root, nodes)
            .prove(&log.id(), &device)?
            .ok_or(ExportError::NotRegistered { device, block: number })?;
        let checkpoint = proof.anchor.checkpoint.clone();
        log.check_against(&proof.anchor).map_err(ExportError::log)?;
        let size = checkpoint.size;
        if checkpoint.heads_root.is_none() {
            return Err(EvidenceError::NoHeads.into());
        }
        let head = log.head_proof(&device, size).map_err(ExportError::log)?;
        let head = head.ok_or(ExportError::NoEvents { device, size })?;
        // The newest block may be the last of its set of voters: then no later set is needed.
        changes.retain(|change| change.header != last.header);
        let chain = ChainEvidence { changes, last, state: proof };
        let prelude = Prelude { genesis, log: log.id(), device, chain, head };
        let trust = TrustRoot { genesis, authorities: first_voters };
        Verifier::new(&prelude, &trust)?;
        Ok(Self { prelude, trust, checkpoint, block: number })
    }
}

fn collected<L: EventLog>(log: &L, chain: Option<Hash>) -> Result<CollectedChain, ExportError> {
    let kept = log.chains().map_err(ExportError::log)?;
    let last = kept.last().ok_or(ExportError::NothingCollected)?;
    let chain = chain.unwrap_or(*last);
    log.collected(&chain).map_err(ExportError::log)?.ok_or(ExportError::NotOfChain { chain, kept })
}

/// Writes evidence. `progress` is told how much of the anchored log is behind, of how much, and how many events.
pub fn write<L: EventLog>(
    log: &L,
    request: &Request,
    out: &mut impl Write,
    progress: impl FnMut(u64, u64, u64),
) -> Result<ExportSummary, ExportError> {
    let beginning = VerifiedPrelude::new(log, request.device, request.chain)?;
    let head = beginning.prelude.head.entry.sequence;
    let (first, last) = sequences(log, request, head)?;
    let bytes = file::encode_prelude(&beginning.prelude)
        .ok_or(EvidenceError::Malformed { what: "prelude", items: 0 })?;
    let mut stream = Stream {
        log,
        nodes: log.nodes(),
        out,
        bytes: 0,
        frontier: Frontier::new(),
        size: beginning.checkpoint.size,
        bodies: BodyCounts::default(),
        missing: UnmatchedNames::of(&request.disclose),
        progress,
        events: 0,
    };
    stream.put(&bytes)?;
    stream.events(request, first, last)?;
    stream.skip_to(beginning.checkpoint.size)?;
    stream.item(&Item::End)?;
    stream.check(&beginning.checkpoint)?;
    let newest = log.last_sequence(&request.device).map_err(ExportError::log)?.unwrap_or(head);
    Ok(ExportSummary {
        device: request.device,
        events: stream.events,
        first,
        last,
        head,
        not_anchored: newest.saturating_sub(head),
        log_size: beginning.checkpoint.size,
        chain: beginning.prelude.genesis,
        block: beginning.block,
        bodies: stream.bodies,
        bytes: stream.bytes,
    })
}

/// The sequences of the first and the last event of the span.
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

/// The items of a file, as they are written.
struct Stream<'a, L: EventLog + 'a, W, P> {
    log: &'a L,
    nodes: L::Nodes<'a>,
    out: &'a mut W,
    bytes: u64,
    /// What a verifier will make of the items.
    frontier: Frontier,
    size: u64,
    bodies: BodyCounts,
    missing: UnmatchedNames,
    progress: P,
    events: u64,
}

impl<L: EventLog, W: Write, P: FnMut(u64, u64, u64)> Stream<'_, L, W, P> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.out.write_all(bytes)
    }

    fn item(&mut self, item: &Item) -> io::Result<()> {
        self.put(&item.encode())
    }

    fn events(&mut self, request: &Request, first: u64, last: u64) -> Result<(), ExportError> {
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
                self.event(stored, &request.disclose)?;
            }
            (self.progress)(self.frontier.size(), self.size, self.events);
        }
        Ok(())
    }

    fn event(&mut self, stored: StoredEvent, disclose: &Disclose) -> Result<(), ExportError> {
        let body = shown(stored.body, disclose, &mut self.missing)
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
        self.item(&Item::Event { entry: stored.entry, body })?;
        Ok(())
    }

    /// Everything up to an entry, as complete subtrees.
    fn skip_to(&mut self, index: u64) -> Result<(), ExportError> {
        while self.frontier.size() < index {
            let id = subtree_at(self.frontier.size(), index);
            let hash: Hash = self.nodes.node(id).map_err(ExportError::log)?;
            self.frontier.append_subtree(id.level, hash, |_| {}).map_err(|_| ExportError::NotTheAnchored)?;
            self.item(&Item::Skip { level: id.level, hash })?;
        }
        match self.frontier.size() == index {
            true => Ok(()),
            // An event before the one that came before it: the log's index of devices is wrong.
            false => Err(ExportError::NotTheAnchored),
        }
    }

    /// Whether all of it leads to what is anchored, and everything asked for was met.
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        if self.frontier.size() != checkpoint.size || self.frontier.root() != checkpoint.root {
            return Err(ExportError::NotTheAnchored);
        }
        if self.missing.wanted.is_empty() {
            return Ok(());
        }
        Err(ExportError::NoSuchName { wanted: list(&self.missing.wanted), met: list(&self.missing.met) })
    }
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The largest complete subtree that begins at `start` and ends at `end` or before; `start` is below `end`.
fn subtree_at(start: u64, end: u64) -> NodeId {
    let fits = (end - start).ilog2();
    let level = start.trailing_zeros().min(fits);
    NodeId { level: level as u8, index: start >> level }
}

/// What is shown of a body; `None` of one that is missing though nobody erased it.
fn shown(body: StoredBody, disclose: &Disclose, missing: &mut UnmatchedNames) -> Option<ShownBody> {
    let body = match body {
        StoredBody::Present(body) => body,
        StoredBody::Erased { .. } => return Some(ShownBody::Erased),
        StoredBody::Missing => return None,
    };
    Some(match disclose {
        Disclose::All => ShownBody::Whole(body),
        Disclose::None => ShownBody::Withheld,
        Disclose::Names(names) => {
            let picked = missing.pick(names, &body);
            disclosed(&body, &picked)
        }
    })
}

fn disclosed(body: &Body, places: &[u32]) -> ShownBody {
    let parts: Vec<_> = places.iter().filter_map(|place| body.disclose(*place)).collect();
    match BoundedVec::try_from(parts) {
        Ok(parts) if !parts.is_empty() => ShownBody::Parts(parts),
        _ => ShownBody::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_the_fewest_complete_subtrees() {
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
