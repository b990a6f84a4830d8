//! What a log must be, derived again from its raw entries without the gateway's code, and held against what the world
//! was told.

use super::ledger::Ledger;
use anyhow::{bail, ensure, Context, Result};
use codec::{Decode as _, DecodeAll as _, Encode as _};
use rocksdb::{IteratorMode, Options, DB};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};
use streembit_primitives::{
    checkpoint::Anchor, hash::Domain, Body, DeviceId, Hash, LogEntry, Part, SignedCheckpoint, Value,
};

/// What earlier looks at the same log found: it must be true for ever.
#[derive(Clone, Default)]
pub struct Remembered {
    /// Roots by size.
    roots: BTreeMap<u64, Hash>,
    /// Checkpoints by size.
    checkpoints: BTreeMap<u64, Vec<u8>>,
}

/// A log as derived.
pub struct Derived {
    /// By level, the hashes of the complete subtrees; the leaves first.
    levels: Vec<Vec<Hash>>,
    /// What its inner nodes are hashed as.
    node: Domain,
}

impl Derived {
    /// How many entries.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root of the first `size` entries (RFC 9162, section 2.1.1).
    pub fn root(&self, size: u64) -> Result<Hash> {
        ensure!(size > 0 && size <= self.size(), "a root of {size} entries of {}", self.size());
        let (mut peaks, mut at) = (Vec::new(), 0);
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            let index = usize::try_from(at >> level)?;
            let level_of = self.levels.get(level as usize).and_then(|nodes| nodes.get(index));
            peaks.push(*level_of.context("a subtree is missing")?);
            at += 1 << level;
        }
        let mut peaks = peaks.into_iter().rev();
        let last = peaks.next().context("no subtree")?;
        Ok(peaks.fold(last, |right, left| self.node.hash_pair(&left, &right)))
    }

    /// Whether an anchor of the chain is of this log.
    pub fn extends(&self, anchor: &Anchor) -> Result<()> {
        let (size, root) = (anchor.checkpoint.size, anchor.checkpoint.root);
        ensure!(size <= self.size(), "{size} entries are anchored, the log has {}", self.size());
        ensure!(self.root(size)? == root, "the first {size} entries are not those that are anchored");
        Ok(())
    }

    fn of(leaves: Vec<Hash>, node: Domain) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let pairs = below.chunks_exact(2).filter_map(|pair| match pair {
                [left, right] => Some(node.hash_pair(left, right)),
                _ => None,
            });
            levels.push(pairs.collect());
        }
        Self { levels, node }
    }
}

/// Derives the log in `data` again, and compares everything: with what is stored beside the entries, with what was
/// acknowledged, and with what it was before. Reads beside a gateway that runs but takes no events.
pub fn check(data: &Path, ledger: &Ledger, remembered: &mut Remembered) -> Result<Derived> {
    let raw = Raw::open(data)?;
    let (derived, found) = raw.derive(ledger)?;
    raw.compare(&derived, &found)?;
    compare_acknowledged(ledger, &found)?;
    remembered.compare(&raw, &derived, &found)?;
    Ok(derived)
}

/// The database, seen as it is now.
struct Raw {
    db: DB,
    // After the database: its notes are there.
    _notes: tempfile::TempDir,
}

/// A key with its value.
type KeyValue = (Box<[u8]>, Box<[u8]>);

/// A device's events as found: their hashes and indexes by sequence.
type Found = HashMap<DeviceId, Vec<(Hash, u64)>>;

impl Raw {
    fn open(data: &Path) -> Result<Self> {
        let notes = tempfile::tempdir()?;
        let mut options = Options::default();
        options.set_max_open_files(-1);
        let families = DB::list_cf(&options, data).context("listing the families of the log")?;
        let db =
            DB::open_cf_as_secondary(&options, data, notes.path(), families).context("opening the log")?;
        db.try_catch_up_with_primary().context("reading the newest of the log")?;
        Ok(Self { db, _notes: notes })
    }

    /// Every key of a family with its value.
    fn all(&self, family: &str) -> Result<impl Iterator<Item = Result<KeyValue>> + '_> {
        let handle = self.db.cf_handle(family).with_context(|| format!("no family {family}"))?;
        let family = family.to_owned();
        let pairs = self.db.iterator_cf(handle, IteratorMode::Start);
        Ok(pairs.map(move |pair| pair.with_context(|| format!("reading {family}"))))
    }

    fn derive(&self, ledger: &Ledger) -> Result<(Derived, Found)> {
        let (mut leaves, mut found, mut said) = (Vec::new(), Found::new(), HashSet::new());
        let mut bodies = self.all("bodies")?.peekable();
        for pair in self.all("entries")? {
            let (key, bytes) = pair?;
            let index = leaves.len() as u64;
            ensure!(*key == index.to_be_bytes(), "a hole: {} where entry {index} is next", hex::encode(&key));
            leaves.push(Domain::LogLeaf.hash(&bytes));
            let entry = LogEntry::decode_all(&mut &*bytes).with_context(|| format!("entry {index}"))?;
            let header = &entry.event.header;
            let hash = header.hash();
            let events = found.entry(header.device).or_default();
            ensure!(
                header.sequence == events.len() as u64,
                "entry {index}: event {} of {} where {} is next",
                header.sequence,
                header.device,
                events.len()
            );
            let previous = events.last().map_or(Hash::ZERO, |(hash, _)| *hash);
            ensure!(header.previous == previous, "entry {index} does not follow its device's last event");
            let device = ledger.devices.get(&header.device);
            let signed = device.and_then(|device| device.signed.get(events.len()));
            if device.is_some_and(|device| !device.signed.is_empty()) {
                ensure!(signed == Some(&hash), "entry {index} is not what its device has signed");
            }
            events.push((hash, index));
            let sequence = header.sequence;
            let is_here =
                |pair: &Result<KeyValue>| pair.as_ref().map_or(true, |(key, _)| **key == index.to_be_bytes());
            let Some(pair) = bodies.next_if(is_here) else {
                let asked = device.is_some_and(|device| device.erasing.contains(&sequence));
                ensure!(asked, "body {index} is gone, and nobody asked for that");
                continue;
            };
            let erased = device.is_some_and(|device| device.erased.contains(&sequence));
            ensure!(!erased, "body {index} was erased, and is there");
            let (_, bytes) = pair?;
            let body = Body::decode_all(&mut &*bytes).with_context(|| format!("body {index}"))?;
            ensure!(body.hash() == header.body_hash, "body {index} is not the one of its event");
            if signed.is_none() {
                let value = value_of(&body).with_context(|| format!("body {index}: no value"))?;
                ensure!(said.insert((header.device, value)), "entry {index} says {value} a second time");
                let told = device.and_then(|device| device.values.get(&header.sequence));
                ensure!(
                    told.is_none_or(|told| *told == value),
                    "entry {index}: {value}, but acknowledged for {told:?}"
                );
            }
        }
        ensure!(bodies.next().is_none(), "there are more bodies than entries");
        Ok((Derived::of(leaves, Domain::LogNode), found))
    }

    /// The tree, the indexes and the state that are stored, with those that follow from the entries.
    fn compare(&self, derived: &Derived, found: &Found) -> Result<()> {
        let mut nodes = 0;
        for pair in self.all("tiles")?.chain(self.all("upper-tiles")?) {
            let (key, tile) = pair?;
            let (first, level) = key.split_at_checked(8).context("the key of a tile")?;
            let level = 6 * usize::from(*level.first().context("a tile without a level")?);
            let first = (u64::from_be_bytes(first.try_into()?) >> level) as usize;
            let (hashes, rest) = tile.as_chunks::<32>();
            ensure!(rest.is_empty(), "the tile from node {first} of level {level} on is no list of hashes");
            let below = derived.levels.get(level).and_then(|nodes| nodes.get(first..first + hashes.len()));
            ensure!(
                below.is_some_and(|nodes| nodes.iter().map(|node| &node.0).eq(hashes)),
                "nodes {first} and up of level {level} are not what is below them"
            );
            nodes += hashes.len();
        }
        let expected: usize = derived.levels.iter().step_by(6).map(Vec::len).sum();
        ensure!(nodes == expected, "{nodes} nodes are stored where {expected} belong");
        let mut places = 0;
        for pair in self.all("by-device")? {
            let (key, index) = pair?;
            let (device, sequence) = key.split_at_checked(32).context("the key of an event")?;
            let sequence = u64::from_be_bytes(sequence.try_into()?);
            let events = found.get(&DeviceId(device.try_into()?));
            let place = events.and_then(|events| events.get(sequence as usize));
            ensure!(
                place.is_some_and(|(_, place)| place.to_be_bytes() == *index),
                "event {sequence} of {} is said to be elsewhere",
                hex::encode(device)
            );
            places += 1;
        }
        ensure!(places == derived.size(), "{places} events are found by their device, of {}", derived.size());
        let mut heads = 0;
        for pair in self.all("heads")? {
            let (device, head) = pair?;
            let events = found.get(&DeviceId((*device).try_into()?)).context("a head without events")?;
            let (hash, index) = events.last().context("a head without events")?;
            let expected = (events.len() as u64 - 1, hash, index).encode();
            ensure!(*head == expected, "the head of {} is not its last event", hex::encode(&device));
            heads += 1;
        }
        ensure!(heads == found.len(), "{heads} heads for {} devices", found.len());
        let meta = self.db.cf_handle("meta").context("no family meta")?;
        let state = self.db.get_cf(meta, b"state")?;
        let Some(state) = state else {
            ensure!(derived.size() == 0, "no state for {} entries", derived.size());
            return Ok(());
        };
        let (size, root) = <(u64, Hash)>::decode(&mut &state[..])?;
        ensure!(size == derived.size(), "the log says {size} entries, and has {}", derived.size());
        ensure!(size == 0 || derived.root(size)? == root, "the stored root is not that of the entries");
        Ok(())
    }
}

impl Remembered {
    /// Nothing that was ever seen may be another, or gone.
    fn compare(&mut self, raw: &Raw, derived: &Derived, found: &Found) -> Result<()> {
        for (size, root) in &self.roots {
            ensure!(derived.size() >= *size, "the log had {size} entries, now {}", derived.size());
            ensure!(derived.root(*size)? == *root, "the first {size} entries were others before");
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
            ensure!(content.size == size, "a checkpoint of {} under {size}", content.size);
            ensure!(derived.root(size)? == content.root, "checkpoint {size} is not of this log");
            let heads = heads_root(found, size)?;
            ensure!(content.heads_root == Some(heads), "checkpoint {size} names other last events");
            seen += 1;
        }
        ensure!(seen == self.checkpoints.len(), "{seen} of {} checkpoints are left", self.checkpoints.len());
        for pair in raw.all("anchors")? {
            derived.extends(&Anchor::decode_all(&mut &*pair?.1).context("an anchor")?)?;
        }
        if derived.size() > 0 {
            self.roots.insert(derived.size(), derived.root(derived.size())?);
        }
        Ok(())
    }
}

/// What a checkpoint of a size must say of each device's last event.
fn heads_root(found: &Found, size: u64) -> Result<Hash> {
    let mut leaves = BTreeMap::new();
    for (device, events) in found {
        let count = events.partition_point(|(_, index)| *index < size);
        if let Some((hash, _)) = count.checked_sub(1).and_then(|last| events.get(last)) {
            leaves.insert(*device, Domain::HeadsLeaf.hash_of(&(device, count as u64 - 1, hash)));
        }
    }
    let count = leaves.len() as u64;
    let root = Derived::of(leaves.into_values().collect(), Domain::HeadsNode).root(count)?;
    Ok(Domain::Heads.hash_of(&(count, root)))
}

fn compare_acknowledged(ledger: &Ledger, found: &Found) -> Result<()> {
    let mut lost = Vec::new();
    for (id, device) in &ledger.devices {
        let events = found.get(id).map(Vec::as_slice).unwrap_or_default();
        for (sequence, place) in &device.acknowledged {
            match events.get(*sequence as usize) {
                Some((hash, index)) if *hash == place.hash && *index == place.index => {}
                other => lost.push(format!(
                    "event {sequence} of {id} was acknowledged as {place:?}; there is {other:?}"
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
