//! The way of signed events to the log: gather, verify, hand over in the order in which they came.

use super::{IngestError, Limits};
use crate::log::{Log, LogError, NewEntry, Proposal, Receipt};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use streembit_primitives::{
    event::{self, ParsedDeviceKey},
    Body, DeviceId, SignedEvent,
};
use tokio::{
    sync::{mpsc, oneshot, OwnedSemaphorePermit},
    task::JoinHandle,
};

/// How many submissions may wait to be gathered; their bytes are bounded apart.
const QUEUE: usize = 1024;

type Results = Vec<Result<Receipt, IngestError>>;

/// Events that came together, and who waits for them.
pub(super) struct Submission {
    pub(super) events: Vec<(SignedEvent, Body)>,
    /// The gateway's clock when they came.
    pub(super) received: u64,
    pub(super) reply: oneshot::Sender<Results>,
    /// Their share of the budget, given back with the answer.
    pub(super) permit: OwnedSemaphorePermit,
}

/// A submission after verification.
struct Checked {
    entries: Vec<Result<Box<NewEntry>, IngestError>>,
    reply: oneshot::Sender<Results>,
    permit: OwnedSemaphorePermit,
}

/// The running pipeline.
pub(super) struct Pipeline {
    queue: Mutex<Option<mpsc::Sender<Submission>>>,
    forwarding: Mutex<Option<JoinHandle<()>>>,
}

impl Pipeline {
    pub(super) fn start(log: Log, devices: Arc<HashMap<DeviceId, ParsedDeviceKey>>, limits: Limits) -> Self {
        let (queue, submissions) = mpsc::channel(QUEUE);
        // A place for each batch that is being verified: gathering waits for one, and so batches grow under load.
        let (jobs, verified) = mpsc::channel(limits.verifiers.max(1));
        tokio::spawn(gather(submissions, jobs, devices, limits.batch.max(1)));
        let forwarding = tokio::spawn(forward(verified, log));
        Self { queue: Mutex::new(Some(queue)), forwarding: Mutex::new(Some(forwarding)) }
    }

    /// Waits for a place; a closed pipeline drops the submission, which its answer tells.
    pub(super) async fn send(&self, submission: Submission) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(queue) = queue {
            let _ = queue.send(submission).await;
        }
    }

    /// Takes nothing more; resolves when all that was taken is with the log's writer.
    pub(super) async fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let forwarding = self.forwarding.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(forwarding) = forwarding {
            if forwarding.await.is_err() {
                tracing::error!("the way from verification to the log ended in a panic");
            }
        }
    }
}

/// Takes what waits, starts its verification, and keeps the order in which it came.
async fn gather(
    mut submissions: mpsc::Receiver<Submission>,
    jobs: mpsc::Sender<JoinHandle<Vec<Checked>>>,
    devices: Arc<HashMap<DeviceId, ParsedDeviceKey>>,
    most: usize,
) {
    loop {
        let Ok(place) = jobs.reserve().await else { return };
        let Some(first) = submissions.recv().await else { return };
        let mut events = first.events.len();
        let mut batch = vec![first];
        while events < most {
            let Ok(next) = submissions.try_recv() else { break };
            events += next.events.len();
            batch.push(next);
        }
        let devices = devices.clone();
        place.send(tokio::task::spawn_blocking(move || verify(batch, &devices)));
    }
}

/// Hands verified events to the log's writer, in order, waiting for a place in its queue.
async fn forward(mut verified: mpsc::Receiver<JoinHandle<Vec<Checked>>>, log: Log) {
    while let Some(job) = verified.recv().await {
        // A panic in verification drops its submissions, which their answers tell.
        let Ok(batch) = job.await else {
            tracing::error!("a batch of events could not be verified: the verification ended in a panic");
            continue;
        };
        for checked in batch {
            let (proposals, answer) = checked.split();
            if log.enqueue(proposals, Box::new(|results| answer.give(results))).await.is_err() {
                tracing::error!("the log's writer has ended: no more events are taken");
                return;
            }
        }
    }
}

/// Verifies the events of several submissions in one batch.
fn verify(batch: Vec<Submission>, devices: &HashMap<DeviceId, ParsedDeviceKey>) -> Vec<Checked> {
    let count = batch.iter().map(|submission| submission.events.len()).sum();
    let mut events = Vec::with_capacity(count);
    let mut bodies = Vec::with_capacity(count);
    let mut open = Vec::with_capacity(batch.len());
    for submission in batch {
        let Submission { events: signed, received, reply, permit } = submission;
        let mut slots = Vec::with_capacity(signed.len());
        for (event, body) in signed {
            let (device, sequence) = (event.header.device, event.header.sequence);
            slots.push(match devices.get(&device) {
                None => Err(IngestError::UnknownDevice { device }),
                Some(key) => {
                    events.push((event, key));
                    bodies.push(body);
                    Ok((device, sequence))
                }
            });
        }
        open.push((slots, received, reply, permit));
    }
    let mut verified = event::verify_batch(events).into_iter().zip(bodies);
    open.into_iter()
        .map(|(slots, received, reply, permit)| {
            let entries = slots
                .into_iter()
                .map(|slot| {
                    let (device, sequence) = slot?;
                    let (event, body) = verified.next().ok_or(IngestError::Closed)?;
                    let event =
                        event.map_err(|error| IngestError::NotVerified { device, sequence, error })?;
                    Ok(Box::new(NewEntry::new(event, &body, received)?))
                })
                .collect();
            Checked { entries, reply, permit }
        })
        .collect()
}

/// Who waits for a submission, and what is already known of it.
struct Answer {
    /// `Ok` where the log has the word.
    known: Vec<Result<(), IngestError>>,
    reply: oneshot::Sender<Results>,
    permit: OwnedSemaphorePermit,
}

impl Checked {
    /// What the log is to admit, and the rest.
    fn split(self) -> (Vec<Proposal>, Answer) {
        let mut proposals = Vec::with_capacity(self.entries.len());
        let known = self
            .entries
            .into_iter()
            .map(|entry| entry.map(|entry| proposals.push(Proposal::Entry(entry))))
            .collect();
        (proposals, Answer { known, reply: self.reply, permit: self.permit })
    }
}

impl Answer {
    fn give(self, results: Vec<Result<Receipt, LogError>>) {
        let mut results = results.into_iter();
        let all = self
            .known
            .into_iter()
            .map(|known| {
                known?;
                Ok(results.next().unwrap_or(Err(LogError::Closed))?)
            })
            .collect();
        drop(self.permit);
        // Nobody waits any more: the caller was dropped, the events are in.
        let _ = self.reply.send(all);
    }
}
