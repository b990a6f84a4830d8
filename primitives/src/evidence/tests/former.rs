//! The proofs of segments in logs that the device has left: each by a block of its own time.

use super::fixtures::{state, EvidenceSpec};
use super::{
    segments::{logs, Life},
    *,
};
use crate::checkpoint::Anchor;

/// The error of a block whose number is not above `before`.
fn order(role: BlockRole, number: u32, before: u32) -> EvidenceError {
    EvidenceError::Block { role, number: Some(number), error: HeaderError::Order { before } }
}

#[test]
fn each_segment_has_its_own_proof_and_head() {
    let [burnt, second, _] = logs();
    let mut missing = Life::new().make();
    missing.prelude.chain.former.remove(1);
    let count = EvidenceError::SegmentCount { segments: 3, proofs: 2, logs: 3 };
    assert_eq!(missing.verify(), Err(count));
    let states: [fn(&mut Evidence); 6] = [
        |e| e.prelude.chain.former[1].state.anchor = e.prelude.chain.former[0].state.anchor.clone(),
        |e| e.prelude.chain.former[1].state.anchor.checkpoint.size -= 1,
        |e| e.prelude.chain.former[1].state.device = e.prelude.chain.state.device.clone(),
        |e| e.prelude.chain.former[1].state.nodes = e.prelude.chain.state.nodes.clone(),
        // Both blocks are final, but each has its own state.
        |e| e.prelude.chain.former[1].state = e.prelude.chain.former[0].state.clone(),
        |e| e.prelude.chain.former[1].state = e.prelude.chain.state.clone(),
    ];
    for change in states {
        let mut evidence = Life::new().make();
        change(&mut evidence);
        assert_eq!(evidence.verify(), Err(EvidenceError::State { number: 15 }));
    }
    let mut swapped = Life::new().make();
    swapped.prelude.segments[1].head = swapped.prelude.segments[0].head.clone();
    assert_eq!(swapped.verify(), Err(EvidenceError::Head { log: second }));
    // The anchor was not accepted before the block that is said to prove it.
    let mut later = Life::new().make();
    let FormerProof { state: proof, .. } = later.prelude.chain.former[0].clone();
    let anchor = Anchor { block: 9, ..proof.anchor };
    let (device, genesis) = (later.prelude.device, later.prelude.genesis);
    let anchors = core::slice::from_ref(&anchor);
    let (root, nodes) = state(&genesis, anchors, &burnt, &device, &proof.device, 3);
    let proof = StateProof { anchor, nodes, ..proof };
    later.prelude.chain.former[0] = EvidenceSpec::default().former(8, root, proof);
    assert_eq!(later.verify(), Err(EvidenceError::Anchor { log: burnt }));
}

#[test]
fn a_former_segment_is_proven_by_a_block_and_the_voters_of_its_time() {
    let [burnt, second, third] = logs();
    // Also both segments at one height, and by the last block of a set.
    for (blocks, sets) in [([8, 15], [0, 1]), ([3, 3], [0, 0]), ([10, 20], [0, 1]), ([20, 29], [1, 2])] {
        let verified = Life { blocks, ..Life::new() }.make().verify().unwrap();
        let proven: Vec<_> = verified.segments.iter().map(|one| (&one.proven, one.anchored)).collect();
        let found: Vec<_> = proven.iter().map(|(one, at)| (one.block.number, one.set, *at)).collect();
        let [first, next] = blocks;
        assert_eq!(found, [(first, sets[0], first - 1), (next, sets[1], next - 1), (30, 2, 27)]);
        assert_eq!(*proven[2].0, verified.last);
        assert!(proven.iter().all(|(one, _)| one.signers.len() == 3));
    }
    // Not by voters of another time, who could have lost their keys since.
    let after = |changes| {
        let mut evidence = Life::new().make();
        evidence.prelude.chain.former[1].changes = changes;
        evidence.verify().unwrap_err()
    };
    let role = BlockRole::Former(second);
    let found = after(0);
    let is_named =
        matches!(found, EvidenceError::Finality { role: of, number: 15, set: 0, .. } if of == role);
    assert!(is_named, "{found}");
    assert_eq!(after(2), order(role, 15, 20));
    for changes in [3, u32::MAX] {
        assert_eq!(after(changes), EvidenceError::FormerSet { log: second, changes, known: 2 });
    }
    // The blocks are in the order of the segments, and none comes after the newest one.
    let error = Life { blocks: [15, 8], ..Life::new() }.error();
    assert_eq!(error, EvidenceError::FormerSet { log: second, changes: 0, known: 2 });
    assert_eq!(Life { blocks: [8, 7], ..Life::new() }.error(), order(role, 7, 7));
    // A block of a set after the set has ended, or after the newest block, signed by voters who should not have.
    let spec = EvidenceSpec::default();
    for (number, changes, role, named) in [(12, 0, BlockRole::Change(0), 10), (35, 2, BlockRole::Last, 30)] {
        let mut evidence = Life { segments: vec![(burnt, 0..=6), (third, 15..=16)], ..Life::new() }.make();
        let block = spec.signed_block(number, changes, Hash([4; 32]));
        let former = &mut evidence.prelude.chain.former[0];
        (former.changes, former.block) = (u32::from(changes), block);
        assert_eq!(evidence.verify(), Err(order(role, named, number - 1)));
    }
}

#[test]
fn a_state_of_another_chain_proves_no_former_segment() {
    // Two chains with the same voters. A block of the other one is as final as ours.
    let mut evidence = Life::new().make();
    let FormerProof { state: proof, .. } = evidence.prelude.chain.former[0].clone();
    let (other, device) = (Hash([0x9f; 32]), evidence.prelude.device);
    let anchors = core::slice::from_ref(&proof.anchor);
    let (root, nodes) = state(&other, anchors, &logs()[0], &device, &proof.device, 3);
    let proof = StateProof { nodes, ..proof };
    evidence.prelude.chain.former[0] = EvidenceSpec::default().former(8, root, proof);
    assert_eq!(evidence.verify(), Err(EvidenceError::State { number: 8 }));
}
