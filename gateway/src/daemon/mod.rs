//! The gateway at work: the log, what feeds it, and what has it anchored and served, joined in one short function and
//! shut down together.
//!
//! What fails is tried again and shown in the status. Three things end the daemon: a log that must not be used, an API
//! that cannot listen as configured, a transport key that the system refuses.

mod feed;
mod reports;

use crate::{
    anchor::{self, AnchorError, AnchorOutputs, Schedule},
    api::{Api, ApiState, ListenError},
    config::{AnchorConfig, Config},
    metrics::Metrics,
    remedies::Remedy,
    status::{ComponentState, StatusBoard},
};
use feed::Feed;
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

/// The log that a gateway keeps: its first. A log that is closed on the chain is followed by another.
const EPOCH: u32 = 0;

/// How long the start waits for the node, to compare the log with its anchor before anything is added to it.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Why the daemon ends before it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The folder of the log could not be made.
    #[error("making the folder {}: {source}; check data_dir in the configuration", .path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log is not what this gateway has signed for, or not what the chain has anchored.
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
    /// A thread ended in a panic.
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

/// Runs a gateway until it is told to stop.
pub async fn run(
    config: Config,
    keys: KeyPair,
    node: NodeConnection,
    shutdown: CancellationToken,
) -> Result<(), DaemonError> {
    let (status, metrics) = (StatusBoard::new(), Metrics::new());
    let log = open_log(&config, &keys).await?;
    status.report("log", ComponentState::running(format!("{} events", log.size())));
    let chain = first_look(&node, &log, &status).await?;
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
    };
    let api = Api::new(state);
    let feed =
        Feed { log: log.clone(), ingest: ingest.clone(), status: status.clone(), metrics: metrics.clone() };
    let (anchoring, seen) = (config.anchor.clone(), status.clone());
    let on_chain = OnChain { config: anchoring, keys, log: log.clone(), status: seen, metrics, peer };

    let (api, on_chain, (), ()) = tokio::join!(
        or_all_end(&shutdown, api.run(config.api.clone(), shutdown.clone())),
        or_all_end(&shutdown, on_chain.run(node, chain, &shutdown)),
        feed.run(&config, &shutdown),
        follow(&log, &status, &shutdown),
    );
    // What was taken is written before the log closes.
    ingest.close().await;
    api.map_err(DaemonError::from).and(on_chain)
}

/// Ends the whole daemon when one part of it fails.
async fn or_all_end<T, E>(
    shutdown: &CancellationToken,
    part: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    part.await.inspect_err(|_| shutdown.cancel())
}

/// Opens the log and checks it against the last anchor that was kept beside it.
async fn open_log(config: &Config, keys: &KeyPair) -> Result<Log, DaemonError> {
    let path = config.gateway.data_dir.clone();
    let id = LogId { gateway: keys.account(), epoch: EPOCH };
    tokio::task::spawn_blocking(move || {
        // For its owner alone: the bodies of events are in it.
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

/// Where the node answers at once, the log is compared with its anchor on the chain before anything is added to it.
/// Where it does not, that is done when it does.
async fn first_look(
    node: &NodeConnection,
    log: &Log,
    status: &StatusBoard,
) -> Result<Option<ChainClient>, CheckpointError> {
    let look = async {
        let chain = ChainClient::connect(node.clone()).await?;
        let anchor = chain.latest_anchor(log.id()).await?;
        Ok::<_, ChainError>((chain, anchor))
    };
    status.report("chain", ComponentState::Starting);
    match tokio::time::timeout(FIRST_LOOK, look).await {
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

/// Keeps the status up to date on the log.
async fn follow(log: &Log, status: &StatusBoard, shutdown: &CancellationToken) {
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

/// What needs the chain: anchoring, and serving those to whom it grants something.
struct OnChain {
    config: AnchorConfig,
    keys: KeyPair,
    log: Log,
    status: StatusBoard,
    metrics: Metrics,
    peer: Peer,
}

impl OnChain {
    async fn run(
        self,
        node: NodeConnection,
        chain: Option<ChainClient>,
        shutdown: &CancellationToken,
    ) -> Result<(), DaemonError> {
        let (status, metrics) = (self.status.clone(), self.metrics.clone());
        for waiting in ["anchor", "evidence", "delivery", "validators"] {
            status.report(waiting, ComponentState::Starting);
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
            self.work(chain, report, shutdown).await
        };
        let (ended, ()) = tokio::join!(connected, reports::chain(reports, &status, &metrics));
        ended
    }

    async fn work(
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
        let (tell, anchored) = watch::channel(0);
        let outlets = AnchorOutputs { board: status.clone(), metrics, anchored: tell };
        let anchoring = anchor::run(log.clone(), keys, chain.clone(), schedule, outlets, shutdown.clone());
        let (collecting, collected) = watch::channel(CollectState::default());
        let collect = {
            let (chain, stop) = (chain.clone(), shutdown.clone());
            async move { collect::run(log, chain, anchored, &collecting, stop).await }
        };
        let served = server.state();
        let (anchored, (), (), (), (), ()) = tokio::join!(
            or_all_end(shutdown, anchoring),
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
