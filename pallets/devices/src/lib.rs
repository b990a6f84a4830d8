#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod helpers;
#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
mod queries;

pub mod runtime_api;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use helpers::{KEEPER_LEAP, RESERVED_FOR_OWNER};
pub use pallet::*;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use crate::WeightInfo;
    use alloc::boxed::Box;
    use frame_support::{pallet_prelude::*, traits::Contains};
    use frame_system::pallet_prelude::*;
    use pallet_anchors::LogLookup;
    use pallet_parties::PartyLookup;
    use streembit_primitives::{
        device::{DecidedChange, DeviceRecord, DeviceState, KeyChange, LastAnchored, RegistrationConsent},
        AccountId, DeviceId, DeviceKey, Hash, LogId, PartyId, PublicKey, Signature,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

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

        /// The gateways, which may keep the events of a device.
        type Gateways: Contains<AccountId>;

        /// The logs of the gateways.
        type Logs: LogLookup;

        /// The maximum number of devices of one owner, retired ones included.
        #[pallet::constant]
        type MaxDevicesPerOwner: Get<u32>;

        /// The maximum number of devices of which one gateway keeps the events, retired ones included.
        #[pallet::constant]
        type MaxDevicesPerGateway: Get<u32>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The registered devices.
    #[pallet::storage]
    pub type Devices<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, DeviceRecord>;

    /// The devices of which each gateway keeps the events.
    #[pallet::storage]
    pub type DevicesOfGateway<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, DeviceId, ()>;

    /// The devices of each owner.
    #[pallet::storage]
    pub type DevicesOfOwner<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PartyId, Blake2_128Concat, DeviceId, ()>;

    /// The number of devices of which each gateway keeps the events. No entry means none.
    #[pallet::storage]
    pub type GatewayCounts<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u32, ValueQuery>;

    /// The number of devices of each owner. No entry means none.
    #[pallet::storage]
    pub type OwnerCounts<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The device of each key that a device has or had, by [`DeviceKey::device_id`] of the key.
    #[pallet::storage]
    pub type DeviceOfKey<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, DeviceId>;

    /// The devices that their owner offers to another party.
    #[pallet::storage]
    pub type Offers<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, StoredOffer>;

    /// The change of each device that the council allows without a proof. The change uses it up.
    #[pallet::storage]
    pub type AllowedChanges<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, AllowedChange>;

    /// The nonce of the next consent of each gateway, so that no consent is valid twice. The number of gateways is bounded,
    /// because a party takes in a limited number of keys.
    ///
    /// A device's own key has no entry: it consents to one registration, after which [`DeviceOfKey`] keeps the key for
    /// good. Consents to new keys of a device have no nonce either, because they name the number of the device's keys.
    #[pallet::storage]
    pub type ConsentNonces<T: Config> = StorageMap<_, Blake2_128Concat, PublicKey, u32, ValueQuery>;

    /// A change of a device that the council allows without a proof, as it is stored.
    #[derive(
        Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct AllowedChange {
        /// The kind of the change.
        pub change: DecidedChange,
        /// The lowest sequence at which it may begin.
        pub from: u64,
    }

    /// An offer of a device as it is stored. It ends when one of the parties leaves.
    #[derive(
        Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct StoredOffer {
        /// The party that the device is offered to.
        pub to: PartyId,
        /// How many times the party `to` had left before the offer.
        pub departures: u32,
        /// How many times the owner had left before the offer.
        pub owner_departures: u32,
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A device was registered.
        Registered {
            /// Its id.
            device: DeviceId,
            /// The key that verifies its events.
            key: DeviceKey,
            /// The party that owns it.
            owner: PartyId,
            /// The log that its events are in.
            log: LogId,
        },
        /// A device has a new key.
        KeyChanged {
            /// The device.
            device: DeviceId,
            /// The new key.
            key: DeviceKey,
            /// The sequence of the first event that the key signs.
            from: u64,
            /// How it became the device's key.
            change: KeyChange,
        },
        /// A device is assigned to another log.
        Reassigned {
            /// The device.
            device: DeviceId,
            /// The log.
            log: LogId,
            /// The sequence of the first event that is in the log.
            from: u64,
            /// The number of events before that one that are declared lost.
            lost: u64,
        },
        /// Events of a device are declared lost.
        DeclaredLost {
            /// The device.
            device: DeviceId,
            /// The sequence of the first lost event.
            from: u64,
            /// The sequence after the last lost event.
            until: u64,
        },
        /// A device is offered to a party, or an offer is withdrawn.
        Offered {
            /// The device.
            device: DeviceId,
            /// The party, or `None` if the device is no longer offered to any.
            to: Option<PartyId>,
        },
        /// A device has a new owner.
        Transferred {
            /// The device.
            device: DeviceId,
            /// The former owner.
            from: PartyId,
            /// The owner.
            to: PartyId,
        },
        /// The council allows the owner of a device a change without a proof.
        ChangeAllowed {
            /// The device.
            device: DeviceId,
            /// The kind of the change.
            change: DecidedChange,
            /// The lowest sequence at which it may begin.
            from: u64,
        },
        /// The owner of a device says something else about it.
        StateSet {
            /// The device.
            device: DeviceId,
            /// What the owner says.
            state: DeviceState,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is not a gateway of the consortium: add it with `parties.add_gateway` first.
        NotAGateway,
        /// The gateway cannot sign for the device: a hosted device needs a key of the gateway that keeps its events.
        HostedElsewhere,
        /// The device is already registered.
        Registered,
        /// The consent is not signed by the key that has to consent, or it is for another chain, device, owner, key, log
        /// or sequence, or it was used before.
        BadConsent,
        /// There is no such device.
        UnknownDevice,
        /// Another party owns the device.
        NotYourDevice,
        /// A device has or had this key: make a new one.
        KeyInUse,
        /// The gateway has no open log: open one with `anchors.open_epoch` first.
        EpochNotOpen,
        /// The consent of the gateway to keep the device's events is missing.
        NoLogConsent,
        /// The consent is not signed by the gateway, or it is for another chain, device, owner, key or log, or it does not
        /// have the gateway's next nonce.
        BadLogConsent,
        /// A gateway gives a new key only to a device that is hosted before and after.
        NotHosted,
        /// There is no such party.
        UnknownParty,
        /// The device is not offered to the sender's party.
        NotOffered,
        /// The device belongs to another party than the sender believes.
        OtherOwner,
        /// The record of the device is not the one that the sender was shown: look at it again.
        RecordChanged,
        /// The council has not allowed this change of the device without a proof.
        NotAllowed,
        /// The change would skip too many events.
        TooFar,
        /// The last places of the record for logs and lost ranges are for the owner: its account has to sign.
        ReservedForOwner,
        /// The device is retired.
        Retired,
        /// The change would begin before events that are anchored, or before the change before it.
        AnchoredHistory,
        /// The proof does not show the device's last event at the latest anchor of its log: make it again.
        HeadProof,
        /// The device has had as many keys, owners, logs, lost ranges or decisions as a record holds: retire it and register it with
        /// a new key.
        RecordFull,
        /// The device's events are in this log already.
        SameLog,
        /// The party owns the device already.
        SameOwner,
        /// The range of lost events is empty.
        NothingLost,
        /// The owner has as many devices as allowed.
        TooManyOfOwner,
        /// The gateway keeps the events of as many devices as allowed.
        TooManyOfGateway,
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
        /// Registers a device. The sender's party becomes its owner, and its events are in the open log of the gateway.
        ///
        /// May be called by an account of the scope `Devices`. `consent` is a signature over a [`RegistrationConsent`]
        /// with the key's next nonce, made with the device's own key or, if the device is hosted, with the key of its
        /// gateway. A device with its own key also needs `log_consent`, the gateway's signature over a
        /// [`streembit_primitives::device::LogConsent`] with the gateway's next nonce.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register())]
        pub fn register(
            origin: OriginFor<T>,
            key: DeviceKey,
            gateway: AccountId,
            consent: Signature,
            log_consent: Option<Signature>,
        ) -> DispatchResult {
            let owner = Self::ensure_party(origin)?;
            let log = Self::open_log(&gateway)?;
            ensure!(key.may_be_kept_by(&gateway), Error::<T>::HostedElsewhere);
            let device = key.device_id();
            ensure!(!Devices::<T>::contains_key(device), Error::<T>::Registered);
            ensure!(!DeviceOfKey::<T>::contains_key(device), Error::<T>::KeyInUse);
            let signer = key.consent_key();
            let (genesis, nonce) = (T::Genesis::get(), Self::consent_nonce(&signer));
            let agreed = RegistrationConsent { genesis, key: key.clone(), owner, log, nonce };
            ensure!(agreed.verify(&consent), Error::<T>::BadConsent);
            match &key {
                DeviceKey::Own(_) => Self::use_log_consent(device, &key, owner, log, log_consent)?,
                DeviceKey::Hosted { .. } => ConsentNonces::<T>::insert(signer, nonce.saturating_add(1)),
            }

            let record = DeviceRecord::new(key.clone(), owner, log, Self::change_time());
            Self::add_to_owner(owner, device)?;
            Self::add_to_gateway(gateway, device)?;
            DeviceOfKey::<T>::insert(device, device);
            Devices::<T>::insert(device, record);
            Self::deposit_event(Event::Registered { device, key, owner, log });
            Ok(())
        }

        /// Gives a device a new key for all events from the sequence `from` on. The key before it agrees.
        ///
        /// May be called by an account of the owner with the scope `Devices`. `last` proves the device's last event at the
        /// latest anchor of its log, which `from` must be after. `old_consent` and `new_consent` are signatures over a
        /// [`streembit_primitives::device::KeyConsent`], made with the present key and with the new one.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::rotate_key())]
        pub fn rotate_key(
            origin: OriginFor<T>,
            device: DeviceId,
            key: DeviceKey,
            from: u64,
            last: Box<LastAnchored>,
            old_consent: Signature,
            new_consent: Signature,
        ) -> DispatchResult {
            let record = Self::ensure_owned(origin, &device)?;
            Self::change_key(record, key, from, &last, Some(&old_consent), &new_consent)
        }

        /// Gives a device whose key is lost a new one for all events from the sequence `from` on. The record says that the
        /// owner decided alone.
        ///
        /// May be called by an account of the owner with the scope `Devices`. `last` is as for `rotate_key`, and
        /// `consent` is the signature of the new key over a [`streembit_primitives::device::KeyConsent`].
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::recover_key())]
        pub fn recover_key(
            origin: OriginFor<T>,
            device: DeviceId,
            key: DeviceKey,
            from: u64,
            last: Box<LastAnchored>,
            consent: Signature,
        ) -> DispatchResult {
            let record = Self::ensure_owned(origin, &device)?;
            Self::change_key(record, key, from, &last, None, &consent)
        }

        /// Assigns a device to the open log of a gateway for all events from the sequence `from` on.
        ///
        /// May be called by an account of the owner with the scope `Devices`, and by the gateway that keeps the device's
        /// events if the log is its own. `last` proves the device's last event at the latest anchor of its present log.
        /// Events between that one and `from` are declared lost. A hosted device that moves to another gateway needs the
        /// key that this gateway signs with, `host_key`. A gateway may skip [`crate::KEEPER_LEAP`] events at most, and
        /// leaves the last [`crate::RESERVED_FOR_OWNER`] places of the record to the owner. `consent` is the gateway's signature over a
        /// [`streembit_primitives::device::LogConsent`] with its next nonce; it needs none for its own call.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::reassign())]
        pub fn reassign(
            origin: OriginFor<T>,
            device: DeviceId,
            gateway: AccountId,
            host_key: Option<DeviceKey>,
            from: u64,
            last: Box<LastAnchored>,
            consent: Option<Signature>,
        ) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let record = Devices::<T>::get(device).ok_or(Error::<T>::UnknownDevice)?;
            record.ensure_active().map_err(Error::<T>::from)?;
            let log = Self::open_log(&gateway)?;
            let is_keeper = sender == gateway && record.gateway() == gateway && host_key.is_none();
            if is_keeper {
                Self::ensure_keeper_may_reassign(&record, from, &last)?;
            } else {
                Self::ensure_owner(&sender, &record)?;
                let key = host_key.as_ref().unwrap_or(record.key());
                Self::use_log_consent(device, key, record.owner(), log, consent)?;
            }
            Self::change_log(record, log, host_key, from, &last)
        }

        /// Declares that the events of a device after its last anchored one, up to and without the sequence `until`, are
        /// lost: the device lost its counter or its unsent events.
        ///
        /// May be called by an account of the owner with the scope `Devices`. `last` proves the device's last event at the
        /// latest anchor of its log.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::declare_lost())]
        pub fn declare_lost(
            origin: OriginFor<T>,
            device: DeviceId,
            until: u64,
            last: Box<LastAnchored>,
        ) -> DispatchResult {
            let mut record = Self::ensure_owned(origin, &device)?;
            let from = Self::lowest(&mut record, DecidedChange::Lost, &last)?;
            record.declare_lost(from, until, Self::change_time()).map_err(Error::<T>::from)?;
            Self::use_decision(&device, &last);
            Devices::<T>::insert(device, record);
            Self::deposit_event(Event::DeclaredLost { device, from, until });
            Ok(())
        }

        /// Offers a device to another party, which becomes the owner when it accepts. `None` withdraws the offer.
        ///
        /// May be called by an account of the owner with the scope `Devices`. Another offer replaces the one before. An
        /// offer also ends when the device is retired, or when one of the two parties leaves.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::transfer())]
        pub fn transfer(origin: OriginFor<T>, device: DeviceId, to: Option<PartyId>) -> DispatchResult {
            let record = Self::ensure_owned(origin, &device)?;
            ensure!(record.state() != DeviceState::Retired, Error::<T>::Retired);
            match to {
                Some(to) => Self::offer_to(device, &record.owner(), to)?,
                None => {
                    ensure!(Offers::<T>::take(device).is_some(), Error::<T>::NotOffered);
                }
            }
            Self::deposit_event(Event::Offered { device, to });
            Ok(())
        }

        /// Accepts a device that is offered to the sender's party. `owner` is the party that offers it, and `shown` the hash
        /// of the record that the sender was shown ([`DeviceRecord::hash`]): the owner could change it before the sale.
        ///
        /// May be called by an account of the scope `Devices`.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::accept())]
        pub fn accept(origin: OriginFor<T>, device: DeviceId, owner: PartyId, shown: Hash) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            let record = Devices::<T>::get(device).ok_or(Error::<T>::UnknownDevice)?;
            ensure!(record.owner() == owner, Error::<T>::OtherOwner);
            ensure!(Self::offer(&device) == Some(party), Error::<T>::NotOffered);
            ensure!(record.hash() == shown, Error::<T>::RecordChanged);
            Self::pass(device, owner, party)
        }

        /// Records what the owner says about a device. A retired device stays retired, and nothing else about it changes.
        ///
        /// May be called by an account of the owner with the scope `Devices`.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::set_state())]
        pub fn set_state(origin: OriginFor<T>, device: DeviceId, state: DeviceState) -> DispatchResult {
            let mut record = Self::ensure_owned(origin, &device)?;
            record.set_state(state).map_err(Error::<T>::from)?;
            if state == DeviceState::Retired {
                Offers::<T>::remove(device);
                AllowedChanges::<T>::remove(device);
            }
            Devices::<T>::insert(device, record);
            Self::deposit_event(Event::StateSet { device, state });
            Ok(())
        }
    }
}
