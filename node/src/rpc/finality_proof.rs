//! `streembit_finalityProof` and `streembit_genesisAuthorities`, which collectors of evidence call.
//!
//! `streembit_finalityProof(from)` returns GRANDPA's warp proof from a finalized block on: the last block of every
//! authority set that ended after `from`, each with the justification by the voters of its time, and then the newest
//! justified block. The encoding is SCALE of `(Vec<(Header, GrandpaJustification)>, is_finished: bool)`.
//!
//! A long proof is served in pages of at most [`MAX_PAGE_BYTES`]. If a page is not finished, the next one starts after
//! its last block: call `streembit_finalityProof` again with the hash of that block.
//!
//! `streembit_genesisAuthorities()` returns the first authority set from the chain spec, as SCALE of `Vec<([u8; 32],
//! u64)>`. It verifies the first link of every proof. The state of block 0, which also has it, is pruned soon.

use crate::types::{Block, FullClient};
use codec::{Compact, Decode as _, Encode as _};
use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObject, ErrorObjectOwned},
    RpcModule,
};
use sc_consensus_grandpa::GrandpaJustification;
use sc_network_sync::strategy::warp::{EncodedProof, WarpSyncProvider};
use sc_service::ChainSpec;
use sp_blockchain::HeaderBackend as _;
use sp_core::{Bytes, H256};
use sp_crypto_hashing::twox_128;
use std::sync::{Arc, OnceLock};
use streembit_runtime::Header;
use tokio::sync::Semaphore;

/// Error code: the node does not know the block, or the block is not final.
const UNKNOWN_BLOCK: i32 = 1;
/// Error code: the proof cannot be made, because the node does not have all the data.
const NO_PROOF: i32 = 2;
/// Error code: too many proofs are being made at the moment.
const BUSY: i32 = 3;

/// The maximum size of a page, in bytes. A response has twice as many hexadecimal digits, which fits into the 10 MiB that
/// clients usually accept, and into the 15 MiB of `--rpc-max-response-size`.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// The number of proofs that are made concurrently; further calls are refused. A proof is up to 8 MiB read from the
/// database and twice as much to send, on threads that other methods need too.
const MAX_CONCURRENT_PROOFS: usize = 2;

/// Makes GRANDPA's warp proofs.
pub type WarpProofs = Arc<dyn WarpSyncProvider<Block>>;

struct ProofSources {
    client: Arc<FullClient>,
    proofs: WarpProofs,
    spec: Arc<dyn ChainSpec>,
    permits: Semaphore,
    /// The first authority set or the reason why it is not available, once it was requested.
    authorities: OnceLock<Result<Bytes, ErrorObjectOwned>>,
}

/// Returns the two methods.
pub fn methods(
    client: Arc<FullClient>,
    proofs: WarpProofs,
    spec: Arc<dyn ChainSpec>,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let (permits, authorities) = (Semaphore::new(MAX_CONCURRENT_PROOFS), OnceLock::new());
    let mut module = RpcModule::new(ProofSources { client, proofs, spec, permits, authorities });
    // Blocking, because both methods may read much data from the database or from the chain spec.
    module.register_blocking_method("streembit_finalityProof", |params, sources, _| {
        sources.finality_proof(params.one()?)
    })?;
    module.register_blocking_method("streembit_genesisAuthorities", |_, sources, _| {
        sources.genesis_authorities()
    })?;
    Ok(module.remove_context())
}

impl ProofSources {
    fn finality_proof(&self, from: H256) -> Result<Bytes, ErrorObjectOwned> {
        let _permit = self.permits.try_acquire().map_err(|_| {
            let problem =
                format!("{MAX_CONCURRENT_PROOFS} other proofs are being made: try again in some seconds");
            rpc_error(BUSY, problem)
        })?;
        let failed =
            |error: &dyn std::fmt::Display| rpc_error(NO_PROOF, format!("proving from {from:?}: {error}"));
        let number = self.client.number(from).map_err(|error| failed(&error))?;
        let finalized = self.client.info().finalized_number;
        match number {
            None => Err(rpc_error(
                UNKNOWN_BLOCK,
                format!("unknown block {from:?}: use the hash of a finalized block of this chain"),
            )),
            Some(number) if number > finalized => Err(rpc_error(
                UNKNOWN_BLOCK,
                format!(
                    "block {number} ({from:?}) is not final on this node, the last final block is {finalized}: try again later"
                ),
            )),
            Some(_) => {
                let EncodedProof(proof) = self.proofs.generate(from).map_err(|error| failed(&error))?;
                let page = first_page(proof, MAX_PAGE_BYTES).map_err(|error| failed(&error))?;
                Ok(page.into())
            }
        }
    }

    fn genesis_authorities(&self) -> Result<Bytes, ErrorObjectOwned> {
        // Building the storage of a spec may compile the runtime, which takes seconds on all cores. It is done once,
        // while concurrent calls wait. An error is kept too, since the spec does not change while the node runs.
        self.authorities.get_or_init(|| first_authorities(&*self.spec)).clone()
    }
}

/// A block of a warp proof with its justification.
type Fragment = (Header, GrandpaJustification<Block>);

/// Returns a warp proof with the fragments that fit into `limit` bytes, but at least one.
fn first_page(proof: Vec<u8>, limit: usize) -> Result<Vec<u8>, codec::Error> {
    if proof.len() <= limit {
        return Ok(proof);
    }
    let mut rest = proof.as_slice();
    let Compact(count) = Compact::<u32>::decode(&mut rest)?;
    let fragments = rest;
    // The number of fragments has at most five bytes, and `is_finished` one.
    let room = limit.saturating_sub(6);
    let (mut kept, mut kept_bytes): (u32, &[u8]) = (0, &[]);
    while kept < count {
        Fragment::decode(&mut rest)?;
        let read = fragments.get(..fragments.len().saturating_sub(rest.len())).unwrap_or_default();
        if kept > 0 && read.len() > room {
            let is_finished = false;
            return Ok([Compact(kept).encode(), kept_bytes.to_vec(), is_finished.encode()].concat());
        }
        (kept, kept_bytes) = (kept.saturating_add(1), read);
    }
    // It is a single fragment.
    Ok(proof)
}

/// Reads the first authority set from a chain spec.
fn first_authorities(spec: &dyn ChainSpec) -> Result<Bytes, ErrorObjectOwned> {
    let failed = |problem: &str| rpc_error(NO_PROOF, format!("reading the chain spec: {problem}"));
    let storage = spec.as_storage_builder().build_storage().map_err(|error| failed(&error))?;
    let key = [twox_128(b"Grandpa"), twox_128(b"Authorities")].concat();
    let authorities = storage.top.get(&key).ok_or_else(|| failed("it has no GRANDPA authorities"))?;
    Ok(authorities.clone().into())
}

fn rpc_error(code: i32, message: String) -> ErrorObjectOwned {
    ErrorObject::owned(code, message, None::<()>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_consensus_grandpa::{ConsensusLog, ScheduledChange, GRANDPA_ENGINE_ID};
    use sp_core::{ed25519, Pair as _};
    use sp_runtime::{traits::Header as _, Digest, DigestItem};
    use streembit_primitives::{
        evidence::{AuthorityKey, AuthoritySet, FinalityProof, Voter, CHAIN_ENGINE_ID},
        Hash,
    };

    const GENESIS: Hash = Hash([7; 32]);
    const VOTERS: u8 = 4;

    fn pairs(set: u8) -> Vec<ed25519::Pair> {
        (0..VOTERS).map(|n| ed25519::Pair::from_seed(&[set.wrapping_add(n); 32])).collect()
    }

    fn first_set() -> AuthoritySet {
        let voter = |pair: &ed25519::Pair| Voter { key: AuthorityKey(pair.public().0), weight: 1 };
        AuthoritySet { id: 0, voters: pairs(0).iter().map(voter).collect() }
    }

    /// Returns blocks that change the voters, and a last one that does not, each with its justification.
    fn fragments(changes: u8) -> Vec<(H256, Vec<u8>)> {
        let fragment = |set: u8| {
            let mut digest = Digest::default();
            if set < changes {
                let next = pairs(set.wrapping_add(1)).iter().map(|pair| (pair.public().into(), 1)).collect();
                let change = ScheduledChange { next_authorities: next, delay: 0 };
                let log = ConsensusLog::<u32>::ScheduledChange(change);
                digest.push(DigestItem::Consensus(GRANDPA_ENGINE_ID, log.encode()));
                digest.push(DigestItem::Consensus(CHAIN_ENGINE_ID, GENESIS.0.to_vec()));
            }
            let number = u32::from(set) + 1;
            let header = Header::new(number, H256::zero(), H256::zero(), H256::zero(), digest);
            let (round, hash) = (1u64, header.hash());
            let message = (1u8, hash, number, round, u64::from(set)).encode();
            let vote = |pair: &ed25519::Pair| (hash, number, pair.sign(&message).0, pair.public().0);
            let votes: Vec<_> = pairs(set).iter().map(vote).collect();
            let justification = (round, hash, number, votes, Vec::<Header>::new()).encode();
            (hash, [header.encode(), justification].concat())
        };
        (0..=changes).map(fragment).collect()
    }

    /// Returns the finished warp proof that begins after the block `from`.
    fn proof(fragments: &[(H256, Vec<u8>)], from: &Hash) -> Vec<u8> {
        let position = fragments.iter().position(|(hash, _)| hash.0 == from.0);
        let after = &fragments[position.map_or(0, |position| position + 1)..];
        let bytes: Vec<u8> = after.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        [Compact(after.len() as u32).encode(), bytes, true.encode()].concat()
    }

    #[test]
    fn a_client_follows_a_long_proof_page_by_page() {
        let fragments = fragments(20);
        let whole = proof(&fragments, &GENESIS);
        for (limit, expected_pages) in [(whole.len(), 1), (whole.len() - 1, 2), (5_000, 5), (1, 21)] {
            let (mut set, mut from) = (first_set(), GENESIS);
            let (mut pages, mut blocks) = (0, Vec::new());
            loop {
                let page = first_page(proof(&fragments, &from), limit).unwrap();
                assert!(page.len() <= limit || limit == 1, "a page of {} bytes", page.len());
                let verified = FinalityProof::verify(&page, &from, &GENESIS, &mut set).unwrap();
                pages += 1;
                assert_eq!(verified.is_finished, verified.blocks.last().is_none_or(|last| !last.ends_set));
                from = verified.blocks.last().unwrap().at.hash;
                blocks.extend(verified.blocks.iter().map(|proven| proven.at.hash.0));
                if verified.is_finished {
                    break;
                }
            }
            assert_eq!((pages, set.id), (expected_pages, 20), "{limit} bytes a page");
            assert!(blocks.iter().eq(fragments.iter().map(|(hash, _)| &hash.0)));
        }
    }

    #[test]
    fn a_page_always_has_a_fragment_and_stays_as_it_is_if_it_fits() {
        let whole = proof(&fragments(0), &GENESIS);
        for limit in [0, 1, whole.len(), MAX_PAGE_BYTES] {
            assert_eq!(first_page(whole.clone(), limit).unwrap(), whole);
        }
        let none = [Compact(0u32).encode(), true.encode()].concat();
        assert_eq!(first_page(none.clone(), 1).unwrap(), none);
        assert!(first_page(whole[..whole.len() / 2].to_vec(), 1).is_err());
    }
}
