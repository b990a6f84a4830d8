//! A chain of this pallet alone. Tests decide who is a party, who is in the council, and which calls are free.

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU64, Time},
    weights::Weight,
};
use frame_system::limits::BlockWeights;
use pallet_parties::{Departure as _, PartyLookup};
use sp_runtime::{
    traits::IdentityLookup, transaction_validity::InvalidTransaction, AccountId32, BuildStorage,
};
use streembit_primitives::{
    consortium::Quota,
    party::{AccountRole, Role},
    AccountId, PartyId, Scope,
};

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
    type BlockWeights = Weights;
}

parameter_types! {
    pub const DefaultQuota: Quota = Quota { microseconds: 100, bytes: 1_000 };
    /// The time in microseconds that a block counts for every transaction beside its call.
    pub static BaseMicroseconds: u64 = 0;
    pub Weights: BlockWeights = BlockWeights::builder()
        .for_class(DispatchClass::all(), |weights| {
            weights.base_extrinsic = Weight::from_parts(BaseMicroseconds::get() * 1_000_000, 0);
        })
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(Weight::from_parts(2_000_000_000_000, u64::MAX));
        })
        .build_or_panic();
    /// The time in milliseconds.
    pub static Now: u64 = 5_000;
    /// The accounts that act for a party, and their roles.
    pub static Accounts: Vec<(AccountId, AccountRole)> = Vec::new();
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
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        Accounts::get().into_iter().find(|(known, _)| known == account).map(|(_, role)| role)
    }

    fn is_party(party: &PartyId) -> bool {
        Accounts::get().iter().any(|(_, found)| found.party == *party)
    }

    fn departures(_: &PartyId) -> u32 {
        0
    }

    fn now() -> u64 {
        Now::get()
    }
}

impl Parties {
    /// Takes in an account of the party that `first` founded.
    pub fn take_in(account: AccountId, first: AccountId, role: Role) {
        let role = AccountRole { party: party(first), role };
        Accounts::mutate(|accounts| accounts.push((account, role)));
    }

    /// Lets the party that `first` founded leave with its accounts and gateways.
    pub fn leave(first: AccountId) {
        Quotas::party_leaves(&party(first)).unwrap();
        Accounts::mutate(|accounts| accounts.retain(|(_, found)| found.party != party(first)));
    }
}

/// The scopes that calls need: `Contracts` for remarks of one byte, and none for other calls.
pub struct Scopes;

impl crate::CallScopes<AccountId32, RuntimeCall> for Scopes {
    fn needed(_: &AccountId32, call: &RuntimeCall) -> Option<Scope> {
        match call {
            RuntimeCall::System(frame_system::Call::remark { remark }) if remark.len() == 1 => {
                Some(Scope::Contracts)
            }
            _ => None,
        }
    }
}

/// A council of which [`MEMBER`] is the only account. The call `system.remark_with_event` is free for it and rejected
/// for others.
pub struct Council;

/// The error with which the pool rejects it.
pub const REJECTED: u8 = 77;

impl crate::CouncilCalls<AccountId32, RuntimeCall> for Council {
    fn is_free(
        account: &AccountId32,
        call: &RuntimeCall,
        _: DispatchClass,
    ) -> Result<bool, InvalidTransaction> {
        let is_member = *account == self::account(MEMBER);
        match call {
            RuntimeCall::System(frame_system::Call::remark_with_event { .. }) if is_member => Ok(true),
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
    type CallScopes = Scopes;
    type Council = Council;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Council;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper<RuntimeCall> for Council {
    fn worst_call() -> Result<(AccountId, RuntimeCall), frame_benchmarking::BenchmarkError> {
        Ok((MEMBER, frame_system::Call::remark { remark: vec![] }.into()))
    }
}

/// The role of a party's first account.
pub const ALL: Role = Role::Account { scope: Scope::All, until: None };

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
/// The first account of a party that is the council.
pub const MEMBER: AccountId = AccountId([3; 32]);
/// A gateway of the owner, as soon as it is taken in.
pub const GATEWAY: AccountId = AccountId([4; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
}

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain of three parties, of which one is the council.
pub fn chain() -> sp_io::TestExternalities {
    founded(Vec::new())
}

/// The same, with quotas in the genesis.
pub fn founded(quotas: Vec<(AccountId32, u64, u64)>) -> sp_io::TestExternalities {
    Accounts::set(Vec::new());
    [OWNER, WORKSHOP, MEMBER].into_iter().for_each(|first| Parties::take_in(first, first, ALL));
    let config = RuntimeGenesisConfig { quotas: crate::GenesisConfig { quotas }, ..Default::default() };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}
