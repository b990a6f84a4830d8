//! Converts the reports of the gateway's tasks into status and metrics.

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

/// The remedy for a validator that has equivocated.
const EQUIVOCATION_REMEDY: &str = "stop all but one of the nodes that hold the validator's keys, and find out how the keys were \
                             copied; the council can reinstate the validator with new keys (docs/validator/equivocations.md)";

/// What to do if the gateway cannot listen on an address of `[delivery]`.
const LISTEN_REMEDY: &str =
    "free the port, or change `listen` in [delivery]; the gateway tries again by itself, and logs meanwhile";

/// The remedy for a problem that the node reports.
const NODE_REMEDY: &str = "the node says what to do; its log has more";

/// Reports the chain's state to the status board and the metrics until the sender is dropped.
pub(super) async fn chain(reports: watch::Receiver<ChainReport>, status: &StatusBoard, metrics: &Metrics) {
    for_each_value(reports, |report| {
        status.report("chain", chain_state(report));
        if let Some(notices) = &report.notices {
            status.report("node", node_state(notices));
        }
        if let Some(validators) = &report.validators {
            status.report("validators", validators_state(validators));
        }
        metrics.on_chain(report.quota, report.voters);
    })
    .await;
    status.report("chain", ComponentState::Stopped);
    status.report("node", ComponentState::Stopped);
    status.report("validators", ComponentState::Stopped);
}

/// Reports the collection of evidence to the status board until the sender is dropped.
pub(super) async fn evidence(states: watch::Receiver<CollectState>, status: &StatusBoard) {
    for_each_value(states, |state| status.report("evidence", evidence_state(state))).await;
    status.report("evidence", ComponentState::Stopped);
}

/// Reports delivery to the status board until the sender is dropped.
pub(super) async fn delivery(states: watch::Receiver<ServerState>, status: &StatusBoard) {
    for_each_value(states, |state| status.report("delivery", delivery_state(state))).await;
    status.report("delivery", ComponentState::Stopped);
}

/// Calls `show` with the current value and after each change, until the sender is dropped.
async fn for_each_value<T>(mut values: watch::Receiver<T>, show: impl Fn(&T)) {
    loop {
        show(&values.borrow_and_update());
        if values.changed().await.is_err() {
            return;
        }
    }
}

fn delivery_state(state: &ServerState) -> ComponentState {
    if state.problems.is_empty() {
        return ComponentState::running(state);
    }
    let problems: Vec<_> = state.problems.iter().map(ToString::to_string).collect();
    ComponentState::retrying(format!("{}; {state}", problems.join("; ")), LISTEN_REMEDY)
}

fn chain_state(report: &ChainReport) -> ComponentState {
    match &report.node {
        NodeState::Connecting => ComponentState::Starting,
        NodeState::Failing(error) => ComponentState::retrying(error, error.remedy()),
        NodeState::Stalled(stall) => ComponentState::retrying(stall, stall.remedy()),
        NodeState::Following { node, block } => {
            let quota = report.quota.as_ref().map_or_else(String::new, quota_text);
            ComponentState::running(format!("{node}, block {block} finalized{quota}"))
        }
    }
}

fn node_state(notices: &[String]) -> ComponentState {
    if notices.is_empty() {
        return ComponentState::running("reports no problem");
    }
    ComponentState::alarm(notices.join("; "), NODE_REMEDY)
}

fn quota_text(quota: &QuotaStatus) -> String {
    let (party, percent, refills) = (quota.party, percent(quota), clock::show(quota.refills));
    format!("; acts for party {party}, with {percent} % of its quota left until {refills}")
}

fn validators_state(report: &ValidatorsReport) -> ComponentState {
    if report.offences.is_empty() {
        return ComponentState::running(format!("{} validators", report.count));
    }
    ComponentState::alarm(report.offences.join("; "), EQUIVOCATION_REMEDY)
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
    use streembit_delivery::ListenProblem;

    #[test]
    fn an_equivocation_raises_an_alarm() {
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

    #[test]
    fn an_address_that_cannot_be_listened_on_is_shown_beside_the_others() {
        let mut state = ServerState {
            peer: streembit_delivery::PeerId::random(),
            streams: 2,
            listening: vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()],
            problems: Vec::new(),
        };
        assert!(delivery_state(&state).is_running());
        state.problems.push(ListenProblem::Address {
            address: "/ip4/10.9.9.9/tcp/4001".parse().unwrap(),
            problem: "not available".into(),
        });
        let ComponentState::Retrying { problem, remedy } = delivery_state(&state) else { panic!() };
        assert!(problem.contains("10.9.9.9") && problem.contains("127.0.0.1"), "{problem}");
        assert!(remedy.contains("[delivery]"), "{remedy}");
    }

    #[test]
    fn what_the_node_reports_raises_an_alarm() {
        assert!(node_state(&[]).is_running());
        let notices = ["the disk is nearly full".to_owned(), "voters are missing: 5FA9".to_owned()];
        let ComponentState::Alarm { problem, .. } = node_state(&notices) else { panic!() };
        assert_eq!(problem, "the disk is nearly full; voters are missing: 5FA9");
    }

    #[tokio::test]
    async fn components_are_stopped_when_the_sender_is_dropped() {
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
