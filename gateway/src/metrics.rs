//! What Prometheus reads.

use crate::{ingest::IngestError, log::Refusal, status::StatusBoard};
use prometheus_client::{
    encoding::{text::encode, EncodeLabelSet},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::{atomic::AtomicU64, Arc};

/// The content type of the text that [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The gateway's metrics; a clone is the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    acknowledged: Counter,
    refused: Family<Reason, Counter>,
    log_size: Gauge<u64, AtomicU64>,
    anchored_size: Gauge<u64, AtomicU64>,
    anchored_block: Gauge<u64, AtomicU64>,
    queue: Gauge<u64, AtomicU64>,
    component_up: Family<ComponentName, Gauge<u64, AtomicU64>>,
}

/// What gauges say at the moment of a scrape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogGauges {
    /// How many events the log holds.
    pub size: u64,
    /// How many of them are anchored in a finalized block.
    pub anchored_size: u64,
    /// The block of the last finalized anchor.
    pub anchored_block: u64,
    /// How many appends wait for the log's writer.
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
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("streembit");
        let (acknowledged, refused) = (Counter::default(), Family::default());
        let [log_size, anchored_size, anchored_block, queue] = std::array::from_fn(|_| Gauge::default());
        let component_up = Family::default();
        registry.register("events_acknowledged", "Events on disk and in the log", acknowledged.clone());
        registry.register("events_refused", "Events that were refused, by reason", refused.clone());
        registry.register("log_size", "Events that the log holds", log_size.clone());
        registry.register(
            "log_anchored_size",
            "Events that are anchored in a finalized block",
            anchored_size.clone(),
        );
        registry.register(
            "log_anchored_block",
            "The block of the last finalized anchor",
            anchored_block.clone(),
        );
        registry.register("log_queue", "Appends that wait for the log's writer", queue.clone());
        registry.register("component_up", "Whether a component is at work", component_up.clone());
        let registry = Arc::new(registry);
        Self { registry, acknowledged, refused, log_size, anchored_size, anchored_block, queue, component_up }
    }

    /// Counts an event that was acknowledged.
    pub fn acknowledged(&self) {
        self.acknowledged.inc();
    }

    /// Counts an event that was not admitted.
    pub fn refused(&self, error: &IngestError) {
        self.count_refused(reason(error));
    }

    /// Counts something that could not be read as an event.
    pub fn unreadable(&self) {
        self.count_refused("unreadable");
    }

    fn count_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// The text that Prometheus reads.
    pub fn encode(&self, log: LogGauges, board: &StatusBoard) -> Result<String, std::fmt::Error> {
        self.log_size.set(log.size);
        self.anchored_size.set(log.anchored_size);
        self.anchored_block.set(log.anchored_block);
        self.queue.set(log.queue);
        for component in board.snapshot() {
            let up = u64::from(component.state.is_running());
            self.component_up.get_or_create(&ComponentName { component: component.name }).set(up);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// In one of a few words, so that the metric has few labels.
fn reason(error: &IngestError) -> &'static str {
    match error {
        IngestError::UnknownDevice { .. } => "unknown_device",
        IngestError::NotHosted { .. } => "not_hosted",
        IngestError::NotVerified { .. } => "not_verified",
        IngestError::Empty | IngestError::TooMany { .. } | IngestError::TooLong(_) => "content",
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

    #[test]
    fn the_text_has_counters_gauges_and_components() {
        let (metrics, board) = (Metrics::new(), StatusBoard::new());
        metrics.acknowledged();
        metrics.clone().acknowledged();
        metrics.refused(&IngestError::Empty);
        metrics.unreadable();
        board.report("chain", ComponentState::retrying("no node", "start one"));
        board.report("api", ComponentState::running("here"));
        let gauges = LogGauges { size: 9, anchored_size: 7, anchored_block: 3, queue: 1 };
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
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
