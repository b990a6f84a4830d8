//! ECDSA on the curve P-256 with SHA-256 (FIPS 186-5), the algorithm of secure elements and TPMs, with one rule for what
//! is valid.
//!
//! A signature (r, s) of a message is valid for a key if
//!
//! 1. the key is the compressed encoding (SEC 1, 33 bytes) of a point on the curve other than the point at infinity;
//! 2. r and s are canonical: at least 1 and less than the group order n;
//! 3. s is low: at most n / 2;
//! 4. the equation of ECDSA holds.
//!
//! # Why s must be low
//!
//! If (r, s) satisfies the equation, (r, n - s) does too. Without rule 3, anybody could change a valid signature into
//! another one. The signature is part of a log entry, so the same event would then have two entries with different
//! digests. Devices return either of the two values; the maker of a signature calls [`normalize_s`].
//!
//! # Two implementations
//!
//! [`VerifyingKey::verify`] uses the crate `p256`, which is pure Rust and also runs in the chain's runtime and in offline
//! verifiers. `VerifyingKey::verify_with_ring` (feature `ring`) uses the crate `ring`, which is several times as fast,
//! for gateways that admit many events. The rules 1 to 3 are checked by the same code for both, because `ring` accepts a
//! high s. The tests run both on the vectors of the project Wycheproof.

use ::p256::ecdsa::{self, signature::Verifier as _};
use core::fmt;

/// The group order n, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The largest low s: n / 2, rounded down, big-endian.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Why a P-256 key or signature is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum P256Error {
    /// The first byte of the key is not that of a compressed point.
    Prefix(u8),
    /// The key does not have 33 bytes.
    Length(usize),
    /// The key is not a point on the curve.
    NotOnCurve,
    /// r or s is zero, or not less than the group order.
    Range,
    /// s is high.
    HighS,
    /// The signature is not the key's over this message.
    Mismatch,
}

impl fmt::Display for P256Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(byte) => {
                let kind = match byte {
                    0 => " (the point at infinity)",
                    4 => " (an uncompressed point)",
                    6 | 7 => " (a hybrid point)",
                    _ => "",
                };
                write!(
                    f,
                    "the P-256 key starts with the byte {byte:02x}{kind}: use the compressed form, which has 33 bytes \
                     and starts with 02 or 03"
                )
            }
            Self::Length(length) => {
                write!(f, "the P-256 key has {length} bytes: use the compressed form, which has 33")
            }
            Self::NotOnCurve => f.write_str("the P-256 key is not a point on the curve: check that it is complete"),
            Self::Range => f.write_str(
                "r or s of the P-256 signature is not between 1 and the group order: check that it is r followed by \
                 s, 32 bytes each, big-endian",
            ),
            Self::HighS => {
                f.write_str("the P-256 signature has a high s: replace s by the group order minus s")
            }
            Self::Mismatch => f.write_str("the P-256 signature is not valid for this key and message"),
        }
    }
}

impl core::error::Error for P256Error {}

/// A valid public key: a point on the curve.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    key: ecdsa::VerifyingKey,
    /// The encoding that `ring` reads.
    #[cfg(any(test, feature = "ring"))]
    uncompressed: [u8; 65],
}

impl VerifyingKey {
    /// Parses a compressed key. Fails for any other encoding, so that each key has one.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, P256Error> {
        // The crate also reads other encodings, one of which (05, compact) has 33 bytes too.
        match bytes.first() {
            Some(2 | 3) | None => (),
            Some(prefix) => return Err(P256Error::Prefix(*prefix)),
        }
        if bytes.len() != 33 {
            return Err(P256Error::Length(bytes.len()));
        }
        ecdsa::VerifyingKey::from_sec1_bytes(bytes).map(Self::new).map_err(|_| P256Error::NotOnCurve)
    }

    fn new(key: ecdsa::VerifyingKey) -> Self {
        Self {
            key,
            #[cfg(any(test, feature = "ring"))]
            uncompressed: to_array(key.to_encoded_point(false).as_bytes()),
        }
    }

    /// Returns the compressed encoding of the key.
    pub fn to_bytes(&self) -> [u8; 33] {
        compressed(&self.key)
    }

    /// Verifies that this key made `signature` (r and s, big-endian) over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), P256Error> {
        ensure_canonical(signature)?;
        let signature = ecdsa::Signature::from_slice(signature).map_err(|_| P256Error::Range)?;
        self.key.verify(message, &signature).map_err(|_| P256Error::Mismatch)
    }

    /// Verifies as [`Self::verify`] does, with the crate `ring`.
    #[cfg(any(test, feature = "ring"))]
    pub fn verify_with_ring(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), P256Error> {
        use ring::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_FIXED};
        ensure_canonical(signature)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.uncompressed)
            .verify(message, signature)
            .map_err(|_| P256Error::Mismatch)
    }
}

/// Verifies that a key made `signature` over `message`.
pub fn verify(message: &[u8], key: &[u8; 33], signature: &[u8; 64]) -> Result<(), P256Error> {
    VerifyingKey::from_slice(key)?.verify(message, signature)
}

/// Returns the signature with the low s, as verifiers expect it. For makers of signatures: many devices return the high
/// s in half of the cases. Fails if r or s is out of range.
pub fn normalize_s(signature: &[u8; 64]) -> Result<[u8; 64], P256Error> {
    let signature = ecdsa::Signature::from_slice(signature).map_err(|_| P256Error::Range)?;
    Ok(to_array(&signature.normalize_s().unwrap_or(signature).to_bytes()))
}

/// Signs a message. The nonce is derived from the key and the message (RFC 6979), and s is low.
pub(crate) fn sign(key: &ecdsa::SigningKey, message: &[u8]) -> [u8; 64] {
    use ecdsa::signature::Signer as _;
    let signature: ecdsa::Signature = key.sign(message);
    to_array(&signature.normalize_s().unwrap_or(signature).to_bytes())
}

/// Returns the compressed encoding of a key.
pub(crate) fn compressed(key: &ecdsa::VerifyingKey) -> [u8; 33] {
    to_array(key.to_encoded_point(true).as_bytes())
}

/// Ensures that r and s are in range and that s is low.
fn ensure_canonical(signature: &[u8; 64]) -> Result<(), P256Error> {
    let (r, s) = signature.split_at(32);
    let in_range = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0) && *bytes < ORDER[..];
    if !in_range(r) || !in_range(s) {
        return Err(P256Error::Range);
    }
    if *s > HALF_ORDER[..] {
        return Err(P256Error::HighS);
    }
    Ok(())
}

/// Copies an encoding whose length is known. The crate returns it as a slice or as another type of array.
fn to_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests;
