//! What a node answers to `streembit_finalityProof`, read and verified: where the chain's part of evidence comes from.

use super::{
    block::{Block, Header},
    grandpa::Raw,
    verifier::finalized,
    AuthoritySet, BlockRole, EvidenceError, FinalBlock, Justification,
};
use crate::Hash;
use alloc::vec::Vec;
use codec::{DecodeAll as _, Encode as _};

/// GRANDPA's warp proof, verified: the last block of every set of voters that ended, then the newest final block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalityProof {
    /// The blocks, in order.
    pub links: Vec<Link>,
    /// Whether the last one is the newest; otherwise the answer was cut, and goes on from there.
    pub is_finished: bool,
}

/// A final block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Which.
    pub at: Block,
    /// The root of the state after it.
    pub state_root: Hash,
    /// Its header and the votes for it, in their shortest form.
    pub block: FinalBlock,
    /// Whether it is the last block of its set of voters.
    pub ends_set: bool,
}

impl FinalityProof {
    /// Reads and verifies the answer to the question for what came after the block `from`, with the voters after that
    /// block; makes `set` the voters after the last link.
    pub fn read(answer: &[u8], from: &Hash, set: &mut AuthoritySet) -> Result<Self, EvidenceError> {
        let (fragments, is_finished) = <(Vec<(Header, Raw)>, bool)>::decode_all(&mut &*answer)
            .map_err(|_| EvidenceError::Malformed { what: "finality proof", items: 0 })?;
        let (mut links, mut before) = (Vec::new(), None);
        for (header, votes) in fragments {
            // Where nothing is newer than the block asked from, the node answers with that block, again.
            if header.hash() == *from {
                continue;
            }
            let link = Link::verify(&header, votes.encode(), set, before)?;
            before = Some(link.at.number);
            links.push(link);
        }
        Ok(Self { links, is_finished })
    }
}

impl Link {
    /// Verifies a block with its votes; makes `set` the voters after it.
    fn verify(
        header: &Header,
        votes: Vec<u8>,
        set: &mut AuthoritySet,
        before: Option<u32>,
    ) -> Result<Self, EvidenceError> {
        let bytes = header.encode();
        let justification = Justification::compact(votes, &bytes, set);
        let block = FinalBlock { header: bytes, justification };
        let number = Some(header.number);
        let fault = |role| move |fault| EvidenceError::Block { role, number, fault };
        let next = header.next_voters().map_err(fault(BlockRole::Last))?;
        let role = if next.is_some() { BlockRole::Change(set.id) } else { BlockRole::Last };
        let (_, at, _) = finalized(&block, role, set, before)?;
        let ends_set = next.is_some();
        if let Some(voters) = next {
            *set = AuthoritySet { id: set.id.saturating_add(1), voters };
        }
        Ok(Self { at, state_root: header.state_root, block, ends_set })
    }
}
