//! What makes a node the validator that it is: its secret keys, and what others know it by.

use codec::{Decode, Encode};
use sc_network::config::ed25519::{Keypair, SecretKey};
use serde::{Deserialize, Serialize};
use sp_core::{
    crypto::key_types::{AURA, GRANDPA},
    ed25519, sr25519, Pair as _,
};
use std::fmt;
use zeroize::Zeroize as _;

/// The secret keys of a node; wiped when dropped.
#[derive(PartialEq, Eq, Encode, Decode)]
pub struct Keys {
    /// What its peer id comes from: the secret of an Ed25519 key.
    pub network: [u8; 32],
    /// Those of its keystore, in the order of their names.
    pub session: Vec<SessionKey>,
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.network.zeroize();
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(secret)")
    }
}

/// A key of the keystore; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionKey {
    /// Its type, four letters, and the public key.
    pub name: Vec<u8>,
    /// What it is made from: a phrase, or a seed in hexadecimal digits.
    pub phrase: String,
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        self.phrase.zeroize();
    }
}

impl SessionKey {
    /// The name that a file's name stands for; `None` where the keystore would not look at the file.
    pub fn name_of(file: &str) -> Option<Vec<u8>> {
        hex::decode(file).ok().filter(|name| name.len() > AURA.0.len() && hex::encode(name) == file)
    }

    /// The name of its file.
    pub fn file(&self) -> String {
        hex::encode(&self.name)
    }

    /// Whether GRANDPA votes with it.
    pub fn votes(&self) -> bool {
        self.name.starts_with(&GRANDPA.0)
    }

    /// Whether the phrase makes the public key of the name. Keys of other types than the two that are used here are
    /// taken as they are.
    pub fn is_sound(&self, password: Option<&str>) -> bool {
        let (kind, public) = self.parts();
        let made = if kind == AURA.0.as_slice() {
            sr25519::Pair::from_string(&self.phrase, password).map(|pair| pair.public().0)
        } else if kind == GRANDPA.0.as_slice() {
            ed25519::Pair::from_string(&self.phrase, password).map(|pair| pair.public().0)
        } else {
            return true;
        };
        made.is_ok_and(|made| made.as_slice() == public)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let (kind, public) = self.parts();
        let kind = if self.votes() { "grandpa".into() } else { String::from_utf8_lossy(kind).into_owned() };
        PublicKey { kind, public: format!("0x{}", hex::encode(public)) }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.name.split_at_checked(AURA.0.len()).unwrap_or((self.name.as_slice(), b"".as_slice()))
    }
}

/// What a validator is known by; nothing of it is secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// The id of the chain.
    pub chain: String,
    /// The hash of the chain's first block, where it was known.
    pub genesis: Option<String>,
    /// What the network knows it by.
    pub peer_id: String,
    /// What its blocks and votes are signed with.
    pub keys: Vec<PublicKey>,
}

/// The public half of a session key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// What it is for: `aura` makes blocks, `grandpa` votes.
    pub kind: String,
    /// 0x and hexadecimal digits.
    pub public: String,
}

impl Validator {
    /// Whose keys they are.
    pub fn of(chain: String, genesis: Option<String>, keys: &Keys) -> Self {
        // Any 32 bytes are the secret of an Ed25519 key.
        let peer_id = SecretKey::try_from_bytes(keys.network)
            .map(|secret| Keypair::from(secret).public().to_peer_id().to_string())
            .unwrap_or_default();
        Self { chain, genesis, peer_id, keys: keys.session.iter().map(SessionKey::public).collect() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A session key that is made from a development phrase such as `//Dave`.
    pub fn session_key(kind: [u8; 4], phrase: &str) -> SessionKey {
        let public = if kind == GRANDPA.0 {
            ed25519::Pair::from_string(phrase, None).unwrap().public().0
        } else {
            sr25519::Pair::from_string(phrase, None).unwrap().public().0
        };
        SessionKey { name: [kind.as_slice(), public.as_slice()].concat(), phrase: phrase.into() }
    }

    /// The keys of a validator of a preset.
    pub fn dave() -> Keys {
        let session = vec![session_key(AURA.0, "//Dave"), session_key(GRANDPA.0, "//Dave")];
        Keys { network: [7; 32], session }
    }

    #[test]
    fn a_key_is_known_by_its_file_and_nothing_else_is_a_key() {
        for key in &dave().session {
            assert_eq!(SessionKey::name_of(&key.file()), Some(key.name.clone()));
            assert_eq!(SessionKey::name_of(&key.file().to_uppercase()), None);
        }
        for file in ["", "61757261", "0x6175726100", "6175726100.held", "notes.txt"] {
            assert_eq!(SessionKey::name_of(file), None, "{file}");
        }
    }

    #[test]
    fn a_phrase_that_makes_another_key_shows() {
        for kind in [AURA.0, GRANDPA.0] {
            let mut key = session_key(kind, "//Dave");
            assert!(key.is_sound(None));
            assert!(!key.is_sound(Some("a password")));
            key.phrase = "//Bob".into();
            assert!(!key.is_sound(None));
            key.phrase = "no phrase at all".into();
            assert!(!key.is_sound(None));
        }
        let strange = SessionKey { name: b"unknown type".to_vec(), phrase: "//Dave".into() };
        assert!(strange.is_sound(None) && !strange.votes());
    }

    #[test]
    fn a_validator_is_known_by_what_is_public() {
        let keys = dave();
        let validator = Validator::of("four".into(), None, &keys);
        assert!(validator.peer_id.starts_with("12D3KooW"), "{}", validator.peer_id);
        let kinds: Vec<_> = validator.keys.iter().map(|key| key.kind.as_str()).collect();
        assert_eq!(kinds, ["aura", "grandpa"]);
        assert_eq!(
            validator.keys[0].public,
            "0x306721211d5404bd9da88e0204360a1a9ab8b87c66c1bc2fcdd37f3c2222cc20"
        );
        assert!(!format!("{validator:?} {keys:?}").contains("Dave"));
    }
}
