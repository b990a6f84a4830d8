//! The one writer: takes what waits, appends it in one synced batch, acknowledges.

use super::{
    failpoint,
    order::{Admission, Devices},
    store::{device_key, meta, synced, Family, Guard, State, Store},
    tiles::{Growing, Tile, TileId, TileReader},
    watermark::{self, Watermark},
    Head, LogError, NewEntry, Proposal, Receipt, Reply,
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
use streembit_primitives::merkle::{Frontier, NodeStore as _};
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
    /// Since when the state in memory is not to be trusted: a write has failed.
    failed: Option<Failure>,
}

struct Failure {
    error: LogError,
    /// When the database was last opened again without success.
    tried: Option<Instant>,
}

/// What a group is about to write.
struct Draft<'a> {
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

type Results = Vec<Result<Receipt, LogError>>;

impl Writer {
    pub(crate) fn new(
        store: Arc<Store>,
        size: Arc<AtomicU64>,
        queue: mpsc::Receiver<Vec<Append>>,
        durable: watch::Sender<u64>,
    ) -> Result<Self, LogError> {
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
    fn commit(&mut self, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, LogError> {
        if let (Some(error), None) = (self.store.take_reopen_reason(), &self.failed) {
            self.fail(error);
        }
        self.recover()?;
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
            Err(error) => self.fail(error.clone()),
        }
        outcome
    }

    fn write(&mut self, store: &Store, group: Vec<Vec<Proposal>>) -> Result<Vec<Results>, LogError> {
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
        let mut draft = Draft {
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
                each.push(split_refusal(self.admit(&guard, &mut draft, proposal))?);
            }
            results.push(each);
        }
        if draft.appended.is_empty() && draft.forks == 0 {
            return Ok(results);
        }
        let (batch, frontier, growing) = draft.finish();
        failpoint::reach("write-before");
        guard.get()?.write_opt(batch, &synced()).map_err(LogError::storage("writing events to the log"))?;
        failpoint::reach("write-after");
        (self.frontier, self.growing) = (frontier, growing);
        Ok(results)
    }

    fn admit(
        &mut self,
        db: &Guard<'_>,
        draft: &mut Draft<'_>,
        proposal: Proposal,
    ) -> Result<Receipt, LogError> {
        let entry = match proposal {
            Proposal::Entry(entry) => entry,
            Proposal::Next { device, make } => Box::new(make(self.devices.head(db, &device)?.as_ref())?),
        };
        let (device, sequence) = (entry.header().device, entry.header().sequence);
        match self.devices.judge(db, &entry, &draft.appended)? {
            Admission::Known(receipt) => Ok(receipt),
            Admission::Append => {
                let receipt = draft.append(&entry);
                self.devices.advance(device, Head { sequence, hash: receipt.hash, index: receipt.index });
                Ok(receipt)
            }
            Admission::Fork(fork) => {
                tracing::warn!(%device, sequence, "two events were signed for one sequence: the key was copied");
                draft.batch.put_cf(draft.families.forks, device_key(&device, sequence), fork.encode());
                draft.forks += 1;
                self.devices.flag(device, sequence);
                Err(super::Refusal::Forked { device, sequence }.into())
            }
        }
    }

    fn fail(&mut self, error: LogError) {
        self.devices.forget();
        self.failed = Some(Failure { error, tried: None });
    }

    /// After a failed write: opens the database again, which is how RocksDB takes writes again, and reads the state.
    fn recover(&mut self) -> Result<(), LogError> {
        let Some(failure) = &mut self.failed else { return Ok(()) };
        if failure.tried.is_some_and(|tried| tried.elapsed() < REOPEN_AFTER) {
            return Err(failure.error.clone());
        }
        let acknowledged = self.size.load(Ordering::Acquire);
        let reopened = self.store.reopen();
        failpoint::reach("reopen");
        let tree = reopened.and_then(|()| load_tree(&self.store)).and_then(|tree| {
            watermark::check(tree.0.size(), acknowledged)?;
            Ok(tree)
        });
        failure.tried = Some(Instant::now());
        match tree {
            Ok((frontier, growing)) => {
                tracing::info!(size = frontier.size(), "the log takes events again");
                (self.frontier, self.growing) = (frontier, growing);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                failure.error = error.clone();
                Err(error)
            }
        }
    }
}

/// A refusal is a result; anything else ends the group.
fn split_refusal(result: Result<Receipt, LogError>) -> Result<Result<Receipt, LogError>, LogError> {
    match result {
        Err(error) if !super::order::is_refusal(&error) => Err(error),
        result => Ok(result),
    }
}

impl Families<'_> {
    fn put_tile(&self, batch: &mut WriteBatch, id: TileId, tile: &Tile) {
        let family = if id.family() == Family::Tiles { self.tiles } else { self.upper_tiles };
        batch.put_cf(family, id.key(), tile.encode());
    }
}

impl Draft<'_> {
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
pub(crate) fn load_tree(store: &Store) -> Result<(Frontier, Growing), LogError> {
    let state: Option<State> = store.db().value(Family::Meta, meta::STATE)?;
    let (size, root) = match &state {
        Some(state) => (state.size, Some(state.root)),
        None => (0, None),
    };
    let tiles = TileReader::new(store);
    let peaks = Frontier::peak_ids(size).map(|id| tiles.node(id)).collect::<Result<Vec<_>, _>>()?;
    let frontier = Frontier::from_peaks(size, peaks).map_err(|error| LogError::damaged(error.to_string()))?;
    if root.is_some_and(|root| root != frontier.root()) {
        return Err(LogError::damaged(format!(
            "the tree's stored nodes of {size} entries do not lead to its stored root"
        )));
    }
    Ok((frontier, Growing::load(store, size)?))
}
