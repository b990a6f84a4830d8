//! That what is allowed fits into a block.

use crate::{configs::BLOCK_BYTES, Runtime, RuntimeCall};
use codec::MaxEncodedLen;
use frame_support::dispatch::{DispatchClass, GetDispatchInfo as _};
use frame_system::limits::BlockWeights;
use pallet_anchors::WeightInfo as _;
use pallet_consortium::WeightInfo as _;
use pallet_devices::WeightInfo as _;
use pallet_service_contracts::WeightInfo as _;
use streembit_primitives::{
    consortium::MAX_CODE, contract::Contract, device::DeviceKey, merkle::ConsistencyProof, proof::ReadingProof,
};

#[test]
fn many_of_every_call_fit_into_a_block() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let room = limits.get(DispatchClass::Normal).max_total.unwrap();
    type Contracts = pallet_service_contracts::weights::HandSet<Runtime>;
    let calls = [
        ("add_gateway", pallet_consortium::weights::HandSet::<Runtime>::add_gateway()),
        ("register", pallet_devices::weights::HandSet::<Runtime>::register()),
        ("anchor", pallet_anchors::weights::HandSet::<Runtime>::anchor()),
        ("propose", Contracts::propose()),
        ("accept", Contracts::accept()),
        ("report", Contracts::report()),
        ("record", Contracts::record()),
        ("confirm", Contracts::confirm()),
    ];
    type Consortium = pallet_consortium::weights::HandSet<Runtime>;
    for (name, weight) in
        [("propose", Consortium::propose()), ("vote", Consortium::vote()), ("enact", Consortium::enact())]
    {
        assert!(weight.saturating_mul(20).all_lte(room), "{name} weighs {weight:?} of {room:?}");
    }
    for (name, weight) in calls {
        assert!(weight.saturating_mul(50).all_lte(room), "{name} weighs {weight:?} of {room:?}");
        // A signature or a proof is never free, whatever the pallet's own default says.
        assert!(weight.ref_time() > 500_000_000, "{name} weighs only {weight:?}");
    }
}

#[test]
fn the_largest_arguments_fit_into_a_block() {
    let room = BLOCK_BYTES as usize / 2;
    for (name, bytes) in [
        ("contract", Contract::max_encoded_len()),
        ("reading proof", ReadingProof::max_encoded_len()),
        ("device key", DeviceKey::max_encoded_len()),
        ("consistency proof", ConsistencyProof::max_encoded_len()),
    ] {
        assert!(bytes < room, "a {name} has up to {bytes} bytes");
    }
}

#[test]
fn the_code_of_a_runtime_fits_into_a_block() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let call: RuntimeCall = frame_system::Call::apply_authorized_upgrade { code: Vec::new() }.into();
    let info = call.get_dispatch_info();
    let room = limits.get(info.class).max_extrinsic.unwrap();
    assert!(info.call_weight.all_lte(room), "{:?} of {room:?}", info.call_weight);
    assert!(MAX_CODE < BLOCK_BYTES / 8 * 7, "no room for what else a block needs");
    let ours = crate::WASM_BINARY.map_or(0, <[u8]>::len);
    assert!(ours < MAX_CODE as usize, "this runtime's own code has {ours} bytes");
}
