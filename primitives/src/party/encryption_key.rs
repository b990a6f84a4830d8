//! The key that keys for a party are encrypted to.

use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// The X25519 public key (RFC 7748) of a party. Others encrypt to it.
///
/// A shared secret with a point of small order would be known to everybody, so such points are refused wherever the key
/// comes from. Only the canonical encoding of a point is a key, so that each point has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, MaxEncodedLen, TypeInfo)]
pub struct EncryptionKey([u8; 32]);

/// Bytes are not a key that others can encrypt to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WeakEncryptionKeyError;

/// The u-coordinates of the points of small order on Curve25519 and its twist, less than the field's order:
/// 0, 1, -1, and two of order 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
];

impl EncryptionKey {
    /// Checks the bytes of a key: a number below the field's order that is not a point of small order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, WeakEncryptionKeyError> {
        if is_below_field_order(&bytes) && !SMALL_ORDER.contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(WeakEncryptionKeyError)
        }
    }

    /// Returns the bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Returns true if a little-endian number is less than 2^255 - 19.
fn is_below_field_order(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *last < 0x7f || (*last == 0x7f && (*first < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

impl Decode for EncryptionKey {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Self::new(Decode::decode(input)?).map_err(|_| "not an X25519 public key to encrypt to".into())
    }
}

impl DecodeWithMemTracking for EncryptionKey {}

impl fmt::Display for WeakEncryptionKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an X25519 public key to encrypt to: expected 64 hexadecimal digits after an optional 0x, which are not \
             a point of small order",
        )
    }
}

impl core::error::Error for WeakEncryptionKeyError {}

impl fmt::Display for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&alloc::format!("0x{}", hex::encode(self.0)))
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EncryptionKey {
    type Err = WeakEncryptionKeyError;

    fn from_str(text: &str) -> Result<Self, WeakEncryptionKeyError> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| WeakEncryptionKeyError)?;
        Self::new(bytes)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EncryptionKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EncryptionKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::{montgomery::MontgomeryPoint, scalar::Scalar, traits::IsIdentity as _};
    use proptest::prelude::*;

    /// Multiplies with 8, the cofactor. A point of small order becomes the neutral element.
    fn is_small_order(bytes: [u8; 32]) -> bool {
        (Scalar::from(8u8) * MontgomeryPoint(bytes)).is_identity()
    }

    /// Adds the field's order, 2^255 - 19, to a number below 19.
    fn above_the_order(number: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed + number;
        bytes[31] = 0x7f;
        bytes
    }

    #[test]
    fn a_point_of_small_order_is_no_key_in_any_encoding() {
        for bytes in SMALL_ORDER {
            assert!(is_small_order(bytes), "{bytes:x?}");
            let mut high_bit = bytes;
            high_bit[31] |= 0x80;
            for weak in [bytes, high_bit] {
                assert_eq!(EncryptionKey::new(weak), Err(WeakEncryptionKeyError));
                assert!(EncryptionKey::decode(&mut &weak[..]).is_err());
                assert!(hex::encode(weak).parse::<EncryptionKey>().is_err());
            }
        }
    }

    #[test]
    fn only_canonical_encodings_are_keys() {
        // The order plus a small number encodes the small number a second time.
        for number in 0..18 {
            assert!(EncryptionKey::new(above_the_order(number)).is_err(), "{number}");
        }
        // 9 is the base point.
        let mut base = [0; 32];
        base[0] = 9;
        assert!(EncryptionKey::new(base).is_ok());
        base[31] = 0x80;
        assert!(EncryptionKey::new(base).is_err());
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = EncryptionKey::new([5; 32]).unwrap();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(
            serde_json::from_str::<EncryptionKey>(&serde_json::to_string(&key).unwrap()).unwrap(),
            key
        );
        assert!(serde_json::from_str::<EncryptionKey>(&format!("\"0x{}\"", "00".repeat(32))).is_err());
        assert!(
            "0x05".parse::<EncryptionKey>().is_err() && "zz".repeat(32).parse::<EncryptionKey>().is_err()
        );
    }

    proptest! {
        /// No key has small order, and no canonical point of large order is refused.
        #[test]
        fn keys_are_the_canonical_points_of_large_order(bytes: [u8; 32]) {
            let canonical = is_below_field_order(&bytes);
            prop_assert_eq!(EncryptionKey::new(bytes).is_ok(), canonical && !is_small_order(bytes));
            match EncryptionKey::decode(&mut &bytes[..]) {
                Ok(key) => prop_assert_eq!(key.encode(), bytes),
                Err(_) => prop_assert!(EncryptionKey::new(bytes).is_err()),
            }
        }
    }
}
