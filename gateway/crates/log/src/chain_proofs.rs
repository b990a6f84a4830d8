//! What proves the last anchor to somebody without a node, kept beside the log so that nodes may prune.
//!
//! The family `chain-proofs` has of each chain, behind the chain's genesis (32 bytes): `c` and the number of a set of voters
//! (8 bytes) -> [`JustifiedBlock`], the last block of that set; `set` -> [`KnownVoters`]; `last` -> [`LastBlock`]. And `kept` -> the
//! geneses, the one collected last at the end. All that one collection brings is written at once.
//!
//! A log goes on where its chain is founded anew, and the chain before is then proven by nothing but what is kept here: no
//! chain's proof makes room for another's.
//!
//! Releases before knew one chain, and their keys had no genesis before them. Such keys are read as they are, and get their
//! genesis when the log is opened for writing.

use super::{
    store::{decode, synced, Family, Guard, Store},
    Log, LogError, LogReader,
};
use codec::{Decode, Encode};
use rocksdb::{Direction, IteratorMode, WriteBatch};
use streembit_primitives::{
    evidence::{AuthoritySet, JustifiedBlock},
    Hash,
};

const KEPT: &[u8] = b"kept";
const CHANGE: &[u8] = b"c";
const SET: &[u8] = b"set";
const LAST: &[u8] = b"last";

/// Of how many chains something is kept, at the most: a node may invent chains, and must not fill the disk with them.
pub const MAX_CHAINS: usize = 8;

/// How far the changes of voters are known.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct KnownVoters {
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
    pub block: JustifiedBlock,
    /// The nodes of the state's trie that lead to the log's anchor and to the devices that have events in the log.
    pub nodes: Vec<Vec<u8>>,
}

/// All that is kept of one chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainProof {
    /// The voters.
    pub voters: KnownVoters,
    /// The last block of each set of voters that ended, in order.
    pub changes: Vec<JustifiedBlock>,
    /// The newest block, and the state after it.
    pub last: LastBlock,
}

impl LogReader {
    /// The chains of which something is kept, by their geneses; the one collected last at the end.
    pub fn chains(&self) -> Result<Vec<Hash>, LogError> {
        chains(&self.store().db())
    }

    /// The chains beside this one of which something is kept. Refuses where this one would be one too many.
    pub fn chains_beside(&self, genesis: &Hash) -> Result<Vec<Hash>, LogError> {
        let mut chains = self.chains()?;
        chains.retain(|chain| chain != genesis);
        match chains.len() < MAX_CHAINS {
            true => Ok(chains),
            false => Err(LogError::TooManyChains),
        }
    }

    /// What proves the last anchor on a chain, as collected last; `None` before the first time.
    pub fn chain_proof(&self, genesis: &Hash) -> Result<Option<ChainProof>, LogError> {
        let guard = self.store().db();
        let bare = bare(&guard)?.is_some_and(|chain| chain == *genesis);
        let place = |key: &[u8]| if bare { key.to_vec() } else { keyed(genesis, key) };
        let voters = guard.value(Family::ChainProofs, &place(SET))?;
        let last = guard.value(Family::ChainProofs, &place(LAST))?;
        let (Some(voters), Some(last)) = (voters, last) else { return Ok(None) };
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let first = place(CHANGE);
        let changes = db
            .iterator_cf(handle, IteratorMode::From(&first, Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&first)))
            .map(|pair| {
                let (key, value) = pair.map_err(LogError::storage("reading the changes of voters"))?;
                decode(Family::ChainProofs, &key, &value)
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(ChainProof { voters, changes, last }))
    }
}

impl Log {
    /// Keeps what was collected of a chain, synced and all at once: the changes of voters beginning with set `from`, and
    /// the rest. What is kept of other chains stays.
    pub fn put_chain_proof(
        &self,
        voters: &KnownVoters,
        from: u64,
        changes: &[JustifiedBlock],
        last: &LastBlock,
    ) -> Result<(), LogError> {
        let genesis = &voters.genesis;
        let mut chains = self.chains_beside(genesis)?;
        chains.push(*genesis);
        let guard = self.reader().store().db();
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let mut batch = WriteBatch::default();
        for (set, change) in (from..).zip(changes) {
            let key = [CHANGE, &set.to_be_bytes()].concat();
            batch.put_cf(handle, keyed(genesis, &key), change.encode());
        }
        batch.put_cf(handle, keyed(genesis, SET), voters.encode());
        batch.put_cf(handle, keyed(genesis, LAST), last.encode());
        batch.put_cf(handle, KEPT, chains.encode());
        let kept =
            db.write_opt(batch, &synced()).map_err(LogError::storage("keeping what proves the anchor"));
        kept.inspect_err(|error| self.mark_for_reopen(error))
    }

    /// Forgets what is kept of a chain, for good; tells whether there was anything.
    pub fn forget_chain(&self, genesis: &Hash) -> Result<bool, LogError> {
        let mut chains = self.chains()?;
        let before = chains.len();
        chains.retain(|chain| chain != genesis);
        if chains.len() == before {
            return Ok(false);
        }
        let guard = self.reader().store().db();
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let mut batch = WriteBatch::default();
        // Behind the genesis each key goes on with a letter, which is less than the greatest byte.
        batch.delete_range_cf(handle, keyed(genesis, &[]), keyed(genesis, &[u8::MAX]));
        batch.put_cf(handle, KEPT, chains.encode());
        let forgotten =
            db.write_opt(batch, &synced()).map_err(LogError::storage("forgetting what proves a chain"));
        forgotten.inspect_err(|error| self.mark_for_reopen(error))?;
        Ok(true)
    }
}

/// Puts the genesis before the keys of a release that knew one chain.
pub(super) fn convert(store: &Store) -> Result<(), LogError> {
    let guard = store.db();
    let Some(genesis) = bare(&guard)? else { return Ok(()) };
    let (db, handle) = guard.family(Family::ChainProofs)?;
    let mut batch = WriteBatch::default();
    for pair in db.iterator_cf(handle, IteratorMode::Start) {
        let (key, value) = pair.map_err(LogError::storage("reading what proves the anchor"))?;
        if key.len() < genesis.0.len() && *key != *KEPT {
            batch.put_cf(handle, keyed(&genesis, &key), value);
            batch.delete_cf(handle, key);
        }
    }
    batch.put_cf(handle, KEPT, chains(&guard)?.encode());
    db.write_opt(batch, &synced()).map_err(LogError::storage("keeping what proves the anchor by its chain"))
}

fn chains(guard: &Guard<'_>) -> Result<Vec<Hash>, LogError> {
    let mut chains: Vec<Hash> = guard.value(Family::ChainProofs, KEPT)?.unwrap_or_default();
    if let Some(bare) = bare(guard)? {
        chains.retain(|chain| *chain != bare);
        chains.push(bare);
    }
    Ok(chains)
}

/// The chain whose keys have no genesis before them.
fn bare(guard: &Guard<'_>) -> Result<Option<Hash>, LogError> {
    let voters: Option<KnownVoters> = guard.value(Family::ChainProofs, SET)?;
    Ok(voters.map(|voters| voters.genesis))
}

fn keyed(genesis: &Hash, key: &[u8]) -> Vec<u8> {
    [&genesis.0[..], key].concat()
}
