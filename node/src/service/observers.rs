//! The tasks that watch the chain and the other validators, and the release of restored GRANDPA keys.

use super::components::ChainHandles;
use crate::{
    consensus::{
        equivocation::{DoubleBlockHeaders, DoubleBlockList, EquivocationReporter},
        voter_status::{GrandpaState, VoterMetrics, VoterStatus, VoterTracker},
    },
    keys::held_keys::HeldKeys,
    status_log,
    types::Block,
};
use sc_network_sync::SyncingService;
use sc_service::{error::Error as ServiceError, Configuration, TaskManager};
use std::sync::Arc;
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
        tasks: &TaskManager,
    ) -> Result<Self, ServiceError> {
        let (status_sender, voter_status) = watch::channel(None);
        let tracker = VoterTracker {
            client: chain.client.clone(),
            grandpa: grandpa.clone(),
            metrics: config.prometheus_registry().map(VoterMetrics::register).transpose()?,
            status: status_sender,
        };
        tasks.spawn_handle().spawn("voters", None, tracker.run());

        let logging = status_log::run(chain.client.clone(), sync.clone(), voter_status.clone());
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
