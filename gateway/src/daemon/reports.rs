//! What the parts of the gateway report, as status and metrics.

use crate::{
    metrics::Metrics,
    remedies::Remedy as _,
    status::{ComponentState, StatusBoard},
};
use streembit_chain::{quota::percent, ChainReport, NodeState, ValidatorsReport};
use streembit_clock as clock;
use streembit_delivery::ServerState;
use streembit_evidence::collect::CollectState;
use streembit_primitives::consortium::QuotaStatus;
use tokio::sync::watch;

/// What somebody can do about a validator that contradicts itself.
const CONTRADICTION: &str = "stop every node but one that holds the validator's keys, and find out how they got there; with \
                             new keys the council may make it a validator again (docs/validator/equivocations.md)";

/// Shows the chain in status and metrics until nobody reports any more.
pub(super) async fn chain(reports: watch::Receiver<ChainReport>, status: &StatusBoard, metrics: &Metrics) {
    each(reports, |report| {
        status.report("chain", chain_state(report));
        if let Some(validators) = &report.validators {
            status.report("validators", validators_state(validators));
        }
        metrics.on_chain(report.quota, report.voters);
    })
    .await;
    status.report("chain", ComponentState::Stopped);
    status.report("validators", ComponentState::Stopped);
}

/// Shows the collecting of evidence in the status until nobody reports any more.
pub(super) async fn evidence(states: watch::Receiver<CollectState>, status: &StatusBoard) {
    each(states, |state| status.report("evidence", evidence_state(state))).await;
    status.report("evidence", ComponentState::Stopped);
}

/// Shows delivery in the status until nobody reports any more.
pub(super) async fn delivery(states: watch::Receiver<ServerState>, status: &StatusBoard) {
    each(states, |state| status.report("delivery", ComponentState::running(state))).await;
    status.report("delivery", ComponentState::Stopped);
}

/// Calls `show` with the current value and with every later one, until the sender is gone.
async fn each<T>(mut values: watch::Receiver<T>, show: impl Fn(&T)) {
    loop {
        show(&values.borrow_and_update());
        if values.changed().await.is_err() {
            return;
        }
    }
}

fn chain_state(report: &ChainReport) -> ComponentState {
    match &report.node {
        NodeState::Connecting => ComponentState::Starting,
        NodeState::Failing(error) => ComponentState::retrying(error, error.remedy()),
        NodeState::Stalled(stall) => ComponentState::retrying(stall, stall.remedy()),
        NodeState::Following { node, block } => {
            let quota = report.quota.as_ref().map_or_else(String::new, quota_words);
            ComponentState::running(format!("{node}, block {block} finalized{quota}"))
        }
    }
}

fn quota_words(quota: &QuotaStatus) -> String {
    format!("; {} % of the quota left until {}", percent(quota), clock::show(quota.refills))
}

fn validators_state(report: &ValidatorsReport) -> ComponentState {
    if report.offences.is_empty() {
        return ComponentState::running(format!("{} validators", report.count));
    }
    ComponentState::alarm(report.offences.join("; "), CONTRADICTION)
}

fn evidence_state(state: &CollectState) -> ComponentState {
    match state {
        CollectState::Starting => ComponentState::Starting,
        CollectState::NothingAnchored => ComponentState::running("nothing anchored yet"),
        CollectState::Collected(collected) if collected.other_chains > 0 => {
            ComponentState::running(format!("{collected} (`streembit audit chains`)"))
        }
        CollectState::Collected(collected) => ComponentState::running(collected),
        CollectState::Failing(error) => ComponentState::retrying(error, error.remedy()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_that_contradict_themselves_are_an_alarm() {
        let report = |offences: &[&str]| ValidatorsReport {
            count: 4,
            offences: offences.iter().map(|offence| offence.to_string()).collect(),
        };
        assert_eq!(validators_state(&report(&[])), ComponentState::running("4 validators"));
        let ComponentState::Alarm { problem, remedy } = validators_state(&report(&["a", "b"])) else {
            panic!()
        };
        assert!(problem == "a; b" && !remedy.is_empty(), "{problem}; {remedy}");
    }

    #[tokio::test]
    async fn a_part_that_reports_no_more_is_said_to_have_stopped() {
        let (sender, reports) = watch::channel(ChainReport::default());
        let (status, metrics) = (StatusBoard::new(), Metrics::new());
        let (board, shown) = (status.clone(), metrics.clone());
        let showing = tokio::spawn(async move { chain(reports, &board, &shown).await });
        let validators = Some(ValidatorsReport { count: 1, offences: Vec::new() });
        sender.send_modify(|report| report.validators = validators);
        drop(sender);
        showing.await.unwrap();
        assert_eq!(status.get("chain"), Some(ComponentState::Stopped));
        assert_eq!(status.get("validators"), Some(ComponentState::Stopped));
    }
}
