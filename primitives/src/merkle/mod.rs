//! The Merkle tree of RFC 9162, section 2.1, over BLAKE3 with a domain for its nodes.
//!
//! Leaves come already hashed in a domain of their own. [`Frontier`] appends, [`Tree`] proves from stored nodes,
//! [`InclusionProof`] and [`ConsistencyProof`] verify with nothing but hashes.

mod frontier;
mod proofs;
mod tree;

pub use frontier::{Frontier, FrontierError, Misaligned, Node, NodeId};
pub use proofs::{climb, ConsistencyProof, InclusionProof, MAX_PROOF};
pub use tree::{path_of, root_of, MissingNode, Nodes, Tree, TreeError};

/// The largest size of a log: a power of two that no gateway reaches, so that arithmetic on sizes cannot overflow.
pub const MAX_SIZE: u64 = 1 << 62;

/// The largest power of two below `size`, where the tree of `size` leaves splits (RFC 9162, section 2.1.1).
/// `size` is 2 or more.
pub(crate) fn split(size: u64) -> u64 {
    debug_assert!(size >= 2);
    1u64 << (63 - (size.saturating_sub(1)).leading_zeros().min(63))
}

#[cfg(test)]
mod judged;
#[cfg(test)]
mod tests;
