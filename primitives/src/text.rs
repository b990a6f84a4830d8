//! Bounded UTF-8 text.

use crate::shown::{self, Shown};
use alloc::{string::String, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// UTF-8 text of at most `N` bytes.
///
/// The SCALE encoding is that of a byte vector. Decoding fails for longer text and for bytes that are not UTF-8.
///
/// The text is often somebody else's. So it is displayed with its hidden characters escaped ([`Shown`]), and a log admits
/// no new text with such characters; earlier ones have some.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Encode, MaxEncodedLen, TypeInfo)]
pub struct Text<const N: u32>(BoundedVec<u8, ConstU32<N>>);

/// A text is longer than its type allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextLengthError {
    /// The length of the text, in bytes.
    pub length: usize,
    /// The maximum length, in bytes.
    pub limit: u32,
}

impl fmt::Display for TextLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text has {} bytes, but at most {} are allowed: shorten it", self.length, self.limit)
    }
}

impl core::error::Error for TextLengthError {}

impl<const N: u32> Text<N> {
    /// Returns the text, which may contain hidden characters. To show it, use its `Display`.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the first character that acts on a terminal or cannot be seen, or `None` if there is none.
    pub fn hidden_character(&self) -> Option<char> {
        shown::hidden_character(self.as_str())
    }
}

impl<const N: u32> TryFrom<&str> for Text<N> {
    type Error = TextLengthError;

    fn try_from(text: &str) -> Result<Self, TextLengthError> {
        BoundedVec::try_from(Vec::from(text))
            .map(Self)
            .map_err(|_| TextLengthError { length: text.len(), limit: N })
    }
}

impl<const N: u32> TryFrom<String> for Text<N> {
    type Error = TextLengthError;

    fn try_from(text: String) -> Result<Self, TextLengthError> {
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
        Shown(self.as_str()).fmt(f)
    }
}

impl<const N: u32> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_and_never_displayed() {
        let text = Text::<64>::try_from("ok\n   9  2026-01-01  anchored  forged\u{202e}").unwrap();
        assert_eq!(text.hidden_character(), Some('\n'));
        for shown in [alloc::format!("{text}"), alloc::format!("{text:?}")] {
            assert_eq!(shown::hidden_character(&shown), None, "{shown}");
        }
        assert_eq!(Text::<64>::decode(&mut &text.encode()[..]), Ok(text), "stored texts stay readable");
    }

    #[test]
    fn text_is_bounded_and_utf8() {
        assert_eq!(Text::<3>::try_from("abc").unwrap().as_str(), "abc");
        assert_eq!(Text::<3>::try_from("abcd"), Err(TextLengthError { length: 4, limit: 3 }));
        assert!(Text::<3>::decode(&mut &vec![0xffu8, 0xfe].encode()[..]).is_err());
        assert!(Text::<3>::decode(&mut &b"abcd".to_vec().encode()[..]).is_err());
    }
}
