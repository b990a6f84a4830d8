//! Assembles a node: database, network, RPC, block production with Aura, finality with GRANDPA.

mod components;
mod network;
mod observers;
mod validator;

pub use components::Components;

use crate::{consensus::voter_status::GrandpaState, rpc};
use components::{ChainHandles, VoterLink};
use observers::Observers;
use sc_consensus_grandpa::{warp_proof::NetworkProvider, FinalityProofProvider, SharedVoterState};
use sc_service::{error::Error as ServiceError, Configuration, RpcHandlers, SpawnTasksParams, TaskManager};
use sc_telemetry::Telemetry;
use std::{path::Path, sync::Arc, time::Duration};
use validator::{Validator, ValidatorSettings};

/// A running node.
pub struct Node {
    /// The node's tasks, which end when the manager is dropped.
    pub tasks: TaskManager,
    /// The node's RPC, for code in the same process.
    pub rpc: RpcHandlers,
}

/// Starts a validator or a full node, as the configuration says.
///
/// `heartbeat` is the longest time between two blocks of an idle validator; for `runtime_cache` see
/// [`Components::new`].
pub fn start(
    config: Configuration,
    heartbeat: Duration,
    runtime_cache: Option<&Path>,
) -> Result<Node, ServiceError> {
    let parts = Components::new(&config, runtime_cache)?;
    let Components { chain, mut tasks, voter_link, mut telemetry, .. } = parts;
    let grandpa = GrandpaState {
        authorities: voter_link.shared_authority_set().clone(),
        voter_state: SharedVoterState::empty(),
    };
    let warp_proofs: rpc::WarpProofs =
        Arc::new(NetworkProvider::new(chain.backend.clone(), grandpa.authorities.clone(), Vec::new()));
    let (params, grandpa_protocol) =
        network::configure(&config, &chain, &tasks, parts.import_queue, warp_proofs.clone())?;
    let (network, system_rpc_tx, tx_handler_controller, sync, _) = sc_service::build_network(params)?;
    let observers = Observers::spawn(&config, &chain, &sync, &grandpa, parts.double_blocks, &tasks)?;
    let settings = ValidatorSettings::new(&config, &chain.keystore, heartbeat)?;
    let spec = Arc::from(config.chain_spec.cloned_box());
    let rpc_sources = rpc_sources(&chain, &voter_link, &grandpa, observers, warp_proofs, spec);
    let rpc = sc_service::spawn_tasks(SpawnTasksParams {
        config,
        client: chain.client.clone(),
        backend: chain.backend.clone(),
        task_manager: &mut tasks,
        keystore: chain.keystore.clone(),
        transaction_pool: chain.pool.clone(),
        rpc_builder: Box::new(move |executor| {
            rpc::methods(&rpc_sources, executor).map_err(|error| ServiceError::Application(Box::new(error)))
        }),
        network: network.clone(),
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    let telemetry = telemetry.as_ref().map(Telemetry::handle);
    let validator = Validator { chain, network, sync, telemetry, settings };
    validator.spawn(&tasks, parts.block_import, voter_link, grandpa_protocol, grandpa.voter_state)?;
    Ok(Node { tasks, rpc })
}

fn rpc_sources(
    chain: &ChainHandles,
    voter_link: &VoterLink,
    grandpa: &GrandpaState,
    observers: Observers,
    warp_proofs: rpc::WarpProofs,
    spec: Arc<dyn sc_service::ChainSpec>,
) -> rpc::Sources {
    rpc::Sources {
        client: chain.client.clone(),
        pool: chain.pool.clone(),
        grandpa: grandpa.clone(),
        voter_status: observers.voter_status,
        double_blocks: observers.double_blocks,
        justifications: voter_link.justification_stream(),
        finality_proofs: FinalityProofProvider::new_for_service(
            chain.backend.clone(),
            Some(grandpa.authorities.clone()),
        ),
        warp_proofs,
        spec,
    }
}
