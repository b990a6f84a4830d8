#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod accounting;
mod extension;
mod invariants;

pub mod runtime_api;
pub mod traits;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use extension::SpendQuota;
pub use pallet::*;
pub use traits::{CallScopes, CouncilCalls, SetQuota};
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::{CallScopes, CouncilCalls, WeightInfo};
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::Time};
    use frame_system::pallet_prelude::*;
    use pallet_parties::PartyLookup;
    use streembit_primitives::{consortium::Quota, AccountId, PartyId};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The parameters that the runtime sets.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId: From<[u8; 32]> + Into<[u8; 32]>>
    {
        /// The quota of a party for which the council set no other.
        #[pallet::constant]
        type DefaultQuota: Get<Quota>;

        /// The length of a period in milliseconds. Quotas are full again with each period.
        #[pallet::constant]
        type QuotaPeriod: Get<u64>;

        /// The time, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// The parties, which pay for their accounts.
        type Parties: PartyLookup;

        /// The scopes that calls need.
        type CallScopes: CallScopes<Self::AccountId, Self::RuntimeCall>;

        /// The council, some of whose calls are free.
        type Council: CouncilCalls<Self::AccountId, Self::RuntimeCall>;

        /// The weight of the extension.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper<Self::RuntimeCall>;
    }

    /// The quotas that the council set.
    #[pallet::storage]
    pub type Quotas<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, Quota>;

    /// The number of the period in which a party last spent, and what it spent in that period.
    #[pallet::storage]
    pub type Spent<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, (u64, Quota), ValueQuery>;

    /// The quotas of founding parties.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The quotas that differ from the default: the first account of the party, microseconds and bytes, see
        /// [`Quota`].
        pub quotas: Vec<(T::AccountId, u64, u64)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// Panics if the genesis breaks a rule. Only the machine that makes the genesis runs this.
        fn build(&self) {
            for (account, microseconds, bytes) in &self.quotas {
                let party = PartyId::of_first_account(&AccountId(account.clone().into()));
                assert!(T::Parties::is_party(&party), "genesis: a quota belongs to no party");
                let quota = Quota { microseconds: *microseconds, bytes: *bytes };
                Quotas::<T>::insert(party, quota);
            }
        }
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// The quota of a party was set.
        QuotaSet {
            /// The party.
            party: PartyId,
            /// The new quota. `None` if the party has the default again.
            quota: Option<Quota>,
        },
    }

    /// The reasons why a change fails.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no such party in the consortium.
        NotAParty,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }
}
