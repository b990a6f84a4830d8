//! Finality proofs: the response of a node to `streembit_finalityProof`, decoded and verified.
//!
//! A gateway collects the [`super::ChainEvidence`] of its evidence files from them.

use super::{
    grandpa::GrandpaJustification,
    header::{BlockRef, Header},
    prelude::{check_block, CheckedBlock},
    votes::{verify_votes, PendingVotes},
    AuthoritySet, BlockRole, EvidenceError, Justification, JustifiedBlock,
};
use crate::Hash;
use alloc::vec::Vec;
use codec::{DecodeAll as _, Encode as _};

/// A verified GRANDPA warp-sync proof: the last block of every voter set that ended, then the newest final block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalityProof {
    /// The blocks, in order.
    pub blocks: Vec<ProvenBlock>,
    /// True if the last block is the newest one. If false, the node truncated the proof; ask again from that block.
    pub is_finished: bool,
}

/// A block of a finality proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenBlock {
    /// The number and hash of the block.
    pub at: BlockRef,
    /// The root of the state after the block.
    pub state_root: Hash,
    /// The header and the votes for the block, in their most compact form.
    pub block: JustifiedBlock,
    /// True if this is the last block of its voter set.
    pub ends_set: bool,
}

/// Converts a justification from a node, a header and a voter set to the justification's most compact form.
type Compact = fn(Vec<u8>, &[u8], &AuthoritySet) -> Justification;

impl FinalityProof {
    /// Decodes and verifies the response of a node that was asked for the blocks after `from`, on the chain with this
    /// genesis hash.
    ///
    /// `set` must be the voter set after the block `from`. It becomes the voter set after the last block of the proof. On
    /// an error it does not change.
    pub fn verify(
        response: &[u8],
        from: &Hash,
        genesis: &Hash,
        set: &mut AuthoritySet,
    ) -> Result<Self, EvidenceError> {
        // Usually all signatures are valid, and can be verified together. If not, the invalid ones are left out.
        let verify = |compact: Compact| Self::verify_with(response, from, genesis, set.clone(), compact);
        let (proof, after) =
            verify(Justification::compact_if_valid).or_else(|_| verify(Justification::compact))?;
        *set = after;
        Ok(proof)
    }

    fn verify_with(
        response: &[u8],
        from: &Hash,
        genesis: &Hash,
        mut set: AuthoritySet,
        compact: Compact,
    ) -> Result<(Self, AuthoritySet), EvidenceError> {
        let (fragments, is_finished) =
            <(Vec<(Header, GrandpaJustification)>, bool)>::decode_all(&mut &*response)
                .map_err(|_| EvidenceError::Malformed { what: "finality proof", items: 0 })?;
        let blocks = verify_votes(|votes| {
            let (mut blocks, mut before) = (Vec::new(), None);
            for (header, justification) in fragments {
                // If no block is newer than `from`, the node responds with `from` itself.
                if header.hash() == *from {
                    continue;
                }
                let header_bytes = header.encode();
                let justification = compact(justification.encode(), &header_bytes, &set);
                let block = JustifiedBlock { header: header_bytes, justification };
                let block = ProvenBlock::check(&header, block, genesis, &mut set, before, votes)?;
                before = Some(block.at.number);
                blocks.push(block);
            }
            Ok(blocks)
        })?;
        Ok((Self { blocks, is_finished }, set))
    }
}

impl ProvenBlock {
    /// Checks a block with its votes. `set` becomes the voter set after the block.
    fn check(
        header: &Header,
        block: JustifiedBlock,
        genesis: &Hash,
        set: &mut AuthoritySet,
        before: Option<u32>,
        votes: &mut PendingVotes,
    ) -> Result<Self, EvidenceError> {
        let next = header.next_voters(genesis).map_err(|error| EvidenceError::Block {
            role: BlockRole::Last,
            number: Some(header.number),
            error,
        })?;
        let role = if next.is_some() { BlockRole::Change(set.id) } else { BlockRole::Last };
        let CheckedBlock { at, .. } = check_block(&block, role, set, before, votes)?;
        let ends_set = next.is_some();
        if let Some(voters) = next {
            *set = AuthoritySet { id: set.id.saturating_add(1), voters };
        }
        Ok(Self { at, state_root: header.state_root, block, ends_set })
    }
}
