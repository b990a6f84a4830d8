//! What proves the last anchor to somebody without a node, kept beside the log so that nodes may prune.
//!
//! The family `chain-proofs`: `c` and the number of a set of voters (8 bytes) -> [`FinalBlock`], the last block of that set;
//! `set` -> [`Voters`]; `last` -> [`LastBlock`]. All that one collection brings is written at once.

use super::{
    store::{decode, synced, Family},
    Log, LogError, LogReader,
};
use codec::{Decode, Encode};
use streembit_primitives::{
    evidence::{AuthoritySet, FinalBlock},
    Hash,
};

const CHANGE: u8 = b'c';
const SET: &[u8] = b"set";
const LAST: &[u8] = b"last";

/// How far the changes of voters are known.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Voters {
    /// The chain's genesis.
    pub genesis: Hash,
    /// Those of the chain's beginning.
    pub first: AuthoritySet,
    /// Those after the last change that is kept.
    pub current: AuthoritySet,
    /// The block of that change; the genesis before the first.
    pub since: Hash,
}

/// A final block and what the chain's state said after it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LastBlock {
    /// Its number.
    pub number: u32,
    /// Its hash.
    pub hash: Hash,
    /// The root of its state.
    pub state_root: Hash,
    /// Its header and the votes for it.
    pub block: FinalBlock,
    /// The nodes of the state's trie that lead to the log's anchor and to the devices that have events in the log.
    pub nodes: Vec<Vec<u8>>,
}

/// All that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainProof {
    /// The voters.
    pub voters: Voters,
    /// The last block of each set of voters that ended, in order.
    pub changes: Vec<FinalBlock>,
    /// The newest block, and the state after it.
    pub last: LastBlock,
}

impl LogReader {
    /// What proves the last anchor, as collected last; `None` before the first time.
    pub fn chain_proof(&self) -> Result<Option<ChainProof>, LogError> {
        let guard = self.store().db();
        if !guard.has(Family::ChainProofs)? {
            return Ok(None);
        }
        let voters = guard.value(Family::ChainProofs, SET)?;
        let last = guard.value(Family::ChainProofs, LAST)?;
        let (Some(voters), Some(last)) = (voters, last) else { return Ok(None) };
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let changes = db
            .iterator_cf(handle, rocksdb::IteratorMode::From(&[CHANGE], rocksdb::Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.first() == Some(&CHANGE)))
            .map(|pair| {
                let (key, value) = pair.map_err(LogError::storage("reading the changes of voters"))?;
                decode(Family::ChainProofs, &key, &value)
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(ChainProof { voters, changes, last }))
    }
}

impl Log {
    /// Keeps what was collected, synced and all at once: the changes of voters beginning with set `from`, and the rest.
    /// Those of another chain go.
    pub fn put_chain_proof(
        &self,
        voters: &Voters,
        from: u64,
        changes: &[FinalBlock],
        last: &LastBlock,
    ) -> Result<(), LogError> {
        let others = self.chain_proof()?.is_some_and(|kept| kept.voters.genesis != voters.genesis);
        let guard = self.reader().store().db();
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let mut batch = rocksdb::WriteBatch::default();
        if others {
            batch.delete_range_cf(handle, [CHANGE].as_slice(), [CHANGE + 1].as_slice());
        }
        for (set, change) in (from..).zip(changes) {
            batch.put_cf(handle, [&[CHANGE][..], &set.to_be_bytes()].concat(), change.encode());
        }
        batch.put_cf(handle, SET, voters.encode());
        batch.put_cf(handle, LAST, last.encode());
        let kept =
            db.write_opt(batch, &synced()).map_err(LogError::storage("keeping what proves the anchor"));
        kept.inspect_err(|error| self.doubt(error))
    }
}
