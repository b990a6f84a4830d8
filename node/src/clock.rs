//! A clock that is wrong, noticed by what others make.
//!
//! Every block is dated by the slot that it was made in, and a validator refuses one that is dated later than the next slot
//! of its own clock: whoever is ahead makes blocks that nobody takes, and whoever is behind takes nobody's in time. Neither
//! harms the others, who are enough without it. But it is as good as down, and those whose blocks it refuses, or who refuse
//! its, end the connection for a while each time. So its operator is told. Nothing is done about it: a node that were to
//! trust the blocks of others more than its own clock could be led anywhere by them.

use crate::service::{Block, FullClient};
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

/// How many slots late a block has to be, 20 s, to say something of the clock and not of the network.
const LATE: u64 = 10;

/// How long a block that was refused counts.
const MEMORY: Duration = Duration::from_secs(300);

/// How long it is not said again.
const SILENCE: Duration = Duration::from_secs(300);

/// Verifies blocks as another verifier does, and compares their dates with this machine's clock.
pub struct ClockWatch<V> {
    verifier: V,
    client: Arc<FullClient>,
    seen: Mutex<Seen>,
}

impl<V> ClockWatch<V> {
    /// With the verifier that decides.
    pub fn new(verifier: V, client: Arc<FullClient>) -> Self {
        Self { verifier, client, seen: Mutex::default() }
    }

    /// Notes a block's slot, and tells the operator where the clock seems wrong. `taken`: it was not refused.
    fn compare(&self, slot: u64, header: Header, is_new: bool, taken: bool) {
        let clock = Slot::from_timestamp(Timestamp::current(), SlotDuration::from_millis(SLOT_DURATION));
        let clock = u64::from(clock);
        // What comes in a long sync is old, and says nothing.
        if (taken && !is_new) || (!taken && slot <= clock.saturating_add(1)) {
            return;
        }
        let Ok(validators) = self.client.runtime_api().authorities(header.parent_hash) else { return };
        // Blocks of the future are refused before anybody looks who made them: anyone could have the clock look wrong.
        if !taken && !is_sealed(header, slot, &validators) {
            return;
        }
        let block = Dated { slot, clock, validators: validators.len() as u64 };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let wrong = if taken { seen.late(block) } else { seen.refused(block, now) };
        if let Some(wrong) = wrong.filter(|_| seen.may_say(now)) {
            let by = wrong.slots.saturating_mul(SLOT_DURATION) / 1_000;
            let side = if wrong.ahead { "AHEAD of" } else { "BEHIND" };
            tracing::error!(
                "the clock of this machine seems to be {by} s {side} those of the other validators: compare it with another \
                 one and have it set (NTP). Until it is right this validator is as good as down"
            );
        }
    }
}

#[async_trait]
impl<V: Verifier<Block>> Verifier<Block> for ClockWatch<V> {
    async fn verify(&self, block: BlockImportParams<Block>) -> Result<BlockImportParams<Block>, String> {
        let slot = find_pre_digest::<Block, AuthoritySignature>(&block.header);
        let (header, is_new) = (block.header.clone(), block.origin == BlockOrigin::NetworkBroadcast);
        let verified = self.verifier.verify(block).await;
        if let Ok(slot) = slot {
            self.compare(u64::from(slot), header, is_new, verified.is_ok());
        }
        verified
    }
}

/// Whether a block, with its seal, is of the validator whose slot it is.
fn is_sealed(mut header: Header, slot: u64, validators: &[AuthorityId]) -> bool {
    let seal = header.digest.pop().and_then(|item| item.seal_try_to::<AuthoritySignature>(&AURA_ENGINE_ID));
    let place = slot.checked_rem(validators.len() as u64).and_then(|place| usize::try_from(place).ok());
    match (seal, place.and_then(|place| validators.get(place))) {
        (Some(seal), Some(maker)) => AuthorityPair::verify(&seal, header.hash(), maker),
        _ => false,
    }
}

/// When a block was made, by its maker's clock and by ours, in slots.
#[derive(Clone, Copy)]
struct Dated {
    slot: u64,
    clock: u64,
    validators: u64,
}

impl Dated {
    /// The place of its maker among the validators.
    fn maker(&self) -> u64 {
        self.slot.checked_rem(self.validators).unwrap_or(0)
    }

    /// How many makers have to agree: one alone may be the one that is wrong, where there are others.
    fn enough(&self) -> usize {
        if self.validators > 2 {
            2
        } else {
            1
        }
    }
}

/// By how much the clock is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wrong {
    slots: u64,
    ahead: bool,
}

/// The blocks that do not go with this machine's clock.
#[derive(Default)]
struct Seen {
    /// By maker: when one of its blocks was refused as dated in the future, and how many slots.
    refused: BTreeMap<u64, (Instant, u64)>,
    /// By maker: the slot of its last block that came late. All of them equally late, as long as none came in time.
    late: BTreeMap<u64, u64>,
    /// How many slots late these were.
    by: u64,
    said: Option<Instant>,
}

impl Seen {
    /// Of a block that was refused: two makers are ahead, or this clock is behind.
    fn refused(&mut self, block: Dated, now: Instant) -> Option<Wrong> {
        self.refused.retain(|_, (when, _)| now.duration_since(*when) < MEMORY);
        self.refused.insert(block.maker(), (now, block.slot.saturating_sub(block.clock)));
        let slots = self.refused.values().map(|(_, slots)| *slots).max()?;
        (self.refused.len() >= block.enough()).then_some(Wrong { slots, ahead: false })
    }

    /// Of a new block that was taken. By a clock that is ahead all of them are late, and equally so: blocks that a sluggish
    /// network brings at once are late by as many slots less as they were made later.
    fn late(&mut self, block: Dated) -> Option<Wrong> {
        let by = block.clock.saturating_sub(block.slot);
        if by < LATE {
            self.late.clear();
            return None;
        }
        if by.abs_diff(self.by) > 1 {
            self.late.clear();
            self.by = by;
        }
        self.late.insert(block.maker(), block.slot);
        let (first, last) = (self.late.values().min()?, self.late.values().max()?);
        // Made so far apart that it cannot be chance.
        let apart = last.saturating_sub(*first) >= 3 || block.enough() == 1;
        (self.late.len() >= block.enough() && apart).then_some(Wrong { slots: by, ahead: true })
    }

    /// Whether it is time to say it, again.
    fn may_say(&mut self, now: Instant) -> bool {
        let silent = self.said.is_some_and(|said| now.duration_since(said) < SILENCE);
        if !silent {
            self.said = Some(now);
        }
        !silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_runtime::traits::Header as _;

    fn block(slot: u64, clock: u64) -> Dated {
        Dated { slot, clock, validators: 4 }
    }

    #[test]
    fn only_who_has_the_slot_can_have_the_clock_look_wrong() {
        let [maker, other] = [1, 2].map(|seed| AuthorityPair::from_seed(&[seed; 32]));
        let validators = [other.public(), maker.public()];
        let root = streembit_runtime::Hash::zero();
        let header = Header::new(7, root, root, root, Default::default());
        let sealed = |by: &AuthorityPair| {
            let mut sealed = header.clone();
            let seal = by.sign(header.hash().as_ref());
            sealed.digest.push(sp_runtime::DigestItem::Seal(AURA_ENGINE_ID, codec::Encode::encode(&seal)));
            sealed
        };
        assert!(is_sealed(sealed(&maker), 5, &validators));
        assert!(!is_sealed(sealed(&maker), 4, &validators), "another one's slot");
        assert!(!is_sealed(sealed(&other), 5, &validators));
        assert!(!is_sealed(header.clone(), 5, &validators), "no seal");
        assert!(!is_sealed(sealed(&maker), 5, &[]));
    }

    #[test]
    fn blocks_of_two_validators_in_the_future_say_that_the_clock_is_behind() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert_eq!(seen.refused(block(130, 100), now), None, "it may be the other one that is ahead");
        assert_eq!(seen.refused(block(134, 104), now), None, "the same one");
        let wrong = seen.refused(block(131, 101), now);
        assert_eq!(wrong, Some(Wrong { slots: 30, ahead: false }));
        let later = now + MEMORY;
        assert_eq!(seen.refused(block(300, 270), later), None, "what was refused long ago");
    }

    #[test]
    fn blocks_that_are_all_equally_late_say_that_the_clock_is_ahead() {
        let mut seen = Seen::default();
        assert_eq!(seen.late(block(100, 130)), None);
        assert_eq!(seen.late(block(101, 131)), None, "two in a row are no time");
        assert_eq!(seen.late(block(103, 134)), Some(Wrong { slots: 31, ahead: true }));
        assert_eq!(seen.late(block(106, 106)), None, "one in time");
        assert_eq!(seen.late(block(107, 137)), None, "and all begins anew");
    }

    #[test]
    fn blocks_that_come_at_once_after_a_break_say_nothing() {
        let mut seen = Seen::default();
        for slot in 100..110 {
            assert_eq!(seen.late(block(slot, 130)), None, "slot {slot}");
        }
    }

    #[test]
    fn it_is_said_once_in_a_while() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert!(seen.may_say(now));
        assert!(!seen.may_say(now + SILENCE / 2));
        assert!(seen.may_say(now + SILENCE));
    }
}
