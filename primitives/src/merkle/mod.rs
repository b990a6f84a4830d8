//! The Merkle tree of RFC 9162, section 2.1.
//!
//! A log's tree is exactly that of the RFC with SHA-256, over the digests of the log's entries, so that other people's tools
//! verify its proofs. The trees inside of bodies and heads maps have the same shape, with BLAKE3 nodes in domains.
//!
//! | file | holds |
//! |---|---|
//! | `hash.rs` | [`Rfc9162`] and [`NodeHash`]: the hashes of leaves and nodes |
//! | `frontier.rs` | [`Frontier`]: appending to a log |
//! | `prove.rs` | [`Tree`]: making inclusion and consistency proofs from stored nodes |
//! | `verify.rs` | [`InclusionProof`] and [`ConsistencyProof`]: verifying them, with nothing but hashes |

mod frontier;
mod hash;
mod prove;
mod verify;

pub use frontier::{AlignmentError, Frontier, FrontierError, Node, NodeId};
pub use hash::{leaf_hash, NodeHash, Rfc9162, Sha2, Sha256, LOG_TREE};
pub use prove::{path_of_leaf, root_of_leaves, MissingNodeError, NodeStore, Tree, TreeError};
pub use verify::{root_from_path, ConsistencyProof, InclusionProof, MAX_PROOF_HASHES};

/// The largest size of a log: a power of two that no gateway reaches, so that arithmetic on sizes cannot overflow.
pub const MAX_LOG_SIZE: u64 = 1 << 62;

/// Returns the largest power of two below `size`: the size of the left subtree of a tree with `size` leaves, which are
/// two or more (RFC 9162, section 2.1.1).
fn split_point(size: u64) -> u64 {
    debug_assert!(size >= 2);
    1u64 << (63 - (size.saturating_sub(1)).leading_zeros().min(63))
}

#[cfg(test)]
mod tests;
