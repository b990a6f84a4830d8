//! What whoever collects evidence asks a node for: `streembit_finalityProof` and `streembit_genesisAuthorities`.
//!
//! `streembit_finalityProof(from)` answers with GRANDPA's warp proof from a finalized block on: the last block of every
//! authority set that ended after `from`, each with the justification by the voters of its time, and then the newest
//! justified block. SCALE of `(Vec<(Header, GrandpaJustification)>, is_finished: bool)`; where it is not finished,
//! it was cut at 8 MiB and goes on from the last block in it.
//!
//! `streembit_genesisAuthorities()` answers with the first authority set as the chain spec has it, SCALE of
//! `Vec<([u8; 32], u64)>`: the state of block 0 is pruned soon, and the first link of every proof is checked with it.

use crate::service::{Block, FullClient};
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

/// The error code of a block that this node does not know, or that is not final here.
const NO_SUCH_BLOCK: i32 = 1;
/// The error code of a proof that cannot be made: something that it needs is not kept.
const NO_PROOF: i32 = 2;
/// The error code of a proof that others keep from being made now.
const BUSY: i32 = 3;

/// How many proofs are made at once; a caller more is told to come again. A proof is up to 8 MiB read from the database
/// and twice as much to send, on a thread that the other methods need too.
const AT_ONCE: usize = 2;

/// Makes GRANDPA's warp proofs.
pub type Proofs = Arc<dyn WarpSyncProvider<Block>>;

/// What the two methods answer from.
struct Sources {
    client: Arc<FullClient>,
    proofs: Proofs,
    spec: Arc<dyn ChainSpec>,
    /// A place for each proof that is being made.
    places: Semaphore,
    /// The first authority set or why there is none, once it was asked for.
    authorities: OnceLock<Result<Bytes, ErrorObjectOwned>>,
}

/// The two methods.
pub fn methods(
    client: Arc<FullClient>,
    proofs: Proofs,
    spec: Arc<dyn ChainSpec>,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let (places, authorities) = (Semaphore::new(AT_ONCE), OnceLock::new());
    let mut module = RpcModule::new(Sources { client, proofs, spec, places, authorities });
    // Blocking: both read much, from the database or from the file of the spec.
    module.register_blocking_method("streembit_finalityProof", |params, sources, _| {
        sources.finality_proof(params.one()?)
    })?;
    module.register_blocking_method("streembit_genesisAuthorities", |_, sources, _| {
        sources.genesis_authorities()
    })?;
    Ok(module.remove_context())
}

impl Sources {
    fn finality_proof(&self, from: H256) -> Result<Bytes, ErrorObjectOwned> {
        let _place = self.places.try_acquire().map_err(|_| {
            error_of(BUSY, format!("{AT_ONCE} others are being answered already: ask again in some seconds"))
        })?;
        let failed =
            |error: &dyn std::fmt::Display| error_of(NO_PROOF, format!("proving from {from:?}: {error}"));
        let number = self.client.number(from).map_err(|error| failed(&error))?;
        let finalized = self.client.info().finalized_number;
        match number {
            None => Err(error_of(
                NO_SUCH_BLOCK,
                format!(
                    "this node knows no block {from:?}: ask with the hash of a finalized block of this chain"
                ),
            )),
            Some(number) if number > finalized => Err(error_of(
                NO_SUCH_BLOCK,
                format!(
                    "block {number} ({from:?}) is not final here, {finalized} is the last: ask again later"
                ),
            )),
            Some(_) => {
                let EncodedProof(proof) = self.proofs.generate(from).map_err(|error| failed(&error))?;
                Ok(proof.into())
            }
        }
    }

    fn genesis_authorities(&self) -> Result<Bytes, ErrorObjectOwned> {
        // Whoever comes meanwhile waits: the storage of a spec may take a compilation of the runtime, seconds of both cores
        // that nobody must be able to ask for again and again. A failure is kept too: the spec does not change while the node
        // runs.
        self.authorities.get_or_init(|| first_authorities(&*self.spec)).clone()
    }
}

/// The first authority set, as a spec has it.
fn first_authorities(spec: &dyn ChainSpec) -> Result<Bytes, ErrorObjectOwned> {
    let failed = |problem: &str| error_of(NO_PROOF, format!("reading the chain spec: {problem}"));
    let storage = spec.as_storage_builder().build_storage().map_err(|error| failed(&error))?;
    let key = [twox_128(b"Grandpa"), twox_128(b"Authorities")].concat();
    let authorities = storage.top.get(&key).ok_or_else(|| failed("it names no GRANDPA authorities"))?;
    Ok(authorities.clone().into())
}

fn error_of(code: i32, message: String) -> ErrorObjectOwned {
    ErrorObject::owned(code, message, None::<()>)
}
