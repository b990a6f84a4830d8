//! Finality proofs: the response of a node to `streembit_finalityProof`, decoded and verified.
//!
//! A gateway collects the [`super::ChainEvidence`] of its evidence files from them.

use super::{
    grandpa::GrandpaJustification,
    header::{BlockRef, Header},
    verifier::verify_block,
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

impl FinalityProof {
    /// Decodes and verifies the response of a node that was asked for the blocks after `from`.
    ///
    /// `set` must be the voter set after the block `from`. It becomes the voter set after the last block of the proof.
    pub fn verify(response: &[u8], from: &Hash, set: &mut AuthoritySet) -> Result<Self, EvidenceError> {
        let (fragments, is_finished) =
            <(Vec<(Header, GrandpaJustification)>, bool)>::decode_all(&mut &*response)
                .map_err(|_| EvidenceError::Malformed { what: "finality proof", items: 0 })?;
        let (mut blocks, mut before) = (Vec::new(), None);
        for (header, votes) in fragments {
            // If no block is newer than `from`, the node responds with `from` itself.
            if header.hash() == *from {
                continue;
            }
            let block = ProvenBlock::verify(&header, votes.encode(), set, before)?;
            before = Some(block.at.number);
            blocks.push(block);
        }
        Ok(Self { blocks, is_finished })
    }
}

impl ProvenBlock {
    /// Verifies a block with its votes. `set` becomes the voter set after the block.
    fn verify(
        header: &Header,
        votes: Vec<u8>,
        set: &mut AuthoritySet,
        before: Option<u32>,
    ) -> Result<Self, EvidenceError> {
        let bytes = header.encode();
        let justification = Justification::compact(votes, &bytes, set);
        let block = JustifiedBlock { header: bytes, justification };
        let number = Some(header.number);
        let next = header.next_voters().map_err(|error| EvidenceError::Block {
            role: BlockRole::Last,
            number,
            error,
        })?;
        let role = if next.is_some() { BlockRole::Change(set.id) } else { BlockRole::Last };
        let (_, at, _) = verify_block(&block, role, set, before)?;
        let ends_set = next.is_some();
        if let Some(voters) = next {
            *set = AuthoritySet { id: set.id.saturating_add(1), voters };
        }
        Ok(Self { at, state_root: header.state_root, block, ends_set })
    }
}
