//! A chain of this pallet and `pallet-collective`. Tests decide which changes are possible, and see which are made.

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU64},
    weights::Weight,
};
use frame_system::EnsureRoot;
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan};
use pallet_parties::{DeviceRegistry, PartyLookup, PartyRegistry, Registry};
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _, IdentityLookup},
    AccountId32, BuildStorage, DispatchError, DispatchResult,
};
use streembit_primitives::{
    consortium::{Change, Quota},
    device::DecidedChange,
    party::{AccountRole, Role},
    AccountId, DeviceId, PartyId, Scope,
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
    /// The accounts that act for a party, and their roles.
    pub static Accounts: Vec<(AccountId, AccountRole)> = Vec::new();
    /// The accounts and parties about which no change is possible.
    pub static Refused: Vec<[u8; 32]> = Vec::new();
    /// The changes that other pallets were told to make, in order.
    pub static Made: Vec<Change> = Vec::new();
}

/// The error of an impossible change.
pub const IMPOSSIBLE: DispatchError = DispatchError::Other("impossible");

fn ensure_not_refused(id: [u8; 32]) -> DispatchResult {
    if Refused::get().contains(&id) {
        return Err(IMPOSSIBLE);
    }
    Ok(())
}

fn make(id: [u8; 32], change: Change) -> DispatchResult {
    ensure_not_refused(id)?;
    Made::mutate(|made| made.push(change));
    Ok(())
}

/// Stands for the parties.
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
        1_000
    }
}

/// Stands for the devices.
pub struct Devices;

impl DeviceRegistry for Devices {
    fn ensure_can_allow(device: &DeviceId, _: u64) -> DispatchResult {
        ensure_not_refused(device.0)
    }

    fn allow(device: DeviceId, change: DecidedChange, from: u64) -> DispatchResult {
        make(device.0, Change::AllowDeviceChange { device, change, from })
    }
}

impl PartyRegistry for Parties {
    fn ensure_can_add(_: &PartyId, account: &AccountId) -> DispatchResult {
        ensure_not_refused(account.0)
    }

    fn add(party: PartyId, account: AccountId) -> DispatchResult {
        make(account.0, Change::AddParty { party, account })
    }

    fn ensure_can_remove(party: &PartyId) -> DispatchResult {
        ensure_not_refused(party.0)
    }

    fn remove(party: PartyId) -> DispatchResult {
        make(party.0, Change::RemoveParty(party))?;
        Accounts::mutate(|accounts| accounts.retain(|(_, found)| found.party != party));
        Ok(())
    }

    fn ensure_can_recover(party: &PartyId, _: &AccountId) -> DispatchResult {
        ensure_not_refused(party.0)
    }

    fn recover(party: PartyId, account: AccountId) -> DispatchResult {
        make(party.0, Change::Recover { party, account })
    }
}

/// Stands for the validators.
pub struct Validators;

impl Registry for Validators {
    fn ensure_can_add(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account.0)
    }

    fn add(account: AccountId) -> DispatchResult {
        make(account.0, Change::AddValidator(account))
    }

    fn ensure_can_remove(account: &AccountId) -> DispatchResult {
        ensure_not_refused(account.0)
    }

    fn remove(account: AccountId) -> DispatchResult {
        make(account.0, Change::RemoveValidator(account))
    }
}

/// Stands for the quotas.
pub struct Quotas;

impl pallet_quotas::SetQuota for Quotas {
    fn ensure_can_set(party: &PartyId) -> DispatchResult {
        ensure_not_refused(party.0)
    }

    fn set(party: PartyId, quota: Option<Quota>) -> DispatchResult {
        make(party.0, Change::SetQuota { party, quota })
    }
}

impl pallet_collective::Config for Test {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU64<20>;
    type MaxProposals = ConstU32<6>;
    type MaxMembers = ConstU32<4>;
    type DefaultVote = crate::AbstentionRejects;
    type WeightInfo = ();
    type SetMembersOrigin = EnsureRoot<AccountId32>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId32>;
    type KillOrigin = EnsureRoot<AccountId32>;
    type Consideration = ();
}

impl crate::Config for Test {
    type Parties = Parties;
    type Validators = Validators;
    type Quotas = Quotas;
    type Devices = Devices;
    type CouncilOrigin = EnsureProportionMoreThan<AccountId32, (), 1, 2>;
    type MembersOrigin = EnsureProportionAtLeast<AccountId32, (), 2, 3>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Parties;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Parties {
    fn worst_removal() -> Result<PartyId, frame_benchmarking::BenchmarkError> {
        Accounts::set(vec![founder(STRANGER)]);
        Ok(party(STRANGER))
    }

    fn add_party(party: PartyId) -> AccountId {
        let account = AccountId(party.0);
        let role = Role::Account { scope: Scope::All, until: None };
        Accounts::mutate(|accounts| accounts.push((account, AccountRole { party, role })));
        account
    }
}

/// The first accounts of parties.
pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const INSURER: AccountId = AccountId([3; 32]);
/// A party that is never in the council.
pub const LESSEE: AccountId = AccountId([4; 32]);
/// A gateway of the owner.
pub const GATEWAY: AccountId = AccountId([5; 32]);
/// An employee of the owner, who may sign contracts.
pub const EMPLOYEE: AccountId = AccountId([6; 32]);
/// A second account of the owner that may do everything.
pub const PARTNER: AccountId = AccountId([7; 32]);
/// An account of the owner that has ended.
pub const ENDED: AccountId = AccountId([8; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
}

/// The first account of a party, and its role.
fn founder(first: AccountId) -> (AccountId, AccountRole) {
    account_of(first, first, Scope::All, None)
}

/// An account of a party, and its role.
fn account_of(
    account: AccountId,
    first: AccountId,
    scope: Scope,
    until: Option<u64>,
) -> (AccountId, AccountRole) {
    (account, AccountRole { party: party(first), role: Role::Account { scope, until } })
}

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain at block 1 with the council of these parties, four parties, a gateway, and further accounts of the owner.
pub fn founded(council: &[AccountId]) -> sp_io::TestExternalities {
    let parties = [OWNER, WORKSHOP, INSURER, LESSEE];
    let others = [
        (GATEWAY, AccountRole { party: party(OWNER), role: Role::Gateway }),
        account_of(EMPLOYEE, OWNER, Scope::Contracts, None),
        account_of(PARTNER, OWNER, Scope::All, None),
        account_of(ENDED, OWNER, Scope::All, Some(1_000)),
    ];
    Accounts::set(parties.map(founder).into_iter().chain(others).collect());
    Refused::set(Vec::new());
    Made::set(Vec::new());
    let members = council.iter().map(|first| AccountId32::new(party(*first).0)).collect();
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
