//! Ed25519 as it is verified here: one rule, which says the same of a signature alone and in any batch.
//!
//! A key A and a signature (R, s) of a message M are good if
//! 1. A and R are canonically encoded points of the curve, and neither is of small order;
//! 2. s is canonical: below the group's order l;
//! 3. `[8](sB - R - kA) = 0`, where k is SHA-512 over R, A and M as they came, modulo l: the equation of RFC 8032.
//!
//! **Why with the cofactor.** Without the 8 a batch cannot say what each signature alone says: whoever holds a key can
//! sign so that `sB - R - kA` is one of the seven points of small order other than 0. Alone it is refused; in a batch
//! `sum of z(sB - R - kA)` loses it wherever the random z is a multiple of its order, with chance 1/8 to 1/2. Such an
//! event would be admitted in one batch and refused in the next, or by an audit. That is the gap between
//! `ed25519_dalek::verify_batch` and `VerifyingKey::verify_strict`. Multiplied by 8, everything is in the group of prime
//! order l, and a sum with random factors of 128 bits is 0 only if each term is, but for a chance of 2^-128.
//! Reducing factors modulo l changes a product with A by a multiple of l, which the 8 takes to 0 as well.
//!
//! **What it costs.** Nothing that a signature is for. Everything that `verify_strict` accepts under a canonical key is
//! accepted; beyond that only what a key's own holder made on purpose with a component of small order. s below l, R
//! canonical and k over the very bytes leave a third person no second signature of the same message. A is not of small
//! order, so that a signature is of one message. ("Taming the Many EdDSAs", 2020, section 3, its algorithm 2.)
//!
//! The factors of a batch are derived from all of its keys, messages and signatures: no randomness is needed, and none
//! of them can be chosen knowing a factor.

use curve25519_dalek::{
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
    traits::IsIdentity as _,
};
use sha2::{Digest as _, Sha512};

/// A key that can be verified with: canonical, on the curve, not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    bytes: [u8; 32],
    point: EdwardsPoint,
}

/// A signature whose encoding is in order, with what it claims to sign: all but the equation.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'k> {
    key: &'k Key,
    r: EdwardsPoint,
    s: Scalar,
    /// SHA-512 over R, A and M: what the batch's factors are derived from.
    #[cfg_attr(not(feature = "std"), allow(dead_code))]
    digest: [u8; 64],
    k: Scalar,
}

impl Key {
    /// From its encoding; `None` for what verifies nothing.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        Some(Self { bytes: *bytes, point: point(bytes)? })
    }

    /// Its encoding.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether a signature over a message is this key's.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.claim(message, signature).is_some_and(|claim| claim.holds())
    }

    /// Reads a signature over a message; `None` where it is none, whatever the equation would say.
    pub fn claim(&self, message: &[u8], signature: &[u8; 64]) -> Option<Claim<'_>> {
        let (r_bytes, s_bytes) = signature.split_first_chunk::<32>()?;
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let r = point(r_bytes)?;
        let hasher = Sha512::new().chain_update(r_bytes).chain_update(self.bytes).chain_update(message);
        let digest: [u8; 64] = hasher.finalize().into();
        Some(Claim { key: self, r, s, digest, k: Scalar::from_bytes_mod_order_wide(&digest) })
    }
}

impl<'k> Claim<'k> {
    /// Whose signature it claims to be.
    pub fn key(&self) -> &'k Key {
        self.key
    }

    /// The equation of this signature alone.
    pub fn holds(&self) -> bool {
        let sum =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.k, &-self.key.point, &self.s) - self.r;
        sum.mul_by_cofactor().is_identity()
    }
}

/// Whether the equation of each signature holds; fastest where those of one key are side by side.
#[cfg(feature = "std")]
pub fn all_hold<'c, 'k: 'c>(claims: impl Iterator<Item = &'c Claim<'k>> + Clone) -> bool {
    use alloc::vec::Vec;
    use curve25519_dalek::{constants::ED25519_BASEPOINT_POINT, traits::VartimeMultiscalarMul as _};

    let mut seed = blake3::Hasher::new_derive_key("streembit v1 ed25519 batch");
    for claim in claims.clone() {
        seed.update(&claim.digest).update(claim.s.as_bytes());
    }
    let mut factors = seed.finalize_xof();
    let mut base = Scalar::ZERO;
    let (mut scalars, mut points) = (Vec::new(), Vec::new());
    let mut last: Option<(&Key, Scalar)> = None;
    for claim in claims {
        let mut factor = [0; 16];
        factors.fill(&mut factor);
        let factor = Scalar::from(u128::from_le_bytes(factor));
        base += factor * claim.s;
        scalars.push(factor);
        points.push(claim.r);
        let term = factor * claim.k;
        match &mut last {
            Some((key, sum)) if key.bytes == claim.key.bytes => *sum += term,
            _ => {
                if let Some((key, sum)) = last.replace((claim.key, term)) {
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

/// A point in its canonical encoding that is not of small order.
fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    // The other way to be not canonical, a sign where x is 0, is only open to points of small order.
    if !below_p(bytes) {
        return None;
    }
    CompressedEdwardsY(*bytes).decompress().filter(|point| !point.is_small_order())
}

/// Whether the y of an encoding (little-endian, without the uppermost bit) is below p = 2^255 - 19.
fn below_p(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

#[cfg(test)]
mod tests;
