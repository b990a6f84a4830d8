#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod amending;
mod claims;
mod clauses;
mod disputes;
mod errors;
mod evidence;
#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
mod lifecycle;
mod pruning;
mod queries;
mod status;

pub mod runtime_api;
pub mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use weights::WeightInfo;

/// The maximum number of claims that one call of `prune` removes.
pub const PRUNED_CLAIMS: u32 = 64;

/// How far the clock of a gateway or a device may be off, in milliseconds: ten minutes.
pub const CLOCK_TOLERANCE: u64 = 10 * 60 * 1_000;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use crate::{
        types::{LiveClock, StoredAmendment, StoredContract},
        WeightInfo,
    };
    use alloc::boxed::Box;
    use frame_support::{pallet_prelude::*, traits::Time};
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::{One, Zero};
    use streembit_primitives::{
        contract::{
            state::{
                Claim, ClaimEvidence, ClauseProgress, Decision, Dispute, EndReason, Outcome, ProvenPoint,
            },
            ClaimNumber, Clause, ClauseNumber, ContentHash, ContractContent, ContractId, Documents,
        },
        reading_proof::ReadingProof,
        DeviceId, Hash, PartyId, Scope,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(3);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The parameters that the runtime sets.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<
            RuntimeEvent: From<Event<Self>>,
            AccountId: From<[u8; 32]> + Into<[u8; 32]>,
            Hash: Into<[u8; 32]>,
        > + pallet_anchors::Config
        + pallet_devices::Config
    {
        /// The clock of the chain, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// The most that the live clock advances in one block, in milliseconds: two heartbeats.
        #[pallet::constant]
        type MaxLiveGap: Get<u64>;

        /// The maximum number of contracts that one party can have accepted, ended ones included until they are pruned.
        #[pallet::constant]
        type MaxContractsOfParty: Get<u32>;

        /// The maximum number of open proposals of one party.
        #[pallet::constant]
        type MaxProposalsOfParty: Get<u32>;

        /// The maximum number of contracts in force about one device.
        #[pallet::constant]
        type MaxContractsOfDevice: Get<u32>;

        /// The maximum number of stored claims under one clause.
        #[pallet::constant]
        type MaxClaimsOfClause: Get<u32>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// The contracts without their clauses.
    #[pallet::storage]
    pub type Contracts<T: Config> = StorageMap<_, Blake2_128Concat, ContractId, StoredContract>;

    /// The clauses of each contract, by their numbers.
    #[pallet::storage]
    pub type Clauses<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ContractId, Twox64Concat, ClauseNumber, Clause>;

    /// The progress of the clauses of contracts that are or were in force. No entry means none.
    #[pallet::storage]
    pub type Progress<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        ContractId,
        Twox64Concat,
        ClauseNumber,
        ClauseProgress,
        ValueQuery,
    >;

    /// The claims under each contract, by their numbers.
    #[pallet::storage]
    pub type Claims<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ContractId, Twox64Concat, ClaimNumber, Claim>;

    /// The disputes, by the claims that they are about.
    #[pallet::storage]
    pub type Disputes<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ContractId, Twox64Concat, ClaimNumber, Dispute>;

    /// The pending amendment of each contract.
    #[pallet::storage]
    pub type Amendments<T: Config> = StorageMap<_, Blake2_128Concat, ContractId, StoredAmendment>;

    /// The contracts that name each party, also as the arbiter, also in a proposal or an amendment.
    #[pallet::storage]
    pub type ContractsOf<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PartyId, Blake2_128Concat, ContractId, ()>;

    /// The number of contracts that each party has accepted. The proposals of others do not count, because otherwise
    /// anybody could exhaust a party's limit. No entry means none.
    #[pallet::storage]
    pub type AcceptedCounts<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The number of open proposals of each party. No entry means none.
    #[pallet::storage]
    pub type ProposalCounts<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The contracts in force about each device.
    #[pallet::storage]
    pub type ContractsOfDevice<T: Config> = StorageMap<
        _,
        Blake2_128Concat,
        DeviceId,
        BoundedVec<ContractId, T::MaxContractsOfDevice>,
        ValueQuery,
    >;

    /// The live clock at the end of the last block.
    #[pallet::storage]
    pub type LiveTime<T: Config> = StorageValue<_, LiveClock, ValueQuery>;

    /// The genesis hash of the first chain of this lineage. A chain that continues another one takes it over, so that the
    /// ids of contracts stay computable. `None` in the first block only.
    #[pallet::storage]
    pub type Lineage<T: Config> = StorageValue<_, Hash>;

    /// The events. Each names its contract.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    #[allow(missing_docs, reason = "the names and types of the fields explain them")]
    #[allow(clippy::large_enum_variant, reason = "an event is encoded at once and not kept")]
    pub enum Event<T: Config> {
        /// A contract was proposed.
        Proposed { id: ContractId, hash: ContentHash, proposer: PartyId },
        /// A party, or the arbiter, accepted a content. A proposal counts as its proposer's acceptance.
        Accepted { id: ContractId, hash: ContentHash, party: PartyId },
        /// A content is in force.
        Activated { id: ContractId, hash: ContentHash, version: u32 },
        /// An amendment was proposed.
        AmendmentProposed { id: ContractId, hash: ContentHash, proposer: PartyId },
        /// A proposal or an amendment was rejected, and is removed.
        Rejected { id: ContractId, hash: ContentHash, party: PartyId },
        /// A proposal or an amendment was withdrawn by its proposer, and is removed.
        Withdrawn { id: ContractId, hash: ContentHash },
        /// An amendment was not accepted in time, and is removed.
        AmendmentLapsed { id: ContractId, hash: ContentHash },
        /// A party gave notice. The contract ends at this live time, or when all parties have given notice.
        NoticeGiven { id: ContractId, party: PartyId, ends: Option<u64> },
        /// A party left or a device was sold. The contract waits for a successor until this live time.
        Waits { id: ContractId, until: u64 },
        /// A contract ended.
        Ended { id: ContractId, reason: EndReason },
        /// Everything about a contract that ended is removed.
        Pruned { id: ContractId },
        /// A reading of a meter was proven.
        MeterProven { id: ContractId, clause: ClauseNumber, point: ProvenPoint },
        /// Something was claimed, or a meter was found irregular.
        Claimed { id: ContractId, claim: Claim },
        /// The other side confirmed a claim.
        Confirmed { id: ContractId, number: ClaimNumber },
        /// The other side contested a claim.
        Contested { id: ContractId, number: ClaimNumber, documents: Documents },
        /// A party withdrew its claim, which is removed.
        Retracted { id: ContractId, number: ClaimNumber },
        /// A contrary reading refuted a claim.
        Refuted { id: ContractId, number: ClaimNumber, contrary: ProvenPoint },
        /// A dispute was answered.
        Answered { id: ContractId, number: ClaimNumber, documents: Documents },
        /// A side would settle a dispute like this.
        Offered { id: ContractId, number: ClaimNumber, party: PartyId, outcome: Outcome },
        /// A later reading was proven that an irregular meter can be set to.
        ReadingOffered { id: ContractId, number: ClaimNumber, point: ProvenPoint },
        /// It is decided whether a claim stands.
        Decided { id: ContractId, number: ClaimNumber, outcome: Outcome, decision: Decision },
        /// The debtor says that a charge is paid.
        PaymentClaimed { id: ContractId, number: ClaimNumber, documents: Documents },
        /// The creditor confirmed the payment of a charge.
        PaymentConfirmed { id: ContractId, number: ClaimNumber },
        /// A side of a handover confirmed it.
        HandoverConfirmed { id: ContractId, clause: ClauseNumber, party: PartyId },
        /// A device passed to another owner.
        HandedOver { id: ContractId, clause: ClauseNumber, device: DeviceId, from: PartyId, to: PartyId },
        /// A right was revoked, or the confirmation of a handover was taken back.
        Revoked { id: ContractId, clause: ClauseNumber, party: PartyId },
        /// A decided claim is removed.
        ClaimPruned { id: ContractId, number: ClaimNumber },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// A contract needs at least two parties, and no party twice.
        Parties,
        /// The arbiter is one of the parties.
        Arbiter,
        /// A contract needs at least one device, and no device twice.
        Devices,
        /// A contract needs at least one clause, and the numbers of its clauses must rise.
        ClauseNumbers,
        /// Two clauses say the same.
        ClauseTwice,
        /// The contract, or a right, ends before the contract starts.
        EndsBeforeStart,
        /// A deadline is zero or longer than 400 days.
        Deadline,
        /// A document is listed twice.
        Documents,
        /// A clause names a party that is not a party to the contract, or the same party on both sides.
        ClauseParty,
        /// A clause names a device that the contract does not list.
        ClauseDevice,
        /// A clause names a role that no party has.
        ClauseRole,
        /// A period or an interval is zero, negative or longer than 20 years.
        Interval,
        /// A service needs an interval of the calendar, or of a meter that the clause names.
        NoInterval,
        /// A unit is not in the table of units.
        Unit,
        /// Limits need a lower or an upper value, the lower one below the upper one.
        Limits,
        /// A number is negative, or zero where it must be above zero.
        Negative,
        /// A result does not fit into a decimal.
        OutOfRange,
        /// A list of names is empty, or names something twice.
        Names,
        /// Two clauses hand over the same device.
        HandoverTwice,
        /// The end of the contract or of a right is in the past.
        InThePast,
        /// A party to the contract, or its arbiter, is not a party of the consortium.
        UnknownParty,
        /// A device of the contract is not registered.
        UnknownDevice,
        /// A device of the contract does not belong to any of its parties.
        ForeignDevice,
        /// A device of the contract is retired.
        RetiredDevice,
        /// The same content is proposed or in force already: give it another nonce.
        Exists,
        /// There is no such contract. It may have ended and been pruned.
        UnknownContract,
        /// The sender's party is not a party to the contract.
        NotPartyToContract,
        /// The sender's party left the consortium after it accepted, and is not bound any more.
        SeatLost,
        /// The proposal or the amendment has another content than the call names.
        OtherContent,
        /// The party has already accepted this content.
        AcceptedAlready,
        /// The proposal or the amendment was not accepted in time.
        Lapsed,
        /// The party has accepted the maximum number of contracts: prune those that have ended.
        TooManyOfParty,
        /// The party has the maximum number of open proposals: withdraw one or prune those that lapsed.
        TooManyProposals,
        /// The device has the maximum number of contracts in force: prune those that have ended.
        TooManyOfDevice,
        /// The contract is not in force: not all parties have accepted it yet.
        NotActive,
        /// The contract has ended.
        Ended,
        /// The contract is in force already.
        NotProposed,
        /// Only the proposer can withdraw a proposal or an amendment.
        NotTheProposer,
        /// Another amendment is pending: accept, reject or withdraw it first.
        AmendmentPending,
        /// There is no pending amendment.
        NoAmendment,
        /// The content is the one that is in force.
        SameContent,
        /// A clause has a number that another clause has or had: give it a new one.
        ClauseReplaced,
        /// The new content lacks a clause with claims: keep the clause, or prune its claims first.
        ClauseHasClaims,
        /// The party has given notice already.
        NoticeGiven,
        /// There is nothing to prune: the contract goes on as it is noted.
        NothingToPrune,
        /// The contract has ended, but claims can still be made or disputed: see `prunable_from`.
        PrunedTooEarly,
        /// The contract has no such clause.
        UnknownClause,
        /// The clause is of another kind.
        OtherClauseKind,
        /// The clause has no meter.
        NoMeter,
        /// The event of the device with this sequence is in another log.
        OtherLog,
        /// The event is declared lost.
        LostEvent,
        /// The proof is for a log size that is not among the last anchored ones: make it for the latest anchor.
        NotAnchored,
        /// The event is not in the log at the anchored size.
        NotInLog,
        /// The event is not from the clause's device.
        OtherDevice,
        /// The event is not signed with the key that the device has for it, or its format is unknown.
        BadEvent,
        /// The disclosed part does not fit the kind of the event.
        OtherKind,
        /// The log has too few entries before the event for its sequence.
        ImpossibleSequence,
        /// The reading is not part of the event.
        NotInEvent,
        /// The disclosed part of the event is not a reading.
        NotAReading,
        /// The reading has another name than the clause says.
        OtherReading,
        /// The value of the reading is not a number.
        NotANumber,
        /// The unit of the reading is not in the table of units, or measures something else than the clause's unit.
        OtherUnit,
        /// The contract counts only readings that the device itself signed.
        GatewaySigned,
        /// The event happened before the contract started or after it ended.
        OutsideContract,
        /// The time of the event does not lie between the anchors before and after it.
        ImplausibleTime,
        /// The device has an owner that is not a party to the contract.
        DeviceSold,
        /// The same event or a newer one has already been proven for the clause.
        NotNewer,
        /// The meter fell, leapt or went back in time: report it first, so that it can be decided on.
        Irregular,
        /// The clause has an irregularity that nobody has decided on: decide on it first.
        IrregularityOpen,
        /// Only the party that the clause names can claim.
        NotTheClaimant,
        /// The service needs a reading of the meter, or has no meter.
        ReadingNeeded,
        /// The clause already has a record that is not decided on.
        RecordOpen,
        /// The clause has the maximum number of stored claims: prune those that are decided on.
        TooManyClaims,
        /// The readings do not prove a breach: one is within the limits, or they are too close to each other.
        NoBreach,
        /// The readings do not prove a gap: they are not longer apart than agreed.
        NoGap,
        /// The readings are not in this period, or the period is claimed already or has not ended.
        WrongPeriod,
        /// The range is empty, overlaps one that is charged already, or ends in the future or after the contract.
        WrongRange,
        /// The charge was made already.
        ChargedAlready,
        /// There is no such claim.
        UnknownClaim,
        /// Only the other side of a claim can confirm or contest it.
        NotTheRespondent,
        /// The claim is decided on, or it is disputed already.
        NotOpen,
        /// The claim is not disputed.
        NotDisputed,
        /// The reading does not contradict the claim.
        NotContrary,
        /// The party is not a side of the dispute.
        NotASide,
        /// The dispute is answered already, or the party raised it itself.
        NoAnswerDue,
        /// Only the arbiter can rule.
        NotTheArbiter,
        /// A dispute about such a claim cannot end like this.
        WrongOutcome,
        /// An irregularity cannot be retracted: settle it.
        NotRetractable,
        /// The claim is no charge that stands.
        NotACharge,
        /// The payment is claimed or confirmed already.
        PaidAlready,
        /// The debtor has not said that the charge is paid.
        NotPaid,
        /// Only a party of the clause can do this.
        NotASideOfClause,
        /// The device does not belong to the party that hands it over.
        NotTheOwner,
        /// The party has confirmed the handover already, or the device has passed.
        HandedOverAlready,
        /// The clause gives no right, or the right is revoked already.
        NothingToRevoke,
        /// The claim is still needed: it is not decided on, or the charge is not paid.
        ClaimNeeded,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(block: BlockNumberFor<T>) -> Weight {
            // A chain that continues another one has taken the lineage over.
            if block.is_one() && Lineage::<T>::get().is_none() {
                Lineage::<T>::put(Hash(frame_system::Pallet::<T>::parent_hash().into()));
            }
            // For `on_finalize`, and for the first block.
            T::DbWeight::get().reads_writes(4, 2)
        }

        fn on_finalize(block: BlockNumberFor<T>) {
            if !block.is_zero() {
                LiveTime::<T>::put(Self::clock());
            }
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    /// The table in the README says for every state who may make which call.
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Proposes a contract. May be called by a party to it, which accepts the content with this call.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::propose(
            content.terms().parties.len() as u32,
            content.terms().devices.len() as u32,
            content.terms().clauses.len() as u32,
        ))]
        pub fn propose(origin: OriginFor<T>, content: Box<ContractContent>) -> DispatchResult {
            Self::do_propose(Self::sender(origin, Scope::Contracts)?, *content)
        }

        /// Accepts a proposal or a pending amendment whose content has this hash. The last acceptance puts it into force.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::accept())]
        pub fn accept(origin: OriginFor<T>, id: ContractId, hash: ContentHash) -> DispatchResult {
            Self::do_accept(Self::sender(origin, Scope::Contracts)?, id, hash)
        }

        /// Rejects a proposal or a pending amendment, which is removed. May be called by each party that it names, by its
        /// arbiter, and by each party to the contract.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::reject())]
        pub fn reject(origin: OriginFor<T>, id: ContractId, hash: ContentHash) -> DispatchResult {
            Self::do_reject(Self::sender(origin, Scope::Contracts)?, id, hash)
        }

        /// Withdraws a proposal or a pending amendment, which is removed. May be called by its proposer.
        #[pallet::call_index(3)]
        #[pallet::weight(<T as Config>::WeightInfo::reject())]
        pub fn withdraw(origin: OriginFor<T>, id: ContractId, hash: ContentHash) -> DispatchResult {
            Self::do_withdraw(Self::sender(origin, Scope::Contracts)?, id, hash)
        }

        /// Proposes a new content for the contract whose content in force has the hash `hash`. May be called by a party to
        /// it, and by a successor if the contract waits for one.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::amend())]
        pub fn amend(
            origin: OriginFor<T>,
            id: ContractId,
            hash: ContentHash,
            content: Box<ContractContent>,
        ) -> DispatchResult {
            Self::do_amend(Self::sender(origin, Scope::Contracts)?, id, hash, *content)
        }

        /// Gives notice. The contract ends after the notice period, or at once if all parties have given notice.
        #[pallet::call_index(5)]
        #[pallet::weight(<T as Config>::WeightInfo::terminate())]
        pub fn terminate(origin: OriginFor<T>, id: ContractId) -> DispatchResult {
            Self::do_terminate(Self::sender(origin, Scope::Contracts)?, id)
        }

        /// Notes that a contract has ended, lapsed, or waits for a successor, and later removes it step by step. May be
        /// called by any party of the consortium.
        #[pallet::call_index(6)]
        #[pallet::weight(<T as Config>::WeightInfo::prune())]
        pub fn prune(origin: OriginFor<T>, id: ContractId) -> DispatchResult {
            Self::any_sender(origin)?;
            Self::do_prune(id)
        }

        /// Proves a reading of the meter of a clause. May be called by a party to the contract.
        #[pallet::call_index(7)]
        #[pallet::weight(<T as Config>::WeightInfo::report())]
        pub fn report(
            origin: OriginFor<T>,
            id: ContractId,
            clause: ClauseNumber,
            proof: Box<ReadingProof>,
        ) -> DispatchResult {
            Self::do_report(Self::sender(origin, Scope::Contracts)?, id, clause, *proof)
        }

        /// Claims that a service was done, at a proven reading of the clause's meter if it has one. May be called by the
        /// clause's provider.
        #[pallet::call_index(8)]
        #[pallet::weight(<T as Config>::WeightInfo::record())]
        pub fn record(
            origin: OriginFor<T>,
            id: ContractId,
            clause: ClauseNumber,
            proof: Option<Box<ReadingProof>>,
            documents: Documents,
        ) -> DispatchResult {
            let proof = proof.map(|proof| *proof);
            Self::do_record(Self::sender(origin, Scope::Contracts)?, id, clause, proof, documents)
        }

        /// Claims a breach, a usage, a gap or a charge. May be called by the party that the clause names for it.
        #[pallet::call_index(9)]
        #[pallet::weight(<T as Config>::WeightInfo::claim(evidence.proofs()))]
        pub fn claim(
            origin: OriginFor<T>,
            id: ContractId,
            clause: ClauseNumber,
            evidence: Box<ClaimEvidence>,
            documents: Documents,
        ) -> DispatchResult {
            Self::do_claim(Self::sender(origin, Scope::Contracts)?, id, clause, *evidence, documents)
        }

        /// Confirms a claim. May be called by its respondent.
        #[pallet::call_index(10)]
        #[pallet::weight(<T as Config>::WeightInfo::confirm())]
        pub fn confirm(origin: OriginFor<T>, id: ContractId, number: ClaimNumber) -> DispatchResult {
            Self::do_confirm(Self::sender(origin, Scope::Contracts)?, id, number)
        }

        /// Contests a claim, which begins a dispute. May be called by its respondent.
        #[pallet::call_index(11)]
        #[pallet::weight(<T as Config>::WeightInfo::contest())]
        pub fn contest(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            documents: Documents,
        ) -> DispatchResult {
            Self::do_contest(Self::sender(origin, Scope::Contracts)?, id, number, documents)
        }

        /// Withdraws a claim that is not decided on, which is removed. May be called by its claimant.
        #[pallet::call_index(12)]
        #[pallet::weight(<T as Config>::WeightInfo::retract())]
        pub fn retract(origin: OriginFor<T>, id: ContractId, number: ClaimNumber) -> DispatchResult {
            Self::do_retract(Self::sender(origin, Scope::Contracts)?, id, number)
        }

        /// Refutes a claim with a contrary reading between its readings. May be called by a party to the contract.
        #[pallet::call_index(13)]
        #[pallet::weight(<T as Config>::WeightInfo::refute())]
        pub fn refute(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            proof: Box<ReadingProof>,
        ) -> DispatchResult {
            Self::do_refute(Self::sender(origin, Scope::Contracts)?, id, number, *proof)
        }

        /// Answers a dispute with documents. May be called once, by a side that did not raise it.
        #[pallet::call_index(14)]
        #[pallet::weight(<T as Config>::WeightInfo::contest())]
        pub fn answer(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            documents: Documents,
        ) -> DispatchResult {
            Self::do_answer(Self::sender(origin, Scope::Contracts)?, id, number, documents)
        }

        /// Says how a side would settle a dispute. It is settled when both sides say the same.
        #[pallet::call_index(15)]
        #[pallet::weight(<T as Config>::WeightInfo::settle())]
        pub fn settle(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            outcome: Outcome,
        ) -> DispatchResult {
            Self::do_settle(Self::sender(origin, Scope::Contracts)?, id, number, outcome)
        }

        /// Rules on a dispute. May be called by the arbiter.
        #[pallet::call_index(16)]
        #[pallet::weight(<T as Config>::WeightInfo::settle())]
        pub fn rule(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            outcome: Outcome,
            documents: Documents,
        ) -> DispatchResult {
            Self::do_rule(Self::sender(origin, Scope::Contracts)?, id, number, outcome, documents)
        }

        /// Proves a later reading that an irregular meter can be set to. Offers to settle made before are void. May be
        /// called by a party to the contract.
        #[pallet::call_index(17)]
        #[pallet::weight(<T as Config>::WeightInfo::refute())]
        pub fn offer_reading(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            proof: Box<ReadingProof>,
        ) -> DispatchResult {
            Self::do_offer_reading(Self::sender(origin, Scope::Contracts)?, id, number, *proof)
        }

        /// Says that a charge is paid. May be called by the debtor.
        #[pallet::call_index(18)]
        #[pallet::weight(<T as Config>::WeightInfo::confirm())]
        pub fn pay(
            origin: OriginFor<T>,
            id: ContractId,
            number: ClaimNumber,
            documents: Documents,
        ) -> DispatchResult {
            Self::do_pay(Self::sender(origin, Scope::Contracts)?, id, number, documents)
        }

        /// Confirms the payment of a charge. May be called by the creditor.
        #[pallet::call_index(19)]
        #[pallet::weight(<T as Config>::WeightInfo::confirm())]
        pub fn confirm_payment(origin: OriginFor<T>, id: ContractId, number: ClaimNumber) -> DispatchResult {
            Self::do_confirm_payment(Self::sender(origin, Scope::Contracts)?, id, number)
        }

        /// Confirms a handover under the content with this hash. When both sides have confirmed, the device passes to its
        /// new owner. May be called by both sides, with an account of the scope `Devices`.
        #[pallet::call_index(20)]
        #[pallet::weight(<T as Config>::WeightInfo::hand_over())]
        pub fn hand_over(
            origin: OriginFor<T>,
            id: ContractId,
            clause: ClauseNumber,
            hash: ContentHash,
            proof: Option<Box<ReadingProof>>,
        ) -> DispatchResult {
            let proof = proof.map(|proof| *proof);
            Self::do_hand_over(Self::sender(origin, Scope::Devices)?, id, clause, hash, proof)
        }

        /// Revokes the right that a clause gives, or takes back the confirmation of a handover. May be called by both
        /// sides of a right and by the owner of the device. Costs no quota.
        #[pallet::call_index(21)]
        #[pallet::weight(<T as Config>::WeightInfo::revoke())]
        pub fn revoke(origin: OriginFor<T>, id: ContractId, clause: ClauseNumber) -> DispatchResult {
            Self::do_revoke(Self::sender(origin, Scope::Contracts)?, id, clause)
        }

        /// Removes a claim that is decided on and, if it is a charge that stands, paid. May be called by a party to the
        /// contract.
        #[pallet::call_index(22)]
        #[pallet::weight(<T as Config>::WeightInfo::prune_claim())]
        pub fn prune_claim(origin: OriginFor<T>, id: ContractId, number: ClaimNumber) -> DispatchResult {
            Self::do_prune_claim(Self::sender(origin, Scope::Contracts)?, id, number)
        }
    }
}
