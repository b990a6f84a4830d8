//! The calls at their worst.

use crate::{Call, Config, Gateways, GatewaysOf, Pallet, Parties};
use frame_benchmarking::v2::*;
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_runtime::traits::Zero;
use streembit_primitives::{consortium::Membership, AccountId, GatewayRecord, LogKey, Signature};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Stores as much as there may be in the pallets that are asked when `party` leaves, so that the answer takes
    /// longest.
    fn fill(party: AccountId);
}

impl Helper for () {
    fn fill(_: AccountId) {}
}

const PARTY: AccountId = AccountId([1; 32]);
/// The account whose key signed [`CONSENT`]: the seed of the key is 32 bytes of 1.
const GATEWAY: AccountId = AccountId([
    0x18, 0x9d, 0xac, 0x29, 0x29, 0x6d, 0x31, 0x81, 0x4d, 0xc8, 0xc5, 0x6c, 0xf3, 0xd3, 0x6a, 0x05, 0x43,
    0x37, 0x2b, 0xba, 0x75, 0x38, 0xfa, 0x32, 0x2a, 0x4a, 0xeb, 0xfe, 0xbc, 0x39, 0xe0, 0x56,
]);
/// The gateway's consent to belong to [`PARTY`] with [`LOG_KEY`], on a chain whose genesis hash is zero. It is
/// precomputed because sr25519 signs with randomness, which the Wasm runtime does not have.
const CONSENT: [u8; 64] = [
    0xee, 0x03, 0x35, 0xa0, 0x0d, 0xd8, 0x04, 0x6e, 0xef, 0x24, 0x0f, 0x73, 0xc8, 0x41, 0xa6, 0x28, 0x7b,
    0x49, 0x82, 0x08, 0x71, 0xbe, 0x0f, 0x31, 0x18, 0x71, 0x46, 0x44, 0xa7, 0x8d, 0x09, 0x56, 0xf5, 0x68,
    0xf0, 0xb4, 0xc2, 0xae, 0xd4, 0xf9, 0xee, 0xd9, 0xc8, 0xf7, 0x85, 0x6d, 0xa6, 0xbd, 0xa6, 0x0f, 0x75,
    0x4d, 0x79, 0x8f, 0x33, 0xe6, 0x09, 0x0a, 0x08, 0xd6, 0x12, 0xa7, 0xa2, 0x89,
];
/// The log key that the consent names: the base point of Ed25519. All valid keys take the same time to check.
pub const LOG_KEY: LogKey = LogKey([
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
]);
/// A party that leaves. None of the validators belongs to it.
const LEAVING: AccountId = AccountId([3; 32]);
/// A party that left. Its gateways belong to nobody.
const FORMER: AccountId = AccountId([5; 32]);

#[benchmarks]
mod benchmarks {
    use super::*;

    /// The gateway belonged to a party that left.
    #[benchmark]
    fn add_gateway() {
        frame_system::BlockHash::<T>::insert(BlockNumberFor::<T>::zero(), T::Hash::default());
        Parties::<T>::insert(PARTY, Membership::default());
        Gateways::<T>::insert(GATEWAY, GatewayRecord { party: FORMER, log_key: LOG_KEY });
        GatewaysOf::<T>::insert(FORMER, GATEWAY, ());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY, LOG_KEY, Signature::Sr25519(CONSENT));

        assert_eq!(Gateways::<T>::get(GATEWAY), Some(GatewayRecord { party: PARTY, log_key: LOG_KEY }));
    }

    #[benchmark]
    fn remove_gateway() {
        T::BenchmarkHelper::fill(LEAVING);
        Parties::<T>::insert(PARTY, Membership::default());
        Gateways::<T>::insert(GATEWAY, GatewayRecord { party: PARTY, log_key: LOG_KEY });
        GatewaysOf::<T>::insert(PARTY, GATEWAY, ());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY);

        assert!(!Gateways::<T>::contains_key(GATEWAY));
    }

    #[benchmark]
    fn leave() {
        Parties::<T>::insert(LEAVING, Membership::default());
        T::BenchmarkHelper::fill(LEAVING);

        #[extrinsic_call]
        _(RawOrigin::Signed(LEAVING.0.into()));

        assert!(!Parties::<T>::contains_key(LEAVING));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
