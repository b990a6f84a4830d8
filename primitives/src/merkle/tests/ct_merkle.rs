//! Cross-checks a log's tree against `ct-merkle`, an independent implementation of RFC 6962 (the tree of RFC 9162) with
//! SHA-256: it verifies our proofs, and we verify its proofs.

use super::{super::*, digest, leaf, MemoryStore};
use crate::Hash;
use ct_merkle::{
    mem_backed_tree::MemoryBackedTree, ConsistencyProof as TheirConsistency,
    InclusionProof as TheirInclusion, RootHash,
};
use sha2_next::Sha256;

type Their = MemoryBackedTree<Sha256, [u8; 32]>;

const MAX_SIZE: u64 = 40;

/// Returns both trees over the same leaves.
fn both(size: u64) -> (Their, MemoryStore) {
    let (mut their, mut ours, mut frontier) = (Their::new(), MemoryStore::default(), Frontier::new());
    for n in 0..size {
        their.push(digest(n).0);
        frontier.append(leaf(n), |node| {
            ours.0.insert(node.id, node.hash);
        });
    }
    (their, ours)
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(32).map(|hash| Hash(hash.try_into().unwrap())).collect()
}

fn bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn root(tree: &Tree<'_, MemoryStore>, size: u64) -> RootHash<Sha256> {
    RootHash::new(tree.root().unwrap().0.into(), size)
}

#[test]
fn roots_and_inclusion_agree() {
    for size in 1..=MAX_SIZE {
        let (their, ours) = both(size);
        let tree = Tree::new(&ours, size);
        let (our_root, their_root) = (tree.root().unwrap(), their.root());
        assert_eq!(our_root.0[..], their_root.as_bytes()[..], "{size}");
        for index in 0..size {
            let ours = tree.prove_inclusion(index).unwrap();
            let theirs_from_ours = TheirInclusion::from_bytes(bytes(ours.path()));
            let data = digest(index).0;
            assert!(
                root(&tree, size).verify_inclusion(&data, index, &theirs_from_ours).is_ok(),
                "{index} of {size}"
            );
            let theirs = their.prove_inclusion(index as usize);
            let proof = InclusionProof::new(hashes(theirs.as_bytes()));
            assert!(proof.verify(leaf(index), index, size, &our_root), "{index} of {size}");
            assert_eq!(proof, ours);
            // Both reject every other index, and every changed hash.
            for other in (0..size).filter(|other| *other != index) {
                assert!(root(&tree, size).verify_inclusion(&data, other, &theirs_from_ours).is_err());
                assert!(!ours.verify(leaf(index), other, size, &our_root));
            }
            for at in 0..ours.path().len() {
                let mut bent = ours.path().to_vec();
                bent[at].0[at % 32] ^= 1;
                let theirs_from_ours = TheirInclusion::from_bytes(bytes(&bent));
                assert!(root(&tree, size).verify_inclusion(&data, index, &theirs_from_ours).is_err());
                assert!(!InclusionProof::new(bent).verify(leaf(index), index, size, &our_root));
            }
        }
    }
}

#[test]
fn consistency_agrees() {
    for size in 1..=MAX_SIZE {
        let (their, ours) = both(size);
        let tree = Tree::new(&ours, size);
        let new = tree.root().unwrap();
        for old_size in 1..=size {
            let old_tree = Tree::new(&ours, old_size);
            let old = old_tree.root().unwrap();
            let ours = tree.prove_consistency(old_size).unwrap();
            let is_valid = |path: &[Hash]| {
                TheirConsistency::try_from_bytes(bytes(path)).is_ok_and(|proof| {
                    root(&tree, size).verify_consistency(&root(&old_tree, old_size), &proof).is_ok()
                })
            };
            assert!(is_valid(ours.path()), "{old_size} to {size}");
            let theirs = their.prove_consistency((size - old_size) as usize);
            let proof = ConsistencyProof::new(hashes(theirs.as_bytes()));
            assert!(proof.verify(old_size, &old, size, &new), "{old_size} to {size}");
            assert_eq!(proof, ours);
            for at in 0..ours.path().len() {
                let mut bent = ours.path().to_vec();
                bent[at].0[at % 32] ^= 1;
                assert!(!is_valid(&bent), "{old_size} to {size}, hash {at}");
                assert!(!ConsistencyProof::new(bent).verify(old_size, &old, size, &new));
            }
        }
    }
}
