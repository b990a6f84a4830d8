//! Benchmarks of the worst case of each call.

use crate::{Call, Config, Pallet};
use frame_benchmarking::v2::*;
use frame_support::traits::Get;
use frame_system::RawOrigin;
use streembit_primitives::{
    device::RegistrationConsent, hash::Domain, signature::sign_ed25519, AccountId, DeviceKey, PartyId,
    PublicKey,
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

    /// Uses an Ed25519 consent, because it is slower to verify than sr25519 and is signed without randomness.
    #[benchmark]
    fn register() {
        let sender = T::BenchmarkHelper::add_party(OWNER);
        T::BenchmarkHelper::add_gateway(GATEWAY);
        let signer = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let key = DeviceKey::Own(PublicKey::Ed25519(signer.verifying_key().to_bytes()));
        let agreed = RegistrationConsent {
            genesis: T::Genesis::get(),
            key: key.clone(),
            owner: OWNER,
            gateway: GATEWAY,
            nonce: 0,
        };
        let consent = sign_ed25519(&signer, Domain::Registration, &agreed.message());
        let device = key.device_id();

        #[extrinsic_call]
        _(RawOrigin::Signed(sender.0.into()), key, GATEWAY, consent);

        assert_eq!(Pallet::<T>::device(&device).map(|record| record.owner), Some(OWNER));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
