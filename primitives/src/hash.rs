//! BLAKE3 with a domain for every use: a hash made for one purpose is good for no other.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// 32 bytes of BLAKE3 output.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands where there is no previous hash: 32 zero bytes, which no domain produces in practice.
    pub const ZERO: Self = Self([0; 32]);

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

crate::text::hex_text!(Hash, 32);

/// What a hash is made for; the BLAKE3 `derive_key` context (BLAKE3 paper, section 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// The id of a device, from its first key.
    DeviceId,
    /// The header of an event: what is signed, and what the next event names as its previous.
    EventHeader,
    /// The salt of one part of a body, from the body's seed.
    PartSalt,
    /// The commitment to one salted part of a body.
    Part,
    /// An inner node of the tree over a body's parts.
    BodyNode,
    /// The root of a body with its number of parts.
    Body,
    /// A leaf of a log.
    LogLeaf,
    /// An inner node of a log's tree.
    LogNode,
    /// The root of a log without entries.
    LogEmpty,
    /// A leaf of the map from each device to its last event.
    HeadsLeaf,
    /// An inner node of that map's tree.
    HeadsNode,
    /// The root of that map with its number of devices.
    Heads,
    /// A checkpoint, as signed.
    Checkpoint,
    /// The content of a contract.
    Contract,
    /// A device's consent to be registered.
    Registration,
    /// A gateway's consent to belong to a party.
    GatewayConsent,
    /// A peer's proof of the account that it speaks for.
    PeerProof,
}

impl Domain {
    /// The context string; part of the format, never to be changed.
    pub const fn context(self) -> &'static str {
        match self {
            Self::DeviceId => "streembit v1 device id",
            Self::EventHeader => "streembit v1 event header",
            Self::PartSalt => "streembit v1 body part salt",
            Self::Part => "streembit v1 body part",
            Self::BodyNode => "streembit v1 body node",
            Self::Body => "streembit v1 body",
            Self::LogLeaf => "streembit v1 log leaf",
            Self::LogNode => "streembit v1 log node",
            Self::LogEmpty => "streembit v1 log empty",
            Self::HeadsLeaf => "streembit v1 heads leaf",
            Self::HeadsNode => "streembit v1 heads node",
            Self::Heads => "streembit v1 heads",
            Self::Checkpoint => "streembit v1 checkpoint",
            Self::Contract => "streembit v1 contract",
            Self::Registration => "streembit v1 device registration",
            Self::GatewayConsent => "streembit v1 gateway consent",
            Self::PeerProof => "streembit v1 peer proof",
        }
    }

    /// The hash of some bytes in this domain.
    pub fn hash(self, bytes: &[u8]) -> Hash {
        Hash(*self.hasher().update(bytes).finalize().as_bytes())
    }

    /// The hash of a value's SCALE encoding in this domain.
    pub fn hash_of(self, value: &impl Encode) -> Hash {
        value.using_encoded(|bytes| self.hash(bytes))
    }

    /// The hash of two nodes in this domain.
    pub fn node(self, left: &Hash, right: &Hash) -> Hash {
        Hash(*self.hasher().update(&left.0).update(&right.0).finalize().as_bytes())
    }

    /// BLAKE3 in its mode for deriving keys, which hashes the context first; that key is kept.
    #[cfg(feature = "std")]
    fn hasher(self) -> blake3::Hasher {
        use blake3::hazmat::{hash_derive_key_context, ContextKey, HasherExt as _};
        static KEYS: [std::sync::OnceLock<ContextKey>; 64] = [const { std::sync::OnceLock::new() }; 64];
        match KEYS.get(self as usize) {
            Some(key) => blake3::Hasher::new_from_context_key(
                key.get_or_init(|| hash_derive_key_context(self.context())),
            ),
            None => blake3::Hasher::new_derive_key(self.context()),
        }
    }

    /// BLAKE3 in its mode for deriving keys.
    #[cfg(not(feature = "std"))]
    fn hasher(self) -> blake3::Hasher {
        blake3::Hasher::new_derive_key(self.context())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_separate() {
        assert_ne!(Domain::LogLeaf.hash(b"x"), Domain::LogNode.hash(b"x"));
        assert_ne!(Domain::LogLeaf.hash(b"x"), Hash(*blake3::hash(b"x").as_bytes()));
    }

    #[test]
    fn a_kept_context_key_hashes_like_the_context() {
        for domain in [Domain::DeviceId, Domain::LogLeaf, Domain::LogNode, Domain::PeerProof] {
            for _ in 0..2 {
                let expected = blake3::derive_key(domain.context(), b"x");
                assert_eq!(domain.hash(b"x"), Hash(expected));
            }
        }
    }

    #[test]
    fn a_node_is_the_hash_of_its_children_in_order() {
        let (left, right) = (Hash([1; 32]), Hash([2; 32]));
        let mut both = [1u8; 64];
        both[32..].fill(2);
        assert_eq!(Domain::LogNode.node(&left, &right), Domain::LogNode.hash(&both));
        assert_ne!(Domain::LogNode.node(&left, &right), Domain::LogNode.node(&right, &left));
    }
}
