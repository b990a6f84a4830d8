//! What the chain records about contracts, as it is stored and as the runtime APIs return it.
//!
//! Times are in milliseconds since 1970-01-01 UTC by the chain's clock, and deadlines in milliseconds of live time, which
//! stands still while the chain stands still.

use super::{
    ClaimNumber, ClauseNumber, CommandRule, ContentHash, ContractContent, ContractId, Documents, Quantity,
    ReadingSelection, MAX_COMMANDS,
};
use crate::{reading_proof::ReadingProof, BoundedVec, ConstU32, Decimal, DeviceId, PartyId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// When something happened on chain.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moment {
    /// The number of the block, or 0 if it is a block of a chain that this chain continues.
    pub block: u32,
    /// The chain's time.
    pub time: u64,
}

/// The state of a contract.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ContractState {
    /// Not everybody has accepted it yet.
    Proposed,
    /// It is in force.
    Active,
    /// It has ended.
    Ended(EndReason),
}

/// Why a contract ended.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum EndReason {
    /// A party, or the arbiter, rejected the proposal.
    Rejected,
    /// The proposer withdrew the proposal.
    Withdrawn,
    /// The proposal was not accepted in time.
    Lapsed,
    /// All handovers are done, and nothing else goes on.
    Completed,
    /// A party terminated it and the notice period is over, or all parties terminated it.
    Terminated,
    /// Its end has come.
    Expired,
    /// A party left the consortium, and no successor took its place in time.
    PartyLeft,
    /// A device got an owner that is not a party, and no successor took its place in time.
    DeviceSold,
}

/// A contract with its state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ContractView {
    /// The id of the contract.
    pub id: ContractId,
    /// The hash of its first content.
    pub first: ContentHash,
    /// The hash of the content in force, or of the proposal.
    pub hash: ContentHash,
    /// The content in force, or the proposal.
    pub content: ContractContent,
    /// How many contents came before this one.
    pub version: u32,
    /// Its state at the time of the queried block.
    pub state: ContractState,
    /// The party that proposed it.
    pub proposer: PartyId,
    /// The parties that have accepted the content, and the arbiter if it has accepted its role.
    pub accepted: Vec<PartyId>,
    /// When the proposal lapses, in live time. `None` if it is no proposal.
    pub lapses: Option<u64>,
    /// When the content came into force. `None` if it is a proposal.
    pub activated: Option<Moment>,
    /// The notices of termination, in their order.
    pub notices: Vec<Notice>,
    /// The pending amendment.
    pub amendment: Option<AmendmentView>,
    /// The party or the owner of a device has changed, and the contract waits for a successor until this live time.
    pub waits_until: Option<u64>,
    /// When it ended, and the block in which the chain noted it.
    pub ended: Option<Moment>,
    /// The live time from which anyone may prune the contract. `None` if the chain has not noted its end.
    pub prunable_from: Option<u64>,
    /// The number that the next claim will have.
    pub next_claim: ClaimNumber,
    /// The live time of the queried block.
    pub live_time: u64,
}

/// A notice of termination.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Notice {
    /// The party that gave it.
    pub by: PartyId,
    /// When it was given.
    pub given: Moment,
    /// When the contract ends, in live time. `None` if it ends only when all parties give notice.
    pub ends: Option<u64>,
}

/// A proposed new content of a contract in force.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AmendmentView {
    /// The content.
    pub content: ContractContent,
    /// The hash of the content.
    pub hash: ContentHash,
    /// The party that proposed it.
    pub proposer: PartyId,
    /// The parties that have accepted it, and the arbiter if it has.
    pub accepted: Vec<PartyId>,
    /// The parties that still have to accept it, and the arbiter if it has to.
    pub missing: Vec<PartyId>,
    /// When it lapses, in live time.
    pub lapses: u64,
}

/// A proven reading, converted to the unit of its clause.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProvenPoint {
    /// The sequence of the event in the device's history.
    pub sequence: u64,
    /// When the event happened, by its signer's clock.
    pub time: u64,
    /// The value in the unit of the clause. Zero if only the time counts.
    pub value: Decimal,
}

/// Something that a party claims under a clause: a service record, a breach, a usage, a gap, a charge, or an irregularity
/// of a meter.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Claim {
    /// Its number in the contract.
    pub number: ClaimNumber,
    /// The clause.
    pub clause: ClauseNumber,
    /// The hash of the content under which it was made.
    pub content: ContentHash,
    /// The party that claims.
    pub claimant: PartyId,
    /// The party that confirms or contests.
    pub respondent: PartyId,
    /// What is claimed.
    pub subject: ClaimSubject,
    /// Documents that belong to it: details, parts, invoices, photos.
    pub documents: Documents,
    /// When it was claimed.
    pub made: Moment,
    /// The live time from which it stands unless it is contested or refuted before.
    pub contest_until: u64,
    /// Its state.
    pub state: ClaimState,
    /// The payment of a charge.
    pub payment: Payment,
}

/// What is claimed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ClaimSubject {
    /// A service was done.
    Service {
        /// The reading of the meter, if the clause has one. If the meter was replaced since, its value is the one in the new
        /// meter.
        at: Option<ProvenPoint>,
        /// When it was done: the time of the reading, or of the call.
        time: u64,
    },
    /// A reading was outside of its limits.
    Breach {
        /// The first reading outside.
        first: ProvenPoint,
        /// The last reading outside, if a duration is tolerated.
        last: Option<ProvenPoint>,
    },
    /// A meter was used in a period.
    Usage {
        /// The number of the period, counted from 0.
        period: u32,
        /// The first reading in the period.
        first: ProvenPoint,
        /// The last reading in the period.
        last: ProvenPoint,
        /// The difference of the readings.
        used: Decimal,
        /// The allowance with what was carried over.
        allowance: Decimal,
        /// What was used beyond the allowance.
        over: Decimal,
        /// What is carried over from the period before, which is part of the allowance.
        carried_in: Decimal,
        /// What is carried over to the next period.
        carried: Decimal,
    },
    /// A reading did not come for longer than agreed.
    Gap {
        /// The last reading before the gap.
        before: ProvenPoint,
        /// The first reading after the gap.
        after: ProvenPoint,
    },
    /// An amount is owed.
    Charge {
        /// What is charged.
        quantity: Quantity,
        /// Where the charged range starts and ends.
        range: ChargedRange,
        /// The amount in the currency of the clause, rounded to its minor unit.
        amount: Decimal,
    },
    /// A meter fell, leapt, or its time went back. The meter does not move unless the parties or the arbiter accept it.
    Irregularity {
        /// The last regular reading.
        last: ProvenPoint,
        /// The irregular reading.
        found: ProvenPoint,
        /// What is irregular.
        kind: IrregularityKind,
    },
}

/// The range that a charge is for.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ChargedRange {
    /// The charge is due once.
    Once,
    /// Between two readings of the meter.
    Meter(ProvenPoint, ProvenPoint),
    /// Between two times.
    Time(u64, u64),
}

/// What is irregular about a reading of a meter.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum IrregularityKind {
    /// The meter is lower than before.
    Fell,
    /// The meter rose more than it plausibly can in that time.
    Leapt,
    /// The event has an earlier time than the one before it.
    TimeWentBack,
}

/// The state of a claim.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum ClaimState {
    /// The respondent can confirm or contest it.
    Claimed,
    /// It is contested, or it is an irregularity that nobody has decided on.
    Disputed,
    /// It stands.
    Stands(Decision),
    /// It is void.
    Void(Decision),
}

/// Who or what decided on a claim.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Decision {
    /// The respondent confirmed it.
    Confirmed,
    /// The respondent was silent.
    Silence,
    /// A contrary reading refuted it.
    Refuted,
    /// Both sides settled.
    Settled,
    /// The arbiter ruled.
    Ruled,
    /// Nobody ruled in time, so the contract decides.
    Unruled,
}

/// The payment of a charge.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Payment {
    /// Nobody says that it is paid.
    #[default]
    Open,
    /// The debtor says that it is paid.
    Claimed,
    /// The creditor has confirmed the payment.
    Confirmed,
}

/// A dispute about a claim.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dispute {
    /// The party that raised it.
    pub raised_by: PartyId,
    /// When it was raised.
    pub raised: Moment,
    /// The documents of the party that raised it.
    pub documents: Documents,
    /// The documents of the other side, if it has answered.
    pub answer: Option<Documents>,
    /// The live time until which the sides may settle and the arbiter may rule.
    pub rule_until: u64,
    /// A later proven reading that an irregular meter can be set to.
    pub candidate: Option<ProvenPoint>,
    /// What the claimant would settle for.
    pub claimant_offer: Option<Outcome>,
    /// What the respondent would settle for.
    pub respondent_offer: Option<Outcome>,
    /// The documents of the ruling.
    pub ruling: Option<Documents>,
}

/// How a dispute ends.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Outcome {
    /// The claim stands. An irregular reading becomes the meter.
    Stands,
    /// The claim is void. An irregular reading does not count.
    Void,
    /// The charge stands with this amount.
    Amount(Decimal),
    /// The meter is set to this later reading, which is the dispute's candidate. The sequence names it.
    Reading {
        /// The sequence of the candidate's event.
        sequence: u64,
    },
}

/// A claim with its state at the time of the queried block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClaimView {
    /// The claim.
    pub claim: Claim,
    /// The dispute about it.
    pub dispute: Option<Dispute>,
}

/// What proves a claim.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ClaimEvidence {
    /// A reading outside of the limits and, if a duration is tolerated, a later one.
    Breach {
        /// The first reading outside.
        first: ReadingProof,
        /// The last reading outside.
        last: Option<ReadingProof>,
    },
    /// The readings of a meter at both ends of a period.
    Usage {
        /// The number of the period, counted from 0.
        period: u32,
        /// The first reading in the period.
        first: ReadingProof,
        /// The last reading in the period.
        last: ReadingProof,
    },
    /// The readings before and after a gap.
    Gap {
        /// The last reading before the gap.
        before: ReadingProof,
        /// The first reading after the gap.
        after: ReadingProof,
    },
    /// For a charge that is due once.
    Once,
    /// The readings of a meter at both ends of what is charged.
    Meter {
        /// Where the charge starts. `None` to go on from the last charge.
        first: Option<ReadingProof>,
        /// Where the charge ends.
        last: ReadingProof,
    },
    /// A charge for time.
    Time {
        /// When the charged time ends (exclusive). It starts at the end of the last charge, or of the contract's start.
        until: u64,
    },
}

impl ClaimEvidence {
    /// Returns the number of proofs.
    pub fn proofs(&self) -> u32 {
        match self {
            Self::Once | Self::Time { .. } => 0,
            Self::Breach { last: None, .. } | Self::Meter { first: None, .. } => 1,
            Self::Breach { .. } | Self::Meter { .. } | Self::Usage { .. } | Self::Gap { .. } => 2,
        }
    }
}

/// The progress of a clause.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClauseProgress {
    /// The last regular reading of the meter, also if a usage or a charge was claimed with it. Under a clause about a breach
    /// or a gap, the last reading that was claimed.
    pub meter: Option<ProvenPoint>,
    /// The irregularity that nobody has decided on.
    pub irregularity: Option<ClaimNumber>,
    /// The number of stored claims.
    pub claims: u32,
    /// What else is recorded, by the kind of the clause.
    pub track: Track,
}

impl ClauseProgress {
    /// Forgets all numbers of blocks, when the progress is taken over to a new chain.
    pub fn forget_blocks(&mut self) {
        match &mut self.track {
            Track::Revoked { at, .. } => at.block = 0,
            Track::Handover { from, to, .. } => {
                [from, to].into_iter().flatten().for_each(|confirmation| confirmation.at.block = 0);
            }
            Track::Nothing | Track::Service { .. } | Track::Usage { .. } | Track::Charged(_) => (),
        }
    }
}

/// What is recorded about a clause, by its kind.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Track {
    /// Nothing.
    #[default]
    Nothing,
    /// A service clause.
    Service {
        /// The last service that stands, or where the first interval starts in a replaced meter.
        served: Option<Served>,
        /// The record that is not decided on.
        open: Option<ClaimNumber>,
    },
    /// A usage clause.
    Usage {
        /// The lowest period that can be claimed.
        next_period: u32,
        /// What is carried over to that period.
        carried: Decimal,
    },
    /// A charge clause: the range up to which it is charged. For a meter, the first point is where the current day of the
    /// charged meter began: see [`super::evaluate::next_window`].
    Charged(ChargedRange),
    /// A handover clause.
    Handover {
        /// The owner has confirmed, with this reading.
        from: Option<HandoverConfirmation>,
        /// The party that becomes the owner has confirmed, with this reading.
        to: Option<HandoverConfirmation>,
        /// The device has passed.
        done: bool,
    },
    /// An access, control or custody clause whose right was revoked.
    Revoked {
        /// The party that revoked it.
        by: PartyId,
        /// When.
        at: Moment,
    },
}

/// A service that was done.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Served {
    /// The value of the meter, if the clause has one. If the meter was replaced since, the value in the new meter.
    pub meter: Option<Decimal>,
    /// When it was done. 0 if no service was done yet and the meter was replaced: `meter` is then where the first interval
    /// starts in the new meter.
    pub time: u64,
}

impl Served {
    /// Returns true if a service was done.
    pub const fn is_done(&self) -> bool {
        self.time > 0
    }
}

/// One side's confirmation of a handover.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HandoverConfirmation {
    /// The reading of the meter, if the clause has one.
    pub meter: Option<ProvenPoint>,
    /// When.
    pub at: Moment,
}

/// A clause with its progress at the time of the queried block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClauseView {
    /// The number of the clause.
    pub number: ClauseNumber,
    /// Its progress.
    pub progress: ClauseProgress,
    /// When the next service is due. `None` if it is no service clause.
    pub due: Option<ServiceDue>,
}

/// When the next service under a clause is due, computed from proven readings and the chain's time.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceDue {
    /// The value of the meter at which it is due, if the meter counts.
    pub at_meter: Option<Decimal>,
    /// The time at which it is due, if the calendar counts.
    pub at_time: Option<u64>,
    /// True if the proven meter or the chain's time has reached its due point.
    pub is_due: bool,
}

/// A right that a contract in force gives.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grant {
    /// The contract that gives the right.
    pub contract: ContractId,
    /// The number of the clause.
    pub clause: ClauseNumber,
    /// The device.
    pub device: DeviceId,
    /// The party that gives the right.
    pub grantor: PartyId,
    /// The party that has the right. For an audience there is one grant for each party with the role.
    pub grantee: PartyId,
    /// What the grantee may do.
    pub right: Right,
    /// When the right ends (exclusive): at the end of the clause or of the contract, whichever comes first.
    pub until: u64,
}

/// What a grantee may do.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Right {
    /// Read readings.
    Read(ReadingSelection),
    /// Send commands.
    Command(BoundedVec<CommandRule, ConstU32<MAX_COMMANDS>>),
    /// Keep a replica of the log.
    Keep,
}
