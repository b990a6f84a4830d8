//! A report on the chain for a daemon, kept up to date.

use super::{ChainClient, ChainError, NodeConnection, Stall, ValidatorsReport, VoterStatus};
use backon::{ExponentialBuilder, Retryable as _};
use std::time::{Duration, Instant};
use streembit_primitives::{consortium::QuotaStatus, AccountId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The delays between attempts to connect.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// The maximum age of the quota, the validators and the voters in a report.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// The state of the chain as seen from one account.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChainReport {
    /// The connection to the node.
    pub node: NodeState,
    /// The rest of the account's quota; `None` if it may not submit transactions or the request failed.
    pub quota: Option<QuotaStatus>,
    /// The voters; `None` if they are not known.
    pub voters: Option<VoterStatus>,
    /// The conditions that the node's operator should know about, as last fetched; `None` before the first response.
    pub notices: Option<Vec<String>>,
    /// The validators as last fetched; `None` before the first response.
    pub validators: Option<ValidatorsReport>,
}

/// The state of the connection to the node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum NodeState {
    /// The first connection is not established yet.
    #[default]
    Connecting,
    /// The node cannot be used. The client keeps trying to reconnect.
    Failing(ChainError),
    /// The node answers, but no block becomes final.
    Stalled(Stall),
    /// The node answers and blocks become final.
    Following {
        /// The node's name in messages.
        node: String,
        /// The number of the last finalized block.
        block: u32,
    },
}

impl ChainClient {
    /// Connects to a node and retries until it succeeds. Every failure is written to `report`.
    pub async fn connect_with_retry(node: NodeConnection, report: &watch::Sender<ChainReport>) -> Self {
        let connect = || Self::connect(node.clone());
        let failed = |error: &ChainError, _: Duration| {
            report.send_modify(|report| report.node = NodeState::Failing(error.clone()));
        };
        loop {
            // The retries have no limit, so this never returns an error.
            if let Ok(client) = connect.retry(RETRY).notify(failed).await {
                client.report_node(report);
                return client;
            }
        }
    }

    /// Keeps `report` up to date until `stop` is cancelled.
    ///
    /// The node state and the last finalized block are always current. The quota, the voters and the validators are
    /// fetched periodically, not for every block.
    pub async fn report_changes(
        &self,
        account: AccountId,
        report: &watch::Sender<ChainReport>,
        stop: CancellationToken,
    ) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.report_until_disconnected(account, report) => {}
        }
    }

    /// Updates the report until the follower ends.
    async fn report_until_disconnected(&self, account: AccountId, report: &watch::Sender<ChainReport>) {
        let (mut finalized, mut problem, mut stalled) =
            (self.finalized_heads(), self.problem(), self.stalled());
        let mut last_refresh = None::<Instant>;
        loop {
            self.report_node(report);
            let quota = report.borrow().quota;
            if last_refresh.is_none_or(|last_refresh| last_refresh.elapsed() >= REFRESH_INTERVAL)
                || self.is_refill_due(quota.as_ref())
            {
                let quota = self.quota(account).await;
                last_refresh = Some(Instant::now());
                report.send_modify(|report| report.quota = quota);
                self.report_voters(report).await;
                // Keep the last known validators if the request fails.
                if let Ok(validators) = self.validators().await {
                    report.send_modify(|report| report.validators = Some(validators));
                }
            }
            let change = tokio::select! {
                change = finalized.changed() => change,
                change = problem.changed() => change,
                change = stalled.changed() => {
                    self.report_voters(report).await;
                    change
                }
                () = tokio::time::sleep(REFRESH_INTERVAL) => Ok(()),
            };
            if change.is_err() {
                return;
            }
        }
    }

    /// The rest of the account's quota; `None` if it may not submit transactions or the request fails.
    async fn quota(&self, account: AccountId) -> Option<QuotaStatus> {
        self.view().await.ok()?.quota(account).await.ok()?
    }

    /// Returns true if the quota has been refilled since it was fetched, by the chain's clock.
    fn is_refill_due(&self, quota: Option<&QuotaStatus>) -> bool {
        quota.is_some_and(|quota| self.inner.reports.finalized.borrow().time >= quota.refills)
    }

    /// Updates the node's notices, and the voters: the counted votes during a stall, otherwise the node's view.
    async fn report_voters(&self, report: &watch::Sender<ChainReport>) {
        let stalled = *self.inner.reports.stalled.borrow();
        let voters = match stalled {
            Some(Stall::Voters(votes)) => Some(votes.into()),
            Some(Stall::Alone) | None => self.voters().await.ok().flatten(),
        };
        report.send_modify(|report| report.voters = voters);
        if let Ok(notices) = self.inner.rpc.notices().await {
            report.send_modify(|report| report.notices = Some(notices));
        }
    }

    fn report_node(&self, report: &watch::Sender<ChainReport>) {
        let reports = &self.inner.reports;
        let (problem, stalled) = (reports.problem.borrow().clone(), *reports.stalled.borrow());
        let node = match (problem, stalled) {
            (Some(error), _) => NodeState::Failing(error),
            (None, Some(stall)) => NodeState::Stalled(stall),
            (None, None) => {
                let block = reports.finalized.borrow().number;
                NodeState::Following { node: self.node().into(), block }
            }
        };
        report.send_modify(|report| report.node = node);
    }
}
