//! Verifying inclusion and consistency proofs.

use super::{NodeHash, Rfc9162, Sha2, Sha256};
use crate::Hash;
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum number of hashes in a proof. A log has at most 2^62 entries, and a consistency proof may have one hash more
/// than the tree has levels.
pub const MAX_PROOF_HASHES: u32 = 64;

type Path = BoundedVec<Hash, ConstU32<MAX_PROOF_HASHES>>;

/// Proves that a leaf is in a log: the sibling hashes along its path to the root, lowest first.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct InclusionProof(Path);

/// Proves that a log extends an older one: the hashes of RFC 9162, section 2.1.4.1.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct ConsistencyProof(Path);

impl InclusionProof {
    /// Makes a proof from hashes, lowest first. More than [`MAX_PROOF_HASHES`] are truncated, so that the proof fails.
    pub fn new(path: Vec<Hash>) -> Self {
        Self(BoundedVec::truncate_from(path))
    }

    /// Returns the hashes, lowest first.
    pub fn path(&self) -> &[Hash] {
        &self.0
    }

    /// Returns true if `leaf` is entry `index` of the log with this size and root.
    pub fn verify(&self, leaf: Hash, index: u64, size: u64, root: &Hash) -> bool {
        self.verify_with::<Sha2>(leaf, index, size, root)
    }

    /// Like [`Self::verify`], with the SHA-256 of `S`.
    pub fn verify_with<S: Sha256>(&self, leaf: Hash, index: u64, size: u64, root: &Hash) -> bool {
        root_from_path(Rfc9162::<S>::new(), leaf, index, size, &self.0)
            .is_some_and(|reached| reached == *root)
    }
}

impl ConsistencyProof {
    /// Makes a proof from hashes. More than [`MAX_PROOF_HASHES`] are truncated, so that the proof fails.
    pub fn new(path: Vec<Hash>) -> Self {
        Self(BoundedVec::truncate_from(path))
    }

    /// Returns the hashes.
    pub fn path(&self) -> &[Hash] {
        &self.0
    }

    /// Returns true if the log (`size`, `root`) extends the log (`old_size`, `old_root`): RFC 9162, section 2.1.4.2.
    ///
    /// Every log extends the empty log and itself; both proofs are empty.
    pub fn verify(&self, old_size: u64, old_root: &Hash, size: u64, root: &Hash) -> bool {
        self.verify_with::<Sha2>(old_size, old_root, size, root)
    }

    /// Like [`Self::verify`], with the SHA-256 of `S`.
    pub fn verify_with<S: Sha256>(&self, old_size: u64, old_root: &Hash, size: u64, root: &Hash) -> bool {
        let hash = Rfc9162::<S>::new();
        if old_size == 0 || old_size == size {
            let same = if old_size == size { old_root == root } else { *old_root == hash.empty() };
            return self.0.is_empty() && same;
        }
        old_size < size
            && size <= super::MAX_LOG_SIZE
            && self.verify_roots(hash, old_size, old_root, size, root) == Some(true)
    }

    fn verify_roots(
        &self,
        hash: impl NodeHash,
        old_size: u64,
        old_root: &Hash,
        size: u64,
        root: &Hash,
    ) -> Option<bool> {
        let mut hashes = self.0.iter();
        let (mut old_last, mut last) = (old_size - 1, size - 1);
        let skip = old_last.trailing_ones();
        (old_last, last) = (old_last >> skip, last >> skip);
        // If the old log is one complete subtree, its root is the first hash.
        let start = if old_last == 0 { old_root } else { hashes.next()? };
        let (mut old_reached, mut reached) = (*start, *start);
        for sibling in hashes {
            if last == 0 {
                return Some(false);
            }
            if old_last & 1 == 1 || old_last == last {
                old_reached = hash.node(sibling, &old_reached);
                reached = hash.node(sibling, &reached);
                while old_last & 1 == 0 && old_last != 0 {
                    (old_last, last) = (old_last >> 1, last >> 1);
                }
            } else {
                reached = hash.node(&reached, sibling);
            }
            (old_last, last) = (old_last >> 1, last >> 1);
        }
        Some(last == 0 && old_reached == *old_root && reached == *root)
    }
}

/// Computes the root from a leaf and its inclusion path (RFC 9162, section 2.1.3.2). Returns `None` if the path has the
/// wrong length for the leaf's index.
pub fn root_from_path(hash: impl NodeHash, leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut reached = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            reached = hash.node(sibling, &reached);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            reached = hash.node(&reached, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(reached)
}
