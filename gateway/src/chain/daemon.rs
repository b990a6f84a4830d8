//! The chain in a daemon: connected to with patience, its condition on the status board.

use super::{quota::percent, ChainClient, ChainError, NodeConnection, SeenVoters, Stall};
use crate::{
    clock,
    metrics::Metrics,
    status::{ComponentState, StatusBoard},
};
use std::time::{Duration, Instant};
use streembit_primitives::{consortium::QuotaStatus, AccountId};
use tokio_util::sync::CancellationToken;

/// The name on the status board.
const COMPONENT: &str = "chain";

/// The name of the validators there.
const VALIDATORS: &str = "validators";

/// The pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// How old what the board says of the quota and of the validators may be, and what Prometheus reads of the voters.
const AGE: Duration = Duration::from_secs(30);

impl ChainClient {
    /// Connects, trying again as long as it takes; the status board says why it takes so long.
    pub async fn connect_with_patience(node: NodeConnection, board: &StatusBoard) -> Self {
        board.report(COMPONENT, ComponentState::Starting);
        let mut pause = PAUSES.0;
        loop {
            match Self::connect(node.clone()).await {
                Ok(client) => {
                    client.report_to(board, None);
                    return client;
                }
                Err(error) => report(board, &error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Keeps the status board up to date on the node and its finalized blocks, until it is told to stop.
    ///
    /// With it go what the gateway's account has left of its quota, asked for now and then but not with every block, and
    /// whether a validator contradicts itself; and to Prometheus, which voters are online.
    pub async fn report_changes(
        &self,
        account: AccountId,
        board: StatusBoard,
        metrics: Metrics,
        stop: CancellationToken,
    ) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep_reporting(account, &board, &metrics) => {}
        }
        board.report(COMPONENT, ComponentState::Stopped);
        board.report(VALIDATORS, ComponentState::Stopped);
    }

    /// Ends only where nobody follows the chain any more.
    async fn keep_reporting(&self, account: AccountId, board: &StatusBoard, metrics: &Metrics) {
        let (mut finalized, mut problem, mut stalled) =
            (self.finalized_heads(), self.problem(), self.stalled());
        let mut quota = None;
        let mut asked = None::<Instant>;
        loop {
            self.report_to(board, quota.as_ref());
            if asked.is_none_or(|asked| asked.elapsed() >= AGE) || self.is_over(quota.as_ref()) {
                (quota, asked) = (self.quota(account).await, Some(Instant::now()));
                self.report_to(board, quota.as_ref());
                metrics.on_chain(quota, self.seen_voters().await);
                // While the node does not say, the last that it said stands.
                if let Ok(validators) = self.validators_state().await {
                    board.report(VALIDATORS, validators);
                }
            }
            let change = tokio::select! {
                change = finalized.changed() => change,
                change = problem.changed() => change,
                change = stalled.changed() => {
                    metrics.on_chain(quota, self.seen_voters().await);
                    change
                }
                () = tokio::time::sleep(AGE) => Ok(()),
            };
            if change.is_err() {
                return;
            }
        }
    }

    /// What the account has left to spend; `None` where it may not submit, or the node does not say.
    async fn quota(&self, account: AccountId) -> Option<QuotaStatus> {
        self.view().await.ok()?.quota(account).await.ok()?
    }

    /// The voters, as the board has them where blocks wait for them; `None` where the node does not say.
    async fn seen_voters(&self) -> Option<SeenVoters> {
        let stalled = *self.inner.reports.stalled.borrow();
        match stalled {
            Some(Stall::Voters(voters)) => Some(voters.into()),
            Some(Stall::Alone) | None => self.voters().await.ok()?,
        }
    }

    /// Whether the time that a quota was for is over by the chain's clock.
    fn is_over(&self, quota: Option<&QuotaStatus>) -> bool {
        quota.is_some_and(|quota| self.inner.reports.finalized.borrow().time >= quota.refills)
    }

    fn report_to(&self, board: &StatusBoard, quota: Option<&QuotaStatus>) {
        let problem = self.inner.reports.problem.borrow().clone();
        let stalled = *self.inner.reports.stalled.borrow();
        match (problem, stalled) {
            (Some(error), _) => report(board, &error),
            (None, Some(stall)) => {
                board.report(COMPONENT, ComponentState::retrying(stall, stall.remedy()));
            }
            (None, None) => {
                let number = self.inner.reports.finalized.borrow().number;
                let quota = quota.map_or_else(String::new, |quota| {
                    format!("; {} % of the quota left until {}", percent(quota), clock::show(quota.refills))
                });
                let detail = format!("{}, block {number} finalized{quota}", self.node());
                board.report(COMPONENT, ComponentState::running(detail));
            }
        }
    }
}

fn report(board: &StatusBoard, error: &ChainError) {
    board.report(COMPONENT, ComponentState::retrying(error, error.remedy()));
}
