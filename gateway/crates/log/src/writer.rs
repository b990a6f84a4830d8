//! The one writer: takes what waits, appends it in one synced batch, acknowledges.

use super::{
    failpoint,
    order::{Admission, Devices},
    store::{device_key, meta, synced, Family, Guard, State, Store},
    tiles::{Growing, Tile, TileId, TileReader},
    watermark::{self, Watermark},
    AppendError, Head, NewEntry, OpenError, Proposal, Receipt, Refusal, Reply, StorageError,
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
use streembit_primitives::merkle::Frontier;
use tokio::sync::{mpsc, watch};

/// The most events in one synced write.
const MAX_GROUP: usize = 4096;

/// The most bytes in one synced write, about.
const MAX_GROUP_BYTES: usize = 4 << 20;

/// What an event takes in a write beyond its own bytes, about: keys, its leaf, its place in the index.
const OVERHEAD: usize = 160;

/// How long a database that would not open is left alone.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// A request to append: the proposals, and the caller's reply.
pub struct Append {
    /// What to append, in this order.
    pub proposals: Vec<Proposal>,
    /// Called on the writer's thread with one result per proposal, in their order.
    pub reply: Reply,
}

/// The state of the log in memory: what is on disk, and nothing else between two groups.
pub(crate) struct Writer {
    store: Arc<Store>,
    size: Arc<AtomicU64>,
    queue: mpsc::Receiver<Vec<Append>>,
    durable: watch::Sender<u64>,
    watermark: Watermark,
    frontier: Frontier,
    growing: Growing,
    devices: Devices,
    /// Set after a failed write, until the state in memory has been read from disk again.
    failed: Option<Failure>,
}

/// A failed write. RocksDB takes no more writes until the database has been opened again.
#[derive(Default)]
struct Failure {
    /// The last attempt to open the database again, and why it failed.
    last_attempt: Option<(Instant, OpenError)>,
}

/// The pending write of one group.
struct GroupWrite<'a> {
    batch: WriteBatch,
    families: Families<'a>,
    frontier: Frontier,
    growing: Growing,
    appended: Vec<Receipt>,
    forks: usize,
}

/// The handles of what a group writes.
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
        size: Arc<AtomicU64>,
        queue: mpsc::Receiver<Vec<Append>>,
        durable: watch::Sender<u64>,
    ) -> Result<Self, OpenError> {
        let (frontier, growing) = load_tree(&store)?;
        let watermark = Watermark::open(store.path())?;
        let devices = Devices::default();
        Ok(Self { store, size, queue, durable, watermark, frontier, growing, devices, failed: None })
    }

    /// Until the last handle of the log is gone and nothing waits.
    pub(crate) fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.next() {
            self.gather(first, &mut group);
            let (proposals, replies): (Vec<_>, Vec<_>) =
                group.drain(..).map(|append| (append.proposals, append.reply)).unzip();
            let counts: Vec<usize> = proposals.iter().map(Vec::len).collect();
            let results = self.commit(proposals);
            let mut results = match results {
                Ok(results) => results,
                Err(error) => {
                    if counts.iter().any(|count| *count > 0) {
                        tracing::error!(%error, "a group of events was not written; none of it is acknowledged");
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

    /// Adds what waits already, up to the bounds of a group.
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

    /// The next appends, waiting for them; `None` at the end.
    fn next(&mut self) -> Option<Vec<Append>> {
        // While the database is closed nobody can read either, so it may be that nobody comes who has it opened.
        while self.failed.is_some() {
            match self.queue.try_recv() {
                Ok(appends) => return Some(appends),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    std::thread::sleep(REOPEN_AFTER);
                    // What is wrong is kept for whoever asks next.
                    let _ = self.recover();
                }
            }
        }
        self.queue.blocking_recv()
    }

    /// Writes a group. On an error nothing of it counts, and the state is read from disk before the next.
    fn commit(&mut self, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, AppendError> {
        if self.store.take_reopen_mark() && self.failed.is_none() {
            self.fail();
        }
        self.recover().map_err(Box::new)?;
        let store = self.store.clone();
        let outcome = self.write(&store, group);
        // Before anybody hears of it: who hears may read.
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

    fn write(&mut self, store: &Store, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, StorageError> {
        let guard = store.db();
        let handle = |family| guard.family(family).map(|(_, handle)| handle);
        let families = Families {
            entries: handle(Family::Entries)?,
            bodies: handle(Family::Bodies)?,
            tiles: handle(Family::Tiles)?,
            upper_tiles: handle(Family::UpperTiles)?,
            by_device: handle(Family::ByDevice)?,
            heads: handle(Family::Heads)?,
            forks: handle(Family::Forks)?,
            meta: handle(Family::Meta)?,
        };
        let capacity = group.iter().flatten().map(|proposal| proposal.size() + OVERHEAD).sum();
        let mut write = GroupWrite {
            batch: WriteBatch::with_capacity_bytes(capacity),
            families,
            frontier: self.frontier.clone(),
            growing: self.growing.clone(),
            appended: Vec::new(),
            forks: 0,
        };
        let mut results = Vec::with_capacity(group.len());
        for proposals in group {
            let mut each = Vec::with_capacity(proposals.len());
            for proposal in proposals {
                each.push(self.admit(&guard, &mut write, proposal)?.map_err(AppendError::from));
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
        match self.devices.judge(db, &entry, &write.appended)? {
            Admission::Known(receipt) => Ok(Ok(receipt)),
            Admission::Refuse(refusal) => Ok(Err(refusal)),
            Admission::Append => {
                let receipt = write.append(&entry);
                self.devices.advance(device, Head { sequence, hash: receipt.hash, index: receipt.index });
                Ok(Ok(receipt))
            }
            Admission::Fork(fork) => {
                tracing::warn!(%device, sequence, "two events were signed for one sequence: the key was copied");
                write.batch.put_cf(write.families.forks, device_key(&device, sequence), fork.encode());
                write.forks += 1;
                self.devices.flag(device, sequence);
                Ok(Err(Refusal::Forked { device, sequence }))
            }
        }
    }

    fn fail(&mut self) {
        self.devices.forget();
        self.failed = Some(Failure::default());
    }

    /// After a failed write: opens the database again, which is how RocksDB takes writes again, and reads the state.
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
                tracing::info!(size = frontier.size(), "the log takes events again");
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

impl Families<'_> {
    fn put_tile(&self, batch: &mut WriteBatch, id: TileId, tile: &Tile) {
        let family = if id.family() == Family::Tiles { self.tiles } else { self.upper_tiles };
        batch.put_cf(family, id.key(), tile.encode());
    }
}

impl GroupWrite<'_> {
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

    /// Adds what the group comes to: the tiles that have grown, the devices' heads and the log's root.
    fn finish(mut self) -> (WriteBatch, Frontier, Growing) {
        let Self { batch, families, growing, .. } = &mut self;
        growing.finish(|id, tile| families.put_tile(batch, id, tile));
        let mut heads = std::collections::BTreeMap::new();
        for receipt in &self.appended {
            let head = Head { sequence: receipt.sequence, hash: receipt.hash, index: receipt.index };
            heads.insert(receipt.device, head);
        }
        for (device, head) in heads {
            self.batch.put_cf(self.families.heads, device.0, head.encode());
        }
        let state = State { size: self.frontier.size(), root: self.frontier.root() };
        self.batch.put_cf(self.families.meta, meta::STATE, state.encode());
        (self.batch, self.frontier, self.growing)
    }
}

/// The number of events and, roughly, of bytes. The bytes of an event that is made only later are not known yet.
fn weight(appends: &[Append]) -> (usize, usize) {
    let proposals = || appends.iter().flat_map(|append| &append.proposals);
    (proposals().count(), proposals().map(Proposal::size).sum())
}

/// The frontier, whose peaks must lead to the stored root, and the tiles that grow, which must end where the log does.
pub(crate) fn load_tree(store: &Store) -> Result<(Frontier, Growing), StorageError> {
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
            "the tree's stored nodes of {size} entries do not lead to its stored root"
        )));
    }
    Ok((frontier, Growing::load(store, size)?))
}
