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
    pub fn append(&mut self, leaf: Hash, mut store: impl FnMut(Node)) {
        let mut node = Node { id: NodeId { level: 0, index: self.size }, hash: leaf };
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
        self.size += 1;
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
