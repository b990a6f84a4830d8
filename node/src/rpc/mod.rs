//! The RPC methods of the node beyond the standard ones of `sc_service` (`author`, `chain`, `chainHead`, `state`,
//! `system`, ...).

mod dry_run;
mod finality_proof;
mod voter_status;

pub use finality_proof::WarpProofs;

use crate::{
    consensus::{
        equivocation::DoubleBlockList,
        voter_status::{GrandpaState, VoterStatus},
    },
    notices::Notices,
    types::{Block, FullBackend, FullClient, FullPool},
};
use jsonrpsee::{core::RegisterMethodError, RpcModule};
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_service::ChainSpec;
use sp_core::traits::SpawnNamed;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};
use tokio::sync::watch;

/// The sources of the answers.
pub struct Sources {
    /// The client.
    pub client: Arc<FullClient>,
    /// The transaction pool.
    pub pool: Arc<FullPool>,
    /// The state of the GRANDPA voter.
    pub grandpa: GrandpaState,
    /// The voters as this node sees them.
    pub voter_status: watch::Receiver<Option<VoterStatus>>,
    /// The conditions that the operator should know about.
    pub notices: Notices,
    /// The latest pairs of blocks that one validator made in one slot.
    pub double_blocks: DoubleBlockList,
    /// The stream of new justifications.
    pub justifications: GrandpaJustificationStream<Block>,
    /// Proves that a block is final.
    pub finality_proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
    /// Proves that the newest finalized block follows from an earlier one, across changes of the voters.
    pub warp_proofs: WarpProofs,
    /// The chain spec, which has the first voters.
    pub spec: Arc<dyn ChainSpec>,
}

/// Returns the methods: `system_accountNextIndex`, `system_dryRun`, `grandpa_*`, and the `streembit_*` methods that collectors of
/// evidence and gateways use.
pub fn methods(
    sources: &Sources,
    executor: Arc<dyn SpawnNamed>,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let client = &sources.client;
    let grandpa = Grandpa::new(
        executor,
        sources.grandpa.authorities.clone(),
        sources.grandpa.voter_state.clone(),
        sources.justifications.clone(),
        sources.finality_proofs.clone(),
    );
    let mut module = RpcModule::new(());
    module.merge(finality_proof::methods(
        client.clone(),
        sources.warp_proofs.clone(),
        sources.spec.clone(),
    )?)?;
    module.merge(voter_status::methods(sources.voter_status.clone(), sources.notices.clone())?)?;
    let mut double_blocks = RpcModule::new(sources.double_blocks.clone());
    double_blocks.register_method("streembit_doubleBlocks", |_, list, _| list.entries())?;
    module.merge(double_blocks.remove_context())?;
    module.merge(System::new(client.clone(), sources.pool.clone()).into_rpc())?;
    dry_run::replace_in(&mut module, client.clone())?;
    module.merge(grandpa.into_rpc())?;
    Ok(module)
}
