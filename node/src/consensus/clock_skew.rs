//! Warns the operator if this machine's clock differs from the clocks of the other validators.
//!
//! Every block has the time of its slot, and a validator refuses a block that is later than the next slot of its own
//! clock. A validator whose clock is ahead produces blocks that the others refuse; a validator whose clock is behind
//! refuses the blocks of the others. The chain goes on without it, but the validator is effectively offline, and
//! peers disconnect for a while after each refused block.
//!
//! The node only logs an error. If it trusted the time in blocks more than its own clock, the validators could set
//! its clock.

use crate::types::{Block, FullClient};
use async_trait::async_trait;
use sc_consensus::{BlockImportParams, Verifier};
use sc_consensus_aura::find_pre_digest;
use sp_api::ProvideRuntimeApi as _;
use sp_consensus::BlockOrigin;
use sp_consensus_aura::{
    sr25519::{AuthorityId, AuthorityPair, AuthoritySignature},
    AuraApi as _, Slot, SlotDuration, AURA_ENGINE_ID,
};
use sp_core::Pair as _;
use sp_timestamp::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use streembit_runtime::{Header, SLOT_DURATION};

/// The number of slots (20 s in total) by which a block must be late to indicate a wrong clock and not a slow network.
const LATE_SLOTS: u64 = 10;

/// The time for which a refused block counts.
const REFUSED_BLOCK_MEMORY: Duration = Duration::from_secs(300);

/// The minimum time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(300);

/// A block verifier that also compares the slots of blocks with this machine's clock.
pub struct ClockSkewVerifier<V> {
    inner: V,
    client: Arc<FullClient>,
    estimator: Mutex<SkewEstimator>,
}

impl<V> ClockSkewVerifier<V> {
    /// Wraps a verifier. It alone decides whether a block is accepted.
    pub fn new(inner: V, client: Arc<FullClient>) -> Self {
        Self { inner, client, estimator: Mutex::default() }
    }

    /// Compares a block's slot with the clock, and warns if the clock seems wrong.
    fn compare(&self, slot: u64, header: Header, is_new: bool, is_accepted: bool) {
        let clock = Slot::from_timestamp(Timestamp::current(), SlotDuration::from_millis(SLOT_DURATION));
        let clock = u64::from(clock);
        // Old blocks that arrive during a sync say nothing about the clock.
        if (is_accepted && !is_new) || (!is_accepted && slot <= clock.saturating_add(1)) {
            return;
        }
        let Ok(validators) = self.client.runtime_api().authorities(header.parent_hash) else { return };
        // Aura refuses blocks from the future before it verifies the author. Without this check, anyone could make
        // the clock look wrong.
        if !is_accepted && !is_sealed_by_author(header, slot, &validators) {
            return;
        }
        let block = BlockTime { slot, clock, validators: validators.len() as u64 };
        let now = Instant::now();
        let mut estimator = self.estimator.lock().unwrap_or_else(PoisonError::into_inner);
        let skew = if is_accepted { estimator.add_late(block) } else { estimator.add_refused(block, now) };
        if let Some(skew) = skew.filter(|_| estimator.may_warn(now)) {
            let seconds = skew.slots.saturating_mul(SLOT_DURATION) / 1_000;
            let side = if skew.is_ahead { "AHEAD of" } else { "BEHIND" };
            tracing::error!(
                "the clock of this machine seems to be {seconds} s {side} the clocks of the other validators: compare it with \
                 another clock and set it (NTP); until then this validator is effectively offline"
            );
        }
    }
}

#[async_trait]
impl<V: Verifier<Block>> Verifier<Block> for ClockSkewVerifier<V> {
    async fn verify(&self, block: BlockImportParams<Block>) -> Result<BlockImportParams<Block>, String> {
        let slot = find_pre_digest::<Block, AuthoritySignature>(&block.header);
        let (header, is_new) = (block.header.clone(), block.origin == BlockOrigin::NetworkBroadcast);
        let verified = self.inner.verify(block).await;
        if let Ok(slot) = slot {
            self.compare(u64::from(slot), header, is_new, verified.is_ok());
        }
        verified
    }
}

/// Returns true if the header has the seal of the validator to whom the slot belongs.
fn is_sealed_by_author(mut header: Header, slot: u64, validators: &[AuthorityId]) -> bool {
    let seal = header.digest.pop().and_then(|item| item.seal_try_to::<AuthoritySignature>(&AURA_ENGINE_ID));
    let index = slot.checked_rem(validators.len() as u64).and_then(|index| usize::try_from(index).ok());
    match (seal, index.and_then(|index| validators.get(index))) {
        (Some(seal), Some(author)) => AuthorityPair::verify(&seal, header.hash(), author),
        _ => false,
    }
}

/// The slot of a block, and this machine's clock when the block arrived.
#[derive(Clone, Copy)]
struct BlockTime {
    slot: u64,
    /// The current slot by this machine's clock.
    clock: u64,
    /// The number of validators.
    validators: u64,
}

impl BlockTime {
    /// Returns the index of the block's author among the validators.
    fn author(&self) -> u64 {
        self.slot.checked_rem(self.validators).unwrap_or(0)
    }

    /// Returns the number of authors whose blocks must agree. One author is not enough if there are others, because
    /// its clock may be the wrong one.
    fn required_authors(&self) -> usize {
        if self.validators > 2 {
            2
        } else {
            1
        }
    }
}

/// The difference between this machine's clock and the clocks of the other validators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ClockSkew {
    slots: u64,
    is_ahead: bool,
}

/// Estimates the clock skew from blocks that arrive too early or too late by this machine's clock.
#[derive(Default)]
struct SkewEstimator {
    /// By author: when its last block from the future was refused, and by how many slots it was early.
    refused: BTreeMap<u64, (Instant, u64)>,
    /// By author: the slot of its last late block. All are equally late, and no block was in time since.
    late: BTreeMap<u64, u64>,
    /// The number of slots by which the blocks in `late` are late.
    late_by: u64,
    last_warning: Option<Instant>,
}

impl SkewEstimator {
    /// Adds a block that was refused because it is from the future. If two authors' clocks are ahead of this clock,
    /// this clock is behind.
    fn add_refused(&mut self, block: BlockTime, now: Instant) -> Option<ClockSkew> {
        self.refused.retain(|_, (when, _)| now.duration_since(*when) < REFUSED_BLOCK_MEMORY);
        self.refused.insert(block.author(), (now, block.slot.saturating_sub(block.clock)));
        let slots = self.refused.values().map(|(_, slots)| *slots).max()?;
        (self.refused.len() >= block.required_authors()).then_some(ClockSkew { slots, is_ahead: false })
    }

    /// Adds a new block that was accepted.
    ///
    /// If this clock is ahead, all blocks are late by the same time. Blocks that a slow network delivers together are
    /// late by different times.
    fn add_late(&mut self, block: BlockTime) -> Option<ClockSkew> {
        let late_by = block.clock.saturating_sub(block.slot);
        if late_by < LATE_SLOTS {
            self.late.clear();
            return None;
        }
        if late_by.abs_diff(self.late_by) > 1 {
            self.late.clear();
            self.late_by = late_by;
        }
        self.late.insert(block.author(), block.slot);
        let (first, last) = (self.late.values().min()?, self.late.values().max()?);
        // Require some time between the blocks to rule out a coincidence.
        let is_apart = last.saturating_sub(*first) >= 3 || block.required_authors() == 1;
        (self.late.len() >= block.required_authors() && is_apart)
            .then_some(ClockSkew { slots: late_by, is_ahead: true })
    }

    /// Returns true if the last warning was long enough ago, and then counts this call as a warning.
    fn may_warn(&mut self, now: Instant) -> bool {
        let is_too_soon = self.last_warning.is_some_and(|last| now.duration_since(last) < WARNING_INTERVAL);
        if !is_too_soon {
            self.last_warning = Some(now);
        }
        !is_too_soon
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_runtime::traits::Header as _;

    fn block(slot: u64, clock: u64) -> BlockTime {
        BlockTime { slot, clock, validators: 4 }
    }

    #[test]
    fn only_the_author_of_a_slot_can_seal_its_block() {
        let [author, other] = [1, 2].map(|seed| AuthorityPair::from_seed(&[seed; 32]));
        let validators = [other.public(), author.public()];
        let root = streembit_runtime::Hash::zero();
        let header = Header::new(7, root, root, root, Default::default());
        let sealed = |by: &AuthorityPair| {
            let mut sealed = header.clone();
            let seal = by.sign(header.hash().as_ref());
            sealed.digest.push(sp_runtime::DigestItem::Seal(AURA_ENGINE_ID, codec::Encode::encode(&seal)));
            sealed
        };
        assert!(is_sealed_by_author(sealed(&author), 5, &validators));
        assert!(!is_sealed_by_author(sealed(&author), 4, &validators), "another validator's slot");
        assert!(!is_sealed_by_author(sealed(&other), 5, &validators));
        assert!(!is_sealed_by_author(header.clone(), 5, &validators), "no seal");
        assert!(!is_sealed_by_author(sealed(&author), 5, &[]));
    }

    #[test]
    fn the_clock_is_behind_if_two_validators_make_blocks_in_the_future() {
        let (mut estimator, now) = (SkewEstimator::default(), Instant::now());
        assert_eq!(estimator.add_refused(block(130, 100), now), None, "the other clock may be wrong");
        assert_eq!(estimator.add_refused(block(134, 104), now), None, "the same author");
        let skew = estimator.add_refused(block(131, 101), now);
        assert_eq!(skew, Some(ClockSkew { slots: 30, is_ahead: false }));
        let later = now + REFUSED_BLOCK_MEMORY;
        assert_eq!(estimator.add_refused(block(300, 270), later), None, "the others were long ago");
    }

    #[test]
    fn the_clock_is_ahead_if_all_blocks_are_equally_late() {
        let mut estimator = SkewEstimator::default();
        assert_eq!(estimator.add_late(block(100, 130)), None);
        assert_eq!(estimator.add_late(block(101, 131)), None, "too soon after the first one");
        let skew = estimator.add_late(block(103, 134));
        assert_eq!(skew, Some(ClockSkew { slots: 31, is_ahead: true }));
        assert_eq!(estimator.add_late(block(106, 106)), None, "a block in time");
        assert_eq!(estimator.add_late(block(107, 137)), None, "the count starts again");
    }

    #[test]
    fn blocks_that_arrive_together_after_an_outage_are_no_sign_of_a_wrong_clock() {
        let mut estimator = SkewEstimator::default();
        for slot in 100..110 {
            assert_eq!(estimator.add_late(block(slot, 130)), None, "slot {slot}");
        }
    }

    #[test]
    fn warnings_are_rate_limited() {
        let (mut estimator, now) = (SkewEstimator::default(), Instant::now());
        assert!(estimator.may_warn(now));
        assert!(!estimator.may_warn(now + WARNING_INTERVAL / 2));
        assert!(estimator.may_warn(now + WARNING_INTERVAL));
    }
}
