//! Making proofs, either from the stored nodes of a log or directly from a short list of leaves.

use super::{split_point, ConsistencyProof, InclusionProof, NodeHash, NodeId, LOG_TREE};
use crate::Hash;
use alloc::vec::Vec;
use core::fmt;

/// Gives access to the stored nodes of a log.
pub trait NodeStore {
    /// The error of a read.
    type Error;

    /// Returns the root of a complete subtree.
    fn node(&self, id: NodeId) -> Result<Hash, Self::Error>;
}

/// The tree of a log at some size, over its stored nodes.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a, N> {
    nodes: &'a N,
    size: u64,
}

/// Why a proof cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError<E> {
    /// The log has no entry with this index, or is smaller than this size.
    OutOfRange {
        /// The index or size asked for.
        asked: u64,
        /// The size of the log.
        size: u64,
    },
    /// A node could not be read.
    Store(E),
}

impl<E: fmt::Display> fmt::Display for TreeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { asked, size } => {
                write!(f, "{asked} is beyond the end of a log of {size} entries")
            }
            Self::Store(error) => write!(f, "reading a node of the log's tree: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for TreeError<E> {}

impl<'a, N: NodeStore> Tree<'a, N> {
    /// Returns the tree of the first `size` entries.
    pub fn new(nodes: &'a N, size: u64) -> Self {
        Self { nodes, size }
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> Result<Hash, N::Error> {
        if self.size == 0 {
            return Ok(LOG_TREE.empty());
        }
        self.range(0, self.size)
    }

    /// Proves that an entry is in the log (RFC 9162, section 2.1.3.1).
    pub fn prove_inclusion(&self, index: u64) -> Result<InclusionProof, TreeError<N::Error>> {
        if index >= self.size {
            return Err(TreeError::OutOfRange { asked: index, size: self.size });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, self.size);
        while end - start > 1 {
            let middle = start + split_point(end - start);
            if index < middle {
                path.push(self.range(middle, end).map_err(TreeError::Store)?);
                end = middle;
            } else {
                path.push(self.range(start, middle).map_err(TreeError::Store)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(InclusionProof::new(path))
    }

    /// Proves that the log extends its first `old` entries (RFC 9162, section 2.1.4.1).
    pub fn prove_consistency(&self, old: u64) -> Result<ConsistencyProof, TreeError<N::Error>> {
        if old > self.size {
            return Err(TreeError::OutOfRange { asked: old, size: self.size });
        }
        let mut path = Vec::new();
        if old == 0 || old == self.size {
            return Ok(ConsistencyProof::new(path));
        }
        let (mut start, mut end) = (0, self.size);
        // SUBPROOF(m, D_n, b): descend to the subtree that ends where the old log ended.
        while old != end {
            let middle = start + split_point(end - start);
            if old <= middle {
                path.push(self.range(middle, end).map_err(TreeError::Store)?);
                end = middle;
            } else {
                path.push(self.range(start, middle).map_err(TreeError::Store)?);
                start = middle;
            }
        }
        if start != 0 {
            path.push(self.range(start, end).map_err(TreeError::Store)?);
        }
        path.reverse();
        Ok(ConsistencyProof::new(path))
    }

    /// Returns the root of the entries from `start` up to but excluding `end`. `start` is a multiple of the smallest power
    /// of two that is not below the length of the range.
    fn range(&self, start: u64, end: u64) -> Result<Hash, N::Error> {
        let size = end - start;
        if size.is_power_of_two() {
            let level = size.trailing_zeros() as u8;
            return self.nodes.node(NodeId { level, index: start >> level });
        }
        let middle = start + split_point(size);
        Ok(LOG_TREE.node(&self.range(start, middle)?, &self.range(middle, end)?))
    }
}

/// The node store has no such node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingNodeError(pub NodeId);

impl fmt::Display for MissingNodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no node {} at level {}", self.0.index, self.0.level)
    }
}

impl core::error::Error for MissingNodeError {}

/// Returns the root over a short list of leaves.
pub fn root_of_leaves(hash: impl NodeHash, leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash.empty(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split_point(leaves.len() as u64) as usize);
            hash.node(&root_of_leaves(hash, left), &root_of_leaves(hash, right))
        }
    }
}

/// Returns the inclusion path of a leaf in a short list, lowest first, or `None` if there is no such leaf.
pub fn path_of_leaf(hash: impl NodeHash, leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = leaves.len() as u64;
    if index >= size {
        return None;
    }
    if size == 1 {
        return Some(Vec::new());
    }
    let middle = split_point(size);
    let (left, right) = leaves.split_at(middle as usize);
    let (mut path, sibling) = if index < middle {
        (path_of_leaf(hash, left, index)?, root_of_leaves(hash, right))
    } else {
        (path_of_leaf(hash, right, index - middle)?, root_of_leaves(hash, left))
    };
    path.push(sibling);
    Some(path)
}
