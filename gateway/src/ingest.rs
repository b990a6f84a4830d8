//! Ingest: what comes from devices and adapters is verified, put in order and admitted to the log.
//!
//! Events that devices signed themselves are gathered into batches, verified on blocking threads (as many as there are
//! cores), and handed to the log in the order in which they came. Events of hosted devices are made by the gateway when
//! the log's writer knows what they follow. Either way the caller hears when the event is on disk.
//!
//! Everything is bounded: whoever brings more than the [`Limits`] allow waits. Nothing is dropped.

mod error;
mod hosted;
mod pipeline;

#[cfg(test)]
mod tests;

pub use error::IngestError;

use crate::{
    keystore::KeyPair,
    log::{Log, Receipt, Refusal, MAX_BODY_BYTES},
};
use codec::Encode as _;
use pipeline::{Pipeline, Submission};
use std::{collections::HashMap, sync::Arc};
use streembit_primitives::{event::ParsedDeviceKey, Body, DeviceId, DeviceKey, Reading, SignedEvent};
use tokio::sync::{oneshot, Semaphore};

/// How much may be under way at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of events and bodies that wait or are being worked on; whoever comes next waits.
    pub bytes: usize,
    /// The most events that are verified together.
    pub batch: usize,
    /// How many batches are verified at once.
    pub verifiers: usize,
}

impl Default for Limits {
    /// 16 MiB; batches of up to 4,096, beyond which a signature costs hardly less; one batch a core.
    fn default() -> Self {
        let verifiers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { bytes: 16 << 20, batch: 4096, verifiers }
    }
}

/// Admits events to a log. Clones share one pipeline, which ends when the last is dropped.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    log: Log,
    keys: Arc<KeyPair>,
    devices: Arc<HashMap<DeviceId, ParsedDeviceKey>>,
    /// Permits of [`UNIT`] bytes each, taken when an event comes and given back when it is answered.
    budget: Arc<Semaphore>,
    /// All of them.
    capacity: u32,
    limits: Limits,
    pipeline: Pipeline,
}

/// The bytes that one permit of the budget stands for.
const UNIT: usize = 64;

/// What an event weighs beyond its body, about: header, signature, and what it is kept in.
const EVENT_BYTES: usize = 384;

impl Ingest {
    /// Over a log, with the gateway's key and the keys of its devices. To be called within a Tokio runtime.
    pub fn new(log: Log, keys: KeyPair, devices: Vec<DeviceKey>) -> Self {
        Self::with_limits(log, keys, devices, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(log: Log, keys: KeyPair, devices: Vec<DeviceKey>, limits: Limits) -> Self {
        let devices: HashMap<_, _> =
            devices.into_iter().map(ParsedDeviceKey::new).map(|key| (key.device(), key)).collect();
        let devices = Arc::new(devices);
        let pipeline = Pipeline::start(log.clone(), devices.clone(), limits);
        // At least one event of the largest kind, so that each gets its permits.
        let capacity = (limits.bytes / UNIT).max(permits(MAX_BODY_BYTES)).min(Semaphore::MAX_PERMITS);
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        let budget = Arc::new(Semaphore::new(capacity as usize));
        let keys = Arc::new(keys);
        Self { inner: Arc::new(Inner { log, keys, devices, budget, capacity, limits, pipeline }) }
    }

    /// Admits an event that a device signed. Resolves when it is on disk.
    ///
    /// The same event brought again gets the same receipt. A device's events are to come in order, but the next need not
    /// wait for the receipt of the last.
    pub async fn signed(&self, event: SignedEvent, body: Body) -> Result<Receipt, IngestError> {
        self.signed_batch(vec![(event, body)]).await.pop().unwrap_or(Err(IngestError::Closed))
    }

    /// Admits many events, in order. One result for each, in the same order; a bad one costs only itself and those of
    /// its device that follow it.
    pub async fn signed_batch(&self, events: Vec<(SignedEvent, Body)>) -> Vec<Result<Receipt, IngestError>> {
        let mut answers = Vec::new();
        let mut part = Part::default();
        for (event, body) in events {
            let bytes = body.encoded_size();
            if part.full(bytes, &self.inner.limits) {
                answers.push(self.send(std::mem::take(&mut part)).await);
            }
            part.push(event, body, bytes);
        }
        answers.push(self.send(part).await);
        let mut results = Vec::new();
        for (count, answer) in answers {
            match answer.await {
                Ok(part) => results.extend(part),
                Err(_) => results.extend(std::iter::repeat_n(Err(IngestError::Closed), count)),
            }
        }
        results
    }

    /// Admits readings of a hosted device as one event, which the gateway signs. Resolves when it is on disk.
    pub async fn readings(&self, device: DeviceId, readings: Vec<Reading>) -> Result<Receipt, IngestError> {
        self.host(device, hosted::readings(readings)?).await
    }

    /// Admits a word on a hosted device's condition. Resolves when it is on disk.
    pub async fn status(&self, device: DeviceId, text: &str) -> Result<Receipt, IngestError> {
        self.host(device, hosted::status(text)?).await
    }

    /// The devices whose events are admitted.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &DeviceKey)> {
        self.inner.devices.values().map(|key| (key.device(), key.key()))
    }

    /// Takes nothing more, and resolves when what was taken is answered.
    pub async fn close(&self) {
        // No permits, no way in; what holds permits now is on its way out.
        self.inner.budget.close();
        self.inner.pipeline.close().await;
    }

    /// Sends a part on its way, waiting until there is room for it.
    async fn send(&self, part: Part) -> (usize, Answer) {
        let (reply, answer) = oneshot::channel();
        let count = part.events.len();
        // An error leaves `reply` to be dropped, which the answer tells as closed.
        if let Ok(permit) = self.inner.budget.clone().acquire_many_owned(self.clamp(part.permits)).await {
            let submission =
                Submission { events: part.events, received: crate::clock::now_ms(), reply, permit };
            self.inner.pipeline.send(submission).await;
        }
        (count, answer)
    }

    async fn host(&self, device: DeviceId, content: hosted::Content) -> Result<Receipt, IngestError> {
        let key = self.inner.devices.get(&device).ok_or(IngestError::UnknownDevice { device })?;
        if !matches!(key.key(), DeviceKey::Hosted { gateway, .. } if *gateway == self.inner.keys.account()) {
            return Err(IngestError::NotHosted { device });
        }
        let bytes = content.body().encoded_size();
        if bytes > MAX_BODY_BYTES {
            return Err(Refusal::BodyTooLarge { bytes }.into());
        }
        let permits = self.clamp(permits(bytes));
        let _permit = self.inner.budget.acquire_many(permits).await.map_err(|_| IngestError::Closed)?;
        let proposal = hosted::propose(content, device, self.inner.keys.clone(), self.inner.devices.clone());
        let mut results = self.inner.log.admit(vec![proposal]).await;
        results.pop().unwrap_or(Err(crate::log::LogError::Closed)).map_err(IngestError::from)
    }

    /// An event beyond the largest is refused later; until then it takes what there is.
    fn clamp(&self, permits: usize) -> u32 {
        u32::try_from(permits).unwrap_or(u32::MAX).min(self.inner.capacity)
    }
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("log", &self.inner.log)
            .field("devices", &self.inner.devices.len())
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

type Answer = oneshot::Receiver<Vec<Result<Receipt, IngestError>>>;

/// Events that travel together.
#[derive(Default)]
struct Part {
    events: Vec<(SignedEvent, Body)>,
    permits: usize,
}

impl Part {
    /// Whether one more would be too many.
    fn full(&self, bytes: usize, limits: &Limits) -> bool {
        !self.events.is_empty()
            && (self.events.len() >= limits.batch || self.permits + permits(bytes) > limits.bytes / UNIT)
    }

    fn push(&mut self, event: SignedEvent, body: Body, bytes: usize) {
        self.permits += permits(bytes);
        self.events.push((event, body));
    }
}

/// What an event takes of the budget: it is held twice, as it came and as it is to be written.
fn permits(body_bytes: usize) -> usize {
    (EVENT_BYTES + body_bytes).saturating_mul(2).div_ceil(UNIT)
}
