//! Follows the finalized blocks, across every break of the connection.

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

/// The pauses between attempts.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// Without a new finalized block for so long, the node is asked whether it is still there, whether others are, and whether
/// blocks wait for voters.
const QUIET: Duration = Duration::from_secs(20);

/// Where they do they may be about to be voted on: so much later they are looked at once more before it is said.
const SECOND_LOOK: Duration = Duration::from_secs(6);

/// What the follower keeps up to date.
#[derive(Debug)]
pub(super) struct Reports {
    /// The last finalized block.
    pub finalized: watch::Sender<Finalized>,
    /// What is wrong with the node; `None` while nothing is.
    pub problem: watch::Sender<Option<ChainError>>,
    /// Why nothing becomes final; `None` while nothing waits for long.
    pub stalled: watch::Sender<Option<Stall>>,
}

/// Follows until its task is ended.
pub(super) async fn follow(rpc: Rpc, genesis: Hash, reports: Arc<Reports>) {
    let mut pauses = RETRY.build();
    loop {
        let started = *reports.finalized.borrow();
        let error = follow_once(&rpc, genesis, &reports).await;
        reports.problem.send_replace(Some(error));
        if *reports.finalized.borrow() != started {
            // The connection was good for a while.
            pauses = RETRY.build();
        }
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    }
}

/// Follows one subscription; returns what ended it.
async fn follow_once(rpc: &Rpc, genesis: Hash, reports: &Reports) -> ChainError {
    let result: Result<(), ChainError> = async {
        let now = Hash(rpc.genesis().await?.0);
        if now != genesis {
            return Err(ChainError::OtherChain { node: rpc.label().into(), before: genesis, now });
        }
        let headers = rpc.finalized_headers().await?;
        let mut headers = std::pin::pin!(headers);
        note(reports, rpc.finalized().await?);
        let mut waited = false;
        loop {
            let pause = if waited { SECOND_LOOK } else { QUIET };
            match tokio::time::timeout(pause, headers.next()).await {
                Ok(Some(header)) => {
                    waited = false;
                    let header = header?;
                    let hash = H256(sp_crypto_hashing::blake2_256(&header.encode()));
                    note(reports, rpc.finalized_of(&header, hash).await?);
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    let finalized = rpc.finalized().await?;
                    note(reports, finalized);
                    let stalled = voters::stalled(rpc, finalized.number).await?;
                    set(&reports.stalled, stalled.filter(|_| waited));
                    waited = stalled.is_some();
                }
            }
        }
    }
    .await;
    result.err().unwrap_or_else(|| ChainError::Away {
        node: rpc.label().into(),
        problem: "it ended the stream of finalized blocks".into(),
    })
}

fn note(reports: &Reports, finalized: Finalized) {
    reports.problem.send_if_modified(|problem| problem.take().is_some());
    reports.finalized.send_if_modified(|last| {
        let newer = finalized.number > last.number;
        if newer {
            *last = finalized;
            set(&reports.stalled, None);
        }
        newer
    });
}

/// Tells of a change only.
fn set(stalled: &watch::Sender<Option<Stall>>, now: Option<Stall>) {
    stalled.send_if_modified(|last| std::mem::replace(last, now) != now);
}
