//! BLAKE3 hashes in domains: a hash that was made for one purpose is not valid for another.
//!
//! Only a log's entries and tree are hashed with SHA-256 instead ([`crate::merkle`]).

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A 32-byte hash: BLAKE3, or SHA-256 for a log's entries and tree.
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
    /// 32 zero bytes: a placeholder if there is no hash, such as before the first event of a device.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

crate::hex_id::impl_hex_text!(Hash, 32);

/// The purpose of a hash. It selects the context string of the BLAKE3 `derive_key` mode (BLAKE3 paper, section 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// The id of a device, derived from its first key.
    DeviceId,
    /// The header of an event. The hash is signed, and the next event of the device refers to it.
    EventHeader,
    /// The salt of a part of a body, derived from the body's seed.
    PartSalt,
    /// The commitment to a part of a body and its salt.
    Part,
    /// An inner node of the tree over the parts of a body.
    BodyNode,
    /// The root of the tree over the parts of a body, with their number.
    Body,
    /// A leaf of the heads map, which maps each device to its last event.
    HeadsLeaf,
    /// An inner node of the tree over the heads map.
    HeadsNode,
    /// The root of the tree over the heads map, with the number of devices.
    Heads,
    /// A checkpoint, as its gateway signs it.
    Checkpoint,
    /// The id of a contract, derived from its first content.
    Contract,
    /// The content of a contract.
    ContractContent,
    /// A document of a contract, with its salt.
    Document,
    /// The label of a hosted device, with its salt.
    Label,
    /// The record of a device, as it was shown to the party that accepts the device.
    DeviceRecord,
    /// The consent to the registration of a device.
    Registration,
    /// The consent of a gateway to keep a device's log.
    LogConsent,
    /// The consent to a new key of a device.
    KeyConsent,
    /// The consent of a gateway to belong to a party.
    GatewayConsent,
    /// The id of a party, derived from its first account.
    PartyId,
    /// The consent of an account to act for a party.
    AccountConsent,
    /// A peer's proof that it acts for an account.
    PeerProof,
    /// A command, as its party signs it.
    Command,
    /// The checksum of the text of a trust root.
    TrustRoot,
}

impl Domain {
    /// Returns the context string. It is part of the format and must never change.
    pub const fn context(self) -> &'static str {
        match self {
            Self::DeviceId => "streembit v1 device id",
            Self::EventHeader => "streembit v1 event header",
            Self::PartSalt => "streembit v1 body part salt",
            Self::Part => "streembit v1 body part",
            Self::BodyNode => "streembit v1 body node",
            Self::Body => "streembit v1 body",
            Self::HeadsLeaf => "streembit v1 heads leaf",
            Self::HeadsNode => "streembit v1 heads node",
            Self::Heads => "streembit v1 heads",
            Self::Checkpoint => "streembit v2 checkpoint",
            Self::Contract => "streembit v2 contract",
            Self::ContractContent => "streembit v1 contract content",
            Self::Document => "streembit v1 document",
            Self::Label => "streembit v1 device label",
            Self::DeviceRecord => "streembit v1 device record",
            Self::Registration => "streembit v2 device registration",
            Self::LogConsent => "streembit v1 log consent",
            Self::KeyConsent => "streembit v1 key consent",
            Self::GatewayConsent => "streembit v2 gateway consent",
            Self::PartyId => "streembit v1 party id",
            Self::AccountConsent => "streembit v1 account consent",
            Self::PeerProof => "streembit v1 peer proof",
            Self::Command => "streembit v1 command",
            Self::TrustRoot => "streembit v1 trust root",
        }
    }

    /// Hashes bytes in this domain.
    pub fn hash(self, bytes: &[u8]) -> Hash {
        Hash(*self.hasher().update(bytes).finalize().as_bytes())
    }

    /// Hashes the SCALE encoding of a value in this domain.
    pub fn hash_of(self, value: &impl Encode) -> Hash {
        value.using_encoded(|bytes| self.hash(bytes))
    }

    /// Hashes two child nodes of a tree in this domain.
    pub fn hash_pair(self, left: &Hash, right: &Hash) -> Hash {
        Hash(*self.hasher().update(&left.0).update(&right.0).finalize().as_bytes())
    }

    /// Returns a BLAKE3 hasher in `derive_key` mode. The context is hashed once for each domain and cached.
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

    /// Returns a BLAKE3 hasher in `derive_key` mode.
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
        assert_ne!(Domain::HeadsLeaf.hash(b"x"), Domain::HeadsNode.hash(b"x"));
        assert_ne!(Domain::HeadsLeaf.hash(b"x"), Hash(*blake3::hash(b"x").as_bytes()));
    }

    #[test]
    fn a_cached_context_key_hashes_like_the_context() {
        for domain in [Domain::DeviceId, Domain::HeadsLeaf, Domain::HeadsNode, Domain::PeerProof] {
            for _ in 0..2 {
                let expected = blake3::derive_key(domain.context(), b"x");
                assert_eq!(domain.hash(b"x"), Hash(expected));
            }
        }
    }

    #[test]
    fn a_pair_is_hashed_in_order() {
        let (left, right) = (Hash([1; 32]), Hash([2; 32]));
        let mut both = [1u8; 64];
        both[32..].fill(2);
        assert_eq!(Domain::HeadsNode.hash_pair(&left, &right), Domain::HeadsNode.hash(&both));
        assert_ne!(Domain::HeadsNode.hash_pair(&left, &right), Domain::HeadsNode.hash_pair(&right, &left));
    }
}
