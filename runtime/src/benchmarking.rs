//! The benchmarks of our pallets on this runtime.

use crate::{
    configs::MAX_VALIDATORS, AllPalletsWithSystem, Anchors, Council, Devices, Parties, Quotas, Runtime,
    RuntimeCall, ServiceContracts, Validators,
};
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{define_benchmarks, BenchmarkBatch, BenchmarkConfig, BenchmarkError, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};
use streembit_primitives::{
    consortium::{Change, Quota},
    party::MAX_ACCOUNTS,
    AccountId, Checkpoint, LogId, PartyId,
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

/// The party of the gateways that `pallet-devices` asks for.
const PARTY: PartyId = PartyId([0xfe; 32]);
/// The party that is removed in the benchmarks of the council. No validator belongs to it.
const LEAVING: PartyId = PartyId([3; 32]);

/// Adds a party with as many accounts as possible, and returns the account that is found last.
fn add_party(party: PartyId) -> AccountId {
    pallet_parties::benchmarking::insert_party::<Runtime>(party, MAX_ACCOUNTS);
    pallet_parties::benchmarking::last_account(party)
}

fn add_gateway(gateway: AccountId, party: PartyId) {
    if !pallet_parties::Parties::<Runtime>::contains_key(party) {
        add_party(party);
    }
    pallet_parties::benchmarking::insert_gateway::<Runtime>(gateway, party);
}

/// Stores as many validators and equivocations as possible, and a party with a quota that spent some of it.
fn fill(party: PartyId) -> Result<(), BenchmarkError> {
    pallet_validators::benchmarking::fill::<Runtime>(MAX_VALIDATORS)?;
    add_party(party);
    pallet_quotas::Quotas::<Runtime>::insert(party, Quota::default());
    pallet_quotas::Spent::<Runtime>::insert(party, (0u64, Quota::default()));
    Ok(())
}

impl pallet_parties::benchmarking::Helper for BenchmarkSetup {
    fn fill(party: PartyId) {
        // If this fails, so does the benchmark of the validators.
        let _ = fill(party);
        let _ = pallet_council::benchmarking::fill::<Runtime>(true);
    }
}

impl pallet_validators::benchmarking::Helper for BenchmarkSetup {
    fn add_gateway(gateway: AccountId, party: PartyId) {
        add_gateway(gateway, party);
    }
}

impl pallet_quotas::benchmarking::Helper<RuntimeCall> for BenchmarkSetup {
    fn worst_call() -> Result<(AccountId, RuntimeCall), BenchmarkError> {
        fill(LEAVING)?;
        let change = Change::RemoveParty(LEAVING);
        let (account, call) = pallet_council::benchmarking::second_vote::<Runtime>(change)?;
        Ok((account, call.into()))
    }
}

impl pallet_council::benchmarking::Helper for BenchmarkSetup {
    fn worst_removal() -> Result<PartyId, BenchmarkError> {
        fill(LEAVING)?;
        Ok(LEAVING)
    }

    fn add_party(party: PartyId) -> AccountId {
        add_party(party)
    }
}

impl pallet_devices::benchmarking::Helper for BenchmarkSetup {
    fn add_party(party: PartyId) -> AccountId {
        add_party(party)
    }

    fn add_gateway(account: AccountId) {
        add_gateway(account, PARTY);
    }

    fn open_log(log: LogId) {
        pallet_devices::benchmarking::open_log::<Runtime>(log);
    }

    fn anchor(checkpoint: Checkpoint) {
        pallet_devices::benchmarking::anchor::<Runtime>(checkpoint);
    }
}

impl pallet_anchors::benchmarking::Helper for BenchmarkSetup {
    fn add_gateway(account: AccountId, party: PartyId) -> AccountId {
        add_gateway(account, party);
        pallet_parties::benchmarking::last_account(party)
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
