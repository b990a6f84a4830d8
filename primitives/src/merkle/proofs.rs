//! Verification of inclusion and consistency.

use crate::{hash::Domain, Hash};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The most hashes in a proof: a log has at most 2^62 entries, and a consistency proof one hash more than levels.
pub const MAX_PROOF: u32 = 64;

type Path = BoundedVec<Hash, ConstU32<MAX_PROOF>>;

/// Proves that a leaf is in a log: the hashes beside its path, lowest first.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct InclusionProof(Path);

/// Proves that a log extends an older one: hashes as in RFC 9162, section 2.1.4.1.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct ConsistencyProof(Path);

impl InclusionProof {
    /// From the hashes, lowest first. Hashes beyond the most that a log has are cut, so that the proof fails.
    pub fn new(path: Vec<Hash>) -> Self {
        Self(BoundedVec::truncate_from(path))
    }

    /// The hashes, lowest first.
    pub fn path(&self) -> &[Hash] {
        &self.0
    }

    /// Whether `leaf` is entry `index` of the log with this size and root.
    pub fn verify(&self, leaf: Hash, index: u64, size: u64, root: &Hash) -> bool {
        climb(Domain::LogNode, leaf, index, size, &self.0).is_some_and(|reached| reached == *root)
    }
}

impl ConsistencyProof {
    /// From the hashes. Hashes beyond the most that a log has are cut, so that the proof fails.
    pub fn new(path: Vec<Hash>) -> Self {
        Self(BoundedVec::truncate_from(path))
    }

    /// The hashes.
    pub fn path(&self) -> &[Hash] {
        &self.0
    }

    /// Whether the log (`size`, `root`) extends the log (`old_size`, `old_root`): RFC 9162, section 2.1.4.2.
    ///
    /// Everything extends the empty log, with no hashes; a log extends itself.
    pub fn verify(&self, old_size: u64, old_root: &Hash, size: u64, root: &Hash) -> bool {
        if old_size == 0 || old_size == size {
            let same =
                if old_size == size { old_root == root } else { *old_root == Domain::LogEmpty.hash(b"") };
            return self.0.is_empty() && same;
        }
        old_size < size
            && size <= super::MAX_SIZE
            && self.climb_both(old_size, old_root, size, root) == Some(true)
    }

    fn climb_both(&self, old_size: u64, old_root: &Hash, size: u64, root: &Hash) -> Option<bool> {
        let mut hashes = self.0.iter();
        let (mut old_last, mut last) = (old_size - 1, size - 1);
        let skip = old_last.trailing_ones();
        (old_last, last) = (old_last >> skip, last >> skip);
        // An old log that is one complete subtree is its own starting point.
        let start = if old_last == 0 { old_root } else { hashes.next()? };
        let (mut old_reached, mut reached) = (*start, *start);
        for hash in hashes {
            if last == 0 {
                return Some(false);
            }
            if old_last & 1 == 1 || old_last == last {
                old_reached = Domain::LogNode.node(hash, &old_reached);
                reached = Domain::LogNode.node(hash, &reached);
                while old_last & 1 == 0 && old_last != 0 {
                    (old_last, last) = (old_last >> 1, last >> 1);
                }
            } else {
                reached = Domain::LogNode.node(&reached, hash);
            }
            (old_last, last) = (old_last >> 1, last >> 1);
        }
        Some(last == 0 && old_reached == *old_root && reached == *root)
    }
}

/// The root that a leaf and the hashes beside its path lead to (RFC 9162, section 2.1.3.2); `None` where the path
/// has another length than the leaf's place asks for.
pub fn climb(domain: Domain, leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut reached = leaf;
    for hash in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            reached = domain.node(hash, &reached);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            reached = domain.node(&reached, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(reached)
}
