//! The verification of the prelude: the blocks from one voter set to the next, the states, and the heads of the segments.

use super::{
    header::{BlockRef, Header},
    votes::{verify_votes, PendingVotes, VotedBlock},
    AuthorityKey, AuthoritySet, BlockRole, ChainEvidence, EvidenceError, FinalizedBlock, HeaderError,
    JustifiedBlock, Prelude, Segment, TrustRoot, Voter,
};
use crate::{checkpoint::Anchor, device::DeviceRecord, heads::HeadEntry, Hash};
use alloc::vec::Vec;

/// What a valid prelude proves.
pub(super) struct VerifiedPrelude {
    pub(super) record: DeviceRecord,
    /// The segments. There is at least one.
    pub(super) segments: Vec<ProvenSegment>,
    pub(super) last: FinalizedBlock,
    pub(super) changes: u64,
}

/// A segment whose checkpoint is proven. Its items are not verified yet.
pub(super) struct ProvenSegment {
    /// The anchor of the log.
    pub(super) anchor: Anchor,
    /// The device's last event at the anchor.
    pub(super) head: HeadEntry,
    /// The final block whose state has the anchor.
    pub(super) block: FinalizedBlock,
}

/// Verifies that the trust root proves the checkpoints, the device's record and its last event at each checkpoint.
pub(super) fn verify_prelude(prelude: &Prelude, trust: &TrustRoot) -> Result<VerifiedPrelude, EvidenceError> {
    ensure_segment_count(prelude)?;
    let CheckedChain { former, last, changes } = verify_votes(|votes| check_chain(prelude, trust, votes))?;
    let ChainEvidence { former: proofs, state, .. } = &prelude.chain;
    let proofs = proofs.iter().map(|proof| &proof.state).chain([state]);
    let blocks = former.into_iter().chain([last.clone()]);
    let proven: Vec<_> = prelude.segments.iter().zip(proofs).zip(blocks).collect();
    for ((segment, proof), FinalState { block, root }) in &proven {
        if !proof.verify(root, &trust.genesis, &segment.log, &prelude.device) {
            return Err(EvidenceError::State { number: block.block.number });
        }
        if proof.device.device_id() != prelude.device {
            return Err(EvidenceError::Record { device: prelude.device });
        }
    }
    // Only the newest record counts: the ones before do not know what has changed since.
    let mut logs = state.device.logs().iter();
    let mut segments = Vec::new();
    for ((segment, proof), FinalState { block, .. }) in proven {
        let log = segment.log;
        if !logs.any(|period| period.log == log) {
            return Err(EvidenceError::SegmentOrder { log });
        }
        segments.push(verify_segment(segment, &proof.anchor, block, prelude)?);
    }
    Ok(VerifiedPrelude { record: state.device.clone(), segments, last: last.block, changes })
}

/// Verifies that an anchor is of the log of a segment, and proves the device's last event there.
fn verify_segment(
    segment: &Segment,
    anchor: &Anchor,
    block: FinalizedBlock,
    prelude: &Prelude,
) -> Result<ProvenSegment, EvidenceError> {
    let Segment { log, head } = segment;
    if anchor.checkpoint.log != *log || anchor.block > block.block.number {
        return Err(EvidenceError::Anchor { log: *log });
    }
    if head.entry.device != prelude.device || !head.verify(&anchor.checkpoint.heads_root) {
        return Err(EvidenceError::Head { log: *log });
    }
    Ok(ProvenSegment { anchor: anchor.clone(), head: head.entry, block })
}

/// Ensures that each segment has one proof, and that there are not more than the device has had logs. The record is not
/// verified yet, but it cannot have more than a few logs.
fn ensure_segment_count(prelude: &Prelude) -> Result<(), EvidenceError> {
    let segments = prelude.segments.len() as u64;
    let proofs = (prelude.chain.former.len() as u64).saturating_add(1);
    let logs = u64::from(prelude.chain.state.device.logs().count());
    if segments != proofs || segments > logs {
        return Err(EvidenceError::SegmentCount { segments, proofs, logs });
    }
    Ok(())
}

/// The blocks whose states prove the segments. They are final if the signatures of their votes are valid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CheckedChain {
    /// The block of each segment except the last one.
    former: Vec<FinalState>,
    pub(super) last: FinalState,
    /// The number of changes of voters.
    changes: u64,
}

/// A final block and the root of the state after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FinalState {
    pub(super) block: FinalizedBlock,
    root: Hash,
}

/// Checks the blocks from one voter set to the next, up to the last block, and the blocks of former segments between them.
/// The signatures of the votes are left to `votes`.
pub(super) fn check_chain(
    prelude: &Prelude,
    trust: &TrustRoot,
    votes: &mut PendingVotes,
) -> Result<CheckedChain, EvidenceError> {
    let ChainEvidence { changes, former: proofs, last, .. } = &prelude.chain;
    let mut blocks =
        BlockSequence { genesis: &trust.genesis, set: trust.authorities.clone(), before: None, votes };
    let mut proofs = proofs.iter().zip(&prelude.segments).peekable();
    let mut former = Vec::new();
    let mut number = 0u32;
    let mut ends = changes.iter();
    loop {
        while let Some((proof, segment)) = proofs.next_if(|(proof, _)| proof.changes == number) {
            former.push(blocks.state(&proof.block, BlockRole::Former(segment.log))?);
        }
        let Some(end) = ends.next() else { break };
        blocks.end_set(end)?;
        number = number.saturating_add(1);
    }
    let known = changes.len() as u64;
    if let Some((proof, segment)) = proofs.next() {
        return Err(EvidenceError::FormerSet { log: segment.log, changes: proof.changes, known });
    }
    let last = blocks.state(last, BlockRole::Last)?;
    Ok(CheckedChain { former, last, changes: known })
}

/// Checks blocks in their order, each by the voters of its time.
struct BlockSequence<'a> {
    genesis: &'a Hash,
    /// The voters of the next block.
    set: AuthoritySet,
    /// The next block must have a higher number.
    before: Option<u32>,
    votes: &'a mut PendingVotes,
}

impl BlockSequence<'_> {
    /// Checks a block, and returns it with the voters of the next set if it is the last one of its set.
    fn check(
        &mut self,
        block: &JustifiedBlock,
        role: BlockRole,
    ) -> Result<(CheckedBlock, Option<Vec<Voter>>), EvidenceError> {
        let block = check_block(block, role, &self.set, self.before, self.votes)?;
        let rejected = |error| EvidenceError::Block { role, number: Some(block.at.number), error };
        let next = block.header.next_voters(self.genesis).map_err(rejected)?;
        Ok((block, next))
    }

    /// Checks the last block of the current voter set, and continues with the next set.
    fn end_set(&mut self, block: &JustifiedBlock) -> Result<(), EvidenceError> {
        let role = BlockRole::Change(self.set.id);
        let (block, next) = self.check(block, role)?;
        let number = Some(block.at.number);
        let no_change = EvidenceError::Block { role, number, error: HeaderError::NoChange };
        self.set.voters = next.ok_or(no_change)?;
        self.set.id = self.set.id.saturating_add(1);
        self.before = number;
        Ok(())
    }

    /// Checks a block whose state proves something. The next block may be the same one.
    ///
    /// If it is the last one of its set, the next set is of no use here. But a change that names another chain contradicts
    /// the state.
    fn state(&mut self, block: &JustifiedBlock, role: BlockRole) -> Result<FinalState, EvidenceError> {
        let (block, _) = self.check(block, role)?;
        self.before = self.before.max(block.at.number.checked_sub(1));
        let root = block.header.state_root;
        Ok(FinalState { block: block.finalized_by(&self.set), root })
    }
}

impl JustifiedBlock {
    /// Returns the block's number and hash, by its header. Nothing is verified.
    pub fn at(&self) -> Result<BlockRef, HeaderError> {
        Ok(Header::decode_exact(&self.header)?.block())
    }

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
