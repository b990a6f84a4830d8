//! Anchoring: submits signed checkpoints of the log to the chain while there are new events.
//!
//! Each attempt first asks the chain for the last finalized anchor and continues from it. This covers a crash after
//! submission, an unreachable node, and an anchor of an earlier run that was finalized late. A checkpoint is stored
//! before it is submitted, and no two checkpoints are ever signed for one size. Events wait in the log, so nothing is
//! lost while the node is unreachable.
//!
//! A log that is shorter than the last anchor or checkpoint that is stored in it, or differs from it, is an error that ends
//! the daemon, because any further event would continue a wrong history. If an anchor that the node tells contradicts the
//! log, anchoring stops with an alarm, and the gateway goes on logging: the log may be an old copy, but the node may as well
//! be wrong, or somebody else answers in its place.

#[cfg(test)]
mod tests;

use crate::{
    metrics::Metrics,
    remedies::Remedy,
    status::{ComponentState, StatusBoard},
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::{future::Future, time::Duration};
use streembit_chain::{Call, ChainClient, ChainError};
use streembit_clock as clock;
use streembit_keystore::KeyPair;
use streembit_log::{CheckpointError, Log, ReadError};
use streembit_primitives::{
    checkpoint::Anchor, hash::Domain, merkle::ConsistencyProof, Checkpoint, Hash, LogId, SignedCheckpoint,
    Version,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
const COMPONENT: &str = "anchor";

/// The pauses between failed attempts.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// The number of times in a row that the chain may reject a checkpoint because it has accepted another meanwhile.
const MAX_RACES: u32 = 5;

/// What to do if an anchor on the chain contradicts the log.
const CONTRADICTION_REMEDY: &str = "nothing is anchored until this is solved, and events are still logged. If the data \
    folder is an old copy, stop the gateway and restore the newest one; otherwise the node may be wrong: use one that you \
    trust";

/// What to do if the log is closed on the chain.
pub const CLOSED_REMEDY: &str = "open the next epoch with `streembit gateway epoch open`, set data_dir in the \
    configuration to an empty folder, and assign the devices to the new log with `streembit device reassign`; keep the old \
    folder, because it holds the events";

/// The schedule of anchors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// The number of new events after which the log is anchored.
    pub every_events: u64,
    /// The longest time that a new event waits for an anchor.
    pub every: Duration,
}

/// An error that ends anchoring.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnchorError {
    /// The log does not agree with an anchor or a checkpoint, or cannot be read or written.
    #[error(transparent)]
    Log(#[from] CheckpointError),
    /// The log's writer has ended.
    #[error("the log is closed: the gateway is shutting down or its log writer has failed; start it again")]
    LogClosed,
    /// The log has fewer entries than a checkpoint that this gateway has signed.
    #[error("the log has {size} entries, but this gateway has signed a checkpoint of {signed}, so the end of the log is lost. Restore the data folder from a backup that has all entries; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    ShorterThanCheckpoint {
        /// The number of entries in the log.
        size: u64,
        /// The number of entries in the signed checkpoint.
        signed: u64,
    },
    /// The log is closed on the chain.
    #[error("the log of epoch {epoch} is closed on the chain, so its further events can never be anchored")]
    EpochClosed {
        /// The epoch.
        epoch: u32,
    },
    /// The log has a different root than a checkpoint that this gateway has signed.
    #[error("the first {size} entries of the log have the root {found}, but this gateway has signed {signed}, so the entries were changed. Restore the data folder from a backup; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    DifferentFromCheckpoint {
        /// The size of the checkpoint.
        size: u64,
        /// The root of the log at this size.
        found: Hash,
        /// The root in the signed checkpoint.
        signed: Hash,
    },
}

impl From<ReadError> for AnchorError {
    fn from(error: ReadError) -> Self {
        Self::Log(error.into())
    }
}

impl Remedy for AnchorError {
    fn remedy(&self) -> String {
        match self {
            Self::Log(error) => error.remedy(),
            Self::EpochClosed { .. } => CLOSED_REMEDY.into(),
            Self::LogClosed | Self::ShorterThanCheckpoint { .. } | Self::DifferentFromCheckpoint { .. } => {
                String::new()
            }
        }
    }
}

/// An error of one attempt to anchor.
#[derive(Debug)]
enum AttemptError {
    /// The error ends the daemon.
    Fatal(AnchorError),
    /// Another attempt may succeed.
    Transient { problem: String, remedy: String },
    /// Anchoring now would make events permanent that contradict the record of their device.
    Held { problem: String },
    /// An anchor on the chain, as the node tells it, contradicts the log.
    Contradicted { problem: String },
}

impl<E: Into<AnchorError>> From<E> for AttemptError {
    /// Storage errors are transient, because a full or failing disk may recover. All other errors are fatal.
    fn from(error: E) -> Self {
        match error.into() {
            AnchorError::Log(error) if error.is_temporary() => {
                let remedy = "check the disk and its free space; the gateway retries by itself";
                Self::Transient { problem: error.to_string(), remedy: remedy.into() }
            }
            error => Self::Fatal(error),
        }
    }
}

impl From<ChainError> for AttemptError {
    fn from(error: ChainError) -> Self {
        Self::Transient { problem: error.to_string(), remedy: error.remedy() }
    }
}

/// The chain's functions that anchoring uses.
trait Chain: Send + Sync {
    /// Returns the chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// Returns the last finalized anchor of a log.
    fn latest(&self, log: LogId) -> impl Future<Output = Result<Option<Anchor>, ChainError>> + Send;
    /// Submits a checkpoint, and waits until it is finalized.
    fn anchor(
        &self,
        keys: &KeyPair,
        checkpoint: Checkpoint,
        proof: ConsistencyProof,
    ) -> impl Future<Output = Result<(), ChainError>> + Send;
}

impl Chain for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn latest(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.latest_anchor(log).await
    }

    async fn anchor(
        &self,
        keys: &KeyPair,
        checkpoint: Checkpoint,
        proof: ConsistencyProof,
    ) -> Result<(), ChainError> {
        self.submit(keys, Call::Anchor { checkpoint, proof }).await.map(|_| ())
    }
}

/// The outputs of anchoring.
pub struct AnchorOutputs {
    /// The status board.
    pub board: StatusBoard,
    /// The metrics, which count the anchors.
    pub metrics: Metrics,
    /// The size of the last finalized anchor.
    pub anchored: watch::Sender<u64>,
}

/// Anchors the log until `stop` is cancelled, but not while `hold` has a reason against it. Returns an error if the log
/// must no longer be used.
pub async fn run(
    log: Log,
    keys: KeyPair,
    chain: ChainClient,
    schedule: Schedule,
    hold: watch::Receiver<Option<String>>,
    reports: AnchorOutputs,
    stop: CancellationToken,
) -> Result<(), AnchorError> {
    let AnchorOutputs { board, metrics, anchored } = reports;
    board.report(COMPONENT, ComponentState::Starting);
    let anchoring = Anchoring { log, keys, chain, schedule, hold, board: board.clone(), metrics, anchored };
    let result = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = anchoring.run() => ended,
    };
    board.report(COMPONENT, ComponentState::Stopped);
    result
}

struct Anchoring<C> {
    log: Log,
    keys: KeyPair,
    chain: C,
    schedule: Schedule,
    /// Why the log must not be anchored now.
    hold: watch::Receiver<Option<String>>,
    board: StatusBoard,
    metrics: Metrics,
    anchored: watch::Sender<u64>,
}

impl<C: Chain> Anchoring<C> {
    async fn run(&self) -> Result<(), AnchorError> {
        let mut pauses = RETRY.build();
        let mut checked = false;
        let mut attempt = self.initial_check().await;
        loop {
            let anchored = match attempt {
                Ok(anchored) => anchored,
                Err(AttemptError::Fatal(error)) => return Err(error),
                Err(AttemptError::Transient { problem, remedy }) => {
                    self.board.report(COMPONENT, ComponentState::retrying(problem, remedy));
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                    attempt = if checked { self.anchor().await } else { self.initial_check().await };
                    continue;
                }
                Err(AttemptError::Contradicted { problem }) => {
                    self.board.report(COMPONENT, ComponentState::alarm(problem, CONTRADICTION_REMEDY));
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                    attempt = if checked { self.anchor().await } else { self.initial_check().await };
                    continue;
                }
                Err(AttemptError::Held { problem }) => {
                    let remedy =
                        "what is declared lost no longer holds anchoring; the events are kept until then";
                    self.board.report(COMPONENT, ComponentState::alarm(problem, remedy));
                    let mut hold = self.hold.clone();
                    // Fails if the follower of the records has ended, as at shutdown.
                    if hold.wait_for(Option::is_none).await.is_err() {
                        return std::future::pending().await;
                    }
                    attempt = self.anchor().await;
                    continue;
                }
            };
            (pauses, checked) = (RETRY.build(), true);
            self.report(anchored.as_ref());
            self.wait_for_work(anchored.map_or(0, |anchor| anchor.checkpoint.size)).await?;
            attempt = self.anchor().await;
        }
    }

    fn report(&self, anchored: Option<&Anchor>) {
        self.anchored.send_replace(anchored.map_or(0, |anchor| anchor.checkpoint.size));
        let detail = match anchored {
            Some(anchor) => {
                format!("log anchored at size {} in block {}", anchor.checkpoint.size, anchor.block)
            }
            None => "nothing to anchor yet".into(),
        };
        self.board.report(COMPONENT, ComponentState::running(detail));
    }

    /// Waits until the schedule asks for an anchor, given the size of the last one.
    async fn wait_for_work(&self, anchored: u64) -> Result<(), AnchorError> {
        let mut size = self.log.watch_size();
        let closed = |_| AnchorError::LogClosed;
        size.wait_for(|size| *size > anchored).await.map_err(closed)?;
        let enough = anchored.saturating_add(self.schedule.every_events);
        let reached = async { size.wait_for(|size| *size >= enough).await.map(|_| ()).map_err(closed) };
        tokio::time::timeout(self.schedule.every, reached).await.unwrap_or(Ok(()))
    }

    /// Checks the log against the stored checkpoint and anchor, which needs no node, and then against the chain.
    /// Returns the last finalized anchor.
    async fn initial_check(&self) -> Result<Option<Anchor>, AttemptError> {
        self.check_stored_checkpoint_and_anchor()?;
        self.catch_up().await
    }

    /// Fetches the last finalized anchor, checks the log against it, and stores it in the log.
    async fn catch_up(&self) -> Result<Option<Anchor>, AttemptError> {
        let Some(anchor) = self.chain.latest(self.log.id()).await? else { return Ok(None) };
        if let Err(error) = self.log.check_against(&anchor) {
            return Err(match error {
                CheckpointError::ShorterThanAnchor { .. }
                | CheckpointError::DifferentFromAnchor { .. }
                | CheckpointError::DifferentHeads { .. }
                | CheckpointError::ForeignCheckpoint { .. } => {
                    AttemptError::Contradicted { problem: error.to_string() }
                }
                CheckpointError::OutOfRange(_) | CheckpointError::Storage(_) => error.into(),
            });
        }
        let known = self.log.last_anchor()?.map_or(0, |known| known.checkpoint.size);
        if known < anchor.checkpoint.size {
            self.log.put_anchor(&anchor)?;
        }
        Ok(Some(anchor))
    }

    /// Anchors the current state of the log unless the chain already has it. Returns the last finalized anchor.
    async fn anchor(&self) -> Result<Option<Anchor>, AttemptError> {
        let mut refused = None;
        for _ in 0..MAX_RACES {
            let anchored = self.catch_up().await?;
            let from = anchored.as_ref().map_or(0, |anchor| anchor.checkpoint.size);
            if self.log.size() <= from {
                return Ok(anchored);
            }
            let held = self.hold.borrow().clone();
            if let Some(problem) = held {
                return Err(AttemptError::Held { problem });
            }
            let signed = self.checkpoint()?;
            let proof = self.log.prove_consistency(from, signed.checkpoint.size)?;
            self.metrics.anchor_submitted();
            let result = self.chain.anchor(&self.keys, signed.checkpoint, proof).await;
            self.metrics.anchor_ended(result.is_ok());
            match result {
                Ok(()) => return self.catch_up().await,
                // The chain has meanwhile accepted an anchor that was submitted before a crash or by an earlier
                // attempt. Start again from it.
                Err(error) if is_race(&error) => refused = Some(error),
                Err(error) if error.dispatch_error() == Some("Anchors::EpochNotOpen") => {
                    let epoch = self.log.id().epoch;
                    return Err(AttemptError::Fatal(AnchorError::EpochClosed { epoch }));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused.map_or(AttemptError::Fatal(AnchorError::LogClosed), AttemptError::from))
    }

    /// Returns a signed and stored checkpoint of the current log. If one was already signed for this size, returns that
    /// one.
    fn checkpoint(&self) -> Result<SignedCheckpoint, AnchorError> {
        let size = self.log.size();
        let root = self.log.root(size)?;
        if let Some(stored) = self.log.last_checkpoint()?.filter(|stored| stored.checkpoint.size >= size) {
            let stored = ensure_matches(stored, size, root)?;
            self.log.check_checkpoint(&stored.checkpoint)?;
            return Ok(stored);
        }
        let checkpoint = Checkpoint {
            version: Version,
            log: self.log.id(),
            size,
            root,
            heads_root: self.log.heads_root(size)?,
            time: clock::now_ms(),
        };
        let signature = self.keys.sign(Domain::Checkpoint, &checkpoint.message(&self.chain.genesis()));
        let signed = SignedCheckpoint { checkpoint, signature };
        self.log.put_checkpoint(&signed)?;
        Ok(signed)
    }

    /// Checks the log against the last checkpoint and the last anchor that are stored in it.
    fn check_stored_checkpoint_and_anchor(&self) -> Result<(), AnchorError> {
        if let Some(anchor) = self.log.last_anchor()? {
            self.log.check_against(&anchor)?;
        }
        let Some(stored) = self.log.last_checkpoint()? else { return Ok(()) };
        let (size, signed) = (self.log.size(), stored.checkpoint.size);
        if size < signed {
            return Err(AnchorError::ShorterThanCheckpoint { size, signed });
        }
        let stored = ensure_matches(stored, signed, self.log.root(signed)?)?;
        Ok(self.log.check_checkpoint(&stored.checkpoint)?)
    }
}

/// Returns the stored checkpoint if it has this size and root, and otherwise an error.
fn ensure_matches(stored: SignedCheckpoint, size: u64, root: Hash) -> Result<SignedCheckpoint, AnchorError> {
    let signed = &stored.checkpoint;
    if signed.size > size {
        return Err(AnchorError::ShorterThanCheckpoint { size, signed: signed.size });
    }
    if signed.root != root {
        return Err(AnchorError::DifferentFromCheckpoint { size, found: root, signed: signed.root });
    }
    Ok(stored)
}

/// Returns true if the chain rejected an anchor because it has meanwhile accepted another.
fn is_race(error: &ChainError) -> bool {
    matches!(error.dispatch_error(), Some("Anchors::NotLarger" | "Anchors::Inconsistent"))
}
