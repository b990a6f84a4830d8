//! The state behind the API, and the queries on it that the routes share.

use super::{
    problem::Problem,
    tlog::Published,
    types::{
        scale_hex, AnchorView, CheckpointView, DeviceView, ErasureView, LastAnchoredView, LogView,
        NewErasure, PeerView, ReloadView, StatusView,
    },
};
use crate::{
    config::{find_device, Config, DeviceConfig, DeviceList},
    daemon::{Records, Reloader},
    last_anchored,
    metrics::{LogGauges, Metrics},
    status::{ComponentState, StatusBoard},
};
use ed25519_dalek::SigningKey;
use std::{collections::BTreeSet, sync::Arc};
use streembit_adapters::senml::Clock;
use streembit_clock::now_ms;
use streembit_delivery::{Multiaddr, PeerId};
use streembit_ingest::Ingest;
use streembit_keystore::account;
use streembit_log::{Log, LogReader, ReadError, MAX_ERASED};
use streembit_primitives::{
    device::{DeviceRecord, LastAnchored},
    AccountId, DeviceId, DeviceKey, LogKey,
};
use tokio::sync::{watch, Semaphore};

/// The most reads for monitors that run at the same time. Monitors need no token, so their reads must not keep the
/// processor and the disk from the log.
const MAX_MONITOR_READS: usize = 2;

/// The parts of the gateway that the API uses to answer requests.
pub struct ApiState {
    /// The configuration of the gateway.
    pub config: Config,
    /// The time when the gateway started, in milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// The log.
    pub log: Log,
    /// The ingest pipeline, which adds events to the log.
    pub ingest: Ingest,
    /// The status of the gateway's components.
    pub status: StatusBoard,
    /// The counters that Prometheus scrapes.
    pub metrics: Metrics,
    /// The gateway's libp2p peer id.
    pub peer: PeerId,
    /// The addresses at which other parties reach the gateway.
    pub addresses: watch::Receiver<Vec<Multiaddr>>,
    /// The key that signs the notes of the log's checkpoints.
    pub log_key: SigningKey,
    /// The devices' records on the chain, as last read.
    pub records: watch::Receiver<Records>,
    /// The configured devices, which change while the gateway runs.
    pub devices: watch::Receiver<DeviceList>,
    /// Reads the configuration again.
    pub reloader: Reloader,
}

/// The API, ready to be served.
#[derive(Clone)]
pub struct Api {
    state: Arc<ApiState>,
    monitor_reads: Arc<Semaphore>,
}

impl Api {
    /// Creates an API that answers from `state`.
    pub fn new(state: ApiState) -> Self {
        Self { state: Arc::new(state), monitor_reads: Arc::new(Semaphore::new(MAX_MONITOR_READS)) }
    }

    /// Returns the status board of the gateway.
    pub(super) fn status_board(&self) -> &StatusBoard {
        &self.state.status
    }

    /// Returns the ingest pipeline.
    pub(super) fn ingest(&self) -> &Ingest {
        &self.state.ingest
    }

    /// Returns the gateway's metrics.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.state.metrics
    }

    /// Returns the key that signs the notes of the log's checkpoints.
    pub(super) fn log_key(&self) -> &SigningKey {
        &self.state.log_key
    }

    /// Returns the time, and how far in the future readings may be.
    pub(super) fn clock(&self) -> Clock {
        let max_future = self.state.config.api.max_future_seconds.saturating_mul(1_000);
        Clock { now: now_ms(), max_future }
    }

    /// Returns the epoch of the log.
    pub(super) fn epoch(&self) -> u32 {
        self.state.log.id().epoch
    }

    fn account(&self) -> AccountId {
        self.state.log.id().gateway
    }

    /// Returns the id of the configured device with this name or id.
    pub fn device(&self, name_or_id: &str) -> Result<DeviceId, Problem> {
        let devices = self.state.devices.borrow();
        let device = find_device(&devices, name_or_id, self.account())
            .map_err(|error| Problem::not_found(error, "GET /v1/devices lists the devices"))?;
        Ok(device.id(self.account()))
    }

    /// Returns the id of the device with this name or id. An id is enough for a device that has been removed from the
    /// configuration.
    fn device_or_id(&self, name_or_id: &str) -> Result<DeviceId, Problem> {
        self.device(name_or_id).or_else(|problem| name_or_id.parse().map_err(|_| problem))
    }

    /// Proves the last event of a device at the last anchor of the log.
    pub async fn last_anchored(&self, device: &str) -> Result<LastAnchoredView, Problem> {
        let device = self.device_or_id(device)?;
        let log = self.state.log.id();
        let last = self.read(move |log| last_anchored::prove_stored(log, &device)).await?;
        let event = match &last {
            LastAnchored::Event(proof) => Some(proof.entry),
            LastAnchored::NoAnchor | LastAnchored::NoEvent(_) | LastAnchored::Decided => None,
        };
        let head = self.read(move |log| log.head(&device)).await?;
        Ok(LastAnchoredView {
            device: device.to_string(),
            log: log.to_string(),
            sequence: event.map(|event| event.sequence),
            hash: event.map(|event| event.hash.to_string()),
            newest: head.map(|head| head.sequence),
            proof: scale_hex(&last),
        })
    }

    /// Reads the configuration again, and applies the changes of its devices.
    pub async fn reload(&self) -> Result<ReloadView, Problem> {
        let reloaded = self.state.reloader.reload_and_report(&self.state.status).await?;
        Ok(reloaded.into())
    }

    /// Reads the log on a thread that may block on disk reads.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&LogReader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let log = self.state.log.clone();
        tokio::task::spawn_blocking(move || read(log.reader()))
            .await
            .map_err(Problem::internal)?
            .map_err(Problem::from)
    }

    /// Reads the log for a monitor. Waits while [`MAX_MONITOR_READS`] other monitors read.
    pub(super) async fn read_for_monitor<T: Send + 'static>(
        &self,
        read: impl FnOnce(&LogReader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.monitor_reads.clone().acquire_owned().await.map_err(Problem::internal)?;
        self.read(move |log| {
            // Held until the read ends, even if its request is dropped before.
            let _turn = turn;
            read(log)
        })
        .await
    }

    /// Erases the bodies of a range of events, on a thread that may block on disk writes.
    pub async fn erase(&self, request: NewErasure) -> Result<Vec<ErasureView>, Problem> {
        let NewErasure { device, first, last } = request;
        let last = last.unwrap_or(first);
        let count = last.checked_sub(first).and_then(|more| usize::try_from(more).ok()?.checked_add(1));
        let Some(count) = count.filter(|count| *count <= MAX_ERASED) else {
            let detail = format!(
                "{first} to {last} is not a range of 1 to {MAX_ERASED} events, the most that one request may erase"
            );
            return Err(Problem::bad_request(detail, "give the first and the last event of a smaller range"));
        };
        let device = device.map(|name| self.device_or_id(&name)).transpose()?;
        let log = self.state.log.clone();
        let erase = move || {
            let indexes: BTreeSet<u64> = match device {
                Some(device) => {
                    let events = log.device_range(&device, first..=last, count).map_err(Problem::from)?;
                    let newest = log.head(&device).map_err(Problem::from)?.map(|head| head.sequence);
                    // Events that are lost or in other logs may be missing, but not the end of the history.
                    if events.is_empty() || newest < Some(last) {
                        return Ok(None);
                    }
                    events.into_iter().map(|(_, index)| index).collect()
                }
                None => (first..=last).collect(),
            };
            log.erase(&indexes, now_ms()).map(Some).map_err(Problem::from)
        };
        let erased = tokio::task::spawn_blocking(erase).await.map_err(Problem::internal)?;
        let erased = erased?.ok_or_else(|| {
            let detail =
                format!("the device does not have all events from {first} to {last}; nothing is erased");
            Problem::not_found(detail, "GET /v1/devices shows how many events each device has")
        })?;
        tracing::info!(count = erased.len(), "erased event bodies");
        Ok(erased.into_iter().map(ErasureView::from).collect())
    }

    /// Returns the metrics in the OpenMetrics text format.
    pub async fn metrics_text(&self) -> Result<String, Problem> {
        let anchor = self.read(|log| log.last_anchor()).await?;
        let gauges = LogGauges {
            size: self.state.log.size(),
            anchored_size: anchor.as_ref().map_or(0, |anchor| anchor.checkpoint.size),
            anchored_block: anchor.as_ref().map_or(0, |anchor| u64::from(anchor.block)),
            anchored_time: anchor.map(|anchor| anchor.checkpoint.time),
            queue: self.state.log.queue_len() as u64,
        };
        self.state.metrics.encode(gauges, &self.state.status).map_err(Problem::internal)
    }

    /// Returns the status of the gateway, its log, its devices and its components.
    pub async fn status(&self) -> Result<StatusView, Problem> {
        let addresses = self.state.addresses.borrow().iter().map(ToString::to_string).collect();
        let mut components = self.state.status.snapshot();
        // If the disk fails, the status still has to be readable and has to say so.
        let log = self.log().await.map_err(|problem| {
            for part in components.iter_mut().filter(|part| part.name == "log") {
                let remedy = "check the disk and its free space; the gateway continues by itself";
                part.state = ComponentState::retrying(&problem.detail, remedy);
            }
        });
        Ok(StatusView {
            name: self.state.config.gateway.name.clone(),
            account: account::show(&self.account()),
            account_hex: self.account().to_string(),
            peer: PeerView { id: self.state.peer.to_string(), addresses },
            version: env!("CARGO_PKG_VERSION").into(),
            started: self.state.started,
            log: log.ok(),
            devices: self.devices().await.unwrap_or_default(),
            components,
        })
    }

    /// Returns the size and root of the log, and its last checkpoint and anchor.
    pub async fn log(&self) -> Result<LogView, Problem> {
        let key = LogKey(self.log_key().verifying_key().to_bytes());
        self.read(move |log| log_view(log, &key)).await
    }

    /// Returns the configured devices, with the number of their events in the log.
    pub async fn devices(&self) -> Result<Vec<DeviceView>, Problem> {
        let (devices, gateway) = (self.state.devices.borrow().clone(), self.account());
        let records = self.state.records.borrow().clone();
        let view = move |log: &LogReader, device: &DeviceConfig| {
            let id = device.id(gateway);
            device_view(log, device.name.clone(), id, device.device_key(gateway), records.get(&id))
        };
        self.read(move |log| devices.iter().map(|device| view(log, device)).collect()).await
    }
}

fn log_view(log: &LogReader, key: &LogKey) -> Result<LogView, ReadError> {
    let size = log.size();
    let verifier_key = Published::of(log)?.and_then(|published| published.verifier_key(key));
    Ok(LogView {
        epoch: log.id().epoch,
        size,
        root: log.root(size)?.to_string(),
        checkpoint: log.last_checkpoint()?.map(|signed| CheckpointView::from(&signed.checkpoint)),
        anchor: log.last_anchor()?.as_ref().map(AnchorView::from),
        verifier_key: verifier_key.map(|key| key.to_string()),
    })
}

fn device_view(
    log: &LogReader,
    name: String,
    id: DeviceId,
    configured: DeviceKey,
    record: Option<&DeviceRecord>,
) -> Result<DeviceView, ReadError> {
    let head = log.head(&id)?;
    let key = record.map_or(&configured, DeviceRecord::key);
    let key_from = record.map_or(0, |record| record.keys().last().from);
    // Without a record, all events of the device are in this log.
    let events = head.map_or(0, |head| {
        let before = record.and_then(|record| record.min_index(&log.id(), head.sequence));
        before.unwrap_or(head.sequence).saturating_add(1)
    });
    Ok(DeviceView {
        name,
        id: id.to_string(),
        signer: match key {
            DeviceKey::Own(_) => "device".into(),
            DeviceKey::Hosted { .. } => "gateway".into(),
        },
        key: match key {
            DeviceKey::Own(key) => key.to_string(),
            DeviceKey::Hosted { gateway, .. } => account::show(gateway),
        },
        key_from,
        log: record.map(|record| record.log().into()),
        state: record.map(|record| format!("{:?}", record.state()).to_lowercase()),
        owner: record.map(|record| record.owner().to_string()),
        owner_since: record.map(|record| record.owners().last().since),
        events,
        last: head.map(|head| head.hash.to_string()),
        forked: log.is_copied(&id, key)?,
    })
}
