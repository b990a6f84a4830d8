//! Signatures verified on all cores, while the file is read and hashed on one.

use std::{
    mem,
    sync::{
        mpsc::{sync_channel, Receiver, SyncSender},
        Arc, Mutex, PoisonError,
    },
    thread::{self, JoinHandle},
};
use streembit_primitives::evidence::{EvidenceError, SignatureBatch, SignatureVerifier};

/// How many batches wait for a thread, for each of them.
const WAITING: usize = 4;
/// Fewer signatures than this are verified at once, where they are.
const WORTH_IT: usize = 128;

/// VerifierPool that verify batches; made when there is enough to do.
#[derive(Default)]
pub struct VerifierPool {
    queue: Option<SyncSender<SignatureBatch>>,
    workers: Vec<JoinHandle<()>>,
    first: First,
}

/// The first batch of the log that has a wrong signature, of those verified so far.
type First = Arc<Mutex<Option<(u64, EvidenceError)>>>;

impl VerifierPool {
    fn start(&mut self) {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let (queue, batches) = sync_channel(count * WAITING);
        let batches = Arc::new(Mutex::new(batches));
        for number in 0..count {
            let (batches, first) = (batches.clone(), self.first.clone());
            let worker = thread::Builder::new().name(format!("verify-{number}"));
            // Without a thread the others do it; without any, whoever brings the batch.
            self.workers.extend(worker.spawn(move || work(&batches, &first)));
        }
        self.queue = Some(queue);
    }

    fn wrong(&self) -> Result<(), EvidenceError> {
        match &*self.first.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl SignatureVerifier for VerifierPool {
    fn submit(&mut self, batch: SignatureBatch) -> Result<(), EvidenceError> {
        if batch.len() < WORTH_IT {
            check(batch, &self.first);
            return self.wrong();
        }
        if self.queue.is_none() {
            self.start();
        }
        let refused = match &self.queue {
            Some(queue) if !self.workers.is_empty() => queue.send(batch).err().map(|back| back.0),
            _ => Some(batch),
        };
        if let Some(batch) = refused {
            check(batch, &self.first);
        }
        self.wrong()
    }

    fn finish(&mut self) -> Result<(), EvidenceError> {
        self.queue = None;
        for worker in mem::take(&mut self.workers) {
            // A thread that panicked has verified nothing.
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.wrong()
    }
}

/// Verifies batches until there are no more.
fn work(batches: &Mutex<Receiver<SignatureBatch>>, first: &First) {
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        check(batch, first);
    }
}

fn check(batch: SignatureBatch, first: &First) {
    let index = batch.index();
    let Err(error) = batch.verify() else { return };
    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
    if first.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
        *first = Some((index, error));
    }
}
