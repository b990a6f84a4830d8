#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock_mark;
mod devices;
mod error;
mod hosted;
mod sequencer;
mod verifiers;

#[cfg(test)]
mod tests;

pub use devices::ConfiguredDevice;
pub use error::IngestError;

use clock_mark::KnownClock;
use codec::Encode as _;
use devices::Devices;
use std::{sync::Arc, time::Duration};
use streembit_clock::{ClockCheck, ClockState};
use streembit_keystore::KeyPair;
use streembit_log::{AppendError, Lineage, Log, Receipt, Refusal, MAX_BODY_BYTES};
use streembit_primitives::{Body, DeviceId, DeviceKey, Reading, SignedEvent};
use tokio::sync::{oneshot, Semaphore};
use verifiers::{Results, Submission, Verifiers};

/// The bounds on the work in progress.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of events and bodies in progress. Further callers wait.
    pub bytes: usize,
    /// The number of events after which a verification batch takes no more submissions.
    pub batch: usize,
    /// The number of batches that are verified in parallel.
    pub verifiers: usize,
}

impl Default for Limits {
    /// 16 MiB, batches of 4,096 events (larger ones hardly lower the cost per signature), and one verifier per core.
    fn default() -> Self {
        let verifiers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { bytes: 16 << 20, batch: 4096, verifiers }
    }
}

/// Admits events to a log. Clones share one pipeline, which ends when the last clone is dropped.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    log: Log,
    keys: Arc<KeyPair>,
    devices: Arc<Devices>,
    clock: KnownClock,
    /// The byte budget, in permits of [`BYTES_PER_PERMIT`]. An event holds its permits until it is answered.
    budget: Arc<Semaphore>,
    /// The total number of permits.
    capacity: u32,
    limits: Limits,
    verifiers: Verifiers,
}

/// How long events of a device wait at most: longer than a change of its key takes to become final.
pub const PAUSE: Duration = Duration::from_secs(120);

/// The size of one permit of the budget, in bytes.
const BYTES_PER_PERMIT: usize = 64;

/// The approximate size of an event without its body in memory, in bytes.
const EVENT_BYTES: usize = 384;

impl Ingest {
    /// Starts the pipeline into `log`, with the gateway's key and its devices, each given by its key or, if it had other
    /// keys before, as a [`ConfiguredDevice`]. Returns an error if a thread cannot be started.
    pub fn new(
        log: Log,
        keys: KeyPair,
        devices: impl IntoIterator<Item: Into<ConfiguredDevice>>,
    ) -> std::io::Result<Self> {
        Self::with_limits(log, keys, devices, Limits::default())
    }

    /// Starts the pipeline like [`Self::new`], with other limits.
    pub fn with_limits(
        log: Log,
        keys: KeyPair,
        devices: impl IntoIterator<Item: Into<ConfiguredDevice>>,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let devices = Arc::new(Devices::new(devices.into_iter().map(Into::into)));
        let verifiers = Verifiers::start(&log, &devices, limits)?;
        // The budget must cover at least one event of maximum size.
        let capacity =
            (limits.bytes / BYTES_PER_PERMIT).max(permits(MAX_BODY_BYTES)).min(Semaphore::MAX_PERMITS);
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        let budget = Arc::new(Semaphore::new(capacity as usize));
        let keys = Arc::new(keys);
        let clock = KnownClock::new();
        Ok(Self { inner: Arc::new(Inner { log, keys, devices, clock, budget, capacity, limits, verifiers }) })
    }

    /// Admits an event that a device signed. Resolves when the event is on disk.
    ///
    /// A repeated event gets the receipt of the first. The events of a device must arrive in order, but the next one
    /// may be sent before the previous one is acknowledged.
    pub async fn signed(&self, event: SignedEvent, body: Body) -> Result<Receipt, IngestError> {
        let permits = permits(body.encoded_size());
        let results = self.submit(vec![(event, body)], permits).await;
        results.await.ok().and_then(|mut results| results.pop()).unwrap_or(Err(IngestError::Closed))
    }

    /// Admits signed events in order. Returns one result per event, in the same order. If an event is refused, the
    /// later events of its device are refused too, but no others.
    pub async fn signed_batch(&self, events: Vec<(SignedEvent, Body)>) -> Vec<Result<Receipt, IngestError>> {
        let mut answers = Vec::new();
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let (part, permits) = next_part(&mut events, &self.inner.limits);
            answers.push((part.len(), self.submit(part, permits).await));
        }
        let mut results = Vec::new();
        for (count, answer) in answers {
            match answer.await {
                Ok(part) => results.extend(part),
                Err(_) => results.extend(std::iter::repeat_n(Err(IngestError::Closed), count)),
            }
        }
        results
    }

    /// Admits readings of a hosted device as one event, which the gateway signs. Resolves when the event is on disk.
    ///
    /// While the clock is wrong, the event also has a reading with the name [`CLOCK_ERROR`]. If it has no room for it, a
    /// status event before it says so.
    ///
    /// [`CLOCK_ERROR`]: streembit_primitives::reading::CLOCK_ERROR
    pub async fn readings(&self, device: DeviceId, readings: Vec<Reading>) -> Result<Receipt, IngestError> {
        let clock = self.clock();
        if clock.is_wrong() && hosted::is_full(readings.len()) {
            self.host(device, hosted::status(&clock.to_string(), ClockState::Unknown)?).await?;
        }
        self.host(device, hosted::readings(readings, clock)?).await
    }

    /// Admits a status text of a hosted device as one event, which the gateway signs. Resolves when the event is on
    /// disk.
    pub async fn status(&self, device: DeviceId, text: &str) -> Result<Receipt, IngestError> {
        self.host(device, hosted::status(text, self.clock())?).await
    }

    /// Compares the gateway's clock with something that tells the time, such as a block, and returns the result. While the
    /// clock is wrong, the events of hosted devices are marked.
    pub fn compare_clock(&self, with: impl FnOnce(&mut ClockCheck) -> ClockState) -> ClockState {
        self.inner.clock.compare(with)
    }

    /// Returns the state of the gateway's clock.
    pub fn clock(&self) -> ClockState {
        self.inner.clock.state()
    }

    /// Returns the devices whose events are admitted, with the keys that count now.
    pub fn devices(&self) -> Vec<(DeviceId, DeviceKey)> {
        let devices = self.inner.devices.snapshot();
        devices.values().map(|device| (device.id(), device.key().clone())).collect()
    }

    /// Replaces the devices whose events are admitted. A device that stays as it was keeps what the chain says of it.
    pub fn set_devices(&self, devices: impl IntoIterator<Item: Into<ConfiguredDevice>>) {
        self.inner.devices.set(devices.into_iter().map(Into::into));
    }

    /// Returns true if it is known what the chain says of a device.
    pub fn has_lineage(&self, device: &DeviceId) -> bool {
        self.inner.devices.get(device).is_some_and(|device| device.has_lineage())
    }

    /// Sets what the chain says of a device, or `None` if the chain has no record of it: then the configured key counts.
    /// It applies to all events that are verified from now on.
    pub fn set_lineage(&self, device: &DeviceId, lineage: Option<Lineage>) {
        self.inner.devices.set_lineage(device, lineage);
    }

    /// Refuses events of a device from the sequence `from` on, for [`PAUSE`] or until its record changes: its key is being
    /// changed, and an event that the old key signs meanwhile would not count. Of a hosted device, it refuses all readings
    /// and texts. Resolves when the events that were accepted before are on disk.
    ///
    /// # Errors
    ///
    /// [`IngestError::UnknownDevice`] if the gateway does not have the device.
    pub async fn pause(&self, device: DeviceId, from: u64) -> Result<(), IngestError> {
        if !self.inner.devices.pause(&device, from, PAUSE) {
            return Err(IngestError::UnknownDevice { device });
        }
        // Verifiers and the writer answer in order, so the events that they had before are answered when these are.
        let verified = self.submit(Vec::new(), 0).await;
        let (_, _) = tokio::join!(verified, self.inner.log.admit(Vec::new()));
        Ok(())
    }

    /// Ends the pause of a device, because its key does not change after all.
    ///
    /// # Errors
    ///
    /// [`IngestError::UnknownDevice`] if the gateway does not have the device.
    pub fn resume(&self, device: DeviceId) -> Result<(), IngestError> {
        match self.inner.devices.resume(&device) {
            true => Ok(()),
            false => Err(IngestError::UnknownDevice { device }),
        }
    }

    /// Stops admitting events. Resolves when all accepted signed events are in the queue of the log, which still writes
    /// and answers them.
    pub async fn close(&self) {
        // Without permits nothing more is accepted. Events that hold permits are completed.
        self.inner.budget.close();
        self.inner.verifiers.close().await;
    }

    /// Submits events for verification, after waiting for their permits. If ingest is closed, the returned receiver
    /// fails.
    async fn submit(&self, events: Vec<(SignedEvent, Body)>, permits: usize) -> oneshot::Receiver<Results> {
        let (reply, answer) = oneshot::channel();
        if let Ok(permit) = self.inner.budget.clone().acquire_many_owned(self.clamp(permits)).await {
            let received = streembit_clock::now_ms();
            self.inner.verifiers.submit(Submission { events, received, reply, permit }).await;
        }
        answer
    }

    /// Appends an event that the gateway makes and signs for a hosted device.
    async fn host(&self, device: DeviceId, content: hosted::Content) -> Result<Receipt, IngestError> {
        let known = self.inner.devices.get(&device).ok_or(IngestError::UnknownDevice { device })?;
        if !known.is_hosted_by(&self.inner.keys.account()) {
            known.ensure_kept_in(&self.inner.log.id())?;
            return Err(IngestError::NotHosted { device });
        }
        known.ensure_placed()?;
        ensure_shown(content.body())?;
        let bytes = content.body().encoded_size();
        if bytes > MAX_BODY_BYTES {
            return Err(Refusal::BodyTooLarge { bytes }.into());
        }
        let permits = self.clamp(permits(bytes));
        let _permit = self.inner.budget.acquire_many(permits).await.map_err(|_| IngestError::Closed)?;
        // Look at the device again: it may have been paused while this waited. The sequence of its event is not known yet.
        let known = self.inner.devices.get(&device).ok_or(IngestError::UnknownDevice { device })?;
        known.ensure_not_paused(u64::MAX)?;
        let proposal = hosted::propose(content, known, self.inner.log.id(), self.inner.keys.clone());
        let mut results = self.inner.log.admit(vec![proposal]).await;
        results.pop().unwrap_or(Err(AppendError::Closed)).map_err(IngestError::from)
    }

    /// Limits the permits to the capacity. An event that needs more is too large, and is refused later.
    fn clamp(&self, permits: usize) -> u32 {
        u32::try_from(permits).unwrap_or(u32::MAX).min(self.inner.capacity)
    }
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("log", &self.inner.log)
            .field("devices", &self.inner.devices.snapshot().len())
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

/// Returns an error if a text of a new event has hidden characters, with which it could forge what others read about it.
fn ensure_shown(body: &Body) -> Result<(), IngestError> {
    body.hidden_character().map_or(Ok(()), |character| Err(IngestError::Hidden(character)))
}

/// Takes the events for the next submission: as many as fit into one batch and the budget, but at least one. Returns
/// them with the number of permits that they need.
fn next_part(
    events: &mut std::iter::Peekable<std::vec::IntoIter<(SignedEvent, Body)>>,
    limits: &Limits,
) -> (Vec<(SignedEvent, Body)>, usize) {
    let (mut part, mut total) = (Vec::new(), 0);
    while let Some((_, body)) = events.peek() {
        let permits = permits(body.encoded_size());
        let full = part.len() >= limits.batch || total + permits > limits.bytes / BYTES_PER_PERMIT;
        if full && !part.is_empty() {
            break;
        }
        total += permits;
        part.extend(events.next());
    }
    (part, total)
}

/// Returns the permits for an event, which is in memory twice: as received, and encoded for the log.
fn permits(body_bytes: usize) -> usize {
    (EVENT_BYTES + body_bytes).saturating_mul(2).div_ceil(BYTES_PER_PERMIT)
}
