//! Everything that is allowed fits into a block.

use crate::{
    configs::{MaxProposalWeight, BLOCK_BYTES, MAX_VALIDATORS},
    weights, Runtime, RuntimeCall, SessionKeys,
};
use codec::MaxEncodedLen;
use frame_support::{
    dispatch::{DispatchClass, GetDispatchInfo as _},
    weights::Weight,
};
use frame_system::limits::BlockWeights;
use pallet_anchors::WeightInfo as _;
use pallet_council::WeightInfo as _;
use pallet_devices::WeightInfo as _;
use pallet_parties::WeightInfo as _;
use pallet_quotas::WeightInfo as _;
use pallet_service_contracts::WeightInfo as _;
use pallet_session::weights::WeightInfo as _;
use pallet_validators::WeightInfo as _;
use streembit_primitives::{
    consortium::MAX_RUNTIME_CODE_BYTES,
    contract::{state::ClaimEvidence, ContractContent, MAX_CLAUSES, MAX_DEVICES, MAX_PARTIES},
    device::{DeviceKey, LastAnchored},
    merkle::{ConsistencyProof, MAX_PROOF_HASHES},
    reading_proof::ReadingProof,
};

/// Returns the highest weight of every call of our pallets.
fn calls() -> Vec<(&'static str, Weight)> {
    vec![
        ("parties.add_gateway", weights::parties::WeightInfo::<Runtime>::add_gateway()),
        ("parties.remove_gateway", weights::parties::WeightInfo::<Runtime>::remove_gateway()),
        ("parties.add_account", weights::parties::WeightInfo::<Runtime>::add_account()),
        ("parties.remove_account", weights::parties::WeightInfo::<Runtime>::remove_account()),
        ("parties.set_encryption_key", weights::parties::WeightInfo::<Runtime>::set_encryption_key()),
        (
            "council.propose_members",
            weights::council::WeightInfo::<Runtime>::propose_members()
                .saturating_add(weights::council::WeightInfo::<Runtime>::decision()),
        ),
        ("council.enact_members", weights::council::WeightInfo::<Runtime>::enact_members()),
        ("council.propose", weights::council::WeightInfo::<Runtime>::propose()),
        ("council.vote", weights::council::WeightInfo::<Runtime>::deciding_vote()),
        ("council.enact", weights::council::WeightInfo::<Runtime>::enact()),
        ("session.set_keys", weights::sdk::SessionWeight::<Runtime>::set_keys()),
        ("validators.leave", weights::validators::WeightInfo::<Runtime>::leave()),
        ("parties.leave", weights::parties::WeightInfo::<Runtime>::leave()),
        ("validators.report_votes", weights::validators::WeightInfo::<Runtime>::report_votes()),
        ("validators.report_blocks", weights::validators::WeightInfo::<Runtime>::report_blocks()),
        ("devices.register", weights::devices::WeightInfo::<Runtime>::register()),
        ("devices.rotate_key", weights::devices::WeightInfo::<Runtime>::rotate_key()),
        ("devices.recover_key", weights::devices::WeightInfo::<Runtime>::recover_key()),
        ("devices.reassign", weights::devices::WeightInfo::<Runtime>::reassign()),
        ("devices.declare_lost", weights::devices::WeightInfo::<Runtime>::declare_lost()),
        ("devices.transfer", weights::devices::WeightInfo::<Runtime>::transfer()),
        ("devices.accept", weights::devices::WeightInfo::<Runtime>::accept()),
        ("devices.set_state", weights::devices::WeightInfo::<Runtime>::set_state()),
        ("anchors.anchor", weights::anchors::WeightInfo::<Runtime>::anchor(MAX_PROOF_HASHES)),
        ("anchors.close_epoch", weights::anchors::WeightInfo::<Runtime>::close_epoch()),
        ("anchors.open_epoch", weights::anchors::WeightInfo::<Runtime>::open_epoch()),
        (
            "serviceContracts.propose",
            weights::service_contracts::WeightInfo::<Runtime>::propose(MAX_PARTIES, MAX_DEVICES, MAX_CLAUSES),
        ),
        ("serviceContracts.accept", weights::service_contracts::WeightInfo::<Runtime>::accept()),
        ("serviceContracts.reject", weights::service_contracts::WeightInfo::<Runtime>::reject()),
        ("serviceContracts.amend", weights::service_contracts::WeightInfo::<Runtime>::amend()),
        ("serviceContracts.terminate", weights::service_contracts::WeightInfo::<Runtime>::terminate()),
        ("serviceContracts.prune", weights::service_contracts::WeightInfo::<Runtime>::prune()),
        ("serviceContracts.report", weights::service_contracts::WeightInfo::<Runtime>::report()),
        ("serviceContracts.record", weights::service_contracts::WeightInfo::<Runtime>::record()),
        ("serviceContracts.claim", weights::service_contracts::WeightInfo::<Runtime>::claim(2)),
        ("serviceContracts.confirm", weights::service_contracts::WeightInfo::<Runtime>::confirm()),
        ("serviceContracts.contest", weights::service_contracts::WeightInfo::<Runtime>::contest()),
        ("serviceContracts.retract", weights::service_contracts::WeightInfo::<Runtime>::retract()),
        ("serviceContracts.refute", weights::service_contracts::WeightInfo::<Runtime>::refute()),
        ("serviceContracts.settle", weights::service_contracts::WeightInfo::<Runtime>::settle()),
        ("serviceContracts.hand_over", weights::service_contracts::WeightInfo::<Runtime>::hand_over()),
        ("serviceContracts.revoke", weights::service_contracts::WeightInfo::<Runtime>::revoke()),
        ("serviceContracts.prune_claim", weights::service_contracts::WeightInfo::<Runtime>::prune_claim()),
    ]
}

/// Returns the weight of a signed extrinsic without its call.
fn beside(limits: &BlockWeights) -> Weight {
    limits
        .get(DispatchClass::Normal)
        .base_extrinsic
        .saturating_add(weights::quotas::WeightInfo::<Runtime>::spend_quota())
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

/// Everyday calls come in large numbers: those of many parties fit into one block.
#[test]
fn many_of_the_everyday_calls_fit_into_a_block() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let room = limits.get(DispatchClass::Normal).max_total.unwrap();
    // The proofs of a log of a million entries have up to 21 hashes. A service book has two parties, one device and two
    // clauses.
    for (name, weight) in [
        ("anchors.anchor", weights::anchors::WeightInfo::<Runtime>::anchor(21)),
        ("parties.add_gateway", weights::parties::WeightInfo::<Runtime>::add_gateway()),
        ("devices.register", weights::devices::WeightInfo::<Runtime>::register()),
        ("serviceContracts.propose", weights::service_contracts::WeightInfo::<Runtime>::propose(2, 1, 2)),
        ("serviceContracts.report", weights::service_contracts::WeightInfo::<Runtime>::report()),
    ] {
        let whole = weight.saturating_add(beside(&limits));
        assert!(whole.saturating_mul(40).all_lte(room), "{name} weighs {whole:?} of {room:?}");
    }
}

#[test]
fn no_check_of_a_signature_or_a_proof_is_free() {
    let least = Weight::from_parts(200_000_000, 0);
    for (name, weight) in [
        ("parties.add_gateway", weights::parties::WeightInfo::<Runtime>::add_gateway()),
        ("parties.add_account", weights::parties::WeightInfo::<Runtime>::add_account()),
        ("validators.report_votes", weights::validators::WeightInfo::<Runtime>::report_votes()),
        ("validators.report_blocks", weights::validators::WeightInfo::<Runtime>::report_blocks()),
        ("devices.register", weights::devices::WeightInfo::<Runtime>::register()),
        ("devices.rotate_key", weights::devices::WeightInfo::<Runtime>::rotate_key()),
        ("devices.recover_key", weights::devices::WeightInfo::<Runtime>::recover_key()),
        ("devices.reassign", weights::devices::WeightInfo::<Runtime>::reassign()),
        ("devices.declare_lost", weights::devices::WeightInfo::<Runtime>::declare_lost()),
        ("anchors.anchor", weights::anchors::WeightInfo::<Runtime>::anchor(MAX_PROOF_HASHES)),
        ("serviceContracts.report", weights::service_contracts::WeightInfo::<Runtime>::report()),
        ("serviceContracts.record", weights::service_contracts::WeightInfo::<Runtime>::record()),
        ("serviceContracts.claim", weights::service_contracts::WeightInfo::<Runtime>::claim(1)),
        ("serviceContracts.refute", weights::service_contracts::WeightInfo::<Runtime>::refute()),
        ("serviceContracts.hand_over", weights::service_contracts::WeightInfo::<Runtime>::hand_over()),
    ] {
        assert!(least.all_lte(weight), "{name} weighs only {weight:?}");
    }
    let (short, long) = (
        weights::anchors::WeightInfo::<Runtime>::anchor(3),
        weights::anchors::WeightInfo::<Runtime>::anchor(MAX_PROOF_HASHES),
    );
    assert!(short.ref_time() < long.ref_time(), "a longer proof weighs no more: {short:?}, {long:?}");
}

#[test]
fn setting_session_keys_weighs_the_checks_of_two_proofs() {
    let key = [1; 32];
    let keys = SessionKeys {
        aura: sp_core::sr25519::Public::from_raw(key).into(),
        grandpa: sp_core::ed25519::Public::from_raw(key).into(),
    };
    let call: RuntimeCall = pallet_session::Call::set_keys { keys, proof: alloc::vec::Vec::new() }.into();
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    // The base weight of an extrinsic contains the check of one signature.
    let proofs = limits.get(DispatchClass::Normal).base_extrinsic.saturating_mul(2);
    let storage = pallet_session::weights::SubstrateWeight::<Runtime>::set_keys();
    let weight = call.get_dispatch_info().call_weight;
    assert!(proofs.saturating_add(storage).all_lte(weight), "{weight:?}");
}

#[test]
fn the_start_of_a_block_and_a_decision_of_the_council_leave_room() {
    let limits: BlockWeights = <Runtime as frame_system::Config>::BlockWeights::get();
    let begin = weights::validators::WeightInfo::<Runtime>::on_initialize(MAX_VALIDATORS)
        .saturating_add(limits.base_block);
    assert!(begin.saturating_mul(10).all_lte(limits.max_block), "{begin:?} of {:?}", limits.max_block);
    let decided = weights::council::WeightInfo::<Runtime>::decision();
    assert!(decided.all_lte(MaxProposalWeight::get()), "the council cannot decide {decided:?}");
}

#[test]
fn the_largest_arguments_fit_into_a_block() {
    let room = BLOCK_BYTES as usize / 2;
    for (name, bytes) in [
        ("contract", ContractContent::max_encoded_len()),
        ("evidence of a claim", ClaimEvidence::max_encoded_len()),
        ("reading proof", ReadingProof::max_encoded_len()),
        ("device key", DeviceKey::max_encoded_len()),
        ("proof of the last event", LastAnchored::max_encoded_len()),
        ("consistency proof", ConsistencyProof::max_encoded_len()),
    ] {
        assert!(bytes < room, "a {name} has up to {bytes} bytes");
    }
}

// An eighth of a block is left for everything else.
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
