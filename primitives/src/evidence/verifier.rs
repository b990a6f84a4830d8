//! The verifier: first the chain's part, then the log in one pass.

use super::{
    block::{Block, Header},
    BlockRole, EventAt, EventFault, EvidenceError, Final, FinalBlock, Item, Prelude, Shares, Shown,
    TrustRoot, Verdict,
};
use crate::{
    body::Disclosure, event::EventError, heads::HeadEntry, merkle::Frontier, DeviceKey, EventHeader, Hash,
    LogEntry, SignedEvent, Signer,
};
use alloc::vec::Vec;

/// How many signatures are verified together.
#[cfg(feature = "std")]
const BATCH: usize = 256;
/// Without `std` there is no batched verification.
#[cfg(not(feature = "std"))]
const BATCH: usize = 1;

/// Verifies one file: [`Self::begin`], then [`Self::push`] for each item, then [`Self::finish`].
///
/// Nothing of what is pushed is proven before [`Self::finish`] has said so.
pub struct Verifier<S = Inline> {
    genesis: Hash,
    prelude: Proven,
    key: Key,
    frontier: Frontier,
    seen: Option<Seen>,
    shares: Shares,
    device_signed: u64,
    pending: Vec<Pending>,
    signatures: S,
    ended: bool,
}

/// What the prelude proves.
struct Proven {
    anchor: crate::chain::Anchor,
    record: crate::chain::DeviceRecord,
    last: Final,
    changes: u64,
    head: HeadEntry,
}

/// The events so far.
struct Seen {
    first: EventAt,
    last: EventAt,
    hash: Hash,
    count: u64,
}

/// An event whose signature was not yet verified.
struct Pending {
    index: u64,
    event: SignedEvent,
}

#[cfg(feature = "std")]
type Key = crate::batch::EventKey;
#[cfg(not(feature = "std"))]
type Key = DeviceKey;

#[cfg(feature = "std")]
fn key_of(key: DeviceKey) -> Key {
    Key::new(key)
}

#[cfg(not(feature = "std"))]
fn key_of(key: DeviceKey) -> Key {
    key
}

/// Signatures of some events that follow each other in the log, not yet verified.
pub struct Batch {
    key: Key,
    events: Vec<Pending>,
}

impl Batch {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The place in the log of the first event.
    pub fn index(&self) -> u64 {
        self.events.first().map_or(0, |first| first.index)
    }

    /// Verifies them; the first that is wrong.
    #[cfg(feature = "std")]
    pub fn verify(self) -> Result<(), EvidenceError> {
        let places: Vec<_> =
            self.events.iter().map(|pending| (pending.index, pending.event.header.sequence)).collect();
        let events = self.events.into_iter().map(|pending| (pending.event, &self.key)).collect();
        for ((index, sequence), result) in places.into_iter().zip(crate::batch::verify(events)) {
            result.map_err(|error| EvidenceError::event(index, sequence, error))?;
        }
        Ok(())
    }

    /// Verifies them; the first that is wrong.
    #[cfg(not(feature = "std"))]
    pub fn verify(self) -> Result<(), EvidenceError> {
        for Pending { index, event } in self.events {
            let sequence = event.header.sequence;
            event.verify(&self.key).map_err(|error| EvidenceError::event(index, sequence, error))?;
        }
        Ok(())
    }
}

/// Where signatures are verified: here ([`Inline`]), or on other cores.
pub trait Signatures {
    /// Takes a batch to be verified, now or later; the first that is wrong of those that are known by now.
    fn take(&mut self, batch: Batch) -> Result<(), EvidenceError>;
    /// Waits until all that was taken is verified; the first that is wrong.
    fn settle(&mut self) -> Result<(), EvidenceError>;
}

/// Verifies signatures where the items are pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inline;

impl Signatures for Inline {
    fn take(&mut self, batch: Batch) -> Result<(), EvidenceError> {
        batch.verify()
    }

    fn settle(&mut self) -> Result<(), EvidenceError> {
        Ok(())
    }
}

impl EvidenceError {
    fn event(index: u64, sequence: u64, error: EventError) -> Self {
        Self::Event { index, sequence, fault: EventFault::Event(error) }
    }
}

impl Verifier {
    /// Verifies the chain's part: from the trust root to the checkpoint, the device's record and its last event.
    pub fn begin(prelude: &Prelude, trust: &TrustRoot) -> Result<Self, EvidenceError> {
        Self::begin_with(prelude, trust, Inline)
    }
}

impl<S: Signatures> Verifier<S> {
    /// As [`Verifier::begin`], with signatures verified elsewhere.
    pub fn begin_with(prelude: &Prelude, trust: &TrustRoot, signatures: S) -> Result<Self, EvidenceError> {
        if prelude.genesis != trust.genesis {
            return Err(EvidenceError::Genesis { expected: trust.genesis, found: prelude.genesis });
        }
        let proven = prove(prelude, trust)?;
        Ok(Self {
            genesis: trust.genesis,
            key: key_of(proven.record.key.clone()),
            prelude: proven,
            frontier: Frontier::new(),
            seen: None,
            shares: Shares::default(),
            device_signed: 0,
            pending: Vec::new(),
            signatures,
            ended: false,
        })
    }

    /// How many entries the log has that the items must make up.
    pub fn size(&self) -> u64 {
        self.prelude.anchor.checkpoint.size
    }

    /// How many of the log's entries the items so far make up.
    pub fn position(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes the next item. After an error nothing more can be said of the file.
    ///
    /// Signatures are verified in batches: a wrong one is found some items later, and still named first.
    pub fn push(&mut self, item: Item) -> Result<(), EvidenceError> {
        self.take(item).map_err(|error| self.settle().err().unwrap_or(error))
    }

    /// What was proven.
    pub fn finish(mut self) -> Result<Verdict, EvidenceError> {
        self.settle()?;
        if !self.ended {
            return Err(EvidenceError::NoEnd);
        }
        let checkpoint = self.prelude.anchor.checkpoint;
        if self.frontier.size() != checkpoint.size {
            return Err(EvidenceError::Size { expected: checkpoint.size, found: self.frontier.size() });
        }
        if self.frontier.root() != checkpoint.root {
            return Err(EvidenceError::Root);
        }
        let Seen { first, last, count, .. } = self.seen.ok_or(EvidenceError::Empty)?;
        Ok(Verdict {
            genesis: self.genesis,
            device: self.prelude.head.device,
            record: self.prelude.record,
            checkpoint,
            anchored: self.prelude.anchor.block,
            last: self.prelude.last,
            changes: self.prelude.changes,
            events: count,
            first,
            last_event: last,
            head: self.prelude.head.sequence,
            from_first: first.sequence == 0,
            to_last: last.sequence == self.prelude.head.sequence,
            device_signed: self.device_signed,
            gateway_signed: count.saturating_sub(self.device_signed),
            bodies: self.shares,
        })
    }

    fn take(&mut self, item: Item) -> Result<(), EvidenceError> {
        if self.ended {
            return Err(EvidenceError::AfterEnd);
        }
        match item {
            Item::Skip { level, hash } => {
                let index = self.frontier.size();
                self.frontier
                    .append_subtree(level, hash, |_| {})
                    .map_err(|_| EvidenceError::Skip { index, level })
            }
            Item::Event { entry, body } => self.event(entry, &body),
            Item::End => {
                self.ended = true;
                Ok(())
            }
        }
    }

    fn event(&mut self, entry: LogEntry, body: &Shown) -> Result<(), EvidenceError> {
        let index = self.frontier.size();
        let header = &entry.event.header;
        let at = EventAt { sequence: header.sequence, index, time: header.time, received: entry.received };
        let hash = header.hash();
        self.check(header, hash, body).map_err(|fault| EvidenceError::Event {
            index,
            sequence: at.sequence,
            fault,
        })?;
        self.shares.count(body);
        self.device_signed += u64::from(entry.event.signer == Signer::Device);
        self.frontier.append(entry.leaf(), |_| {});
        self.seen = Some(match self.seen.take() {
            Some(seen) => Seen { last: at, hash, count: seen.count.saturating_add(1), ..seen },
            None => Seen { first: at, last: at, hash, count: 1 },
        });
        self.pending.push(Pending { index, event: entry.event });
        if self.pending.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    /// Everything of an event but its signature and its place in the log.
    fn check(&self, header: &EventHeader, hash: Hash, body: &Shown) -> Result<(), EventFault> {
        let head = &self.prelude.head;
        if header.device != head.device {
            return Err(EventFault::Event(EventError::Device));
        }
        match &self.seen {
            Some(seen) => header.check_follows(Some((seen.last.sequence, seen.hash))),
            // Evidence may begin anywhere; the first event of a device still has nothing before it.
            None if header.sequence == 0 => header.check_follows(None),
            None => Ok(()),
        }
        .map_err(EventFault::Event)?;
        if header.sequence > head.sequence {
            return Err(EventFault::BeyondHead { head: head.sequence });
        }
        if header.sequence == head.sequence && hash != head.hash {
            return Err(EventFault::NotTheHead);
        }
        check_shown(header, body)
    }

    fn flush(&mut self) -> Result<(), EvidenceError> {
        let events = core::mem::take(&mut self.pending);
        self.signatures.take(Batch { key: self.key.clone(), events })
    }

    /// Every signature that was pushed.
    fn settle(&mut self) -> Result<(), EvidenceError> {
        let flushed = self.flush();
        self.signatures.settle().and(flushed)
    }
}

fn check_shown(header: &EventHeader, body: &Shown) -> Result<(), EventFault> {
    match body {
        Shown::Withheld | Shown::Erased => Ok(()),
        Shown::Whole(body) => header.check_body(body).map_err(EventFault::Event),
        Shown::Parts(parts) => {
            let mut after = None;
            for (place, disclosed) in (0u32..).zip(parts) {
                if after.is_some_and(|after| disclosed.index <= after) {
                    return Err(EventFault::DisclosureOrder);
                }
                after = Some(disclosed.index);
                check_disclosure(header, disclosed, place)?;
            }
            after.map(|_| ()).ok_or(EventFault::DisclosureOrder)
        }
    }
}

fn check_disclosure(header: &EventHeader, disclosed: &Disclosure, place: u32) -> Result<(), EventFault> {
    if !header.kind.admits(&disclosed.part) {
        return Err(EventFault::Event(EventError::Kind));
    }
    if !disclosed.verify(&header.body_hash) {
        return Err(EventFault::Disclosure(place));
    }
    Ok(())
}

impl Shares {
    fn count(&mut self, body: &Shown) {
        let counter = match body {
            Shown::Whole(_) => &mut self.whole,
            Shown::Parts(_) => &mut self.parts,
            Shown::Withheld => &mut self.withheld,
            Shown::Erased => &mut self.erased,
        };
        *counter = counter.saturating_add(1);
    }
}

/// From the trust root to the checkpoint and what it says of the device.
fn prove(prelude: &Prelude, trust: &TrustRoot) -> Result<Proven, EvidenceError> {
    let (last, state_root, changes) = follow(prelude, trust)?;
    let state = &prelude.chain.state;
    let number = last.block.number;
    if !state.verify(&state_root, &trust.genesis, &prelude.log, &prelude.device) {
        return Err(EvidenceError::State { number });
    }
    let (anchor, record) = (state.anchor.clone(), state.device.clone());
    if anchor.checkpoint.log != prelude.log || anchor.block > number {
        return Err(EvidenceError::Anchor { log: prelude.log });
    }
    if record.key.device_id() != prelude.device {
        return Err(EvidenceError::Key { device: prelude.device });
    }
    if record.gateway != prelude.log.gateway {
        return Err(EvidenceError::Gateway { keeper: record.gateway, log: prelude.log });
    }
    let heads_root = anchor.checkpoint.heads_root.ok_or(EvidenceError::NoHeads)?;
    if prelude.head.entry.device != prelude.device || !prelude.head.verify(&heads_root) {
        return Err(EvidenceError::Head);
    }
    Ok(Proven { anchor, record, last, changes, head: prelude.head.entry })
}

/// From set to set of voters up to the last block; gives its state root and the number of changes.
fn follow(prelude: &Prelude, trust: &TrustRoot) -> Result<(Final, Hash, u64), EvidenceError> {
    let mut set = trust.authorities.clone();
    let mut before = None;
    let mut changes = 0u64;
    for block in &prelude.chain.changes {
        let role = BlockRole::Change(set.id);
        let (header, Block { number, .. }, _) = finalized(block, role, &set, before)?;
        let next = header.next_voters().and_then(|next| next.ok_or(super::BlockFault::NoChange));
        set.voters = next.map_err(|fault| EvidenceError::Block { role, number: Some(number), fault })?;
        set.id = set.id.saturating_add(1);
        before = Some(number);
        changes = changes.saturating_add(1);
    }
    let (header, block, signers) = finalized(&prelude.chain.last, BlockRole::Last, &set, before)?;
    let last = Final { block, time: header.time(), set: set.id, voters: set.voters.len() as u64, signers };
    Ok((last, header.state_root, changes))
}

pub(super) type FinalHeader = (Header, Block, Vec<super::AuthorityKey>);

impl FinalBlock {
    /// Whether this set of voters made the block final: the block, when its slot began, and who voted.
    pub fn verify(&self, set: &super::AuthoritySet) -> Result<Final, EvidenceError> {
        let (header, block, signers) = finalized(self, BlockRole::Last, set, None)?;
        Ok(Final { block, time: header.time(), set: set.id, voters: set.voters.len() as u64, signers })
    }
}

/// The header of a block that this set made final, above the block before it.
pub(super) fn finalized(
    block: &FinalBlock,
    role: BlockRole,
    set: &super::AuthoritySet,
    before: Option<u32>,
) -> Result<FinalHeader, EvidenceError> {
    let fault = |number, fault| EvidenceError::Block { role, number, fault };
    let header = Header::read(&block.header).map_err(|error| fault(None, error))?;
    let at = header.block();
    if let Some(before) = before.filter(|before| at.number <= *before) {
        return Err(fault(Some(at.number), super::BlockFault::Order { before }));
    }
    let signers = block.justification.verify(&at, set).map_err(|error| EvidenceError::Finality {
        role,
        number: at.number,
        set: set.id,
        fault: error,
    })?;
    Ok((header, at, signers))
}
