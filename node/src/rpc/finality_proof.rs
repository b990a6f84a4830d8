//! `streembit_finalityProof` and `streembit_genesisAuthorities`, which collectors of evidence call.
//!
//! `streembit_finalityProof(from)` returns GRANDPA's warp proof from a finalized block on: the last block of every
//! authority set that ended after `from`, each with the justification by the voters of its time, and then the newest
//! justified block. The encoding is SCALE of `(Vec<(Header, GrandpaJustification)>, is_finished: bool)`. If it is not
//! finished, it was cut at 8 MiB; the next proof starts at its last block.
//!
//! `streembit_genesisAuthorities()` returns the first authority set from the chain spec, as SCALE of `Vec<([u8; 32],
//! u64)>`. It verifies the first link of every proof. The state of block 0, which also has it, is pruned soon.

use crate::types::{Block, FullClient};
use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObject, ErrorObjectOwned},
    RpcModule,
};
use sc_network_sync::strategy::warp::{EncodedProof, WarpSyncProvider};
use sc_service::ChainSpec;
use sp_blockchain::HeaderBackend as _;
use sp_core::{Bytes, H256};
use sp_crypto_hashing::twox_128;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Error code: the node does not know the block, or the block is not final.
const UNKNOWN_BLOCK: i32 = 1;
/// Error code: the proof cannot be made, because the node does not have all the data.
const NO_PROOF: i32 = 2;
/// Error code: too many proofs are being made at the moment.
const BUSY: i32 = 3;

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
                Ok(proof.into())
            }
        }
    }

    fn genesis_authorities(&self) -> Result<Bytes, ErrorObjectOwned> {
        // Building the storage of a spec may compile the runtime, which takes seconds on all cores. It is done once,
        // while concurrent calls wait. An error is kept too, since the spec does not change while the node runs.
        self.authorities.get_or_init(|| first_authorities(&*self.spec)).clone()
    }
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
