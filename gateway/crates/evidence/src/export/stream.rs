//! Writes the items of a file.

use super::{list, times::TimeCounts, ExportError, VerifiedPrelude};
use crate::{
    select::{Disclose, UnmatchedNames},
    verifier_pool::VerifierPool,
    EventLog,
};
use codec::Encode as _;
use std::{
    io::{self, Write},
    ops::RangeInclusive,
};
use streembit_primitives::{
    device::DeviceRecord,
    evidence::{BodyCounts, Item, ShownBody, Verifier},
    merkle::{Frontier, NodeId, NodeStore as _},
    Body, BoundedVec, Checkpoint, DeviceId, EventHeader, Hash, LogEntry, StoredBody, StoredEvent,
};

/// The number of events that are read at once.
pub(super) const PAGE: usize = 512;

/// Writes the items of a file, and counts what it writes.
pub(super) struct Stream<'a, L: EventLog + 'a, W, P> {
    log: &'a L,
    nodes: L::Nodes<'a>,
    record: &'a DeviceRecord,
    device: DeviceId,
    out: &'a mut W,
    /// Verifies what is written, if a part of it comes from somebody else's file.
    verifier: Option<Verifier<VerifierPool>>,
    /// The tree that a verifier builds from the items of this log.
    frontier: Frontier,
    size: u64,
    names: UnmatchedNames,
    progress: P,
    pub(super) counts: Counts,
}

/// The events and bytes that were written.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    /// The sequences of the first and the last event.
    pub(super) range: Option<(u64, u64)>,
    pub(super) bodies: BodyCounts,
    pub(super) bytes: u64,
    pub(super) times: TimeCounts,
}

impl Counts {
    fn add(&mut self, entry: &LogEntry, body: &ShownBody) {
        let EventHeader { sequence, time, .. } = entry.event.header;
        self.times.add(time, entry.received);
        let counter = match body {
            ShownBody::Whole(_) => &mut self.bodies.whole,
            ShownBody::Parts(_) => &mut self.bodies.parts,
            ShownBody::Withheld => &mut self.bodies.withheld,
            ShownBody::Erased => &mut self.bodies.erased,
        };
        *counter = counter.saturating_add(1);
        self.events = self.events.saturating_add(1);
        self.range = Some((self.range.map_or(sequence, |(first, _)| first), sequence));
    }
}

impl<'a, L: EventLog, W: Write, P: FnMut(u64, u64, u64)> Stream<'a, L, W, P> {
    /// Begins to write a file. With `verify`, everything is verified as it is written.
    pub(super) fn new(
        log: &'a L,
        prelude: &'a VerifiedPrelude,
        disclose: &Disclose,
        verify: bool,
        out: &'a mut W,
        progress: P,
    ) -> Result<Self, ExportError> {
        let VerifiedPrelude { prelude, trust, checkpoint, .. } = prelude;
        let verifier =
            verify.then(|| Verifier::with_signature_verifier(prelude, trust, VerifierPool::default()));
        Ok(Self {
            log,
            nodes: log.nodes(),
            record: &prelude.chain.state.device,
            device: prelude.device,
            out,
            verifier: verifier.transpose()?,
            frontier: Frontier::new(),
            size: checkpoint.size,
            names: UnmatchedNames::of(disclose),
            progress,
            counts: Counts::default(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.counts.bytes = self.counts.bytes.saturating_add(bytes.len() as u64);
        self.out.write_all(bytes)
    }

    pub(super) fn write_item(&mut self, item: Item) -> Result<(), ExportError> {
        self.write(&item.encode())?;
        if let Item::Event { entry, body } = &item {
            self.counts.add(entry, body);
        }
        if let Some(verifier) = &mut self.verifier {
            verifier.push(item)?;
        }
        Ok(())
    }

    /// Writes the device's events in this log with a sequence in this range.
    pub(super) fn write_events(
        &mut self,
        sequences: RangeInclusive<u64>,
        disclose: &Disclose,
    ) -> Result<(), ExportError> {
        let (mut next, last) = sequences.into_inner();
        'pages: while next <= last {
            let room = usize::try_from(last - next).map_or(PAGE, |left| PAGE.min(left.saturating_add(1)));
            let page = self.log.device_events(&self.device, next, room).map_err(ExportError::log)?;
            if page.is_empty() {
                break;
            }
            for stored in page {
                let sequence = stored.entry.event.header.sequence;
                if sequence > last {
                    break 'pages;
                }
                if !self.record.is_range_lost(next, sequence) {
                    return Err(ExportError::NotTheAnchored);
                }
                next = sequence.saturating_add(1);
                // The gateway should not have admitted a lost event. If it did, nobody accepts it.
                if !self.record.is_lost(sequence) {
                    self.skip_to(stored.index)?;
                    self.write_event(stored, disclose)?;
                }
            }
            (self.progress)(self.frontier.size(), self.size, self.counts.events);
        }
        match self.record.is_range_lost(next, last.saturating_add(1)) {
            true => Ok(()),
            false => Err(ExportError::NotTheAnchored),
        }
    }

    fn write_event(&mut self, stored: StoredEvent, disclose: &Disclose) -> Result<(), ExportError> {
        let body = disclosed_body(stored.body, disclose, &mut self.names)
            .ok_or(ExportError::MissingBody { index: stored.index })?;
        self.frontier.append(stored.entry.leaf(), |_| {});
        self.write_item(Item::Event { entry: stored.entry, body })
    }

    /// Writes the entries before `index` that are left out, as complete subtrees.
    pub(super) fn skip_to(&mut self, index: u64) -> Result<(), ExportError> {
        while self.frontier.size() < index {
            let id = subtree_at(self.frontier.size(), index);
            let hash: Hash = self.nodes.node(id).map_err(ExportError::log)?;
            self.frontier.append_subtree(id.level, hash, |_| {}).map_err(|_| ExportError::NotTheAnchored)?;
            self.write_item(Item::Skip { level: id.level, hash })?;
        }
        match self.frontier.size() == index {
            true => Ok(()),
            // The entry comes before one that was written already, so the log's index of devices is wrong.
            false => Err(ExportError::NotTheAnchored),
        }
    }

    /// Checks that the items have the anchored root, and that all requested names were found. Returns the counts.
    pub(super) fn finish(self, checkpoint: &Checkpoint) -> Result<Counts, ExportError> {
        if self.frontier.size() != checkpoint.size || self.frontier.root() != checkpoint.root {
            return Err(ExportError::NotTheAnchored);
        }
        if !self.names.missing.is_empty() {
            let (missing, others) = (list(&self.names.missing), list(&self.names.others));
            return Err(ExportError::NoSuchName { missing, others });
        }
        if let Some(verifier) = self.verifier {
            verifier.finish()?;
        }
        Ok(self.counts)
    }
}

/// Returns the largest complete subtree that begins at `start` and does not extend beyond `end`. `start` must be less
/// than `end`.
fn subtree_at(start: u64, end: u64) -> NodeId {
    let fits = (end - start).ilog2();
    let level = start.trailing_zeros().min(fits);
    NodeId { level: level as u8, index: start >> level }
}

/// Returns the disclosed part of a body, or `None` if the body is missing although it was not erased.
fn disclosed_body(
    body: StoredBody,
    disclose: &Disclose,
    unmatched: &mut UnmatchedNames,
) -> Option<ShownBody> {
    let body = match body {
        StoredBody::Present(body) => body,
        StoredBody::Erased { .. } => return Some(ShownBody::Erased),
        StoredBody::Missing => return None,
    };
    Some(match disclose {
        Disclose::All => ShownBody::Whole(body),
        Disclose::None => ShownBody::Withheld,
        Disclose::Names(names) => {
            let picked = unmatched.pick(names, &body);
            disclosed_parts(&body, &picked)
        }
    })
}

fn disclosed_parts(body: &Body, positions: &[u32]) -> ShownBody {
    let parts: Vec<_> = positions.iter().filter_map(|position| body.disclose(*position)).collect();
    match BoundedVec::try_from(parts) {
        Ok(parts) if !parts.is_empty() => ShownBody::Parts(parts),
        _ => ShownBody::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_entries_are_covered_by_the_fewest_complete_subtrees() {
        let cover = |start: u64, end: u64| {
            let (mut at, mut levels) = (start, Vec::new());
            while at < end {
                let id = subtree_at(at, end);
                assert_eq!(id.index << id.level, at);
                levels.push(id.level);
                at += 1 << id.level;
            }
            assert_eq!(at, end);
            levels
        };
        assert_eq!(cover(0, 8), [3]);
        assert_eq!(cover(0, 7), [2, 1, 0]);
        assert_eq!(cover(1, 8), [0, 1, 2]);
        assert_eq!(cover(5, 6), [0]);
        assert_eq!(cover(3, 1 << 40).len(), 39);
        assert!(cover(1, (1 << 40) - 1).len() <= 80);
    }
}
