//! The configuration of the network.

use super::components::ChainHandles;
use crate::types::{Block, FullClient, FullPool};
use sc_client_api::BlockBackend;
use sc_consensus::DefaultImportQueue;
use sc_network::{
    config::FullNetworkConfiguration, service::traits::NotificationService, Litep2pNetworkBackend,
    NetworkBackend, ProtocolName,
};
use sc_network_sync::strategy::warp::WarpSyncProvider;
use sc_service::{
    error::Error as ServiceError, BuildNetworkParams, Configuration, TaskManager, WarpSyncConfig,
};
use std::sync::Arc;
use streembit_runtime::Hash;

/// The parameters with which `sc_service::build_network` starts the network.
pub type NetworkParams<'a> =
    BuildNetworkParams<'a, Block, Litep2pNetworkBackend, FullPool, DefaultImportQueue<Block>, FullClient>;

/// The network protocol over which GRANDPA voters exchange votes.
pub struct GrandpaProtocol {
    pub name: ProtocolName,
    pub notifications: Box<dyn NotificationService>,
}

/// Configures the network with all protocols of a node.
pub fn configure<'a>(
    config: &'a Configuration,
    chain: &ChainHandles,
    tasks: &TaskManager,
    import_queue: DefaultImportQueue<Block>,
    warp_proofs: Arc<dyn WarpSyncProvider<Block>>,
) -> Result<(NetworkParams<'a>, GrandpaProtocol), ServiceError> {
    let genesis = chain.client.block_hash(0)?.ok_or_else(|| {
        ServiceError::Other("the database has no genesis block; remove it with `purge-chain`".into())
    })?;
    let registry = config.prometheus_registry().cloned();
    let mut net_config = FullNetworkConfiguration::new(&config.network, registry.clone());
    let metrics = <Litep2pNetworkBackend as NetworkBackend<Block, Hash>>::register_notification_metrics(
        registry.as_ref(),
    );
    let name = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
    let (grandpa_config, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<
        Block,
        Litep2pNetworkBackend,
    >(name.clone(), metrics.clone(), net_config.peer_store_handle());
    net_config.add_notification_protocol(grandpa_config);
    let params = BuildNetworkParams {
        config,
        net_config,
        client: chain.client.clone(),
        transaction_pool: chain.pool.clone(),
        spawn_handle: tasks.spawn_handle(),
        spawn_essential_handle: tasks.spawn_essential_handle(),
        import_queue,
        block_announce_validator_builder: None,
        warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_proofs)),
        block_relay: None,
        metrics,
        gap_sync_body_policy: None,
    };
    Ok((params, GrandpaProtocol { name, notifications }))
}
