//! The encodings of lines in notes and proofs: base64, and decimal numbers without leading zeros.

use crate::Hash;
use alloc::{string::String, vec::Vec};
use base64ct::{Base64, Encoding as _};

/// Encodes bytes in base64 (RFC 4648, section 4), with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Decodes base64. Returns `None` for any text but the one that [`to_base64`] makes of the same bytes.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(text).ok()?;
    (to_base64(&bytes) == text).then_some(bytes)
}

/// Decodes the base64 of a hash.
pub(crate) fn hash_from_base64(text: &str) -> Option<Hash> {
    from_base64(text)?.try_into().ok().map(Hash)
}

/// Parses a decimal number. Returns `None` for signs, leading zeros, other characters, and more than 64 bits.
pub(crate) fn from_decimal(text: &str) -> Option<u64> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    if !digits_only || has_leading_zero {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(from_decimal("0"), Some(0));
        assert_eq!(from_decimal("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "1_0", "18446744073709551616", "\u{661}"]
        {
            assert_eq!(from_decimal(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn base64_has_one_form() {
        assert_eq!(from_base64("AA=="), Some(Vec::from([0])));
        // Bits after the last byte, no padding, too much padding, another alphabet, white space.
        for wrong in ["AB==", "AA", "AA=", "AA===", "-_==", "AA==\n", " AA=="] {
            assert_eq!(from_base64(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>, number: u64) {
            prop_assert_eq!(from_base64(&to_base64(&bytes)), Some(bytes));
            prop_assert_eq!(from_decimal(&number.to_string()), Some(number));
        }
    }
}
