//! The calls at their worst.

use crate::{
    AccountOf, Call, Config, ConsentNonces, GatewayCounts, Gateways, GatewaysOf, Pallet, Parties,
    StoredGateway,
};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_runtime::traits::Zero;
use streembit_primitives::{
    party::{PartyAccount, PartyRecord, MAX_ACCOUNTS},
    AccountId, BoundedVec, EncryptionKey, GatewayRecord, LogKey, PartyId, Scope, Signature,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Stores as much as there may be in the pallets that are asked when `party` or one of its accounts leaves, so that
    /// the answer takes longest.
    fn fill(party: PartyId);
}

impl Helper for () {
    fn fill(_: PartyId) {}
}

/// A party that takes in accounts and gateways.
const PARTY: PartyId = PartyId([1; 32]);
/// An account whose key signed [`GATEWAY_CONSENT`] and [`ACCOUNT_CONSENT`].
const NEW: AccountId = AccountId([
    0x18, 0x9d, 0xac, 0x29, 0x29, 0x6d, 0x31, 0x81, 0x4d, 0xc8, 0xc5, 0x6c, 0xf3, 0xd3, 0x6a, 0x05, 0x43,
    0x37, 0x2b, 0xba, 0x75, 0x38, 0xfa, 0x32, 0x2a, 0x4a, 0xeb, 0xfe, 0xbc, 0x39, 0xe0, 0x56,
]);
/// [`NEW`]'s consent to become a gateway of [`PARTY`] with [`LOG_KEY`], with nonce 0 and a genesis hash of zeros. The
/// benchmarks cannot sign: sr25519 signs with randomness, which the runtime's Wasm does not have.
const GATEWAY_CONSENT: [u8; 64] = [
    0x3e, 0x3d, 0x9d, 0x63, 0x16, 0x94, 0xa5, 0x81, 0x76, 0xd4, 0x06, 0x08, 0x3b, 0xe2, 0x02, 0x0d, 0x15,
    0xf3, 0x61, 0xba, 0x52, 0x88, 0xaa, 0x65, 0x18, 0x89, 0xc5, 0x28, 0x69, 0xb2, 0x79, 0x67, 0xb9, 0xc2,
    0xdd, 0x8e, 0xf7, 0xb5, 0xf0, 0xeb, 0x95, 0xcc, 0xe3, 0x61, 0xeb, 0xe1, 0x1e, 0xfd, 0x3f, 0xed, 0x27,
    0x17, 0x32, 0x39, 0x1b, 0x0c, 0x00, 0xe6, 0x40, 0xd3, 0xa1, 0x76, 0xd2, 0x87,
];
/// [`NEW`]'s consent to become an account of [`PARTY`] that may do everything and has no end, with nonce 0 and a genesis
/// hash of zeros.
const ACCOUNT_CONSENT: [u8; 64] = [
    0x84, 0x40, 0xcf, 0xfd, 0xfc, 0x56, 0x33, 0xfd, 0xd0, 0xe7, 0x30, 0x72, 0xc7, 0x68, 0xb9, 0x1d, 0x96,
    0x57, 0xba, 0x09, 0xf4, 0x6a, 0xb0, 0xa5, 0xeb, 0xdc, 0x28, 0x94, 0xb7, 0x82, 0x31, 0x78, 0x72, 0x82,
    0xdd, 0xef, 0x55, 0xff, 0x89, 0xaf, 0xa0, 0xce, 0xb1, 0x3c, 0xdf, 0x46, 0xe0, 0xdc, 0xf1, 0x42, 0xf0,
    0x91, 0x04, 0xb7, 0x49, 0x47, 0x87, 0x46, 0x50, 0x42, 0xd9, 0x9b, 0xc6, 0x8a,
];
/// The log key that the consent names: the base point of Ed25519. All valid keys take the same time to check.
pub const LOG_KEY: LogKey = LogKey([
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
]);
/// A party that leaves. None of the validators belongs to it.
const LEAVING: PartyId = PartyId([3; 32]);
/// A party that left. Its gateways belong to nobody.
const FORMER: PartyId = PartyId([5; 32]);

/// Returns the last of the accounts with which [`insert_party`] stores a party.
pub fn last_account(party: PartyId) -> AccountId {
    numbered_account(party, u8::MAX)
}

fn numbered_account(party: PartyId, number: u8) -> AccountId {
    let PartyId(mut account) = party;
    account.iter_mut().take(1).for_each(|byte| *byte = number);
    AccountId(account)
}

/// Stores a party with `count` accounts, of which [`last_account`] is found last.
pub fn insert_party<T: Config>(party: PartyId, count: u32) {
    let accounts: Vec<_> = (1..count)
        .map(|number| numbered_account(party, number as u8))
        .chain([last_account(party)])
        .map(|account| PartyAccount { account, scope: Scope::All, since: 0, until: None })
        .collect();
    for entry in &accounts {
        AccountOf::<T>::insert(entry.account, party);
        Pallet::<T>::ensure_provider(entry.account);
    }
    let record = PartyRecord { accounts: BoundedVec::truncate_from(accounts), ..PartyRecord::default() };
    Parties::<T>::insert(party, record);
}

/// Stores a gateway of a party.
pub fn insert_gateway<T: Config>(gateway: AccountId, party: PartyId) {
    let stored = StoredGateway { record: GatewayRecord { party, log_key: LOG_KEY }, departures: 0 };
    Gateways::<T>::insert(gateway, stored);
    GatewaysOf::<T>::insert(party, gateway, ());
    GatewayCounts::<T>::mutate(party, |count| *count = count.saturating_add(1));
}

fn signed<T: Config>(party: PartyId) -> RawOrigin<T::AccountId> {
    RawOrigin::Signed(last_account(party).0.into())
}

/// Sets the genesis hash that the consents name.
fn set_genesis<T: Config>() {
    frame_system::BlockHash::<T>::insert(BlockNumberFor::<T>::zero(), T::Hash::default());
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// The gateway belonged to a party that left.
    #[benchmark]
    fn add_gateway() {
        set_genesis::<T>();
        T::BenchmarkHelper::fill(LEAVING);
        insert_party::<T>(PARTY, MAX_ACCOUNTS);
        insert_gateway::<T>(NEW, FORMER);

        #[extrinsic_call]
        _(signed::<T>(PARTY), NEW, LOG_KEY, Signature::Sr25519(GATEWAY_CONSENT));

        assert_eq!(Pallet::<T>::gateway(&NEW).map(|record| record.party), Some(PARTY));
    }

    #[benchmark]
    fn remove_gateway() {
        T::BenchmarkHelper::fill(LEAVING);
        insert_party::<T>(PARTY, MAX_ACCOUNTS);
        insert_gateway::<T>(NEW, PARTY);

        #[extrinsic_call]
        _(signed::<T>(PARTY), NEW);

        assert!(!Gateways::<T>::contains_key(NEW));
    }

    #[benchmark]
    fn leave() {
        insert_party::<T>(LEAVING, MAX_ACCOUNTS);
        T::BenchmarkHelper::fill(LEAVING);

        #[extrinsic_call]
        _(signed::<T>(LEAVING));

        assert!(!Parties::<T>::contains_key(LEAVING));
        assert!(!AccountOf::<T>::contains_key(last_account(LEAVING)));
    }

    /// The account was a gateway of a party that left.
    #[benchmark]
    fn add_account() {
        set_genesis::<T>();
        T::BenchmarkHelper::fill(LEAVING);
        insert_party::<T>(PARTY, MAX_ACCOUNTS - 1);
        insert_gateway::<T>(NEW, FORMER);

        #[extrinsic_call]
        _(signed::<T>(PARTY), NEW, Scope::All, None, Signature::Sr25519(ACCOUNT_CONSENT));

        assert_eq!(AccountOf::<T>::get(NEW), Some(PARTY));
        assert_eq!(ConsentNonces::<T>::get(NEW), 1);
    }

    #[benchmark]
    fn remove_account() {
        T::BenchmarkHelper::fill(LEAVING);
        insert_party::<T>(PARTY, MAX_ACCOUNTS);
        let account = last_account(PARTY);

        #[extrinsic_call]
        _(signed::<T>(PARTY), account);

        assert!(!AccountOf::<T>::contains_key(account));
    }

    #[benchmark]
    fn set_encryption_key() -> Result<(), BenchmarkError> {
        insert_party::<T>(PARTY, MAX_ACCOUNTS);
        let key = EncryptionKey::new([9; 32]).map_err(|_| BenchmarkError::Stop("not a key"))?;

        #[extrinsic_call]
        _(signed::<T>(PARTY), key);

        assert_eq!(Pallet::<T>::party(&PARTY).and_then(|record| record.encryption_key), Some(key));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
