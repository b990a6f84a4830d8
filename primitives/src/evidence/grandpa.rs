//! GRANDPA's justifications: the votes that make a block final.
//!
//! A node gives a justification as `sp_consensus_grandpa::GrandpaJustification`, some 132 bytes a vote. Where enough of
//! the votes are for the block itself, which is the rule, [`Justification::compact`] keeps of them what is not known
//! anyway: 66 bytes a vote, and no more votes than are needed. Any other is carried as it is and checked as
//! `sc-consensus-grandpa` and `finality_grandpa::validate_commit` do.

use super::block::{Block, Header};
use crate::Hash;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode};
use core::fmt;

/// The most votes, and the most headers, that one justification is read with: far beyond what a chain of at most 32 voters
/// makes, and little enough that a forged one costs neither time nor memory.
const MOST: usize = 512;

/// The Ed25519 key that a voter votes with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking)]
pub struct AuthorityKey(pub [u8; 32]);

crate::text::hex_text!(AuthorityKey, 32);

/// A voter and the weight of its vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Voter {
    /// Its key.
    pub key: AuthorityKey,
    /// Its weight.
    pub weight: u64,
}

/// Who decides on blocks, from one change of voters to the next.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AuthoritySet {
    /// The set's number: the first of a chain is 0, and each change of voters makes the next.
    pub id: u64,
    /// The voters, in the chain's order.
    pub voters: Vec<Voter>,
}

/// The votes for a block. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum Justification {
    /// Votes for the block itself, by the voters' places in their set, ascending.
    #[codec(index = 0)]
    Direct {
        /// The round of voting.
        #[codec(compact)]
        round: u64,
        /// The votes.
        votes: Vec<Vote>,
    },
    /// As the node gives it: the SCALE encoding of `GrandpaJustification`.
    #[codec(index = 1)]
    Full(Vec<u8>),
}

/// One vote for a block that is known.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct Vote {
    /// The voter's place in its set.
    pub voter: u16,
    /// Its signature on the precommit.
    pub signature: [u8; 64],
}

/// Why votes do not make a block final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinalityFault {
    /// The bytes are no justification, or one beyond all measure.
    Malformed,
    /// It is for another block.
    Target,
    /// The set has no voter with a weight, or more weight than can be counted.
    Set,
    /// There is no voter at this place in the set, or its vote is not in the voters' order.
    Voter {
        /// The place.
        voter: u16,
    },
    /// A signature that is not the voter's, or not for this round and set.
    Signature {
        /// The voter.
        key: AuthorityKey,
    },
    /// A vote that gives its block another number than the block has.
    Number {
        /// The voter.
        key: AuthorityKey,
    },
    /// Votes for blocks that do not descend from one another, or whose headers are missing.
    Ancestry,
    /// Headers that no vote needs.
    Unused,
    /// Too few votes for the block or a descendant.
    TooFew {
        /// The weight of those there are.
        weight: u64,
        /// The least that is enough.
        threshold: u64,
    },
    /// There are enough votes for a descendant, which would be final in its stead.
    Higher,
}

impl fmt::Display for FinalityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("its justification cannot be read"),
            Self::Target => f.write_str("its justification is for another block"),
            Self::Set => f.write_str("the set of voters has no weight, or too much"),
            Self::Voter { voter } => write!(f, "there is no voter {voter} in the set, or it is out of order"),
            Self::Signature { key } => write!(f, "the vote of {key} has a wrong signature"),
            Self::Number { key } => write!(f, "the vote of {key} gives its block a wrong number"),
            Self::Ancestry => f.write_str("the votes are for blocks that are not on one chain"),
            Self::Unused => f.write_str("its justification has headers that no vote needs, or lacks some"),
            Self::TooFew { weight, threshold } => {
                write!(f, "votes of weight {weight} where {threshold} are needed")
            }
            Self::Higher => f.write_str("the votes make a descendant final in its stead"),
        }
    }
}

impl core::error::Error for FinalityFault {}

/// `sp_consensus_grandpa::GrandpaJustification`, for blocks numbered by `u32`.
#[derive(Encode, Decode)]
pub(super) struct Raw {
    pub(super) round: u64,
    pub(super) target: Target,
    pub(super) precommits: Vec<Precommit>,
    pub(super) ancestries: Vec<Header>,
}

/// A block that is voted for.
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
    /// The weight of each voter that has one; `None` for a set that cannot decide.
    fn weights(&self) -> Option<(BTreeMap<AuthorityKey, u64>, u64)> {
        let mut weights = BTreeMap::new();
        let mut total = 0u64;
        for voter in self.voters.iter().filter(|voter| voter.weight > 0) {
            total = total.checked_add(voter.weight)?;
            // Weights of one key add up, as they do for `finality_grandpa::VoterSet`.
            let weight: &mut u64 = weights.entry(voter.key).or_default();
            *weight = weight.checked_add(voter.weight)?;
        }
        // More than two thirds: with f the most that may be faulty, all but f.
        (total > 0).then(|| (weights, total - (total - 1) / 3))
    }
}

impl Target {
    fn of(block: &Block) -> Self {
        Self { hash: block.hash, number: block.number }
    }

    /// What a voter signs: `finality_grandpa::Message::Precommit`, the round and the number of the set.
    pub(super) fn message(&self, round: u64, set: u64) -> Vec<u8> {
        const PRECOMMIT: u8 = 1;
        (PRECOMMIT, self, round, set).encode()
    }
}

/// Whether a signature is the key's, by the rules of ZIP 215: those of the chain, where a signature must not be good for
/// one node and bad for another.
fn signed(key: &AuthorityKey, message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_zebra::VerificationKey::try_from(key.0)
        .is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from(*signature), message).is_ok())
}

impl Justification {
    /// The shortest form of a justification as a node gives it, for a block (the SCALE encoding of its header) and its
    /// voters: only the votes for the block itself, as many as are needed, heaviest first. What cannot be shortened so is
    /// kept as it is; nothing is decided here on whether it is good.
    pub fn compact(full: Vec<u8>, header: &[u8], set: &AuthoritySet) -> Self {
        Self::shortened(&full, header, set).unwrap_or(Self::Full(full))
    }

    fn shortened(full: &[u8], header: &[u8], set: &AuthoritySet) -> Option<Self> {
        let raw = Raw::read(full).ok()?;
        let target = Target::of(&Header::read(header).ok()?.block());
        let (_, threshold) = set.weights()?;
        let message = target.message(raw.round, set.id);
        let mut heaviest: Vec<(u16, &Voter)> = (0..u16::MAX).zip(&set.voters).collect();
        heaviest.sort_by_key(|(_, voter)| core::cmp::Reverse(voter.weight));
        let (mut votes, mut weight) = (Vec::new(), 0u64);
        for (place, voter) in heaviest {
            let vote = raw.precommits.iter().find(|vote| vote.key == voter.key && vote.target == target);
            if let Some(vote) = vote.filter(|vote| signed(&vote.key, &message, &vote.signature)) {
                votes.push(Vote { voter: place, signature: vote.signature });
                weight = weight.checked_add(voter.weight)?;
            }
            if weight >= threshold {
                votes.sort_by_key(|vote| vote.voter);
                return Some(Self::Direct { round: raw.round, votes });
            }
        }
        None
    }

    /// Whether these votes make the block final; says who voted.
    pub(super) fn verify(
        &self,
        block: &Block,
        set: &AuthoritySet,
    ) -> Result<Vec<AuthorityKey>, FinalityFault> {
        match self {
            Self::Direct { round, votes } => verify_direct(*round, votes, block, set),
            Self::Full(bytes) => Raw::read(bytes)?.verify(block, set),
        }
    }
}

fn verify_direct(
    round: u64,
    votes: &[Vote],
    block: &Block,
    set: &AuthoritySet,
) -> Result<Vec<AuthorityKey>, FinalityFault> {
    let (_, threshold) = set.weights().ok_or(FinalityFault::Set)?;
    let message = Target::of(block).message(round, set.id);
    let (mut signers, mut weight, mut last) = (Vec::new(), 0u64, None);
    for Vote { voter: place, signature } in votes {
        let voter = set.voters.get(usize::from(*place)).filter(|_| last.is_none_or(|last| last < *place));
        let voter = voter.ok_or(FinalityFault::Voter { voter: *place })?;
        if !signed(&voter.key, &message, signature) {
            return Err(FinalityFault::Signature { key: voter.key });
        }
        // Cannot overflow: each place counts once, and the set's total was counted above.
        weight = weight.saturating_add(voter.weight);
        signers.push(voter.key);
        last = Some(*place);
    }
    if weight < threshold {
        return Err(FinalityFault::TooFew { weight, threshold });
    }
    Ok(signers)
}

impl Raw {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, FinalityFault> {
        Self::decode_all(&mut &*bytes)
            .ok()
            .filter(|raw| raw.precommits.len() <= MOST && raw.ancestries.len() <= MOST)
            .ok_or(FinalityFault::Malformed)
    }

    fn verify(&self, block: &Block, set: &AuthoritySet) -> Result<Vec<AuthorityKey>, FinalityFault> {
        if self.target != Target::of(block) {
            return Err(FinalityFault::Target);
        }
        let (weights, threshold) = set.weights().ok_or(FinalityFault::Set)?;
        let chain = Ancestry::new(&self.ancestries, self.target);
        let ballot = Ballot::new(&self.precommits, weights);
        ballot.elects(&chain, threshold)?;
        for vote in &self.precommits {
            if !signed(&vote.key, &vote.target.message(self.round, set.id), &vote.signature) {
                return Err(FinalityFault::Signature { key: vote.key });
            }
        }
        chain.is_needed(&self.precommits)?;
        Ok(ballot.first.keys().copied().collect())
    }
}

/// The headers that lead from the blocks voted for to the lowest of them.
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

    /// The blocks from `block` down to `base`, both included; `None` where `block` is no descendant of `base`.
    fn way(&self, base: Hash, block: Hash) -> Option<Vec<Hash>> {
        let mut way = Vec::from([block]);
        let mut at = block;
        while at != base {
            at = *self.parents.get(&at)?;
            way.push(at);
        }
        Some(way)
    }

    /// Whether every header is on the way of some vote, and none twice.
    fn is_needed(&self, votes: &[Precommit]) -> Result<(), FinalityFault> {
        let base =
            votes.iter().min_by_key(|vote| vote.target.number).ok_or(FinalityFault::Ancestry)?.target.hash;
        let mut visited = BTreeSet::new();
        for vote in votes {
            let way = self.way(base, vote.target.hash).ok_or(FinalityFault::Ancestry)?;
            visited.extend(way.into_iter().filter(|hash| *hash != base));
        }
        if visited.iter().eq(self.parents.keys()) {
            Ok(())
        } else {
            Err(FinalityFault::Unused)
        }
    }
}

/// The votes of those who may vote: each voter's first, and who voted for two blocks.
struct Ballot<'a> {
    weights: BTreeMap<AuthorityKey, u64>,
    /// The votes of voters, in their order.
    votes: Vec<&'a Precommit>,
    first: BTreeMap<AuthorityKey, &'a Precommit>,
    doubled: BTreeSet<AuthorityKey>,
}

impl<'a> Ballot<'a> {
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

    /// The weight of those whose vote is for one of these, or who voted for two blocks: those count for every block.
    fn weight(&self, counts: impl Fn(&Precommit) -> bool) -> u64 {
        self.first
            .iter()
            .filter(|(key, vote)| self.doubled.contains(*key) || counts(vote))
            .filter_map(|(key, _)| self.weights.get(key))
            .fold(0, |sum: u64, weight| sum.saturating_add(*weight))
    }

    /// Whether the target is the highest block that enough votes are for, itself or through a descendant: GRANDPA's
    /// ghost of the precommits.
    fn elects(&self, chain: &Ancestry, threshold: u64) -> Result<(), FinalityFault> {
        let target = chain.target.hash;
        let base = self.votes.iter().min_by_key(|vote| vote.target.number);
        let base = base.ok_or(FinalityFault::TooFew { weight: 0, threshold })?.target.hash;
        let mut ways = BTreeMap::new();
        for vote in &self.votes {
            if chain.numbers.get(&vote.target.hash).ok_or(FinalityFault::Ancestry)? != &vote.target.number {
                return Err(FinalityFault::Number { key: vote.key });
            }
            let way = chain.way(base, vote.target.hash).ok_or(FinalityFault::Ancestry)?;
            ways.insert(vote.target.hash, way);
        }
        let passes = |vote: &Precommit, block: &Hash| {
            ways.get(&vote.target.hash).is_some_and(|way| way.contains(block))
        };
        if !self.first.values().any(|vote| passes(vote, &target)) {
            return Err(FinalityFault::Ancestry);
        }
        let weight = self.weight(|vote| passes(vote, &target));
        if weight < threshold {
            return Err(FinalityFault::TooFew { weight, threshold });
        }
        let children = chain.parents.iter().filter(|(_, parent)| **parent == target).map(|(child, _)| child);
        for child in children.filter(|child| self.first.values().any(|vote| passes(vote, child))) {
            if self.weight(|vote| passes(vote, child)) >= threshold {
                return Err(FinalityFault::Higher);
            }
        }
        Ok(())
    }
}
