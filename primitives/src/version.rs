//! Versions of encoded types.

use codec::{Decode, DecodeWithMemTracking, Encode, EncodeLike, Error, Input, MaxEncodedLen, Output};
use core::fmt;
use scale_info::{build::Fields, Path, Type, TypeInfo};

/// The version of an encoded type: one byte, which must be `N` when it is decoded.
///
/// It is the first field of a type whose bytes are signed, stored, sent or proven, so that the bytes of another version
/// are refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version<const N: u8>;

impl<const N: u8> Encode for Version<N> {
    fn size_hint(&self) -> usize {
        1
    }

    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        output.push_byte(N);
    }
}

impl<const N: u8> EncodeLike for Version<N> {}

impl<const N: u8> Decode for Version<N> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        match input.read_byte()? {
            found if found == N => Ok(Self),
            _ => Err("the version of the format is not supported".into()),
        }
    }
}

impl<const N: u8> DecodeWithMemTracking for Version<N> {}

impl<const N: u8> MaxEncodedLen for Version<N> {
    fn max_encoded_len() -> usize {
        1
    }
}

impl<const N: u8> TypeInfo for Version<N> {
    type Identity = Self;

    fn type_info() -> Type {
        Type::builder()
            .path(Path::new("Version", module_path!()))
            .composite(Fields::unnamed().field(|field| field.ty::<u8>()))
    }
}

impl<const N: u8> fmt::Debug for Version<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        N.fmt(f)
    }
}

#[cfg(feature = "serde")]
impl<const N: u8> serde::Serialize for Version<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(N)
    }
}

#[cfg(feature = "serde")]
impl<'de, const N: u8> serde::Deserialize<'de> for Version<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            found if found == N => Ok(Self),
            found => Err(serde::de::Error::custom(format_args!(
                "version {found} of the format is not supported: expected version {N}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_version_decodes() {
        assert_eq!(Version::<2>.encode(), [2]);
        for byte in 0..=u8::MAX {
            assert_eq!(Version::<2>::decode(&mut &[byte][..]).is_ok(), byte == 2);
        }
        assert!(serde_json::from_str::<Version<2>>("2").is_ok());
        assert!(serde_json::from_str::<Version<2>>("1").is_err());
    }
}
