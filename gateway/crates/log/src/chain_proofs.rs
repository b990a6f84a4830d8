//! The stored proofs of the last anchor on each chain, so that evidence can be exported without a node and nodes may
//! prune.
//!
//! A chain that is founded anew continues the same log, and then nothing but the proof stored here proves the log on
//! the old chain. So the proof of one chain never replaces the proof of another.
//!
//! The column family `chain-proofs` has these keys. The genesis hash (32 bytes) prefixes all but the last:
//!
//! - `c`, set id (8 bytes) -> [`JustifiedBlock`], the last block of that authority set
//! - `set` -> [`KnownVoters`]
//! - `last` -> [`LastBlock`]
//! - `kept` -> the genesis hashes of all chains, the one collected last at the end
//!
//! Each collection is written at once. Releases that knew only one chain wrote the keys without the prefix. Such keys
//! can be read, and get the prefix when the log is opened for writing.

use super::{
    store::{decode, synced, Family, Guard, Store},
    ChainProofError, Log, LogReader, ReadError, StorageError,
};
use codec::{Decode, Encode};
use rocksdb::{Direction, IteratorMode, WriteBatch};
use streembit_primitives::{
    evidence::{AuthoritySet, JustifiedBlock},
    Hash,
};

const CHAINS: &[u8] = b"kept";
const CHANGE: &[u8] = b"c";
const VOTERS: &[u8] = b"set";
const LAST: &[u8] = b"last";

/// The most chains whose proofs are stored. A dishonest node can invent chains, which must not fill the disk.
pub const MAX_CHAINS: usize = 8;

/// The voters of a chain, as far as their changes were followed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct KnownVoters {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The first voters of the chain.
    pub first: AuthoritySet,
    /// The voters after the last stored change.
    pub current: AuthoritySet,
    /// The block of the last stored change, or the genesis block if there was no change.
    pub since: Hash,
}

/// A final block, and what the chain's state after it says about the log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LastBlock {
    /// The block number.
    pub number: u32,
    /// The block hash.
    pub hash: Hash,
    /// The root of the state after the block.
    pub state_root: Hash,
    /// The header, and the votes for the block.
    pub block: JustifiedBlock,
    /// The trie nodes that prove the log's anchor and the devices with events in the log.
    pub nodes: Vec<Vec<u8>>,
}

/// The stored proof of the last anchor on one chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainProof {
    /// The voters.
    pub voters: KnownVoters,
    /// The last block of each authority set that has ended, in order.
    pub changes: Vec<JustifiedBlock>,
    /// The newest block, and the state after it.
    pub last: LastBlock,
}

impl LogReader {
    /// Returns the genesis hashes of the chains with a stored proof, the one collected last at the end.
    pub fn chains(&self) -> Result<Vec<Hash>, ReadError> {
        Ok(chains(&self.store().db())?)
    }

    /// Returns the chains with a stored proof, except `genesis`. Returns an error if there is no room for the proof of
    /// `genesis` beside them.
    pub fn chains_beside(&self, genesis: &Hash) -> Result<Vec<Hash>, ChainProofError> {
        let mut chains = chains(&self.store().db())?;
        chains.retain(|chain| chain != genesis);
        match chains.len() < MAX_CHAINS {
            true => Ok(chains),
            false => Err(ChainProofError::TooManyChains),
        }
    }

    /// Returns the proof of the last anchor on a chain as it was last collected, or `None` if there is none.
    pub fn chain_proof(&self, genesis: &Hash) -> Result<Option<ChainProof>, ReadError> {
        let guard = self.store().db();
        let is_unprefixed = unprefixed_chain(&guard)?.is_some_and(|chain| chain == *genesis);
        let key_of = |key: &[u8]| if is_unprefixed { key.to_vec() } else { prefixed(genesis, key) };
        let voters = guard.value(Family::ChainProofs, &key_of(VOTERS))?;
        let last = guard.value(Family::ChainProofs, &key_of(LAST))?;
        let (Some(voters), Some(last)) = (voters, last) else { return Ok(None) };
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let first = key_of(CHANGE);
        let changes = db
            .iterator_cf(handle, IteratorMode::From(&first, Direction::Forward))
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&first)))
            .map(|pair| {
                let (key, value) = pair.map_err(StorageError::database("reading the changes of voters"))?;
                decode(Family::ChainProofs, &key, &value)
            })
            .collect::<Result<_, StorageError>>()?;
        Ok(Some(ChainProof { voters, changes, last }))
    }
}

impl Log {
    /// Stores what was collected from a chain in one synced write: `changes`, the first of which ended the authority
    /// set `first_set`, and the newest voters and block. The proofs of other chains stay.
    pub fn put_chain_proof(
        &self,
        voters: &KnownVoters,
        first_set: u64,
        changes: &[JustifiedBlock],
        last: &LastBlock,
    ) -> Result<(), ChainProofError> {
        let genesis = &voters.genesis;
        let mut chains = self.chains_beside(genesis)?;
        chains.push(*genesis);
        let guard = self.reader().store().db();
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let mut batch = WriteBatch::default();
        for (set, change) in (first_set..).zip(changes) {
            let key = [CHANGE, &set.to_be_bytes()].concat();
            batch.put_cf(handle, prefixed(genesis, &key), change.encode());
        }
        batch.put_cf(handle, prefixed(genesis, VOTERS), voters.encode());
        batch.put_cf(handle, prefixed(genesis, LAST), last.encode());
        batch.put_cf(handle, CHAINS, chains.encode());
        db.write_opt(batch, &synced())
            .inspect_err(|_| self.mark_for_reopen())
            .map_err(StorageError::database("storing the proof of a chain"))?;
        Ok(())
    }

    /// Deletes the proof of a chain for good. Returns false if there is none.
    pub fn forget_chain(&self, genesis: &Hash) -> Result<bool, ChainProofError> {
        let mut chains = chains(&self.reader().store().db())?;
        let before = chains.len();
        chains.retain(|chain| chain != genesis);
        if chains.len() == before {
            return Ok(false);
        }
        let guard = self.reader().store().db();
        let (db, handle) = guard.family(Family::ChainProofs)?;
        let mut batch = WriteBatch::default();
        // Every key continues with an ASCII letter after the genesis hash, so this range covers all of them.
        batch.delete_range_cf(handle, prefixed(genesis, &[]), prefixed(genesis, &[u8::MAX]));
        batch.put_cf(handle, CHAINS, chains.encode());
        db.write_opt(batch, &synced())
            .inspect_err(|_| self.mark_for_reopen())
            .map_err(StorageError::database("forgetting the proof of a chain"))?;
        Ok(true)
    }
}

/// Adds the genesis hash to the keys of a release that knew only one chain.
pub(super) fn migrate(store: &Store) -> Result<(), StorageError> {
    let guard = store.db();
    let Some(genesis) = unprefixed_chain(&guard)? else { return Ok(()) };
    let (db, handle) = guard.family(Family::ChainProofs)?;
    let mut batch = WriteBatch::default();
    for pair in db.iterator_cf(handle, IteratorMode::Start) {
        let (key, value) = pair.map_err(StorageError::database("reading the proof of a chain"))?;
        if key.len() < genesis.0.len() && *key != *CHAINS {
            batch.put_cf(handle, prefixed(&genesis, &key), value);
            batch.delete_cf(handle, key);
        }
    }
    batch.put_cf(handle, CHAINS, chains(&guard)?.encode());
    db.write_opt(batch, &synced())
        .map_err(StorageError::database("adding the chain to the keys of its proof"))
}

fn chains(guard: &Guard<'_>) -> Result<Vec<Hash>, StorageError> {
    let mut chains: Vec<Hash> = guard.value(Family::ChainProofs, CHAINS)?.unwrap_or_default();
    if let Some(chain) = unprefixed_chain(guard)? {
        chains.retain(|other| *other != chain);
        chains.push(chain);
    }
    Ok(chains)
}

/// Returns the chain whose keys have no prefix, or `None` if there is none.
fn unprefixed_chain(guard: &Guard<'_>) -> Result<Option<Hash>, StorageError> {
    let voters: Option<KnownVoters> = guard.value(Family::ChainProofs, VOTERS)?;
    Ok(voters.map(|voters| voters.genesis))
}

fn prefixed(genesis: &Hash, key: &[u8]) -> Vec<u8> {
    [&genesis.0[..], key].concat()
}
