//! Verifies signed events on threads of its own.
//!
//! Each thread takes the waiting submissions, verifies their events in one batch, and queues them for the log. Several
//! batches are verified in parallel, and the log receives them in the order in which they were taken.

use super::{
    devices::{Device, Devices, Snapshot},
    sequencer::{Sequencer, Ticket},
    IngestError, Limits,
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};
use streembit_log::{Append, AppendError, Log, NewEntry, Proposal, Receipt};
use streembit_primitives::{
    event::{self, EventError},
    Body, LogId, SignedEvent, VerifiedEvent,
};
use tokio::sync::{mpsc, oneshot, OwnedSemaphorePermit};

/// The number of submissions that can wait for a verifier. The byte budget bounds their size.
const QUEUE: usize = 1024;

/// One result per event of a submission, in the same order.
pub(super) type Results = Vec<Result<Receipt, IngestError>>;

/// Events that a caller submits together, and the caller's reply channel.
pub(super) struct Submission {
    pub(super) events: Vec<(SignedEvent, Body)>,
    /// The gateway's clock at submission, in milliseconds since the Unix epoch.
    pub(super) received: u64,
    pub(super) reply: oneshot::Sender<Results>,
    /// The submission's share of the byte budget, released with the reply.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The verifier threads. They end after [`Verifiers::close`], or when this handle is dropped.
pub(super) struct Verifiers {
    queue: Mutex<Option<mpsc::Sender<Submission>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Verifiers {
    /// Starts `limits.verifiers` threads, which verify with the keys of `devices` and append to `log`.
    pub(super) fn start(log: &Log, devices: &Arc<Devices>, limits: Limits) -> std::io::Result<Self> {
        let (devices, id) = (devices.clone(), log.id());
        Self::start_with(log, limits, move |submissions| verify(submissions, &devices.snapshot(), &id))
    }

    /// Starts the threads with the function that verifies a batch, which a test can replace.
    pub(super) fn start_with(
        log: &Log,
        limits: Limits,
        verify: impl Fn(Vec<Submission>) -> Vec<Append> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (queue, submissions) = mpsc::channel(QUEUE);
        let log = log.clone();
        let sequencer = Sequencer::new(move |appends| {
            // On an error the appends are dropped and their callers receive `IngestError::Closed`.
            if log.append_blocking(appends).is_err() {
                tracing::error!("the log's writer has ended; no more events are admitted");
            }
        });
        let intake = Arc::new(Mutex::new(Intake { submissions, sequencer }));
        let verify = Arc::new(verify);
        let threads = (0..limits.verifiers.max(1))
            .map(|number| {
                let (intake, verify) = (intake.clone(), verify.clone());
                std::thread::Builder::new().name(format!("verifier-{number}")).spawn(move || {
                    while let Some((submissions, ticket)) = take(&intake, limits.batch.max(1)) {
                        // A panic costs only its own batch: its callers receive `IngestError::Closed`.
                        match catch_unwind(AssertUnwindSafe(|| verify(submissions))) {
                            Ok(appends) => ticket.complete(appends),
                            Err(_) => tracing::error!("verifying events panicked; the batch is not admitted"),
                        }
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Queues a submission, waiting for a place. After [`Self::close`] the submission is dropped, which closes its
    /// reply channel.
    pub(super) async fn submit(&self, submission: Submission) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(queue) = queue {
            let _ = queue.send(submission).await;
        }
    }

    /// Stops accepting submissions. Resolves when all accepted ones are in the log's queue.
    pub(super) async fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined =
            tokio::task::spawn_blocking(|| threads.into_iter().all(|thread| thread.join().is_ok())).await;
        if !matches!(joined, Ok(true)) {
            tracing::error!("a verifier thread panicked; its submissions were not admitted");
        }
    }
}

impl Drop for Verifiers {
    /// Waits for the threads, so that none of them still holds the log when the process ends.
    fn drop(&mut self) {
        *self.queue.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A reply may hold the last clone of the pipeline and run this on a verifier, which cannot join itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a verifier thread panicked; its submissions were not admitted");
            }
        }
    }
}

/// The receiving end of the queue, and the order. A thread that has locked it takes the next submissions and their
/// ticket.
struct Intake {
    submissions: mpsc::Receiver<Submission>,
    sequencer: Sequencer<Vec<Append>>,
}

/// Waits for a submission, and takes all queued ones up to `batch` events. Returns `None` if the queue is closed and
/// empty.
fn take(intake: &Mutex<Intake>, batch: usize) -> Option<(Vec<Submission>, Ticket<Vec<Append>>)> {
    let mut intake = intake.lock().unwrap_or_else(PoisonError::into_inner);
    let first = intake.submissions.blocking_recv()?;
    let mut events = first.events.len();
    let mut taken = vec![first];
    while events < batch {
        let Ok(next) = intake.submissions.try_recv() else { break };
        events += next.events.len();
        taken.push(next);
    }
    Some((taken, intake.sequencer.issue()))
}

/// The body of an event in verification, and the place of its result.
struct Pending {
    submission: usize,
    event: usize,
    device: Arc<Device>,
    sequence: u64,
    body: Body,
    /// The event itself, if another key of the device can have signed it.
    kept: Option<SignedEvent>,
}

/// Verifies the events of several submissions in one batch. Each submission becomes one append.
pub(super) fn verify(submissions: Vec<Submission>, devices: &Snapshot, log: &LogId) -> Vec<Append> {
    let count = submissions.iter().map(|submission| submission.events.len()).sum();
    let (mut events, mut pending) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut answers = Vec::with_capacity(submissions.len());
    for Submission { events: submitted, received, reply, permit } in submissions {
        let mut answer = Answer::new(submitted.len(), received, reply, permit);
        for (index, (event, body)) in submitted.into_iter().enumerate() {
            let (id, sequence) = (event.header.device, event.header.sequence);
            let Some(device) = devices.get(&id) else {
                answer.refuse(index, IngestError::UnknownDevice { device: id });
                continue;
            };
            let placed = device.ensure_in_log(log, sequence).map_err(IngestError::from);
            let waits = device.ensure_not_paused(sequence);
            let shown = super::ensure_shown(&body);
            if let Err(error) = device.ensure_placed().and(placed).and(waits).and(shown) {
                answer.refuse(index, error);
                continue;
            }
            let kept = device.has_other_keys().then(|| event.clone());
            let submission = answers.len();
            pending.push(Pending { submission, event: index, device: device.clone(), sequence, body, kept });
            events.push((event, device.key_at(sequence)));
        }
        answers.push(answer);
    }
    for (verified, pending) in event::verify_batch(events).into_iter().zip(pending) {
        if let Some(answer) = answers.get_mut(pending.submission) {
            answer.add(pending, verified);
        }
    }
    answers.into_iter().map(Answer::into_append).collect()
}

/// The answer to one submission, before the log has decided on the verified events.
struct Answer {
    /// One per event: the error if it is refused, or `None` if it is among the proposals.
    refusals: Vec<Option<IngestError>>,
    proposals: Vec<Proposal>,
    received: u64,
    reply: oneshot::Sender<Results>,
    permit: OwnedSemaphorePermit,
}

impl Answer {
    fn new(
        events: usize,
        received: u64,
        reply: oneshot::Sender<Results>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { refusals: vec![None; events], proposals: Vec::with_capacity(events), received, reply, permit }
    }

    fn refuse(&mut self, event: usize, error: IngestError) {
        if let Some(refusal) = self.refusals.get_mut(event) {
            *refusal = Some(error);
        }
    }

    fn add(&mut self, pending: Pending, verified: Result<VerifiedEvent, EventError>) {
        let Pending { event, device, sequence, body, kept, .. } = pending;
        let not_verified = |error| {
            let other_key = kept.and_then(|event| device.signed_with_other_key(&event));
            other_key.unwrap_or(IngestError::NotVerified { device: device.id(), sequence, error })
        };
        let entry = verified
            .map_err(not_verified)
            .and_then(|verified| Ok(NewEntry::new(verified, &body, self.received)?))
            .map(|entry| device.with_lineage(entry));
        match entry {
            Ok(entry) => self.proposals.push(Proposal::Entry(Box::new(entry))),
            Err(error) => self.refuse(event, error),
        }
    }

    fn into_append(self) -> Append {
        let Self { refusals, proposals, reply, permit, .. } = self;
        let reply = Box::new(move |results: Vec<Result<Receipt, AppendError>>| {
            let mut results = results.into_iter();
            let answer = refusals
                .into_iter()
                .map(|refusal| match refusal {
                    Some(error) => Err(error),
                    None => Ok(results.next().unwrap_or(Err(AppendError::Closed))?),
                })
                .collect();
            drop(permit);
            // Fails if the caller is gone. Its events are in the log all the same.
            let _ = reply.send(answer);
        });
        Append { proposals, reply }
    }
}
