//! Bounded UTF-8 text, and the hexadecimal text form of fixed-size ids.

use alloc::{string::String, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// UTF-8 text of at most `N` bytes. SCALE: a byte vector; decoding refuses longer text and text that is not UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Encode, MaxEncodedLen, TypeInfo)]
pub struct Text<const N: u32>(BoundedVec<u8, ConstU32<N>>);

/// Text longer than its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// The length met, in bytes.
    pub length: usize,
    /// The most allowed, in bytes.
    pub limit: u32,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of text where {} are the most allowed: shorten it", self.length, self.limit)
    }
}

impl core::error::Error for TooLong {}

impl<const N: u32> Text<N> {
    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: u32> TryFrom<&str> for Text<N> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        BoundedVec::try_from(Vec::from(text)).map(Self).map_err(|_| TooLong { length: text.len(), limit: N })
    }
}

impl<const N: u32> TryFrom<String> for Text<N> {
    type Error = TooLong;

    fn try_from(text: String) -> Result<Self, TooLong> {
        Self::try_from(text.as_str())
    }
}

impl<const N: u32> Decode for Text<N> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = BoundedVec::<u8, ConstU32<N>>::decode(input)?;
        core::str::from_utf8(&bytes).map_err(|_| Error::from("text is not UTF-8"))?;
        Ok(Self(bytes))
    }
}

impl<const N: u32> DecodeWithMemTracking for Text<N> {}

impl<const N: u32> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: u32> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "serde")]
impl<const N: u32> serde::Serialize for Text<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de, const N: u32> serde::Deserialize<'de> for Text<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::try_from(text).map_err(serde::de::Error::custom)
    }
}

/// A text that is not the hexadecimal form of an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotHex {
    /// How many bytes the id has.
    pub bytes: usize,
}

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected {} hexadecimal digits after an optional 0x", self.bytes * 2)
    }
}

impl core::error::Error for NotHex {}

/// Gives a tuple struct over `[u8; $n]` its text form: `0x` and lower-case hexadecimal digits.
macro_rules! hex_text {
    ($name:ident, $n:literal) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(&alloc::format!("0x{}", hex::encode(self.0)))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::text::NotHex;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0u8; $n];
                let digits = text.strip_prefix("0x").unwrap_or(text);
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| $crate::text::NotHex { bytes: $n })?;
                Ok(Self(bytes))
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hex_text;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hash;

    #[test]
    fn text_is_bounded_and_utf8() {
        assert_eq!(Text::<3>::try_from("abc").unwrap().as_str(), "abc");
        assert_eq!(Text::<3>::try_from("abcd"), Err(TooLong { length: 4, limit: 3 }));
        assert!(Text::<3>::decode(&mut &vec![0xffu8, 0xfe].encode()[..]).is_err());
        assert!(Text::<3>::decode(&mut &b"abcd".to_vec().encode()[..]).is_err());
    }

    #[test]
    fn hex_round_trips() {
        let hash = Hash([0xab; 32]);
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        assert!("0xab".parse::<Hash>().is_err());
        assert!("zz".repeat(32).parse::<Hash>().is_err());
    }
}
