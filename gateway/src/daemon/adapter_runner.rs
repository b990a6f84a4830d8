//! Runs the adapters and appends their observations to the log, in order. While the gateway runs, devices come, change
//! and go.

use super::{devices, reload::DeviceChange};
use crate::{
    config::{DeviceConfig, DeviceList},
    metrics::Metrics,
    status::{ComponentState, StatusBoard},
};
use backon::{ExponentialBuilder, Retryable as _};
use futures::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt as _},
    FutureExt as _,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};
use streembit_adapters::{
    AdapterConfig, AdapterContext, AdapterState, History, IsWanted, Observed, Past, PastReading,
};
use streembit_clock::now_ms;
use streembit_ingest::{Ingest, IngestError};
use streembit_log::{Log, ReadError, Receipt};
use streembit_primitives::{DeviceId, Shown};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The capacity of the channel between an adapter and the log. The adapter waits while it is full.
const QUEUE: usize = 16;

/// The pauses between attempts to append an observation.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();

/// The number of a device's newest events that are searched for a reading.
const MAX_SEARCHED: u64 = 10_000;

/// The number of events that the search reads at once.
const PAGE: u64 = 200;

/// Runs the adapters of all devices.
#[derive(Clone)]
pub(super) struct AdapterRunner {
    pub log: Log,
    pub ingest: Ingest,
    pub status: StatusBoard,
    pub metrics: Metrics,
    /// How long nothing could be logged of a device before that is recorded in the log, in milliseconds.
    pub min_gap: u64,
}

/// The adapters that run, each with the name of its device as its result.
#[derive(Default)]
struct Running {
    adapters: FuturesUnordered<BoxFuture<'static, String>>,
    /// Stops the adapter of the device with this name.
    stops: BTreeMap<String, CancellationToken>,
}

/// The usual value of [`AdapterRunner::min_gap`].
pub(super) const MIN_GAP: u64 = 5_000;

impl AdapterRunner {
    /// Runs the adapter of every device that has one, until shutdown. Applies the changes of the devices, and publishes
    /// the devices in `devices`.
    pub async fn run(
        self,
        devices: watch::Sender<DeviceList>,
        mut changes: mpsc::Receiver<DeviceChange>,
        shutdown: &CancellationToken,
    ) {
        let mut running = Running::default();
        self.start(&mut running, &devices.borrow(), shutdown);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = running.adapters.next() => {
                    running.stops.remove(&ended);
                }
                Some(DeviceChange { devices: new, done }) = changes.recv() => {
                    self.apply(&mut running, &devices, new, shutdown).await;
                    // The caller may have given up waiting.
                    let _ = done.send(());
                }
            }
        }
        changes.close();
        while running.adapters.next().await.is_some() {}
    }

    /// Replaces the devices. Adapters of devices that were removed or changed end before their events are refused, so that
    /// what they have read is logged. The others are not disturbed.
    async fn apply(
        &self,
        running: &mut Running,
        devices: &watch::Sender<DeviceList>,
        new: DeviceList,
        shutdown: &CancellationToken,
    ) {
        let before = devices.borrow().clone();
        let same = |device: &&DeviceConfig| new.iter().any(|other| other == *device);
        let changed = before.iter().filter(|device| !same(device));
        let mut ending: BTreeSet<&str> = changed.map(|device| device.name.as_str()).collect();
        ending.retain(|name| running.stops.contains_key(*name));
        for stop in ending.iter().filter_map(|name| running.stops.get(*name)) {
            stop.cancel();
        }
        while !ending.is_empty() {
            let Some(ended) = running.adapters.next().await else { break };
            running.stops.remove(&ended);
            if ending.remove(ended.as_str()) {
                self.status.remove(&component_name(&ended));
            }
        }
        self.ingest.set_devices(devices::configured(&new, self.log.id().gateway));
        devices.send_replace(new.clone());
        self.start(running, &new, shutdown);
    }

    /// Starts the adapters that do not run yet.
    fn start(&self, running: &mut Running, devices: &[DeviceConfig], shutdown: &CancellationToken) {
        let gateway = self.log.id().gateway;
        for device in devices {
            let Some(adapter) = device.adapter.clone() else { continue };
            if running.stops.contains_key(&device.name) {
                continue;
            }
            let stop = shutdown.child_token();
            running.stops.insert(device.name.clone(), stop.clone());
            let (runner, name, id) = (self.clone(), device.name.clone(), device.id(gateway));
            let shutdown = shutdown.clone();
            let run = async move {
                runner.run_adapter(adapter, &name, id, stop, &shutdown).await;
                name
            };
            running.adapters.push(run.boxed());
        }
    }

    /// Runs an adapter until `stop` is cancelled and everything that it has read is logged.
    async fn run_adapter(
        &self,
        adapter: AdapterConfig,
        name: &str,
        id: DeviceId,
        stop: CancellationToken,
        shutdown: &CancellationToken,
    ) {
        let (sender, observed) = mpsc::channel(QUEUE);
        let (state, states) = watch::channel(AdapterState::default());
        let history = Arc::new(LogHistory { log: self.log.clone(), device: id });
        let context = AdapterContext { observed: sender, state, history, stop };
        tokio::join!(
            adapter.run(context),
            self.log_all(name, id, observed, shutdown),
            self.report_states(name, states),
        );
    }

    /// Reports the adapter's state to the status board until the adapter ends.
    async fn report_states(&self, name: &str, mut states: watch::Receiver<AdapterState>) {
        let component = component_name(name);
        loop {
            let state = states.borrow_and_update().clone();
            self.status.report(&component, component_state(state));
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    /// Logs observations until the adapter has ended and its channel is empty.
    async fn log_all(
        &self,
        name: &str,
        id: DeviceId,
        mut observed: mpsc::Receiver<Observed>,
        shutdown: &CancellationToken,
    ) {
        // From when on nothing could be logged, and why, until the gap is recorded.
        let mut gap = None;
        while let Some(observed) = observed.recv().await {
            let logged = self.log_one(id, observed, shutdown, &mut gap).await;
            self.count(name, &logged);
            if let (Ok(_), Some(text)) = (&logged, gap.take().and_then(|gap: Gap| gap.text(self.min_gap))) {
                let recorded = self.log_one(id, Observed::Status(text), shutdown, &mut None).await;
                self.count(name, &recorded);
            }
        }
    }

    fn count(&self, name: &str, logged: &Result<Receipt, IngestError>) {
        match logged {
            Ok(receipt) => {
                self.metrics.acknowledged();
                tracing::debug!(device = name, index = receipt.index, "logged");
            }
            Err(error) => {
                self.metrics.refused(error);
                tracing::error!(device = name, %error, "dropped an observation that could not be logged");
            }
        }
    }

    /// Logs one observation and retries temporary errors. Notes in `gap` since when it has been retried.
    async fn log_one(
        &self,
        id: DeviceId,
        observed: Observed,
        shutdown: &CancellationToken,
        gap: &mut Option<Gap>,
    ) -> Result<Receipt, IngestError> {
        let attempt = || async {
            match &observed {
                Observed::Readings(readings) => self.ingest.readings(id, readings.clone()).await,
                // It may quote what the adapter or the vehicle has said.
                Observed::Status(text) => self.ingest.status(id, &shortened(Shown(text).to_string())).await,
            }
        };
        retry_temporary(attempt, shutdown, gap).await
    }
}

/// A time in which nothing of a device could be logged. The adapter waits meanwhile and reads nothing.
#[derive(PartialEq, Debug)]
struct Gap {
    since: u64,
    error: IngestError,
}

impl Gap {
    /// Returns the text to log, or `None` if the gap was too short to matter.
    fn text(&self, min_gap: u64) -> Option<String> {
        let now = now_ms();
        (now.saturating_sub(self.since) >= min_gap).then(|| {
            let (since, until) = (streembit_clock::show(self.since), streembit_clock::show(now));
            shortened(format!(
                "readings are missing: from {since} to {until} nothing could be logged ({})",
                self.error
            ))
        })
    }
}

/// Shortens a text to what a status event holds.
fn shortened(mut text: String) -> String {
    const LIMIT: usize = 256;
    if text.len() > LIMIT {
        let end = (0..=LIMIT - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Attempts to log an observation until it succeeds. Gives up only if the error is permanent, or if the last attempt
/// during shutdown fails. Notes the first failure in `gap`.
async fn retry_temporary<F>(
    attempt: impl FnMut() -> F,
    shutdown: &CancellationToken,
    gap: &mut Option<Gap>,
) -> Result<Receipt, IngestError>
where
    F: Future<Output = Result<Receipt, IngestError>>,
{
    let stop = shutdown.clone();
    // Shutdown ends the pause early, for one last attempt. It never cancels an attempt, because then nobody would know
    // whether the observation is in the log.
    let pause = move |duration| {
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = stop.cancelled() => {}
            }
        }
    };
    attempt
        .retry(RETRY)
        .sleep(pause)
        .when(|error: &IngestError| error.is_temporary() && !shutdown.is_cancelled())
        .notify(|error, _| {
            tracing::warn!(%error, "cannot log an observation; retrying");
            gap.get_or_insert_with(|| Gap { since: now_ms(), error: error.clone() });
        })
        .await
}

/// Returns the name of a device's adapter on the status board.
fn component_name(device: &str) -> String {
    format!("device/{device}")
}

fn component_state(state: AdapterState) -> ComponentState {
    match state {
        AdapterState::Starting => ComponentState::Starting,
        AdapterState::Running { detail } => ComponentState::Running { detail },
        AdapterState::Retrying { problem, remedy } => ComponentState::Retrying { problem, remedy },
        AdapterState::Alarm { problem, remedy } => ComponentState::Alarm { problem, remedy },
        AdapterState::Stopped => ComponentState::Stopped,
    }
}

/// The history of one device, read from the log.
struct LogHistory {
    log: Log,
    device: DeviceId,
}

#[async_trait::async_trait]
impl History for LogHistory {
    async fn newest(&self, wanted: &[IsWanted], since: u64) -> Past {
        let (log, device, wanted) = (self.log.clone(), self.device, wanted.to_vec());
        let nothing = Past { newest: vec![None; wanted.len()], next: since };
        let searched = tokio::task::spawn_blocking(move || newest(&log, &device, &wanted, since)).await;
        match searched {
            Ok(Ok(past)) => past,
            Ok(Err(error)) => {
                tracing::warn!(device = %self.device, %error, "cannot read the device's earlier readings from the log");
                nothing
            }
            Err(_) => nothing,
        }
    }
}

/// Looks for the newest readings of the device that `wanted` accepts, from the sequence `since` on and in the last
/// [`MAX_SEARCHED`] events.
fn newest(log: &Log, device: &DeviceId, wanted: &[IsWanted], since: u64) -> Result<Past, ReadError> {
    let next = log.head(device)?.map_or(0, |head| head.sequence.saturating_add(1));
    let mut past = Past { newest: vec![None; wanted.len()], next };
    let oldest = next.saturating_sub(MAX_SEARCHED).max(since);
    let mut end = next;
    while end > oldest && past.newest.iter().any(Option::is_none) {
        let start = end.saturating_sub(PAGE).max(oldest);
        for event in log.device_events(device, start, (end - start) as usize)?.iter().rev() {
            let sequence = event.entry.event.header.sequence;
            let readings = event.body.present().into_iter().flat_map(|body| body.readings());
            for reading in readings {
                let missing = past.newest.iter_mut().zip(wanted);
                for (found, is_wanted) in missing.filter(|(found, _)| found.is_none()) {
                    if is_wanted(reading) {
                        *found = Some(PastReading { reading: reading.clone(), sequence });
                    }
                }
            }
        }
        end = start;
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use streembit_keystore::KeyPair;
    use streembit_log::{AppendError, OpenError};
    use streembit_primitives::{Hash, LogId, Reading, Source, Value};

    const ODOMETER: &str = "Vehicle.TraveledDistance";

    fn receipt() -> Receipt {
        Receipt { index: 0, device: DeviceId([1; 32]), sequence: 0, hash: Hash::ZERO, received: 1 }
    }

    /// The error while the log cannot be opened again after a failed write.
    fn cannot_reopen() -> IngestError {
        AppendError::Reopen(Box::new(OpenError::Locked { path: "/data/log".into() })).into()
    }

    #[tokio::test(start_paused = true)]
    async fn an_observation_is_retried_until_the_log_can_be_opened_again() {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            std::future::ready(if attempts < 20 { Err(cannot_reopen()) } else { Ok(receipt()) })
        };
        let mut gap = None;
        let result = retry_temporary(attempt, &CancellationToken::new(), &mut gap).await;
        assert_eq!((result, attempts), (Ok(receipt()), 20));
        let gap = gap.expect("the gap is noted");
        assert_eq!((&gap.error, gap.text(u64::MAX)), (&cannot_reopen(), None));
        let text = gap.text(0).unwrap();
        assert!(
            text.starts_with("readings are missing: from ") && text.contains("after a failed write"),
            "{text}"
        );
        assert!(text.len() <= 256, "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_is_not_retried() {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            std::future::ready(Err(IngestError::Empty))
        };
        let result = retry_temporary(attempt, &CancellationToken::new(), &mut None).await;
        assert_eq!((result, attempts), (Err(IngestError::Empty), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_ends_the_retries_after_one_last_attempt() {
        let shutdown = CancellationToken::new();
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            if attempts == 3 {
                let shutdown = shutdown.clone();
                tokio::spawn(async move { shutdown.cancel() });
            }
            std::future::ready(Err(cannot_reopen()))
        };
        let result = retry_temporary(attempt, &shutdown, &mut None).await;
        assert_eq!((result, attempts), (Err(cannot_reopen()), 4));
    }

    #[tokio::test]
    async fn nothing_is_dropped_while_nothing_can_be_logged_and_the_gap_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([7; 32]);
        let key = keys.hosted_key("car");
        let id = key.device_id();
        let log = Log::open(dir.path(), LogId::first(keys.account())).unwrap();
        let ingest = Ingest::new(log.clone(), keys, vec![key]).unwrap();
        let runner = AdapterRunner {
            log: log.clone(),
            ingest: ingest.clone(),
            status: StatusBoard::new(),
            metrics: Metrics::new(),
            min_gap: 1,
        };
        // A paused device is refused for a time, like everything while the disk is full.
        ingest.pause(id, 0).await.unwrap();
        let (sender, observed) = mpsc::channel(QUEUE);
        for number in 0..3 {
            sender.send(Observed::Status(format!("observed {number}\n"))).await.unwrap();
        }
        drop(sender);
        let shutdown = CancellationToken::new();
        let resume = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ingest.resume(id).unwrap();
        };
        tokio::join!(runner.log_all("car", id, observed, &shutdown), resume);
        let events = log.device_events(&id, 0, 9).unwrap();
        let texts: Vec<_> =
            events.iter().map(|event| event.body.present().unwrap().parts[0].to_string()).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        let observed = ["observed 0\\u{a}", "observed 1\\u{a}", "observed 2\\u{a}"];
        assert_eq!([&*texts[0], &*texts[2], &*texts[3]], observed, "what an adapter quotes is escaped");
        assert!(texts[1].starts_with("readings are missing: from "), "{texts:?}");
    }

    #[tokio::test]
    async fn the_last_reading_is_found_before_many_events_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([7; 32]);
        let gateway = keys.account();
        let key = keys.hosted_key("car");
        let id = key.device_id();
        let log = Log::open(dir.path(), LogId::first(gateway)).unwrap();
        let ingest = Ingest::new(log.clone(), keys, vec![key]).unwrap();
        let wanted: [IsWanted; 2] = [|r| r.name.as_str() == ODOMETER, |r| r.name.as_str() == "unknown"];
        let odometer = |since| {
            let Past { newest, next } = newest(&log, &id, &wanted, since).unwrap();
            assert_eq!((newest.len(), &newest[1]), (2, &None));
            (newest[0].as_ref().map(|past| (past.reading.value.clone(), past.sequence)), next)
        };
        assert_eq!(odometer(0), (None, 0));
        let reading = |name: &str, value: u32| Reading {
            name: name.try_into().unwrap(),
            unit: Default::default(),
            value: Value::Decimal(value.into()),
            time: 1,
            source: Source::sensor(),
        };
        for value in [1000, 2000] {
            let readings = vec![reading("Vehicle.Speed", 50), reading(ODOMETER, value)];
            ingest.readings(id, readings).await.unwrap();
        }
        let speeds =
            (0..PAGE + 5).map(|speed| ingest.readings(id, vec![reading("Vehicle.Speed", speed as u32)]));
        assert!(join_all(speeds).await.iter().all(Result::is_ok));
        let found = Some((Value::Decimal(2000.into()), 1));
        assert_eq!(odometer(0), (found.clone(), PAGE + 7));
        assert_eq!((odometer(1), odometer(2)), ((found, PAGE + 7), (None, PAGE + 7)));
    }
}
