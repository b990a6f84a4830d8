//! C2SP proofs that an entry is in a log, which other tools for transparency logs verify offline.
//!
//! The format is that of <https://c2sp.org/tlog-proof>: the index of the entry, its inclusion proof, and a checkpoint of
//! the log as a signed note ([`crate::note`]). The data of a leaf is the digest of the log entry
//! ([`crate::LogEntry::digest`]).
//!
//! A proof shows that the holder of the log's key had this entry in its log. It does not show that a chain accepted the
//! log, who owns the device, or that these are all events of the device. Evidence ([`crate::evidence`]) shows these.

use crate::{
    merkle::{leaf_hash, InclusionProof, MAX_PROOF_HASHES},
    note::{
        encoding::{from_base64, from_decimal, hash_from_base64, to_base64},
        NoteError, SignedNote, VerifiedCheckpoint, VerifierKey, MAX_NOTE_BYTES,
    },
    Hash,
};
use alloc::vec::Vec;
use core::fmt;

/// The first line of a proof.
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The maximum length of the extra data, in bytes.
pub const MAX_EXTRA_BYTES: usize = 4096;

/// The maximum length of a proof, in bytes: the longest note, extra data, and path.
pub const MAX_TLOG_PROOF_BYTES: usize = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES + 64 * MAX_PROOF_HASHES as usize;

/// A parsed proof. It is not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlogProof {
    /// Data for the reader. Nothing authenticates it.
    pub extra: Option<Vec<u8>>,
    /// The index of the entry in the log, counted from 0.
    pub index: u64,
    /// The path from the entry's leaf to the root of the checkpoint.
    pub path: InclusionProof,
    /// The checkpoint.
    pub checkpoint: SignedNote,
}

/// An entry that is proven to be in a log. Only [`TlogProof::verify`] constructs this type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedInclusion {
    digest: Hash,
    index: u64,
    checkpoint: VerifiedCheckpoint,
}

impl VerifiedInclusion {
    /// Returns the digest of the entry.
    pub fn digest(&self) -> &Hash {
        &self.digest
    }

    /// Returns the index of the entry in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the checkpoint of the log that includes the entry.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}

/// Why a proof is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlogProofError {
    /// The proof is longer than [`MAX_TLOG_PROOF_BYTES`].
    TooLong {
        /// The length of the proof, in bytes.
        bytes: usize,
    },
    /// The proof is not UTF-8.
    NotText,
    /// The first line is another one.
    FirstLine,
    /// The extra data is not base64, or is longer than [`MAX_EXTRA_BYTES`].
    Extra,
    /// There is no line `index` with a decimal number without leading zeros.
    Index,
    /// A line of the path is not the base64 of a 32-byte hash.
    Path {
        /// The position among the lines of the path, counted from 1.
        line: usize,
    },
    /// The path is longer than that of any log.
    PathTooLong,
    /// No checkpoint follows the path after an empty line.
    NoCheckpoint,
    /// The checkpoint is refused.
    Checkpoint(NoteError),
    /// The path does not lead from this entry to the root of the checkpoint.
    NotIncluded,
}

impl fmt::Display for TlogProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "the proof has {bytes} bytes, but at most {MAX_TLOG_PROOF_BYTES} are read")
            }
            Self::NotText => f.write_str("the proof is not text: it has bytes that are not UTF-8"),
            Self::FirstLine => {
                write!(f, "the file does not begin with {FIRST_LINE}: it is not a proof of this version")
            }
            Self::Extra => {
                write!(f, "the line `extra` of the proof is not base64 of at most {MAX_EXTRA_BYTES} bytes")
            }
            Self::Index => f.write_str(
                "the proof does not say which entry it is of: the line `index` is missing or invalid",
            ),
            Self::Path { line } => write!(f, "line {line} of the proof's path is not the base64 of a hash"),
            Self::PathTooLong => write!(f, "the path of the proof has more than {MAX_PROOF_HASHES} hashes"),
            Self::NoCheckpoint => f.write_str("the proof has no checkpoint: get the whole file"),
            Self::Checkpoint(error) => write!(f, "the checkpoint of the proof is refused: {error}"),
            Self::NotIncluded => f.write_str(
                "the proof is not of this entry: the path does not lead to the root of the checkpoint",
            ),
        }
    }
}

impl core::error::Error for TlogProofError {}

impl TlogProof {
    /// Parses a proof. Every accepted proof is written back as the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_TLOG_PROOF_BYTES {
            return Err(TlogProofError::TooLong { bytes: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| TlogProofError::NotText)?;
        let rest = text
            .strip_prefix(FIRST_LINE)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(TlogProofError::FirstLine)?;
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.next_if(|line| line.starts_with("extra")) {
            Some(line) => Some(parse_extra(line).ok_or(TlogProofError::Extra)?),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(from_decimal)
            .ok_or(TlogProofError::Index)?;
        let path = parse_path(lines)?;
        let checkpoint = SignedNote::parse(checkpoint.as_bytes()).map_err(TlogProofError::Checkpoint)?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Verifies that the entry with this digest is in the log of `key`.
    pub fn verify(&self, digest: &Hash, key: &VerifierKey) -> Result<VerifiedInclusion, TlogProofError> {
        let checkpoint = self.checkpoint.verify(key).map_err(TlogProofError::Checkpoint)?;
        if !self.path.verify(leaf_hash(digest), self.index, checkpoint.size(), checkpoint.root()) {
            return Err(TlogProofError::NotIncluded);
        }
        Ok(VerifiedInclusion { digest: *digest, index: self.index, checkpoint })
    }
}

fn parse_extra(line: &str) -> Option<Vec<u8>> {
    from_base64(line.strip_prefix("extra ")?).filter(|extra| extra.len() <= MAX_EXTRA_BYTES)
}

fn parse_path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<InclusionProof, TlogProofError> {
    let mut path = Vec::new();
    for line in lines {
        if path.len() >= MAX_PROOF_HASHES as usize {
            return Err(TlogProofError::PathTooLong);
        }
        let line_number = path.len().saturating_add(1);
        path.push(hash_from_base64(line).ok_or(TlogProofError::Path { line: line_number })?);
    }
    Ok(InclusionProof::new(path))
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", to_base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.path().iter().try_for_each(|hash| writeln!(f, "{}", to_base64(&hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{note::Origin, AccountId, LogId, LogKey};
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    const SIZE: u64 = 21;

    /// A leaf and a node of RFC 9162, written again from the text of the RFC.
    fn leaf(data: &[u8]) -> Hash {
        Hash(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }

    fn node(left: Hash, right: Hash) -> Hash {
        Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    fn split(size: usize) -> usize {
        size.next_power_of_two() / 2
    }

    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node(root(left), root(right))
            }
        }
    }

    fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let middle = split(leaves.len());
        let (left, right) = leaves.split_at(middle);
        let (mut path, sibling) = match index < middle {
            true => (path(left, index), root(right)),
            false => (path(right, index - middle), root(left)),
        };
        path.push(sibling);
        path
    }

    fn digest(index: u64) -> Hash {
        Hash(Sha256::digest(index.to_be_bytes()).into())
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[5; 32])
    }

    fn origin() -> Origin {
        Origin { genesis: Hash([1; 32]), log: LogId::first(AccountId([2; 32])) }
    }

    fn verifier() -> VerifierKey {
        VerifierKey::new(origin(), &LogKey(key().verifying_key().to_bytes())).unwrap()
    }

    fn proof(index: u64, size: u64) -> TlogProof {
        let leaves: Vec<Hash> = (0..size).map(|n| leaf(&digest(n).0)).collect();
        TlogProof {
            extra: Some(b"what it does not prove".to_vec()),
            index,
            path: InclusionProof::new(path(&leaves, index as usize)),
            checkpoint: SignedNote::sign(&origin(), size, root(&leaves), &key()),
        }
    }

    #[test]
    fn a_proof_has_the_lines_of_the_specification() {
        let proof = proof(6, 8);
        let text = proof.to_string();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
        assert_eq!(lines[1], "extra d2hhdCBpdCBkb2VzIG5vdCBwcm92ZQ==");
        assert_eq!(lines[2], "index 6");
        assert_eq!((lines[6], lines[7], lines[8]), ("", &*origin().to_string(), "8"));
        assert_eq!(TlogProof::parse(text.as_bytes()), Ok(proof));
    }

    /// The expected hash was computed with Python's `cryptography`, not with this code.
    #[test]
    fn a_proof_has_pinned_bytes() {
        let hash = Hash(Sha256::digest(proof(6, 8).to_string()).into());
        assert_eq!(hex::encode(hash.0), "91ff27f1b87eb652346e33e4325c69b805ecfbac3f320a2bf458609c3e96f522");
    }

    #[test]
    fn only_the_entry_at_the_index_is_proven() {
        let of_six = proof(6, SIZE);
        let verified = of_six.verify(&digest(6), &verifier()).unwrap();
        assert_eq!(
            (verified.index(), verified.checkpoint().size(), *verified.digest()),
            (6, SIZE, digest(6))
        );
        assert_eq!(of_six.verify(&digest(5), &verifier()), Err(TlogProofError::NotIncluded));
        for index in [5, 7, SIZE, u64::MAX] {
            let moved = TlogProof { index, ..of_six.clone() };
            assert_eq!(moved.verify(&digest(6), &verifier()), Err(TlogProofError::NotIncluded), "{index}");
        }
        // A node of the tree is not an entry.
        let leaves: Vec<Hash> = (0..2).map(|n| leaf(&digest(n).0)).collect();
        let short = TlogProof { path: InclusionProof::new(vec![]), ..proof(0, 2) };
        assert_eq!(short.verify(&root(&leaves), &verifier()), Err(TlogProofError::NotIncluded));
    }

    #[test]
    fn the_path_of_another_size_proves_nothing() {
        // The same key signed all sizes of the log, and all have the same entry at this index.
        for size in (7..70).filter(|size| *size != SIZE) {
            let spliced = TlogProof { path: proof(6, size).path, ..proof(6, SIZE) };
            let verified = spliced.verify(&digest(6), &verifier());
            assert_eq!(verified, Err(TlogProofError::NotIncluded), "{size}");
        }
        let hashes = proof(6, SIZE).path.path().to_vec();
        let longer = [&hashes[..], &[hashes[0]]].concat();
        for wrong in [&hashes[1..], &hashes[..hashes.len() - 1], &longer[..], &[]] {
            let path = InclusionProof::new(wrong.to_vec());
            let verified = TlogProof { path, ..proof(6, SIZE) }.verify(&digest(6), &verifier());
            assert_eq!(verified, Err(TlogProofError::NotIncluded), "{} hashes", wrong.len());
        }
    }

    #[test]
    fn malformed_proofs_are_refused() {
        let text = proof(6, SIZE).to_string();
        let parse = |text: &str| TlogProof::parse(text.as_bytes()).unwrap_err();
        let hash = to_base64(&[1; 32]);
        assert_eq!(parse(&text.replacen("@v1", "@v2", 1)), TlogProofError::FirstLine);
        assert_eq!(parse(&text.replacen("@v1", "@v1\r", 1)), TlogProofError::FirstLine);
        assert_eq!(parse(&text.replacen("extra ", "extra", 1)), TlogProofError::Extra);
        assert_eq!(parse(&text.replacen("extra ", "extra ?", 1)), TlogProofError::Extra);
        let long = to_base64(&[0; MAX_EXTRA_BYTES + 1]);
        assert_eq!(
            parse(&text.replacen("extra ", &format!("extra {long}\nextra "), 1)),
            TlogProofError::Extra
        );
        for wrong in ["index 06", "index", "index ", "index -1", "Index 6", "index 6 "] {
            assert_eq!(parse(&text.replacen("index 6", wrong, 1)), TlogProofError::Index, "{wrong}");
        }
        assert_eq!(parse(&text.replacen("index 6", "index 6\nx", 1)), TlogProofError::Path { line: 1 });
        let longer = format!("index 6{}", format!("\n{hash}").repeat(64));
        assert_eq!(parse(&text.replacen("index 6", &longer, 1)), TlogProofError::PathTooLong);
        assert_eq!(parse(text.split("\n\n").next().unwrap()), TlogProofError::NoCheckpoint);
        assert_eq!(parse(&format!("{text}x")), TlogProofError::Checkpoint(NoteError::TrailingBytes));
        let huge = "x".repeat(MAX_TLOG_PROOF_BYTES + 1);
        assert_eq!(parse(&huge), TlogProofError::TooLong { bytes: huge.len() });
        assert_eq!(TlogProof::parse(&[0xff]), Err(TlogProofError::NotText));
    }

    proptest! {
        #[test]
        fn every_entry_of_a_log_is_proven(size in 1u64..70, at: prop::sample::Index, extra: Option<Vec<u8>>) {
            let index = at.index(size as usize) as u64;
            let proof = TlogProof { extra, ..proof(index, size) };
            let parsed = TlogProof::parse(proof.to_string().as_bytes());
            prop_assert_eq!(parsed.as_ref(), Ok(&proof));
            prop_assert!(proof.verify(&digest(index), &verifier()).is_ok());
        }

        /// Changing any byte is noticed, except in the extra data, which nothing authenticates.
        #[test]
        fn every_changed_byte_is_refused(at: prop::sample::Index, bit in 0u8..8) {
            let original = proof(6, SIZE);
            let mut bytes = original.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = TlogProof::parse(&bytes) {
                let verified = changed.verify(&digest(6), &verifier());
                prop_assert!(verified.is_err() || changed.extra != original.extra);
            }
        }

        #[test]
        fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>) {
            let text = [FIRST_LINE.as_bytes(), b"\n", &bytes].concat();
            if let Ok(proof) = TlogProof::parse(&text) {
                prop_assert_eq!(proof.to_string().into_bytes(), text);
            }
        }
    }
}
