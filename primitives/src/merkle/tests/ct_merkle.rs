//! Cross-checks the tree against `ct-merkle`, an independent implementation of RFC 6962: it verifies our proofs, and we
//! verify its proofs.
//!
//! `ct-merkle` always uses the prefixes of that RFC, 0x00 before a leaf and 0x01 before two nodes, but accepts any digest.
//! The digest here maps the prefixes to our domains, so that both make the same tree. The test therefore covers the shape
//! of the tree and of the proofs, but not the domains.

use super::{super::*, MemoryStore};
use crate::{hash::Domain, Hash};
use ct_merkle::{
    digest::{consts::U32, FixedOutput, HashMarker, Output, OutputSizeUser, Update},
    mem_backed_tree::MemoryBackedTree,
    ConsistencyProof as TheirConsistency, InclusionProof as TheirInclusion, RootHash,
};

/// A digest that maps the prefixes of RFC 6962 to the domains of a log.
#[derive(Clone, Default)]
struct LogDigest(Vec<u8>);

impl HashMarker for LogDigest {}

impl OutputSizeUser for LogDigest {
    type OutputSize = U32;
}

impl Update for LogDigest {
    fn update(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }
}

impl FixedOutput for LogDigest {
    fn finalize_into(self, out: &mut Output<Self>) {
        let domain = match self.0[0] {
            0 => Domain::LogLeaf,
            1 => Domain::LogNode,
            other => panic!("prefix {other}"),
        };
        out.copy_from_slice(domain.hash(&self.0[1..]).as_bytes());
    }
}

type Their = MemoryBackedTree<LogDigest, [u8; 8]>;

const MAX_SIZE: u64 = 40;

/// Returns both trees over the same leaves.
fn both(size: u64) -> (Their, MemoryStore) {
    let (mut their, mut ours, mut frontier) = (Their::new(), MemoryStore::default(), Frontier::new());
    for n in 0..size {
        their.push(n.to_le_bytes());
        frontier.append(Domain::LogLeaf.hash(&n.to_le_bytes()), |node| {
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

fn root(tree: &Tree<'_, MemoryStore>, size: u64) -> RootHash<LogDigest> {
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
            let leaf = index.to_le_bytes();
            assert!(
                root(&tree, size).verify_inclusion(&leaf, index, &theirs_from_ours).is_ok(),
                "{index} of {size}"
            );
            let theirs = their.prove_inclusion(index as usize);
            let proof = InclusionProof::new(hashes(theirs.as_bytes()));
            assert!(proof.verify(Domain::LogLeaf.hash(&leaf), index, size, &our_root), "{index} of {size}");
            assert_eq!(proof, ours);
            // Both reject every other index, and every changed hash.
            for other in (0..size).filter(|other| *other != index) {
                assert!(root(&tree, size).verify_inclusion(&leaf, other, &theirs_from_ours).is_err());
                assert!(!ours.verify(Domain::LogLeaf.hash(&leaf), other, size, &our_root));
            }
            for at in 0..ours.path().len() {
                let mut bent = ours.path().to_vec();
                bent[at].0[at % 32] ^= 1;
                let theirs_from_ours = TheirInclusion::from_bytes(bytes(&bent));
                assert!(root(&tree, size).verify_inclusion(&leaf, index, &theirs_from_ours).is_err());
                assert!(!InclusionProof::new(bent).verify(
                    Domain::LogLeaf.hash(&leaf),
                    index,
                    size,
                    &our_root
                ));
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
