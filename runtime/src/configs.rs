//! What the runtime fixes for each pallet.

use crate::{
    consortium::{PublicKeys, VoterSet},
    weights::{self, PI_FACTOR},
    AccountId, Aura, Block, BlockNumber, Consortium, Hash, Nonce, PalletInfo, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, RuntimeTask, SessionKeys, Timestamp, SLOT_DURATION,
    VERSION,
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
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan, PrimeDefaultVote};
use pallet_consortium::{no_currency::NoCurrency, Collective, GenesisHash, IsGateway, IsParty, ValidatorOf};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::{traits::OpaqueKeys, Perbill};
use sp_version::RuntimeVersion;
use streembit_primitives::consortium::Quota;

/// The most validators. GRANDPA's messages grow with the square of their number.
pub const MAX_VALIDATORS: u32 = 32;
/// The most members of the council.
pub const MAX_COUNCIL: u32 = 32;
/// How many blocks a motion can be voted on: a week's, where every slot has a block.
pub const MOTION_BLOCKS: BlockNumber = (7 * 24 * 60 * 60 * 1000 / SLOT_DURATION) as BlockNumber;
/// How many blocks a session lasts at least: 10 s. A change of the validators may have to wait for so long.
pub const MIN_SESSION: BlockNumber = 5;
/// How long a quota has to last, in milliseconds: ten minutes, 300 slots.
pub const QUOTA_PERIOD: u64 = 10 * 60 * 1_000;
/// How long a block may take to execute on a Raspberry Pi 4, in milliseconds: a quarter of a slot. The rest is for its way to
/// the others, and for what else the machine does.
pub const BLOCK_MILLISECONDS: u64 = SLOT_DURATION / 4;
/// How large a block may be, in bytes.
pub const BLOCK_BYTES: u32 = 1024 * 1024;

/// What makes the state that the runtimes before this one left that of this one.
pub type Migrations = (pallet_consortium::migration::ToVersion2<Runtime>,);

parameter_types! {
    pub const BlockHashCount: u32 = 2_400;
    pub const Version: RuntimeVersion = VERSION;
    pub RuntimeBlockWeights: BlockWeights = block_weights();
    /// A quarter of what the blocks of a period can hold for transactions: four busy parties fill them, and none can alone.
    pub DefaultQuota: Quota = {
        let blocks = QUOTA_PERIOD / SLOT_DURATION;
        Quota {
            microseconds: blocks * BLOCK_MILLISECONDS * 1_000 * 3 / 4 / 4,
            bytes: blocks * u64::from(BLOCK_BYTES) * 3 / 4 / 4,
        }
    };
    /// The most that a decision of the council may weigh: half of what transactions may.
    pub MaxProposalWeight: Weight = Perbill::from_percent(37) * RuntimeBlockWeights::get().max_block;
    pub RuntimeBlockLength: BlockLength = BlockLength::builder().max_length(BLOCK_BYTES).build();
}

/// A block of [`BLOCK_MILLISECONDS`], three quarters of it for whoever submits, the rest for the council's votes.
///
/// What a block and an extrinsic take without their calls, the check of the extrinsic's signature included, is the SDK's
/// measure, as long on a Pi as on its machine times [`PI_FACTOR`].
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
    type BaseCallFilter = Allowed;
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

/// What nobody may call, not even the council. What takes root is not among it: nobody is root here.
pub struct Allowed;

impl Contains<RuntimeCall> for Allowed {
    fn contains(call: &RuntimeCall) -> bool {
        match call {
            // A validator replaces its keys; without any it would make no block and leave a hole in the set.
            RuntimeCall::Session(pallet_session::Call::purge_keys {}) => false,
            // The pallet warns of too many members and takes them; a council of none would be the last.
            RuntimeCall::Council(pallet_collective::Call::set_members { new_members, .. }) => {
                let distinct = alloc::collections::BTreeSet::from_iter(new_members);
                distinct.len() == new_members.len() && (1..=MAX_COUNCIL as usize).contains(&distinct.len())
            }
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
    // Equivocations are reported to the consortium, which knows the validators of the set before.
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// More than half of the council.
type Majority = EnsureProportionMoreThan<AccountId, (), 1, 2>;

impl pallet_collective::Config for Runtime {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU32<MOTION_BLOCKS>;
    type MaxProposals = ConstU32<32>;
    type MaxMembers = ConstU32<MAX_COUNCIL>;
    type DefaultVote = PrimeDefaultVote;
    type WeightInfo = pallet_collective::weights::SubstrateWeight<Runtime>;
    type SetMembersOrigin = EnsureProportionAtLeast<AccountId, (), 2, 3>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Consideration = ();
}

impl pallet_consortium::Config for Runtime {
    type MaxValidators = ConstU32<MAX_VALIDATORS>;
    type MinSession = ConstU32<MIN_SESSION>;
    type PublicKeys = PublicKeys;
    type VoterSet = VoterSet;
    type DefaultQuota = DefaultQuota;
    type QuotaPeriod = ConstU64<QUOTA_PERIOD>;
    type Clock = Timestamp;
    type Council = Collective<Runtime>;
    type CouncilOrigin = Majority;
    type WeightInfo = weights::Consortium;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ValidatorOf<Runtime>;
    type ShouldEndSession = Consortium;
    type NextSessionRotation = ();
    type SessionManager = Consortium;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_devices::Config for Runtime {
    type Genesis = GenesisHash<Runtime>;
    type Parties = IsParty<Runtime>;
    type Gateways = IsGateway<Runtime>;
    type WeightInfo = weights::Devices;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Vouching;
}

impl pallet_anchors::Config for Runtime {
    type Gateways = IsGateway<Runtime>;
    type WeightInfo = weights::Anchors;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Vouching;
}

impl pallet_service_contracts::Config for Runtime {
    type Clock = Timestamp;
    type MaxContractsOfParty = ConstU32<16_384>;
    type MaxContractsOfDevice = ConstU32<64>;
    type MaxRecords = ConstU32<1_024>;
    type WeightInfo = weights::ServiceContracts;
}
