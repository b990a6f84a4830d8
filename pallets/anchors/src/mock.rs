//! A chain of this pallet alone, with two gateways, their parties, and logs to anchor on it.

use frame_support::{
    derive_impl, parameter_types,
    traits::{Contains, Time},
};
use pallet_parties::PartyLookup;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{
    hash::Domain,
    merkle::{root_of_leaves, ConsistencyProof, MissingNodeError, NodeId, NodeStore, Tree, LOG_TREE},
    party::{AccountRole, Role},
    AccountId, Checkpoint, Hash, LogId, PartyId, Scope, Version,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Anchors: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    /// The chain's time.
    pub storage Now: u64 = 1_000;
    /// Whether the party of [`GATEWAY`] belongs to the consortium.
    pub storage IsMember: bool = true;
}

pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

impl crate::Config for Test {
    type Gateways = Gateways;
    type Parties = Parties;
    type Clock = Clock;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Gateways;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Gateways {
    fn add_gateway(account: AccountId, _: PartyId) -> AccountId {
        assert_eq!(account, GATEWAY);
        OPERATOR
    }
}

pub const GATEWAY: AccountId = AccountId([1; 32]);
pub const OTHER: AccountId = AccountId([2; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);
/// An account of the gateway's party that manages its gateways until time [`OPERATOR_ENDS`].
pub const OPERATOR: AccountId = AccountId([3; 32]);
pub const OPERATOR_ENDS: u64 = 90_000;
/// An account of the gateway's party that signs contracts.
pub const CLERK: AccountId = AccountId([4; 32]);
/// An account of the party of [`OTHER`] that may do everything.
pub const NEIGHBOUR: AccountId = AccountId([5; 32]);
pub const LOG: LogId = LogId::first(GATEWAY);

pub struct Gateways;

impl Contains<AccountId> for Gateways {
    fn contains(account: &AccountId) -> bool {
        Parties::is_gateway(account)
    }
}

pub struct Parties;

impl PartyLookup for Parties {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        let (ours, theirs) = (PartyId([1; 32]), PartyId([2; 32]));
        let (party, role) = match *account {
            GATEWAY => (ours, Role::Gateway),
            OPERATOR => (ours, Role::Account { scope: Scope::Gateway, until: Some(OPERATOR_ENDS) }),
            CLERK => (ours, Role::Account { scope: Scope::Contracts, until: None }),
            OTHER => (theirs, Role::Gateway),
            NEIGHBOUR => (theirs, Role::Account { scope: Scope::All, until: None }),
            _ => return None,
        };
        Self::is_party(&party).then_some(AccountRole { party, role })
    }

    fn is_party(party: &PartyId) -> bool {
        *party == PartyId([2; 32]) || (*party == PartyId([1; 32]) && IsMember::get())
    }

    fn departures(_: &PartyId) -> u32 {
        0
    }

    fn now() -> u64 {
        Now::get()
    }
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(AccountId32::new(id.0))
}

pub fn chain() -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(RuntimeGenesisConfig::default().build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// The leaves of a log.
pub struct Leaves(pub Vec<Hash>);

impl NodeStore for Leaves {
    type Error = MissingNodeError;

    fn node(&self, id: NodeId) -> Result<Hash, MissingNodeError> {
        let start = (id.index << id.level) as usize;
        let leaves = self.0.get(start..start + (1 << id.level)).ok_or(MissingNodeError(id))?;
        Ok(root_of_leaves(LOG_TREE, leaves))
    }
}

impl Leaves {
    /// A log of `count` entries; logs of different `story` differ from their entry `from` on.
    pub fn new(count: u64, story: u8, from: u64) -> Self {
        Self((0..count).map(|n| Domain::HeadsLeaf.hash_of(&(n, if n < from { 0 } else { story }))).collect())
    }

    pub fn checkpoint(&self, log: LogId, size: u64) -> Checkpoint {
        let root = Tree::new(self, size).root().unwrap();
        let heads_root = Domain::Heads.hash_of(&(size, root));
        Checkpoint { version: Version, log, size, root, heads_root, time: 0 }
    }

    pub fn consistency(&self, old: u64, size: u64) -> ConsistencyProof {
        Tree::new(self, size).prove_consistency(old).unwrap()
    }
}
