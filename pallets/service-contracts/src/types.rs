//! What the pallet stores about a contract beside its clauses.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use streembit_primitives::{
    contract::{
        state::{EndReason, Moment, Notice},
        ClaimNumber, ClauseNumber, ContentHash, ContractContent, Terms, Verdict, MAX_CLAUSES, MAX_DEVICES,
        MAX_PARTIES,
    },
    PartyId,
};

/// The maximum number of acceptances: of the parties and the arbiter of two contents.
pub const MAX_ACCEPTANCES: u32 = 2 * (MAX_PARTIES + 1);

/// Acceptances, in their order.
pub type Acceptances = BoundedVec<Acceptance, ConstU32<MAX_ACCEPTANCES>>;

/// A party or an arbiter that accepted a content. It counts as long as the party stays in the consortium.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Acceptance {
    /// The party.
    pub party: PartyId,
    /// How many times the party had left the consortium before.
    pub departures: u32,
}

/// A contract without its clauses.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StoredContract {
    /// The hash of its first content.
    pub first: ContentHash,
    /// The hash of the content in force, or of the proposal.
    pub hash: ContentHash,
    /// How many contents came before this one.
    pub version: u32,
    /// The party that proposed it.
    pub proposer: PartyId,
    /// The content, of which the clauses are stored one by one and not here.
    pub terms: Terms,
    /// The numbers of the clauses, rising.
    pub clauses: BoundedVec<ClauseNumber, ConstU32<MAX_CLAUSES>>,
    /// The highest number that a clause of any content has had.
    pub highest: ClauseNumber,
    /// Who accepted the content.
    pub accepted: Acceptances,
    /// What it has reached.
    pub phase: Phase,
    /// The number of the next claim.
    pub next_claim: ClaimNumber,
}

/// What a contract has reached, as the chain noted it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Phase {
    /// It is proposed, until this live time.
    Proposed {
        /// The live time at which it lapses.
        lapses: u64,
    },
    /// It is in force.
    Active(ActivePhase),
    /// It has ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// When it ended, and the block in which the chain noted it.
        at: Moment,
        /// The live time until which claims can still be made.
        claimable_until: u64,
        /// The live time from which it can be pruned.
        prunable_from: u64,
    },
}

/// What is noted about a contract in force.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ActivePhase {
    /// When the content came into force.
    pub since: Moment,
    /// How many owners each device had had then, in the order of the devices. A grant ends with the next owner.
    pub owners: BoundedVec<u32, ConstU32<MAX_DEVICES>>,
    /// The notices of termination.
    pub notices: BoundedVec<Notice, ConstU32<MAX_PARTIES>>,
    /// The live time until which the contract waits for a successor.
    pub waits_until: Option<u64>,
}

/// A pending amendment.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StoredAmendment {
    /// The new content.
    pub content: ContractContent,
    /// The hash of the new content.
    pub hash: ContentHash,
    /// The party that proposed it.
    pub proposer: PartyId,
    /// Who accepted it.
    pub accepted: Acceptances,
    /// The live time at which it lapses.
    pub lapses: u64,
}

/// What a claim keeps of the content under which it was made, so that no amendment decides on it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ClaimBasis {
    /// The acceptance of the party that claims.
    pub claimant: Acceptance,
    /// The acceptance of the party that confirms or contests.
    pub respondent: Acceptance,
    /// The acceptance of the arbiter.
    pub arbiter: Option<Acceptance>,
    /// What becomes of the claim if it is disputed and nobody rules in time.
    pub unruled: Verdict,
    /// How long the sides may settle and the arbiter may rule, in milliseconds of live time.
    pub rule: u64,
}

/// The live clock: chain time without the times in which the chain stood still.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct LiveClock {
    /// The live time at the end of the last block, in milliseconds.
    pub live: u64,
    /// The chain's time then, in milliseconds since 1970-01-01 UTC. 0 before the first block.
    pub seen: u64,
}

impl LiveClock {
    /// Returns the clock at a time of the chain. It advances by at most `max_gap`.
    pub fn at(self, now: u64, max_gap: u64) -> Self {
        let gap = if self.seen == 0 { 0 } else { now.saturating_sub(self.seen).min(max_gap) };
        Self { live: self.live.saturating_add(gap), seen: now.max(self.seen) }
    }
}

impl StoredContract {
    /// Forgets all numbers of blocks, when the contract is taken over to a new chain.
    pub fn forget_blocks(&mut self) {
        match &mut self.phase {
            Phase::Proposed { .. } => (),
            Phase::Active(active) => {
                active.since.block = 0;
                active.notices.iter_mut().for_each(|notice| notice.given.block = 0);
            }
            Phase::Ended { at, .. } => at.block = 0,
        }
    }

    /// Returns the parties that the content names, and its arbiter.
    pub fn named(&self) -> impl Iterator<Item = PartyId> + '_ {
        named(&self.terms)
    }

    /// Returns what is noted about the contract if its phase is `Active`.
    pub fn active(&self) -> Option<&ActivePhase> {
        match &self.phase {
            Phase::Active(active) => Some(active),
            Phase::Proposed { .. } | Phase::Ended { .. } => None,
        }
    }

    /// Returns how many owners a device had had when the content came into force.
    pub fn owners_of(&self, device: &streembit_primitives::DeviceId) -> Option<u32> {
        let mut counts = self.terms.devices.iter().zip(&self.active()?.owners);
        counts.find(|(id, _)| *id == device).map(|(_, count)| *count)
    }
}

/// Returns the parties that terms name, and their arbiter.
pub fn named(terms: &Terms) -> impl Iterator<Item = PartyId> + '_ {
    terms.parties.iter().map(|holder| holder.party).chain(terms.arbiter)
}
