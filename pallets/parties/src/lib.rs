#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod invariants;
mod membership;
mod queries;

pub mod runtime_api;
pub mod traits;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use queries::{GenesisHash, IsGateway, IsParty};
pub use traits::{Departure, PartyLookup, Registry};
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::{Departure, GenesisHash, Registry, WeightInfo};
    use alloc::{collections::BTreeSet, vec::Vec};
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use streembit_primitives::{
        consortium::Membership, gateway::GatewayConsent, AccountId, GatewayRecord, LogKey, Signature,
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
    >
    {
        /// The pallets that may refuse that a party or a gateway leaves, and that clean up when it does.
        type Departure: Departure;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The parties.
    #[pallet::storage]
    pub type Parties<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Membership>;

    /// The party and the log key of each gateway. The entry counts only while the account of the party is a party.
    #[pallet::storage]
    pub type Gateways<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, GatewayRecord>;

    /// The gateways of each party: [`Gateways`] in the other direction.
    #[pallet::storage]
    pub type GatewaysOf<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, AccountId, ()>;

    /// The founding parties.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The founding parties, each once.
        pub parties: Vec<T::AccountId>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// Panics if the genesis breaks a rule. Only the machine that makes the genesis runs this.
        fn build(&self) {
            let parties = BTreeSet::from_iter(&self.parties);
            assert!(parties.len() == self.parties.len(), "genesis: a party is named twice");
            for account in &self.parties {
                Parties::<T>::insert(AccountId(account.clone().into()), Membership { since: Some(0) });
                frame_system::Pallet::<T>::inc_providers(account);
            }
        }
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account became a party.
        PartyAdded {
            /// The party.
            party: AccountId,
        },
        /// An account is no longer a party, and its gateways belong to nobody.
        PartyRemoved {
            /// The former party.
            party: AccountId,
        },
        /// A party took a gateway in. The gateway may submit from now on.
        GatewayAdded {
            /// The party.
            party: AccountId,
            /// The gateway.
            gateway: AccountId,
            /// The key that the gateway signs the notes of its log's checkpoints with.
            log_key: LogKey,
        },
        /// A gateway no longer belongs to its party.
        GatewayRemoved {
            /// The former party of the gateway.
            party: AccountId,
            /// The gateway.
            gateway: AccountId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is not a party of the consortium.
        NotAParty,
        /// The account is a party. A gateway needs a key of its own.
        IsAParty,
        /// The account is a party's gateway. A party needs a key of its own.
        IsAGateway,
        /// The gateway already belongs to a party.
        GatewayKnown,
        /// The consent is not the gateway's signature over this chain, this gateway, this party and this log key.
        BadConsent,
        /// Only the gateway's party and the gateway itself can remove it.
        NotYourGateway,
        /// The log key is not a valid Ed25519 public key: no signature could be verified with it.
        BadLogKey,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Takes in a gateway that consents, so that it may submit for the sender.
        ///
        /// May be called by a party. `log_key` is the key that the gateway signs the notes of its log's checkpoints
        /// with. `consent` is the gateway's signature over a [`GatewayConsent`].
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::add_gateway())]
        pub fn add_gateway(
            origin: OriginFor<T>,
            gateway: AccountId,
            log_key: LogKey,
            consent: Signature,
        ) -> DispatchResult {
            let party = AccountId(ensure_signed(origin)?.into());
            ensure!(Self::is_party(&party), Error::<T>::NotAParty);
            ensure!(!Self::is_party(&gateway), Error::<T>::IsAParty);
            ensure!(!Self::is_gateway(&gateway), Error::<T>::GatewayKnown);
            ensure!(log_key.verifying_key().is_some(), Error::<T>::BadLogKey);
            let agreed = GatewayConsent { genesis: GenesisHash::<T>::get(), gateway, party, log_key };
            ensure!(agreed.verify(&consent), Error::<T>::BadConsent);

            Self::forget_gateway(gateway);
            Gateways::<T>::insert(gateway, GatewayRecord { party, log_key });
            GatewaysOf::<T>::insert(party, gateway, ());
            Self::ensure_provider(gateway);
            Self::deposit_event(Event::GatewayAdded { party, gateway, log_key });
            Ok(())
        }

        /// Removes a gateway from its party. It may no longer submit.
        ///
        /// May be called by the gateway's party, or by the gateway. A gateway that validates has to leave the
        /// validators first.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::remove_gateway())]
        pub fn remove_gateway(origin: OriginFor<T>, gateway: AccountId) -> DispatchResult {
            let by = AccountId(ensure_signed(origin)?.into());
            let GatewayRecord { party, .. } =
                Gateways::<T>::get(gateway).ok_or(Error::<T>::NotYourGateway)?;
            ensure!(by == party || by == gateway, Error::<T>::NotYourGateway);
            T::Departure::ensure_gateway_can_leave(&gateway)?;

            Self::forget_gateway(gateway);
            Self::deposit_event(Event::GatewayRemoved { party, gateway });
            Ok(())
        }

        /// Leaves the consortium, with all gateways.
        ///
        /// May be called by a party that is not in the council.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::leave())]
        pub fn leave(origin: OriginFor<T>) -> DispatchResult {
            <Self as Registry>::remove(AccountId(ensure_signed(origin)?.into()))
        }
    }
}
