//! Verifies the signatures of votes, those of many blocks together.
//!
//! With `std`, the signatures are verified in batches, which takes half of the time. If a batch fails, its signatures are
//! verified one by one, so the verdict and the error are the same as without batches.

use super::{grandpa::AuthorityKey, BlockRole, EvidenceError, FinalityError};
use alloc::vec::Vec;

/// The number of votes after which a batch is verified. It bounds the memory that a forged file can take.
#[cfg(feature = "std")]
const BATCH: usize = 1_024;
/// The number of votes after which a batch is verified: one, because there is no batch verification without `std`.
#[cfg(not(feature = "std"))]
const BATCH: usize = 1;

/// A vote and its signature. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SignedVote {
    key: AuthorityKey,
    message: Vec<u8>,
    pub(super) signature: [u8; 64],
}

impl SignedVote {
    pub(super) fn new(key: AuthorityKey, message: &[u8], signature: [u8; 64]) -> Self {
        Self { key, message: message.into(), signature }
    }

    /// Returns true if the signature is valid under the rules of ZIP 215. The chain uses them because all nodes must
    /// agree on whether a signature is valid.
    pub(super) fn is_valid(&self) -> bool {
        ed25519_zebra::VerificationKey::try_from(self.key.0).is_ok_and(|key| {
            key.verify(&ed25519_zebra::Signature::from(self.signature), &self.message).is_ok()
        })
    }
}

/// The block that votes are for, as errors name it.
#[derive(Clone, Copy)]
pub(super) struct VotedBlock {
    /// The role of the block in the evidence.
    pub(super) role: BlockRole,
    /// The block number.
    pub(super) number: u32,
    /// The number of the voter set.
    pub(super) set: u64,
}

impl VotedBlock {
    /// Returns the error that the votes do not make this block final.
    pub(super) fn rejected(self, error: FinalityError) -> EvidenceError {
        let Self { role, number, set } = self;
        EvidenceError::Finality { role, number, set, error }
    }
}

/// Returns true if all signatures of some votes are valid. False only means that they have to be verified one by one.
pub(super) type BatchCheck = fn(&[(VotedBlock, SignedVote)]) -> bool;

/// Votes whose signatures have not been verified yet. [`verify_votes`] makes it and verifies them.
pub(super) struct PendingVotes {
    votes: Vec<(VotedBlock, SignedVote)>,
    are_all_valid: BatchCheck,
}

impl PendingVotes {
    /// Adds a vote for a block.
    pub(super) fn push(&mut self, block: VotedBlock, vote: SignedVote) {
        self.votes.push((block, vote));
    }

    /// Verifies the signatures if there are enough of them for a batch. Call it after each block.
    pub(super) fn verify_full_batch(&mut self) -> Result<(), EvidenceError> {
        if self.votes.len() < BATCH {
            return Ok(());
        }
        self.verify()
    }

    /// Verifies the signatures. The error is the one of the first vote whose signature is invalid.
    fn verify(&mut self) -> Result<(), EvidenceError> {
        let votes = core::mem::take(&mut self.votes);
        if (self.are_all_valid)(&votes) {
            return Ok(());
        }
        match votes.iter().find(|(_, vote)| !vote.is_valid()) {
            Some((block, vote)) => Err(block.rejected(FinalityError::Signature { key: vote.key })),
            None => Ok(()),
        }
    }
}

/// Returns what `check` returns, after the signatures of the votes that it has handed over are verified.
///
/// An invalid signature comes before an error of `check`, which must hand over votes in order and stop at the first
/// error.
pub(super) fn verify_votes<T>(
    check: impl FnOnce(&mut PendingVotes) -> Result<T, EvidenceError>,
) -> Result<T, EvidenceError> {
    verify_votes_with(is_batch_valid, check)
}

/// Like [`verify_votes`], with another check of batches.
pub(super) fn verify_votes_with<T>(
    are_all_valid: BatchCheck,
    check: impl FnOnce(&mut PendingVotes) -> Result<T, EvidenceError>,
) -> Result<T, EvidenceError> {
    let mut pending = PendingVotes { votes: Vec::new(), are_all_valid };
    let checked = check(&mut pending);
    pending.verify()?;
    checked
}

/// Returns false, because there is no batch verification without `std`.
#[cfg(not(feature = "std"))]
fn is_batch_valid(_: &[(VotedBlock, SignedVote)]) -> bool {
    false
}

/// Returns true if all signatures are valid.
#[cfg(feature = "std")]
fn is_batch_valid(votes: &[(VotedBlock, SignedVote)]) -> bool {
    use crate::ed25519::{self, VerifyingKey};
    use alloc::collections::BTreeMap;

    let mut keys = BTreeMap::new();
    for (_, vote) in votes {
        keys.entry(vote.key).or_insert_with(|| VerifyingKey::from_bytes_zip215(&vote.key.0));
    }
    let parse = |(_, vote): &(VotedBlock, SignedVote)| {
        keys.get(&vote.key)?.as_ref()?.parse_signature(&vote.message, &vote.signature)
    };
    let Some(mut signatures) = votes.iter().map(parse).collect::<Option<Vec<_>>>() else { return false };
    // Signatures of one key are verified faster if they are adjacent.
    signatures.sort_by_key(|signature| *signature.key().as_bytes());
    ed25519::verify_batch(signatures.iter())
}
