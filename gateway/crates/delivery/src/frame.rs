//! Frames on a stream: a length of four bytes, little-endian, then that many bytes of SCALE.

use codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use std::io;

/// What is wrong with a frame, or with the stream that it should come from.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the stream, between two frames.
    #[error("the other side closed the stream")]
    Closed,
    /// The other side closed the stream within a frame.
    #[error("the stream ends within a frame")]
    Truncated,
    /// Longer than any frame that can be expected here; nothing of it was read.
    #[error("a frame of {length} bytes where {limit} are the most: the other side speaks another protocol or version")]
    Oversized {
        /// The length that it claims.
        length: u32,
        /// The most that it could have.
        limit: usize,
    },
    /// Not what is expected here.
    #[error("a frame of {length} bytes is not the expected {expected}: {problem}")]
    Malformed {
        /// Its length.
        length: usize,
        /// What was expected.
        expected: &'static str,
        /// What the decoder said.
        problem: codec::Error,
    },
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
}

impl FrameError {
    /// Whether the bytes themselves are wrong, not merely missing.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Truncated | Self::Oversized { .. } | Self::Malformed { .. })
    }
}

/// Reads one frame. The type bounds its length, before anything is allocated for it.
pub async fn read<T: Decode + MaxEncodedLen>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, FrameError> {
    let length = read_length(from).await?;
    let limit = T::max_encoded_len();
    if length as usize > limit {
        return Err(FrameError::Oversized { length, limit });
    }
    let mut bytes = vec![0u8; length as usize];
    from.read_exact(&mut bytes).await.map_err(within)?;
    decode(&bytes)
}

/// Decodes the bytes of one frame, to the last.
pub fn decode<T: Decode>(mut bytes: &[u8]) -> Result<T, FrameError> {
    let length = bytes.len();
    T::decode_all(&mut bytes).map_err(|problem| {
        let expected = std::any::type_name::<T>().rsplit("::").next().unwrap_or("frame");
        FrameError::Malformed { length, expected, problem }
    })
}

/// Writes one frame and hands it to the network.
pub async fn write<T: Encode>(to: &mut (impl AsyncWrite + Unpin), frame: &T) -> Result<(), FrameError> {
    to.write_all(&encode(frame)?).await?;
    to.flush().await?;
    Ok(())
}

/// One frame as bytes.
pub fn encode<T: Encode>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let body = frame.encode();
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("a frame above 4 GiB"))?;
    Ok([&length.to_le_bytes(), body.as_slice()].concat())
}

async fn read_length(from: &mut (impl AsyncRead + Unpin)) -> Result<u32, FrameError> {
    let (mut first, mut rest) = ([0u8; 1], [0u8; 3]);
    if from.read(&mut first).await? == 0 {
        return Err(FrameError::Closed);
    }
    from.read_exact(&mut rest).await.map_err(within)?;
    let ([a], [b, c, d]) = (first, rest);
    Ok(u32::from_le_bytes([a, b, c, d]))
}

fn within(error: io::Error) -> FrameError {
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

    fn read_bytes<T: Decode + MaxEncodedLen>(bytes: &[u8]) -> Result<T, FrameError> {
        block_on(read(&mut Cursor::new(bytes)))
    }

    #[test]
    fn frames_come_back_one_by_one() {
        let frames = [Frame::Alive, Frame::End(End::Busy), Frame::Alive];
        let bytes = frames.iter().flat_map(|frame| encode(frame).unwrap()).collect::<Vec<_>>();
        let mut from = Cursor::new(bytes);
        for frame in frames {
            assert_eq!(block_on(read::<Frame>(&mut from)).unwrap(), frame);
        }
        assert!(matches!(block_on(read::<Frame>(&mut from)), Err(FrameError::Closed)));
    }

    #[test]
    fn a_length_beyond_the_type_is_refused_before_its_bytes() {
        // No byte follows the length: had the reader gone on, the error were another.
        let error = read_bytes::<Credit>(&5u32.to_le_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { length: 5, limit: 4 }), "{error}");
        let error = read_bytes::<Frame>(&u32::MAX.to_le_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { .. }), "{error}");
        assert!(error.to_string().contains("another protocol"));
    }

    #[test]
    fn bounds_are_small() {
        assert!(Frame::max_encoded_len() <= 64 * 1024, "{}", Frame::max_encoded_len());
        assert!(Subscribe::max_encoded_len() <= 2 * 1024, "{}", Subscribe::max_encoded_len());
    }

    #[test]
    fn missing_and_surplus_bytes_are_told_apart() {
        let whole = encode(&Hello { challenge: [7; 32] }).unwrap();
        for cut in 1..whole.len() {
            assert!(matches!(read_bytes::<Hello>(&whole[..cut]), Err(FrameError::Truncated)), "{cut}");
        }
        let mut short = 31u32.to_le_bytes().to_vec();
        short.extend([0; 31]);
        let error = read_bytes::<Hello>(&short).unwrap_err();
        assert!(error.to_string().contains("Hello"), "{error}");
        assert!(decode::<Credit>(&[0; 5]).is_err(), "a byte too many");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            // What decodes must encode to the very same bytes: one frame, one form.
            if let Ok(frame) = read_bytes::<Frame>(&bytes) {
                prop_assert!(bytes.starts_with(&encode(&frame).unwrap()));
            }
            let _ = read_bytes::<Subscribe>(&bytes);
        }

        #[test]
        fn any_content_of_any_length_gives_a_frame_or_an_error(
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
        fn damage_shows(at in 0usize..140, flip in 1u8..=255) {
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
