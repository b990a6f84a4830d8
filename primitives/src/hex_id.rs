//! The hexadecimal text form of fixed-size ids, such as hashes and accounts.

use core::fmt;

/// A text is not the hexadecimal form of an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseIdError {
    /// The number of bytes of the id.
    pub bytes: usize,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected {} hexadecimal digits after an optional 0x", self.bytes * 2)
    }
}

impl core::error::Error for ParseIdError {}

/// Implements `Display`, `Debug`, `FromStr` and `serde` for a tuple struct over `[u8; $n]`: `0x` and lower-case
/// hexadecimal digits. Reading also accepts upper-case digits, and the digits without `0x`.
macro_rules! impl_hex_text {
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
            type Err = $crate::hex_id::ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0u8; $n];
                let digits = text.strip_prefix("0x").unwrap_or(text);
                hex::decode_to_slice(digits, &mut bytes)
                    .map_err(|_| $crate::hex_id::ParseIdError { bytes: $n })?;
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
pub(crate) use impl_hex_text;

#[cfg(test)]
mod tests {
    use crate::Hash;

    #[test]
    fn hex_round_trips() {
        let hash = Hash([0xab; 32]);
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        assert!("0xab".parse::<Hash>().is_err());
        assert!("zz".repeat(32).parse::<Hash>().is_err());
    }
}
