//! What the runtime fixes for each pallet.

use crate::{
    no_currency::NoCurrency, AccountId, Aura, Block, Consortium, Hash, Nonce, PalletInfo, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, RuntimeTask, SessionKeys, Timestamp, SLOT_DURATION, VERSION,
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64},
    weights::{
        constants::{RocksDbWeight, WEIGHT_REF_TIME_PER_MILLIS},
        Weight,
    },
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_consortium::{GenesisHash, IsGateway, IsParty};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::{
    traits::{ConvertInto, OpaqueKeys},
    Perbill,
};
use sp_version::RuntimeVersion;

/// The most validators. GRANDPA's messages grow with the square of their number.
pub const MAX_VALIDATORS: u32 = 32;
/// How long a block may take to execute, in milliseconds: a quarter of a slot, for small machines.
pub const BLOCK_MILLISECONDS: u64 = SLOT_DURATION / 4;
/// How large a block may be, in bytes.
pub const BLOCK_BYTES: u32 = 1024 * 1024;

parameter_types! {
    pub const BlockHashCount: u32 = 2_400;
    pub const Version: RuntimeVersion = VERSION;
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(BLOCK_MILLISECONDS * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX),
        Perbill::from_percent(75),
    );
    pub RuntimeBlockLength: BlockLength = BlockLength::builder().max_length(BLOCK_BYTES).build();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountId = AccountId;
    type Block = Block;
    type BlockHashCount = BlockHashCount;
    type BlockLength = RuntimeBlockLength;
    type BlockWeights = RuntimeBlockWeights;
    type DbWeight = RocksDbWeight;
    type Hash = Hash;
    type Nonce = Nonce;
    type SS58Prefix = frame_support::traits::ConstU16<42>;
    type Version = Version;
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
    // Equivocations are not reported: there is no past session to look one up in.
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_consortium::Config for Runtime {
    type MaxValidators = ConstU32<MAX_VALIDATORS>;
    type WeightInfo = pallet_consortium::weights::HandSet<Runtime>;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Consortium;
    type NextSessionRotation = ();
    type SessionManager = Consortium;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = NoCurrency;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_devices::Config for Runtime {
    type Genesis = GenesisHash<Runtime>;
    type Parties = IsParty<Runtime>;
    type Gateways = IsGateway<Runtime>;
    type WeightInfo = pallet_devices::weights::HandSet<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Vouching;
}

impl pallet_anchors::Config for Runtime {
    type Gateways = IsGateway<Runtime>;
    type WeightInfo = pallet_anchors::weights::HandSet<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Vouching;
}

impl pallet_service_contracts::Config for Runtime {
    type Clock = Timestamp;
    type MaxContractsOfParty = ConstU32<16_384>;
    type MaxContractsOfDevice = ConstU32<64>;
    type MaxRecords = ConstU32<1_024>;
    type WeightInfo = pallet_service_contracts::weights::HandSet<Runtime>;
}
