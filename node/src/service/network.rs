//! The configuration and the start of the network.

use super::{
    block_requests,
    components::ChainHandles,
    genesis_exchange::{self, Requests},
    name_servers,
};
use crate::types::{Block, FullClient, FullPool};
use sc_client_api::BlockBackend;
use sc_consensus::DefaultImportQueue;
use sc_network::{
    config::FullNetworkConfiguration,
    service::traits::{NetworkService, NotificationService},
    Litep2pNetworkBackend, NetworkBackend, NetworkWorker, ProtocolName,
};
use sc_network_sync::{
    service::network::NetworkServiceProvider, strategy::warp::WarpSyncProvider, SyncingService,
};
use sc_network_transactions::TransactionsHandlerController;
use sc_rpc::system::Request as SystemRequest;
use sc_service::{
    error::Error as ServiceError, BuildNetworkParams, Configuration, TaskManager, WarpSyncConfig,
};
use sc_utils::mpsc::TracingUnboundedSender;
use std::sync::Arc;
use streembit_runtime::Hash;

/// The network protocol over which GRANDPA voters exchange votes.
pub struct GrandpaProtocol {
    pub name: ProtocolName,
    pub notifications: Box<dyn NotificationService>,
}

/// A network that has started.
pub struct Network {
    pub service: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub system_requests: TracingUnboundedSender<SystemRequest<Block>>,
    pub transactions: TransactionsHandlerController<Hash>,
    pub grandpa: GrandpaProtocol,
    /// The genesis block of this chain, and the requests for it.
    pub genesis: (Hash, Requests),
}

/// Starts the network.
pub fn start(
    config: &Configuration,
    chain: &ChainHandles,
    tasks: &TaskManager,
    import_queue: DefaultImportQueue<Block>,
    warp_proofs: Arc<dyn WarpSyncProvider<Block>>,
) -> Result<Network, ServiceError> {
    if name_servers::is_configured() {
        start_with::<Litep2pNetworkBackend>(config, chain, tasks, import_queue, warp_proofs)
    } else {
        tracing::warn!(
            "this machine has no name server: other nodes are found by IP addresses, and by names as soon as these can be \
             resolved"
        );
        start_with::<NetworkWorker<Block, Hash>>(config, chain, tasks, import_queue, warp_proofs)
    }
}

/// Starts the network with one of Substrate's two implementations of libp2p.
fn start_with<N: NetworkBackend<Block, Hash>>(
    config: &Configuration,
    chain: &ChainHandles,
    tasks: &TaskManager,
    import_queue: DefaultImportQueue<Block>,
    warp_proofs: Arc<dyn WarpSyncProvider<Block>>,
) -> Result<Network, ServiceError> {
    let genesis = chain.client.block_hash(0)?.ok_or_else(|| {
        ServiceError::Other("the database has no genesis block; remove it with `purge-chain`".into())
    })?;
    let registry = config.prometheus_registry().cloned();
    let mut net_config = FullNetworkConfiguration::<Block, Hash, N>::new(&config.network, registry.clone());
    let metrics = N::register_notification_metrics(registry.as_ref());
    let name = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
    let (grandpa_config, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<Block, N>(
        name.clone(),
        metrics.clone(),
        net_config.peer_store_handle(),
    );
    net_config.add_notification_protocol(grandpa_config);
    let (genesis_config, genesis_requests) = genesis_exchange::protocol::<N>();
    net_config.add_request_response_protocol(genesis_config);
    // Sends the requests for blocks as soon as the network runs.
    let block_downloads = NetworkServiceProvider::new();
    let block_relay = block_requests::protocol::<N>(config, chain.client.clone(), block_downloads.handle())?;
    let params: BuildNetworkParams<'_, Block, N, FullPool, DefaultImportQueue<Block>, FullClient> =
        BuildNetworkParams {
            config,
            net_config,
            client: chain.client.clone(),
            transaction_pool: chain.pool.clone(),
            spawn_handle: tasks.spawn_handle(),
            spawn_essential_handle: tasks.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_proofs)),
            block_relay: Some(block_relay),
            metrics,
            gap_sync_body_policy: None,
        };
    let (service, system_requests, transactions, sync, _) = sc_service::build_network(params)?;
    tasks.spawn_handle().spawn(
        "block-downloads",
        "networking",
        block_downloads.run(Arc::new(service.clone())),
    );
    let grandpa = GrandpaProtocol { name, notifications };
    Ok(Network {
        service,
        sync,
        system_requests,
        transactions,
        grandpa,
        genesis: (genesis, genesis_requests),
    })
}
