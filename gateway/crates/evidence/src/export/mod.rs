//! Exports evidence from a log and the collected proof of its last anchor. It needs no node, and its memory does not
//! grow with the number of events.
//!
//! If a device's events were in another log before, the export continues the evidence of that log: its segments come
//! first, each with the proof that it was exported with.
//!
//! | file | holds |
//! |---|---|
//! | `error.rs` | the reasons why evidence cannot be exported |
//! | `former.rs` | the evidence of the logs before |
//! | `stream.rs` | writing the items |
//! | `times.rs` | the times of the events |

mod error;
mod former;
mod stream;
mod times;

pub use error::ExportError;
pub use times::TimeCounts;

use super::{
    select::{Disclose, Span},
    CollectedChain, EventLog, State,
};
use former::{FormerEvidence, FormerSegments};
use serde::Serialize;
use std::{
    io::Write,
    ops::{Range, RangeInclusive},
    path::PathBuf,
};
use stream::{Stream, PAGE};
use streembit_primitives::{
    device::DeviceRecord,
    evidence::{file, BodyCounts, ChainEvidence, EvidenceError, Item, Prelude, Segment, TrustRoot, Verifier},
    Checkpoint, DeviceId, Hash, LogId,
};

/// The selection of the events to export, and of the chain to prove them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The device.
    pub device: DeviceId,
    /// The span of time of its events in this log.
    pub span: Span,
    /// The parts of the bodies of the events in this log to disclose.
    pub disclose: Disclose,
    /// The genesis hash of the chain that proves the events, or `None` for the chain of the last collection.
    pub chain: Option<Hash>,
    /// The evidence file of the log that the device's events were in before, which the export continues. It has the
    /// device's events up to those in this log, and may have several segments itself.
    pub after: Option<PathBuf>,
}

/// A summary of the exported file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExportSummary {
    /// The device.
    pub device: DeviceId,
    /// The number of logs that the events are in.
    pub segments: u64,
    /// The number of events.
    #[serde(rename = "event_count")]
    pub events: u64,
    /// The sequence of the first event.
    pub first: u64,
    /// The sequence of the last event.
    pub last: u64,
    /// The sequence of the device's last anchored event.
    pub head: u64,
    /// The number of the device's events that are not anchored yet and so cannot be proven.
    pub not_anchored: u64,
    /// The number of anchored entries of the log.
    pub log_size: u64,
    /// The genesis hash of the chain that proves the events.
    pub chain: Hash,
    /// The number of the final block at which they are proven.
    pub block: u32,
    /// The number of bodies by how much of them is disclosed.
    pub bodies: BodyCounts,
    /// The times of the events, and whether they contradict each other or the requested span.
    pub times: TimeCounts,
    /// The length of the file, in bytes.
    pub bytes: u64,
}

/// The first part of a file, verified, with the checkpoint that the last segment of the file must match.
pub struct VerifiedPrelude {
    /// The first part of the file.
    pub prelude: Prelude,
    /// The trust root that it was verified with. Its voters are the ones that the node named.
    pub trust: TrustRoot,
    checkpoint: Checkpoint,
    /// The sequence of the device's last event at that checkpoint.
    head: u64,
    block: u32,
}

impl VerifiedPrelude {
    /// Builds and verifies the prelude for a device from the collected proof of a chain. If `chain` is `None`, it uses
    /// the chain of the last collection.
    pub fn new<L: EventLog>(log: &L, device: DeviceId, chain: Option<Hash>) -> Result<Self, ExportError> {
        Self::after(log, device, chain, None)
    }

    /// Like [`Self::new`], with the segments of `former` before the one of this log.
    fn after<L: EventLog>(
        log: &L,
        device: DeviceId,
        chain: Option<Hash>,
        former: Option<&FormerEvidence>,
    ) -> Result<Self, ExportError> {
        let CollectedChain { genesis, first_voters, mut changes, last, number, state_root, nodes } =
            collected(log, chain)?;
        let state = State::new(&state_root, nodes);
        let not_registered = ExportError::NotRegistered { device, block: number };
        let Some(record) = state.device(&device)? else { return Err(not_registered) };
        ensure_in_log(&record, device, log.id())?;
        let anchor = state.anchor(&log.id())?.ok_or(ExportError::NothingCollected)?;
        log.check_against(&anchor).map_err(ExportError::log)?;
        let size = anchor.checkpoint.size;
        let head = log.head_proof(&device, size).map_err(ExportError::log)?;
        let head = head.ok_or(ExportError::NoEvents { device, size })?;
        let sequence = head.entry.sequence;
        let former = former.map(|former| former.segments(device, genesis, number)).transpose()?;
        let FormerSegments { mut segments, proofs } = former.unwrap_or_default();
        segments.push(Segment { log: log.id(), head });
        let Some(proof) = state.prove(&log.id(), &device)? else { return Err(not_registered) };
        // The newest block may itself be the last one of its set of voters. Then its change is not needed.
        changes.retain(|change| change.header != last.header);
        let chain = ChainEvidence { changes, former: proofs, last, state: proof };
        let prelude = Prelude { genesis, device, chain, segments };
        let trust = TrustRoot { genesis, authorities: first_voters };
        Verifier::new(&prelude, &trust)?;
        Ok(Self { prelude, trust, checkpoint: anchor.checkpoint, head: sequence, block: number })
    }

    fn record(&self) -> &DeviceRecord {
        &self.prelude.chain.state.device
    }
}

/// Ensures that some of a device's events are in a log.
fn ensure_in_log(record: &DeviceRecord, device: DeviceId, log: LogId) -> Result<(), ExportError> {
    let others: Vec<_> = record.logs().iter().map(|period| period.log).collect();
    match others.contains(&log) {
        true => Ok(()),
        false => Err(ExportError::NotInLog { device, log, others }),
    }
}

/// Returns what was collected from a chain, or from the chain of the last collection.
pub(crate) fn collected<L: EventLog>(log: &L, chain: Option<Hash>) -> Result<CollectedChain, ExportError> {
    let kept = log.chains().map_err(ExportError::log)?;
    let last = kept.last().ok_or(ExportError::NothingCollected)?;
    let chain = chain.unwrap_or(*last);
    log.collected(&chain).map_err(ExportError::log)?.ok_or(ExportError::NotOfChain { chain, kept })
}

/// Writes evidence. Calls `progress` with the number of processed entries of the log, the number of all anchored
/// entries, and the number of written events.
pub fn write<L: EventLog>(
    log: &L,
    request: &Request,
    out: &mut impl Write,
    progress: impl FnMut(u64, u64, u64),
) -> Result<ExportSummary, ExportError> {
    let former = request.after.as_deref().map(FormerEvidence::open).transpose()?;
    let verified = VerifiedPrelude::after(log, request.device, request.chain, former.as_ref())?;
    let bytes = file::encode_prelude(&verified.prelude)
        .ok_or(EvidenceError::Malformed { what: "prelude", items: 0 })?;
    let mut stream = Stream::new(log, &verified, &request.disclose, former.is_some(), out, progress)?;
    stream.counts.times.span = request.span;
    stream.write(&bytes)?;
    if let Some(former) = former {
        former.read(|item| stream.write_item(item))?;
        stream.write_item(Item::NextSegment)?;
    }
    let next = stream.counts.range.map_or(0, |(_, last)| last.saturating_add(1));
    stream.write_events(sequences(log, request, &verified, next)?, &request.disclose)?;
    stream.skip_to(verified.checkpoint.size)?;
    stream.write_item(Item::End)?;
    let counts = stream.finish(&verified.checkpoint)?;
    let head = verified.head;
    let (first, last) = counts.range.unwrap_or((head, head));
    Ok(ExportSummary {
        device: request.device,
        segments: verified.prelude.segments.len() as u64,
        events: counts.events,
        first,
        last,
        head,
        not_anchored: not_anchored(log, &verified)?,
        log_size: verified.checkpoint.size,
        chain: verified.prelude.genesis,
        block: verified.block,
        bodies: counts.bodies,
        times: counts.times,
        bytes: counts.bytes,
    })
}

/// Returns the number of the device's events in the log after the anchored ones.
fn not_anchored<L: EventLog>(log: &L, verified: &VerifiedPrelude) -> Result<u64, ExportError> {
    let newest = log.last_sequence(&verified.prelude.device).map_err(ExportError::log)?;
    let (head, newest) = (verified.head, newest.unwrap_or(verified.head));
    let lost = verified.record().lost().iter();
    let lost = lost.map(|range| range.until.min(newest).saturating_sub(range.from.max(head)));
    Ok(newest.saturating_sub(head).saturating_sub(lost.fold(0, u64::saturating_add)))
}

/// Returns the sequences of the selected events, from the first to the last one. They begin with `next` or later.
///
/// A device that came back to the log has events from different times there. Without the log in between, only those of one
/// time can be exported: the last ones that are selected.
fn sequences<L: EventLog>(
    log: &L,
    request: &Request,
    verified: &VerifiedPrelude,
    next: u64,
) -> Result<RangeInclusive<u64>, ExportError> {
    let ranges = ranges(verified.record(), &log.id());
    let mut ranges: Vec<_> = ranges
        .into_iter()
        .map(|range| range.start.max(next)..=range.end.saturating_sub(1).min(verified.head))
        .filter(|range| !range.is_empty())
        .collect();
    if request.after.is_some() {
        // The evidence goes on where the former evidence ends.
        ranges.truncate(1);
    }
    let mut times = None;
    for range in ranges.into_iter().rev() {
        if let Some(selected) = selected(log, request, range, &mut times)? {
            return Ok(selected);
        }
    }
    Err(match times {
        Some((first, last)) => ExportError::EmptySpan { first, last },
        None => ExportError::NoEvents { device: request.device, size: verified.checkpoint.size },
    })
}

/// Returns the ranges of the sequences of a device's events in a log, in order. A range goes on across lost events.
fn ranges(record: &DeviceRecord, log: &LogId) -> Vec<Range<u64>> {
    let ends = record.logs().iter().skip(1).map(|period| period.from).chain([u64::MAX]);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (period, end) in record.logs().iter().zip(ends).filter(|(period, _)| period.log == *log) {
        match ranges.last_mut() {
            Some(last) if record.is_range_lost(last.end, period.from) => last.end = end,
            _ => ranges.push(period.from..end),
        }
    }
    ranges
}

/// Returns the sequences of the first and the last event of a range that are in the requested span, or `None` if there is
/// no event. Sets `times` to the times of the first and the last event.
fn selected<L: EventLog>(
    log: &L,
    request: &Request,
    range: RangeInclusive<u64>,
    times: &mut Option<(u64, u64)>,
) -> Result<Option<RangeInclusive<u64>>, ExportError> {
    let (start, end) = range.into_inner();
    let (mut first, mut last, mut next) = (None, start, start);
    let mut found = None;
    while next <= end {
        let page = log.device_events(&request.device, next, PAGE).map_err(ExportError::log)?;
        let events = page.into_iter().take_while(|stored| stored.entry.event.header.sequence <= end);
        let mut is_empty = true;
        for stored in events {
            is_empty = false;
            if request.span.is_all() {
                return Ok(Some(start..=end));
            }
            let sequence = stored.entry.event.header.sequence;
            next = sequence.saturating_add(1);
            let (earliest, latest) = request.span.times_of(&stored).into_inner();
            found = Some((found.map_or(earliest, |(first, _)| first), latest));
            if request.span.selects(&stored) {
                first.get_or_insert(sequence);
                last = sequence;
            }
        }
        if is_empty {
            break;
        }
    }
    *times = times.or(found);
    Ok(first.map(|first| first..=last))
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
