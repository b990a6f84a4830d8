//! Public keys, and signatures in a domain.

use crate::{
    hash::Domain,
    p256::{self, P256Error},
    Hash,
};
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
    /// ECDSA on P-256, common in secure elements and TPMs: the compressed encoding of a point (SEC 1).
    P256([u8; 33]),
}

/// A signature by any kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Signature {
    /// Schnorr over Ristretto. The domain's context is the signing context.
    Sr25519([u8; 64]),
    /// Ed25519 over the domain's context followed by the message.
    Ed25519([u8; 64]),
    /// ECDSA on P-256 with SHA-256 over the domain's context followed by the message: r and s, big-endian, with low s.
    P256([u8; 64]),
}

/// Why a signature is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureError {
    /// The signature is not the key's over this message, or the key or the signature is malformed.
    Invalid,
    /// The P-256 signature has a high s. The maker of the signature must normalize it.
    HighS,
}

impl core::fmt::Display for SignatureError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Invalid => f.write_str("the signature is not valid for this key and message"),
            Self::HighS => P256Error::HighS.fmt(f),
        }
    }
}

impl core::error::Error for SignatureError {}

impl From<P256Error> for SignatureError {
    fn from(error: P256Error) -> Self {
        match error {
            P256Error::HighS => Self::HighS,
            P256Error::Prefix(_)
            | P256Error::Length(_)
            | P256Error::NotOnCurve
            | P256Error::Range
            | P256Error::Mismatch => Self::Invalid,
        }
    }
}

impl PublicKey {
    /// Returns true if this key made `signature` over `message` in `domain`. Returns false for malformed keys and
    /// signatures.
    pub fn verify(&self, domain: Domain, message: &Hash, signature: &Signature) -> bool {
        self.ensure_signed(domain, message, signature).is_ok()
    }

    /// Ensures that this key made `signature` over `message` in `domain`.
    pub fn ensure_signed(
        &self,
        domain: Domain,
        message: &Hash,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let is_valid = match (self, signature) {
            (Self::Sr25519(key), Signature::Sr25519(signature)) => {
                verify_sr25519(key, domain, message, signature)
            }
            (Self::Ed25519(key), Signature::Ed25519(signature)) => {
                verify_ed25519(key, domain, message, signature)
            }
            (Self::P256(key), Signature::P256(signature)) => {
                return Ok(p256::verify(&signed_bytes(domain, message), key, signature)?);
            }
            (Self::Sr25519(_) | Self::Ed25519(_) | Self::P256(_), _) => false,
        };
        if is_valid {
            Ok(())
        } else {
            Err(SignatureError::Invalid)
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
        .is_some_and(|key| key.verify(&signed_bytes(domain, message), signature))
}

/// Returns the bytes that an Ed25519 or a P-256 key signs: the domain's context followed by the message. The
/// concatenation is unambiguous because a message always has 32 bytes.
pub(crate) fn signed_bytes(domain: Domain, message: &Hash) -> alloc::vec::Vec<u8> {
    [domain.context().as_bytes(), message.as_bytes()].concat()
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// A text is not a public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseKeyError {
    /// The text is not a kind of key and the right number of hexadecimal digits.
    Format,
    /// The digits are not a P-256 key.
    P256(P256Error),
}

impl core::fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Format => f.write_str(
                "not a public key: expected sr25519: or ed25519: and 64 hexadecimal digits, or p256: and 66",
            ),
            Self::P256(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ParseKeyError {}

impl core::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sr25519(bytes) => write!(f, "sr25519:{}", hex::encode(bytes)),
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
            Self::P256(bytes) => write!(f, "p256:{}", hex::encode(bytes)),
        }
    }
}

impl core::str::FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (kind, digits) = text.split_once(':').ok_or(ParseKeyError::Format)?;
        let bytes = hex::decode(digits).map_err(|_| ParseKeyError::Format)?;
        let bytes_32 = || <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| ParseKeyError::Format);
        match kind {
            "sr25519" => bytes_32().map(Self::Sr25519),
            "ed25519" => bytes_32().map(Self::Ed25519),
            "p256" => {
                let key = p256::VerifyingKey::from_slice(&bytes).map_err(ParseKeyError::P256)?;
                Ok(Self::P256(key.to_bytes()))
            }
            _ => Err(ParseKeyError::Format),
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
        f.write_str("not a signature: expected sr25519:, ed25519: or p256: and 128 hexadecimal digits")
    }
}

impl core::error::Error for ParseSignatureError {}

impl core::fmt::Display for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sr25519(bytes) => write!(f, "sr25519:{}", hex::encode(bytes)),
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
            Self::P256(bytes) => write!(f, "p256:{}", hex::encode(bytes)),
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
            "p256" => Ok(Self::P256(bytes)),
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
    Signature::Ed25519(key.sign(&signed_bytes(domain, message)).to_bytes())
}

/// Signs a message in a domain with a P-256 key.
pub fn sign_p256(key: &::p256::ecdsa::SigningKey, domain: Domain, message: &Hash) -> Signature {
    Signature::P256(p256::sign(key, &signed_bytes(domain, message)))
}

impl From<&::p256::ecdsa::VerifyingKey> for PublicKey {
    fn from(key: &::p256::ecdsa::VerifyingKey) -> Self {
        Self::P256(p256::compressed(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sr25519() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn p256() -> ::p256::ecdsa::SigningKey {
        ::p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
    }

    #[test]
    fn a_signature_is_valid_for_one_domain_message_and_key() {
        let message = Hash([1; 32]);
        let ed = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
        let p256 = p256();
        for (key, signature) in [
            (
                PublicKey::Sr25519(sr25519().public.to_bytes()),
                sign_sr25519(&sr25519(), Domain::EventHeader, &message),
            ),
            (
                PublicKey::Ed25519(ed.verifying_key().to_bytes()),
                sign_ed25519(&ed, Domain::EventHeader, &message),
            ),
            (p256.verifying_key().into(), sign_p256(&p256, Domain::EventHeader, &message)),
        ] {
            assert!(key.verify(Domain::EventHeader, &message, &signature));
            assert!(!key.verify(Domain::Checkpoint, &message, &signature));
            assert!(!key.verify(Domain::EventHeader, &Hash([2; 32]), &signature));
            let stranger = match key {
                PublicKey::Sr25519(_) => PublicKey::Sr25519([3; 32]),
                PublicKey::Ed25519(_) => PublicKey::Ed25519([3; 32]),
                PublicKey::P256(_) => PublicKey::P256([3; 33]),
            };
            assert!(!stranger.verify(Domain::EventHeader, &message, &signature));
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(signature.to_string().parse(), Ok(signature));
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

    #[test]
    fn a_signature_of_another_kind_of_key_is_invalid() {
        let message = Hash([1; 32]);
        let Signature::P256(bytes) = sign_p256(&p256(), Domain::EventHeader, &message) else {
            unreachable!()
        };
        let keys = [
            PublicKey::Sr25519(sr25519().public.to_bytes()),
            PublicKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes()),
            p256().verifying_key().into(),
        ];
        for (at, key) in keys.iter().enumerate() {
            for (other, kind) in [Signature::Sr25519, Signature::Ed25519, Signature::P256].iter().enumerate()
            {
                let result = key.ensure_signed(Domain::EventHeader, &message, &kind(bytes));
                let expected = if (at, other) == (2, 2) { Ok(()) } else { Err(SignatureError::Invalid) };
                assert_eq!(result, expected, "{key} {other}");
            }
        }
    }

    #[test]
    fn a_high_s_has_its_own_error() {
        let message = Hash([1; 32]);
        let key = PublicKey::from(p256().verifying_key());
        let Signature::P256(bytes) = sign_p256(&p256(), Domain::EventHeader, &message) else {
            unreachable!()
        };
        let (r, s) = ::p256::ecdsa::Signature::from_slice(&bytes).unwrap().split_scalars();
        let high = ::p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes();
        let high = <[u8; 64]>::try_from(high.as_slice()).unwrap();
        let verify = |bytes| key.ensure_signed(Domain::EventHeader, &message, &Signature::P256(bytes));
        assert_eq!(verify(high), Err(SignatureError::HighS));
        assert!(!key.verify(Domain::EventHeader, &message, &Signature::P256(high)));
        assert_eq!(p256::normalize_s(&high), Ok(bytes));
        assert!(SignatureError::HighS.to_string().contains("minus s"));
    }

    #[test]
    fn a_text_is_one_key_or_none() {
        let key = PublicKey::from(p256().verifying_key());
        let text = key.to_string();
        assert!(text.starts_with("p256:0") && text.len() == 71, "{text}");
        let long = format!("p256:{}", hex::encode(p256().verifying_key().to_encoded_point(false)));
        let prefix = |byte| Err(ParseKeyError::P256(P256Error::Prefix(byte)));
        for (text, expected) in [
            (text.clone(), Ok(key)),
            (long, prefix(4)),
            (text.replace("p256:02", "p256:06").replace("p256:03", "p256:07"), {
                let PublicKey::P256([first, ..]) = key else { unreachable!() };
                prefix(first + 4)
            }),
            (format!("p256:05{}", "00".repeat(32)), prefix(5)),
            (format!("p256:02{}", "ff".repeat(32)), Err(ParseKeyError::P256(P256Error::NotOnCurve))),
            (format!("{text}00"), Err(ParseKeyError::P256(P256Error::Length(34)))),
            (text.replace("p256", "ed25519"), Err(ParseKeyError::Format)),
            (text.replace("p256", "p-256"), Err(ParseKeyError::Format)),
            (text.replace("p256:", ""), Err(ParseKeyError::Format)),
            (format!("{text}0"), Err(ParseKeyError::Format)),
            (format!("sr25519:{}", "00".repeat(31)), Err(ParseKeyError::Format)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
