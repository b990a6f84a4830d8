//! A chain of this pallet alone.

use frame_support::{derive_impl, traits::ConstU32};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{device::GatewayConsent, hash::Domain, AccountId, Hash, Signature};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Consortium: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

impl crate::Config for Test {
    type MaxValidators = ConstU32<2>;
    type WeightInfo = ();
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

pub fn genesis(parties: &[AccountId], validators: &[AccountId]) -> sp_io::TestExternalities {
    let accounts = |ids: &[AccountId]| ids.iter().map(|id| account(*id)).collect();
    let config = RuntimeGenesisConfig {
        consortium: crate::GenesisConfig { parties: accounts(parties), validators: accounts(validators) },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// A chain of two parties.
pub fn chain() -> sp_io::TestExternalities {
    genesis(&[OWNER, WORKSHOP], &[OWNER])
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

    pub fn consent(&self, genesis: Hash, party: AccountId) -> Signature {
        let message = GatewayConsent { genesis, gateway: self.account(), party }.message();
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::GatewayConsent, &message)
    }
}
