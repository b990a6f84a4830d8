//! A chain of this pallet alone. Tests decide what the other pallets answer.

use crate::{GenesisHash, PartyLookup as _};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, Get, Time},
};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, DispatchError, DispatchResult};
use streembit_primitives::{
    gateway::GatewayConsent, hash::Domain, party::AccountConsent, AccountId, Hash, LogKey, PartyId, Scope,
    Signature,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Parties: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    /// The chain's time in milliseconds.
    pub storage Now: u64 = 1_000;
    /// The accounts, gateways and parties that another pallet does not let go.
    pub storage Needed: Vec<[u8; 32]> = Vec::new();
    /// The accounts, gateways and parties whose departure the other pallets were told, in order.
    pub storage Departed: Vec<[u8; 32]> = Vec::new();
}

/// A clock that a test sets.
pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

/// Another pallet's refusal.
pub const NEEDED: DispatchError = DispatchError::Other("the account is needed");

/// Stands for the other pallets.
pub struct Neighbours;

fn ensure_not_needed(id: [u8; 32]) -> DispatchResult {
    if Needed::get().contains(&id) {
        return Err(NEEDED);
    }
    Ok(())
}

fn depart(id: [u8; 32]) {
    Departed::set(&[Departed::get(), vec![id]].concat());
}

impl crate::Departure for Neighbours {
    fn ensure_party_can_leave(party: &PartyId) -> DispatchResult {
        ensure_not_needed(party.0)
    }

    fn party_leaves(party: &PartyId) -> DispatchResult {
        let record = Parties::party(party).expect("the party can still be looked up");
        assert!(record.accounts.iter().all(|entry| Parties::belongs_to(&entry.account, party)));
        depart(party.0);
        Ok(())
    }

    fn ensure_account_can_leave(account: &AccountId) -> DispatchResult {
        ensure_not_needed(account.0)
    }

    fn account_leaves(account: &AccountId) {
        depart(account.0);
    }
}

impl crate::Config for Test {
    type Clock = Clock;
    type Departure = Neighbours;
    type MaxGatewaysOfParty = ConstU32<MAX_GATEWAYS>;
    type MaxKeysOfParty = ConstU32<MAX_KEYS>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

pub const MAX_GATEWAYS: u32 = 20;
pub const MAX_KEYS: u32 = 30;

/// The first accounts of parties, and an account of none.
pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
}

pub fn genesis_hash() -> Hash {
    GenesisHash::<Test>::get()
}

/// The log key of the gateways: a valid Ed25519 key. The pallet does not ask that each has its own.
pub const LOG_KEY: LogKey = log_key(0x66);
/// Another valid key.
pub const OTHER_LOG_KEY: LogKey = log_key(0xe6);

/// The base point of Ed25519 with the sign bit in `last`.
const fn log_key(last: u8) -> LogKey {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    bytes[31] = last;
    LogKey(bytes)
}

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain at block 1 with these parties.
pub fn founded(parties: &[AccountId]) -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        parties: crate::GenesisConfig {
            parties: parties.iter().map(|party| account(*party)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    build(config)
}

/// A chain at block 1 with this genesis.
pub fn build(config: RuntimeGenesisConfig) -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// A chain of two parties.
pub fn chain() -> sp_io::TestExternalities {
    founded(&[OWNER, WORKSHOP])
}

/// The key of a gateway or an account, which can consent.
pub struct Key(schnorrkel::Keypair);

impl Key {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    /// Returns what a gateway with this key agrees to: [`LOG_KEY`] and its next nonce.
    pub fn gateway_agreement(&self, party: PartyId) -> GatewayConsent {
        GatewayConsent {
            genesis: genesis_hash(),
            gateway: self.account(),
            party,
            log_key: LOG_KEY,
            nonce: Parties::consent_nonce(&self.account()),
        }
    }

    /// Returns the consent of a gateway with this key to what it agrees to.
    pub fn consent(&self, party: PartyId) -> Signature {
        self.sign_gateway(&self.gateway_agreement(party))
    }

    pub fn sign_gateway(&self, agreed: &GatewayConsent) -> Signature {
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::GatewayConsent, &agreed.message())
    }

    /// Returns what an account with this key agrees to, with its next nonce.
    pub fn account_agreement(&self, party: PartyId, scope: Scope, until: Option<u64>) -> AccountConsent {
        AccountConsent {
            genesis: genesis_hash(),
            party,
            account: self.account(),
            scope,
            until,
            nonce: Parties::consent_nonce(&self.account()),
        }
    }

    pub fn sign_account(&self, agreed: &AccountConsent) -> Signature {
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::AccountConsent, &agreed.message())
    }
}

/// Adds a gateway that consents to the party of the sender, which `first` founded.
pub fn add_gateway(by: AccountId, gateway: &Key, first: AccountId) -> DispatchResult {
    Parties::add_gateway(signed(by), gateway.account(), LOG_KEY, gateway.consent(party(first)))
}

/// Adds an account that consents to the party of the sender, which `first` founded.
pub fn add_account(
    by: AccountId,
    key: &Key,
    first: AccountId,
    scope: Scope,
    until: Option<u64>,
) -> DispatchResult {
    let consent = key.sign_account(&key.account_agreement(party(first), scope, until));
    Parties::add_account(signed(by), key.account(), scope, until, consent)
}
