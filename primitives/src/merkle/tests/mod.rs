use super::*;
use crate::Hash;
use proptest::prelude::*;
use std::collections::HashMap;

mod ct_merkle;

/// A node store in memory.
#[derive(Default)]
pub(super) struct MemoryStore(pub(super) HashMap<NodeId, Hash>);

impl NodeStore for MemoryStore {
    type Error = MissingNodeError;

    fn node(&self, id: NodeId) -> Result<Hash, MissingNodeError> {
        self.0.get(&id).copied().ok_or(MissingNodeError(id))
    }
}

/// The digest of an entry.
fn digest(n: u64) -> Hash {
    Hash(Sha2::sha256(&n.to_le_bytes()))
}

fn leaf(n: u64) -> Hash {
    leaf_hash(&digest(n))
}

fn log(size: u64) -> (MemoryStore, Frontier) {
    let (mut memory, mut frontier) = (MemoryStore::default(), Frontier::new());
    for n in 0..size {
        frontier.append(leaf(n), |node| {
            memory.0.insert(node.id, node.hash);
        });
    }
    (memory, frontier)
}

#[test]
fn split_point_is_the_largest_power_of_two_below() {
    for (size, expected) in [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (MAX_LOG_SIZE, MAX_LOG_SIZE / 2)]
    {
        assert_eq!(split_point(size), expected, "{size}");
    }
}

#[test]
fn every_proof_of_a_small_log_verifies_only_for_its_own_index() {
    let (memory, _) = log(33);
    for size in 1..=33u64 {
        let tree = Tree::new(&memory, size);
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        let root = tree.root().unwrap();
        assert_eq!(root, root_of_leaves(LOG_TREE, &leaves), "{size}");
        for index in 0..size {
            let proof = tree.prove_inclusion(index).unwrap();
            assert_eq!(proof.path(), path_of_leaf(LOG_TREE, &leaves, index).unwrap());
            for other in 0..size {
                assert_eq!(
                    proof.verify(leaf(index), other, size, &root),
                    other == index,
                    "{index} as {other} of {size}"
                );
            }
            assert!(!proof.verify(leaf(index + 1), index, size, &root));
        }
        for old in 0..=size {
            let old_root = Tree::new(&memory, old).root().unwrap();
            let proof = tree.prove_consistency(old).unwrap();
            assert!(proof.verify(old, &old_root, size, &root), "{old} to {size}");
            if old != 0 && old != size {
                assert!(!proof.verify(old, &root, size, &old_root));
                assert!(!proof.verify(old, &old_root, size, &leaf(1000)));
                assert!(!proof.verify(old, &leaf(1000), size, &root));
            }
        }
    }
}

#[test]
fn a_log_never_extends_a_larger_one() {
    let (memory, frontier) = log(8);
    let proof = Tree::new(&memory, 8).prove_consistency(5).unwrap();
    assert!(!proof.verify(8, &frontier.root(), 5, &Tree::new(&memory, 5).root().unwrap()));
    assert_eq!(
        Tree::new(&memory, 5).prove_consistency(6).unwrap_err(),
        TreeError::OutOfRange { asked: 6, size: 5 }
    );
}

#[test]
fn the_empty_log_has_one_root() {
    let (memory, frontier) = log(0);
    let empty = Tree::new(&memory, 0).root().unwrap();
    assert_eq!(empty, frontier.root());
    assert!(ConsistencyProof::default().verify(0, &empty, 5, &leaf(1)));
    assert!(!ConsistencyProof::default().verify(0, &leaf(3), 5, &leaf(1)));
    assert!(Tree::new(&memory, 0).prove_inclusion(0).is_err());
}

proptest! {
    #[test]
    fn the_frontier_agrees_with_the_stored_nodes(size in 0u64..300) {
        let (memory, frontier) = log(size);
        prop_assert_eq!(frontier.root(), Tree::new(&memory, size).root().unwrap());
        let peaks: Vec<Hash> = Frontier::peak_ids(size).map(|id| memory.node(id).unwrap()).collect();
        prop_assert_eq!(Frontier::from_peaks(size, peaks.clone()).unwrap(), frontier);
        prop_assert!(Frontier::from_peaks(size + 1, peaks).is_err() || size.count_ones() == (size + 1).count_ones());
    }

    #[test]
    fn proofs_of_larger_logs_verify_and_break_with_any_changed_bit(size in 2u64..600, a in any::<u64>(), b in any::<u64>(), flip in any::<u16>()) {
        let (memory, frontier) = log(size);
        let (index, old) = (a % size, 1 + b % (size - 1));
        let (root, old_root) = (frontier.root(), Tree::new(&memory, old).root().unwrap());
        let tree = Tree::new(&memory, size);
        let inclusion = tree.prove_inclusion(index).unwrap();
        let consistency = tree.prove_consistency(old).unwrap();
        prop_assert!(inclusion.verify(leaf(index), index, size, &root));
        prop_assert!(consistency.verify(old, &old_root, size, &root));

        let bend = |path: &[Hash]| {
            let mut path = path.to_vec();
            let bit = usize::from(flip) % (path.len() * 256);
            path[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
            path
        };
        prop_assert!(!InclusionProof::new(bend(inclusion.path())).verify(leaf(index), index, size, &root));
        prop_assert!(!ConsistencyProof::new(bend(consistency.path())).verify(old, &old_root, size, &root));

        let longer = |path: &[Hash]| [path, &[leaf(0)]].concat();
        let shorter = |path: &[Hash]| path[..path.len() - 1].to_vec();
        prop_assert!(!InclusionProof::new(longer(inclusion.path())).verify(leaf(index), index, size, &root));
        prop_assert!(!InclusionProof::new(shorter(inclusion.path())).verify(leaf(index), index, size, &root));
        prop_assert!(!ConsistencyProof::new(longer(consistency.path())).verify(old, &old_root, size, &root));
        prop_assert!(!ConsistencyProof::new(shorter(consistency.path())).verify(old, &old_root, size, &root));
    }
}

/// The fewest complete subtrees that cover a range of a log.
fn cover(start: u64, end: u64) -> Vec<NodeId> {
    let (mut at, mut nodes) = (start, Vec::new());
    while at < end {
        let level =
            (0..62u8).take_while(|level| at % (1 << level) == 0 && at + (1 << level) <= end).last().unwrap();
        nodes.push(NodeId { level, index: at >> level });
        at += 1 << level;
    }
    nodes
}

proptest! {
    #[test]
    fn a_log_of_subtrees_and_leaves_is_the_log_of_its_leaves(
        size in 1u64..300,
        places in proptest::collection::btree_set(0u64..300, 0..12),
    ) {
        let (memory, honest) = log(size);
        let (mut frontier, mut completed) = (Frontier::new(), Vec::new());
        for end in places.into_iter().filter(|place| *place < size).chain([size]) {
            for id in cover(frontier.size(), end) {
                frontier.append_subtree(id.level, memory.0[&id], |node| completed.push(node)).unwrap();
            }
            if end < size {
                frontier.append(leaf(end), |node| completed.push(node));
            }
        }
        prop_assert_eq!(frontier, honest);
        for node in completed {
            prop_assert_eq!(memory.0[&node.id], node.hash);
        }
    }

    #[test]
    fn a_subtree_is_accepted_only_where_it_is_aligned(size in 0u64..200, level in 0u8..70) {
        let (_, mut frontier) = log(size);
        let before = frontier.clone();
        let aligned = level < 62 && size % (1 << level) == 0;
        let taken = frontier.append_subtree(level, Hash([7; 32]), |_| {});
        // At size 0 even the largest log is one subtree.
        let largest = size == 0 && level == 62;
        prop_assert_eq!(taken.is_ok(), aligned || largest);
        if taken.is_err() {
            prop_assert_eq!(taken, Err(AlignmentError { size, level }));
            prop_assert_eq!(frontier, before);
        }
    }
}
