//! The producers: signing devices, readings of hosted devices, and erasures, all at the same time over the gateway's
//! Unix socket.
//!
//! A signing device sends an event again, unchanged, until it is acknowledged. A reading without a response is not
//! sent again: it may be in the log, but at most once.

use super::ledger::{Ledger, LogPosition};
use crate::{str_at, u64_at, wait_until, SigningDevice};
use anyhow::{ensure, Context, Result};
use codec::Encode as _;
use rand::Rng as _;
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    time::Duration,
};
use streembit_primitives::{Body, DeviceId, SignedEvent};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// How many readings of one hosted device are sent concurrently.
const CONCURRENT_READINGS: u32 = 4;

/// The range of a producer's pauses between two requests, in milliseconds.
const PAUSES: std::ops::Range<u64> = 2..25;

/// The producers of one log.
pub struct Producers {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    paused: Option<OwnedRwLockWriteGuard<()>>,
    runtime: tokio::runtime::Handle,
}

struct Shared {
    /// Each request holds a read lock. The write lock is available only when no request is in flight.
    gate: Arc<RwLock<()>>,
    /// The number of events in a request.
    batch: AtomicUsize,
    ledger: Mutex<Ledger>,
    client: reqwest::Client,
}

impl Producers {
    /// Starts paused producers for the gateway behind `socket`.
    pub fn new(
        runtime: tokio::runtime::Handle,
        socket: &Path,
        signing: Vec<SigningDevice>,
        hosted: &[String],
    ) -> Result<Self> {
        let client = reqwest::Client::builder()
            .unix_socket(PathBuf::from(socket))
            .timeout(Duration::from_secs(30))
            .build()?;
        let producers = signing.len() + hosted.len() * CONCURRENT_READINGS as usize;
        let ledger = Mutex::new(Ledger { progress: vec![0; producers], ..Ledger::default() });
        let shared = Arc::new(Shared { gate: Arc::default(), batch: AtomicUsize::new(1), ledger, client });
        let paused = runtime.block_on(shared.gate.clone().write_owned());
        let mut load = Self { shared, tasks: Vec::new(), paused: Some(paused), runtime };
        for (at, device) in signing.into_iter().enumerate() {
            let task = load.runtime.spawn(run_signing_device(load.shared.clone(), at, device));
            load.tasks.push(task);
        }
        for name in hosted {
            for lane in 0..CONCURRENT_READINGS {
                let at = load.tasks.len();
                let task = load.runtime.spawn(run_hosted_device(load.shared.clone(), at, name.clone(), lane));
                load.tasks.push(task);
            }
        }
        let task = load.runtime.spawn(run_erasures(load.shared.clone()));
        load.tasks.push(task);
        Ok(load)
    }

    /// Resumes the producers. Requests of signing devices carry `batch` events.
    pub fn resume(&mut self, batch: usize) {
        self.shared.batch.store(batch, Ordering::Relaxed);
        self.paused = None;
    }

    /// Pauses the producers, and waits until no request is in flight.
    pub fn pause(&mut self) {
        if self.paused.is_none() {
            self.paused = Some(self.runtime.block_on(self.shared.gate.clone().write_owned()));
        }
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger()
    }

    /// The number of acknowledged events.
    pub fn acknowledged(&self) -> u64 {
        self.ledger().acknowledged
    }

    /// Waits until every producer has received another acknowledgement.
    pub fn wait_for_progress(&self, seconds: u64, mut alive: impl FnMut() -> Result<()>) -> Result<()> {
        let before = self.ledger().progress.clone();
        wait_until("every producer is acknowledged again", seconds, || {
            alive()?;
            let ledger = self.ledger();
            if let Some(violation) = ledger.violations.first() {
                return Err(crate::Unrecoverable(violation.clone()).into());
            }
            let waiting = ledger.progress.iter().zip(&before).filter(|(now, before)| now <= before).count();
            ensure!(waiting == 0, "{waiting} of {} producers are waiting", before.len());
            Ok(())
        })
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and returns the status and body of the response.
    async fn post(&self, path: &str, body: Vec<u8>, kind: &str) -> Result<(u16, Value)> {
        let request = self.client.post(format!("http://gateway{path}")).header("content-type", kind);
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?)?))
    }

    /// Chooses some acknowledged events of a device and records their erasure as requested.
    fn choose_events_to_erase(&self) -> Option<(DeviceId, u64, u64)> {
        let mut ledger = self.ledger();
        let at = rand::thread_rng().gen_range(0..ledger.devices.len().max(1));
        let (id, device) = ledger.devices.iter_mut().nth(at)?;
        let newest = *device.acknowledged.last_key_value()?.0;
        let first = rand::thread_rng().gen_range(0..=newest);
        let last = newest.min(first + rand::thread_rng().gen_range(0..30));
        if (first..=last).any(|sequence| !device.acknowledged.contains_key(&sequence)) {
            return None;
        }
        device.erasing.extend(first..=last);
        Some((*id, first, last))
    }

    fn violation(&self, text: String) {
        self.ledger().violations.push(text);
    }
}

async fn run_signing_device(shared: Arc<Shared>, at: usize, mut device: SigningDevice) {
    let mut pending: Vec<(SignedEvent, Body)> = Vec::new();
    let mut value = 0;
    loop {
        let in_flight = shared.gate.read().await;
        while pending.len() < shared.batch.load(Ordering::Relaxed) {
            let Ok(next) = device.next(value, 1_700_000_000_000 + u64::from(value)) else { break };
            value += 1;
            let hash = next.0.header.hash();
            shared.ledger().devices.entry(device.id()).or_default().signed.push(hash);
            pending.push(next);
        }
        match shared.post("/v1/events/batch", pending.encode(), "application/octet-stream").await {
            Ok((200, answer)) => {
                if let Err(error) = shared.record_batch(at, &mut pending, &answer) {
                    shared.violation(format!("unreadable response ({error:#}): {answer}"));
                }
            }
            Ok((500.., _)) => shared.ledger().failed += 1,
            Ok((status, answer)) => shared.violation(format!("status {status} for a valid batch: {answer}")),
            Err(_) => shared.ledger().unanswered += 1,
        }
        drop(in_flight);
        pause().await;
    }
}

impl Shared {
    /// Records the response to a batch, and removes acknowledged events from `pending`.
    fn record_batch(&self, at: usize, pending: &mut Vec<(SignedEvent, Body)>, answer: &Value) -> Result<()> {
        let results = answer.get("results").and_then(Value::as_array).context("no results")?;
        ensure!(results.len() == pending.len(), "{} results for {} events", results.len(), pending.len());
        let mut ledger = self.ledger();
        let mut left = Vec::new();
        for (event, result) in std::mem::take(pending).into_iter().zip(results) {
            let Some(receipt) = result.get("receipt") else {
                let status = result.pointer("/problem/status").and_then(Value::as_u64).unwrap_or(0);
                // Only the first remaining event has a telling status: the others fail because they follow it.
                if left.is_empty() && status < 500 {
                    let sequence = event.0.header.sequence;
                    ledger.violations.push(format!("valid event {sequence} was rejected: {result}"));
                }
                ledger.failed += 1;
                left.push(event);
                continue;
            };
            let header = &event.0.header;
            let (sequence, position) = (u64_at(receipt, "/sequence")?, position(receipt)?);
            let device: DeviceId = str_at(receipt, "/device")?.parse().ok().context("no device id")?;
            if (device, sequence, position.hash) != (header.device, header.sequence, header.hash()) {
                ledger.violations.push(format!("receipt of another event: {receipt}"));
            }
            if !left.is_empty() {
                ledger.violations.push(format!("acknowledged after a gap: {receipt}"));
            }
            ledger.acknowledge(device, sequence, position);
            ledger.advance(at);
        }
        *pending = left;
        Ok(())
    }

    /// Records the response to a reading of a hosted device.
    fn record_reading(&self, at: usize, value: u32, receipt: &Value) -> Result<()> {
        let device: DeviceId = str_at(receipt, "/device")?.parse().ok().context("no device id")?;
        let sequence = u64_at(receipt, "/sequence")?;
        let mut ledger = self.ledger();
        ledger.acknowledge(device, sequence, position(receipt)?);
        if let Some(before) = ledger.devices.entry(device).or_default().values.insert(sequence, value) {
            let text =
                format!("event {sequence} of {device} was acknowledged with {before} and with {value}");
            ledger.violations.push(text);
        }
        ledger.advance(at);
        Ok(())
    }
}

fn position(receipt: &Value) -> Result<LogPosition> {
    let hash = str_at(receipt, "/hash")?.parse().ok().context("no hash")?;
    Ok(LogPosition { hash, index: u64_at(receipt, "/index")? })
}

async fn run_hosted_device(shared: Arc<Shared>, at: usize, name: String, lane: u32) {
    let path = format!("/v1/devices/{name}/readings");
    for value in (lane..).step_by(CONCURRENT_READINGS as usize) {
        let in_flight = shared.gate.read().await;
        let reading = json!({"name": "count", "value": {"decimal": value.to_string()}});
        let body = json!({"readings": [reading]}).to_string().into_bytes();
        match shared.post(&path, body, "application/json").await {
            Ok((200, receipt)) => {
                if let Err(error) = shared.record_reading(at, value, &receipt) {
                    shared.violation(format!("unreadable receipt ({error:#}): {receipt}"));
                }
            }
            Ok((500.., _)) => shared.ledger().failed += 1,
            Ok((status, answer)) => {
                shared.violation(format!("status {status} for a valid reading: {answer}"))
            }
            Err(_) => shared.ledger().unanswered += 1,
        }
        drop(in_flight);
        pause().await;
    }
}

/// Requests the erasure of acknowledged bodies from time to time.
async fn run_erasures(shared: Arc<Shared>) {
    loop {
        let milliseconds = rand::thread_rng().gen_range(200..1_500);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let in_flight = shared.gate.read().await;
        let Some((device, first, last)) = shared.choose_events_to_erase() else { continue };
        let body = json!({"device": device.to_string(), "first": first, "last": last}).to_string();
        let answer = shared.post("/v1/erasures", body.into_bytes(), "application/json").await;
        let mut ledger = shared.ledger();
        match answer {
            Ok((200, _)) => ledger.devices.entry(device).or_default().erased.extend(first..=last),
            Ok((500.., _)) => ledger.failed += 1,
            Ok((status, answer)) => {
                ledger.violations.push(format!("status {status} for an erasure: {answer}"))
            }
            Err(_) => ledger.unanswered += 1,
        }
        drop(ledger);
        drop(in_flight);
    }
}

async fn pause() {
    let pause = rand::thread_rng().gen_range(PAUSES);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
