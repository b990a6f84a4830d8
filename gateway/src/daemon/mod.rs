//! The gateway daemon. [`run`] starts all tasks (the log, adapters, API, anchoring and delivery) and shuts them down
//! together.
//!
//! A task that fails is retried, and its failure is shown in the status. The daemon ends by itself only if the log must
//! not be used, if the API or delivery cannot start as configured, or if a thread cannot be started.

mod adapter_runner;
mod reports;

use crate::{
    anchor::{self, AnchorError, AnchorOutputs, Schedule},
    api::{Api, ApiState, ListenError},
    config::{AnchorConfig, Config},
    metrics::Metrics,
    remedies::Remedy,
    status::{ComponentState, StatusBoard},
};
use adapter_runner::AdapterRunner;
use std::{fs::DirBuilder, future::Future, os::unix::fs::DirBuilderExt as _, path::PathBuf, time::Duration};
use streembit_chain::{ChainClient, ChainError, ChainReport, NodeConnection};
use streembit_clock::now_ms;
use streembit_delivery::{Limits, Peer, Server, SwarmError};
use streembit_evidence::collect::{self, CollectState};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::{CheckpointError, Log, OpenError, ReadError};
use streembit_primitives::LogId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The epoch of the log. The daemon supports only a gateway's first log so far.
const EPOCH: u32 = 0;

/// How long startup waits for the node, to check the log against its anchor before events are appended.
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
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log differs from a checkpoint that the gateway signed or from an anchor on the chain.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The API cannot listen.
    #[error(transparent)]
    Api(#[from] ListenError),
    /// Delivery cannot start.
    #[error(transparent)]
    Delivery(#[from] SwarmError),
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
            Self::DataDir { .. }
            | Self::Api(_)
            | Self::Delivery(_)
            | Self::Threads(_)
            | Self::Panicked(_) => String::new(),
        }
    }
}

/// Runs a gateway until `shutdown` is cancelled or a task fails for good. All accepted events are written to the log
/// before this returns.
pub async fn run(
    config: Config,
    keys: KeyPair,
    node: NodeConnection,
    shutdown: CancellationToken,
) -> Result<(), DaemonError> {
    let (status, metrics) = (StatusBoard::new(), Metrics::new());
    let log = open_log(&config, &keys).await?;
    status.report("log", ComponentState::running(format!("{} events", log.size())));
    let chain = check_against_chain(&node, &log, &status).await?;
    let devices = config.devices.iter().map(|device| device.device_key(keys.account())).collect();
    let ingest = Ingest::new(log.clone(), keys.clone(), devices).map_err(DaemonError::Threads)?;
    let peer = Peer::start(streembit_delivery::identity(&keys)?, &config.delivery, &Limits::default())?;
    let state = ApiState {
        config: config.clone(),
        started: now_ms(),
        log: log.clone(),
        ingest: ingest.clone(),
        status: status.clone(),
        metrics: metrics.clone(),
        peer: peer.id(),
        addresses: peer.addresses(),
        log_key: keys.log_key(),
    };
    let api = Api::new(state);
    let adapters = AdapterRunner {
        log: log.clone(),
        ingest: ingest.clone(),
        status: status.clone(),
        metrics: metrics.clone(),
    };
    let (anchoring, seen) = (config.anchor.clone(), status.clone());
    let chain_tasks = ChainTasks { config: anchoring, keys, log: log.clone(), status: seen, metrics, peer };

    let (api, chain_tasks, (), ()) = tokio::join!(
        shut_down_on_error(&shutdown, api.run(config.api.clone(), shutdown.clone())),
        shut_down_on_error(&shutdown, chain_tasks.run(node, chain, &shutdown)),
        adapters.run(&config, &shutdown),
        report_log_size(&log, &status, &shutdown),
    );
    // Write all accepted events before the log closes.
    ingest.close().await;
    api.map_err(DaemonError::from).and(chain_tasks)
}

/// Runs a task, and shuts down the whole daemon if the task fails.
async fn shut_down_on_error<T, E>(
    shutdown: &CancellationToken,
    task: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    task.await.inspect_err(|_| shutdown.cancel())
}

/// Opens the log and checks it against the last anchor that is stored with it.
async fn open_log(config: &Config, keys: &KeyPair) -> Result<Log, DaemonError> {
    let path = config.gateway.data_dir.clone();
    let id = LogId { gateway: keys.account(), epoch: EPOCH };
    tokio::task::spawn_blocking(move || {
        // Only the owner may read the folder, because it holds the bodies of events.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| DaemonError::DataDir { path: path.clone(), source })?;
        let log = Log::open(&path, id)?;
        if let Some(anchor) = log.last_anchor()? {
            log.check_against(&anchor)?;
        }
        Ok(log)
    })
    .await?
}

/// Connects to the node and checks the log against its anchor on the chain. Returns `None` if the node does not answer
/// within [`FIRST_CHECK_TIMEOUT`]; anchoring then makes the check once the node answers.
async fn check_against_chain(
    node: &NodeConnection,
    log: &Log,
    status: &StatusBoard,
) -> Result<Option<ChainClient>, CheckpointError> {
    let check = async {
        let chain = ChainClient::connect(node.clone()).await?;
        let anchor = chain.latest_anchor(log.id()).await?;
        Ok::<_, ChainError>((chain, anchor))
    };
    status.report("chain", ComponentState::Starting);
    match tokio::time::timeout(FIRST_CHECK_TIMEOUT, check).await {
        Ok(Ok((chain, anchor))) => {
            anchor.map(|anchor| log.check_against(&anchor)).transpose()?;
            Ok(Some(chain))
        }
        Ok(Err(error)) => {
            status.report("chain", ComponentState::retrying(&error, error.remedy()));
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

/// Reports the size of the log to the status board until shutdown.
async fn report_log_size(log: &Log, status: &StatusBoard, shutdown: &CancellationToken) {
    let mut size = log.watch_size();
    loop {
        let events = *size.borrow_and_update();
        status.report("log", ComponentState::running(format!("{events} events")));
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = size.changed() => if changed.is_err() { break },
        }
    }
    status.report("log", ComponentState::Stopped);
}

/// The tasks that need the chain: anchoring, collecting evidence, and delivery.
struct ChainTasks {
    config: AnchorConfig,
    keys: KeyPair,
    log: Log,
    status: StatusBoard,
    metrics: Metrics,
    peer: Peer,
}

impl ChainTasks {
    async fn run(
        self,
        node: NodeConnection,
        chain: Option<ChainClient>,
        shutdown: &CancellationToken,
    ) -> Result<(), DaemonError> {
        let (status, metrics) = (self.status.clone(), self.metrics.clone());
        for component in ["anchor", "evidence", "delivery", "validators"] {
            status.report(component, ComponentState::Starting);
        }
        let (report, reports) = watch::channel(ChainReport::default());
        let connected = async move {
            let chain = match chain {
                Some(chain) => chain,
                None => tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    chain = ChainClient::connect_with_retry(node, &report) => chain,
                },
            };
            self.run_connected(chain, report, shutdown).await
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
        let Self { config, keys, log, status, metrics, peer } = self;
        let account = keys.account();
        let server = Server::new(
            &peer,
            keys.clone(),
            log.clone(),
            chain.clone(),
            Limits::default(),
            shutdown.clone(),
        )?;
        let every = Duration::from_secs(config.every_seconds);
        let schedule = Schedule { every_events: config.every_events, every };
        let (anchored_sender, anchored) = watch::channel(0);
        let outputs = AnchorOutputs { board: status.clone(), metrics, anchored: anchored_sender };
        let anchoring = anchor::run(log.clone(), keys, chain.clone(), schedule, outputs, shutdown.clone());
        let (collecting, collected) = watch::channel(CollectState::default());
        let collect = {
            let (chain, stop) = (chain.clone(), shutdown.clone());
            async move { collect::run(log, chain, anchored, &collecting, stop).await }
        };
        let served = server.state();
        let (anchored, (), (), (), (), ()) = tokio::join!(
            shut_down_on_error(shutdown, anchoring),
            collect,
            reports::evidence(collected, &status),
            server.run(&peer),
            reports::delivery(served, &status),
            async move { chain.report_changes(account, &report, shutdown.clone()).await },
        );
        Ok(anchored?)
    }
}

#[cfg(test)]
mod tests;
