//! The verification of the prelude: the blocks from one voter set to the next, the state, and the heads of the segments.

use super::{
    header::{BlockRef, Header},
    votes::{verify_votes, PendingVotes, VotedBlock},
    AuthorityKey, AuthoritySet, BlockRole, EvidenceError, FinalizedBlock, HeaderError, JustifiedBlock,
    Prelude, TrustRoot,
};
use crate::{checkpoint::Anchor, device::DeviceRecord, heads::HeadEntry, Hash};
use alloc::vec::Vec;

/// What a valid prelude proves.
pub(super) struct VerifiedPrelude {
    pub(super) record: DeviceRecord,
    /// The anchor of the log of each segment, and the device's last event there. There is at least one.
    pub(super) segments: Vec<(Anchor, HeadEntry)>,
    pub(super) last: FinalizedBlock,
    pub(super) changes: u64,
}

/// Verifies that the trust root proves the checkpoints, the device's record and its last event at each checkpoint.
pub(super) fn verify_prelude(prelude: &Prelude, trust: &TrustRoot) -> Result<VerifiedPrelude, EvidenceError> {
    ensure_segment_count(prelude)?;
    let (last, state_root, changes) = verify_chain(prelude, trust)?;
    let state = &prelude.chain.state;
    let number = last.block.number;
    if !state.verify(&state_root, &trust.genesis, &prelude.segments, &prelude.device) {
        return Err(EvidenceError::State { number });
    }
    let record = state.device.clone();
    if record.device_id() != prelude.device {
        return Err(EvidenceError::Record { device: prelude.device });
    }
    let mut logs = state.device.logs().iter();
    let mut segments = Vec::new();
    for (segment, anchor) in prelude.segments.iter().zip(&state.anchors) {
        let log = segment.log;
        if !logs.any(|period| period.log == log) {
            return Err(EvidenceError::SegmentOrder { log });
        }
        if anchor.checkpoint.log != log || anchor.block > number {
            return Err(EvidenceError::Anchor { log });
        }
        let head = &segment.head;
        if head.entry.device != prelude.device || !head.verify(&anchor.checkpoint.heads_root) {
            return Err(EvidenceError::Head { log });
        }
        segments.push((anchor.clone(), head.entry));
    }
    Ok(VerifiedPrelude { record, segments, last, changes })
}

/// Ensures that each segment has one anchor, and that there are not more than the device has had logs. The record is not
/// verified yet, but it cannot have more than a few logs.
fn ensure_segment_count(prelude: &Prelude) -> Result<(), EvidenceError> {
    let segments = prelude.segments.len() as u64;
    let anchors = prelude.chain.state.anchors.len() as u64;
    let logs = u64::from(prelude.chain.state.device.logs().count());
    if segments == 0 || segments != anchors || segments > logs {
        return Err(EvidenceError::SegmentCount { segments, anchors, logs });
    }
    Ok(())
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
