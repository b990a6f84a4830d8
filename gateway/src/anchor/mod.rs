//! Anchoring: has the chain accept the state of the log, again and again, when there is something new.
//!
//! What is anchored is asked of the chain each time, never assumed: whatever happened in between (a crash after sending,
//! a node that was away, an anchor of an earlier run that got through late), the next anchor starts from what is
//! finalized. A checkpoint is kept before it is sent, and no two are ever made of one size. Events wait in the log, so
//! nothing is lost while the node is away.
//!
//! A log that is shorter than its anchor, or another than was anchored, is an error that ends the daemon: going on
//! would make it worse.

#[cfg(test)]
mod tests;

use crate::{
    metrics::Metrics,
    remedies::Remedy as _,
    status::{ComponentState, StatusBoard},
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::{future::Future, time::Duration};
use streembit_chain::{Call, ChainClient, ChainError};
use streembit_clock as clock;
use streembit_keystore::KeyPair;
use streembit_log::{Log, LogError};
use streembit_primitives::{
    checkpoint::{Anchor, HashAlgorithm},
    hash::Domain,
    merkle::ConsistencyProof,
    Checkpoint, Hash, LogId, SignedCheckpoint,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The name on the status board.
const COMPONENT: &str = "anchor";

/// The pauses after a failure.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// How often in a row the chain may have moved on between question and call.
const RACES: u32 = 5;

/// When to anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// When so many events are new.
    pub every_events: u64,
    /// So long after the first new event, at the latest.
    pub every: Duration,
}

/// Why anchoring ends.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnchorError {
    /// The log is not what the chain knows of it, or cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log has fewer entries than this gateway has signed for.
    #[error("the log has {size} entries, but this gateway has signed a checkpoint of {signed}: its end is lost. Restore the data folder from a backup that has it; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    ShorterThanCheckpoint {
        /// What is here.
        size: u64,
        /// What was signed.
        signed: u64,
    },
    /// The log leads to another root than this gateway has signed for.
    #[error("the first {size} entries of the log lead to {found}, but this gateway has signed {signed}: they were changed. Restore the data folder from a backup; if there is none, close this log on the chain at its anchored size and open the next epoch")]
    DifferentFromCheckpoint {
        /// The size of the checkpoint.
        size: u64,
        /// The root here.
        found: Hash,
        /// The root that was signed.
        signed: Hash,
    },
}

/// Why an attempt to anchor failed.
#[derive(Debug)]
enum AttemptError {
    /// Ends the daemon.
    Fatal(AnchorError),
    /// Another attempt may succeed: what is wrong, and what somebody can do.
    Transient { problem: String, remedy: String },
}

impl<E: Into<AnchorError>> From<E> for AttemptError {
    /// A disk that is full or fails may be well again; what was read and found wrong will not.
    fn from(error: E) -> Self {
        match error.into() {
            AnchorError::Log(error @ (LogError::Storage { .. } | LogError::Open { .. })) => {
                let remedy = "check the disk and its free space; it goes on by itself";
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

/// What anchoring needs of the chain.
trait Chain: Send + Sync {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// The last finalized anchor of a log.
    fn latest(&self, log: LogId) -> impl Future<Output = Result<Option<Anchor>, ChainError>> + Send;
    /// Anchors a checkpoint, and waits until that is final.
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

/// Who is told what.
pub struct AnchorOutputs {
    /// How anchoring goes.
    pub board: StatusBoard,
    /// What becomes of each anchor.
    pub metrics: Metrics,
    /// The size of the last finalized anchor.
    pub anchored: watch::Sender<u64>,
}

/// Anchors until it is told to stop. Returns early only where the log must not be used any more.
pub async fn run(
    log: Log,
    keys: KeyPair,
    chain: ChainClient,
    schedule: Schedule,
    reports: AnchorOutputs,
    stop: CancellationToken,
) -> Result<(), AnchorError> {
    let AnchorOutputs { board, metrics, anchored } = reports;
    board.report(COMPONENT, ComponentState::Starting);
    let anchoring = Anchoring { log, keys, chain, schedule, board: board.clone(), metrics, anchored };
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
    board: StatusBoard,
    metrics: Metrics,
    anchored: watch::Sender<u64>,
}

impl<C: Chain> Anchoring<C> {
    async fn run(&self) -> Result<(), AnchorError> {
        let mut pauses = RETRY.build();
        let mut compared = false;
        let mut attempt = self.compare().await;
        loop {
            let anchored = match attempt {
                Ok(anchored) => anchored,
                Err(AttemptError::Fatal(error)) => return Err(error),
                Err(AttemptError::Transient { problem, remedy }) => {
                    self.board.report(COMPONENT, ComponentState::retrying(problem, remedy));
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                    attempt = if compared { self.anchor().await } else { self.compare().await };
                    continue;
                }
            };
            (pauses, compared) = (RETRY.build(), true);
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

    /// Waits until there is enough that is new, or something for long enough.
    async fn wait_for_work(&self, anchored: u64) -> Result<(), AnchorError> {
        let mut size = self.log.changes();
        let closed = |_| AnchorError::Log(LogError::Closed);
        size.wait_for(|size| *size > anchored).await.map_err(closed)?;
        let enough = anchored.saturating_add(self.schedule.every_events);
        let reached = async { size.wait_for(|size| *size >= enough).await.map(|_| ()).map_err(closed) };
        // Whichever comes first: enough events, or the time.
        tokio::time::timeout(self.schedule.every, reached).await.unwrap_or(Ok(()))
    }

    /// The log against what this gateway itself knows of the chain, also while no node answers; then what is anchored.
    async fn compare(&self) -> Result<Option<Anchor>, AttemptError> {
        self.check_own_word()?;
        self.catch_up().await
    }

    /// What is anchored now, checked against the log and kept there.
    async fn catch_up(&self) -> Result<Option<Anchor>, AttemptError> {
        let Some(anchor) = self.chain.latest(self.log.id()).await? else { return Ok(None) };
        self.log.check_against(&anchor)?;
        let known = self.log.last_anchor()?.map_or(0, |known| known.checkpoint.size);
        if known < anchor.checkpoint.size {
            self.log.put_anchor(&anchor)?;
        }
        Ok(Some(anchor))
    }

    /// Anchors the log as it is now, where the chain does not know it yet; gives the last finalized anchor.
    async fn anchor(&self) -> Result<Option<Anchor>, AttemptError> {
        let mut refused = None;
        for _ in 0..RACES {
            let anchored = self.catch_up().await?;
            let from = anchored.as_ref().map_or(0, |anchor| anchor.checkpoint.size);
            if self.log.size() <= from {
                return Ok(anchored);
            }
            let signed = self.checkpoint()?;
            let proof = self.log.consistency(from, signed.checkpoint.size)?;
            self.metrics.anchor_submitted();
            let sent = self.chain.anchor(&self.keys, signed.checkpoint, proof).await;
            self.metrics.anchor_ended(sent.is_ok());
            match sent {
                Ok(()) => return self.catch_up().await,
                // The chain has moved on in between: an anchor that was sent before a crash, or by an earlier
                // attempt, got through. Asking again shows how far it is.
                Err(error) if is_race(&error) => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused.map_or(AttemptError::Fatal(LogError::Closed.into()), AttemptError::from))
    }

    /// A signed checkpoint of the log as it is now, kept; the one that was made of this size before, if any.
    fn checkpoint(&self) -> Result<SignedCheckpoint, AnchorError> {
        let size = self.log.size();
        let root = self.log.root(size)?;
        if let Some(kept) = self.log.last_checkpoint()?.filter(|kept| kept.checkpoint.size >= size) {
            let kept = check_kept(kept, size, root)?;
            self.log.check_own(&kept.checkpoint)?;
            return Ok(kept);
        }
        let checkpoint = Checkpoint {
            log: self.log.id(),
            size,
            root,
            heads_root: self.log.heads_root(size)?,
            time: clock::now_ms(),
            hash: HashAlgorithm::Blake3,
        };
        let signature = self.keys.sign(Domain::Checkpoint, &checkpoint.message(&self.chain.genesis()));
        let signed = SignedCheckpoint { checkpoint, signature };
        self.log.put_checkpoint(&signed)?;
        Ok(signed)
    }

    /// The log against the last checkpoint and anchor that it holds itself.
    fn check_own_word(&self) -> Result<(), AnchorError> {
        if let Some(anchor) = self.log.last_anchor()? {
            self.log.check_against(&anchor)?;
        }
        let Some(kept) = self.log.last_checkpoint()? else { return Ok(()) };
        let (size, signed) = (self.log.size(), kept.checkpoint.size);
        if size < signed {
            return Err(AnchorError::ShorterThanCheckpoint { size, signed });
        }
        let kept = check_kept(kept, signed, self.log.root(signed)?)?;
        Ok(self.log.check_own(&kept.checkpoint)?)
    }
}

/// A checkpoint that was kept, where it is of this size and root.
fn check_kept(kept: SignedCheckpoint, size: u64, root: Hash) -> Result<SignedCheckpoint, AnchorError> {
    let signed = &kept.checkpoint;
    if signed.size > size {
        return Err(AnchorError::ShorterThanCheckpoint { size, signed: signed.size });
    }
    if signed.root != root {
        return Err(AnchorError::DifferentFromCheckpoint { size, found: root, signed: signed.root });
    }
    Ok(kept)
}

/// Whether the chain refused an anchor because it has got another one since it was asked.
fn is_race(error: &ChainError) -> bool {
    matches!(error.dispatch_error(), Some("Anchors::NotLarger" | "Anchors::Inconsistent"))
}
