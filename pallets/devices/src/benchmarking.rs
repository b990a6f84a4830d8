//! Benchmarks of the worst case of each call.

use crate::{Call, Config, Pallet};
use frame_benchmarking::v2::*;
use frame_support::traits::Get;
use frame_system::RawOrigin;
use streembit_primitives::{
    device::RegistrationConsent, hash::Domain, signature::sign_p256, AccountId, DeviceKey, PartyId,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Adds a party with as many accounts as possible, and returns the account that is found last.
    fn add_party(party: PartyId) -> AccountId;
    /// Makes an account a gateway.
    fn add_gateway(account: AccountId);
}

const OWNER: PartyId = PartyId([1; 32]);
const GATEWAY: AccountId = AccountId([2; 32]);

#[benchmarks]
mod benchmarks {
    use super::*;

    /// Uses a P-256 consent, because P-256 is the slowest kind of key to verify, and it is signed without randomness.
    #[benchmark]
    fn register() -> Result<(), BenchmarkError> {
        let sender = T::BenchmarkHelper::add_party(OWNER);
        T::BenchmarkHelper::add_gateway(GATEWAY);
        let signer = p256::ecdsa::SigningKey::from_slice(&[3; 32]).map_err(|_| "not a secret key")?;
        let key = DeviceKey::Own(signer.verifying_key().into());
        let agreed = RegistrationConsent {
            genesis: T::Genesis::get(),
            key: key.clone(),
            owner: OWNER,
            gateway: GATEWAY,
            nonce: 0,
        };
        let consent = sign_p256(&signer, Domain::Registration, &agreed.message());
        let device = key.device_id();

        #[extrinsic_call]
        _(RawOrigin::Signed(sender.0.into()), key, GATEWAY, consent);

        assert_eq!(Pallet::<T>::device(&device).map(|record| record.owner), Some(OWNER));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
