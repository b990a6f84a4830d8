//! The metrics that Prometheus scrapes.

use crate::status::StatusBoard;
use prometheus_client::{
    encoding::{text::encode, EncodeLabelSet},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::{atomic::AtomicU64, Arc, Mutex, PoisonError};
use streembit_chain::VoterStatus;
use streembit_clock as clock;
use streembit_ingest::IngestError;
use streembit_log::Refusal;
use streembit_primitives::consortium::QuotaStatus;

/// The content type of the text that [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The gateway's metrics. Clones share the same values.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    values: Values,
    node_report: Arc<Mutex<NodeReport>>,
}

/// The counters and gauges. [`Values::register`] gives each its name and help text.
#[derive(Clone, Debug, Default)]
struct Values {
    acknowledged: Counter,
    refused: Family<Reason, Counter>,
    log_size: Gauge<u64, AtomicU64>,
    anchored_size: Gauge<u64, AtomicU64>,
    anchored_block: Gauge<u64, AtomicU64>,
    queue: Gauge<u64, AtomicU64>,
    component_up: Family<ComponentName, Gauge<u64, AtomicU64>>,
    anchors_submitted: Counter,
    anchors_finalized: Counter,
    anchors_failed: Counter,
    chain: ChainGauges,
}

/// The last report of the node; `None` for values that it did not report.
#[derive(Clone, Copy, Debug, Default)]
struct NodeReport {
    quota: Option<QuotaStatus>,
    voters: Option<VoterStatus>,
}

/// A gauge that is NaN while its value is unknown.
type OptionalGauge = Gauge<f64, AtomicU64>;

/// The gauges whose values come from the chain.
#[derive(Clone, Debug, Default)]
struct ChainGauges {
    quota_time: OptionalGauge,
    quota_time_left: OptionalGauge,
    quota_bytes: OptionalGauge,
    quota_bytes_left: OptionalGauge,
    quota_refill: OptionalGauge,
    voters: OptionalGauge,
    voters_needed: OptionalGauge,
    voters_online: OptionalGauge,
    anchor_age: OptionalGauge,
}

/// The state of the log at the time of a scrape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogGauges {
    /// The number of events in the log.
    pub size: u64,
    /// The number of events that are anchored in a finalized block.
    pub anchored_size: u64,
    /// The block of the last finalized anchor.
    pub anchored_block: u64,
    /// When the last anchored checkpoint was signed, in milliseconds since 1970-01-01 UTC.
    pub anchored_time: Option<u64>,
    /// The number of appends that wait for the log's writer.
    pub queue: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ComponentName {
    component: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates the metrics, with all counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("streembit");
        let values = Values::default();
        values.register(&mut registry);
        Self { registry: Arc::new(registry), values, node_report: Arc::default() }
    }

    /// Counts an anchor that was submitted to the chain.
    pub fn anchor_submitted(&self) {
        self.values.anchors_submitted.inc();
    }

    /// Counts a submitted anchor as finalized or failed.
    pub fn anchor_ended(&self, is_final: bool) {
        let counter = if is_final { &self.values.anchors_finalized } else { &self.values.anchors_failed };
        counter.inc();
    }

    /// Sets the gateway's quota and the voters, as the node reports them; `None` if they are unknown.
    pub fn on_chain(&self, quota: Option<QuotaStatus>, voters: Option<VoterStatus>) {
        *self.node_report.lock().unwrap_or_else(PoisonError::into_inner) = NodeReport { quota, voters };
    }

    /// Counts an acknowledged event.
    pub fn acknowledged(&self) {
        self.values.acknowledged.inc();
    }

    /// Counts a refused event.
    pub fn refused(&self, error: &IngestError) {
        self.count_refused(reason(error));
    }

    /// Counts input that could not be parsed as an event.
    pub fn unreadable(&self) {
        self.count_refused("unreadable");
    }

    fn count_refused(&self, reason: &'static str) {
        self.values.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Encodes all metrics in the OpenMetrics text format.
    pub fn encode(&self, log: LogGauges, board: &StatusBoard) -> Result<String, std::fmt::Error> {
        self.values.log_size.set(log.size);
        self.values.anchored_size.set(log.anchored_size);
        self.values.anchored_block.set(log.anchored_block);
        self.values.queue.set(log.queue);
        let report = *self.node_report.lock().unwrap_or_else(PoisonError::into_inner);
        self.values.chain.set(&report, log.anchored_time, clock::now_ms());
        for component in board.snapshot() {
            let up = u64::from(component.state.is_running());
            self.values.component_up.get_or_create(&ComponentName { component: component.name }).set(up);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Values {
    fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("events_acknowledged", "Events that were logged and acknowledged", &self.acknowledged),
            ("anchors_submitted", "Anchors submitted to the chain", &self.anchors_submitted),
            ("anchors_finalized", "Anchors that were finalized", &self.anchors_finalized),
            ("anchors_failed", "Anchors that failed and are submitted again", &self.anchors_failed),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, gauge) in [
            ("log_size", "Events in the log", &self.log_size),
            ("log_anchored_size", "Events that are anchored in a finalized block", &self.anchored_size),
            ("log_anchored_block", "The block of the last finalized anchor", &self.anchored_block),
            ("log_queue", "Appends waiting for the log's writer", &self.queue),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register("events_refused", "Events that were refused, by reason", self.refused.clone());
        let help = "1 if the component works without a problem, otherwise 0";
        registry.register("component_up", help, self.component_up.clone());
        self.chain.register(registry);
    }
}

impl ChainGauges {
    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("quota_time_seconds", "Block time that the party may use per period", &self.quota_time),
            ("quota_time_left_seconds", "Block time that is left in this period", &self.quota_time_left),
            ("quota_bytes", "Bytes that the party may submit per period", &self.quota_bytes),
            ("quota_left_bytes", "Bytes that are left in this period", &self.quota_bytes_left),
            ("quota_refill_seconds", "Time until the quota is full again", &self.quota_refill),
            ("voters", "Validators that vote on finality", &self.voters),
            ("voters_needed", "Votes needed to finalize a block", &self.voters_needed),
            ("voters_online", "Validators whose votes the node has received recently", &self.voters_online),
            ("anchor_age_seconds", "Age of the last anchored checkpoint", &self.anchor_age),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    fn set(&self, report: &NodeReport, anchored: Option<u64>, now: u64) {
        let quota = |value: &dyn Fn(&QuotaStatus) -> f64| report.quota.as_ref().map_or(f64::NAN, value);
        self.quota_time.set(quota(&|quota| quota.quota.microseconds as f64 / 1e6));
        self.quota_time_left.set(quota(&|quota| quota.left.microseconds as f64 / 1e6));
        self.quota_bytes.set(quota(&|quota| quota.quota.bytes as f64));
        self.quota_bytes_left.set(quota(&|quota| quota.left.bytes as f64));
        self.quota_refill.set(quota(&|quota| quota.refills.saturating_sub(now) as f64 / 1e3));
        let voters = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
        self.voters.set(voters(report.voters.map(|voters| voters.total)));
        self.voters_needed.set(voters(report.voters.map(|voters| voters.needed)));
        self.voters_online.set(voters(report.voters.and_then(|voters| voters.online)));
        self.anchor_age.set(anchored.map_or(f64::NAN, |time| now.saturating_sub(time) as f64 / 1e3));
    }
}

/// Returns the `reason` label of an error: one of a few words, to keep the number of time series small.
fn reason(error: &IngestError) -> &'static str {
    match error {
        IngestError::UnknownDevice { .. } => "unknown_device",
        IngestError::UnknownRecord { .. } => "unknown_record",
        IngestError::Paused { .. } => "paused",
        IngestError::NotHosted { .. } => "not_hosted",
        IngestError::NotVerified { .. } => "not_verified",
        IngestError::OtherKey { .. } | IngestError::Refused(Refusal::OtherKey { .. }) => "other_key",
        IngestError::Refused(Refusal::Lost { .. }) => "lost",
        IngestError::Refused(Refusal::OtherLog { .. } | Refusal::OtherEpoch { .. }) => "other_log",
        IngestError::Refused(Refusal::UnknownPrevious { .. }) => "unknown_previous",
        IngestError::Refused(Refusal::Retired { .. }) => "retired",
        IngestError::Empty
        | IngestError::TooMany { .. }
        | IngestError::TooLong(_)
        | IngestError::Hidden(_) => "content",
        IngestError::Refused(Refusal::Event(_)) => "order",
        IngestError::Refused(Refusal::BodyTooLarge { .. }) => "too_large",
        IngestError::Refused(Refusal::Forked { .. }) => "forked",
        IngestError::Log(_) => "log",
        IngestError::Closed => "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::ComponentState;
    use streembit_primitives::{consortium::Quota, PartyId};

    #[test]
    fn the_text_has_counters_gauges_and_components() {
        let (metrics, board) = (Metrics::new(), StatusBoard::new());
        metrics.acknowledged();
        metrics.clone().acknowledged();
        metrics.refused(&IngestError::Empty);
        metrics.unreadable();
        board.report("chain", ComponentState::retrying("no node", "start one"));
        board.report("api", ComponentState::running("here"));
        board.report("validators", ComponentState::alarm("two blocks in one slot", "stop one"));
        let gauges =
            LogGauges { size: 9, anchored_size: 7, anchored_block: 3, anchored_time: None, queue: 1 };
        let text = metrics.encode(gauges, &board).unwrap();
        for line in [
            "streembit_events_acknowledged_total 2",
            "streembit_events_refused_total{reason=\"content\"} 1",
            "streembit_events_refused_total{reason=\"unreadable\"} 1",
            "streembit_log_size 9",
            "streembit_log_anchored_size 7",
            "streembit_log_anchored_block 3",
            "streembit_log_queue 1",
            "streembit_component_up{component=\"chain\"} 0",
            "streembit_component_up{component=\"api\"} 1",
            "streembit_component_up{component=\"validators\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    /// Returns the value of a metric that has no labels.
    fn value(metrics: &Metrics, anchored_time: Option<u64>, name: &str) -> f64 {
        let gauges = LogGauges { anchored_time, ..LogGauges::default() };
        let text = metrics.encode(gauges, &StatusBoard::new()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("streembit_{name} ")));
        line.unwrap_or_else(|| panic!("no {name}:\n{text}")).parse().unwrap()
    }

    #[test]
    fn values_from_the_chain_are_nan_while_unknown() {
        let metrics = Metrics::new();
        let names = ["quota_time_seconds", "quota_left_bytes", "quota_refill_seconds", "voters_online"];
        for name in names.into_iter().chain(["voters", "anchor_age_seconds"]) {
            assert!(value(&metrics, None, name).is_nan(), "{name}");
        }
        let quota = QuotaStatus {
            party: PartyId([1; 32]),
            quota: Quota { microseconds: 28_000_000, bytes: 50_000 },
            left: Quota { microseconds: 1_500_000, bytes: 700 },
            refills: clock::now_ms() + 100_000,
        };
        metrics.on_chain(Some(quota), Some(VoterStatus { total: 4, needed: 3, online: Some(2) }));
        for (name, expected) in [
            ("quota_time_seconds", 28.0),
            ("quota_time_left_seconds", 1.5),
            ("quota_bytes", 50_000.0),
            ("quota_left_bytes", 700.0),
            ("voters", 4.0),
            ("voters_needed", 3.0),
            ("voters_online", 2.0),
        ] {
            assert_eq!(value(&metrics, None, name), expected, "{name}");
        }
        let refill = value(&metrics, None, "quota_refill_seconds");
        assert!(refill > 0.0 && refill <= 100.0, "{refill}");
        let age = value(&metrics, Some(clock::now_ms() - 5_000), "anchor_age_seconds");
        assert!((5.0..1_000.0).contains(&age), "{age}");

        // The node is unreachable, so its last report no longer applies.
        metrics.on_chain(None, None);
        assert!(value(&metrics, None, "voters_online").is_nan());
    }

    #[test]
    fn anchors_are_counted_by_outcome() {
        let metrics = Metrics::new();
        for is_final in [true, false, true] {
            metrics.anchor_submitted();
            metrics.anchor_ended(is_final);
        }
        for (name, expected) in [("submitted", 3.0), ("finalized", 2.0), ("failed", 1.0)] {
            assert_eq!(value(&metrics, None, &format!("anchors_{name}_total")), expected, "{name}");
        }
    }
}
