//! Proofs from stored nodes, and the same computed directly from a list of leaves.

use super::{split, ConsistencyProof, InclusionProof, NodeId};
use crate::{hash::Domain, Hash};
use alloc::vec::Vec;
use core::fmt;

/// Where the complete subtrees of a log are kept.
pub trait Nodes {
    /// What reading can fail with.
    type Error;

    /// The hash of a complete subtree.
    fn node(&self, id: NodeId) -> Result<Hash, Self::Error>;
}

/// A log of a given size over stored nodes.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a, N> {
    nodes: &'a N,
    size: u64,
}

/// Why a proof cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError<E> {
    /// There is no such entry, or no such smaller size.
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// The size of the log.
        size: u64,
    },
    /// A node could not be read.
    Nodes(E),
}

impl<E: fmt::Display> fmt::Display for TreeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { asked, size } => write!(f, "{asked} is outside of a log of {size} entries"),
            Self::Nodes(error) => write!(f, "reading a node of the log's tree: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for TreeError<E> {}

impl<'a, N: Nodes> Tree<'a, N> {
    /// The tree of the first `size` entries.
    pub fn new(nodes: &'a N, size: u64) -> Self {
        Self { nodes, size }
    }

    /// The root.
    pub fn root(&self) -> Result<Hash, N::Error> {
        if self.size == 0 {
            return Ok(Domain::LogEmpty.hash(b""));
        }
        self.range(0, self.size)
    }

    /// Proves that an entry is in the log (RFC 9162, section 2.1.3.1).
    pub fn inclusion(&self, index: u64) -> Result<InclusionProof, TreeError<N::Error>> {
        if index >= self.size {
            return Err(TreeError::OutOfRange { asked: index, size: self.size });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, self.size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end).map_err(TreeError::Nodes)?);
                end = middle;
            } else {
                path.push(self.range(start, middle).map_err(TreeError::Nodes)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(InclusionProof::new(path))
    }

    /// Proves that the log extends its first `old` entries (RFC 9162, section 2.1.4.1).
    pub fn consistency(&self, old: u64) -> Result<ConsistencyProof, TreeError<N::Error>> {
        if old > self.size {
            return Err(TreeError::OutOfRange { asked: old, size: self.size });
        }
        let mut path = Vec::new();
        if old == 0 || old == self.size {
            return Ok(ConsistencyProof::new(path));
        }
        let (mut start, mut end) = (0, self.size);
        // SUBPROOF(m, D_n, b): down to the subtree that ends where the old log ended.
        while old != end {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range(middle, end).map_err(TreeError::Nodes)?);
                end = middle;
            } else {
                path.push(self.range(start, middle).map_err(TreeError::Nodes)?);
                start = middle;
            }
        }
        if start != 0 {
            path.push(self.range(start, end).map_err(TreeError::Nodes)?);
        }
        path.reverse();
        Ok(ConsistencyProof::new(path))
    }

    /// The root of the entries from `start` (a multiple of the range's own power of two) to before `end`.
    fn range(&self, start: u64, end: u64) -> Result<Hash, N::Error> {
        let size = end - start;
        if size.is_power_of_two() {
            let level = size.trailing_zeros() as u8;
            return self.nodes.node(NodeId { level, index: start >> level });
        }
        let middle = start + split(size);
        Ok(Domain::LogNode.node(&self.range(start, middle)?, &self.range(middle, end)?))
    }
}

/// A node that a list of leaves does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingNode(pub NodeId);

impl fmt::Display for MissingNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no node {} at level {}", self.0.index, self.0.level)
    }
}

impl core::error::Error for MissingNode {}

/// The root over a short list of leaves with nodes in some domain; that of nothing where there are none.
pub fn root_of(domain: Domain, leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Domain::LogEmpty.hash(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
            domain.node(&root_of(domain, left), &root_of(domain, right))
        }
    }
}

/// The inclusion path of one of a short list of leaves, lowest first; `None` where there is no such leaf.
pub fn path_of(domain: Domain, leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = leaves.len() as u64;
    if index >= size {
        return None;
    }
    if size == 1 {
        return Some(Vec::new());
    }
    let middle = split(size);
    let (left, right) = leaves.split_at(middle as usize);
    let (mut path, beside) = if index < middle {
        (path_of(domain, left, index)?, root_of(domain, right))
    } else {
        (path_of(domain, right, index - middle)?, root_of(domain, left))
    };
    path.push(beside);
    Some(path)
}
