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
pub use queries::{GenesisHash, IsGateway};
pub use traits::{AccountRefusal, Departure, DeviceRegistry, PartyLookup, PartyRegistry, Registry};
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::{Departure, GenesisHash, PartyLookup, PartyRegistry, WeightInfo};
    use alloc::{string::String, vec::Vec};
    use frame_support::{pallet_prelude::*, traits::Time};
    use frame_system::pallet_prelude::*;
    use streembit_primitives::{
        gateway::GatewayConsent,
        party::{AccountConsent, PartyRecord, Scope, MAX_ACCOUNTS},
        AccountId, EncryptionKey, GatewayRecord, LogKey, PartyId, Signature,
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
        /// The chain's clock, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// The pallets that may refuse that a party, an account or a gateway leaves, and that clean up when it does.
        type Departure: Departure;

        /// The maximum number of gateways of a party, with those of its former memberships that it has not removed.
        #[pallet::constant]
        type MaxGatewaysOfParty: Get<u32>;

        /// The maximum number of keys that a party ever takes in, as gateways or accounts. What is stored about a key stays
        /// when the key leaves.
        #[pallet::constant]
        type MaxKeysOfParty: Get<u32>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The parties and their accounts.
    #[pallet::storage]
    pub type Parties<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, PartyRecord>;

    /// The party of each account: [`Parties`] in the other direction. Gateways are in [`Gateways`].
    #[pallet::storage]
    pub type AccountOf<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, PartyId>;

    /// The gateways, each with the membership of its party in which it was added.
    #[pallet::storage]
    pub type Gateways<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, StoredGateway>;

    /// The gateways of each party: [`Gateways`] in the other direction.
    #[pallet::storage]
    pub type GatewaysOf<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PartyId, Blake2_128Concat, AccountId, ()>;

    /// The number of gateways in [`GatewaysOf`] of each party. No entry means none.
    #[pallet::storage]
    pub type GatewayCounts<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The number of keys in [`ConsentNonces`] that each party was the first to take in.
    #[pallet::storage]
    pub type KeyCounts<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The accounts of each party that left which could do everything and did not end. The party can return with one of
    /// them.
    #[pallet::storage]
    pub type FormerAccounts<T: Config> =
        StorageMap<_, Blake2_128Concat, PartyId, BoundedVec<AccountId, ConstU32<MAX_ACCOUNTS>>, ValueQuery>;

    /// How many times each party has left.
    #[pallet::storage]
    pub type Departures<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The chain's time when each party left last. `None` if it left before this was recorded.
    #[pallet::storage]
    pub type DepartureTimes<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u64>;

    /// The nonce of the next consent of each account and gateway. It survives leaving, so that no consent is valid
    /// twice.
    #[pallet::storage]
    pub type ConsentNonces<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u32, ValueQuery>;

    /// A gateway as it is stored.
    #[derive(
        Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct StoredGateway {
        /// Its party and its log key.
        pub record: GatewayRecord,
        /// How many times its party had left before it was added. The gateway counts only until the party leaves again.
        pub departures: u32,
    }

    /// The founding parties.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    #[allow(
        clippy::type_complexity,
        reason = "the fields are the JSON of the genesis, which has no names inside"
    )]
    pub struct GenesisConfig<T: Config> {
        /// The first account of each founding party.
        pub parties: Vec<T::AccountId>,
        /// Further accounts: the first account of the party, the account, the name of its scope, and when it ends.
        pub accounts: Vec<(T::AccountId, T::AccountId, String, Option<u64>)>,
        /// The encryption keys: the first account of the party, and its key.
        pub encryption_keys: Vec<(T::AccountId, [u8; 32])>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// Panics if the genesis breaks a rule. Only the machine that makes the genesis runs this.
        fn build(&self) {
            for first in &self.parties {
                let first = AccountId(first.clone().into());
                let party = PartyId::of_first_account(&first);
                assert!(!Parties::<T>::contains_key(party), "genesis: a party is named twice");
                let record = PartyRecord { since: Some(0), ..PartyRecord::default() };
                Pallet::<T>::insert_party(party, record, first, 0);
            }
            for (first, account, scope, until) in &self.accounts {
                let (party, record) = founding_party::<T>(first);
                let account = AccountId(account.clone().into());
                assert!(
                    Pallet::<T>::ensure_unused(&account).is_ok(),
                    "genesis: an account acts for two parties or twice for one"
                );
                let scope = expected(scope.parse().ok(), "an account has an unknown scope");
                let added = Pallet::<T>::insert_account(party, record, account, scope, *until);
                assert!(added.is_ok(), "genesis: a party has too many accounts");
            }
            for (first, key) in &self.encryption_keys {
                let (party, record) = founding_party::<T>(first);
                let key = expected(EncryptionKey::new(*key).ok(), "an encryption key is weak");
                Parties::<T>::insert(party, PartyRecord { encryption_key: Some(key), ..record });
            }
        }
    }

    /// Returns a founding party by its first account.
    fn founding_party<T: Config>(first: &T::AccountId) -> (PartyId, PartyRecord) {
        let party = PartyId::of_first_account(&AccountId(first.clone().into()));
        (party, expected(Parties::<T>::get(party), "an account or a key is of no founding party"))
    }

    /// Returns a value that the genesis needs.
    #[allow(clippy::panic, reason = "only the machine that makes the genesis runs this")]
    fn expected<V>(value: Option<V>, problem: &str) -> V {
        match value {
            Some(value) => value,
            None => panic!("genesis: {problem}"),
        }
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A party joined the consortium.
        PartyAdded {
            /// The party.
            party: PartyId,
            /// Its first account.
            account: AccountId,
        },
        /// A party left. Its accounts and gateways belong to nobody.
        PartyRemoved {
            /// The former party.
            party: PartyId,
        },
        /// A party took a gateway in. The gateway may submit from now on.
        GatewayAdded {
            /// The party.
            party: PartyId,
            /// The gateway.
            gateway: AccountId,
            /// The key that the gateway signs the notes of its log's checkpoints with.
            log_key: LogKey,
        },
        /// A gateway no longer belongs to its party.
        GatewayRemoved {
            /// The former party of the gateway.
            party: PartyId,
            /// The gateway.
            gateway: AccountId,
        },
        /// An account acts for a party from now on.
        AccountAdded {
            /// The party.
            party: PartyId,
            /// The account.
            account: AccountId,
            /// What it may do.
            scope: Scope,
            /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
            until: Option<u64>,
        },
        /// An account no longer acts for its party.
        AccountRemoved {
            /// The party.
            party: PartyId,
            /// The account.
            account: AccountId,
        },
        /// A party has another encryption key.
        EncryptionKeySet {
            /// The party.
            party: PartyId,
            /// The key.
            key: EncryptionKey,
        },
        /// The council replaced all accounts of a party with a new one.
        PartyRecovered {
            /// The party.
            party: PartyId,
            /// The new account, now its only one.
            account: AccountId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no such party, or the account belongs to none.
        NotAParty,
        /// The account founded a party that still belongs to the consortium.
        IsAParty,
        /// The account is a party's gateway. Every role needs a key of its own.
        IsAGateway,
        /// The gateway already belongs to a party.
        GatewayKnown,
        /// The consent is not the key's signature over this chain, this party, what is agreed on, and the key's next
        /// nonce.
        BadConsent,
        /// Only the gateway's party and the gateway itself can remove it.
        NotYourGateway,
        /// The log key is not a valid Ed25519 public key: no signature could be verified with it.
        BadLogKey,
        /// The account acts for a party. Every role needs a key of its own.
        IsAnAccount,
        /// The account has ended.
        AccountEnded,
        /// The account's scope does not include this call.
        OutOfScope,
        /// The account is not one of the sender's party.
        NotYourAccount,
        /// No account would be left that may do everything and does not end.
        LastAccount,
        /// The party has as many accounts as allowed.
        TooManyAccounts,
        /// A new party has the id of its first account.
        WrongPartyId,
        /// The party left, and can return only with an account that it had then, with the scope `All` and without an end.
        NotAFormerAccount,
        /// The party has as many gateways as allowed: remove one that it does not use.
        TooManyGateways,
        /// The party has taken in as many different keys as allowed: use one of them again.
        TooManyKeys,
        /// The account would end before it begins.
        EndInPast,
        /// The account would end later than the sender's own.
        OutlivesSender,
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
        /// Takes in a gateway that consents, so that it may submit for the sender's party.
        ///
        /// May be called by an account of the scope `Gateway`. `log_key` is the key that the gateway signs the notes of
        /// its log's checkpoints with. `consent` is the gateway's signature over a [`GatewayConsent`] with its next
        /// nonce.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::add_gateway())]
        pub fn add_gateway(
            origin: OriginFor<T>,
            gateway: AccountId,
            log_key: LogKey,
            consent: Signature,
        ) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let party = Self::ensure_scope(&sender, Scope::Gateway)?;
            ensure!(!AccountOf::<T>::contains_key(gateway), Error::<T>::IsAnAccount);
            ensure!(Self::gateway(&gateway).is_none(), Error::<T>::GatewayKnown);
            ensure!(log_key.verifying_key().is_some(), Error::<T>::BadLogKey);
            let (genesis, nonce) = (GenesisHash::<T>::get(), Self::consent_nonce(&gateway));
            let agreed = GatewayConsent { genesis, gateway, party, log_key, nonce };
            Self::use_consent(party, gateway, nonce, agreed.verify(&consent))?;

            Self::insert_gateway(gateway, GatewayRecord { party, log_key })?;
            Self::deposit_event(Event::GatewayAdded { party, gateway, log_key });
            Ok(())
        }

        /// Removes a gateway from its party. It may no longer submit.
        ///
        /// May be called by an account of the gateway's party with the scope `Gateway`, or by the gateway. A gateway
        /// that validates has to leave the validators first. A party that came back can also remove the gateways of its
        /// former membership, which count no more but take places.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::remove_gateway())]
        pub fn remove_gateway(origin: OriginFor<T>, gateway: AccountId) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let stored = Gateways::<T>::get(gateway).ok_or(Error::<T>::NotYourGateway)?;
            let party = stored.record.party;
            if sender != gateway {
                let own = Self::ensure_scope(&sender, Scope::Gateway)?;
                ensure!(own == party, Error::<T>::NotYourGateway);
            }
            T::Departure::ensure_account_can_leave(&gateway)?;

            Self::forget_gateway(gateway);
            Self::deposit_event(Event::GatewayRemoved { party, gateway });
            Ok(())
        }

        /// Leaves the consortium, with all accounts and gateways.
        ///
        /// May be called by an account of the scope `All`, if the party is not in the council.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::leave())]
        pub fn leave(origin: OriginFor<T>) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let party = Self::ensure_scope(&sender, Scope::All)?;
            <Self as PartyRegistry>::remove(party)
        }

        /// Adds an account that consents to act for the sender's party.
        ///
        /// May be called by an account of the scope `All`. `until` is when the account ends, in milliseconds since
        /// 1970-01-01 UTC; it must not be later than the end of the sender's account. `consent` is the new account's
        /// signature over an [`AccountConsent`] with its next nonce.
        #[pallet::call_index(3)]
        #[pallet::weight(<T as Config>::WeightInfo::add_account())]
        pub fn add_account(
            origin: OriginFor<T>,
            account: AccountId,
            scope: Scope,
            until: Option<u64>,
            consent: Signature,
        ) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let party = Self::ensure_scope(&sender, Scope::All)?;
            let record = Parties::<T>::get(party).ok_or(Error::<T>::NotAParty)?;
            Self::ensure_unused(&account)?;
            ensure!(until.is_none_or(|until| until > T::Clock::now()), Error::<T>::EndInPast);
            let own_end = record.account(&sender).and_then(|entry| entry.until);
            ensure!(ends_by(until, own_end), Error::<T>::OutlivesSender);
            let (genesis, nonce) = (GenesisHash::<T>::get(), Self::consent_nonce(&account));
            let agreed = AccountConsent { genesis, party, account, scope, until, nonce };
            Self::use_consent(party, account, nonce, agreed.verify(&consent))?;

            Self::insert_account(party, record, account, scope, until)?;
            Self::deposit_event(Event::AccountAdded { party, account, scope, until });
            Ok(())
        }

        /// Removes an account from its party. It may no longer submit.
        ///
        /// May be called by an account of the same party with the scope `All`, or by the account itself. An account
        /// that validates has to leave the validators first. The last account that may do everything and does not end
        /// cannot be removed.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::remove_account())]
        pub fn remove_account(origin: OriginFor<T>, account: AccountId) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let party = Self::party_to_remove_from(&sender, &account)?;
            Self::take_account(party, &account)?;
            Self::deposit_event(Event::AccountRemoved { party, account });
            Ok(())
        }

        /// Sets the key that keys for the sender's party are encrypted to. May be called by an account of the scope
        /// `All`.
        #[pallet::call_index(5)]
        #[pallet::weight(<T as Config>::WeightInfo::set_encryption_key())]
        pub fn set_encryption_key(origin: OriginFor<T>, key: EncryptionKey) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            let party = Self::ensure_scope(&sender, Scope::All)?;
            Parties::<T>::mutate_extant(party, |record| record.encryption_key = Some(key));
            Self::deposit_event(Event::EncryptionKeySet { party, key });
            Ok(())
        }
    }

    /// Returns true if an account that ends at `until` has ended by `limit`. `None` means never.
    fn ends_by(until: Option<u64>, limit: Option<u64>) -> bool {
        match (until, limit) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(until), Some(limit)) => until <= limit,
        }
    }
}
