//! The gateway daemon. [`run`] starts all tasks (the log, adapters, API, anchoring and delivery) and shuts them down
//! together.
//!
//! A task that fails is retried, and its failure is shown in the status. The daemon ends by itself only if the log must
//! not be used, or if a thread cannot be started. Neither the network nor an address in use nor the node keeps the gateway
//! from logging.

mod adapter_runner;
mod clock;
mod contracts;
mod delivery;
mod devices;
mod reload;
mod reports;

pub use devices::Records;
pub use reload::{ReloadError, Reloaded, Reloader};

use crate::{
    anchor::{self, AnchorError, AnchorOutputs, Schedule},
    api::{Api, ApiState},
    config::{AnchorConfig, Config, DeviceList},
    log_id,
    metrics::Metrics,
    remedies::Remedy,
    status::{ComponentState, StatusBoard},
};
use adapter_runner::AdapterRunner;
use clock::ClockWatch;
use contracts::ContractFollower;
use delivery::Delivery;
use devices::DeviceFollower;
use std::{fs::DirBuilder, future::Future, os::unix::fs::DirBuilderExt as _, path::PathBuf, time::Duration};
use streembit_chain::{ChainClient, ChainReport, NodeConnection};
use streembit_clock::now_ms;
use streembit_delivery::SwarmError;
use streembit_evidence::collect::{self, CollectState};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::{CheckpointError, Log, OpenError, ReadError};
use streembit_primitives::{checkpoint::EpochState, AccountId, LogId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long startup waits for the node, to check that the log is open on the chain before events are appended.
const FIRST_CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// An error that ends the daemon.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The log's folder could not be created.
    #[error("creating the folder {}: {source}; check data_dir in the configuration", .path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log is closed on the chain.
    #[error(
        "the log of this gateway, epoch {epoch}, is closed on the chain, so it can no longer be anchored"
    )]
    Closed {
        /// The epoch.
        epoch: u32,
    },
    /// The chain has opened a later epoch than that of the log.
    #[error("the log in the data folder is epoch {stored}, but epoch {open} is open on the chain")]
    OtherEpoch {
        /// The epoch of the log.
        stored: u32,
        /// The open epoch.
        open: u32,
    },
    /// The file that names the log to begin could not be read.
    #[error("reading which log to begin in the folder {}: {source}", .path.display())]
    NextLog {
        /// The data folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log differs from a checkpoint that the gateway signed or from an anchor on the chain.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The gateway's transport key could not be derived from its key.
    #[error(transparent)]
    TransportKey(#[from] SwarmError),
    /// The threads that verify events could not be started.
    #[error("starting the threads that verify events: {0}; check the limits on processes and memory")]
    Threads(std::io::Error),
    /// The thread that opens the log panicked.
    #[error("opening the log: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl From<CheckpointError> for DaemonError {
    fn from(error: CheckpointError) -> Self {
        Self::Anchor(error.into())
    }
}

impl Remedy for DaemonError {
    fn remedy(&self) -> String {
        match self {
            Self::Open(error) => error.remedy(),
            Self::Read(error) => error.remedy(),
            Self::Anchor(error) => error.remedy(),
            Self::Closed { .. } => anchor::CLOSED_REMEDY.into(),
            Self::OtherEpoch { .. } => {
                "set data_dir in the configuration to an empty folder, in which the gateway begins the log of the open \
                 epoch; keep the old folder, because it holds the events"
                    .into()
            }
            Self::NextLog { .. } => {
                "check the permissions of the data folder, or run `streembit gateway epoch open` or `streembit device \
                 admit` again, which writes the file"
                    .into()
            }
            Self::DataDir { .. } | Self::TransportKey(_) | Self::Threads(_) | Self::Panicked(_) => {
                String::new()
            }
        }
    }
}

/// Runs a gateway until `shutdown` is cancelled or a task fails for good. All accepted events are written to the log
/// before this returns.
pub async fn run(
    mut config: Config,
    keys: KeyPair,
    node: NodeConnection,
    shutdown: CancellationToken,
) -> Result<(), DaemonError> {
    let (status, metrics) = (StatusBoard::new(), Metrics::new());
    resolve_labels(&mut config, &keys);
    let (log, chain) = open_and_check(&config, keys.account(), &node, &status).await?;
    let ingest = Ingest::new(log.clone(), keys.clone(), devices::configured(&config.devices, keys.account()))
        .map_err(DaemonError::Threads)?;
    let clock = ClockWatch::new(ingest.clone(), status.clone());
    let devices = watch::Sender::new(DeviceList::new(config.devices.clone()));
    let (data_dir, configured) = (config.gateway.data_dir.clone(), devices.subscribe());
    let follower = DeviceFollower::new(&data_dir, configured, &log, &ingest, &status);
    let contracts = ContractFollower {
        data_dir,
        gateway: keys.account(),
        devices: devices.subscribe(),
        status: status.clone(),
    };
    let (changes, changed) = mpsc::channel(1);
    let reloader = Reloader::new(config.clone(), keys.clone(), devices.subscribe(), changes);
    let (starter, delivery) = delivery::new(&keys, &config.delivery, &status)?;
    let state = ApiState {
        config: config.clone(),
        started: now_ms(),
        log: log.clone(),
        ingest: ingest.clone(),
        status: status.clone(),
        metrics: metrics.clone(),
        peer: starter.peer_id(),
        addresses: starter.addresses(),
        log_key: keys.log_key(),
        records: follower.records(),
        devices: devices.subscribe(),
        reloader: reloader.clone(),
    };
    let api = Api::new(state);
    let adapters = AdapterRunner {
        log: log.clone(),
        ingest: ingest.clone(),
        status: status.clone(),
        metrics: metrics.clone(),
        min_gap: adapter_runner::MIN_GAP,
    };
    let (anchoring, seen) = (config.anchor.clone(), status.clone());
    let chain_tasks = ChainTasks {
        config: anchoring,
        keys,
        log: log.clone(),
        status: seen,
        metrics,
        delivery,
        follower,
        contracts,
        clock,
    };

    let ((), (), chain_tasks, (), (), ()) = tokio::join!(
        api.run(config.api.clone(), shutdown.clone()),
        starter.run(&shutdown),
        shut_down_on_error(&shutdown, chain_tasks.run(node, chain, &shutdown)),
        adapters.run(devices, changed, &shutdown),
        reloader.follow_signals(status.clone(), shutdown.clone()),
        report_log(&log, &status, &shutdown),
    );
    // Write all accepted events before the log closes.
    ingest.close().await;
    chain_tasks
}

/// Computes the ids of the hosted devices, and keeps what they are derived from for commands that do not open the key.
fn resolve_labels(config: &mut Config, keys: &KeyPair) {
    config.resolve_labels(keys);
    if let Err(error) = config.store_labels(keys.account()) {
        tracing::warn!(%error, "the hashes of the devices' labels were not kept");
    }
}

/// Runs a task, and shuts down the whole daemon if the task fails.
async fn shut_down_on_error<T, E>(
    shutdown: &CancellationToken,
    task: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    task.await.inspect_err(|_| shutdown.cancel())
}

/// Opens the log, and checks that it is the one that is open on the chain, if the node answers within
/// [`FIRST_CHECK_TIMEOUT`]. Anchoring compares the log with its anchors on the chain.
///
/// In an empty folder, the log of the epoch that is open on the chain begins. If the node does not answer, it is the one
/// that was stored there when the epoch was opened or a device was taken over, and otherwise the gateway's first one.
async fn open_and_check(
    config: &Config,
    account: AccountId,
    node: &NodeConnection,
    status: &StatusBoard,
) -> Result<(Log, Option<ChainClient>), DaemonError> {
    let path = config.gateway.data_dir.clone();
    let stored = tokio::task::spawn_blocking(move || Log::identity(&path)).await?;
    // If the id cannot be read, opening the log for writing repairs it or says what is wrong.
    let (id, chain) = match stored.unwrap_or(Some(LogId::first(account))) {
        // Opening fails if the log is that of another gateway.
        Some(stored) => (LogId { gateway: account, ..stored }, None),
        None => {
            let chain = connect(node, status).await;
            let epoch = open_epoch(chain.as_ref(), account).await;
            let path = config.gateway.data_dir.clone();
            let stored = log_id::load(&path).map_err(|source| DaemonError::NextLog { path, source })?;
            (log_to_begin(account, epoch, stored)?, Some(chain))
        }
    };
    let log = open_log(config, id).await?;
    status.report("log", ComponentState::running(format!("{} events", log.size())));
    let chain = match chain {
        Some(chain) => chain,
        None => connect(node, status).await,
    };
    if let Some(chain) = &chain {
        check_epoch(open_epoch(Some(chain), account).await, log.id().epoch)?;
    }
    Ok((log, chain))
}

/// Returns the log that begins in an empty folder. `state` is the epoch by the chain, `stored` the log that was stored in
/// the folder. The later one counts, because the node may be behind.
fn log_to_begin(
    gateway: AccountId,
    state: Option<EpochState>,
    stored: Option<LogId>,
) -> Result<LogId, DaemonError> {
    let stored = stored.filter(|log| log.gateway == gateway).map(|log| log.epoch);
    match (state, stored) {
        (Some(EpochState { number, .. }), Some(epoch)) if number < epoch => Ok(LogId { gateway, epoch }),
        (Some(EpochState { number, open: false }), _) => Err(DaemonError::Closed { epoch: number }),
        (Some(EpochState { number, open: true }), _) => Ok(LogId { gateway, epoch: number }),
        (None, stored) => Ok(LogId { gateway, epoch: stored.unwrap_or_default() }),
    }
}

/// Compares the epoch on the chain with the one of the log, at first and after each new block, until `stop` is cancelled.
/// Returns an error, which ends the daemon, if the log can no longer be anchored: an event that was acknowledged then
/// would never be proven.
async fn watch_epoch(
    chain: ChainClient,
    log: LogId,
    status: StatusBoard,
    stop: CancellationToken,
) -> Result<(), DaemonError> {
    let mut blocks = chain.finalized_heads();
    loop {
        blocks.borrow_and_update();
        let state = open_epoch(Some(&chain), log.gateway).await;
        check_epoch(state, log.epoch).inspect_err(|error| {
            status.report("log", ComponentState::alarm(error, error.remedy()));
        })?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = blocks.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Fetches the epoch of a gateway. Returns `None` if the chain cannot be asked.
async fn open_epoch(chain: Option<&ChainClient>, gateway: AccountId) -> Option<EpochState> {
    let fetched = tokio::time::timeout(FIRST_CHECK_TIMEOUT, chain?.epoch(gateway)).await.ok()?;
    fetched.inspect_err(|error| tracing::warn!(%error, "cannot read the gateway's epoch from the chain")).ok()
}

/// Returns an error if the log can no longer be anchored.
fn check_epoch(state: Option<EpochState>, stored: u32) -> Result<(), DaemonError> {
    match state {
        Some(EpochState { number, .. }) if number > stored => {
            Err(DaemonError::OtherEpoch { stored, open: number })
        }
        Some(EpochState { number, open: false }) if number == stored => {
            Err(DaemonError::Closed { epoch: stored })
        }
        _ => Ok(()),
    }
}

/// Opens the log and checks it against the last anchor that is stored with it.
async fn open_log(config: &Config, id: LogId) -> Result<Log, DaemonError> {
    let path = config.gateway.data_dir.clone();
    tokio::task::spawn_blocking(move || {
        // Only the owner may read the folder, because it holds the bodies of events.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| DaemonError::DataDir { path: path.clone(), source })?;
        let log = match Log::open(&path, id) {
            Err(OpenError::OtherLog { found, .. }) if found.gateway == id.gateway => Log::open(&path, *found),
            opened => opened,
        }?;
        if let Some(anchor) = log.last_anchor()? {
            log.check_against(&anchor)?;
        }
        Ok(log)
    })
    .await?
}

/// Connects to the node. Returns `None` if it does not answer within [`FIRST_CHECK_TIMEOUT`].
async fn connect(node: &NodeConnection, status: &StatusBoard) -> Option<ChainClient> {
    status.report("chain", ComponentState::Starting);
    match tokio::time::timeout(FIRST_CHECK_TIMEOUT, ChainClient::connect(node.clone())).await.ok()? {
        Ok(chain) => Some(chain),
        Err(error) => {
            status.report("chain", ComponentState::retrying(&error, error.remedy()));
            None
        }
    }
}

/// What to do while the log cannot be written.
const WRITE_REMEDY: &str =
    "check the disk, its free space, and the limit on open files; nothing that was acknowledged is \
    lost, and the gateway tries again by itself";

/// Reports the size of the log, or why it cannot be written, to the status board until shutdown.
async fn report_log(log: &Log, status: &StatusBoard, shutdown: &CancellationToken) {
    let (mut size, mut problem) = (log.watch_size(), log.watch_problem());
    loop {
        let events = *size.borrow_and_update();
        let state = match &*problem.borrow_and_update() {
            Some(error) => ComponentState::retrying(error, WRITE_REMEDY),
            None => ComponentState::running(format!("{events} events")),
        };
        status.report("log", state);
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = size.changed() => if changed.is_err() { break },
            changed = problem.changed() => if changed.is_err() { break },
        }
    }
    status.report("log", ComponentState::Stopped);
}

/// The tasks that need the chain: anchoring, following the devices, collecting evidence, and delivery.
struct ChainTasks {
    config: AnchorConfig,
    keys: KeyPair,
    log: Log,
    status: StatusBoard,
    metrics: Metrics,
    delivery: Delivery,
    follower: DeviceFollower,
    contracts: ContractFollower,
    clock: ClockWatch,
}

impl ChainTasks {
    async fn run(
        self,
        node: NodeConnection,
        chain: Option<ChainClient>,
        shutdown: &CancellationToken,
    ) -> Result<(), DaemonError> {
        let (status, metrics) = (self.status.clone(), self.metrics.clone());
        for component in
            ["anchor", devices::COMPONENT, contracts::COMPONENT, "evidence", "delivery", "node", "validators"]
        {
            status.report(component, ComponentState::Starting);
        }
        let (report, reports) = watch::channel(ChainReport::default());
        let tasks = self;
        let connected = async move {
            let chain = match chain {
                Some(chain) => chain,
                None => tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    chain = ChainClient::connect_with_retry(node, &report) => chain,
                    never = tasks.clock.watch_offline() => match never {},
                },
            };
            tasks.run_connected(chain, report, shutdown).await
        };
        let (ended, ()) = tokio::join!(connected, reports::chain(reports, &status, &metrics));
        ended
    }

    async fn run_connected(
        self,
        chain: ChainClient,
        report: watch::Sender<ChainReport>,
        shutdown: &CancellationToken,
    ) -> Result<(), DaemonError> {
        let Self { config, keys, log, status, metrics, delivery, follower, contracts, clock } = self;
        let account = keys.account();
        let delivering = delivery.run(keys.clone(), log.clone(), chain.clone(), shutdown);
        let every = Duration::from_secs(config.every_seconds);
        let schedule = Schedule { every_events: config.every_events, every };
        let (anchored_sender, anchored) = watch::channel(0);
        let outputs = AnchorOutputs { board: status.clone(), metrics, anchored: anchored_sender };
        let (hold, log_id) = (follower.hold(), log.id());
        let anchoring =
            anchor::run(log.clone(), keys, chain.clone(), schedule, hold, outputs, shutdown.clone());
        let epoch = watch_epoch(chain.clone(), log_id, status.clone(), shutdown.clone());
        let clock = clock.run(chain.clone(), log.clone(), anchored.clone(), shutdown.clone());
        let (collecting, collected) = watch::channel(CollectState::default());
        let collect = {
            let (chain, stop) = (chain.clone(), shutdown.clone());
            async move { collect::run(log, chain, anchored, &collecting, stop).await }
        };
        let devices = follower.run(chain.clone(), shutdown.clone());
        let contracts = contracts.run(chain.clone(), shutdown.clone());
        let (anchored, epoch, (), (), (), (), (), (), ()) = tokio::join!(
            shut_down_on_error(shutdown, anchoring),
            shut_down_on_error(shutdown, epoch),
            collect,
            reports::evidence(collected, &status),
            delivering,
            devices,
            contracts,
            clock,
            async move { chain.report_changes(account, &report, shutdown.clone()).await },
        );
        anchored.map_err(DaemonError::from).and(epoch)
    }
}

#[cfg(test)]
mod tests;
