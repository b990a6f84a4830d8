//! The verifier: checks the chain's part of the evidence first, then the log in one pass.

use super::{
    header::{BlockRef, Header},
    signatures::{EventVerifyingKey, InlineVerifier, SignatureBatch, SignatureVerifier, UnverifiedEvent},
    votes::{verify_votes, PendingVotes, VotedBlock},
    AuthorityKey, AuthoritySet, BlockRole, BodyCounts, EventPosition, EvidenceError, EvidenceEventError,
    FinalizedBlock, HeaderError, Item, JustifiedBlock, Prelude, ShownBody, TrustRoot, VerifiedEvidence,
};
use crate::{
    body::Disclosure, checkpoint::Anchor, device::DeviceRecord, event::EventError, heads::HeadEntry,
    merkle::Frontier, EventHeader, Hash, LogEntry, Signer,
};
use alloc::vec::Vec;

/// The number of signatures that are verified together.
#[cfg(feature = "std")]
const BATCH: usize = 256;
/// The number of signatures that are verified together: one, because there is no batch verification without `std`.
#[cfg(not(feature = "std"))]
const BATCH: usize = 1;

/// Verifies the evidence of one file.
///
/// Call [`Verifier::new`] with the prelude, then [`Self::push`] with each item, then [`Self::finish`]. Nothing is proven
/// until [`Self::finish`] returns successfully.
pub struct Verifier<S = InlineVerifier> {
    genesis: Hash,
    prelude: VerifiedPrelude,
    key: EventVerifyingKey,
    frontier: Frontier,
    seen: Option<EventRange>,
    bodies: BodyCounts,
    device_signed: u64,
    pending: Vec<UnverifiedEvent>,
    signatures: S,
    ended: bool,
}

/// What a valid prelude proves.
struct VerifiedPrelude {
    anchor: Anchor,
    record: DeviceRecord,
    last: FinalizedBlock,
    changes: u64,
    head: HeadEntry,
}

/// The events pushed so far.
struct EventRange {
    first: EventPosition,
    last: EventPosition,
    /// The hash of the last event's header.
    last_hash: Hash,
    count: u64,
}

impl Verifier {
    /// Verifies the prelude: that the trust root proves the checkpoint, the device's record and its last event.
    pub fn new(prelude: &Prelude, trust: &TrustRoot) -> Result<Self, EvidenceError> {
        Self::with_signature_verifier(prelude, trust, InlineVerifier)
    }
}

impl<S: SignatureVerifier> Verifier<S> {
    /// Like [`Verifier::new`], with event signatures checked by `signatures`.
    pub(super) fn with_signature_verifier(
        prelude: &Prelude,
        trust: &TrustRoot,
        signatures: S,
    ) -> Result<Self, EvidenceError> {
        if prelude.genesis != trust.genesis {
            return Err(EvidenceError::Genesis { expected: trust.genesis, found: prelude.genesis });
        }
        let proven = verify_prelude(prelude, trust)?;
        Ok(Self {
            genesis: trust.genesis,
            key: EventVerifyingKey::new(proven.record.key.clone()),
            prelude: proven,
            frontier: Frontier::new(),
            seen: None,
            bodies: BodyCounts::default(),
            device_signed: 0,
            pending: Vec::new(),
            signatures,
            ended: false,
        })
    }

    /// Returns the number of log entries that the items must add up to.
    pub fn log_size(&self) -> u64 {
        self.prelude.anchor.checkpoint.size
    }

    /// Returns the number of log entries that the items pushed so far add up to.
    pub fn position(&self) -> u64 {
        self.frontier.size()
    }

    /// Verifies the next item. After an error the verifier must not be used any more.
    ///
    /// Signatures are verified in batches, so an invalid one is found some items later. If another check fails in the
    /// meantime, the returned error is still the one of the invalid signature.
    pub fn push(&mut self, item: Item) -> Result<(), EvidenceError> {
        self.push_item(item).map_err(|error| self.verify_pending().err().unwrap_or(error))
    }

    /// Returns what was proven, or the first error.
    pub fn finish(mut self) -> Result<VerifiedEvidence, EvidenceError> {
        self.verify_pending()?;
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
        let EventRange { first, last, count, .. } = self.seen.ok_or(EvidenceError::Empty)?;
        Ok(VerifiedEvidence {
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
            bodies: self.bodies,
        })
    }

    fn push_item(&mut self, item: Item) -> Result<(), EvidenceError> {
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
            Item::Event { entry, body } => self.push_event(entry, &body),
            Item::End => {
                self.ended = true;
                Ok(())
            }
        }
    }

    fn push_event(&mut self, entry: LogEntry, body: &ShownBody) -> Result<(), EvidenceError> {
        let index = self.frontier.size();
        let header = &entry.event.header;
        let at =
            EventPosition { sequence: header.sequence, index, time: header.time, received: entry.received };
        let hash = header.hash();
        self.validate_event(header, hash, body).map_err(|error| EvidenceError::Event {
            index,
            sequence: at.sequence,
            error,
        })?;
        self.bodies.count(body);
        self.device_signed += u64::from(entry.event.signer == Signer::Device);
        self.frontier.append(entry.leaf(), |_| {});
        self.seen = Some(match self.seen.take() {
            Some(seen) => {
                EventRange { last: at, last_hash: hash, count: seen.count.saturating_add(1), ..seen }
            }
            None => EventRange { first: at, last: at, last_hash: hash, count: 1 },
        });
        self.pending.push(UnverifiedEvent { index, event: entry.event });
        if self.pending.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    /// Validates everything about an event except its signature and its index in the log.
    fn validate_event(
        &self,
        header: &EventHeader,
        hash: Hash,
        body: &ShownBody,
    ) -> Result<(), EvidenceEventError> {
        let head = &self.prelude.head;
        if header.device != head.device {
            return Err(EvidenceEventError::Event(EventError::Device));
        }
        match &self.seen {
            Some(seen) => header.ensure_follows(Some((seen.last.sequence, seen.last_hash))),
            // Evidence may start at any event, but the first event of a device must not name a previous one.
            None if header.sequence == 0 => header.ensure_follows(None),
            None => Ok(()),
        }
        .map_err(EvidenceEventError::Event)?;
        if header.sequence > head.sequence {
            return Err(EvidenceEventError::BeyondHead { head: head.sequence });
        }
        if header.sequence == head.sequence && hash != head.hash {
            return Err(EvidenceEventError::NotTheHead);
        }
        verify_shown_body(header, body)
    }

    fn flush(&mut self) -> Result<(), EvidenceError> {
        let events = core::mem::take(&mut self.pending);
        self.signatures.submit(SignatureBatch { key: self.key.clone(), events })
    }

    /// Verifies all signatures of the events pushed so far.
    fn verify_pending(&mut self) -> Result<(), EvidenceError> {
        let flushed = self.flush();
        self.signatures.finish().and(flushed)
    }
}

fn verify_shown_body(header: &EventHeader, body: &ShownBody) -> Result<(), EvidenceEventError> {
    match body {
        ShownBody::Withheld | ShownBody::Erased => Ok(()),
        ShownBody::Whole(body) => header.verify_body(body).map_err(EvidenceEventError::Event),
        ShownBody::Parts(parts) => {
            let mut after = None;
            for (number, disclosed) in (0u32..).zip(parts) {
                if after.is_some_and(|after| disclosed.index <= after) {
                    return Err(EvidenceEventError::DisclosureOrder);
                }
                after = Some(disclosed.index);
                verify_disclosure(header, disclosed, number)?;
            }
            after.map(|_| ()).ok_or(EvidenceEventError::DisclosureOrder)
        }
    }
}

fn verify_disclosure(
    header: &EventHeader,
    disclosed: &Disclosure,
    number: u32,
) -> Result<(), EvidenceEventError> {
    if !header.kind.allows(&disclosed.part) {
        return Err(EvidenceEventError::Event(EventError::Kind));
    }
    if !disclosed.verify(&header.body_hash) {
        return Err(EvidenceEventError::Disclosure(number));
    }
    Ok(())
}

impl BodyCounts {
    fn count(&mut self, body: &ShownBody) {
        let counter = match body {
            ShownBody::Whole(_) => &mut self.whole,
            ShownBody::Parts(_) => &mut self.parts,
            ShownBody::Withheld => &mut self.withheld,
            ShownBody::Erased => &mut self.erased,
        };
        *counter = counter.saturating_add(1);
    }
}

/// Verifies that the trust root proves the checkpoint, the device's record and its last event.
fn verify_prelude(prelude: &Prelude, trust: &TrustRoot) -> Result<VerifiedPrelude, EvidenceError> {
    let (last, state_root, changes) = verify_chain(prelude, trust)?;
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
    if prelude.head.entry.device != prelude.device || !prelude.head.verify(&anchor.checkpoint.heads_root) {
        return Err(EvidenceError::Head);
    }
    Ok(VerifiedPrelude { anchor, record, last, changes, head: prelude.head.entry })
}

/// Verifies the blocks from one voter set to the next, up to the last block. Returns that block, its state root and the
/// number of changes of voters.
fn verify_chain(prelude: &Prelude, trust: &TrustRoot) -> Result<(FinalizedBlock, Hash, u64), EvidenceError> {
    verify_votes(|votes| check_chain(prelude, trust, votes))
}

/// Like [`verify_chain`], but leaves the signatures of the votes to `votes`.
pub(super) fn check_chain(
    prelude: &Prelude,
    trust: &TrustRoot,
    votes: &mut PendingVotes,
) -> Result<(FinalizedBlock, Hash, u64), EvidenceError> {
    let next_voters = |block: &CheckedBlock, role| {
        let rejected = |error| EvidenceError::Block { role, number: Some(block.at.number), error };
        block.header.next_voters(&trust.genesis).map_err(rejected)
    };
    let mut set = trust.authorities.clone();
    let mut before = None;
    let mut changes = 0u64;
    for block in &prelude.chain.changes {
        let role = BlockRole::Change(set.id);
        let block = check_block(block, role, &set, before, votes)?;
        let number = block.at.number;
        let no_change = EvidenceError::Block { role, number: Some(number), error: HeaderError::NoChange };
        set.voters = next_voters(&block, role)?.ok_or(no_change)?;
        set.id = set.id.saturating_add(1);
        before = Some(number);
        changes = changes.saturating_add(1);
    }
    let last = check_block(&prelude.chain.last, BlockRole::Last, &set, before, votes)?;
    // The next set is of no use here, but a change that names another chain contradicts the state.
    next_voters(&last, BlockRole::Last)?;
    let state_root = last.header.state_root;
    Ok((last.finalized_by(&set), state_root, changes))
}

impl JustifiedBlock {
    /// Verifies that this voter set made the block final. Returns the block, the time of its slot, and the voters.
    ///
    /// A set of this number with the same voters may exist on another chain. The block's state says which chain it is of.
    pub fn verify(&self, set: &AuthoritySet) -> Result<FinalizedBlock, EvidenceError> {
        let block = verify_votes(|votes| check_block(self, BlockRole::Last, set, None, votes))?;
        Ok(block.finalized_by(set))
    }
}

/// A block that is final if the signatures of its votes are valid.
pub(super) struct CheckedBlock {
    pub(super) header: Header,
    pub(super) at: BlockRef,
    signers: Vec<AuthorityKey>,
}

impl CheckedBlock {
    fn finalized_by(self, set: &AuthoritySet) -> FinalizedBlock {
        FinalizedBlock {
            block: self.at,
            time: self.header.time(),
            set: set.id,
            voters: set.voters.len() as u64,
            signers: self.signers,
        }
    }
}

/// Checks that the votes of `set` make a block final, and that its number is greater than `before`. The signatures of the
/// votes are left to `votes`.
pub(super) fn check_block(
    block: &JustifiedBlock,
    role: BlockRole,
    set: &AuthoritySet,
    before: Option<u32>,
    votes: &mut PendingVotes,
) -> Result<CheckedBlock, EvidenceError> {
    let rejected = |number, error| EvidenceError::Block { role, number, error };
    let header = Header::decode_exact(&block.header).map_err(|error| rejected(None, error))?;
    let at = header.block();
    if let Some(before) = before.filter(|before| at.number <= *before) {
        return Err(rejected(Some(at.number), HeaderError::Order { before }));
    }
    let voted = VotedBlock { role, number: at.number, set: set.id };
    let checked = block.justification.check(&at, set, |vote| votes.push(voted, vote));
    let signers = checked.map_err(|error| voted.rejected(error))?;
    votes.verify_full_batch()?;
    Ok(CheckedBlock { header, at, signers })
}
