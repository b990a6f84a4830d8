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

pub use pallet::*;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::WeightInfo;
    use frame_support::{pallet_prelude::*, traits::IsSubType};
    use frame_system::pallet_prelude::*;
    use pallet_parties::{PartyLookup, Registry};
    use pallet_quotas::SetQuota;
    use streembit_primitives::{consortium::Change, AccountId};

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
        /// The parties, which the council adds and removes.
        type Parties: PartyLookup + Registry;

        /// The validators, which the council adds and removes.
        type Validators: Registry;

        /// The quotas, which the council sets.
        type Quotas: SetQuota;

        /// The origin of a motion that the council decided on.
        type CouncilOrigin: EnsureOrigin<<Self as frame_system::Config>::RuntimeOrigin>;

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
            /// The account that asks.
            by: AccountId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is neither a party, nor a party's gateway, nor in the council.
        NotAMember,
        /// The sender is not in the council.
        NotInCouncil,
        /// There is no such motion, or it is closed.
        NoMotion,
        /// The party is in the council.
        InCouncil,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Asks the council for a change. A member that asks votes for it at once, which may decide it.
        ///
        /// May be called by a party, a party's gateway, or a member of the council. Fails if the change is impossible
        /// now.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::propose())]
        pub fn propose(origin: OriginFor<T>, change: Change) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            let by = AccountId(sender.clone().into());
            let in_council = Self::is_member(&sender);
            ensure!(in_council || T::Parties::acts_for(&by).is_some(), Error::<T>::NotAMember);
            Self::ensure_possible(&change)?;
            let motion = Self::open(&sender, change)?;
            Self::deposit_event(Event::Proposed { motion, change, by });
            if in_council {
                Self::cast_vote(&sender, motion, true)?;
            }
            Ok(())
        }

        /// Votes on a motion, and carries it out or drops it as soon as it is decided.
        ///
        /// May be called by a member of the council.
        #[pallet::call_index(1)]
        #[pallet::weight((<T as Config>::WeightInfo::vote(), DispatchClass::Operational))]
        pub fn vote(origin: OriginFor<T>, motion: T::Hash, approve: bool) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            ensure!(Self::is_member(&sender), Error::<T>::NotInCouncil);
            Self::cast_vote(&sender, motion, approve)
        }

        /// Makes a change. Only a motion that the council decided on calls this.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::enact())]
        pub fn enact(origin: OriginFor<T>, change: Change) -> DispatchResult {
            T::CouncilOrigin::ensure_origin(origin)?;
            Self::make(change)
        }
    }
}
