//! A chain of this pallet and `pallet-collective`. Tests decide which changes are possible, and see which are made.

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU64},
    weights::Weight,
};
use frame_system::EnsureRoot;
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan, PrimeDefaultVote};
use pallet_parties::{PartyLookup, Registry};
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _, IdentityLookup},
    AccountId32, BuildStorage, DispatchError, DispatchResult,
};
use streembit_primitives::{
    consortium::{Change, Quota},
    AccountId,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Council: crate,
        Collective: pallet_collective,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const MaxProposalWeight: Weight = Weight::MAX;
    /// The accounts that act for a party, and the party.
    pub static Accounts: Vec<(AccountId, AccountId)> = Vec::new();
    /// The accounts about which no change is possible.
    pub static Refused: Vec<AccountId> = Vec::new();
    /// The changes that other pallets were told to make, in order.
    pub static Made: Vec<Change> = Vec::new();
}

/// The error of an impossible change.
pub const IMPOSSIBLE: DispatchError = DispatchError::Other("impossible");

fn ensure_not_refused(account: &AccountId) -> DispatchResult {
    if Refused::get().contains(account) {
        return Err(IMPOSSIBLE);
    }
    Ok(())
}

fn make(account: &AccountId, change: Change) -> DispatchResult {
    ensure_not_refused(account)?;
    Made::mutate(|made| made.push(change));
    Ok(())
}

/// Stands for the parties.
pub struct Parties;

impl PartyLookup for Parties {
    fn acts_for(account: &AccountId) -> Option<AccountId> {
        Accounts::get().into_iter().find(|(known, _)| known == account).map(|(_, party)| party)
    }
}

impl Registry for Parties {
    fn ensure_can_add(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account)
    }

    fn add(account: AccountId) -> DispatchResult {
        make(&account, Change::AddParty(account))
    }

    fn ensure_can_remove(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account)
    }

    fn remove(account: AccountId) -> DispatchResult {
        make(&account, Change::RemoveParty(account))?;
        Accounts::mutate(|accounts| accounts.retain(|(_, party)| *party != account));
        Ok(())
    }
}

/// Stands for the validators.
pub struct Validators;

impl Registry for Validators {
    fn ensure_can_add(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account)
    }

    fn add(account: AccountId) -> DispatchResult {
        make(&account, Change::AddValidator(account))
    }

    fn ensure_can_remove(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account)
    }

    fn remove(account: AccountId) -> DispatchResult {
        make(&account, Change::RemoveValidator(account))
    }
}

/// Stands for the quotas.
pub struct Quotas;

impl pallet_quotas::SetQuota for Quotas {
    fn ensure_can_set(party: &AccountId) -> DispatchResult {
        ensure_not_refused(party)
    }

    fn set(party: AccountId, quota: Option<Quota>) -> DispatchResult {
        make(&party, Change::SetQuota { party, quota })
    }
}

impl pallet_collective::Config for Test {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU64<20>;
    type MaxProposals = ConstU32<6>;
    type MaxMembers = ConstU32<4>;
    type DefaultVote = PrimeDefaultVote;
    type WeightInfo = ();
    type SetMembersOrigin = EnsureProportionAtLeast<AccountId32, (), 2, 3>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId32>;
    type KillOrigin = EnsureRoot<AccountId32>;
    type Consideration = ();
}

impl crate::Config for Test {
    type Parties = Parties;
    type Validators = Validators;
    type Quotas = Quotas;
    type CouncilOrigin = EnsureProportionMoreThan<AccountId32, (), 1, 2>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Parties;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Parties {
    fn worst_removal() -> Result<AccountId, frame_benchmarking::BenchmarkError> {
        Accounts::set(vec![(STRANGER, STRANGER)]);
        Ok(STRANGER)
    }
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const INSURER: AccountId = AccountId([3; 32]);
/// A party that is never in the council.
pub const LESSEE: AccountId = AccountId([4; 32]);
/// A gateway of the owner.
pub const GATEWAY: AccountId = AccountId([5; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain at block 1 with this council, four parties, and a gateway.
pub fn founded(council: &[AccountId]) -> sp_io::TestExternalities {
    let parties = [OWNER, WORKSHOP, INSURER, LESSEE];
    Accounts::set(parties.map(|party| (party, party)).into_iter().chain([(GATEWAY, OWNER)]).collect());
    Refused::set(Vec::new());
    Made::set(Vec::new());
    let members = council.iter().map(|member| account(*member)).collect();
    let config = RuntimeGenesisConfig {
        collective: pallet_collective::GenesisConfig { members, ..Default::default() },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// A chain with three members in the council.
pub fn council_of_three() -> sp_io::TestExternalities {
    founded(&[OWNER, WORKSHOP, INSURER])
}

/// The id of the motion for a change.
pub fn motion(change: Change) -> sp_core::H256 {
    let call: RuntimeCall = crate::Call::enact { change }.into();
    BlakeTwo256::hash_of(&call)
}
