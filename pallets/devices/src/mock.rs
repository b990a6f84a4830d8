//! A chain with only this pallet, two parties and two gateways.

use frame_support::{derive_impl, parameter_types, traits::Contains};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{
    device::RegistrationConsent, hash::Domain, signature, AccountId, DeviceKey, Hash, PublicKey, Signature,
    Text,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Devices: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const Genesis: Hash = GENESIS;
    /// Parties and gateways in addition to the fixed ones below.
    pub storage Added: Vec<AccountId> = Vec::new();
}

impl crate::Config for Test {
    type Genesis = Genesis;
    type Parties = Parties;
    type Gateways = Gateways;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Added;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Added {
    fn add_party(account: AccountId) {
        Self::set(&[Self::get(), vec![account]].concat());
    }

    fn add_gateway(account: AccountId) {
        Self::set(&[Self::get(), vec![account]].concat());
    }
}

pub const GENESIS: Hash = Hash([0xab; 32]);
pub const OWNER: AccountId = AccountId([1; 32]);
pub const OTHER: AccountId = AccountId([2; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub struct Parties;

impl Contains<AccountId> for Parties {
    fn contains(account: &AccountId) -> bool {
        [OWNER, OTHER].contains(account) || Added::get().contains(account)
    }
}

pub struct Gateways;

impl Contains<AccountId> for Gateways {
    fn contains(account: &AccountId) -> bool {
        [gateway().account(), second_gateway().account()].contains(account) || Added::get().contains(account)
    }
}

pub fn gateway() -> Sr25519 {
    Sr25519::new(100)
}

pub fn second_gateway() -> Sr25519 {
    Sr25519::new(101)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(AccountId32::new(id.0))
}

pub fn chain() -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(RuntimeGenesisConfig::default().build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(5));
    chain
}

pub fn registration(key: &DeviceKey) -> RegistrationConsent {
    RegistrationConsent { genesis: GENESIS, key: key.clone(), owner: OWNER, gateway: gateway().account() }
}

/// The sr25519 key of a device or a gateway.
pub struct Sr25519(schnorrkel::Keypair);

impl Sr25519 {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    pub fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(self.0.public.to_bytes()))
    }

    pub fn hosted(&self, label: &str) -> DeviceKey {
        DeviceKey::Hosted { gateway: self.account(), label: Text::try_from(label).unwrap() }
    }

    pub fn sign(&self, registration: &RegistrationConsent) -> Signature {
        signature::sign_sr25519(&self.0, Domain::Registration, &registration.message())
    }
}

/// The Ed25519 key of a device.
pub struct Ed25519(ed25519_dalek::SigningKey);

impl Ed25519 {
    pub fn new(seed: u8) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Ed25519(self.0.verifying_key().to_bytes()))
    }

    pub fn sign(&self, registration: &RegistrationConsent) -> Signature {
        signature::sign_ed25519(&self.0, Domain::Registration, &registration.message())
    }
}

/// The P-256 key of a device.
pub struct P256(p256::ecdsa::SigningKey);

impl P256 {
    pub fn new(seed: u8) -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn key(&self) -> DeviceKey {
        DeviceKey::Own(self.0.verifying_key().into())
    }

    pub fn sign(&self, registration: &RegistrationConsent) -> Signature {
        signature::sign_p256(&self.0, Domain::Registration, &registration.message())
    }

    /// Signs with the high s, as secure elements do in half of the cases.
    pub fn sign_high(&self, registration: &RegistrationConsent) -> Signature {
        let Signature::P256(low) = self.sign(registration) else { unreachable!() };
        let (r, s) = p256::ecdsa::Signature::from_slice(&low).unwrap().split_scalars();
        let high = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes();
        Signature::P256(<[u8; 64]>::try_from(high.as_slice()).unwrap())
    }
}
