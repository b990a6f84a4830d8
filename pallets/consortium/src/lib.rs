#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod lookup;
mod session;

pub mod runtime_api;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use lookup::{GenesisHash, IsGateway, IsParty};
pub use pallet::*;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "what the macros of FRAME expand to")]
pub mod pallet {
    use crate::{GenesisHash, WeightInfo};
    use alloc::{collections::BTreeSet, vec::Vec};
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use streembit_primitives::{device::GatewayConsent, AccountId, Signature};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime fixes.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<
        RuntimeEvent: From<Event<Self>>,
        AccountId: From<[u8; 32]> + Into<[u8; 32]>,
        Hash: Into<[u8; 32]>,
    >
    {
        /// The most validators.
        #[pallet::constant]
        type MaxValidators: Get<u32>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// The parties.
    #[pallet::storage]
    pub type Parties<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, ()>;

    /// The party that each gateway belongs to.
    #[pallet::storage]
    pub type Gateways<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, AccountId>;

    /// The gateways of each party: the other direction of [`Gateways`].
    #[pallet::storage]
    pub type GatewaysOf<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, AccountId, ()>;

    /// The validators, in the order of their authorities.
    #[pallet::storage]
    pub type Validators<T: Config> = StorageValue<_, BoundedVec<T::AccountId, T::MaxValidators>, ValueQuery>;

    /// The consortium at its founding.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The founding parties, each once.
        pub parties: Vec<T::AccountId>,
        /// Those of the parties that make blocks, each once; their keys are in the session pallet's genesis.
        pub validators: Vec<T::AccountId>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// A chain does not start from a genesis that breaks a rule: it panics, on the machine that makes the genesis.
        fn build(&self) {
            let parties = BTreeSet::from_iter(&self.parties);
            assert!(parties.len() == self.parties.len(), "genesis: a party is named twice");
            let validators = BTreeSet::from_iter(&self.validators);
            assert!(validators.len() == self.validators.len(), "genesis: a validator is named twice");
            assert!(validators.is_subset(&parties), "genesis: a validator is not a party");
            assert!(validators.len() <= T::MaxValidators::get() as usize, "genesis: too many validators");

            for account in &self.parties {
                Parties::<T>::insert(AccountId(account.clone().into()), ());
                frame_system::Pallet::<T>::inc_providers(account);
            }
            Validators::<T>::put(BoundedVec::truncate_from(self.validators.clone()));
        }
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A party took a gateway in; it may submit from now on.
        GatewayAdded {
            /// The party.
            party: AccountId,
            /// The gateway.
            gateway: AccountId,
        },
    }

    /// Why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The sender is not a party of the consortium.
        NotAParty,
        /// The account is a party: a gateway needs a key of its own.
        IsAParty,
        /// The gateway belongs to a party already.
        GatewayKnown,
        /// The consent is not the gateway's signature over this chain, this gateway and this party.
        BadConsent,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Takes a gateway that consents into the sender's possession, so that it may submit.
        ///
        /// By a party. `consent` is the gateway's signature over a [`GatewayConsent`].
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::add_gateway())]
        pub fn add_gateway(origin: OriginFor<T>, gateway: AccountId, consent: Signature) -> DispatchResult {
            let party = AccountId(ensure_signed(origin)?.into());
            ensure!(Parties::<T>::contains_key(party), Error::<T>::NotAParty);
            ensure!(!Parties::<T>::contains_key(gateway), Error::<T>::IsAParty);
            ensure!(!Gateways::<T>::contains_key(gateway), Error::<T>::GatewayKnown);
            let agreed = GatewayConsent { genesis: GenesisHash::<T>::get(), gateway, party };
            ensure!(agreed.verify(&consent), Error::<T>::BadConsent);

            Gateways::<T>::insert(gateway, party);
            GatewaysOf::<T>::insert(party, gateway, ());
            frame_system::Pallet::<T>::inc_providers(&T::AccountId::from(gateway.0));
            Self::deposit_event(Event::GatewayAdded { party, gateway });
            Ok(())
        }
    }
}
