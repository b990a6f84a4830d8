//! Verification of everything that is stored, for audits.
//!
//! Everything is derived again from the entries, and every stored place that differs is reported. Signatures are not
//! verified here, because that needs the devices' keys. Nor is it judged whether a sequence that is missing may be: it can
//! be declared lost or be in another log, which only the device's record on the chain tells.

use super::{
    entry::entry_leaf,
    store::{device_key, integer, meta, Family, State},
    tiles::{self, TileId, TileReader},
    Head, LogReader, OutOfRangeError, ReadError, StorageError,
};
use codec::DecodeAll;
use std::{collections::HashMap, fmt, ops::Range};
use streembit_primitives::{
    heads::{HeadEntry, HeadsMap},
    merkle::{Frontier, Node, NodeId},
    Body, DeviceId, Hash, LogEntry,
};

/// The number of findings after which a verification stops. A log with more is beyond repair.
pub const MAX_FINDINGS: usize = 1000;

/// The kind of stored data that a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// An event as signed and received, in column family `entries`.
    Entry,
    /// The body of an event, in column family `bodies`.
    Body,
    /// A node of the tree, in column families `tiles` and `upper-tiles`.
    Node(NodeId),
    /// The log index of a device's event, in column family `by-device`.
    ByDevice,
    /// The last event of a device, in column family `heads`.
    Head,
    /// The size and root of the log, in column family `meta`.
    Root,
}

/// A damaged place in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The index of the affected entry. For a node, the entry that completes it; for the root, the last entry.
    pub index: u64,
    /// The kind of data.
    pub place: Place,
    /// A description of the damage.
    pub problem: String,
}

impl Place {
    /// The name of the column family.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Entry => Family::Entries,
            Self::Body => Family::Bodies,
            Self::Node(id) => TileId::of(*id).0.family(),
            Self::ByDevice => Family::ByDevice,
            Self::Head => Family::Heads,
            Self::Root => Family::Meta,
        }
        .name()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place.family(), self.index)?;
        if let Place::Node(id) = self.place {
            write!(f, " (level {}, node {})", id.level, id.index)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl LogReader {
    /// Verifies a range of entries: their leaves and the inner nodes that they complete, their bodies, and the order of
    /// each device's events. If the range is the whole log (`0..size`), its root and heads are verified as well.
    /// Everything before the range is trusted.
    ///
    /// Damage is returned as findings, at most [`MAX_FINDINGS`]. An error means that the verification itself failed.
    pub fn verify(&self, range: Range<u64>) -> Result<Vec<Finding>, ReadError> {
        let size = self.size();
        if range.end > size || range.start > range.end {
            return Err(OutOfRangeError { asked: range.end.max(range.start), size }.into());
        }
        let mut verification = Verification::new(self);
        verification.verify_range(range, size, None)?;
        Ok(verification.findings)
    }

    /// Verifies the whole log like [`Self::verify`], and derives the heads map of the first `heads_at` entries from the
    /// entries alone. The map is `None` if one of these entries is damaged, or if the log is shorter.
    pub fn verify_with_heads(&self, heads_at: u64) -> Result<(Vec<Finding>, Option<HeadsMap>), ReadError> {
        let size = self.size();
        let mut verification = Verification::new(self);
        let heads = verification.verify_range(0..size, size, Some(heads_at))?;
        let is_damaged = |finding: &Finding| finding.place == Place::Entry && finding.index < heads_at;
        let heads = heads.filter(|_| !verification.findings.iter().any(is_damaged));
        Ok((verification.findings, heads))
    }
}

/// A verification in progress.
struct Verification<'a> {
    log: &'a LogReader,
    tiles: TileReader<'a>,
    findings: Vec<Finding>,
    /// The last event so far of each device.
    heads: HashMap<DeviceId, Head>,
}

impl<'a> Verification<'a> {
    fn new(log: &'a LogReader) -> Self {
        Self { log, tiles: log.nodes(), findings: Vec::new(), heads: HashMap::new() }
    }

    /// Verifies a range, up to [`MAX_FINDINGS`]. Returns the heads map of the first `heads_at` entries, if the
    /// verification passes that size.
    fn verify_range(
        &mut self,
        range: Range<u64>,
        size: u64,
        heads_at: Option<u64>,
    ) -> Result<Option<HeadsMap>, StorageError> {
        let mut frontier = self.frontier_at(range.start)?;
        let mut heads = None;
        for index in range.clone() {
            if heads_at == Some(index) {
                heads = Some(self.heads_map());
            }
            self.verify_entry(index, size, &mut frontier)?;
            if self.findings.len() >= MAX_FINDINGS {
                return Ok(heads);
            }
        }
        if heads_at == Some(range.end) {
            heads = Some(self.heads_map());
        }
        if range.end == size {
            self.verify_end(size, &frontier)?;
        }
        self.verify_erasures(range)?;
        Ok(heads)
    }

    fn heads_map(&self) -> HeadsMap {
        let head = |(device, head): (&DeviceId, &Head)| HeadEntry {
            device: *device,
            sequence: head.sequence,
            hash: head.hash,
        };
        self.heads.iter().map(head).collect()
    }

    fn report(&mut self, index: u64, place: Place, problem: impl Into<String>) {
        self.findings.push(Finding { index, place, problem: problem.into() });
    }

    fn frontier_at(&mut self, size: u64) -> Result<Frontier, StorageError> {
        let peaks = Frontier::peak_ids(size)
            .map(|id| Ok(self.node(id)?.unwrap_or(Hash::ZERO)))
            .collect::<Result<Vec<_>, StorageError>>()?;
        Frontier::from_peaks(size, peaks).map_err(|error| StorageError::damaged(error.to_string()))
    }

    fn verify_entry(&mut self, index: u64, size: u64, frontier: &mut Frontier) -> Result<(), StorageError> {
        let id = NodeId { level: 0, index };
        let stored_leaf = self.node(id)?;
        let bytes = self.bytes(Family::Entries, &index.to_be_bytes())?;
        let derived_leaf = bytes.as_ref().map(|bytes| entry_leaf(bytes)).ok();
        let leaves_match = derived_leaf.is_some() && derived_leaf == stored_leaf;
        // If entry and leaf differ, the one that agrees with the rest of the tree is right.
        let entry_is_wrong = !leaves_match
            && match (stored_leaf, derived_leaf) {
                (Some(_), Some(_)) => self.stored_leaf_fits_tree(index, size)?,
                (Some(_), None) => true,
                _ => false,
            };
        match &bytes {
            Err(problem) => self.report(index, Place::Entry, problem.clone()),
            Ok(_) if entry_is_wrong => {
                self.report(index, Place::Entry, "changed: the tree's leaf is of another entry");
            }
            Ok(_) => {}
        }
        let leaf = if entry_is_wrong { stored_leaf } else { derived_leaf }.or(stored_leaf);
        self.verify_nodes(index, leaf.unwrap_or(Hash::ZERO), frontier)?;
        match bytes.as_ref().ok().map(|bytes| LogEntry::decode_all(&mut &**bytes)) {
            // The device and body of a changed entry cannot be trusted.
            Some(Ok(_)) if entry_is_wrong => {}
            Some(Ok(entry)) => {
                self.verify_body(index, &entry)?;
                self.verify_device(index, &entry)?;
            }
            Some(Err(error)) if !entry_is_wrong => {
                self.report(index, Place::Entry, format!("not an entry: {error}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends a leaf, and compares the nodes that it completes with the stored ones.
    fn verify_nodes(&mut self, index: u64, leaf: Hash, frontier: &mut Frontier) -> Result<(), StorageError> {
        let mut completed: Vec<Node> = Vec::new();
        frontier.append(leaf, |node| completed.push(node));
        for node in completed.into_iter().filter(|node| node.id.level.is_multiple_of(tiles::HEIGHT)) {
            match self.node(node.id)? {
                Some(stored) if stored == node.hash => {}
                Some(_) => {
                    self.report(index, Place::Node(node.id), "changed: not the hash of the nodes below")
                }
                None => self.report(index, Place::Node(node.id), "missing or unreadable"),
            }
        }
        Ok(())
    }

    /// Returns true if the stored nodes above a stored leaf, or the stored root, were computed from it.
    fn stored_leaf_fits_tree(&self, index: u64, size: u64) -> Result<bool, StorageError> {
        let (tile, _) = TileId::of(NodeId { level: 0, index });
        if tile.leaves().end <= size {
            let stored = self.node(NodeId { level: tiles::HEIGHT, index: tile.index })?;
            let derived = self
                .unless_damaged(|tiles| Ok(tiles.tile(tile)?.and_then(|tile| tile.root(0..tiles::WIDTH))))?;
            return Ok(stored.is_some() && stored == derived);
        }
        // No node above a growing tile is stored, so the root decides.
        let Some(state) = self.state()? else { return Ok(false) };
        Ok(self.log.root(size).is_ok_and(|root| root == state.root))
    }

    fn verify_body(&mut self, index: u64, entry: &LogEntry) -> Result<(), StorageError> {
        match self.bytes(Family::Bodies, &index.to_be_bytes())? {
            Err(_) if self.is_erased(index)? => {}
            Err(problem) => self.report(index, Place::Body, problem),
            Ok(bytes) => match Body::decode_all(&mut &*bytes) {
                Err(error) => self.report(index, Place::Body, format!("changed: not a body ({error})")),
                Ok(body) => {
                    if let Err(error) = entry.event.header.verify_body(&body) {
                        self.report(index, Place::Body, format!("changed: {error}"));
                    }
                }
            },
        }
        Ok(())
    }

    fn is_erased(&self, index: u64) -> Result<bool, StorageError> {
        Ok(self.bytes(Family::Erasures, &index.to_be_bytes())?.is_ok())
    }

    /// Reports bodies that are marked as erased but still stored.
    fn verify_erasures(&mut self, range: Range<u64>) -> Result<(), StorageError> {
        for index in self.log.read_erased(range)? {
            if self.bytes(Family::Bodies, &index.to_be_bytes())?.is_ok() {
                self.report(index, Place::Body, "marked as erased, but still stored");
            }
        }
        Ok(())
    }

    /// Verifies that an entry is indexed under its device, and follows the device's previous event.
    fn verify_device(&mut self, index: u64, entry: &LogEntry) -> Result<(), StorageError> {
        let header = &entry.event.header;
        let (device, sequence) = (header.device, header.sequence);
        match self.bytes(Family::ByDevice, &device_key(&device, sequence))? {
            Ok(bytes) if integer(Family::ByDevice, &bytes) == Ok(index) => {}
            Ok(_) => self.report(
                index,
                Place::ByDevice,
                format!("event {sequence} of device {device} is indexed at another place"),
            ),
            Err(problem) => {
                self.report(index, Place::ByDevice, format!("event {sequence} of device {device}: {problem}"))
            }
        }
        let last = match self.heads.get(&device) {
            Some(head) => Some(*head),
            None => self.previous(&device, sequence)?,
        };
        let next = last.map_or(0, |head| head.sequence.saturating_add(1));
        let follows = match sequence > next {
            true => Ok(()),
            false => header.ensure_follows(last.map(|head| (head.sequence, head.hash))),
        };
        if let (Err(error), false) = (follows, self.follows_damage(&device, sequence)?) {
            self.report(index, Place::Entry, format!("device {device}: {error}"));
        }
        self.heads.insert(device, Head { sequence, hash: header.hash(), index });
        Ok(())
    }

    /// Returns true if the device's previous event is damaged. Then only that event is reported, not the one after it.
    fn follows_damage(&self, device: &DeviceId, sequence: u64) -> Result<bool, StorageError> {
        let Some(previous) = sequence.checked_sub(1) else { return Ok(false) };
        let Ok(index) = self.bytes(Family::ByDevice, &device_key(device, previous))? else {
            return Ok(false);
        };
        let Ok(index) = integer(Family::ByDevice, &index) else { return Ok(true) };
        self.is_damaged(index)
    }

    /// Returns true if an entry does not match its leaf.
    fn is_damaged(&self, index: u64) -> Result<bool, StorageError> {
        let entry = self.bytes(Family::Entries, &index.to_be_bytes())?;
        let leaf = entry.ok().map(|bytes| entry_leaf(&bytes));
        Ok(leaf.is_none() || leaf != self.node(NodeId { level: 0, index })?)
    }

    /// Returns the event of a device before `sequence`, as stored. Needed for the first event of the device in the
    /// range.
    fn previous(&self, device: &DeviceId, sequence: u64) -> Result<Option<Head>, StorageError> {
        let Some(sequence) = sequence.checked_sub(1) else { return Ok(None) };
        let Ok(bytes) = self.bytes(Family::ByDevice, &device_key(device, sequence))? else { return Ok(None) };
        let Ok(index) = integer(Family::ByDevice, &bytes) else { return Ok(None) };
        let Ok(bytes) = self.bytes(Family::Entries, &index.to_be_bytes())? else { return Ok(None) };
        Ok(LogEntry::decode_all(&mut &*bytes).ok().map(|entry| Head {
            sequence,
            hash: entry.event.header.hash(),
            index,
        }))
    }

    /// Verifies the stored heads, the growing tiles and the root, at the end of the log.
    fn verify_end(&mut self, size: u64, frontier: &Frontier) -> Result<(), StorageError> {
        let last = size.saturating_sub(1);
        for (device, expected) in self.heads.clone() {
            self.verify_head(&device, expected)?;
        }
        for id in tiles::growing_tiles(size) {
            let stored = self.unless_damaged(|tiles| tiles.tile(id))?.map_or(0, |tile| tile.len());
            let expected = tiles::hash_count(id, size);
            if stored > expected {
                self.report(last, Place::Node(id.node(expected)), "beyond the end of the log");
            }
        }
        if size > 0 && self.state()?.map(|state| (state.size, state.root)) != Some((size, frontier.root())) {
            self.report(last, Place::Root, "changed: not the size or root of the entries");
        }
        Ok(())
    }

    fn verify_head(&mut self, device: &DeviceId, expected: Head) -> Result<(), StorageError> {
        let bytes = match self.bytes(Family::Heads, &device.0)? {
            Ok(bytes) => bytes,
            Err(problem) => {
                self.report(expected.index, Place::Head, format!("of device {device}: {problem}"));
                return Ok(());
            }
        };
        let is_right = match Head::decode_all(&mut &*bytes) {
            Ok(head) if head == expected => true,
            // The stored head can name a later entry that is damaged, and so was not counted here.
            Ok(head) => head.index > expected.index && self.is_damaged(head.index)?,
            Err(_) => false,
        };
        if !is_right {
            let problem = format!("changed: not the last event of device {device}");
            self.report(expected.index, Place::Head, problem);
        }
        Ok(())
    }

    fn state(&self) -> Result<Option<State>, StorageError> {
        Ok(self.bytes(Family::Meta, meta::STATE)?.ok().and_then(|bytes| State::decode_all(&mut &*bytes).ok()))
    }

    fn node(&self, id: NodeId) -> Result<Option<Hash>, StorageError> {
        self.unless_damaged(|tiles| tiles.hash(id))
    }

    /// Reads from the stored tiles. Returns `None` if they are damaged.
    fn unless_damaged<T>(
        &self,
        read: impl FnOnce(&TileReader<'a>) -> Result<Option<T>, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        match read(&self.tiles) {
            Err(StorageError::Damaged { .. }) => Ok(None),
            result => result,
        }
    }

    /// Reads stored bytes. The inner error describes why there are none, which is for the caller to report: they are
    /// missing, or RocksDB found their file corrupt.
    fn bytes(&self, family: Family, key: &[u8]) -> Result<Result<Vec<u8>, String>, StorageError> {
        match self.log.store().db().bytes(family, key) {
            Ok(Some(bytes)) => Ok(Ok(bytes)),
            Ok(None) => Ok(Err("missing".into())),
            Err(StorageError::Damaged { what, .. }) => Ok(Err(format!("unreadable: {what}"))),
            Err(error) => Err(error),
        }
    }
}
