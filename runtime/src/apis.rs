//! The runtime APIs: what a client asks the chain without a transaction.
// They are documented where they are declared.
#![allow(missing_docs)]

use crate::{
    consortium, fees, genesis, AccountId, Anchors, Block, Devices, Executive, Grandpa, InherentDataExt,
    Nonce, Parties, Quotas, Runtime, RuntimeGenesisConfig, ServiceContracts, SessionKeys, System,
    UncheckedExtrinsic, Validators, VERSION,
};
use alloc::{boxed::Box, vec::Vec};
use frame_support::genesis_builder_helper::{build_state, get_preset};
use frame_system::offchain::SubmitTransaction;
use pallet_parties::PartyLookup as _;
use sp_api::impl_runtime_apis;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_core::{crypto::KeyTypeId, OpaqueMetadata};
use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::{
    traits::{Block as BlockT, NumberFor},
    transaction_validity::{TransactionSource, TransactionValidity},
    ApplyExtrinsicResult, ExtrinsicInclusionMode, Weight,
};
use sp_session::OpaqueGeneratedSessionKeys;
use sp_version::RuntimeVersion;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    contract::{
        state::{ClaimView, ClauseView, ContractView, Grant},
        ContractId,
    },
    device::DeviceRecord,
    party::{AccountRole, PartyRecord},
    AccountId as Account, DeviceId, GatewayRecord, Hash, LogId, PartyId, PublicKey,
};

/// Submits an unsigned report to the pool of the node that runs this.
fn submit(report: pallet_validators::Call<Runtime>) -> Option<()> {
    type Reports = SubmitTransaction<Runtime, pallet_validators::Call<Runtime>>;
    Reports::submit_transaction(UncheckedExtrinsic::new_bare(report.into())).ok()
}

impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block);
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(data: InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(block: <Block as BlockT>::LazyBlock, data: InherentData) -> CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
        fn offchain_worker(header: &<Block as BlockT>::Header) {
            Executive::offchain_worker(header)
        }
    }

    impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
        fn slot_duration() -> sp_consensus_aura::SlotDuration {
            sp_consensus_aura::SlotDuration::from_millis(crate::SLOT_DURATION)
        }

        fn authorities() -> Vec<AuraId> {
            pallet_aura::Authorities::<Runtime>::get().into_inner()
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(owner: Vec<u8>, seed: Option<Vec<u8>>) -> OpaqueGeneratedSessionKeys {
            SessionKeys::generate(&owner, seed).into()
        }

        fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
            SessionKeys::decode_into_raw_public_keys(&encoded)
        }
    }

    impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
        fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
            Grandpa::grandpa_authorities()
        }

        fn current_set_id() -> sp_consensus_grandpa::SetId {
            pallet_grandpa::CurrentSetId::<Runtime>::get()
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            proof: sp_consensus_grandpa::EquivocationProof<<Block as BlockT>::Hash, NumberFor<Block>>,
            _: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            submit(pallet_validators::Call::report_votes { proof: Box::new(proof) })
        }

        // The state has the keys of both sets, so the proof is empty. There is none for a key that needs no report.
        fn generate_key_ownership_proof(
            set: sp_consensus_grandpa::SetId,
            key: GrandpaId,
        ) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
            let proof = || sp_consensus_grandpa::OpaqueKeyOwnershipProof::new(Vec::new());
            Validators::is_voter(set, &key).then(proof)
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl fees::TransactionPaymentApi<Block> for Runtime {
        fn query_info(uxt: <Block as BlockT>::Extrinsic, _: u32) -> fees::RuntimeDispatchInfo {
            fees::info(&uxt)
        }

        fn query_fee_details(_: <Block as BlockT>::Extrinsic, _: u32) -> fees::FeeDetails {
            fees::FeeDetails::default()
        }

        fn query_weight_to_fee(_: Weight) -> fees::Balance {
            0
        }

        fn query_length_to_fee(_: u32) -> fees::Balance {
            0
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }

        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, |id| serde_json::to_vec(&genesis::preset(id)?).ok())
        }

        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            genesis::presets()
        }
    }

    impl consortium::ConsortiumApi<Block> for Runtime {
        fn consortium() -> streembit_primitives::consortium::Consortium {
            consortium::view()
        }

        fn has_pending_work() -> bool {
            consortium::has_pending_work()
        }
    }

    impl pallet_parties::runtime_api::PartiesApi<Block> for Runtime {
        fn role(account: Account) -> Option<AccountRole> {
            Parties::role_of(&account)
        }

        fn party(party: PartyId) -> Option<PartyRecord> {
            Parties::party(&party)
        }

        fn parties() -> Vec<(PartyId, PartyRecord)> {
            Parties::parties()
        }

        fn gateways(party: PartyId) -> Vec<Account> {
            Parties::gateways(&party)
        }

        fn gateway(gateway: Account) -> Option<GatewayRecord> {
            Parties::gateway(&gateway)
        }

        fn consent_nonce(account: Account) -> u32 {
            Parties::consent_nonce(&account)
        }
    }

    impl pallet_validators::runtime_api::ValidatorsApi<Block> for Runtime {
        fn equivocations() -> Vec<streembit_primitives::consortium::Equivocation> {
            Validators::equivocations()
        }

        fn submit_block_report(
            first: <Block as BlockT>::Header,
            second: <Block as BlockT>::Header,
        ) -> Option<()> {
            // The pool does not say whether it takes a report.
            if !Validators::prove(&first, &second)? {
                return Some(());
            }
            let (first, second) = (Box::new(first), Box::new(second));
            submit(pallet_validators::Call::report_blocks { first, second })
        }
    }

    impl pallet_quotas::runtime_api::QuotasApi<Block> for Runtime {
        fn quota(account: Account) -> Option<streembit_primitives::consortium::QuotaStatus> {
            Quotas::quota(&account)
        }
    }

    impl pallet_devices::runtime_api::DevicesApi<Block> for Runtime {
        fn device(id: DeviceId) -> Option<DeviceRecord> {
            Devices::device(&id)
        }

        fn devices_of_gateway(gateway: Account) -> Vec<DeviceId> {
            Devices::devices_of_gateway(&gateway)
        }

        fn devices_of_owner(owner: PartyId) -> Vec<DeviceId> {
            Devices::devices_of_owner(&owner)
        }

        fn consent_nonce(key: PublicKey) -> u32 {
            Devices::consent_nonce(&key)
        }

        fn device_of_key(key: DeviceId) -> Option<DeviceId> {
            Devices::device_of_key(&key)
        }

        fn offer(device: DeviceId) -> Option<PartyId> {
            Devices::offer(&device)
        }
    }

    impl pallet_anchors::runtime_api::AnchorsApi<Block> for Runtime {
        fn latest(log: LogId) -> Option<Anchor> {
            Anchors::latest(&log)
        }

        fn anchored_root(log: LogId, size: u64) -> Option<AnchoredRoot> {
            Anchors::anchored_root(&log, size)
        }

        fn anchored_roots(log: LogId) -> Vec<AnchoredRoot> {
            Anchors::anchored_roots(&log)
        }

        fn epoch(gateway: Account) -> EpochState {
            Anchors::epoch(&gateway)
        }
    }

    impl pallet_service_contracts::runtime_api::ServiceContractsApi<Block> for Runtime {
        fn contract(id: ContractId) -> Option<ContractView> {
            ServiceContracts::contract(id)
        }

        fn contracts_of(party: PartyId) -> Vec<ContractId> {
            ServiceContracts::contracts_of(&party)
        }

        fn contracts_about(device: DeviceId) -> Vec<ContractId> {
            ServiceContracts::contracts_about(&device)
        }

        fn clauses(id: ContractId) -> Option<Vec<ClauseView>> {
            ServiceContracts::clauses(id)
        }

        fn claims(id: ContractId) -> Option<Vec<ClaimView>> {
            ServiceContracts::claims(id)
        }

        fn grants(device: DeviceId) -> Vec<Grant> {
            ServiceContracts::grants(&device)
        }

        fn grants_of(id: ContractId) -> Vec<Grant> {
            ServiceContracts::grants_of(id)
        }

        fn lineage() -> Hash {
            ServiceContracts::lineage()
        }

        fn live_time() -> u64 {
            ServiceContracts::live_time()
        }
    }

    #[cfg(feature = "try-runtime")]
    impl frame_try_runtime::TryRuntime<Block> for Runtime {
        fn on_runtime_upgrade(
            checks: frame_try_runtime::UpgradeCheckSelect,
        ) -> (frame_support::weights::Weight, frame_support::weights::Weight) {
            crate::try_runtime::upgrade(checks)
        }

        fn execute_block(
            block: <Block as BlockT>::LazyBlock,
            state_root_check: bool,
            signature_check: bool,
            try_state: frame_try_runtime::TryStateSelect,
        ) -> frame_support::weights::Weight {
            crate::try_runtime::execute_block(block, state_root_check, signature_check, try_state)
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    impl frame_benchmarking::Benchmark<Block> for Runtime {
        fn benchmark_metadata(
            extra: bool,
        ) -> (Vec<frame_benchmarking::BenchmarkList>, Vec<frame_support::traits::StorageInfo>) {
            crate::benchmarking::metadata(extra)
        }

        fn dispatch_benchmark(
            config: frame_benchmarking::BenchmarkConfig,
        ) -> Result<Vec<frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
            crate::benchmarking::dispatch(config)
        }
    }
}
