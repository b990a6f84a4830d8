//! Frames on a stream: a little-endian length of four bytes, followed by that many bytes of SCALE.

use codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use std::io;

/// The maximum length of a frame, in bytes. An event whose log entry is as large as it may be, with a proof of each part,
/// fits.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// The error of reading or writing a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the stream between two frames.
    #[error("the other side closed the stream")]
    Closed,
    /// The other side closed the stream within a frame.
    #[error("the stream ends within a frame")]
    Truncated,
    /// The length exceeds the maximum for the expected frame. No byte after the length was read.
    #[error("a frame of {length} bytes exceeds the maximum of {limit}: the other side uses another protocol or version")]
    Oversized {
        /// The length in the frame.
        length: u32,
        /// The maximum length.
        limit: usize,
    },
    /// The frame could not be decoded.
    #[error("a frame of {length} bytes is not a valid {expected}: {problem}")]
    Malformed {
        /// The length.
        length: usize,
        /// The expected type.
        expected: &'static str,
        /// The decoder's error.
        problem: codec::Error,
    },
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}

impl FrameError {
    /// Returns true if the received bytes are wrong, as opposed to missing.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Truncated | Self::Oversized { .. } | Self::Malformed { .. })
    }
}

/// Reads one frame. Checks the length against the type's maximum before it allocates memory.
pub async fn read<T: Decode + MaxEncodedLen>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, FrameError> {
    let length = read_length(from).await?;
    let limit = T::max_encoded_len().min(MAX_FRAME_BYTES);
    if length as usize > limit {
        return Err(FrameError::Oversized { length, limit });
    }
    let mut bytes = vec![0u8; length as usize];
    from.read_exact(&mut bytes).await.map_err(truncated_or_io)?;
    decode(&bytes)
}

/// Decodes the bytes of one frame and fails if bytes are left over.
pub fn decode<T: Decode>(mut bytes: &[u8]) -> Result<T, FrameError> {
    let length = bytes.len();
    T::decode_all(&mut bytes).map_err(|problem| {
        let expected = std::any::type_name::<T>().rsplit("::").next().unwrap_or("frame");
        FrameError::Malformed { length, expected, problem }
    })
}

/// Writes one frame and flushes the stream.
pub async fn write<T: Encode>(to: &mut (impl AsyncWrite + Unpin), frame: &T) -> Result<(), FrameError> {
    to.write_all(&encode(frame)?).await?;
    to.flush().await?;
    Ok(())
}

/// Encodes a frame with its length.
pub fn encode<T: Encode>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let body = frame.encode();
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("a frame must not exceed 4 GiB"))?;
    Ok([&length.to_le_bytes(), body.as_slice()].concat())
}

async fn read_length(from: &mut (impl AsyncRead + Unpin)) -> Result<u32, FrameError> {
    let (mut first, mut rest) = ([0u8; 1], [0u8; 3]);
    if from.read(&mut first).await? == 0 {
        return Err(FrameError::Closed);
    }
    from.read_exact(&mut rest).await.map_err(truncated_or_io)?;
    let ([a], [b, c, d]) = (first, rest);
    Ok(u32::from_le_bytes([a, b, c, d]))
}

fn truncated_or_io(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::wire::{Credit, End, Frame, Hello, Subscribe},
        *,
    };
    use futures::{executor::block_on, io::Cursor};
    use proptest::prelude::*;

    /// The largest event: a body of the maximum size in the maximum number of parts.
    #[test]
    fn the_largest_event_fits_into_a_frame() {
        let disclosure_overhead = 32 + 4 + 4 + 1 + 7 * 32;
        let parts = streembit_primitives::body::MAX_PARTS as usize * disclosure_overhead;
        let rest = streembit_primitives::LogEntry::max_encoded_len() + 1024;
        assert!(streembit_log::MAX_BODY_BYTES + parts + rest <= MAX_FRAME_BYTES);
    }

    fn read_bytes<T: Decode + MaxEncodedLen>(bytes: &[u8]) -> Result<T, FrameError> {
        block_on(read(&mut Cursor::new(bytes)))
    }

    #[test]
    fn written_frames_are_read_in_order() {
        let frames = [Frame::Alive, Frame::End(End::Busy), Frame::Alive];
        let bytes = frames.iter().flat_map(|frame| encode(frame).unwrap()).collect::<Vec<_>>();
        let mut from = Cursor::new(bytes);
        for frame in frames {
            assert_eq!(block_on(read::<Frame>(&mut from)).unwrap(), frame);
        }
        assert!(matches!(block_on(read::<Frame>(&mut from)), Err(FrameError::Closed)));
    }

    #[test]
    fn a_length_above_the_maximum_is_rejected_before_reading_on() {
        // No byte follows the length: if the reader tried to read on, the error would be another.
        let error = read_bytes::<Credit>(&5u32.to_le_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { length: 5, limit: 4 }), "{error}");
        let error = read_bytes::<Frame>(&u32::MAX.to_le_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { .. }), "{error}");
        assert!(error.to_string().contains("another protocol"));
    }

    #[test]
    fn the_maximum_lengths_are_small() {
        let length = (MAX_FRAME_BYTES as u32 + 1).to_le_bytes();
        let error = read_bytes::<Frame>(&length).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { limit: MAX_FRAME_BYTES, .. }), "{error}");
        assert!(Subscribe::max_encoded_len() <= 2 * 1024, "{}", Subscribe::max_encoded_len());
    }

    #[test]
    fn missing_and_leftover_bytes_are_errors() {
        let whole = encode(&Hello { challenge: [7; 32] }).unwrap();
        for cut in 1..whole.len() {
            assert!(matches!(read_bytes::<Hello>(&whole[..cut]), Err(FrameError::Truncated)), "{cut}");
        }
        let mut short = 31u32.to_le_bytes().to_vec();
        short.extend([0; 31]);
        let error = read_bytes::<Hello>(&short).unwrap_err();
        assert!(error.to_string().contains("Hello"), "{error}");
        assert!(decode::<Credit>(&[0; 5]).is_err(), "one byte is left over");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            // Decoded frames must encode to the same bytes: the encoding is canonical.
            if let Ok(frame) = read_bytes::<Frame>(&bytes) {
                prop_assert!(bytes.starts_with(&encode(&frame).unwrap()));
            }
            let _ = read_bytes::<Subscribe>(&bytes);
        }

        #[test]
        fn arbitrary_content_decodes_or_fails(
            tag in 0u8..5,
            content in prop::collection::vec(any::<u8>(), 0..4096),
        ) {
            let mut framed = (content.len() as u32 + 1).to_le_bytes().to_vec();
            framed.push(tag);
            framed.extend(&content);
            match read_bytes::<Frame>(&framed) {
                Ok(frame) => prop_assert_eq!(encode(&frame).unwrap(), framed),
                Err(error) => prop_assert!(error.is_malformed()),
            }
        }

        #[test]
        fn a_flipped_bit_changes_the_frame(at in 0usize..140, flip in 1u8..=255) {
            let frame = Frame::Proof(super::super::wire::GatewayProof {
                challenge: [1; 32],
                account: streembit_primitives::AccountId([2; 32]),
                signature: streembit_primitives::Signature::Sr25519([3; 64]),
            });
            let mut bytes = encode(&frame).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(other) = read_bytes::<Frame>(&bytes) {
                prop_assert_ne!(other, frame);
            }
        }
    }
}
