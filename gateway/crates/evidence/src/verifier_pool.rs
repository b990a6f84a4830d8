//! Verifies signatures on all cores, while one core reads and hashes the file.

use std::{
    mem,
    sync::{
        mpsc::{sync_channel, Receiver, SyncSender},
        Arc, Mutex, PoisonError,
    },
    thread::{self, JoinHandle},
};
use streembit_primitives::evidence::{EvidenceError, SignatureBatch, SignatureVerifier};

/// The capacity of the queue, in batches per thread.
const QUEUED_PER_THREAD: usize = 4;
/// Smaller batches are verified on the calling thread.
const MIN_QUEUED_SIGNATURES: usize = 128;

/// A pool of threads that verify batches of signatures. It starts with the first batch that is large enough.
#[derive(Default)]
pub struct VerifierPool {
    queue: Option<SyncSender<SignatureBatch>>,
    workers: Vec<JoinHandle<()>>,
    first_error: FirstError,
}

/// The error of the first batch in the evidence among the verified ones, with the number of events before that batch.
type FirstError = Arc<Mutex<Option<(u64, EvidenceError)>>>;

impl VerifierPool {
    fn start(&mut self) {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let (queue, batches) = sync_channel(count * QUEUED_PER_THREAD);
        let batches = Arc::new(Mutex::new(batches));
        for number in 0..count {
            let (batches, first_error) = (batches.clone(), self.first_error.clone());
            let worker = thread::Builder::new().name(format!("verify-{number}"));
            // If a thread cannot be started, the other threads do its work. If there are none, the caller does.
            self.workers.extend(worker.spawn(move || run_worker(&batches, &first_error)));
        }
        self.queue = Some(queue);
    }

    /// Returns the first error so far.
    fn result(&self) -> Result<(), EvidenceError> {
        match &*self.first_error.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl SignatureVerifier for VerifierPool {
    fn submit(&mut self, batch: SignatureBatch) -> Result<(), EvidenceError> {
        if batch.len() < MIN_QUEUED_SIGNATURES {
            verify_batch(batch, &self.first_error);
            return self.result();
        }
        if self.queue.is_none() {
            self.start();
        }
        let not_queued = match &self.queue {
            Some(queue) if !self.workers.is_empty() => queue.send(batch).err().map(|back| back.0),
            _ => Some(batch),
        };
        if let Some(batch) = not_queued {
            verify_batch(batch, &self.first_error);
        }
        self.result()
    }

    fn finish(&mut self) -> Result<(), EvidenceError> {
        self.queue = None;
        for worker in mem::take(&mut self.workers) {
            // If a thread panicked, some batches may not have been verified.
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.result()
    }
}

/// Verifies batches until the queue is closed and empty.
fn run_worker(batches: &Mutex<Receiver<SignatureBatch>>, first_error: &FirstError) {
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        verify_batch(batch, first_error);
    }
}

/// Verifies a batch and records its error if it is the first one in the evidence.
fn verify_batch(batch: SignatureBatch, first_error: &FirstError) {
    let before = batch.events_before();
    let Err(error) = batch.verify() else { return };
    let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
    if first.as_ref().is_none_or(|(earlier, _)| before < *earlier) {
        *first = Some((before, error));
    }
}
