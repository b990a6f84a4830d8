//! The parameters of each pallet.

use crate::{
    consortium::{PublicKeys, VoterSet},
    free_calls::FreeCalls,
    scopes::RuntimeScopes,
    weights::{self, PI_FACTOR},
    AccountId, Anchors, Aura, Block, BlockNumber, Council, Devices, Hash, Nonce, PalletInfo, Parties, Quotas,
    Runtime, RuntimeCall, RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, RuntimeTask, SessionKeys,
    Timestamp, Validators, SLOT_DURATION, VERSION,
};
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64, Contains},
    weights::{
        constants::{BlockExecutionWeight, ExtrinsicBaseWeight, RocksDbWeight, WEIGHT_REF_TIME_PER_MILLIS},
        Weight,
    },
};
use frame_system::{
    limits::{BlockLength, BlockWeights},
    EnsureRoot,
};
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan};
use pallet_council::AbstentionRejects;
use pallet_parties::{GenesisHash, IsGateway};
use pallet_validators::{no_currency::NoCurrency, ValidatorOf};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::{traits::OpaqueKeys, Perbill};
use sp_version::RuntimeVersion;
use streembit_primitives::consortium::Quota;

/// The highest number of validators. GRANDPA's messages grow with its square.
pub const MAX_VALIDATORS: u32 = 32;
/// The highest number of members of the council.
pub const MAX_COUNCIL: u32 = 32;
/// The highest number of devices of one owner, retired ones included.
pub const MAX_DEVICES_PER_OWNER: u32 = 10_000;
/// The highest number of devices of which one gateway keeps the events, retired ones included.
pub const MAX_DEVICES_PER_GATEWAY: u32 = 10_000;
/// The highest number of gateways of a party, with those of its former memberships.
pub const MAX_GATEWAYS_OF_PARTY: u32 = 1_024;
/// The highest number of different keys that a party ever takes in, as gateways or accounts.
pub const MAX_KEYS_OF_PARTY: u32 = 16_384;
/// How many blocks a motion can be voted on: a week's blocks if every slot has one.
pub const MOTION_BLOCKS: BlockNumber = (7 * 24 * 60 * 60 * 1000 / SLOT_DURATION) as BlockNumber;
/// The lowest number of blocks in a session: 10 s. A change of the validators may have to wait that long.
pub const MIN_SESSION: BlockNumber = 5;
/// The period after which quotas are full again, in milliseconds: ten minutes, 300 slots.
pub const QUOTA_PERIOD: u64 = 10 * 60 * 1_000;
/// The most that the live clock of contracts advances in one block, in milliseconds: two of the longest heartbeats. A block
/// is made at least every ten minutes. While the chain stands still for longer, no deadline passes.
pub const MAX_LIVE_GAP: u64 = 2 * 10 * 60 * 1_000;
/// How long a block may take to execute on a Raspberry Pi 4, in milliseconds: a quarter of a slot. The rest is for
/// sending it to the other nodes, and for other work of the machine.
pub const BLOCK_MILLISECONDS: u64 = SLOT_DURATION / 4;
/// The highest length of a block in bytes.
pub const BLOCK_BYTES: u32 = 1024 * 1024;

/// The migrations of the state of earlier runtimes. No chain in use has an earlier state.
pub type Migrations = ();

parameter_types! {
    pub const BlockHashCount: u32 = 2_400;
    pub const Version: RuntimeVersion = VERSION;
    pub RuntimeBlockWeights: BlockWeights = block_weights();
    /// A quarter of what the blocks of a period hold: four busy parties fill the chain, and no party fills it alone.
    pub DefaultQuota: Quota = {
        let blocks = QUOTA_PERIOD / SLOT_DURATION;
        Quota {
            microseconds: blocks * BLOCK_MILLISECONDS * 1_000 * 3 / 4 / 4,
            bytes: blocks * u64::from(BLOCK_BYTES) * 3 / 4 / 4,
        }
    };
    /// The highest weight of a decision of the council: half of what transactions may weigh.
    pub MaxProposalWeight: Weight = Perbill::from_percent(37) * RuntimeBlockWeights::get().max_block;
    pub RuntimeBlockLength: BlockLength = BlockLength::builder().max_length(BLOCK_BYTES).build();
}

/// A block takes [`BLOCK_MILLISECONDS`]. Three quarters are for everybody, the rest is for the council's votes.
///
/// The base weights of a block and of an extrinsic, which include the check of a signature, are the SDK's measurements
/// times [`PI_FACTOR`].
fn block_weights() -> BlockWeights {
    let block = Weight::from_parts(BLOCK_MILLISECONDS * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
    let normal = Perbill::from_percent(75) * block;
    BlockWeights::builder()
        .base_block(BlockExecutionWeight::get().saturating_mul(PI_FACTOR))
        .for_class(DispatchClass::all(), |weights| {
            weights.base_extrinsic = ExtrinsicBaseWeight::get().saturating_mul(PI_FACTOR);
        })
        .for_class(DispatchClass::Normal, |weights| weights.max_total = Some(normal))
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(block);
            weights.reserved = Some(block.saturating_sub(normal));
        })
        .avg_block_initialization(Perbill::from_percent(10))
        .build_or_panic()
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountId = AccountId;
    type BaseCallFilter = CallFilter;
    type Block = Block;
    type BlockHashCount = BlockHashCount;
    type BlockLength = RuntimeBlockLength;
    type BlockWeights = RuntimeBlockWeights;
    type DbWeight = RocksDbWeight;
    type Hash = Hash;
    type Nonce = Nonce;
    type SingleBlockMigrations = Migrations;
    type SS58Prefix = frame_support::traits::ConstU16<42>;
    type Version = Version;
}

/// Rejects calls that nobody may make, not even the council. Calls that need root are not listed: nobody is root here.
pub struct CallFilter;

impl Contains<RuntimeCall> for CallFilter {
    fn contains(call: &RuntimeCall) -> bool {
        match call {
            // A validator replaces its keys. Without keys it would make no block and leave a hole in the set.
            RuntimeCall::Session(pallet_session::Call::purge_keys {}) => false,
            // The members are parties, which vote through the council pallet. A motion that weighs more than a change is
            // closed with a call of its own.
            RuntimeCall::Collective(call) => matches!(call, pallet_collective::Call::close { .. }),
            _ => true,
        }
    }
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Aura;
    type MinimumPeriod = ConstU64<{ SLOT_DURATION / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type DisabledValidators = crate::Session;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = ConstU64<SLOT_DURATION>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type MaxNominators = ConstU32<0>;
    // Equivocations are reported to the validators pallet, which knows the previous set of validators.
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// More than half of the council.
type Majority = EnsureProportionMoreThan<AccountId, (), 1, 2>;
/// At least two thirds of the council.
type TwoThirds = EnsureProportionAtLeast<AccountId, (), 2, 3>;

impl pallet_collective::Config for Runtime {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU32<MOTION_BLOCKS>;
    type MaxProposals = ConstU32<32>;
    type MaxMembers = ConstU32<MAX_COUNCIL>;
    type DefaultVote = AbstentionRejects;
    type WeightInfo = weights::sdk::CollectiveWeight<Runtime>;
    type SetMembersOrigin = EnsureRoot<AccountId>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Consideration = ();
}

impl pallet_parties::Config for Runtime {
    type Clock = Timestamp;
    type Departure = (Council, Validators, Quotas);
    type MaxGatewaysOfParty = ConstU32<MAX_GATEWAYS_OF_PARTY>;
    type MaxKeysOfParty = ConstU32<MAX_KEYS_OF_PARTY>;
    type WeightInfo = weights::parties::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_validators::Config for Runtime {
    type MaxValidators = ConstU32<MAX_VALIDATORS>;
    type MinSession = ConstU32<MIN_SESSION>;
    type PublicKeys = PublicKeys;
    type VoterSet = VoterSet;
    type Genesis = GenesisHash<Runtime>;
    type Parties = Parties;
    type WeightInfo = weights::validators::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_quotas::Config for Runtime {
    type DefaultQuota = DefaultQuota;
    type QuotaPeriod = ConstU64<QUOTA_PERIOD>;
    type Clock = Timestamp;
    type Parties = Parties;
    type CallScopes = RuntimeScopes;
    type Council = FreeCalls;
    type WeightInfo = weights::quotas::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_council::Config for Runtime {
    type Parties = Parties;
    type Validators = Validators;
    type Devices = Devices;
    type Quotas = Quotas;
    type CouncilOrigin = Majority;
    type MembersOrigin = TwoThirds;
    type WeightInfo = weights::council::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ValidatorOf<Runtime>;
    type ShouldEndSession = Validators;
    type NextSessionRotation = ();
    type SessionManager = Validators;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = weights::sdk::SessionWeight<Runtime>;
    type Currency = NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_devices::Config for Runtime {
    type Genesis = GenesisHash<Runtime>;
    type Parties = Parties;
    type Gateways = IsGateway<Runtime>;
    type Logs = Anchors;
    type MaxDevicesPerOwner = ConstU32<MAX_DEVICES_PER_OWNER>;
    type MaxDevicesPerGateway = ConstU32<MAX_DEVICES_PER_GATEWAY>;
    type WeightInfo = weights::devices::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_anchors::Config for Runtime {
    type Gateways = IsGateway<Runtime>;
    type Parties = Parties;
    type Clock = Timestamp;
    type WeightInfo = weights::anchors::WeightInfo<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::BenchmarkSetup;
}

impl pallet_service_contracts::Config for Runtime {
    type Clock = Timestamp;
    type MaxLiveGap = ConstU64<MAX_LIVE_GAP>;
    type MaxContractsOfParty = ConstU32<16_384>;
    type MaxProposalsOfParty = ConstU32<256>;
    type MaxContractsOfDevice = ConstU32<64>;
    type MaxClaimsOfClause = ConstU32<256>;
    type WeightInfo = weights::service_contracts::WeightInfo<Runtime>;
}
