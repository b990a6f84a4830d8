//! Follows the finalized blocks and resubscribes after every loss of the connection.

use super::{
    rpc::Rpc,
    voters::{self, Stall},
    ChainError, Finalized,
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use codec::Encode as _;
use futures::StreamExt as _;
use std::{sync::Arc, time::Duration};
use streembit_primitives::Hash;
use subxt::config::substrate::H256;
use tokio::sync::watch;

/// The delays between attempts to subscribe.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// How long to wait for a finalized block before asking the node whether it is reachable, has peers, and lacks votes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The delay before a stall is reported. New blocks may be about to be voted on, so the follower looks a second time.
const STALL_RECHECK: Duration = Duration::from_secs(6);

/// The state that the follower keeps up to date.
#[derive(Debug)]
pub(super) struct Reports {
    /// The last finalized block.
    pub finalized: watch::Sender<Finalized>,
    /// The problem with the node; `None` if there is none.
    pub problem: watch::Sender<Option<ChainError>>,
    /// The reason why finality has stalled; `None` if it has not.
    pub stalled: watch::Sender<Option<Stall>>,
}

/// Follows the finalized blocks until its task is aborted.
pub(super) async fn follow(rpc: Rpc, genesis: Hash, reports: Arc<Reports>) {
    let mut pauses = RETRY.build();
    loop {
        let started = *reports.finalized.borrow();
        let error = follow_once(&rpc, genesis, &reports).await;
        reports.problem.send_replace(Some(error));
        if *reports.finalized.borrow() != started {
            // The connection worked for a while: start again with short delays.
            pauses = RETRY.build();
        }
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    }
}

/// Follows one subscription and returns the error that ended it.
async fn follow_once(rpc: &Rpc, genesis: Hash, reports: &Reports) -> ChainError {
    let result: Result<(), ChainError> = async {
        let now = Hash(rpc.genesis().await?.0);
        if now != genesis {
            return Err(ChainError::OtherChain { node: rpc.label().into(), before: genesis, now });
        }
        let headers = rpc.finalized_headers().await?;
        let mut headers = std::pin::pin!(headers);
        record(reports, rpc.finalized().await?);
        let mut saw_stall = false;
        loop {
            let timeout = if saw_stall { STALL_RECHECK } else { IDLE_TIMEOUT };
            match tokio::time::timeout(timeout, headers.next()).await {
                Ok(Some(header)) => {
                    saw_stall = false;
                    let header = header?;
                    let hash = H256(sp_crypto_hashing::blake2_256(&header.encode()));
                    record(reports, rpc.finalized_of(&header, hash).await?);
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    let finalized = rpc.finalized().await?;
                    record(reports, finalized);
                    let stalled = voters::stalled(rpc, finalized.number).await?;
                    set_stalled(&reports.stalled, stalled.filter(|_| saw_stall));
                    saw_stall = stalled.is_some();
                }
            }
        }
    }
    .await;
    result.err().unwrap_or_else(|| ChainError::Unreachable {
        node: rpc.label().into(),
        problem: "it ended the stream of finalized blocks".into(),
    })
}

fn record(reports: &Reports, finalized: Finalized) {
    reports.problem.send_if_modified(|problem| problem.take().is_some());
    reports.finalized.send_if_modified(|last| {
        let newer = finalized.number > last.number;
        if newer {
            *last = finalized;
            set_stalled(&reports.stalled, None);
        }
        newer
    });
}

/// Sets the value and notifies the receivers only if it changed.
fn set_stalled(stalled: &watch::Sender<Option<Stall>>, now: Option<Stall>) {
    stalled.send_if_modified(|last| std::mem::replace(last, now) != now);
}
