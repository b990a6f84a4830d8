#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod change;
mod free_calls;
mod motions;

pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use motions::AbstentionRejects;
pub use pallet::*;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::WeightInfo;
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::IsSubType};
    use frame_system::pallet_prelude::*;
    use pallet_parties::{AccountRefusal, DeviceRegistry, PartyLookup, PartyRegistry, Registry};
    use pallet_quotas::SetQuota;
    use streembit_primitives::{
        consortium::Change,
        party::{AccountRole, Role, Scope},
        AccountId, PartyId,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

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
            Hash: From<[u8; 32]> + Into<[u8; 32]>,
        > + pallet_collective::Config<Proposal: From<Call<Self>> + IsSubType<Call<Self>>>
    {
        /// The parties, which the council adds, removes and recovers.
        type Parties: PartyLookup + PartyRegistry;

        /// The validators, which the council adds and removes.
        type Validators: Registry;

        /// The devices. The council allows their owners changes without a proof.
        type Devices: DeviceRegistry;

        /// The quotas, which the council sets.
        type Quotas: SetQuota;

        /// The origin of a change that the council decided on.
        type CouncilOrigin: EnsureOrigin<<Self as frame_system::Config>::RuntimeOrigin>;

        /// The origin of a decision on the council's members: at least two thirds of them.
        type MembersOrigin: EnsureOrigin<<Self as frame_system::Config>::RuntimeOrigin>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// The council is asked for a change.
        Proposed {
            /// The id of the motion.
            motion: T::Hash,
            /// The change.
            change: Change,
            /// The party that asks.
            party: PartyId,
            /// The account that asks for it.
            by: AccountId,
        },
        /// The council is asked for other members.
        MembersProposed {
            /// The id of the motion.
            motion: T::Hash,
            /// The new members, sorted.
            members: Vec<PartyId>,
            /// The party that asks.
            party: PartyId,
            /// The account that asks for it.
            by: AccountId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The sender's party is not in the council.
        NotInCouncil,
        /// There is no such motion, or it is closed, or the time to vote on it is over.
        NoMotion,
        /// The party is in the council.
        InCouncil,
        /// A council has at least one member, and no member twice.
        BadMembers,
        /// A member of the council would not be a party of the consortium.
        UnknownMember,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Asks the council for a change. A member that asks votes for it at once, which may decide it.
        ///
        /// May be called by an account of the scope `All`, or by a party's gateway, which does not vote. Fails if the
        /// change is impossible now.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::propose())]
        pub fn propose(origin: OriginFor<T>, change: Change) -> DispatchResult {
            let by = AccountId(ensure_signed(origin)?.into());
            let AccountRole { party, role } = T::Parties::acting(&by).map_err(T::Parties::error_of)?;
            let may_vote = role.includes(Scope::All);
            ensure!(may_vote || role == Role::Gateway, T::Parties::error_of(AccountRefusal::OutOfScope));
            Self::ensure_possible(&change)?;
            let votes = may_vote && Self::is_member(&party);
            let motion = Self::open(party, change, votes)?;
            Self::deposit_event(Event::Proposed { motion, change, party, by });
            if votes {
                Self::cast_vote(party, motion, true)?;
            }
            Ok(())
        }

        /// Votes on a motion for the sender's party, and carries it out or drops it as soon as it is decided.
        ///
        /// May be called by an account of the scope `All` of a party in the council. Each party has one vote, whichever
        /// of its accounts casts it.
        #[pallet::call_index(1)]
        #[pallet::weight((<T as Config>::WeightInfo::deciding_vote(), DispatchClass::Operational))]
        pub fn vote(origin: OriginFor<T>, motion: T::Hash, approve: bool) -> DispatchResult {
            let party = Self::member_of(&AccountId(ensure_signed(origin)?.into()))?;
            Self::cast_vote(party, motion, approve)
        }

        /// Makes a change. Only a motion that the council decided on calls this.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::enact())]
        pub fn enact(origin: OriginFor<T>, change: Change) -> DispatchResult {
            T::CouncilOrigin::ensure_origin(origin)?;
            Self::make(change)
        }

        /// Asks the council for other members. Two thirds of the members decide; the sender's party votes for it at
        /// once.
        ///
        /// May be called by an account of the scope `All` of a party in the council.
        #[pallet::call_index(3)]
        #[pallet::weight(
            <T as Config>::WeightInfo::propose_members().saturating_add(<T as Config>::WeightInfo::decision())
        )]
        pub fn propose_members(
            origin: OriginFor<T>,
            members: BoundedVec<PartyId, <T as pallet_collective::Config>::MaxMembers>,
        ) -> DispatchResult {
            let by = AccountId(ensure_signed(origin)?.into());
            let party = Self::member_of(&by)?;
            let members = Self::ensure_possible_members(members)?;
            let motion = Self::open_members(party, members.clone())?;
            Self::deposit_event(Event::MembersProposed { motion, members: members.into(), party, by });
            Self::cast_vote(party, motion, true)
        }

        /// Replaces the members of the council. Only a motion that two thirds of the council decided on calls this.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::enact_members())]
        pub fn enact_members(
            origin: OriginFor<T>,
            members: BoundedVec<PartyId, <T as pallet_collective::Config>::MaxMembers>,
        ) -> DispatchResult {
            T::MembersOrigin::ensure_origin(origin)?;
            // A party may have left since the proposal.
            let members = Self::ensure_possible_members(members)?;
            Self::set_members(&members);
            Ok(())
        }
    }
}
