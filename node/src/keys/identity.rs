//! The secret keys of a validator's node, and the public identity that follows from them.

use codec::{Decode, Encode};
use sc_network::config::ed25519::{Keypair, SecretKey};
use serde::{Deserialize, Serialize};
use sp_core::{
    crypto::key_types::{AURA, GRANDPA},
    ed25519, sr25519, Pair as _,
};
use std::fmt;
use zeroize::Zeroize as _;

/// The secret keys of a node. They are wiped when dropped.
#[derive(PartialEq, Eq, Encode, Decode)]
pub struct NodeKeys {
    /// The secret Ed25519 key that the peer id is derived from.
    pub network: [u8; 32],
    /// The keys in the keystore, ordered by name.
    pub session: Vec<SessionKey>,
}

impl Drop for NodeKeys {
    fn drop(&mut self) {
        self.network.zeroize();
    }
}

impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKeys(secret)")
    }
}

/// A key in the keystore. It is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionKey {
    /// The key type (four letters) and the public key.
    pub name: Vec<u8>,
    /// The secret: a phrase, or a seed in hexadecimal digits.
    pub phrase: String,
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        self.phrase.zeroize();
    }
}

impl SessionKey {
    /// Returns the name of the key in the file `file_name`, or `None` if the keystore ignores such a file.
    pub fn name_from_file_name(file_name: &str) -> Option<Vec<u8>> {
        hex::decode(file_name).ok().filter(|name| name.len() > AURA.0.len() && hex::encode(name) == file_name)
    }

    /// Returns the name of the key's file.
    pub fn file_name(&self) -> String {
        hex::encode(&self.name)
    }

    /// Returns true if GRANDPA votes with this key.
    pub fn is_grandpa(&self) -> bool {
        self.name.starts_with(&GRANDPA.0)
    }

    /// Returns true if the key is one of those that this node signs with.
    pub fn has_known_type(&self) -> bool {
        let (key_type, _) = self.type_and_public_key();
        key_type == AURA.0.as_slice() || key_type == GRANDPA.0.as_slice()
    }

    /// Returns true if the phrase yields the public key in the name. Keys of other types than Aura and GRANDPA are
    /// not checked.
    pub fn matches_name(&self, password: Option<&str>) -> bool {
        let (key_type, public) = self.type_and_public_key();
        let derived = if key_type == AURA.0.as_slice() {
            sr25519::Pair::from_string(&self.phrase, password).map(|pair| pair.public().0)
        } else if key_type == GRANDPA.0.as_slice() {
            ed25519::Pair::from_string(&self.phrase, password).map(|pair| pair.public().0)
        } else {
            return true;
        };
        derived.is_ok_and(|derived| derived.as_slice() == public)
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        let (key_type, public) = self.type_and_public_key();
        let kind =
            if self.is_grandpa() { "grandpa".into() } else { String::from_utf8_lossy(key_type).into_owned() };
        PublicKey { kind, public: format!("0x{}", hex::encode(public)) }
    }

    fn type_and_public_key(&self) -> (&[u8], &[u8]) {
        self.name.split_at_checked(AURA.0.len()).unwrap_or((self.name.as_slice(), b"".as_slice()))
    }
}

/// The public identity of a validator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorIdentity {
    /// The id of the chain.
    pub chain: String,
    /// The hash of the chain's genesis block, if it was known.
    pub genesis: Option<String>,
    /// The peer id on the network.
    pub peer_id: String,
    /// The public session keys.
    pub keys: Vec<PublicKey>,
}

/// A public session key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// The purpose: `aura` signs blocks, `grandpa` votes.
    pub kind: String,
    /// 0x and hexadecimal digits.
    pub public: String,
}

impl ValidatorIdentity {
    /// Returns the identity that belongs to the given keys.
    pub fn new(chain: String, genesis: Option<String>, keys: &NodeKeys) -> Self {
        Self {
            chain,
            genesis,
            peer_id: peer_id(&keys.network),
            keys: keys.session.iter().map(SessionKey::public).collect(),
        }
    }
}

/// Returns the peer id that belongs to a network key.
pub fn peer_id(network_key: &[u8; 32]) -> String {
    // Any 32 bytes are a valid Ed25519 secret key.
    SecretKey::try_from_bytes(*network_key)
        .map(|secret| Keypair::from(secret).public().to_peer_id().to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys::{dave, session_key};

    #[test]
    fn only_the_file_names_of_keys_are_recognised() {
        for key in &dave().session {
            assert_eq!(SessionKey::name_from_file_name(&key.file_name()), Some(key.name.clone()));
            assert_eq!(SessionKey::name_from_file_name(&key.file_name().to_uppercase()), None);
        }
        for file_name in ["", "61757261", "0x6175726100", "6175726100.held", "notes.txt"] {
            assert_eq!(SessionKey::name_from_file_name(file_name), None, "{file_name}");
        }
    }

    #[test]
    fn a_phrase_of_another_key_is_detected() {
        for key_type in [AURA.0, GRANDPA.0] {
            let mut key = session_key(key_type, "//Dave");
            assert!(key.matches_name(None));
            assert!(!key.matches_name(Some("a password")));
            key.phrase = "//Bob".into();
            assert!(!key.matches_name(None));
            key.phrase = "not a phrase".into();
            assert!(!key.matches_name(None));
        }
        let other = SessionKey { name: b"unknown type".to_vec(), phrase: "//Dave".into() };
        assert!(other.matches_name(None) && !other.is_grandpa());
    }

    #[test]
    fn the_identity_has_public_keys_only() {
        let keys = dave();
        let identity = ValidatorIdentity::new("four".into(), None, &keys);
        assert!(identity.peer_id.starts_with("12D3KooW"), "{}", identity.peer_id);
        let kinds: Vec<_> = identity.keys.iter().map(|key| key.kind.as_str()).collect();
        assert_eq!(kinds, ["aura", "grandpa"]);
        assert_eq!(
            identity.keys[0].public,
            "0x306721211d5404bd9da88e0204360a1a9ab8b87c66c1bc2fcdd37f3c2222cc20"
        );
        assert!(!format!("{identity:?} {keys:?}").contains("Dave"));
    }
}
