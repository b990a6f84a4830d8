//! The writer: a single thread that appends all waiting events in one synced write, and then acknowledges them.

use super::{
    admission::{Admission, Devices},
    failpoint,
    store::{device_key, meta, synced, Family, Guard, State, Store},
    tiles::{GrowingTiles, Tile, TileId, TileReader},
    watermark::{self, Watermark},
    AppendError, NewEntry, OpenError, Proposal, Receipt, Refusal, Reply, StorageError,
};
use codec::Encode;
use rocksdb::{ColumnFamily, WriteBatch};
use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};
use streembit_primitives::{merkle::Frontier, LogId};
use tokio::sync::{mpsc, watch};

/// The number of events after which a synced write takes no more.
const MAX_GROUP: usize = 4096;

/// The approximate number of bytes after which a synced write takes no more events.
const MAX_GROUP_BYTES: usize = 4 << 20;

/// The approximate size of an event in a write beyond entry and body, in bytes: its keys, leaf and index entry.
const EVENT_OVERHEAD: usize = 160;

/// The pause after a failed attempt to open the database again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// A request to append events.
pub struct Append {
    /// The proposed events, in order.
    pub proposals: Vec<Proposal>,
    /// Receives the results.
    pub reply: Reply,
}

/// The writer and its state, which between two groups is exactly the state on disk.
pub(crate) struct Writer {
    store: Arc<Store>,
    size: Arc<AtomicU64>,
    queue: mpsc::Receiver<Vec<Append>>,
    /// Announces the number of entries on disk.
    durable: watch::Sender<u64>,
    /// Announces why the last write failed, until a write succeeds.
    problem: watch::Sender<Option<AppendError>>,
    watermark: Watermark,
    frontier: Frontier,
    growing: GrowingTiles,
    devices: Devices,
    /// Set from a failed write until the database is open again and the state has been read from it.
    failed: Option<Failure>,
}

/// A failed write. RocksDB refuses all others until the database has been opened again.
#[derive(Default)]
struct Failure {
    /// The time and error of the last failed attempt to open the database again.
    last_attempt: Option<(Instant, OpenError)>,
}

/// The write of one group, while it is being put together.
struct GroupWrite<'a> {
    batch: WriteBatch,
    families: Families<'a>,
    frontier: Frontier,
    growing: GrowingTiles,
    appended: Vec<Receipt>,
    forks: usize,
}

/// The column families that a group writes to.
struct Families<'a> {
    entries: &'a ColumnFamily,
    bodies: &'a ColumnFamily,
    tiles: &'a ColumnFamily,
    upper_tiles: &'a ColumnFamily,
    by_device: &'a ColumnFamily,
    heads: &'a ColumnFamily,
    forks: &'a ColumnFamily,
    meta: &'a ColumnFamily,
}

type Results = Vec<Result<Receipt, AppendError>>;

impl Writer {
    pub(crate) fn new(
        store: Arc<Store>,
        log: LogId,
        size: Arc<AtomicU64>,
        queue: mpsc::Receiver<Vec<Append>>,
        durable: watch::Sender<u64>,
        problem: watch::Sender<Option<AppendError>>,
    ) -> Result<Self, OpenError> {
        let (frontier, growing) = load_tree(&store)?;
        let watermark = Watermark::open(store.path())?;
        let devices = Devices::new(log);
        Ok(Self { store, size, queue, durable, problem, watermark, frontier, growing, devices, failed: None })
    }

    /// Runs until the last [`super::Log`] is dropped and no append waits.
    pub(crate) fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.next() {
            self.gather(first, &mut group);
            let (proposals, replies): (Vec<_>, Vec<_>) =
                group.drain(..).map(|append| (append.proposals, append.reply)).unzip();
            let counts: Vec<usize> = proposals.iter().map(Vec::len).collect();
            let results = self.commit(proposals);
            self.report(&results);
            let mut results = match results {
                Ok(results) => results,
                Err(error) => {
                    if counts.iter().any(|count| *count > 0) {
                        tracing::error!(%error, "writing a group of events failed; none of them is acknowledged");
                    }
                    counts.iter().map(|count| vec![Err(error.clone()); *count]).collect()
                }
            }
            .into_iter();
            for reply in replies {
                reply(results.next().unwrap_or_default());
                failpoint::reach("reply-between");
            }
        }
    }

    /// Announces whether the log can be written. A group without a new event says nothing about that.
    fn report(&self, results: &Result<Vec<Results>, AppendError>) {
        let problem = match results {
            Ok(results) if results.iter().flatten().any(Result::is_ok) => None,
            Ok(_) => return,
            Err(error) => Some(error.clone()),
        };
        self.problem.send_if_modified(|known| {
            let is_new = *known != problem;
            *known = problem;
            is_new
        });
    }

    /// Adds the appends that are waiting already, up to the bounds of a group.
    fn gather(&mut self, first: Vec<Append>, group: &mut Vec<Append>) {
        let (mut events, mut bytes) = weight(&first);
        group.extend(first);
        while events < MAX_GROUP && bytes < MAX_GROUP_BYTES {
            let Ok(appends) = self.queue.try_recv() else { break };
            let (more_events, more_bytes) = weight(&appends);
            (events, bytes) = (events + more_events, bytes + more_bytes);
            group.extend(appends);
        }
    }

    /// Waits for the next appends. Returns `None` when the log is closed.
    fn next(&mut self) -> Option<Vec<Append>> {
        // While the database is closed, reads fail too. So try to open it even if no append arrives.
        while self.failed.is_some() {
            match self.queue.try_recv() {
                Ok(appends) => return Some(appends),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    std::thread::sleep(REOPEN_AFTER);
                    // The error is kept for the next append.
                    let _ = self.recover();
                }
            }
        }
        self.queue.blocking_recv()
    }

    /// Writes a group. After an error no event of the group is in the log, and the state is read from disk before the
    /// next group.
    fn commit(&mut self, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, AppendError> {
        if self.store.take_reopen_mark() && self.failed.is_none() {
            self.fail();
        }
        self.recover().map_err(Box::new)?;
        let store = self.store.clone();
        let outcome = self.write(&store, group);
        // Before the callers and watchers are notified, because they may read the new entries at once.
        if outcome.is_ok() {
            self.size.store(self.frontier.size(), Ordering::Release);
        }
        match &outcome {
            Ok(_) => {
                let new = self.frontier.size();
                if self.durable.send_if_modified(|size| std::mem::replace(size, new) != new) {
                    failpoint::reach("acknowledged-before");
                    self.watermark.raise(new);
                    failpoint::reach("acknowledged-after");
                }
            }
            Err(_) => self.fail(),
        }
        Ok(outcome?)
    }

    /// Admits the events of a group and writes them.
    fn write(&mut self, store: &Store, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, StorageError> {
        let guard = store.db();
        let capacity = group.iter().flatten().map(|proposal| proposal.size() + EVENT_OVERHEAD).sum();
        let mut write = GroupWrite {
            batch: WriteBatch::with_capacity_bytes(capacity),
            families: Families::new(&guard)?,
            frontier: self.frontier.clone(),
            growing: self.growing.clone(),
            appended: Vec::new(),
            forks: 0,
        };
        let mut results = Vec::with_capacity(group.len());
        for proposals in group {
            let mut each = Vec::with_capacity(proposals.len());
            for proposal in proposals {
                each.push(match self.admit(&guard, &mut write, proposal) {
                    Ok(decision) => decision.map_err(AppendError::from),
                    // Only this event depends on what is damaged, and nothing of it is in the write yet.
                    Err(error @ StorageError::Damaged { .. }) => {
                        tracing::error!(%error, "an event was not admitted");
                        Err(error.into())
                    }
                    Err(error) => return Err(error),
                });
            }
            results.push(each);
        }
        if write.appended.is_empty() && write.forks == 0 {
            return Ok(results);
        }
        let (batch, frontier, growing) = write.finish();
        failpoint::reach("write-before");
        guard
            .get()?
            .write_opt(batch, &synced())
            .map_err(StorageError::database("writing events to the log"))?;
        failpoint::reach("write-after");
        (self.frontier, self.growing) = (frontier, growing);
        Ok(results)
    }

    /// Adds one proposed event to the pending write if it is admitted.
    fn admit(
        &mut self,
        db: &Guard<'_>,
        write: &mut GroupWrite<'_>,
        proposal: Proposal,
    ) -> Result<Result<Receipt, Refusal>, StorageError> {
        let entry = match proposal {
            Proposal::Entry(entry) => entry,
            Proposal::Next { device, make } => match make(self.devices.head(db, &device)?.as_ref()) {
                Ok(entry) => Box::new(entry),
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let (device, sequence) = (entry.header().device, entry.header().sequence);
        match self.devices.decide(db, &entry, &write.appended)? {
            Admission::Duplicate(receipt) => Ok(Ok(receipt)),
            Admission::Refuse(refusal) => Ok(Err(refusal)),
            Admission::Append => {
                let receipt = write.append(&entry);
                self.devices.set_head(device, receipt.head());
                Ok(Ok(receipt))
            }
            Admission::Fork(fork) => {
                tracing::warn!(%device, sequence, "refused a second event signed for one sequence: the device's key was copied");
                write.batch.put_cf(write.families.forks, device_key(&device, sequence), fork.encode());
                write.forks += 1;
                self.devices.add_fork(device, fork.other.event);
                Ok(Err(Refusal::Forked { device, sequence }))
            }
        }
    }

    /// Discards the state in memory, which may be ahead of the disk.
    fn fail(&mut self) {
        self.devices.clear();
        self.failed = Some(Failure::default());
    }

    /// After a failed write, opens the database again and reads the state from it. RocksDB offers no other way to
    /// resume.
    fn recover(&mut self) -> Result<(), OpenError> {
        let Some(failure) = &mut self.failed else { return Ok(()) };
        if let Some((at, error)) = &failure.last_attempt {
            if at.elapsed() < REOPEN_AFTER {
                return Err(error.clone());
            }
        }
        let acknowledged = self.size.load(Ordering::Acquire);
        let reopened = self.store.reopen();
        failpoint::reach("reopen");
        let tree = reopened.and_then(|()| {
            let tree = load_tree(&self.store)?;
            watermark::check(tree.0.size(), acknowledged)?;
            Ok(tree)
        });
        match tree {
            Ok((frontier, growing)) => {
                tracing::info!(size = frontier.size(), "the log accepts events again");
                (self.frontier, self.growing) = (frontier, growing);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                failure.last_attempt = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl<'a> Families<'a> {
    fn new(guard: &'a Guard<'_>) -> Result<Self, StorageError> {
        let handle = |family| guard.family(family).map(|(_, handle)| handle);
        Ok(Self {
            entries: handle(Family::Entries)?,
            bodies: handle(Family::Bodies)?,
            tiles: handle(Family::Tiles)?,
            upper_tiles: handle(Family::UpperTiles)?,
            by_device: handle(Family::ByDevice)?,
            heads: handle(Family::Heads)?,
            forks: handle(Family::Forks)?,
            meta: handle(Family::Meta)?,
        })
    }

    fn put_tile(&self, batch: &mut WriteBatch, id: TileId, tile: &Tile) {
        let family = if id.family() == Family::Tiles { self.tiles } else { self.upper_tiles };
        batch.put_cf(family, id.key(), tile.encode());
    }
}

impl GroupWrite<'_> {
    /// Adds an event to the batch.
    fn append(&mut self, entry: &NewEntry) -> Receipt {
        let header = entry.header();
        let index = self.frontier.size();
        let key = index.to_be_bytes();
        let receipt = Receipt {
            index,
            device: header.device,
            sequence: header.sequence,
            hash: entry.hash(),
            received: entry.received(),
        };
        let Self { batch, families, frontier, growing, appended, .. } = self;
        let (entry_bytes, body_bytes) = entry.bytes();
        batch.put_cf(families.entries, key, entry_bytes);
        batch.put_cf(families.bodies, key, body_bytes);
        batch.put_cf(families.by_device, device_key(&header.device, header.sequence), key);
        frontier.append(entry.leaf(), |node| {
            growing.add(node, |id, tile| families.put_tile(batch, id, tile));
        });
        appended.push(receipt);
        receipt
    }

    /// Completes the batch with the tiles that have grown, the devices' heads, and the log's size and root.
    fn finish(mut self) -> (WriteBatch, Frontier, GrowingTiles) {
        let Self { batch, families, growing, .. } = &mut self;
        growing.finish(|id, tile| families.put_tile(batch, id, tile));
        let mut heads = std::collections::BTreeMap::new();
        for receipt in &self.appended {
            heads.insert(receipt.device, receipt.head());
        }
        for (device, head) in heads {
            self.batch.put_cf(self.families.heads, device.0, head.encode());
        }
        let state = State { size: self.frontier.size(), root: self.frontier.root() };
        self.batch.put_cf(self.families.meta, meta::STATE, state.encode());
        (self.batch, self.frontier, self.growing)
    }
}

/// Returns the number of events, and their approximate size in bytes. Events that have not been made yet count as 0
/// bytes.
fn weight(appends: &[Append]) -> (usize, usize) {
    let proposals = || appends.iter().flat_map(|append| &append.proposals);
    (proposals().count(), proposals().map(Proposal::size).sum())
}

/// Reads the frontier, whose peaks must lead to the stored root, and the growing tiles, which must end with the log.
pub(crate) fn load_tree(store: &Store) -> Result<(Frontier, GrowingTiles), StorageError> {
    let state: Option<State> = store.db().value(Family::Meta, meta::STATE)?;
    let (size, root) = match &state {
        Some(state) => (state.size, Some(state.root)),
        None => (0, None),
    };
    let tiles = TileReader::new(store);
    let peaks = Frontier::peak_ids(size).map(|id| tiles.stored_hash(id)).collect::<Result<Vec<_>, _>>()?;
    let frontier =
        Frontier::from_peaks(size, peaks).map_err(|error| StorageError::damaged(error.to_string()))?;
    if root.is_some_and(|root| root != frontier.root()) {
        return Err(StorageError::damaged(format!(
            "the stored nodes of the tree of {size} entries do not lead to its stored root"
        )));
    }
    Ok((frontier, GrowingTiles::load(store, size)?))
}
