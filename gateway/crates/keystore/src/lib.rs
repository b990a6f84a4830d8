#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod account;
mod file;
pub mod files;
pub mod party;
mod passphrase;
mod sealed;

pub use file::{account_of, change_passphrase, create, open, KeystoreError};
pub use passphrase::{Passphrase, PassphraseError};
pub use sealed::{SealError, Sealed};

use ed25519_dalek::SigningKey;
use rand::RngCore as _;
use schnorrkel::Keypair;
use sp_core::crypto::Pair as _;
use std::fmt;
use streembit_primitives::{
    device::LabelHash, hash::Domain, signature::sign_sr25519, AccountId, DeviceKey, Hash, LogKey, Signature,
};
use zeroize::Zeroizing;

/// Substrate's signing context for extrinsics.
const EXTRINSIC_CONTEXT: &[u8] = b"substrate";

/// The BLAKE3 `derive_key` context of the transport key; part of the format.
const TRANSPORT_CONTEXT: &str = "streembit v1 transport key";

/// The BLAKE3 `derive_key` context of the log key; part of the format.
const LOG_CONTEXT: &str = "streembit v1 log key";

/// The BLAKE3 `derive_key` context of the secret that the salts of labels are derived from; part of the format.
const LABEL_CONTEXT: &str = "streembit v1 label salts";

/// The names of the well-known accounts of development chains. Their keys are public.
pub const DEV_NAMES: [&str; 6] = ["alice", "bob", "charlie", "dave", "eve", "ferdie"];

/// The 32 secret bytes from which a key pair is derived. They are wiped when dropped.
#[derive(Clone)]
pub struct KeySeed(Zeroizing<[u8; 32]>);

impl KeySeed {
    /// Creates a random seed from the operating system's generator.
    pub fn random() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.fill_bytes(seed.as_mut());
        Self(seed)
    }

    /// Returns the seed of a well-known development account, or `None` for other names. Ignores the case of the name.
    pub fn from_dev_name(name: &str) -> Option<Self> {
        let name = DEV_NAMES.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let (first, rest) = name.split_at_checked(1)?;
        let path = format!("//{}{rest}", first.to_uppercase());
        let (_, seed) = sp_core::sr25519::Pair::from_string_with_seed(&path, None).ok()?;
        seed.map(Self::from)
    }

    /// Derives the key pair.
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

/// An sr25519 key pair, and the keys that are derived from the same secret. They are wiped when dropped.
#[derive(Clone)]
pub struct KeyPair {
    pair: Keypair,
    transport: Zeroizing<[u8; 32]>,
    log: SigningKey,
    labels: Zeroizing<[u8; 32]>,
}

impl KeyPair {
    /// Derives a key pair from 32 secret bytes as Substrate does.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let transport = Zeroizing::new(blake3::derive_key(TRANSPORT_CONTEXT, seed.as_ref()));
        let log = SigningKey::from_bytes(&Zeroizing::new(blake3::derive_key(LOG_CONTEXT, seed.as_ref())));
        let labels = Zeroizing::new(blake3::derive_key(LABEL_CONTEXT, seed.as_ref()));
        Self { pair: sp_core::sr25519::Pair::from_seed(&seed).into(), transport, log, labels }
    }

    /// Returns the key pair of a well-known development account, or `None` for other names. Ignores the case of the
    /// name.
    pub fn from_dev_name(name: &str) -> Option<Self> {
        KeySeed::from_dev_name(name).map(|seed| seed.key_pair())
    }

    /// Returns the account, which is the public key.
    pub fn account(&self) -> AccountId {
        AccountId(self.pair.public.to_bytes())
    }

    /// Signs a message hash in a domain.
    pub fn sign(&self, domain: Domain, message: &Hash) -> Signature {
        sign_sr25519(&self.pair, domain, message)
    }

    /// Signs the payload of an extrinsic as Substrate does.
    pub fn sign_extrinsic(&self, payload: &[u8]) -> [u8; 64] {
        self.pair.sign_simple(EXTRINSIC_CONTEXT, payload).to_bytes()
    }

    /// Returns the seed of the Ed25519 key that identifies the account's peer on the network. The key pair cannot be
    /// derived from it.
    pub fn transport_seed(&self) -> Zeroizing<[u8; 32]> {
        self.transport.clone()
    }

    /// Returns the Ed25519 key that signs the notes of the checkpoints of the gateway's log.
    ///
    /// It is derived from the secret of the key pair with BLAKE3 (`derive_key`, with a context of its own), so it is the
    /// same each time, and a backup of the keystore is also a backup of this key. The key pair cannot be derived from it.
    pub fn log_key(&self) -> SigningKey {
        self.log.clone()
    }

    /// Returns the salt of the label of a hosted device: the keyed BLAKE3 hash of the label, with a key that is derived from
    /// the secret of the key pair. It is the same each time, so nothing has to be stored, and nobody else can compute it.
    pub fn label_salt(&self, label: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.labels, label.as_bytes()).as_bytes()
    }

    /// Returns the key of a device with this label that the account hosts.
    pub fn hosted_key(&self, label: &str) -> DeviceKey {
        let label = LabelHash::new(&self.label_salt(label), label);
        DeviceKey::Hosted { gateway: self.account(), label }
    }

    /// Returns the public key of [`Self::log_key`], which the chain records with the gateway.
    pub fn log_public_key(&self) -> LogKey {
        LogKey(self.log.verifying_key().to_bytes())
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
    fn development_accounts_have_their_well_known_keys() {
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
    fn streembit_and_substrate_accept_the_signatures() {
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
    fn debug_output_has_no_secrets_and_the_transport_seed_differs_from_the_seed() {
        let seed = [0x5a; 32];
        let keys = KeyPair::from_seed(seed);
        let shown = format!("{keys:?} {:?}", KeySeed::from(seed));
        assert!(!shown.contains("5a5a") && !shown.contains("90, 90"), "{shown}");
        assert_ne!(*keys.transport_seed(), seed);
        assert_eq!(keys.transport_seed(), KeyPair::from_seed(seed).transport_seed());
        assert_ne!(keys.transport_seed(), KeyPair::from_seed([0x5b; 32]).transport_seed());
    }

    #[test]
    fn the_log_key_follows_from_the_seed_and_is_a_key_of_its_own() {
        use ed25519_dalek::Signer as _;
        let seed = [0x5a; 32];
        let keys = KeyPair::from_seed(seed);
        assert_eq!(keys.log_key(), KeyPair::from_seed(seed).log_key());
        assert_ne!(keys.log_key(), KeyPair::from_seed([0x5b; 32]).log_key());
        // A change of the derivation would change the keys of all gateways.
        assert_eq!(keys.log_key().to_bytes(), blake3::derive_key("streembit v1 log key", &seed));
        assert_ne!(keys.log_key().to_bytes(), seed);
        assert_ne!(keys.log_key().to_bytes(), *keys.transport_seed());

        let public = keys.log_public_key().verifying_key().unwrap();
        let signature = keys.log_key().sign(b"a note").to_bytes();
        assert!(public.verify(b"a note", &signature));
        assert!(!public.verify(b"another note", &signature));
    }

    #[test]
    fn the_salt_of_a_label_follows_from_the_seed_and_differs_by_label_and_account() {
        let (one, two) = (KeyPair::from_seed([0x5a; 32]), KeyPair::from_seed([0x5b; 32]));
        assert_eq!(one.hosted_key("car"), KeyPair::from_seed([0x5a; 32]).hosted_key("car"));
        assert_ne!(one.label_salt("car"), one.label_salt("van"));
        assert_ne!(one.label_salt("car"), two.label_salt("car"));
        // A change of the derivation would change the ids of all hosted devices.
        let key = blake3::derive_key("streembit v1 label salts", &[0x5a; 32]);
        assert_eq!(one.label_salt("car"), *blake3::keyed_hash(&key, b"car").as_bytes());
        let DeviceKey::Hosted { gateway, label } = one.hosted_key("car") else { panic!() };
        assert_eq!((gateway, label), (one.account(), LabelHash::new(&one.label_salt("car"), "car")));
    }
}
