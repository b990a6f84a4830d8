//! The benchmarks of our pallets on this runtime.

use crate::{
    configs::MAX_VALIDATORS, AllPalletsWithSystem, Anchors, Council, Devices, Parties, Quotas, Runtime,
    RuntimeCall, ServiceContracts, Validators,
};
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{define_benchmarks, BenchmarkBatch, BenchmarkConfig, BenchmarkError, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};
use streembit_primitives::{
    consortium::{Change, Membership, Quota},
    AccountId, GatewayRecord,
};

define_benchmarks!(
    [pallet_parties, Parties]
    [pallet_validators, Validators]
    [pallet_quotas, Quotas]
    [pallet_council, Council]
    [pallet_devices, Devices]
    [pallet_anchors, Anchors]
    [pallet_service_contracts, ServiceContracts]
);

/// Prepares the other pallets for the benchmarks of one.
pub struct BenchmarkSetup;

/// The party of the gateways that `pallet-devices` and `pallet-anchors` ask for.
const PARTY: AccountId = AccountId([0xfe; 32]);
/// The party that is removed in the benchmarks of the council. No validator belongs to it.
const LEAVING: AccountId = AccountId([3; 32]);
/// A party that left. Its gateways belong to nobody.
const FORMER: AccountId = AccountId([5; 32]);

fn add_party(account: AccountId) {
    pallet_parties::Parties::<Runtime>::insert(account, Membership::default());
}

fn add_gateway(gateway: AccountId, party: AccountId) {
    add_party(party);
    let record = GatewayRecord { party, log_key: pallet_parties::benchmarking::LOG_KEY };
    pallet_parties::Gateways::<Runtime>::insert(gateway, record);
    pallet_parties::GatewaysOf::<Runtime>::insert(party, gateway, ());
}

/// Stores as many validators and equivocations as possible, and a party with a quota that spent some of it.
fn fill(party: AccountId) -> Result<(), BenchmarkError> {
    pallet_validators::benchmarking::fill::<Runtime>(MAX_VALIDATORS)?;
    add_party(party);
    pallet_quotas::Quotas::<Runtime>::insert(party, Quota::default());
    pallet_quotas::Spent::<Runtime>::insert(party, (0u64, Quota::default()));
    Ok(())
}

impl pallet_parties::benchmarking::Helper for BenchmarkSetup {
    fn fill(party: AccountId) {
        // If this fails, so does the benchmark of the validators.
        let _ = fill(party);
        let _ = pallet_council::benchmarking::fill::<Runtime>(true);
    }
}

impl pallet_validators::benchmarking::Helper for BenchmarkSetup {
    fn add_gateway(gateway: AccountId, party: AccountId) {
        add_gateway(gateway, party);
    }
}

impl pallet_quotas::benchmarking::Helper<RuntimeCall> for BenchmarkSetup {
    fn worst_call() -> Result<(AccountId, RuntimeCall), BenchmarkError> {
        fill(LEAVING)?;
        let change = Change::RemoveParty(LEAVING);
        let (member, call) = pallet_council::benchmarking::second_vote::<Runtime>(change)?;
        let payer = AccountId(member.into());
        let record = GatewayRecord { party: FORMER, log_key: pallet_parties::benchmarking::LOG_KEY };
        pallet_parties::Gateways::<Runtime>::insert(payer, record);
        Ok((payer, call.into()))
    }
}

impl pallet_council::benchmarking::Helper for BenchmarkSetup {
    fn worst_removal() -> Result<AccountId, BenchmarkError> {
        fill(LEAVING)?;
        Ok(LEAVING)
    }
}

impl pallet_devices::benchmarking::Helper for BenchmarkSetup {
    fn add_party(account: AccountId) {
        add_party(account);
    }

    fn add_gateway(account: AccountId) {
        add_gateway(account, PARTY);
    }
}

impl pallet_anchors::benchmarking::Helper for BenchmarkSetup {
    fn add_gateway(account: AccountId) {
        add_gateway(account, PARTY);
    }
}

/// Returns the list of benchmarks, and the storage items of the pallets.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs the benchmark that a configuration names.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}
