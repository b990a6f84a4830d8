//! Public keys, and signatures in a domain.

use crate::{hash::Domain, Hash};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The public key of a device, a gateway or a party.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum PublicKey {
    /// Schnorr over Ristretto (schnorrkel).
    Sr25519([u8; 32]),
    /// Ed25519 (RFC 8032), common on microcontrollers.
    Ed25519([u8; 32]),
}

/// A signature by either kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Signature {
    /// Schnorr over Ristretto. The domain's context is the signing context.
    Sr25519([u8; 64]),
    /// Ed25519 over the domain's context followed by the message.
    Ed25519([u8; 64]),
}

impl PublicKey {
    /// Returns true if this key made `signature` over `message` in `domain`. Returns false for malformed keys and
    /// signatures.
    pub fn verify(&self, domain: Domain, message: &Hash, signature: &Signature) -> bool {
        match (self, signature) {
            (Self::Sr25519(key), Signature::Sr25519(signature)) => {
                verify_sr25519(key, domain, message, signature)
            }
            (Self::Ed25519(key), Signature::Ed25519(signature)) => {
                verify_ed25519(key, domain, message, signature)
            }
            (Self::Sr25519(_), Signature::Ed25519(_)) | (Self::Ed25519(_), Signature::Sr25519(_)) => false,
        }
    }
}

fn verify_sr25519(key: &[u8; 32], domain: Domain, message: &Hash, signature: &[u8; 64]) -> bool {
    let (Ok(key), Ok(signature)) =
        (schnorrkel::PublicKey::from_bytes(key), schnorrkel::Signature::from_bytes(signature))
    else {
        return false;
    };
    key.verify_simple(domain.context().as_bytes(), message.as_bytes(), &signature).is_ok()
}

fn verify_ed25519(key: &[u8; 32], domain: Domain, message: &Hash, signature: &[u8; 64]) -> bool {
    crate::ed25519::VerifyingKey::from_bytes(key)
        .is_some_and(|key| key.verify(&ed25519_message(domain, message), signature))
}

/// Returns the bytes that an Ed25519 key signs: the domain's context followed by the message. The concatenation is
/// unambiguous because a message always has 32 bytes.
pub(crate) fn ed25519_message(domain: Domain, message: &Hash) -> alloc::vec::Vec<u8> {
    [domain.context().as_bytes(), message.as_bytes()].concat()
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// A text is not a public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseKeyError;

impl core::fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a public key: expected sr25519: or ed25519: and 64 hexadecimal digits")
    }
}

impl core::error::Error for ParseKeyError {}

impl core::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sr25519(bytes) => write!(f, "sr25519:{}", hex::encode(bytes)),
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
        }
    }
}

impl core::str::FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (kind, digits) = text.split_once(':').ok_or(ParseKeyError)?;
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseKeyError)?;
        match kind {
            "sr25519" => Ok(Self::Sr25519(bytes)),
            "ed25519" => Ok(Self::Ed25519(bytes)),
            _ => Err(ParseKeyError),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text is not a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseSignatureError;

impl core::fmt::Display for ParseSignatureError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a signature: expected sr25519: or ed25519: and 128 hexadecimal digits")
    }
}

impl core::error::Error for ParseSignatureError {}

impl core::fmt::Display for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sr25519(bytes) => write!(f, "sr25519:{}", hex::encode(bytes)),
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
        }
    }
}

impl core::str::FromStr for Signature {
    type Err = ParseSignatureError;

    fn from_str(text: &str) -> Result<Self, ParseSignatureError> {
        let (kind, digits) = text.split_once(':').ok_or(ParseSignatureError)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseSignatureError)?;
        match kind {
            "sr25519" => Ok(Self::Sr25519(bytes)),
            "ed25519" => Ok(Self::Ed25519(bytes)),
            _ => Err(ParseSignatureError),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Signs a message in a domain with an sr25519 key. Requires `std`, because the nonce comes from the system's random
/// number generator.
#[cfg(feature = "std")]
pub fn sign_sr25519(pair: &schnorrkel::Keypair, domain: Domain, message: &Hash) -> Signature {
    Signature::Sr25519(pair.sign_simple(domain.context().as_bytes(), message.as_bytes()).to_bytes())
}

/// Signs a message in a domain with an Ed25519 key.
pub fn sign_ed25519(key: &ed25519_dalek::SigningKey, domain: Domain, message: &Hash) -> Signature {
    use ed25519_dalek::Signer as _;
    Signature::Ed25519(key.sign(&ed25519_message(domain, message)).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sr25519() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    #[test]
    fn a_signature_is_valid_for_one_domain_message_and_key() {
        let message = Hash([1; 32]);
        let ed = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
        for (key, signature) in [
            (
                PublicKey::Sr25519(sr25519().public.to_bytes()),
                sign_sr25519(&sr25519(), Domain::EventHeader, &message),
            ),
            (
                PublicKey::Ed25519(ed.verifying_key().to_bytes()),
                sign_ed25519(&ed, Domain::EventHeader, &message),
            ),
        ] {
            assert!(key.verify(Domain::EventHeader, &message, &signature));
            assert!(!key.verify(Domain::Checkpoint, &message, &signature));
            assert!(!key.verify(Domain::EventHeader, &Hash([2; 32]), &signature));
            let stranger = match key {
                PublicKey::Sr25519(_) => PublicKey::Sr25519([3; 32]),
                PublicKey::Ed25519(_) => PublicKey::Ed25519([3; 32]),
            };
            assert!(!stranger.verify(Domain::EventHeader, &message, &signature));
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn malformed_signatures_are_invalid() {
        let key = PublicKey::Sr25519(sr25519().public.to_bytes());
        assert!(!key.verify(Domain::EventHeader, &Hash::ZERO, &Signature::Sr25519([0; 64])));
        assert!(!key.verify(Domain::EventHeader, &Hash::ZERO, &Signature::Sr25519([0xff; 64])));
        assert!(!key.verify(Domain::EventHeader, &Hash::ZERO, &Signature::Ed25519([0; 64])));
        // Without strict rules, the identity point as an Ed25519 key verifies this signature for any message.
        let mut identity = [0u8; 32];
        identity[0] = 1;
        let mut forged = [0u8; 64];
        forged[0] = 1;
        assert!(!PublicKey::Ed25519(identity).verify(
            Domain::EventHeader,
            &Hash::ZERO,
            &Signature::Ed25519(forged)
        ));
    }
}
