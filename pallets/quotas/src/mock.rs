//! A chain of this pallet alone. Tests decide who is a party, who is in the council, and which calls are free.

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU64, Time},
};
use pallet_parties::{Departure as _, PartyLookup};
use sp_runtime::{
    traits::IdentityLookup, transaction_validity::InvalidTransaction, AccountId32, BuildStorage,
};
use streembit_primitives::{consortium::Quota, AccountId};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Quotas: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const DefaultQuota: Quota = Quota { microseconds: 100, bytes: 1_000 };
    /// The time in milliseconds.
    pub static Now: u64 = 5_000;
    /// The accounts that act for a party, and the party.
    pub static Accounts: Vec<(AccountId, AccountId)> = Vec::new();
    /// The members of the council.
    pub static Members: Vec<AccountId> = Vec::new();
}

/// A clock that a test sets.
pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

/// The parties and gateways that the test sets.
pub struct Parties;

impl PartyLookup for Parties {
    fn acts_for(account: &AccountId) -> Option<AccountId> {
        Accounts::get().into_iter().find(|(known, _)| known == account).map(|(_, party)| party)
    }
}

impl Parties {
    /// Takes in an account that acts for a party.
    pub fn take_in(account: AccountId, party: AccountId) {
        Accounts::mutate(|accounts| accounts.push((account, party)));
    }

    /// Lets a party leave with its gateways.
    pub fn leave(party: AccountId) {
        Quotas::party_leaves(&party).unwrap();
        Accounts::mutate(|accounts| accounts.retain(|(_, of)| *of != party));
    }
}

/// The members that the test sets. The call `system.remark_with_event` is free for them and rejected for others.
pub struct Council;

/// The error with which the pool rejects it.
pub const REJECTED: u8 = 77;

impl crate::CouncilCalls<AccountId32, RuntimeCall> for Council {
    fn is_member(account: &AccountId32) -> bool {
        Members::get().contains(&AccountId(account.clone().into()))
    }

    fn is_free(
        account: &AccountId32,
        call: &RuntimeCall,
        _: DispatchClass,
    ) -> Result<bool, InvalidTransaction> {
        match call {
            RuntimeCall::System(frame_system::Call::remark_with_event { .. }) if Self::is_member(account) => {
                Ok(true)
            }
            RuntimeCall::System(frame_system::Call::remark_with_event { .. }) => {
                Err(InvalidTransaction::Custom(REJECTED))
            }
            _ => Ok(false),
        }
    }
}

impl crate::Config for Test {
    type DefaultQuota = DefaultQuota;
    type QuotaPeriod = ConstU64<1_000>;
    type Clock = Clock;
    type Parties = Parties;
    type Council = Council;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Council;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper<RuntimeCall> for Council {
    fn worst_call() -> Result<(AccountId, RuntimeCall), frame_benchmarking::BenchmarkError> {
        Members::set(vec![MEMBER]);
        Ok((MEMBER, frame_system::Call::remark { remark: vec![] }.into()))
    }
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
/// A member of the council that is not a party.
pub const MEMBER: AccountId = AccountId([3; 32]);
/// A gateway of the owner, as soon as it is taken in.
pub const GATEWAY: AccountId = AccountId([4; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain of two parties and a member of the council that is not a party.
pub fn chain() -> sp_io::TestExternalities {
    founded(Vec::new())
}

/// The same, with quotas in the genesis.
pub fn founded(quotas: Vec<(AccountId32, u64, u64)>) -> sp_io::TestExternalities {
    Accounts::set(vec![(OWNER, OWNER), (WORKSHOP, WORKSHOP)]);
    Members::set(vec![MEMBER]);
    let config = RuntimeGenesisConfig { quotas: crate::GenesisConfig { quotas }, ..Default::default() };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}
