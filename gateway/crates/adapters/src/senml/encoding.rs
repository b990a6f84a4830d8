//! The text of a pack, from the bytes that programs on other systems write.

/// The byte order mark with which Windows begins UTF-8 files.
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
/// The byte order marks of UTF-16.
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// The bytes are not the text of a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodingError {
    /// The bytes are UTF-16, as `>` in Windows PowerShell writes.
    #[error("the text is UTF-16: send SenML as UTF-8, for example with `Out-File -Encoding utf8`")]
    Utf16,
    /// The bytes are not UTF-8.
    #[error("the text is not UTF-8: send SenML JSON as UTF-8 text")]
    NotUtf8,
}

/// Returns the bytes without the byte order mark of UTF-8.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)
}

/// Returns true if the beginning of a text is UTF-16: it has a byte order mark, or zeros beside ASCII characters.
pub fn is_utf16(bytes: &[u8]) -> bool {
    let marked = UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark));
    let unmarked = matches!(bytes, [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..]);
    marked || unmarked
}

/// Returns the text of a pack, without a byte order mark.
pub fn text(bytes: &[u8]) -> Result<&str, EncodingError> {
    if is_utf16(bytes) {
        return Err(EncodingError::Utf16);
    }
    std::str::from_utf8(without_mark(bytes)).map_err(|_| EncodingError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_order_mark_of_windows_is_skipped_and_utf16_is_named() {
        assert_eq!(text(b"\xef\xbb\xbf[{\"n\":\"a\",\"v\":1}]"), Ok("[{\"n\":\"a\",\"v\":1}]"));
        assert_eq!(text("[\u{e9}]".as_bytes()), Ok("[\u{e9}]"));
        let utf16 = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}[{{}}]").encode_utf16().flat_map(order).collect()
        };
        for mark in ["\u{feff}", ""] {
            assert_eq!(text(&utf16(u16::to_le_bytes, mark)), Err(EncodingError::Utf16));
            assert_eq!(text(&utf16(u16::to_be_bytes, mark)), Err(EncodingError::Utf16));
        }
        assert_eq!(text(b"[\xff\xfe]"), Err(EncodingError::NotUtf8));
        assert_eq!(text(b""), Ok(""));
    }
}
