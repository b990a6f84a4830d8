#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
pub mod runtime_api;
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
    use crate::WeightInfo;
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::Contains};
    use frame_system::pallet_prelude::*;
    use pallet_parties::PartyLookup;
    use sp_runtime::SaturatedConversion;
    use streembit_primitives::{
        device::{DeviceRecord, RegistrationConsent},
        AccountId, DeviceId, DeviceKey, Hash, PartyId, PublicKey, Scope, Signature,
    };

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
        /// The genesis hash of the chain. Every consent names it.
        type Genesis: Get<Hash>;

        /// The parties, who may own devices.
        type Parties: PartyLookup;

        /// The gateways, which may keep the log of a device.
        type Gateways: Contains<AccountId>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The registered devices.
    #[pallet::storage]
    pub type Devices<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, DeviceRecord>;

    /// The devices of each gateway.
    #[pallet::storage]
    pub type DevicesOfGateway<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, DeviceId, ()>;

    /// The devices of each owner.
    #[pallet::storage]
    pub type DevicesOfOwner<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PartyId, Blake2_128Concat, DeviceId, ()>;

    /// The nonce of the next consent of each key that consents to registrations, so that no consent is valid twice.
    #[pallet::storage]
    pub type ConsentNonces<T: Config> = StorageMap<_, Blake2_128Concat, PublicKey, u32, ValueQuery>;

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A device was registered.
        Registered {
            /// Its id.
            device: DeviceId,
            /// The key that verifies its events.
            key: DeviceKey,
            /// The party that owns it.
            owner: PartyId,
            /// The gateway that keeps its log.
            gateway: AccountId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is not a gateway of the consortium: add it with `parties.add_gateway` first.
        NotAGateway,
        /// The device is hosted by a different gateway from the one that should keep its log.
        HostedElsewhere,
        /// The device is already registered.
        Registered,
        /// The consent is not signed by the device or its hosting gateway, or it is for another chain, owner or gateway,
        /// or it does not have the key's next nonce.
        BadConsent,
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
        /// Registers a device. The sender's party becomes its owner, and the gateway keeps its log.
        ///
        /// May be called by an account of the scope `Devices`. `consent` is a signature over a [`RegistrationConsent`]
        /// with the key's next nonce, made with the device's own key or, if the device is hosted, with the key of its
        /// gateway.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register())]
        pub fn register(
            origin: OriginFor<T>,
            key: DeviceKey,
            gateway: AccountId,
            consent: Signature,
        ) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let owner = T::Parties::ensure_scope(&sender, Scope::Devices)?;
            ensure!(T::Gateways::contains(&gateway), Error::<T>::NotAGateway);
            ensure!(may_keep(&gateway, &key), Error::<T>::HostedElsewhere);
            let device = key.device_id();
            ensure!(!Devices::<T>::contains_key(device), Error::<T>::Registered);
            let consenting = key.consent_key();
            let (genesis, nonce) = (T::Genesis::get(), ConsentNonces::<T>::get(consenting));
            let agreed = RegistrationConsent { genesis, key, owner, gateway, nonce };
            ensure!(agreed.verify(&consent), Error::<T>::BadConsent);
            ConsentNonces::<T>::insert(consenting, nonce.saturating_add(1));

            let RegistrationConsent { key, .. } = agreed;
            let registered = frame_system::Pallet::<T>::block_number().saturated_into();
            let record = DeviceRecord { key: key.clone(), owner, gateway, registered };
            Devices::<T>::insert(device, record);
            DevicesOfGateway::<T>::insert(gateway, device, ());
            DevicesOfOwner::<T>::insert(owner, device, ());
            Self::deposit_event(Event::Registered { device, key, owner, gateway });
            Ok(())
        }
    }

    /// Returns true if a gateway may keep the log of a device with this key. The log of a hosted device must be kept by
    /// its host, because only the host can sign for it.
    fn may_keep(gateway: &AccountId, key: &DeviceKey) -> bool {
        match key {
            DeviceKey::Own(_) => true,
            DeviceKey::Hosted { gateway: host, .. } => host == gateway,
        }
    }

    impl<T: Config> Pallet<T> {
        /// Returns a device, or `None` if it is not registered.
        pub fn device(id: &DeviceId) -> Option<DeviceRecord> {
            Devices::<T>::get(id)
        }

        /// Returns the devices whose log a gateway keeps, in no particular order.
        pub fn devices_of_gateway(gateway: &AccountId) -> Vec<DeviceId> {
            DevicesOfGateway::<T>::iter_key_prefix(gateway).collect()
        }

        /// Returns the devices that a party owns, in no particular order.
        pub fn devices_of_owner(owner: &PartyId) -> Vec<DeviceId> {
            DevicesOfOwner::<T>::iter_key_prefix(owner).collect()
        }

        /// Returns the nonce that the next consent of a key must have.
        pub fn consent_nonce(key: &PublicKey) -> u32 {
            ConsentNonces::<T>::get(key)
        }
    }
}
