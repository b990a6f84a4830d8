//! GRANDPA justifications: the votes that make a block final.
//!
//! A node returns a justification as `sp_consensus_grandpa::GrandpaJustification`, about 132 bytes for each vote. Usually
//! enough of the votes are for the block itself. [`Justification::compact`] then keeps only the votes that are needed,
//! and 66 bytes of each. Other justifications are stored as they are, and verified as `sc-consensus-grandpa` and
//! `finality_grandpa::validate_commit` do.
//!
//! Everything but the signatures is checked here. The votes are handed over to [`super::votes`], which verifies the
//! signatures of many blocks together.

use super::{
    header::{BlockRef, Header},
    votes::SignedVote,
};
use crate::Hash;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode};
use core::fmt;

/// The maximum number of votes, and of headers, in a justification. It is far above what a chain with at most 32 voters
/// needs, and small enough that a forged justification cannot waste time or memory.
const MAX_VOTES: usize = 512;

/// The Ed25519 key of a GRANDPA voter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking)]
pub struct AuthorityKey(pub [u8; 32]);

crate::hex_id::impl_hex_text!(AuthorityKey, 32);

/// A voter and the weight of its vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Voter {
    /// The voter's key.
    pub key: AuthorityKey,
    /// The weight of its vote.
    pub weight: u64,
}

/// The voters that finalize blocks, between two changes of voters.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AuthoritySet {
    /// The number of the set. The first set of a chain is 0, and each change of voters increments it.
    pub id: u64,
    /// The voters, in the order of the chain.
    pub voters: Vec<Voter>,
}

/// The votes for a block. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum Justification {
    /// Votes for the block itself, in ascending order of [`Vote::voter`].
    #[codec(index = 0)]
    Direct {
        /// The round of voting.
        #[codec(compact)]
        round: u64,
        /// The votes.
        votes: Vec<Vote>,
    },
    /// A justification as a node returns it: the SCALE encoding of `GrandpaJustification`.
    #[codec(index = 1)]
    Full(Vec<u8>),
}

/// A vote for a block that is known from the context.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct Vote {
    /// The index of the voter in its set.
    pub voter: u16,
    /// Its signature on the precommit.
    pub signature: [u8; 64],
}

/// Why votes do not make a block final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinalityError {
    /// The bytes do not decode as a justification, or it has too many votes or headers.
    Malformed,
    /// The justification is for another block.
    Target,
    /// The total weight of the set is zero, or overflows.
    Set,
    /// The set has no voter with this index, or the votes are not in ascending order.
    Voter {
        /// The index of the voter.
        voter: u16,
    },
    /// A signature is not valid for the voter, the round and the set.
    Signature {
        /// The voter.
        key: AuthorityKey,
    },
    /// A vote names the wrong number for its block.
    Number {
        /// The voter.
        key: AuthorityKey,
    },
    /// The votes are for blocks that are not on one chain, or headers between them are missing.
    Ancestry,
    /// The justification has headers that no vote needs.
    Unused,
    /// There are too few votes for the block and its descendants.
    TooFew {
        /// The weight of the votes.
        weight: u64,
        /// The required weight.
        threshold: u64,
    },
    /// There are enough votes for a descendant, which would then be final instead of the block.
    Higher,
}

impl fmt::Display for FinalityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("its justification cannot be decoded"),
            Self::Target => f.write_str("its justification is for another block"),
            Self::Set => f.write_str("the total weight of the voter set is zero or too large"),
            Self::Voter { voter } => write!(f, "the set has no voter {voter}, or the votes are out of order"),
            Self::Signature { key } => write!(f, "the signature of the vote of {key} is invalid"),
            Self::Number { key } => write!(f, "the vote of {key} names the wrong number for its block"),
            Self::Ancestry => f.write_str("the votes are for blocks that are not on one chain"),
            Self::Unused => {
                f.write_str("its justification has headers that no vote needs, or lacks some that are needed")
            }
            Self::TooFew { weight, threshold } => {
                write!(f, "its votes have a weight of {weight}, but {threshold} is required")
            }
            Self::Higher => f.write_str("its votes make a descendant final instead"),
        }
    }
}

impl core::error::Error for FinalityError {}

/// Mirrors `sp_consensus_grandpa::GrandpaJustification` for `u32` block numbers.
#[derive(Encode, Decode)]
pub(super) struct GrandpaJustification {
    pub(super) round: u64,
    pub(super) target: Target,
    pub(super) precommits: Vec<Precommit>,
    pub(super) ancestries: Vec<Header>,
}

/// The block that a vote is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Target {
    pub(super) hash: Hash,
    pub(super) number: u32,
}

/// A signed vote.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Precommit {
    pub(super) target: Target,
    pub(super) signature: [u8; 64],
    pub(super) key: AuthorityKey,
}

impl AuthoritySet {
    /// Returns the weight of each voter that has one, and the weight required for finality. Returns `None` if the total
    /// weight is zero or overflows.
    fn weights(&self) -> Option<(BTreeMap<AuthorityKey, u64>, u64)> {
        let mut weights = BTreeMap::new();
        let mut total = 0u64;
        for voter in self.voters.iter().filter(|voter| voter.weight > 0) {
            total = total.checked_add(voter.weight)?;
            // The weights of a repeated key add up, as in `finality_grandpa::VoterSet`.
            let weight: &mut u64 = weights.entry(voter.key).or_default();
            *weight = weight.checked_add(voter.weight)?;
        }
        // More than two thirds: the total minus the largest weight f that may be faulty.
        (total > 0).then(|| (weights, total - (total - 1) / 3))
    }
}

impl Target {
    fn of(block: &BlockRef) -> Self {
        Self { hash: block.hash, number: block.number }
    }

    /// Returns the bytes that a voter signs: `finality_grandpa::Message::Precommit`, the round and the set number.
    pub(super) fn message(&self, round: u64, set: u64) -> Vec<u8> {
        const PRECOMMIT: u8 = 1;
        (PRECOMMIT, self, round, set).encode()
    }
}

impl Justification {
    /// Converts a justification from a node to its most compact form, without verifying it.
    ///
    /// `header` is the SCALE encoding of the block's header, and `set` the block's voters. The compact form keeps only
    /// votes for the block itself, heaviest first, until there are enough. If there are too few of them, the justification
    /// is kept as it is.
    pub fn compact(full: Vec<u8>, header: &[u8], set: &AuthoritySet) -> Self {
        Self::compact_with(full, header, set, SignedVote::is_valid)
    }

    /// Like [`Self::compact`], as if all signatures were valid. The result is the same if they are.
    pub(super) fn compact_if_valid(full: Vec<u8>, header: &[u8], set: &AuthoritySet) -> Self {
        Self::compact_with(full, header, set, |_| true)
    }

    fn compact_with(
        full: Vec<u8>,
        header: &[u8],
        set: &AuthoritySet,
        counts: impl Fn(&SignedVote) -> bool,
    ) -> Self {
        Self::try_compact(&full, header, set, counts).unwrap_or(Self::Full(full))
    }

    fn try_compact(
        full: &[u8],
        header: &[u8],
        set: &AuthoritySet,
        counts: impl Fn(&SignedVote) -> bool,
    ) -> Option<Self> {
        let full = GrandpaJustification::decode_exact(full).ok()?;
        let target = Target::of(&Header::decode_exact(header).ok()?.block());
        let (_, threshold) = set.weights()?;
        let message = target.message(full.round, set.id);
        let mut heaviest: Vec<(u16, &Voter)> = (0..u16::MAX).zip(&set.voters).collect();
        heaviest.sort_by_key(|(_, voter)| core::cmp::Reverse(voter.weight));
        let (mut votes, mut weight) = (Vec::new(), 0u64);
        for (index, voter) in heaviest {
            let vote = full.precommits.iter().find(|vote| vote.key == voter.key && vote.target == target);
            let vote = vote.map(|vote| SignedVote::new(vote.key, &message, vote.signature));
            if let Some(vote) = vote.filter(&counts) {
                votes.push(Vote { voter: index, signature: vote.signature });
                weight = weight.checked_add(voter.weight)?;
            }
            if weight >= threshold {
                votes.sort_by_key(|vote| vote.voter);
                return Some(Self::Direct { round: full.round, votes });
            }
        }
        None
    }

    /// Checks that these votes make the block final if their signatures are valid. Returns the voters.
    ///
    /// Hands over each vote whose signature has to be verified. On an error, these are the votes before the error: an
    /// invalid signature among them is the first problem of the justification.
    pub(super) fn check(
        &self,
        block: &BlockRef,
        set: &AuthoritySet,
        hand_over: impl FnMut(SignedVote),
    ) -> Result<Vec<AuthorityKey>, FinalityError> {
        match self {
            Self::Direct { round, votes } => check_direct(*round, votes, block, set, hand_over),
            Self::Full(bytes) => GrandpaJustification::decode_exact(bytes)?.check(block, set, hand_over),
        }
    }
}

fn check_direct(
    round: u64,
    votes: &[Vote],
    block: &BlockRef,
    set: &AuthoritySet,
    mut hand_over: impl FnMut(SignedVote),
) -> Result<Vec<AuthorityKey>, FinalityError> {
    let (_, threshold) = set.weights().ok_or(FinalityError::Set)?;
    let message = Target::of(block).message(round, set.id);
    let (mut signers, mut weight, mut last) = (Vec::new(), 0u64, None);
    for Vote { voter: index, signature } in votes {
        let voter = set.voters.get(usize::from(*index)).filter(|_| last.is_none_or(|last| last < *index));
        let voter = voter.ok_or(FinalityError::Voter { voter: *index })?;
        hand_over(SignedVote::new(voter.key, &message, *signature));
        // Cannot overflow: each voter counts once, and `weights` has added up the whole set.
        weight = weight.saturating_add(voter.weight);
        signers.push(voter.key);
        last = Some(*index);
    }
    if weight < threshold {
        return Err(FinalityError::TooFew { weight, threshold });
    }
    Ok(signers)
}

impl GrandpaJustification {
    /// Decodes a justification that takes up all of `bytes`.
    pub(super) fn decode_exact(bytes: &[u8]) -> Result<Self, FinalityError> {
        Self::decode_all(&mut &*bytes)
            .ok()
            .filter(|full| full.precommits.len() <= MAX_VOTES && full.ancestries.len() <= MAX_VOTES)
            .ok_or(FinalityError::Malformed)
    }

    fn check(
        &self,
        block: &BlockRef,
        set: &AuthoritySet,
        mut hand_over: impl FnMut(SignedVote),
    ) -> Result<Vec<AuthorityKey>, FinalityError> {
        if self.target != Target::of(block) {
            return Err(FinalityError::Target);
        }
        let (weights, threshold) = set.weights().ok_or(FinalityError::Set)?;
        let chain = Ancestry::new(&self.ancestries, self.target);
        let tally = VoteTally::new(&self.precommits, weights);
        tally.ensure_elects_target(&chain, threshold)?;
        for vote in &self.precommits {
            hand_over(SignedVote::new(vote.key, &vote.target.message(self.round, set.id), vote.signature));
        }
        chain.ensure_all_needed(&self.precommits)?;
        Ok(tally.first.keys().copied().collect())
    }
}

/// The headers between the blocks that votes are for and the lowest of these blocks.
struct Ancestry {
    target: Target,
    parents: BTreeMap<Hash, Hash>,
    numbers: BTreeMap<Hash, u32>,
}

impl Ancestry {
    fn new(headers: &[Header], target: Target) -> Self {
        let mut numbers = BTreeMap::new();
        let mut parents = BTreeMap::new();
        for header in headers {
            let hash = header.hash();
            parents.insert(hash, header.parent);
            numbers.insert(hash, header.number);
            numbers.entry(header.parent).or_insert(header.number.saturating_sub(1));
        }
        numbers.insert(target.hash, target.number);
        Self { target, parents, numbers }
    }

    /// Returns the blocks from `block` down to `base`, both included, or `None` if `block` does not descend from `base`.
    fn path(&self, base: Hash, block: Hash) -> Option<Vec<Hash>> {
        let mut path = Vec::from([block]);
        let mut at = block;
        while at != base {
            at = *self.parents.get(&at)?;
            path.push(at);
        }
        Some(path)
    }

    /// Ensures that each header is on the path of some vote, and that none is missing.
    fn ensure_all_needed(&self, votes: &[Precommit]) -> Result<(), FinalityError> {
        let base =
            votes.iter().min_by_key(|vote| vote.target.number).ok_or(FinalityError::Ancestry)?.target.hash;
        let mut visited = BTreeSet::new();
        for vote in votes {
            let path = self.path(base, vote.target.hash).ok_or(FinalityError::Ancestry)?;
            visited.extend(path.into_iter().filter(|hash| *hash != base));
        }
        if visited.iter().eq(self.parents.keys()) {
            Ok(())
        } else {
            Err(FinalityError::Unused)
        }
    }
}

/// The votes of the voters in the set: the first vote of each, and the voters that voted for two blocks.
struct VoteTally<'a> {
    weights: BTreeMap<AuthorityKey, u64>,
    /// All votes of voters in the set, in the order of the justification.
    votes: Vec<&'a Precommit>,
    first: BTreeMap<AuthorityKey, &'a Precommit>,
    doubled: BTreeSet<AuthorityKey>,
}

impl<'a> VoteTally<'a> {
    fn new(precommits: &'a [Precommit], weights: BTreeMap<AuthorityKey, u64>) -> Self {
        let votes: Vec<_> = precommits.iter().filter(|vote| weights.contains_key(&vote.key)).collect();
        let mut first = BTreeMap::new();
        let mut doubled = BTreeSet::new();
        for vote in &votes {
            let counted: &mut &Precommit = first.entry(vote.key).or_insert(*vote);
            if *counted != *vote {
                doubled.insert(vote.key);
            }
        }
        Self { weights, votes, first, doubled }
    }

    /// Returns the total weight of the votes that `counts` accepts. Voters that voted for two blocks count for every block.
    fn weight(&self, counts: impl Fn(&Precommit) -> bool) -> u64 {
        self.first
            .iter()
            .filter(|(key, vote)| self.doubled.contains(*key) || counts(vote))
            .filter_map(|(key, _)| self.weights.get(key))
            .fold(0, |sum: u64, weight| sum.saturating_add(*weight))
    }

    /// Ensures that the target is the highest block with enough votes for itself and its descendants: GRANDPA's GHOST
    /// function over the precommits.
    fn ensure_elects_target(&self, chain: &Ancestry, threshold: u64) -> Result<(), FinalityError> {
        let target = chain.target.hash;
        let base = self.votes.iter().min_by_key(|vote| vote.target.number);
        let base = base.ok_or(FinalityError::TooFew { weight: 0, threshold })?.target.hash;
        let mut paths = BTreeMap::new();
        for vote in &self.votes {
            if chain.numbers.get(&vote.target.hash).ok_or(FinalityError::Ancestry)? != &vote.target.number {
                return Err(FinalityError::Number { key: vote.key });
            }
            let path = chain.path(base, vote.target.hash).ok_or(FinalityError::Ancestry)?;
            paths.insert(vote.target.hash, path);
        }
        let passes = |vote: &Precommit, block: &Hash| {
            paths.get(&vote.target.hash).is_some_and(|path| path.contains(block))
        };
        if !self.first.values().any(|vote| passes(vote, &target)) {
            return Err(FinalityError::Ancestry);
        }
        let weight = self.weight(|vote| passes(vote, &target));
        if weight < threshold {
            return Err(FinalityError::TooFew { weight, threshold });
        }
        let children = chain.parents.iter().filter(|(_, parent)| **parent == target).map(|(child, _)| child);
        for child in children.filter(|child| self.first.values().any(|vote| passes(vote, child))) {
            if self.weight(|vote| passes(vote, child)) >= threshold {
                return Err(FinalityError::Higher);
            }
        }
        Ok(())
    }
}
