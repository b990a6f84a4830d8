//! The producers: devices that sign, and readings that the gateway signs, all at once over the gateway's Unix socket; and
//! somebody who has bodies erased.
//!
//! A device that signs sends what was not acknowledged again, unchanged, until it is. A reading without an answer is
//! given up: it may be in the log or not, once at most.

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

/// How many readings of one hosted device are under way at once.
const AT_ONCE: u32 = 4;

/// The pauses of a producer between two requests, in milliseconds.
const PAUSES: std::ops::Range<u64> = 2..25;

/// The producers of one log.
pub struct Producers {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    paused: Option<OwnedRwLockWriteGuard<()>>,
    runtime: tokio::runtime::Handle,
}

struct Shared {
    /// Held to read by each request: whoever holds it to write knows that none is under way.
    gate: Arc<RwLock<()>>,
    /// How many events a request carries.
    batch: AtomicUsize,
    ledger: Mutex<Ledger>,
    client: reqwest::Client,
}

impl Producers {
    /// Producers for the gateway behind `socket`, paused; hosted devices by name.
    pub fn new(
        runtime: tokio::runtime::Handle,
        socket: &Path,
        meters: Vec<SigningDevice>,
        hosted: &[String],
    ) -> Result<Self> {
        let client = reqwest::Client::builder()
            .unix_socket(PathBuf::from(socket))
            .timeout(Duration::from_secs(30))
            .build()?;
        let producers = meters.len() + hosted.len() * AT_ONCE as usize;
        let ledger = Mutex::new(Ledger { progress: vec![0; producers], ..Ledger::default() });
        let shared = Arc::new(Shared { gate: Arc::default(), batch: AtomicUsize::new(1), ledger, client });
        let paused = runtime.block_on(shared.gate.clone().write_owned());
        let mut load = Self { shared, tasks: Vec::new(), paused: Some(paused), runtime };
        for (at, meter) in meters.into_iter().enumerate() {
            let task = load.runtime.spawn(signing(load.shared.clone(), at, meter));
            load.tasks.push(task);
        }
        for name in hosted {
            for lane in 0..AT_ONCE {
                let at = load.tasks.len();
                let task = load.runtime.spawn(hosting(load.shared.clone(), at, name.clone(), lane));
                load.tasks.push(task);
            }
        }
        let task = load.runtime.spawn(erasing(load.shared.clone()));
        load.tasks.push(task);
        Ok(load)
    }

    /// Lets them send, so many events in each request of a device that signs.
    pub fn resume(&mut self, batch: usize) {
        self.shared.batch.store(batch, Ordering::Relaxed);
        self.paused = None;
    }

    /// Stops them, and waits until every request is answered or lost.
    pub fn pause(&mut self) {
        if self.paused.is_none() {
            self.paused = Some(self.runtime.block_on(self.shared.gate.clone().write_owned()));
        }
    }

    /// What they heard.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger()
    }

    /// How many events are acknowledged by now.
    pub fn acknowledged(&self) -> u64 {
        self.ledger().acknowledged
    }

    /// Waits until every producer had an acknowledgement more.
    pub fn wait_for_progress(&self, seconds: u64, mut alive: impl FnMut() -> Result<()>) -> Result<()> {
        let before = self.ledger().progress.clone();
        wait_until("every producer is acknowledged again", seconds, || {
            alive()?;
            let ledger = self.ledger();
            if let Some(violation) = ledger.violations.first() {
                return Err(crate::Unrecoverable(violation.clone()).into());
            }
            let waiting = ledger.progress.iter().zip(&before).filter(|(now, before)| now <= before).count();
            ensure!(waiting == 0, "{waiting} of {} wait", before.len());
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

    /// An answer of the gateway: its status and what it says.
    async fn post(&self, path: &str, body: Vec<u8>, kind: &str) -> Result<(u16, Value)> {
        let request = self.client.post(format!("http://gateway{path}")).header("content-type", kind);
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?)?))
    }

    /// Some acknowledged events of a device, noted as to be erased.
    fn choose(&self) -> Option<(DeviceId, u64, u64)> {
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

async fn signing(shared: Arc<Shared>, at: usize, mut meter: SigningDevice) {
    let mut pending: Vec<(SignedEvent, Body)> = Vec::new();
    let mut value = 0;
    loop {
        let open = shared.gate.read().await;
        while pending.len() < shared.batch.load(Ordering::Relaxed) {
            let Ok(next) = meter.next(value, 1_700_000_000_000 + u64::from(value)) else { break };
            value += 1;
            let hash = next.0.header.hash();
            shared.ledger().devices.entry(meter.id()).or_default().signed.push(hash);
            pending.push(next);
        }
        match shared.post("/v1/events/batch", pending.encode(), "application/octet-stream").await {
            Ok((200, answer)) => {
                if let Err(error) = shared.note(at, &mut pending, &answer) {
                    shared.violation(format!("an answer that cannot be read ({error:#}): {answer}"));
                }
            }
            Ok((500.., _)) => shared.ledger().failed += 1,
            Ok((status, answer)) => shared.violation(format!("{status} for a good batch: {answer}")),
            Err(_) => shared.ledger().unanswered += 1,
        }
        drop(open);
        pause().await;
    }
}

impl Shared {
    /// Takes what was acknowledged out of `pending`.
    fn note(&self, at: usize, pending: &mut Vec<(SignedEvent, Body)>, answer: &Value) -> Result<()> {
        let results = answer.get("results").and_then(Value::as_array).context("no results")?;
        ensure!(results.len() == pending.len(), "{} results for {} events", results.len(), pending.len());
        let mut ledger = self.ledger();
        let mut left = Vec::new();
        for (event, result) in std::mem::take(pending).into_iter().zip(results) {
            let Some(receipt) = result.get("receipt") else {
                let status = result.pointer("/problem/status").and_then(Value::as_u64).unwrap_or(0);
                // Only the first of what is left says anything: the others follow one that was not taken.
                if left.is_empty() && status < 500 {
                    let sequence = event.0.header.sequence;
                    ledger.violations.push(format!("good event {sequence} is refused: {result}"));
                }
                ledger.failed += 1;
                left.push(event);
                continue;
            };
            let header = &event.0.header;
            let (sequence, position) = (u64_at(receipt, "/sequence")?, position(receipt)?);
            let device: DeviceId = str_at(receipt, "/device")?.parse().ok().context("no device's id")?;
            if (device, sequence, position.hash) != (header.device, header.sequence, header.hash()) {
                ledger.violations.push(format!("a receipt of another event: {receipt}"));
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

    /// One reading of the gateway's making.
    fn note_reading(&self, at: usize, value: u32, receipt: &Value) -> Result<()> {
        let device: DeviceId = str_at(receipt, "/device")?.parse().ok().context("no device's id")?;
        let sequence = u64_at(receipt, "/sequence")?;
        let mut ledger = self.ledger();
        ledger.acknowledge(device, sequence, position(receipt)?);
        if let Some(before) = ledger.devices.entry(device).or_default().values.insert(sequence, value) {
            let text = format!("event {sequence} of {device} was acknowledged for {before} and for {value}");
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

async fn hosting(shared: Arc<Shared>, at: usize, name: String, lane: u32) {
    let path = format!("/v1/devices/{name}/readings");
    for value in (lane..).step_by(AT_ONCE as usize) {
        let open = shared.gate.read().await;
        let reading = json!({"name": "count", "value": {"decimal": value.to_string()}});
        let body = json!({"readings": [reading]}).to_string().into_bytes();
        match shared.post(&path, body, "application/json").await {
            Ok((200, receipt)) => {
                if let Err(error) = shared.note_reading(at, value, &receipt) {
                    shared.violation(format!("a receipt that cannot be read ({error:#}): {receipt}"));
                }
            }
            Ok((500.., _)) => shared.ledger().failed += 1,
            Ok((status, answer)) => shared.violation(format!("{status} for a good reading: {answer}")),
            Err(_) => shared.ledger().unanswered += 1,
        }
        drop(open);
        pause().await;
    }
}

/// Now and then has some bodies erased of what was acknowledged.
async fn erasing(shared: Arc<Shared>) {
    loop {
        let milliseconds = rand::thread_rng().gen_range(200..1_500);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let open = shared.gate.read().await;
        let Some((device, first, last)) = shared.choose() else { continue };
        let body = json!({"device": device.to_string(), "first": first, "last": last}).to_string();
        let answer = shared.post("/v1/erasures", body.into_bytes(), "application/json").await;
        let mut ledger = shared.ledger();
        match answer {
            Ok((200, _)) => ledger.devices.entry(device).or_default().erased.extend(first..=last),
            Ok((500.., _)) => ledger.failed += 1,
            Ok((status, answer)) => ledger.violations.push(format!("{status} for an erasure: {answer}")),
            Err(_) => ledger.unanswered += 1,
        }
        drop(ledger);
        drop(open);
    }
}

async fn pause() {
    let pause = rand::thread_rng().gen_range(PAUSES);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
