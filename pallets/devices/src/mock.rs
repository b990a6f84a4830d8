//! A chain with only this pallet, two parties and two gateways.

use frame_support::{derive_impl, parameter_types, traits::Contains};
use pallet_parties::PartyLookup;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{
    device::RegistrationConsent,
    hash::Domain,
    party::{AccountRole, Role},
    signature, AccountId, DeviceKey, Hash, PartyId, PublicKey, Scope, Signature, Text,
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
    pub storage Added: Vec<[u8; 32]> = Vec::new();
    /// The chain's time in milliseconds.
    pub static Now: u64 = 1_000;
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
    fn add_party(party: PartyId) -> AccountId {
        Self::set(&[Self::get(), vec![party.0]].concat());
        AccountId(party.0)
    }

    fn add_gateway(account: AccountId) {
        Self::set(&[Self::get(), vec![account.0]].concat());
    }
}

pub const GENESIS: Hash = Hash([0xab; 32]);
/// The first accounts of parties.
pub const OWNER: AccountId = AccountId([1; 32]);
pub const OTHER: AccountId = AccountId([2; 32]);
/// An account of the owner that registers devices until time 2,000.
pub const TECHNICIAN: AccountId = AccountId([3; 32]);
/// An account of the owner that signs contracts.
pub const CLERK: AccountId = AccountId([4; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub struct Parties;

impl PartyLookup for Parties {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        let role = |first: AccountId, scope, until| {
            Some(AccountRole { party: party(first), role: Role::Account { scope, until } })
        };
        match *account {
            OWNER | OTHER => role(*account, Scope::All, None),
            TECHNICIAN => role(OWNER, Scope::Devices, Some(2_000)),
            CLERK => role(OWNER, Scope::Contracts, None),
            added if Added::get().contains(&added.0) => Some(AccountRole {
                party: PartyId(added.0),
                role: Role::Account { scope: Scope::All, until: None },
            }),
            other if Gateways::contains(&other) => {
                Some(AccountRole { party: party(OWNER), role: Role::Gateway })
            }
            _ => None,
        }
    }

    fn is_party(known: &PartyId) -> bool {
        [OWNER, OTHER].map(party).contains(known) || Added::get().contains(&known.0)
    }

    fn now() -> u64 {
        Now::get()
    }
}

pub struct Gateways;

impl Contains<AccountId> for Gateways {
    fn contains(account: &AccountId) -> bool {
        [gateway().account(), second_gateway().account()].contains(account)
            || Added::get().contains(&account.0)
    }
}

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
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

/// Returns what a device or its host agrees to: the owner, the gateway, and the next nonce.
pub fn registration(key: &DeviceKey) -> RegistrationConsent {
    RegistrationConsent {
        genesis: GENESIS,
        key: key.clone(),
        owner: party(OWNER),
        gateway: gateway().account(),
        nonce: Devices::consent_nonce(&key.consent_key()),
    }
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
