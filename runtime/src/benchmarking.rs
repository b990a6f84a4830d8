//! The pallets' benchmarks on this runtime.

use crate::{AllPalletsWithSystem, Anchors, Consortium, Devices, Runtime, ServiceContracts};
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{define_benchmarks, BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};
use streembit_primitives::{consortium::Membership, AccountId};

define_benchmarks!(
    [pallet_consortium, Consortium]
    [pallet_devices, Devices]
    [pallet_anchors, Anchors]
    [pallet_service_contracts, ServiceContracts]
);

/// Makes accounts parties and gateways, as the genesis or a party would.
pub struct Vouching;

/// Whose gateways those are.
const PARTY: AccountId = AccountId([0xfe; 32]);

impl pallet_devices::benchmarking::Helper for Vouching {
    fn add_party(account: AccountId) {
        pallet_consortium::Parties::<Runtime>::insert(account, Membership::default());
    }

    fn add_gateway(account: AccountId) {
        <Self as pallet_devices::benchmarking::Helper>::add_party(PARTY);
        pallet_consortium::Gateways::<Runtime>::insert(account, PARTY);
        pallet_consortium::GatewaysOf::<Runtime>::insert(PARTY, account, ());
    }
}

impl pallet_anchors::benchmarking::Helper for Vouching {
    fn add_gateway(account: AccountId) {
        <Self as pallet_devices::benchmarking::Helper>::add_gateway(account);
    }
}

/// Which benchmarks there are, and what the pallets store.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs what a configuration names.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}
