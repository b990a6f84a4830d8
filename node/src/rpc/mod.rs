//! What the node answers over RPC besides the standard set (`author`, `chain`, `chainHead`, `state`, `system`, ...)
//! that `sc_service` brings.

mod finality_proof;
mod voters;

use crate::{
    equivocation::Seen,
    service::{Block, FullBackend, FullClient, FullPool},
    voters::{Authorities, Voters},
};
use jsonrpsee::{core::RegisterMethodError, RpcModule};
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream, SharedVoterState};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_service::ChainSpec;
use sp_core::traits::SpawnNamed;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};
use tokio::sync::watch;

/// What the GRANDPA methods answer from.
pub struct Finality {
    /// Where the voter is.
    pub voter_state: SharedVoterState,
    /// Who votes.
    pub authorities: Authorities,
    /// Which of them are online.
    pub voters: watch::Receiver<Option<Voters>>,
    /// The justifications, as they are made.
    pub justifications: GrandpaJustificationStream<Block>,
    /// Proofs that a block is final.
    pub proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
    /// Proofs from any finalized block to the newest, over every change of the voters.
    pub warp_proofs: finality_proof::Proofs,
    /// Where the first voters are named.
    pub spec: Arc<dyn ChainSpec>,
}

/// The methods: `system_accountNextIndex`, `grandpa_*`, and `streembit_*` for whoever collects evidence or watches the
/// voters, and for the alarm of the gateways.
pub fn methods(
    client: Arc<FullClient>,
    pool: Arc<FullPool>,
    finality: &Finality,
    seen: Seen,
    executor: Arc<dyn SpawnNamed>,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let grandpa = Grandpa::new(
        executor,
        finality.authorities.clone(),
        finality.voter_state.clone(),
        finality.justifications.clone(),
        finality.proofs.clone(),
    );
    let (warp_proofs, spec) = (finality.warp_proofs.clone(), finality.spec.clone());
    let mut module = RpcModule::new(());
    module.merge(finality_proof::methods(client.clone(), warp_proofs, spec)?)?;
    module.merge(voters::methods(finality.voters.clone())?)?;
    let mut double_blocks = RpcModule::new(seen);
    double_blocks.register_method("streembit_doubleBlocks", |_, seen, _| seen.list())?;
    module.merge(double_blocks.remove_context())?;
    module.merge(System::new(client, pool).into_rpc())?;
    module.merge(grandpa.into_rpc())?;
    Ok(module)
}
