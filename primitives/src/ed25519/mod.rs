//! Ed25519 verification that gives the same result for a signature alone and in any batch.
//!
//! A signature (R, s) of a message M is valid for a key A if
//!
//! 1. A and R are canonical encodings of points on the curve, and neither has small order;
//! 2. s is canonical: less than the group order l;
//! 3. `[8](sB - R - kA) = 0`, where k is SHA-512 over the bytes of R, A and M, modulo l. This is the equation of RFC 8032.
//!
//! # Why the equation has the cofactor 8
//!
//! Without the cofactor, a batch can accept a signature that is invalid alone. The holder of a key can sign so that
//! `sB - R - kA` is one of the seven points of small order other than 0. Alone, the signature is invalid. In a batch, the
//! term `z(sB - R - kA)` vanishes if the random factor z is a multiple of the point's order, which has a probability of
//! 1/8 to 1/2. Such an event would be accepted in one batch and rejected in the next, or by an audit.
//! `ed25519_dalek::verify_batch` and `VerifyingKey::verify_strict` disagree in this way.
//!
//! Multiplication by 8 maps every term to the group of prime order l. There, a sum with random 128-bit factors is 0 only
//! if each term is 0, except with a probability of 2^-128. Reducing the factors modulo l changes a product with A by a
//! multiple of l, which the multiplication by 8 also maps to 0.
//!
//! # Why the rule is strict enough
//!
//! The rule accepts everything that `verify_strict` accepts under a canonical key. Beyond that it accepts only signatures
//! that the holder of the key made on purpose with a component of small order. Nobody else can derive a second signature
//! of the same message, because s is less than l, R is canonical, and k covers the exact bytes. A signature is valid for
//! one message only, because A does not have small order. (See "Taming the Many EdDSAs", 2020, section 3, algorithm 2.)
//!
//! The factors of a batch are derived from all its keys, messages and signatures. No randomness is needed, and nobody can
//! choose a signature that depends on a factor.
//!
//! # The votes of the chain
//!
//! The chain verifies the votes of GRANDPA by the rules of ZIP 215: the same equation, but every encoding of every point
//! on the curve is valid as A and R. A key from [`VerifyingKey::from_bytes_zip215`] follows these rules. The arguments
//! for batches do not depend on the encodings, so batches agree with single signatures here too.

use curve25519_dalek::{
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
    traits::IsIdentity as _,
};
use sha2::{Digest as _, Sha512};

/// A valid public key, and the rules for its signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyingKey {
    bytes: [u8; 32],
    point: EdwardsPoint,
    encoding: Encoding,
}

/// The encodings of points that are valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// Canonical encodings of points that do not have small order.
    Strict,
    /// All encodings of all points on the curve.
    Zip215,
}

/// A signature with a valid encoding, together with its key and message. The equation has not been verified yet.
#[derive(Clone, Copy, Debug)]
pub struct ParsedSignature<'k> {
    key: &'k VerifyingKey,
    r: EdwardsPoint,
    s: Scalar,
    /// SHA-512 over R, A and M. The factors of a batch are derived from it.
    #[cfg_attr(not(feature = "std"), allow(dead_code))]
    digest: [u8; 64],
    k: Scalar,
}

impl VerifyingKey {
    /// Parses a key, or returns `None` if no signature can be valid for it.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        Self::parse(bytes, Encoding::Strict)
    }

    /// Parses a key whose signatures are verified by the rules of ZIP 215, or returns `None` if it is not on the curve.
    pub fn from_bytes_zip215(bytes: &[u8; 32]) -> Option<Self> {
        Self::parse(bytes, Encoding::Zip215)
    }

    fn parse(bytes: &[u8; 32], encoding: Encoding) -> Option<Self> {
        Some(Self { bytes: *bytes, point: encoding.decode_point(bytes)?, encoding })
    }

    /// Returns the encoding of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Returns true if this key made `signature` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.parse_signature(message, signature).is_some_and(|signature| signature.verify())
    }

    /// Parses a signature over a message, or returns `None` if its encoding is invalid.
    pub fn parse_signature(&self, message: &[u8], signature: &[u8; 64]) -> Option<ParsedSignature<'_>> {
        let (r_bytes, s_bytes) = signature.split_first_chunk::<32>()?;
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let r = self.encoding.decode_point(r_bytes)?;
        let hasher = Sha512::new().chain_update(r_bytes).chain_update(self.bytes).chain_update(message);
        let digest: [u8; 64] = hasher.finalize().into();
        Some(ParsedSignature { key: self, r, s, digest, k: Scalar::from_bytes_mod_order_wide(&digest) })
    }
}

impl<'k> ParsedSignature<'k> {
    /// Returns the key that the signature is to be verified with.
    pub fn key(&self) -> &'k VerifyingKey {
        self.key
    }

    /// Returns true if the equation of this signature holds.
    pub fn verify(&self) -> bool {
        let sum =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.k, &-self.key.point, &self.s) - self.r;
        sum.mul_by_cofactor().is_identity()
    }
}

/// Returns true if the equation of every signature holds. It is fastest if signatures of one key are adjacent.
#[cfg(feature = "std")]
pub fn verify_batch<'s, 'k: 's>(signatures: impl Iterator<Item = &'s ParsedSignature<'k>> + Clone) -> bool {
    use alloc::vec::Vec;
    use curve25519_dalek::{constants::ED25519_BASEPOINT_POINT, traits::VartimeMultiscalarMul as _};

    let mut seed = blake3::Hasher::new_derive_key("streembit v1 ed25519 batch");
    for signature in signatures.clone() {
        seed.update(&signature.digest).update(signature.s.as_bytes());
    }
    let mut factors = seed.finalize_xof();
    let mut base = Scalar::ZERO;
    let (mut scalars, mut points) = (Vec::new(), Vec::new());
    let mut last: Option<(&VerifyingKey, Scalar)> = None;
    for signature in signatures {
        let mut factor = [0; 16];
        factors.fill(&mut factor);
        let factor = Scalar::from(u128::from_le_bytes(factor));
        base += factor * signature.s;
        scalars.push(factor);
        points.push(signature.r);
        let term = factor * signature.k;
        match &mut last {
            Some((key, sum)) if key.bytes == signature.key.bytes => *sum += term,
            _ => {
                if let Some((key, sum)) = last.replace((signature.key, term)) {
                    scalars.push(sum);
                    points.push(key.point);
                }
            }
        }
    }
    if let Some((key, sum)) = last {
        scalars.push(sum);
        points.push(key.point);
    }
    scalars.push(-base);
    points.push(ED25519_BASEPOINT_POINT);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
}

impl Encoding {
    /// Decodes a point, or returns `None` if its encoding is not valid.
    fn decode_point(self, bytes: &[u8; 32]) -> Option<EdwardsPoint> {
        let decompress = || CompressedEdwardsY(*bytes).decompress();
        match self {
            // The other non-canonical encodings, with a sign bit although x is 0, are only those of points of small
            // order.
            Self::Strict if !is_y_canonical(bytes) => None,
            Self::Strict => decompress().filter(|point| !point.is_small_order()),
            Self::Zip215 => decompress(),
        }
    }
}

/// Returns true if the y coordinate of an encoding (little-endian, without the highest bit) is less than p = 2^255 - 19.
fn is_y_canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

#[cfg(test)]
mod tests;
