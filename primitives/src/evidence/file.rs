//! The bytes of an evidence file: what is read and written in one pass.
//!
//! `MAGIC`, the length of the prelude (u32, little-endian), the prelude, the items, and nothing after [`Item::End`].

use super::{EvidenceError, Inline, Item, Prelude, Signatures, TrustRoot, Verdict, Verifier};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, Encode, Input};

/// How a file begins; the last byte is the version.
pub const MAGIC: [u8; 8] = *b"STRMEVD1";

/// The longest prelude, in bytes: some ten thousand changes of voters.
pub const MAX_PRELUDE: u32 = 8 << 20;

/// The beginning of a file, up to its first item; `None` for a prelude beyond [`MAX_PRELUDE`].
pub fn begin(prelude: &Prelude) -> Option<Vec<u8>> {
    let prelude = prelude.encode();
    let length = u32::try_from(prelude.len()).ok().filter(|length| *length <= MAX_PRELUDE)?;
    Some([&MAGIC[..], &length.to_le_bytes(), &prelude].concat())
}

/// Reads the beginning of a file, up to its first item.
pub fn read_prelude(input: &mut impl Input) -> Result<Prelude, EvidenceError> {
    let malformed = EvidenceError::Malformed { what: "prelude", items: 0 };
    let mut magic = [0; 8];
    input.read(&mut magic).map_err(|_| EvidenceError::Magic)?;
    if magic != MAGIC {
        return Err(EvidenceError::Magic);
    }
    let length = u32::decode(input).map_err(|_| malformed.clone())?;
    if length > MAX_PRELUDE {
        return Err(malformed);
    }
    // Read in steps, so that a length that is a lie costs no memory.
    let (mut bytes, mut left) = (Vec::new(), length as usize);
    while left > 0 {
        let mut step = [0; 1024];
        let step = step.get_mut(..left.min(1024)).unwrap_or_default();
        input.read(step).map_err(|_| malformed.clone())?;
        bytes.extend_from_slice(step);
        left -= step.len();
    }
    Prelude::decode_all(&mut bytes.as_slice()).map_err(|_| malformed)
}

/// Reads the next item; `items` is how many were read before.
pub fn read_item(input: &mut impl Input, items: u64) -> Result<Item, EvidenceError> {
    Item::decode(input).map_err(|_| EvidenceError::Malformed { what: "item", items })
}

/// Verifies a whole file. `each` sees the items in their order, before the file is known to be good.
pub fn verify(
    input: &mut impl Input,
    trust: &TrustRoot,
    each: impl FnMut(&Item),
) -> Result<Verdict, EvidenceError> {
    verify_with(input, trust, Inline, each)
}

/// As [`verify`], with signatures verified elsewhere.
pub fn verify_with(
    input: &mut impl Input,
    trust: &TrustRoot,
    signatures: impl Signatures,
    mut each: impl FnMut(&Item),
) -> Result<Verdict, EvidenceError> {
    let prelude = read_prelude(input)?;
    let mut verifier = Verifier::begin_with(&prelude, trust, signatures)?;
    drop(prelude);
    let mut items = 0u64;
    loop {
        let item = read_item(input, items)?;
        each(&item);
        let ended = item == Item::End;
        verifier.push(item)?;
        if ended {
            break;
        }
        items = items.saturating_add(1);
    }
    if input.read_byte().is_ok() {
        return Err(EvidenceError::Trailing);
    }
    verifier.finish()
}
