//! The calls at their worst.

use crate::{Call, Config, Council, Gateways, GatewaysOf, Pallet, Parties, Validators};
use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_runtime::traits::{TrailingZeroInput, Zero};
use streembit_primitives::{
    consortium::{Change, Membership},
    AccountId, Signature,
};

const PARTY: AccountId = AccountId([1; 32]);
/// An account whose key signed what follows.
const GATEWAY: AccountId = AccountId([
    0x18, 0x9d, 0xac, 0x29, 0x29, 0x6d, 0x31, 0x81, 0x4d, 0xc8, 0xc5, 0x6c, 0xf3, 0xd3, 0x6a, 0x05, 0x43,
    0x37, 0x2b, 0xba, 0x75, 0x38, 0xfa, 0x32, 0x2a, 0x4a, 0xeb, 0xfe, 0xbc, 0x39, 0xe0, 0x56,
]);
/// Its consent to belong to the party, on a chain with a genesis hash of zeros. Made beforehand: sr25519 signs with
/// randomness, which there is none of in Wasm.
const CONSENT: [u8; 64] = [
    0x0e, 0xec, 0x80, 0xbe, 0x3e, 0xc4, 0xf4, 0x07, 0x7e, 0x9f, 0xbe, 0x88, 0x5d, 0x8b, 0x4b, 0xf9, 0xfb,
    0xb5, 0xbc, 0xa0, 0x88, 0x62, 0x1a, 0x9e, 0x59, 0x73, 0x7c, 0xd6, 0x33, 0x81, 0x09, 0x22, 0x0b, 0xce,
    0xb2, 0x22, 0x7a, 0x92, 0xf2, 0xea, 0xd1, 0xea, 0x32, 0x78, 0x49, 0xaf, 0xec, 0x44, 0x71, 0x90, 0x55,
    0x4e, 0x9f, 0x82, 0x3d, 0x09, 0x04, 0x5d, 0x85, 0xdb, 0xa4, 0x4a, 0xe1, 0x8d,
];

/// As many validators as there may be, all of them gateways of another party than the one given.
fn fill<T: Config>(party: AccountId) -> Result<(), BenchmarkError> {
    let keys = <T as pallet_session::Config>::Keys::decode(&mut TrailingZeroInput::zeroes())
        .map_err(|_| BenchmarkError::Stop("zeros are no keys"))?;
    let mut validators = alloc::vec::Vec::new();
    for number in 0..T::MaxValidators::get() {
        let mut id = [2; 32];
        id.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        let validator: T::AccountId = id.into();
        Gateways::<T>::insert(AccountId(id), PARTY);
        GatewaysOf::<T>::insert(PARTY, AccountId(id), ());
        pallet_session::NextKeys::<T>::insert(&validator, keys.clone());
        validators.push(validator);
    }
    Parties::<T>::insert(PARTY, Membership::default());
    Parties::<T>::insert(party, Membership::default());
    Validators::<T>::put(frame_support::BoundedVec::truncate_from(validators));
    Ok(())
}

/// The party that goes in the benchmarks of changes.
const LEAVING: AccountId = AccountId([3; 32]);

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn add_gateway() {
        frame_system::BlockHash::<T>::insert(BlockNumberFor::<T>::zero(), T::Hash::default());
        Parties::<T>::insert(PARTY, Membership::default());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY, Signature::Sr25519(CONSENT));

        assert_eq!(Gateways::<T>::get(GATEWAY), Some(PARTY));
    }

    #[benchmark]
    fn remove_gateway() {
        Parties::<T>::insert(PARTY, Membership::default());
        Gateways::<T>::insert(GATEWAY, PARTY);
        GatewaysOf::<T>::insert(PARTY, GATEWAY, ());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY);

        assert!(!Gateways::<T>::contains_key(GATEWAY));
    }

    #[benchmark]
    fn propose() -> Result<(), BenchmarkError> {
        fill::<T>(LEAVING)?;
        T::Council::benchmark_member(&PARTY.0.into());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), Change::RemoveParty(LEAVING));

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    #[benchmark]
    fn vote() -> Result<(), BenchmarkError> {
        fill::<T>(LEAVING)?;
        T::Council::benchmark_member(&PARTY.0.into());
        let motion = T::Council::open(&PARTY.0.into(), Change::RemoveParty(LEAVING))
            .map_err(|_| BenchmarkError::Stop("no motion"))?;

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), motion, true);

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    #[benchmark]
    fn enact() -> Result<(), BenchmarkError> {
        fill::<T>(LEAVING)?;
        let origin = T::CouncilOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, Change::RemoveParty(LEAVING));

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
