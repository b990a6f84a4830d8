//! Reading and writing the bytes of an evidence file, in one pass.
//!
//! A file is [`MAGIC`], the length of the prelude (u32, little-endian), the prelude, and the items. Nothing follows
//! [`Item::End`].

use super::{
    EvidenceError, InlineVerifier, Item, Prelude, SignatureVerifier, TrustRoot, VerifiedEvidence, Verifier,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, Encode, Input};

/// The first bytes of every file. The last of them is the version.
pub const MAGIC: [u8; 8] = *b"STRMEVD4";

/// The maximum length of a prelude, in bytes. It leaves room for about ten thousand changes of voters.
pub const MAX_PRELUDE_BYTES: u32 = 8 << 20;

/// Returns the bytes of a file up to its first item, or `None` if the prelude is longer than [`MAX_PRELUDE_BYTES`].
pub fn encode_prelude(prelude: &Prelude) -> Option<Vec<u8>> {
    let prelude = prelude.encode();
    let length = u32::try_from(prelude.len()).ok().filter(|length| *length <= MAX_PRELUDE_BYTES)?;
    Some([&MAGIC[..], &length.to_le_bytes(), &prelude].concat())
}

/// Reads a file up to its first item.
pub fn read_prelude(input: &mut impl Input) -> Result<Prelude, EvidenceError> {
    let malformed = EvidenceError::Malformed { what: "prelude", items: 0 };
    let mut magic = [0; 8];
    input.read(&mut magic).map_err(|_| EvidenceError::Magic)?;
    if magic != MAGIC {
        return Err(EvidenceError::Magic);
    }
    let length = u32::decode(input).map_err(|_| malformed.clone())?;
    if length > MAX_PRELUDE_BYTES {
        return Err(malformed);
    }
    // Read in chunks, so that a false length does not allocate memory.
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

/// Reads the next item. `items` is the number of items read before it.
pub fn read_item(input: &mut impl Input, items: u64) -> Result<Item, EvidenceError> {
    Item::decode(input).map_err(|_| EvidenceError::Malformed { what: "item", items })
}

/// Verifies a whole file.
///
/// Calls `each` with every item in order, before the file is known to be valid.
pub fn verify(
    input: &mut impl Input,
    trust: &TrustRoot,
    each: impl FnMut(&Item),
) -> Result<VerifiedEvidence, EvidenceError> {
    verify_with(input, trust, InlineVerifier, each)
}

/// Like [`verify`], with signatures checked by `signatures`.
pub fn verify_with(
    input: &mut impl Input,
    trust: &TrustRoot,
    signatures: impl SignatureVerifier,
    mut each: impl FnMut(&Item),
) -> Result<VerifiedEvidence, EvidenceError> {
    let prelude = read_prelude(input)?;
    let mut verifier = Verifier::with_signature_verifier(&prelude, trust, signatures)?;
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
