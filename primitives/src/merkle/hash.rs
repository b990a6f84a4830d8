//! How the nodes of a tree are hashed: SHA-256 as in RFC 9162 for logs, BLAKE3 in a [`Domain`] for the small trees inside
//! of bodies and heads maps.

use crate::{hash::Domain, Hash};
use core::marker::PhantomData;

/// Hashes the inner nodes of a tree.
pub trait NodeHash: Copy {
    /// Returns the hash of an inner node.
    fn node(self, left: &Hash, right: &Hash) -> Hash;

    /// Returns the root of a tree without leaves.
    fn empty(self) -> Hash;
}

/// An implementation of SHA-256 (FIPS 180-4). A runtime passes its host's.
pub trait Sha256 {
    /// Hashes bytes.
    fn sha256(bytes: &[u8]) -> [u8; 32];
}

/// SHA-256 of the crate `sha2`, which uses the SHA instructions of x86-64 processors that have them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sha2;

/// The hashes of RFC 9162, section 2.1.1, with the SHA-256 of `S`.
#[derive(Debug)]
pub struct Rfc9162<S = Sha2>(PhantomData<S>);

/// The hashes of a log's tree.
pub const LOG_TREE: Rfc9162 = Rfc9162(PhantomData);

impl Sha256 for Sha2 {
    fn sha256(bytes: &[u8]) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(bytes).into()
    }
}

impl<S> Rfc9162<S> {
    /// Returns the hashes with the SHA-256 of `S`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S: Sha256> Rfc9162<S> {
    /// Returns the hash of a leaf whose data is a 32-byte digest.
    pub fn leaf(self, digest: &Hash) -> Hash {
        let mut bytes = [0; 33];
        let (prefix, data) = bytes.split_at_mut(1);
        prefix.fill(0x00);
        data.copy_from_slice(&digest.0);
        Hash(S::sha256(&bytes))
    }
}

impl<S> Default for Rfc9162<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Rfc9162<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Rfc9162<S> {}

impl<S: Sha256> NodeHash for Rfc9162<S> {
    fn node(self, left: &Hash, right: &Hash) -> Hash {
        let mut bytes = [0; 65];
        let (prefix, children) = bytes.split_at_mut(1);
        let (first, second) = children.split_at_mut(32);
        prefix.fill(0x01);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        Hash(S::sha256(&bytes))
    }

    fn empty(self) -> Hash {
        Hash(S::sha256(b""))
    }
}

impl NodeHash for Domain {
    fn node(self, left: &Hash, right: &Hash) -> Hash {
        self.hash_pair(left, right)
    }

    fn empty(self) -> Hash {
        self.hash(b"")
    }
}

/// Returns the hash of the leaf for an entry's digest in a log's tree.
pub fn leaf_hash(digest: &Hash) -> Hash {
    LOG_TREE.leaf(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_and_nodes_have_the_prefixes_of_rfc_9162() {
        let (left, right) = (Hash([1; 32]), Hash([2; 32]));
        let leaf = [&[0u8][..], &left.0].concat();
        assert_eq!(leaf_hash(&left).0, Sha2::sha256(&leaf));
        let node = [&[1u8][..], &left.0, &right.0].concat();
        assert_eq!(LOG_TREE.node(&left, &right).0, Sha2::sha256(&node));
        assert_ne!(LOG_TREE.node(&left, &right), LOG_TREE.node(&right, &left));
    }

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        // The SHA-256 of the empty string: FIPS 180-4.
        let expected = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(LOG_TREE.empty().to_string(), expected);
    }
}
