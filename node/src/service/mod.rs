//! Assembles a node: database, network, RPC, block production with Aura, finality with GRANDPA.

mod block_requests;
mod components;
mod connections;
mod genesis_exchange;
mod interfaces;
mod known_addresses;
mod local_discovery;
mod name_servers;
mod network;
mod observers;
mod validator;

pub use components::Components;

use crate::{
    consensus::voter_status::GrandpaState,
    database::DatabaseError,
    genesis::genesis_hash,
    keys::{
        self,
        validator_keys::{SessionKeyNames, ValidatorKeyCheck},
        DamagedKey,
    },
    notices::Notices,
    restart::RestartSender,
    rpc,
};
use components::VoterLink;
use network::Network;
use observers::{watch_connections, Observers};
use sc_client_api::BlockBackend as _;
use sc_consensus_grandpa::{warp_proof::NetworkProvider, FinalityProofProvider, SharedVoterState};
use sc_service::{error::Error as ServiceError, Configuration, RpcHandlers, SpawnTasksParams, TaskManager};
use sc_telemetry::Telemetry;
use std::{path::Path, sync::Arc, time::Duration};
use validator::{Validator, ValidatorSettings};

pub use components::ChainHandles;

/// A running node.
pub struct Node {
    /// The node's tasks, which end when the manager is dropped.
    pub tasks: TaskManager,
    /// The node's RPC, for code in the same process.
    pub rpc: RpcHandlers,
    /// Keeps the pool and the database open until all tasks have ended.
    pub chain: ChainHandles,
}

/// The settings of a node that are not in Substrate's configuration.
pub struct NodeSettings<'s> {
    /// The longest time between two blocks of an idle validator.
    pub heartbeat: Duration,
    /// The folder of the compiled runtime, if it is not in the base path.
    pub runtime_cache: Option<&'s Path>,
    /// True if the genesis block of the database must be the one of the chain spec. The presets change with every release
    /// of this program.
    pub compare_genesis: bool,
    /// The session keys that are damaged.
    pub damaged_keys: Vec<DamagedKey>,
    /// The conditions that the operator should know about.
    pub notices: Notices,
    /// Asks for a restart of the node.
    pub restart: RestartSender,
}

/// Starts a validator or a full node, as the configuration says.
pub fn start(config: Configuration, settings: NodeSettings<'_>) -> Result<Node, ServiceError> {
    let parts = Components::new(&config, settings.runtime_cache)?;
    let Components { chain, mut tasks, voter_link, mut telemetry, .. } = parts;
    if settings.compare_genesis {
        ensure_same_genesis(&config, &chain)?;
    }
    let grandpa = GrandpaState {
        authorities: voter_link.shared_authority_set().clone(),
        voter_state: SharedVoterState::empty(),
    };
    let needed = SessionKeyNames::of_chain(&chain.client, &grandpa).map_err(application_error)?;
    keys::ensure_sound(settings.damaged_keys, &needed.all(), config.role.is_authority())
        .map_err(application_error)?;
    let warp_proofs: rpc::WarpProofs =
        Arc::new(NetworkProvider::new(chain.backend.clone(), grandpa.authorities.clone(), Vec::new()));
    let network = network::start(&config, &chain, &tasks, parts.import_queue, warp_proofs.clone())?;
    let Network { service: network, sync, system_requests, transactions, grandpa: protocol, genesis } =
        network;
    let notices = settings.notices;
    let observers =
        Observers::spawn(&config, &chain, &sync, &grandpa, parts.double_blocks, &notices, &tasks)?;
    watch_connections(&config, &network, &sync, genesis, &notices, settings.restart.clone(), &tasks);
    let key_check = ValidatorKeyCheck::new(
        &config,
        chain.client.clone(),
        grandpa.clone(),
        chain.keystore.clone(),
        notices.clone(),
    );
    let validator = ValidatorSettings::new(&config, &chain.keystore, settings.heartbeat, settings.restart)?;
    let spec = Arc::from(config.chain_spec.cloned_box());
    let rpc_sources = rpc_sources(&chain, &voter_link, &grandpa, observers, notices, warp_proofs, spec);
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
        system_rpc_tx: system_requests,
        tx_handler_controller: transactions,
        sync_service: sync.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    // Starting the tasks adds the keys of `--alice` and the like to the keystore.
    tasks.spawn_handle().spawn("validator-keys", None, key_check.run());
    let telemetry = telemetry.as_ref().map(Telemetry::handle);
    let validator = Validator { chain: chain.clone(), network, sync, telemetry, settings: validator };
    validator.spawn(&tasks, parts.block_import, voter_link, protocol, grandpa.voter_state)?;
    Ok(Node { tasks, rpc, chain })
}

/// Returns an error if the database began with another genesis block than that of the chain spec.
fn ensure_same_genesis(config: &Configuration, chain: &ChainHandles) -> Result<(), ServiceError> {
    let spec = genesis_hash(&*config.chain_spec).map_err(ServiceError::Other)?;
    match chain.client.block_hash(0)? {
        Some(database) if database != spec => Err(application_error(DatabaseError::OtherGenesis {
            folder: config.database.path().unwrap_or(config.data_path.as_path()).to_owned(),
            database: format!("{database:?}"),
            spec: format!("{spec:?}"),
        })),
        _ => Ok(()),
    }
}

fn application_error(error: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
    ServiceError::Application(Box::new(error))
}

fn rpc_sources(
    chain: &ChainHandles,
    voter_link: &VoterLink,
    grandpa: &GrandpaState,
    observers: Observers,
    notices: Notices,
    warp_proofs: rpc::WarpProofs,
    spec: Arc<dyn sc_service::ChainSpec>,
) -> rpc::Sources {
    rpc::Sources {
        client: chain.client.clone(),
        pool: chain.pool.clone(),
        grandpa: grandpa.clone(),
        voter_status: observers.voter_status,
        notices,
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
