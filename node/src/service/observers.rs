//! The tasks that watch the chain and the other validators, and the release of restored GRANDPA keys.

use super::{
    components::ChainHandles,
    connections,
    genesis_exchange::{GenesisExchange, Requests},
    known_addresses,
    local_discovery::LocalDiscovery,
};
use crate::{
    consensus::{
        equivocation::{DoubleBlockHeaders, DoubleBlockList, EquivocationReporter},
        voter_status::{GrandpaState, VoterMetrics, VoterStatus, VoterTracker},
    },
    keys::held_keys::HeldKeys,
    notices::Notices,
    restart::RestartSender,
    status_log,
    types::Block,
};
use sc_network::{config::TransportConfig, service::traits::NetworkService};
use sc_network_sync::SyncingService;
use sc_service::{error::Error as ServiceError, Configuration, TaskManager};
use std::sync::Arc;
use streembit_runtime::Hash;
use tokio::sync::{mpsc, watch};

/// The results of the observers, which the RPC reports.
pub struct Observers {
    /// The voters as this node sees them; `None` if it does not follow the votes.
    pub voter_status: watch::Receiver<Option<VoterStatus>>,
    /// The latest pairs of blocks that one validator made in one slot.
    pub double_blocks: DoubleBlockList,
}

impl Observers {
    /// Spawns the tasks.
    pub fn spawn(
        config: &Configuration,
        chain: &ChainHandles,
        sync: &Arc<SyncingService<Block>>,
        grandpa: &GrandpaState,
        double_blocks: mpsc::Receiver<DoubleBlockHeaders>,
        notices: &Notices,
        tasks: &TaskManager,
    ) -> Result<Self, ServiceError> {
        let (status_sender, voter_status) = watch::channel(None);
        let tracker = VoterTracker {
            client: chain.client.clone(),
            grandpa: grandpa.clone(),
            metrics: config.prometheus_registry().map(VoterMetrics::register).transpose()?,
            status: status_sender,
            notices: notices.clone(),
        };
        tasks.spawn_handle().spawn("voters", None, tracker.run());

        let (client, sync_status) = (chain.client.clone(), sync.clone());
        let logging = status_log::run(client, sync_status, voter_status.clone(), notices.clone());
        tasks.spawn_handle().spawn("status-log", None, logging);

        let reporter = EquivocationReporter {
            client: chain.client.clone(),
            pool: chain.pool.clone(),
            keystore: chain.keystore.clone(),
            list: DoubleBlockList::default(),
        };
        let list = reporter.list.clone();
        tasks.spawn_handle().spawn("double-blocks", None, reporter.run(double_blocks));

        if let Some(keys) = HeldKeys::find(config)? {
            let release =
                keys.release_when_safe(chain.client.clone(), sync.clone(), grandpa.voter_state.clone());
            tasks.spawn_essential_handle().spawn("held-keys", None, release);
        }
        Ok(Self { voter_status, double_blocks: list })
    }
}

/// Spawns the tasks that keep the node connected: they dial the nodes that the operator named, end dead connections, and
/// compare the genesis block with those of other nodes.
pub fn watch_connections(
    config: &Configuration,
    network: &Arc<dyn NetworkService>,
    sync: &Arc<SyncingService<Block>>,
    (genesis, requests): (Hash, Requests),
    notices: &Notices,
    restart: RestartSender,
    tasks: &TaskManager,
) {
    let nodes = known_addresses::named_nodes(config);
    let dialling = known_addresses::run(nodes.clone(), network.clone(), sync.clone());
    tasks.spawn_handle().spawn("known-addresses", None, dialling);
    if finds_local_nodes(config) {
        let (network, peer) = (network.clone(), network.local_peer_id());
        let discovery =
            LocalDiscovery { genesis, peer, listen: config.network.listen_addresses.clone(), network };
        tasks.spawn_handle().spawn("local-discovery", None, discovery.run());
    }
    let (network, notices) = (network.clone(), notices.clone());
    let exchange = GenesisExchange { genesis, nodes, network, sync: sync.clone(), notices };
    tasks.spawn_handle().spawn("genesis-exchange", None, exchange.run(requests));
    tasks.spawn_handle().spawn("connections", None, connections::watch(sync.clone(), restart));
}

/// Returns true if the node looks for others in the local network (`--mdns`).
fn finds_local_nodes(config: &Configuration) -> bool {
    matches!(config.network.transport, TransportConfig::Normal { enable_mdns: true, .. })
}
