//! A chain of this pallet alone. Tests decide what the other pallets answer.

use frame_support::{derive_impl, parameter_types};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, DispatchError, DispatchResult};
use streembit_primitives::{gateway::GatewayConsent, hash::Domain, AccountId, Hash, LogKey, Signature};

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
    /// The accounts that another pallet does not let go.
    pub storage Needed: Vec<AccountId> = Vec::new();
    /// The parties and gateways whose departure the other pallets were told, in order.
    pub storage Departed: Vec<AccountId> = Vec::new();
}

/// Another pallet's refusal.
pub const NEEDED: DispatchError = DispatchError::Other("the account is needed");

/// Stands for the other pallets.
pub struct Neighbours;

impl crate::Departure for Neighbours {
    fn ensure_party_can_leave(party: &AccountId) -> DispatchResult {
        if Needed::get().contains(party) {
            return Err(NEEDED);
        }
        Ok(())
    }

    fn party_leaves(party: &AccountId) -> DispatchResult {
        assert!(Parties::is_party(party), "the party can still be looked up");
        Departed::set(&[Departed::get(), vec![*party]].concat());
        Ok(())
    }

    fn ensure_gateway_can_leave(gateway: &AccountId) -> DispatchResult {
        Self::ensure_party_can_leave(gateway)
    }

    fn gateway_leaves(gateway: &AccountId) {
        Departed::set(&[Departed::get(), vec![*gateway]].concat());
    }
}

impl crate::Config for Test {
    type Departure = Neighbours;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

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
        parties: crate::GenesisConfig { parties: parties.iter().map(|party| account(*party)).collect() },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// A chain of two parties.
pub fn chain() -> sp_io::TestExternalities {
    founded(&[OWNER, WORKSHOP])
}

/// A gateway's key.
pub struct Gateway(schnorrkel::Keypair);

impl Gateway {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    /// Returns the consent with [`LOG_KEY`].
    pub fn consent(&self, genesis: Hash, party: AccountId) -> Signature {
        self.consent_with(LOG_KEY, genesis, party)
    }

    pub fn consent_with(&self, log_key: LogKey, genesis: Hash, party: AccountId) -> Signature {
        let message = GatewayConsent { genesis, gateway: self.account(), party, log_key }.message();
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::GatewayConsent, &message)
    }
}
