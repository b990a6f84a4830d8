//! Verification of what is stored, for audits: everything is derived again from the entries, and each place that is
//! not what it must be is named. Says nothing of who signed: that needs the devices' keys.

use super::{
    store::{device_key, integer, meta, Family, State},
    tiles::{self, TileId, TileReader},
    Head, LogError, LogReader,
};
use codec::DecodeAll;
use std::{collections::HashMap, fmt, ops::Range};
use streembit_primitives::{
    hash::Domain,
    heads::{HeadEntry, HeadsMap},
    merkle::{Frontier, Node, NodeId},
    Body, DeviceId, Hash, LogEntry,
};

/// How many findings one verification tells of; a log with more is lost as a whole.
pub const MAX_FINDINGS: usize = 1000;

/// Where something is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Column family `entries`: an event as signed and received.
    Entry,
    /// Column family `bodies`: what an event says.
    Body,
    /// Column families `tiles` and `upper-tiles`: a node of the tree.
    Node(NodeId),
    /// Column family `by-device`: where a device's event is.
    ByDevice,
    /// Column family `heads`: a device's last event.
    Head,
    /// Column family `meta`: size and root of the log.
    Root,
}

/// One thing that is wrong in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The entry at which it shows: its own, for a node the one that completes it, for the root the last.
    pub index: u64,
    /// Where.
    pub place: Place,
    /// What.
    pub problem: String,
}

impl Place {
    /// The column family.
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
    /// Derives everything again that is stored of a range of entries: leaves and the inner nodes that they complete,
    /// bodies, each device's order. A whole log (`0..size`) is also held against its stored root.
    ///
    /// What lies before the range is taken as stored. An error means that nothing could be said, not that the log is
    /// damaged: damage is in the findings, at most [`MAX_FINDINGS`] of them.
    pub fn verify(&self, range: Range<u64>) -> Result<Vec<Finding>, LogError> {
        let size = self.size();
        if range.end > size || range.start > range.end {
            return Err(LogError::OutOfRange { asked: range.end.max(range.start), size });
        }
        let mut check = Check::new(self);
        check.range(range, size, None)?;
        Ok(check.findings)
    }

    /// [`Self::verify`] of the whole log, with the heads map of its first `heads_at` entries, derived from the entries
    /// alone. There is none where an entry before that is damaged, or the log is shorter.
    pub fn verify_with_heads(&self, heads_at: u64) -> Result<(Vec<Finding>, Option<HeadsMap>), LogError> {
        let size = self.size();
        let mut check = Check::new(self);
        let heads = check.range(0..size, size, Some(heads_at))?;
        let damaged = |finding: &Finding| matches!(finding.place, Place::Entry) && finding.index < heads_at;
        let heads = heads.filter(|_| !check.findings.iter().any(damaged));
        Ok((check.findings, heads))
    }
}

struct Check<'a> {
    log: &'a LogReader,
    tiles: TileReader<'a>,
    findings: Vec<Finding>,
    /// The last event of each device met so far.
    devices: HashMap<DeviceId, Head>,
}

impl<'a> Check<'a> {
    fn new(log: &'a LogReader) -> Self {
        Self { log, tiles: log.nodes(), findings: Vec::new(), devices: HashMap::new() }
    }

    /// Checks a range, until there are too many findings; gives the heads map at a size within it.
    fn range(
        &mut self,
        range: Range<u64>,
        size: u64,
        heads_at: Option<u64>,
    ) -> Result<Option<HeadsMap>, LogError> {
        let mut frontier = self.frontier_at(range.start)?;
        let mut heads = None;
        for index in range.clone() {
            if heads_at == Some(index) {
                heads = Some(self.heads_map());
            }
            self.entry(index, size, &mut frontier)?;
            if self.findings.len() >= MAX_FINDINGS {
                return Ok(heads);
            }
        }
        if heads_at == Some(range.end) {
            heads = Some(self.heads_map());
        }
        if range.end == size {
            self.end(size, &frontier)?;
        }
        self.erased_and_here(range)?;
        Ok(heads)
    }

    fn heads_map(&self) -> HeadsMap {
        let head = |(device, head): (&DeviceId, &Head)| HeadEntry {
            device: *device,
            sequence: head.sequence,
            hash: head.hash,
        };
        self.devices.iter().map(head).collect()
    }

    fn find(&mut self, index: u64, place: Place, problem: impl Into<String>) {
        self.findings.push(Finding { index, place, problem: problem.into() });
    }

    fn frontier_at(&mut self, size: u64) -> Result<Frontier, LogError> {
        let peaks = Frontier::peak_ids(size)
            .map(|id| Ok(self.node(id)?.unwrap_or(Hash::ZERO)))
            .collect::<Result<Vec<_>, LogError>>()?;
        Frontier::from_peaks(size, peaks).map_err(|error| LogError::damaged(error.to_string()))
    }

    fn entry(&mut self, index: u64, size: u64, frontier: &mut Frontier) -> Result<(), LogError> {
        let id = NodeId { level: 0, index };
        let stored_leaf = self.node(id)?;
        let bytes = self.bytes(Family::Entries, &index.to_be_bytes())?;
        let derived = bytes.as_ref().map(|bytes| Domain::LogLeaf.hash(bytes)).ok();
        let entry_fits = derived.is_some() && derived == stored_leaf;
        // Entry or leaf? Whichever the rest of the tree agrees with is right.
        let trust_leaf = !entry_fits
            && match (stored_leaf, derived) {
                (Some(_), Some(_)) => self.tree_agrees(index, size)?,
                (Some(_), None) => true,
                _ => false,
            };
        match (&bytes, entry_fits, trust_leaf) {
            (Err(problem), ..) => {
                let problem = problem.clone();
                self.find(index, Place::Entry, problem);
            }
            (Ok(_), false, true) => {
                self.find(index, Place::Entry, "changed: the tree's leaf is of another entry")
            }
            _ => {}
        }
        let leaf = if trust_leaf { stored_leaf } else { derived }.or(stored_leaf).unwrap_or(Hash::ZERO);
        self.nodes(index, leaf, frontier)?;
        match bytes.as_ref().ok().map(|bytes| LogEntry::decode_all(&mut &**bytes)) {
            // What a changed entry says of its device and body is worth nothing.
            Some(Ok(_)) if trust_leaf => {}
            Some(Ok(entry)) => {
                self.body(index, &entry)?;
                self.device(index, &entry)?;
            }
            Some(Err(error)) if !trust_leaf => self.find(index, Place::Entry, format!("no entry: {error}")),
            _ => {}
        }
        Ok(())
    }

    /// Appends a leaf and compares every node that it completes, and that is stored, with the stored one.
    fn nodes(&mut self, index: u64, leaf: Hash, frontier: &mut Frontier) -> Result<(), LogError> {
        let mut completed: Vec<Node> = Vec::new();
        frontier.append(leaf, |node| completed.push(node));
        for node in completed.into_iter().filter(|node| node.id.level.is_multiple_of(tiles::HEIGHT)) {
            match self.node(node.id)? {
                Some(stored) if stored == node.hash => {}
                Some(_) => {
                    self.find(index, Place::Node(node.id), "changed: it is not the hash of what is below it")
                }
                None => self.find(index, Place::Node(node.id), "missing or not readable"),
            }
        }
        Ok(())
    }

    /// Whether a leaf as stored is what the stored nodes above it, or the root, were made from.
    fn tree_agrees(&self, index: u64, size: u64) -> Result<bool, LogError> {
        let (tile, _) = TileId::of(NodeId { level: 0, index });
        if tile.leaves().end <= size {
            let above = self.node(NodeId { level: tiles::HEIGHT, index: tile.index })?;
            let whole =
                self.stored(|tiles| Ok(tiles.tile(tile)?.and_then(|tile| tile.root(0..tiles::WIDTH))))?;
            return Ok(above.is_some() && above == whole);
        }
        // A leaf of the tile that grows: the stored root has the word.
        let Some(state) = self.state()? else { return Ok(false) };
        Ok(self.log.root(size).is_ok_and(|root| root == state.root))
    }

    fn body(&mut self, index: u64, entry: &LogEntry) -> Result<(), LogError> {
        match self.bytes(Family::Bodies, &index.to_be_bytes())? {
            Err(_) if self.is_erased(index)? => {}
            Err(problem) => self.find(index, Place::Body, problem),
            Ok(bytes) => match Body::decode_all(&mut &*bytes) {
                Err(error) => {
                    self.find(index, Place::Body, format!("changed: it is no body any more ({error})"))
                }
                Ok(body) => {
                    if let Err(error) = entry.event.header.verify_body(&body) {
                        self.find(index, Place::Body, format!("changed: {error}"));
                    }
                }
            },
        }
        Ok(())
    }

    /// Whether a body is gone because it was erased.
    fn is_erased(&self, index: u64) -> Result<bool, LogError> {
        Ok(self.bytes(Family::Erasures, &index.to_be_bytes())?.is_ok())
    }

    /// Bodies that are said to be erased, and are still here.
    fn erased_and_here(&mut self, range: Range<u64>) -> Result<(), LogError> {
        for index in self.log.erased(range)? {
            if self.bytes(Family::Bodies, &index.to_be_bytes())?.is_ok() {
                self.find(index, Place::Body, "said to be erased, but it is still here");
            }
        }
        Ok(())
    }

    fn device(&mut self, index: u64, entry: &LogEntry) -> Result<(), LogError> {
        let header = &entry.event.header;
        let (device, sequence) = (header.device, header.sequence);
        match self.bytes(Family::ByDevice, &device_key(&device, sequence))? {
            Ok(bytes) if integer(Family::ByDevice, &bytes) == Ok(index) => {}
            Ok(_) => self.find(
                index,
                Place::ByDevice,
                format!("event {sequence} of device {device} is said to be elsewhere"),
            ),
            Err(problem) => {
                self.find(index, Place::ByDevice, format!("event {sequence} of device {device}: {problem}"))
            }
        }
        let last = match self.devices.get(&device) {
            Some(head) => Some(*head),
            None => self.before(&device, sequence)?,
        };
        let follows = header.ensure_follows(last.map(|head| (head.sequence, head.hash)));
        if let (Err(error), false) = (follows, self.is_after_damage(&device, sequence)?) {
            self.find(index, Place::Entry, format!("device {device}: {error}"));
        }
        self.devices.insert(device, Head { sequence, hash: header.hash(), index });
        Ok(())
    }

    /// Whether the event of a device before this one is damaged: that one is named, not what would follow it.
    fn is_after_damage(&self, device: &DeviceId, sequence: u64) -> Result<bool, LogError> {
        let Some(before) = sequence.checked_sub(1) else { return Ok(false) };
        let Ok(index) = self.bytes(Family::ByDevice, &device_key(device, before))? else { return Ok(false) };
        let Ok(index) = integer(Family::ByDevice, &index) else { return Ok(true) };
        self.is_damaged(index)
    }

    /// Whether an entry is not what its leaf says.
    fn is_damaged(&self, index: u64) -> Result<bool, LogError> {
        let entry = self.bytes(Family::Entries, &index.to_be_bytes())?;
        let leaf = entry.ok().map(|bytes| Domain::LogLeaf.hash(&bytes));
        Ok(leaf.is_none() || leaf != self.node(NodeId { level: 0, index })?)
    }

    /// The event of a device before the first that the range has of it.
    fn before(&self, device: &DeviceId, sequence: u64) -> Result<Option<Head>, LogError> {
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

    /// At the end of the log: heads and root.
    fn end(&mut self, size: u64, frontier: &Frontier) -> Result<(), LogError> {
        let last = size.saturating_sub(1);
        for (device, expected) in self.devices.clone() {
            let stored = self.bytes(Family::Heads, &device.0)?;
            let head = stored.as_ref().map(|bytes| Head::decode_all(&mut &**bytes));
            match stored {
                Ok(_) if matches!(head, Ok(Ok(head)) if head == expected) => {}
                Ok(_) if matches!(head, Ok(Ok(head)) if head.index > expected.index && self.is_damaged(head.index)?) =>
                    {}
                Ok(_) => self.find(
                    expected.index,
                    Place::Head,
                    format!("changed: not the last event of device {device}"),
                ),
                Err(problem) => {
                    self.find(expected.index, Place::Head, format!("of device {device}: {problem}"))
                }
            }
        }
        for id in tiles::growing(size) {
            let there = self.stored(|tiles| tiles.tile(id))?.map_or(0, |tile| tile.len());
            let expected = tiles::hashes(id, size);
            if there > expected {
                self.find(last, Place::Node(id.node(expected)), "beyond the end of the log");
            }
        }
        if size > 0 && self.state()?.map(|state| (state.size, state.root)) != Some((size, frontier.root())) {
            self.find(last, Place::Root, "changed: size or root are not those of the entries");
        }
        Ok(())
    }

    fn state(&self) -> Result<Option<State>, LogError> {
        Ok(self.bytes(Family::Meta, meta::STATE)?.ok().and_then(|bytes| State::decode_all(&mut &*bytes).ok()))
    }

    fn node(&self, id: NodeId) -> Result<Option<Hash>, LogError> {
        self.stored(|tiles| tiles.hash(id))
    }

    /// What is read of the tiles; nothing where they are damaged.
    fn stored<T>(
        &self,
        read: impl FnOnce(&TileReader<'a>) -> Result<Option<T>, LogError>,
    ) -> Result<Option<T>, LogError> {
        match read(&self.tiles) {
            Err(LogError::Damaged { .. }) => Ok(None),
            result => result,
        }
    }

    /// Stored bytes, or why there are none: a file that RocksDB finds corrupt is a finding like any other.
    fn bytes(&self, family: Family, key: &[u8]) -> Result<Result<Vec<u8>, String>, LogError> {
        match self.log.store().db().bytes(family, key) {
            Ok(Some(bytes)) => Ok(Ok(bytes)),
            Ok(None) => Ok(Err("missing".into())),
            Err(LogError::Damaged { what }) => Ok(Err(format!("not readable: {what}"))),
            Err(error) => Err(error),
        }
    }
}
