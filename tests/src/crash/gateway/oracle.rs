//! Recomputes a log from its raw entries, without the code of the gateway, and compares it with what was
//! acknowledged.

use super::ledger::{self, Ledger, LogPosition};
use anyhow::{bail, ensure, Context, Result};
use codec::{Decode as _, DecodeAll as _, Encode as _};
use rocksdb::{IteratorMode, Options, DB};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};
use streembit_primitives::{
    checkpoint::Anchor, hash::Domain, Body, DeviceId, EventHeader, Hash, LogEntry, Part, SignedCheckpoint,
    Value,
};

/// The results of earlier checks of the same log, which must stay true.
#[derive(Clone, Default)]
pub struct History {
    /// Roots by size.
    roots: BTreeMap<u64, Hash>,
    /// Checkpoints by size.
    checkpoints: BTreeMap<u64, Vec<u8>>,
}

type NodeHash = fn(&Hash, &Hash) -> Hash;

/// The Merkle tree of a log, recomputed from its entries.
pub struct RecomputedLog {
    /// By level, the hashes of the complete subtrees, starting with the leaves.
    levels: Vec<Vec<Hash>>,
    /// Hashes the children of an inner node.
    node: NodeHash,
}

impl RecomputedLog {
    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Returns the root of the first `size` entries (RFC 9162, section 2.1.1).
    pub fn root(&self, size: u64) -> Result<Hash> {
        ensure!(size > 0 && size <= self.size(), "no root of {size} entries: the log has {}", self.size());
        let (mut peaks, mut at) = (Vec::new(), 0);
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            let index = usize::try_from(at >> level)?;
            let level_of = self.levels.get(level as usize).and_then(|nodes| nodes.get(index));
            peaks.push(*level_of.context("a subtree is missing")?);
            at += 1 << level;
        }
        let mut peaks = peaks.into_iter().rev();
        let last = peaks.next().context("no subtree")?;
        Ok(peaks.fold(last, |right, left| (self.node)(&left, &right)))
    }

    /// Checks that an anchor of the chain belongs to this log.
    pub fn ensure_contains(&self, anchor: &Anchor) -> Result<()> {
        let (size, root) = (anchor.checkpoint.size, anchor.checkpoint.root);
        ensure!(size <= self.size(), "{size} entries are anchored, the log has {}", self.size());
        ensure!(self.root(size)? == root, "the first {size} entries differ from the anchored ones");
        Ok(())
    }

    fn of(leaves: Vec<Hash>, node: NodeHash) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let pairs = below.chunks_exact(2).filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                _ => None,
            });
            levels.push(pairs.collect());
        }
        Self { levels, node }
    }
}

/// Recomputes the log in `data`, and compares it with the stored indexes, with the ledger, and with earlier checks.
/// The gateway may be running, but must not receive events.
pub fn check(data: &Path, ledger: &Ledger, history: &mut History) -> Result<RecomputedLog> {
    let raw = RawLog::open(data)?;
    let (recomputed, found) = raw.recompute(ledger)?;
    raw.compare(&recomputed, &found)?;
    compare_acknowledged(ledger, &found)?;
    history.compare(&raw, &recomputed, &found)?;
    Ok(recomputed)
}

/// A read-only view of the log's database.
struct RawLog {
    db: DB,
    // Declared after the database, which writes its own log there.
    _secondary: tempfile::TempDir,
}

/// A key and its value.
type KeyValue = (Box<[u8]>, Box<[u8]>);

/// The events of each device, by sequence.
#[derive(Default)]
struct DeviceEvents(HashMap<DeviceId, Vec<LogPosition>>);

impl RawLog {
    fn open(data: &Path) -> Result<Self> {
        let secondary = tempfile::tempdir()?;
        let mut options = Options::default();
        options.set_max_open_files(-1);
        let families = DB::list_cf(&options, data).context("listing the families of the log")?;
        let db = DB::open_cf_as_secondary(&options, data, secondary.path(), families)
            .context("opening the log")?;
        db.try_catch_up_with_primary().context("reading the newest of the log")?;
        Ok(Self { db, _secondary: secondary })
    }

    /// Iterates over all keys and values of a column family.
    fn all(&self, family: &str) -> Result<impl Iterator<Item = Result<KeyValue>> + '_> {
        let handle = self.db.cf_handle(family).with_context(|| format!("no family {family}"))?;
        let family = family.to_owned();
        let pairs = self.db.iterator_cf(handle, IteratorMode::Start);
        Ok(pairs.map(move |pair| pair.with_context(|| format!("reading {family}"))))
    }

    fn recompute(&self, ledger: &Ledger) -> Result<(RecomputedLog, DeviceEvents)> {
        let (mut leaves, mut found, mut values) = (Vec::new(), DeviceEvents::default(), HashSet::new());
        let mut bodies = self.all("bodies")?.peekable();
        for pair in self.all("entries")? {
            let (key, bytes) = pair?;
            let index = leaves.len() as u64;
            ensure!(*key == index.to_be_bytes(), "expected entry {index}, found {}", hex::encode(&key));
            leaves.push(sha256(&[&[0x00], &sha256(&[b"streembit log entry v2", &bytes]).0]));
            let entry = LogEntry::decode_all(&mut &*bytes).with_context(|| format!("entry {index}"))?;
            let header = &entry.event.header;
            let device = ledger.devices.get(&header.device);
            let signed_by_device = found.append(header, index, device)?;
            let is_here =
                |pair: &Result<KeyValue>| pair.as_ref().map_or(true, |(key, _)| **key == index.to_be_bytes());
            let Some(pair) = bodies.next_if(is_here) else {
                let requested = device.is_some_and(|device| device.erasing.contains(&header.sequence));
                ensure!(requested, "body {index} is missing, and its erasure was not requested");
                continue;
            };
            let erased = device.is_some_and(|device| device.erased.contains(&header.sequence));
            ensure!(!erased, "body {index} exists, although its erasure was acknowledged");
            let (_, bytes) = pair?;
            let body = Body::decode_all(&mut &*bytes).with_context(|| format!("body {index}"))?;
            ensure!(body.hash() == header.body_hash, "body {index} does not match its event");
            if !signed_by_device {
                let value = value_of(&body).with_context(|| format!("body {index}: no value"))?;
                ensure!(values.insert((header.device, value)), "entry {index} repeats value {value}");
                let told = device.and_then(|device| device.values.get(&header.sequence));
                ensure!(
                    told.is_none_or(|told| *told == value),
                    "entry {index} has value {value}, but {told:?} was acknowledged"
                );
            }
        }
        ensure!(bodies.next().is_none(), "there are more bodies than entries");
        Ok((RecomputedLog::of(leaves, |left, right| sha256(&[&[0x01], &left.0, &right.0])), found))
    }

    /// Compares the stored tree, indexes and state with the entries.
    fn compare(&self, recomputed: &RecomputedLog, found: &DeviceEvents) -> Result<()> {
        self.compare_tiles(recomputed)?;
        self.compare_device_index(recomputed, found)?;
        self.compare_heads(found)?;
        self.compare_state(recomputed)
    }

    fn compare_tiles(&self, recomputed: &RecomputedLog) -> Result<()> {
        let mut nodes = 0;
        for pair in self.all("tiles")?.chain(self.all("upper-tiles")?) {
            let (key, tile) = pair?;
            let (first, level) = key.split_at_checked(8).context("malformed tile key")?;
            let level = 6 * usize::from(*level.first().context("a tile without a level")?);
            let first = (u64::from_be_bytes(first.try_into()?) >> level) as usize;
            let (hashes, rest) = tile.as_chunks::<32>();
            ensure!(rest.is_empty(), "the tile at node {first} of level {level} is not a list of hashes");
            let below = recomputed.levels.get(level).and_then(|nodes| nodes.get(first..first + hashes.len()));
            ensure!(
                below.is_some_and(|nodes| nodes.iter().map(|node| &node.0).eq(hashes)),
                "the tile at node {first} of level {level} does not match the nodes below"
            );
            nodes += hashes.len();
        }
        let expected: usize = recomputed.levels.iter().step_by(6).map(Vec::len).sum();
        ensure!(nodes == expected, "{nodes} nodes are stored, expected {expected}");
        Ok(())
    }

    fn compare_device_index(&self, recomputed: &RecomputedLog, found: &DeviceEvents) -> Result<()> {
        let mut indexed = 0;
        for pair in self.all("by-device")? {
            let (key, index) = pair?;
            let (device, sequence) = key.split_at_checked(32).context("malformed event key")?;
            let sequence = u64::from_be_bytes(sequence.try_into()?);
            let event = found.of(&DeviceId(device.try_into()?)).get(sequence as usize);
            ensure!(
                event.is_some_and(|event| event.index.to_be_bytes() == *index),
                "the index of event {sequence} of {} is wrong",
                hex::encode(device)
            );
            indexed += 1;
        }
        ensure!(indexed == recomputed.size(), "{indexed} events are indexed, of {}", recomputed.size());
        Ok(())
    }

    fn compare_heads(&self, found: &DeviceEvents) -> Result<()> {
        let mut heads = 0;
        for pair in self.all("heads")? {
            let (device, head) = pair?;
            let events = found.of(&DeviceId((*device).try_into()?));
            let last = events.last().context("a head without events")?;
            let expected = (events.len() as u64 - 1, last.hash, last.index).encode();
            ensure!(*head == expected, "the head of {} is not its last event", hex::encode(&device));
            heads += 1;
        }
        ensure!(heads == found.0.len(), "{heads} heads for {} devices", found.0.len());
        Ok(())
    }

    fn compare_state(&self, recomputed: &RecomputedLog) -> Result<()> {
        let meta = self.db.cf_handle("meta").context("no family meta")?;
        let Some(state) = self.db.get_cf(meta, b"state")? else {
            ensure!(recomputed.size() == 0, "no state for {} entries", recomputed.size());
            return Ok(());
        };
        let (size, root) = <(u64, Hash)>::decode(&mut &state[..])?;
        ensure!(
            size == recomputed.size(),
            "the state says {size} entries, the log has {}",
            recomputed.size()
        );
        ensure!(size == 0 || recomputed.root(size)? == root, "the stored root does not match the entries");
        Ok(())
    }
}

impl DeviceEvents {
    /// The events of a device by sequence.
    fn of(&self, device: &DeviceId) -> &[LogPosition] {
        self.0.get(device).map(Vec::as_slice).unwrap_or_default()
    }

    /// Appends the event of entry `index`, which must continue its device's events. If the device signs its own
    /// events, it must be the one that the device signed, and the result is true.
    fn append(&mut self, header: &EventHeader, index: u64, device: Option<&ledger::Device>) -> Result<bool> {
        let hash = header.hash();
        let events = self.0.entry(header.device).or_default();
        ensure!(
            header.sequence == events.len() as u64,
            "entry {index}: event {} of {}, expected {}",
            header.sequence,
            header.device,
            events.len()
        );
        let previous = events.last().map_or(Hash::ZERO, |event| event.hash);
        ensure!(header.previous == previous, "entry {index} does not continue its device's chain of events");
        let signed = device.and_then(|device| device.signed.get(events.len()));
        if device.is_some_and(|device| !device.signed.is_empty()) {
            ensure!(signed == Some(&hash), "entry {index} is not the event that its device signed");
        }
        events.push(LogPosition { hash, index });
        Ok(signed.is_some())
    }
}

impl History {
    /// Checks that nothing that was ever seen has changed or disappeared.
    fn compare(&mut self, raw: &RawLog, recomputed: &RecomputedLog, found: &DeviceEvents) -> Result<()> {
        for (size, root) in &self.roots {
            ensure!(
                recomputed.size() >= *size,
                "the log had {size} entries and now has {}",
                recomputed.size()
            );
            ensure!(recomputed.root(*size)? == *root, "the first {size} entries have changed");
        }
        let mut seen = 0;
        for pair in raw.all("checkpoints")? {
            let (key, bytes) = pair?;
            let size = u64::from_be_bytes((*key).try_into()?);
            match self.checkpoints.get(&size) {
                Some(known) => {
                    ensure!(**known == *bytes, "a second checkpoint of {size} entries");
                    seen += 1;
                    continue;
                }
                None => self.checkpoints.insert(size, bytes.to_vec()),
            };
            let signed = SignedCheckpoint::decode_all(&mut &*bytes).context("a checkpoint")?;
            let content = &signed.checkpoint;
            ensure!(content.size == size, "the checkpoint stored under {size} is of size {}", content.size);
            ensure!(recomputed.root(size)? == content.root, "checkpoint {size} does not match this log");
            let heads = heads_root(found, size)?;
            ensure!(content.heads_root == heads, "the heads root of checkpoint {size} is wrong");
            seen += 1;
        }
        ensure!(seen == self.checkpoints.len(), "{seen} of {} checkpoints are left", self.checkpoints.len());
        for pair in raw.all("anchors")? {
            recomputed.ensure_contains(&Anchor::decode_all(&mut &*pair?.1).context("an anchor")?)?;
        }
        if recomputed.size() > 0 {
            self.roots.insert(recomputed.size(), recomputed.root(recomputed.size())?);
        }
        Ok(())
    }
}

/// Hashes the parts one after the other with SHA-256.
fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}

/// Computes the root of the heads map for the first `size` entries.
fn heads_root(found: &DeviceEvents, size: u64) -> Result<Hash> {
    let mut leaves = BTreeMap::new();
    for (device, events) in &found.0 {
        let count = events.partition_point(|event| event.index < size);
        if let Some(last) = count.checked_sub(1).and_then(|last| events.get(last)) {
            leaves.insert(*device, Domain::HeadsLeaf.hash_of(&(device, count as u64 - 1, last.hash)));
        }
    }
    let count = leaves.len() as u64;
    let root = RecomputedLog::of(leaves.into_values().collect(), |left, right| {
        Domain::HeadsNode.hash_pair(left, right)
    })
    .root(count)?;
    Ok(Domain::Heads.hash_of(&(count, root)))
}

fn compare_acknowledged(ledger: &Ledger, found: &DeviceEvents) -> Result<()> {
    let mut lost = Vec::new();
    for (id, device) in &ledger.devices {
        let events = found.of(id);
        for (sequence, position) in &device.acknowledged {
            match events.get(*sequence as usize) {
                Some(event) if event == position => {}
                other => lost.push(format!(
                    "event {sequence} of {id} was acknowledged as {position:?}, but {other:?} is stored"
                )),
            }
        }
    }
    if let Some(first) = lost.first() {
        bail!("LOST: {} acknowledged events; {first}", lost.len());
    }
    Ok(())
}

fn value_of(body: &Body) -> Option<u32> {
    body.parts.iter().find_map(|part| match part {
        Part::Reading(reading) => match reading.value {
            Value::Decimal(value) => value.to_string().parse().ok(),
            _ => None,
        },
        _ => None,
    })
}
