//! What a daemon wants to know of the chain, kept up to date.

use super::{ChainClient, ChainError, NodeConnection, SeenVoters, Stall, ValidatorsReport};
use backon::{ExponentialBuilder, Retryable as _};
use std::time::{Duration, Instant};
use streembit_primitives::{consortium::QuotaStatus, AccountId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pauses between attempts to connect.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// How old the quota, the validators and the voters in a report may be.
const AGE: Duration = Duration::from_secs(30);

/// The chain as seen from one account.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChainReport {
    /// The connection to the node.
    pub node: NodeState,
    /// What the account has left of its quota; `None` if it may not submit, or if the node did not say.
    pub quota: Option<QuotaStatus>,
    /// The voters; `None` if the node did not say.
    pub voters: Option<SeenVoters>,
    /// The validators, as the node last described them; `None` before the first time.
    pub validators: Option<ValidatorsReport>,
}

/// The state of the connection to the node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum NodeState {
    /// Not yet connected.
    #[default]
    Connecting,
    /// The node cannot be used now. Connecting is tried again without end.
    Failing(ChainError),
    /// The node answers, but no block becomes final.
    Stalled(Stall),
    /// All is well.
    Following {
        /// What messages call the node.
        node: String,
        /// The number of the last finalized block.
        block: u32,
    },
}

impl ChainClient {
    /// Connects, trying again as long as it takes. Failures are reported.
    pub async fn connect_with_retry(node: NodeConnection, report: &watch::Sender<ChainReport>) -> Self {
        let connect = || Self::connect(node.clone());
        let failed = |error: &ChainError, _: Duration| {
            report.send_modify(|report| report.node = NodeState::Failing(error.clone()));
        };
        loop {
            // Ends with an error never: there is no last attempt.
            if let Ok(client) = connect.retry(RETRY).notify(failed).await {
                client.report_node(report);
                return client;
            }
        }
    }

    /// Keeps a report up to date until told to stop.
    ///
    /// The node and the last finalized block are always current. The quota, the voters and the validators are asked for
    /// now and then, not with every block.
    pub async fn report_changes(
        &self,
        account: AccountId,
        report: &watch::Sender<ChainReport>,
        stop: CancellationToken,
    ) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep_reporting(account, report) => {}
        }
    }

    /// Ends only when nobody follows the chain any more.
    async fn keep_reporting(&self, account: AccountId, report: &watch::Sender<ChainReport>) {
        let (mut finalized, mut problem, mut stalled) =
            (self.finalized_heads(), self.problem(), self.stalled());
        let mut asked = None::<Instant>;
        loop {
            self.report_node(report);
            let quota = report.borrow().quota;
            if asked.is_none_or(|asked| asked.elapsed() >= AGE) || self.is_over(quota.as_ref()) {
                let quota = self.quota(account).await;
                asked = Some(Instant::now());
                report.send_modify(|report| report.quota = quota);
                self.report_voters(report).await;
                // While the node does not say, the last that it said stands.
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
                () = tokio::time::sleep(AGE) => Ok(()),
            };
            if change.is_err() {
                return;
            }
        }
    }

    /// What the account has left to spend; `None` if it may not submit, or if the node does not say.
    async fn quota(&self, account: AccountId) -> Option<QuotaStatus> {
        self.view().await.ok()?.quota(account).await.ok()?
    }

    /// Returns true if the time that a quota was for is over by the chain's clock.
    fn is_over(&self, quota: Option<&QuotaStatus>) -> bool {
        quota.is_some_and(|quota| self.inner.reports.finalized.borrow().time >= quota.refills)
    }

    /// Reports the voters: as counted when blocks wait for them, otherwise as the node sees them.
    async fn report_voters(&self, report: &watch::Sender<ChainReport>) {
        let stalled = *self.inner.reports.stalled.borrow();
        let voters = match stalled {
            Some(Stall::Voters(votes)) => Some(votes.into()),
            Some(Stall::Alone) | None => self.voters().await.ok().flatten(),
        };
        report.send_modify(|report| report.voters = voters);
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
