//! Checkpoints as C2SP signed notes, which other tools for transparency logs read and verify.
//!
//! The formats are those of <https://c2sp.org/signed-note> and <https://c2sp.org/tlog-checkpoint>. A note of a log has
//! three lines of text (the origin, the number of entries, and the root), an empty line, and one line per signature. The
//! log's key signs with Ed25519. Notes have no extension lines.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`SignedNote`]: making, parsing and verifying a note |
//! | `origin.rs` | [`Origin`] and [`VerifierKey`]: the name of a log and its public key |
//! | `encoding.rs` | base64 and decimal numbers |

pub(crate) mod encoding;
mod origin;

pub use origin::{Origin, OriginError, VerifierKey, VerifierKeyError};

use crate::{merkle::MAX_LOG_SIZE, Hash};
use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::fmt;
use ed25519_dalek::{Signer as _, SigningKey};
use encoding::{from_base64, from_decimal, hash_from_base64, to_base64};

/// The maximum length of a note, in bytes. It has room for 16 signatures of witnesses with post-quantum keys.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// The maximum number of signatures in a note. C2SP asks verifiers to accept at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 32;

/// The beginning of a signature line: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// A parsed note. Its signatures are not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedNote {
    origin: String,
    size: u64,
    root: Hash,
    signatures: Vec<NoteSignature>,
}

/// A signature line of a note.
#[derive(Clone, PartialEq, Eq, Debug)]
struct NoteSignature {
    /// The name of the key.
    name: String,
    /// The id of the key.
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A checkpoint whose note carries a valid signature of the log's key. Only [`SignedNote::verify`] constructs this type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedCheckpoint {
    origin: Origin,
    size: u64,
    root: Hash,
}

impl VerifiedCheckpoint {
    /// Returns the origin of the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root of the log's tree at this size.
    pub fn root(&self) -> &Hash {
        &self.root
    }
}

/// Why a note is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoteError {
    /// The note is longer than [`MAX_NOTE_BYTES`].
    TooLong {
        /// The length of the note, in bytes.
        bytes: usize,
    },
    /// The note is not UTF-8, or contains control characters other than newlines.
    NotText,
    /// No empty line separates the text from the signatures.
    NoSignatures,
    /// The note does not end with the newline after its last signature.
    TrailingBytes,
    /// A line after the text is not a signature.
    SignatureLine {
        /// The position among the signature lines, counted from 1.
        line: usize,
    },
    /// The note has more than [`MAX_NOTE_SIGNATURES`] signatures.
    TooManySignatures,
    /// The text does not have the three lines of a checkpoint.
    Lines {
        /// The number of lines found.
        found: usize,
    },
    /// The second line is not a number of entries: a decimal number of 64 bits without leading zeros.
    Size,
    /// The number of entries is larger than any log's.
    TooLarge {
        /// The number of entries.
        size: u64,
    },
    /// The third line is not the base64 of a 32-byte hash.
    Root,
    /// The note is of another log.
    OtherOrigin {
        /// The origin of the expected log.
        expected: String,
        /// The origin in the note.
        found: String,
    },
    /// No signature is of the expected key.
    OtherKey {
        /// The id of the expected key.
        expected: [u8; 4],
    },
    /// A signature of the expected key is not valid.
    Signature,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "the note has {bytes} bytes, but at most {MAX_NOTE_BYTES} are read: remove signatures of witnesses")
            }
            Self::NotText => f.write_str("the note is not text: it has bytes that are not UTF-8, or control characters"),
            Self::NoSignatures => f.write_str("the note has no signatures: get the whole note, with the empty line and the lines after it"),
            Self::TrailingBytes => f.write_str("the note does not end with the newline of its last signature: get the whole note, and nothing after it"),
            Self::SignatureLine { line } => write!(f, "line {line} of the note's signatures is not a signature"),
            Self::TooManySignatures => {
                write!(f, "the note has more than {MAX_NOTE_SIGNATURES} signatures: remove signatures of witnesses")
            }
            Self::Lines { found } => {
                write!(f, "the note's text has {found} lines instead of the origin, the size and the root")
            }
            Self::Size => f.write_str("the second line of the note is not a number of entries"),
            Self::TooLarge { size } => write!(f, "the note is of {size} entries, which no log has"),
            Self::Root => f.write_str("the third line of the note is not the base64 of a root"),
            Self::OtherOrigin { expected, found } => {
                write!(f, "the note is of the log {found:?}, not of {expected}: use the verifier key of the same log")
            }
            Self::OtherKey { expected } => {
                write!(f, "the note has no signature of the key with id {}: use the verifier key of the log", hex::encode(expected))
            }
            Self::Signature => f.write_str("the log's signature of the note is not valid: the note was changed after it was signed"),
        }
    }
}

impl core::error::Error for NoteError {}

impl SignedNote {
    /// Signs the state of a log at some size with the log's key.
    pub fn sign(origin: &Origin, size: u64, root: Hash, key: &SigningKey) -> Self {
        let mut note = Self { origin: origin.to_string(), size, root, signatures: Vec::new() };
        let signature = key.sign(note.text().as_bytes());
        note.signatures.push(NoteSignature {
            name: note.origin.clone(),
            id: origin::key_id(origin, key.verifying_key().as_bytes()),
            signature: signature.to_bytes().to_vec(),
        });
        note
    }

    /// Parses a note. Every accepted note is written back as the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::NotText);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let signatures = parse_signatures(signatures)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root] = *lines.as_slice() else {
            return Err(NoteError::Lines { found: lines.len() });
        };
        let size = from_decimal(size).ok_or(NoteError::Size)?;
        if size > MAX_LOG_SIZE {
            return Err(NoteError::TooLarge { size });
        }
        let root = hash_from_base64(root).ok_or(NoteError::Root)?;
        Ok(Self { origin: origin.to_string(), size, root, signatures })
    }

    /// Returns the origin that the note claims, which says whose key has to verify it.
    pub fn claimed_origin(&self) -> Result<Origin, OriginError> {
        self.origin.parse()
    }

    /// Verifies that the key of the log signed this note. Signatures of other keys, such as those of witnesses, are
    /// ignored.
    pub fn verify(&self, key: &VerifierKey) -> Result<VerifiedCheckpoint, NoteError> {
        let expected = key.origin().to_string();
        if self.origin != expected {
            return Err(NoteError::OtherOrigin { expected, found: self.origin.clone() });
        }
        let id = key.id();
        let text = self.text();
        let mut signatures = self
            .signatures
            .iter()
            .filter(|signature| signature.id == id && signature.name == expected)
            .peekable();
        if signatures.peek().is_none() {
            return Err(NoteError::OtherKey { expected: id });
        }
        let is_valid = |signature: &NoteSignature| {
            <&[u8; 64]>::try_from(signature.signature.as_slice())
                .is_ok_and(|signature| key.key().verify(text.as_bytes(), signature))
        };
        if !signatures.all(is_valid) {
            return Err(NoteError::Signature);
        }
        Ok(VerifiedCheckpoint { origin: *key.origin(), size: self.size, root: self.root })
    }

    /// Returns the text that is signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root.0))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text())?;
        self.signatures.iter().try_for_each(|signature| {
            let mut bytes = Vec::from(signature.id);
            bytes.extend(&signature.signature);
            writeln!(f, "{SIGNATURE_MARK}{} {}", signature.name, to_base64(&bytes))
        })
    }
}

/// Parses the lines after the empty line.
fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let lines = match lines.strip_suffix('\n') {
        Some(lines) => lines,
        None if lines.is_empty() => return Err(NoteError::NoSignatures),
        None => return Err(NoteError::TrailingBytes),
    };
    let mut signatures = Vec::new();
    for (at, line) in lines.split('\n').enumerate() {
        if at >= MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let signature =
            parse_signature(line).ok_or(NoteError::SignatureLine { line: at.saturating_add(1) })?;
        signatures.push(signature);
    }
    Ok(signatures)
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return None;
    }
    let bytes = from_base64(signature)?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (!signature.is_empty()).then(|| NoteSignature {
        name: name.to_string(),
        id: *id,
        signature: signature.to_vec(),
    })
}

#[cfg(test)]
mod tests;
