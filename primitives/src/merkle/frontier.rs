//! What an append needs to know: the roots of the complete subtrees.

use crate::{hash::Domain, Hash};
use alloc::vec::Vec;
use core::fmt;

/// The complete subtrees of a log of some size, largest first: enough to append and to know the root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// The place of a complete subtree: `index` counts subtrees of `2^level` leaves from the left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    /// 0 for a leaf.
    pub level: u8,
    /// From the left, among those of its level.
    pub index: u64,
}

/// A node that an append completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// Where.
    pub id: NodeId,
    /// Its hash.
    pub hash: Hash,
}

/// Why a frontier cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrontierError {
    /// The size of the log.
    pub size: u64,
    /// How many peaks came with it.
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

/// A subtree that cannot follow a log of this size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misaligned {
    /// The size of the log.
    pub size: u64,
    /// The level of the subtree.
    pub level: u8,
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no subtree of level {} can follow a log of {} entries", self.level, self.size)
    }
}

impl core::error::Error for Misaligned {}

impl Frontier {
    /// The frontier of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of a log of `size` entries from its stored peaks, largest subtree first.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, FrontierError> {
        if size > super::MAX_SIZE || peaks.len() != size.count_ones() as usize {
            return Err(FrontierError { size, peaks: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Where the peaks of a log of `size` entries are, largest subtree first.
    pub fn peak_ids(size: u64) -> impl Iterator<Item = NodeId> {
        (0..63u8).rev().filter(move |level| size >> level & 1 == 1).map(move |level| NodeId {
            level,
            // Everything left of this peak, counted in subtrees of its level.
            index: (size >> level) - 1,
        })
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; calls `store` with the leaf and with every node that it completes.
    pub fn append(&mut self, leaf: Hash, store: impl FnMut(Node)) {
        self.join(Node { id: NodeId { level: 0, index: self.size }, hash: leaf }, store);
        self.size += 1;
    }

    /// Appends a complete subtree of `2^level` leaves by its root; calls `store` with it and with every node that it
    /// completes. Refuses one that is no node of the tree at this size, and one beyond the largest log.
    pub fn append_subtree(
        &mut self,
        level: u8,
        hash: Hash,
        store: impl FnMut(Node),
    ) -> Result<(), Misaligned> {
        let misaligned = Misaligned { size: self.size, level };
        let leaves = 1u64.checked_shl(level.into()).ok_or(misaligned)?;
        let size = self.size.checked_add(leaves).filter(|size| *size <= super::MAX_SIZE).ok_or(misaligned)?;
        if !self.size.is_multiple_of(leaves) {
            return Err(misaligned);
        }
        self.join(Node { id: NodeId { level, index: self.size >> level }, hash }, store);
        self.size = size;
        Ok(())
    }

    /// Puts a node beside the peaks and merges what is complete.
    fn join(&mut self, mut node: Node, mut store: impl FnMut(Node)) {
        store(node);
        while self.size >> node.id.level & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = Node {
                id: NodeId { level: node.id.level + 1, index: node.id.index >> 1 },
                hash: Domain::LogNode.node(&left, &node.hash),
            };
            store(node);
        }
        self.peaks.push(node.hash);
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Domain::LogEmpty.hash(b""),
            Some(last) => peaks.fold(*last, |right, left| Domain::LogNode.node(left, &right)),
        }
    }
}
