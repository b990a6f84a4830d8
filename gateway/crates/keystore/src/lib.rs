#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod account;
mod file;
pub mod files;
mod passphrase;
mod sealed;

pub use file::{account_of, change_passphrase, create, open, KeystoreError};
pub use passphrase::{Passphrase, PassphraseError};
pub use sealed::{SealError, Sealed};

use rand::RngCore as _;
use schnorrkel::Keypair;
use sp_core::crypto::Pair as _;
use std::fmt;
use streembit_primitives::{hash::Domain, signature::sign_sr25519, AccountId, Hash, Signature};
use zeroize::Zeroizing;

/// The signing context of extrinsics, as Substrate has it.
const EXTRINSIC_CONTEXT: &[u8] = b"substrate";

/// The BLAKE3 `derive_key` context of the key that a peer's transport uses; part of the format.
const TRANSPORT_CONTEXT: &str = "streembit v1 transport key";

/// The names of the well-known accounts of development chains. Everybody knows their keys.
pub const DEV_NAMES: [&str; 6] = ["alice", "bob", "charlie", "dave", "eve", "ferdie"];

/// The 32 secret bytes that a key pair comes from; wiped when dropped.
#[derive(Clone)]
pub struct KeySeed(Zeroizing<[u8; 32]>);

impl KeySeed {
    /// Fresh, from the system's generator.
    pub fn random() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.fill_bytes(seed.as_mut());
        Self(seed)
    }

    /// The seed of a well-known account of development chains, by its name in any case.
    pub fn from_dev_name(name: &str) -> Option<Self> {
        let name = DEV_NAMES.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let (first, rest) = name.split_at_checked(1)?;
        let path = format!("//{}{rest}", first.to_uppercase());
        let (_, seed) = sp_core::sr25519::Pair::from_string_with_seed(&path, None).ok()?;
        seed.map(Self::from)
    }

    /// The key pair.
    pub fn key_pair(&self) -> KeyPair {
        KeyPair::from_seed(*self.0)
    }
}

impl From<[u8; 32]> for KeySeed {
    fn from(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(secret)")
    }
}

/// An sr25519 key pair; wiped when dropped.
#[derive(Clone)]
pub struct KeyPair {
    pair: Keypair,
    transport: Zeroizing<[u8; 32]>,
}

impl KeyPair {
    /// From 32 secret bytes, expanded as Substrate does.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let transport = Zeroizing::new(blake3::derive_key(TRANSPORT_CONTEXT, seed.as_ref()));
        Self { pair: sp_core::sr25519::Pair::from_seed(&seed).into(), transport }
    }

    /// A well-known account of development chains, by its name in any case; `None` for other names.
    pub fn from_dev_name(name: &str) -> Option<Self> {
        KeySeed::from_dev_name(name).map(|seed| seed.key_pair())
    }

    /// The account: the public key.
    pub fn account(&self) -> AccountId {
        AccountId(self.pair.public.to_bytes())
    }

    /// Signs a message in a domain of the formats.
    pub fn sign(&self, domain: Domain, message: &Hash) -> Signature {
        sign_sr25519(&self.pair, domain, message)
    }

    /// Signs the payload of an extrinsic, as Substrate does.
    pub fn sign_extrinsic(&self, payload: &[u8]) -> [u8; 64] {
        self.pair.sign_simple(EXTRINSIC_CONTEXT, payload).to_bytes()
    }

    /// The seed of the Ed25519 key that the account's peer shows on the network. One way: it does not lead back.
    pub fn transport_seed(&self) -> Zeroizing<[u8; 32]> {
        self.transport.clone()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.account())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::PublicKey;

    #[test]
    fn development_accounts_are_the_well_known_ones() {
        let alice = KeyPair::from_dev_name("Alice").unwrap();
        assert_eq!(
            alice.account().to_string(),
            "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
        );
        for name in DEV_NAMES {
            let upper = name.to_uppercase();
            let known =
                sp_core::sr25519::Pair::from_string(&format!("//{}{}", &upper[..1], &name[1..]), None)
                    .unwrap();
            assert_eq!(KeyPair::from_dev_name(name).unwrap().account().0, known.public().0, "{name}");
        }
        assert!(KeyPair::from_dev_name("mallory").is_none());
        assert!(KeyPair::from_dev_name("").is_none());
    }

    #[test]
    fn signs_what_the_formats_and_substrate_verify() {
        let keys = KeySeed::random().key_pair();
        let message = Hash([7; 32]);
        let signature = keys.sign(Domain::Checkpoint, &message);
        let public = PublicKey::Sr25519(keys.account().0);
        assert!(public.verify(Domain::Checkpoint, &message, &signature));
        assert!(!public.verify(Domain::EventHeader, &message, &signature));

        let payload = b"call, extra and genesis";
        let signature = sp_core::sr25519::Signature::from_raw(keys.sign_extrinsic(payload));
        let public = sp_core::sr25519::Public::from_raw(keys.account().0);
        assert!(sp_core::sr25519::Pair::verify(&signature, payload, &public));
        assert!(!sp_core::sr25519::Pair::verify(&signature, b"another call", &public));
    }

    #[test]
    fn nothing_secret_is_shown_and_the_transport_key_is_another() {
        let seed = [0x5a; 32];
        let keys = KeyPair::from_seed(seed);
        let shown = format!("{keys:?} {:?}", KeySeed::from(seed));
        assert!(!shown.contains("5a5a") && !shown.contains("90, 90"), "{shown}");
        assert_ne!(*keys.transport_seed(), seed);
        assert_eq!(keys.transport_seed(), KeyPair::from_seed(seed).transport_seed());
        assert_ne!(keys.transport_seed(), KeyPair::from_seed([0x5b; 32]).transport_seed());
    }
}
