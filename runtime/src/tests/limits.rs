//! That what is allowed fits into a block.

use crate::{
    configs::{MaxProposalWeight, BLOCK_BYTES, MAX_VALIDATORS},
    weights, Runtime, RuntimeCall,
};
use codec::MaxEncodedLen;
use frame_support::{
    dispatch::{DispatchClass, GetDispatchInfo as _},
    weights::Weight,
};
use frame_system::limits::BlockWeights;
use pallet_anchors::WeightInfo as _;
use pallet_consortium::WeightInfo as _;
use pallet_devices::WeightInfo as _;
use pallet_service_contracts::WeightInfo as _;
use streembit_primitives::{
    consortium::MAX_RUNTIME_CODE_BYTES,
    contract::{Contract, MAX_CLAUSES, MAX_DEVICES, MAX_PARTIES},
    device::DeviceKey,
    merkle::{ConsistencyProof, MAX_PROOF_HASHES},
    reading_proof::ReadingProof,
};

/// Every call of ours at its worst, as this runtime weighs it.
fn calls() -> Vec<(&'static str, Weight)> {
    vec![
        ("consortium.add_gateway", weights::Consortium::add_gateway()),
        ("consortium.remove_gateway", weights::Consortium::remove_gateway()),
        ("consortium.propose", weights::Consortium::propose()),
        ("consortium.vote", weights::Consortium::vote()),
        ("consortium.enact", weights::Consortium::enact()),
        ("consortium.leave_validators", weights::Consortium::leave_validators()),
        ("consortium.leave", weights::Consortium::leave()),
        ("consortium.report_votes", weights::Consortium::report_votes()),
        ("consortium.report_blocks", weights::Consortium::report_blocks()),
        ("devices.register", weights::Devices::register()),
        ("anchors.anchor", weights::Anchors::anchor(MAX_PROOF_HASHES)),
        (
            "serviceContracts.propose",
            weights::ServiceContracts::propose(MAX_PARTIES, MAX_DEVICES, MAX_CLAUSES),
        ),
        ("serviceContracts.accept", weights::ServiceContracts::accept()),
        ("serviceContracts.report", weights::ServiceContracts::report()),
        ("serviceContracts.record", weights::ServiceContracts::record()),
        ("serviceContracts.confirm", weights::ServiceContracts::confirm()),
    ]
}

/// What a signed extrinsic takes beside its call.
fn beside(limits: &BlockWeights) -> Weight {
    limits.get(DispatchClass::Normal).base_extrinsic.saturating_add(weights::Consortium::spend_quota())
}

#[test]
fn every_call_at_its_worst_fits_into_a_block_with_others() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let normal = limits.get(DispatchClass::Normal);
    let (room, most) = (normal.max_total.unwrap(), normal.max_extrinsic.unwrap());
    for (name, weight) in calls() {
        assert!(weight.all_lte(most), "{name} weighs {weight:?}, more than {most:?}, what one extrinsic may");
        let whole = weight.saturating_add(beside(&limits));
        assert!(whole.saturating_mul(5).all_lte(room), "{name} weighs {whole:?} of {room:?}");
    }
}

/// What is submitted every day comes in numbers: a quota's worth and many parties' in one block.
#[test]
fn many_of_the_everyday_calls_fit_into_a_block() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let room = limits.get(DispatchClass::Normal).max_total.unwrap();
    // A log of a million entries has proofs of up to 21 hashes; a service book has two parties, one device and two clauses.
    for (name, weight) in [
        ("anchors.anchor", weights::Anchors::anchor(21)),
        ("consortium.add_gateway", weights::Consortium::add_gateway()),
        ("devices.register", weights::Devices::register()),
        ("serviceContracts.propose", weights::ServiceContracts::propose(2, 1, 2)),
        ("serviceContracts.report", weights::ServiceContracts::report()),
    ] {
        let whole = weight.saturating_add(beside(&limits));
        assert!(whole.saturating_mul(40).all_lte(room), "{name} weighs {whole:?} of {room:?}");
    }
}

#[test]
fn no_check_of_a_signature_or_a_proof_is_free() {
    let least = Weight::from_parts(200_000_000, 0);
    for (name, weight) in [
        ("consortium.add_gateway", weights::Consortium::add_gateway()),
        ("consortium.report_votes", weights::Consortium::report_votes()),
        ("consortium.report_blocks", weights::Consortium::report_blocks()),
        ("devices.register", weights::Devices::register()),
        ("anchors.anchor", weights::Anchors::anchor(MAX_PROOF_HASHES)),
        ("serviceContracts.report", weights::ServiceContracts::report()),
        ("serviceContracts.record", weights::ServiceContracts::record()),
    ] {
        assert!(least.all_lte(weight), "{name} weighs only {weight:?}");
    }
    let (short, long) = (weights::Anchors::anchor(3), weights::Anchors::anchor(MAX_PROOF_HASHES));
    assert!(short.ref_time() < long.ref_time(), "a longer proof weighs no more: {short:?}, {long:?}");
}

#[test]
fn what_a_block_begins_with_and_what_the_council_decides_leave_room() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let begin = weights::Consortium::on_initialize(MAX_VALIDATORS).saturating_add(limits.base_block);
    assert!(begin.saturating_mul(10).all_lte(limits.max_block), "{begin:?} of {:?}", limits.max_block);
    let decided = weights::Consortium::enact();
    assert!(decided.all_lte(MaxProposalWeight::get()), "the council cannot decide {decided:?}");
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

// An eighth of a block is left for what else it needs.
const _: () = assert!(MAX_RUNTIME_CODE_BYTES < BLOCK_BYTES / 8 * 7);

#[test]
fn the_code_of_a_runtime_fits_into_a_block() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let call: RuntimeCall =
        frame_system::Call::apply_authorized_upgrade { code: alloc::vec::Vec::new() }.into();
    let info = call.get_dispatch_info();
    let room = limits.get(info.class).max_extrinsic.unwrap();
    assert!(info.call_weight.all_lte(room), "{:?} of {room:?}", info.call_weight);
    let ours = crate::WASM_BINARY.map_or(0, <[u8]>::len);
    assert!(ours < MAX_RUNTIME_CODE_BYTES as usize, "this runtime's own code has {ours} bytes");
}
