//! Appending to a log, for which the roots of its complete subtrees are enough.

use super::{NodeHash as _, LOG_TREE};
use crate::Hash;
use alloc::vec::Vec;
use core::fmt;

/// The roots of the complete subtrees of a log (its peaks), largest first. They determine the log's root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Identifies a complete subtree: `index` counts subtrees of `2^level` leaves from the left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    /// The height of the subtree: 0 for a leaf.
    pub level: u8,
    /// The position from the left among the subtrees of its level.
    pub index: u64,
}

/// A node that an append completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// The subtree that the node is the root of.
    pub id: NodeId,
    /// Its hash.
    pub hash: Hash,
}

/// The number of peaks does not fit the size of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrontierError {
    /// The size of the log.
    pub size: u64,
    /// The number of peaks given.
    pub peaks: usize,
}

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a log of {} entries has {} complete subtrees, not {}",
            self.size,
            self.size.count_ones(),
            self.peaks
        )
    }
}

impl core::error::Error for FrontierError {}

/// A subtree is not aligned with the size of the log that it is appended to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlignmentError {
    /// The size of the log.
    pub size: u64,
    /// The height of the subtree.
    pub level: u8,
}

impl fmt::Display for AlignmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a subtree of height {} cannot be appended to a log of {} entries", self.level, self.size)
    }
}

impl core::error::Error for AlignmentError {}

impl Frontier {
    /// Returns the frontier of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restores the frontier of a log of `size` entries from its stored peaks, largest subtree first.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, FrontierError> {
        if size > super::MAX_LOG_SIZE || peaks.len() != size.count_ones() as usize {
            return Err(FrontierError { size, peaks: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Returns the ids of the peaks of a log of `size` entries, largest subtree first.
    pub fn peak_ids(size: u64) -> impl Iterator<Item = NodeId> {
        (0..63u8).rev().filter(move |level| size >> level & 1 == 1).map(move |level| NodeId {
            level,
            // The number of subtrees of this level to the left of the peak.
            index: (size >> level) - 1,
        })
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Calls `store` with the leaf and with every node that it completes.
    pub fn append(&mut self, leaf: Hash, store: impl FnMut(Node)) {
        self.push_node(Node { id: NodeId { level: 0, index: self.size }, hash: leaf }, store);
        self.size += 1;
    }

    /// Appends a complete subtree of `2^level` leaves by its root. Calls `store` with it and with every node that it
    /// completes. Fails if the subtree is not aligned with the log's size, or if the log would become too large.
    pub fn append_subtree(
        &mut self,
        level: u8,
        hash: Hash,
        store: impl FnMut(Node),
    ) -> Result<(), AlignmentError> {
        let misaligned = AlignmentError { size: self.size, level };
        let leaves = 1u64.checked_shl(level.into()).ok_or(misaligned)?;
        let size =
            self.size.checked_add(leaves).filter(|size| *size <= super::MAX_LOG_SIZE).ok_or(misaligned)?;
        if !self.size.is_multiple_of(leaves) {
            return Err(misaligned);
        }
        self.push_node(Node { id: NodeId { level, index: self.size >> level }, hash }, store);
        self.size = size;
        Ok(())
    }

    /// Adds a node to the peaks and merges completed subtrees.
    fn push_node(&mut self, mut node: Node, mut store: impl FnMut(Node)) {
        store(node);
        while self.size >> node.id.level & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = Node {
                id: NodeId { level: node.id.level + 1, index: node.id.index >> 1 },
                hash: LOG_TREE.node(&left, &node.hash),
            };
            store(node);
        }
        self.peaks.push(node.hash);
    }

    /// Returns the root of the log.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => LOG_TREE.empty(),
            Some(last) => peaks.fold(*last, |right, left| LOG_TREE.node(left, &right)),
        }
    }
}
