//! The checks of an audit.

use super::{
    report::{AuditProblem, Completeness},
    times, AnchorState, AuditedEvent, ChainState, ProblemPlace, Report, Subject,
};
use crate::event_view::EventView;
use std::collections::BTreeSet;
use streembit_log::{
    CheckpointError, Finding, LogReader, Place, ReadError, StorageError, StoredBody, StoredEvent,
};
use streembit_primitives::{
    device::DeviceRecord, heads::HeadsMap, Checkpoint, DeviceId, EventHeader, Hash, LogId, SignedEvent,
};

/// The number of events that are read at once.
const CHUNK: usize = 256;

/// Audits a device's history. `chain` must have been read before `log` was opened, so that an honest log cannot be
/// behind its anchor.
///
/// # Errors
///
/// Fails if the log cannot be read. Damaged data is no error but a problem in the report.
pub fn audit(log: &LogReader, subject: Subject, chain: &ChainState) -> Result<Report, ReadError> {
    let report = Report::new(subject, chain, log.id());
    let mut audit = Audit { log, chain, report, damaged: BTreeSet::new(), heads: None };
    audit.report.log_size = log.size();
    audit.check_device_record();
    audit.check_stored_log()?;
    audit.check_against_anchor()?;
    audit.check_history()?;
    audit.check_copied_key()?;
    audit.check_completeness();
    Ok(audit.conclude())
}

/// The event that the next event must follow.
#[derive(Clone, Copy)]
enum Predecessor {
    /// There is no event before it.
    None,
    /// The event with this sequence and hash.
    Event(u64, Hash),
    /// An event that is unreadable or was changed, so the order cannot be checked.
    Unknown,
}

/// The position of an event in the log and in its device's history.
#[derive(Clone, Copy)]
struct Position {
    index: u64,
    sequence: u64,
}

impl Position {
    fn problem(self, place: ProblemPlace, problem: impl Into<String>) -> AuditProblem {
        AuditProblem::new(place, problem.into()).at(self.index).of_event(self.sequence)
    }
}

/// Consecutive events of the device.
struct Batch {
    events: Vec<StoredEvent>,
    /// Whether unreadable events before these were skipped.
    skipped: bool,
}

struct Audit<'a> {
    log: &'a LogReader,
    chain: &'a ChainState,
    report: Report,
    /// The indexes of entries whose stored entry or body is damaged.
    damaged: BTreeSet<u64>,
    /// The last event of each device at the anchored size, computed from the entries; `None` if entries are damaged.
    heads: Option<HeadsMap>,
}

impl Audit<'_> {
    fn add_problem(&mut self, problem: AuditProblem) {
        self.report.problems.push(problem);
    }

    /// Checks that the device is registered on the chain, and that some of its events are in this log.
    fn check_device_record(&mut self) {
        let (device, log) = (self.report.device, self.log.id());
        let problem = match &self.chain.device {
            None => {
                format!("device {device} is not registered on the chain: run `streembit device register`")
            }
            Some(record) if record.device_id() != device => {
                "the first key in the record is not the one from which the device's id is derived".into()
            }
            Some(record) if !record.logs().iter().any(|period| period.log == log) => format!(
                "the events of device {device} are in {}, but this is {}",
                log_name(&record.log()),
                log_name(&log)
            ),
            Some(_) => return,
        };
        self.add_problem(AuditProblem::new(ProblemPlace::Chain, problem));
    }

    /// Recomputes everything that the log stores, and reports what differs.
    fn check_stored_log(&mut self) -> Result<(), ReadError> {
        let anchored = self.chain.anchor.as_ref().map_or(0, |anchor| anchor.checkpoint.size);
        let (findings, heads) = self.log.verify_with_heads(anchored)?;
        self.heads = heads;
        for finding in findings {
            let problem =
                AuditProblem::new(ProblemPlace::of(finding.place), finding.problem.clone()).at(finding.index);
            let problem = match finding.place {
                Place::Node(id) => AuditProblem {
                    problem: format!("level {}, node {}: {}", id.level, id.index, finding.problem),
                    ..problem
                },
                _ => problem,
            };
            if !self.concerns_device(&finding)? {
                self.report.elsewhere.push(problem);
                continue;
            }
            if matches!(finding.place, Place::Entry | Place::Body) {
                self.damaged.insert(finding.index);
            }
            self.add_problem(problem);
        }
        Ok(())
    }

    /// Returns true if a finding affects this device. Entries and the tree affect all devices, a body only one.
    fn concerns_device(&self, finding: &Finding) -> Result<bool, ReadError> {
        if matches!(finding.place, Place::Entry | Place::Node(_) | Place::Root) {
            return Ok(true);
        }
        match self.log.stored(finding.index) {
            Ok(stored) => {
                Ok(stored.is_none_or(|stored| stored.entry.event.header.device == self.report.device))
            }
            Err(ReadError::Storage(StorageError::Damaged { .. })) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Checks the log against its last anchor.
    fn check_against_anchor(&mut self) -> Result<(), ReadError> {
        let Some(anchor) = &self.chain.anchor else { return Ok(()) };
        match self.log.check_against(anchor) {
            // `check_completeness` compares the heads map with the entries, and `check_stored_log` has reported a
            // damaged index.
            Ok(()) | Err(CheckpointError::DifferentHeads { .. }) => Ok(()),
            Err(CheckpointError::OutOfRange(error)) => Err(error.into()),
            Err(CheckpointError::Storage(error)) if error.is_temporary() => Err(error.into()),
            Err(error) => {
                self.add_problem(AuditProblem::new(ProblemPlace::Anchor, error.to_string()));
                Ok(())
            }
        }
    }

    /// Checks each of the device's events and their order.
    fn check_history(&mut self) -> Result<(), ReadError> {
        let mut last = Predecessor::None;
        let mut next = 0;
        while let Some(batch) = self.read_batch(next)? {
            if batch.skipped {
                last = Predecessor::Unknown;
            }
            for event in batch.events {
                next = event.entry.event.header.sequence.max(next).saturating_add(1);
                last = self.check_event(event, last);
            }
        }
        Ok(())
    }

    /// Reads events from the sequence `from` on. Skips unreadable events and reports them as problems. Returns `None`
    /// at the end of the history.
    fn read_batch(&mut self, mut from: u64) -> Result<Option<Batch>, ReadError> {
        let device = self.report.device;
        let batch =
            |events: Vec<StoredEvent>, skipped| (!events.is_empty()).then_some(Batch { events, skipped });
        match self.log.device_events(&device, from, CHUNK) {
            Ok(events) => return Ok(batch(events, false)),
            Err(ReadError::Storage(StorageError::Damaged { .. })) => {}
            Err(error) => return Err(error),
        }
        // An event in this range is unreadable. Read the events one by one to find and skip it.
        let (start, end) = (from, self.last_sequence(&device)?);
        while from <= end {
            match self.log.device_events(&device, from, 1) {
                Ok(events) => return Ok(batch(events, from > start)),
                Err(ReadError::Storage(StorageError::Damaged { what, .. })) => {
                    self.report_unreadable(from, what);
                    from = from.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Reports an unreadable event, unless `check_stored_log` has already found the damage.
    fn report_unreadable(&mut self, sequence: u64, what: String) {
        if self.damaged.is_empty() {
            self.add_problem(AuditProblem::new(ProblemPlace::Entry, what).of_event(sequence));
        }
    }

    /// Returns the sequence of the device's last event, or an upper bound if its head is damaged.
    fn last_sequence(&self, device: &DeviceId) -> Result<u64, ReadError> {
        match self.log.head(device) {
            Ok(head) => Ok(head.map_or(0, |head| head.sequence)),
            Err(ReadError::Storage(StorageError::Damaged { .. })) => Ok(self.log.size()),
            Err(error) => Err(error),
        }
    }

    /// Checks one event and adds it to the report. Returns the predecessor of the next event.
    fn check_event(&mut self, stored: StoredEvent, last: Predecessor) -> Predecessor {
        let StoredEvent { index, ref entry, ref body } = stored;
        let header = entry.event.header.clone();
        let (sequence, hash) = (header.sequence, header.hash());
        let position = Position { index, sequence };
        let before = self.report.problems.len();

        let lost = self.chain.device.as_ref().is_some_and(|record| record.is_lost(sequence));
        let is_signed = lost || {
            self.check_order(&header, last, position);
            self.check_signature(&entry.event, position)
        };
        self.check_body(&header, body, position);
        let anchor = self.check_anchored(entry.leaf(), position);
        let has_problem = self.report.problems.len() > before || self.damaged.contains(&index);
        self.report.history.push(AuditedEvent {
            event: EventView::of_stored(self.log.id(), stored),
            anchor,
            key: self.chain.device.as_ref().map(|record| key_number(record, sequence)),
            lost,
            ok: is_signed && !has_problem,
        });
        // A lost event does not count, and the hash of a changed entry says nothing about the order of the next event.
        match self.is_entry_changed(index) {
            _ if lost => last,
            true => Predecessor::Unknown,
            false => Predecessor::Event(sequence, hash),
        }
    }

    /// Checks that an event is of this device, belongs to this log, and follows its predecessor.
    fn check_order(&mut self, header: &EventHeader, last: Predecessor, position: Position) {
        if header.device != self.report.device {
            let problem = "the index points to an event of another device";
            self.add_problem(position.problem(ProblemPlace::Index, problem));
        }
        if let Some(problem) = self.misplaced(header.sequence) {
            self.add_problem(position.problem(ProblemPlace::Sequence, problem));
            return;
        }
        let last = match last {
            Predecessor::None => None,
            Predecessor::Event(sequence, hash) => Some((sequence, hash)),
            Predecessor::Unknown => return,
        };
        let follows = match &self.chain.device {
            Some(record) => record.ensure_follows(&self.log.id(), header, last),
            None => header.ensure_follows(last),
        };
        if let Err(error) = follows {
            self.add_problem(position.problem(ProblemPlace::Sequence, error.to_string()));
        }
    }

    /// Returns why an event with this sequence cannot be in this log, or `None` if it can.
    fn misplaced(&self, sequence: u64) -> Option<String> {
        let record = self.chain.device.as_ref()?;
        let log = record.log_at(sequence).log;
        (log != self.log.id())
            .then(|| format!("the device's record on the chain puts it in {}", log_name(&log)))
    }

    /// Returns true if the event is signed with the key that counts for it. Without a record no signature can be checked,
    /// which `check_device_record` has reported.
    fn check_signature(&mut self, event: &SignedEvent, position: Position) -> bool {
        let Some(record) = &self.chain.device else { return false };
        match event.clone().verify(&record.key_at(event.header.sequence).key) {
            Ok(_) => true,
            Err(error) => {
                self.add_problem(position.problem(ProblemPlace::Signature, error.to_string()));
                false
            }
        }
    }

    /// Checks that an event's body is the one that it was signed with, or was erased.
    fn check_body(&mut self, header: &EventHeader, body: &StoredBody, position: Position) {
        let problem = match body {
            StoredBody::Erased { .. } => return,
            StoredBody::Missing => "it is missing, but the log has no record that it was erased".to_owned(),
            StoredBody::Present(body) => match header.verify_body(body) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
        };
        // `check_stored_log` may have reported it already.
        let known =
            |other: &AuditProblem| other.place == ProblemPlace::Body && other.index == Some(position.index);
        if !self.report.problems.iter().any(known) {
            self.add_problem(position.problem(ProblemPlace::Body, problem));
        }
    }

    /// Returns the anchor state of an entry, and reports an entry that should be under the anchored root but is not.
    fn check_anchored(&mut self, leaf: Hash, position: Position) -> AnchorState {
        let state = self.anchor_state(position.index, leaf);
        if state == AnchorState::Outside {
            let problem = "the entry is not under the anchored root";
            self.add_problem(position.problem(ProblemPlace::Anchor, problem));
        }
        state
    }

    fn is_entry_changed(&self, index: u64) -> bool {
        let entry =
            |problem: &AuditProblem| problem.place == ProblemPlace::Entry && problem.index == Some(index);
        self.damaged.contains(&index) && self.report.problems.iter().any(entry)
    }

    fn anchor_state(&self, index: u64, leaf: Hash) -> AnchorState {
        let Some(Checkpoint { size, root, .. }) = self.chain.anchor.as_ref().map(|anchor| &anchor.checkpoint)
        else {
            return AnchorState::Pending;
        };
        if index >= *size {
            return AnchorState::Pending;
        }
        // The proof is made from the stored nodes. If one of them was changed, the proof fails, and `check_stored_log`
        // has reported the node.
        let proven =
            self.log.prove_inclusion(index, *size).is_ok_and(|proof| proof.verify(leaf, index, *size, root));
        if proven {
            AnchorState::Anchored
        } else {
            AnchorState::Outside
        }
    }

    /// Reports a proof in the log that the device's key was copied.
    fn check_copied_key(&mut self) -> Result<(), ReadError> {
        match self.log.copied_key(&self.report.device) {
            Ok(None) => {}
            Ok(Some(copied)) => {
                let record = self.chain.device.as_ref();
                let key_at = |record: &DeviceRecord| record.key_at(copied.sequence).key.clone();
                let problem = match record.map(key_at).map(|key| copied.verify(&key)) {
                    Some(Ok(())) | None => {
                        "the device's key signed two different events with this sequence, so the key was copied \
                         (`streembit audit forks` shows both events)"
                            .into()
                    }
                    Some(Err(error)) => format!("the log holds a proof of a copied key, but the proof is invalid: {error}"),
                };
                let problem = AuditProblem::new(ProblemPlace::Signature, problem);
                self.add_problem(
                    problem.at(copied.first.index.unwrap_or_default()).of_event(copied.sequence),
                );
                self.report.copied_key = Some(copied);
            }
            Err(ReadError::Storage(StorageError::Damaged { what, .. })) => {
                self.add_problem(AuditProblem::new(ProblemPlace::Index, what))
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Checks that the history has no missing end: the anchored heads map must be the one computed from the entries,
    /// and the history must reach the last event in it.
    fn check_completeness(&mut self) {
        let Some(Checkpoint { size, heads_root: expected, .. }) =
            self.chain.anchor.as_ref().map(|anchor| anchor.checkpoint.clone())
        else {
            self.report.completeness = Completeness::unknown("the log has no anchor yet");
            return;
        };
        if self.report.problems.iter().any(|problem| problem.place == ProblemPlace::Anchor) {
            self.report.completeness = Completeness::unknown("the log differs from its anchor");
            return;
        }
        let Some(heads) = &self.heads else {
            let why = "entries are damaged, so the heads map cannot be computed";
            self.report.completeness = Completeness::unknown(why);
            return;
        };
        let found = heads.root();
        if found != expected {
            let problem = format!(
                "the gateway anchored the heads map {expected} at {size} entries, but the heads map of these entries is \
                 {found}: the map was false when it was signed, and hides or invents the end of a history"
            );
            self.add_problem(AuditProblem::new(ProblemPlace::Heads, problem));
            self.report.completeness = Completeness::unknown("the anchored heads map is false");
            return;
        }
        let head = heads.get(&self.report.device).map(|head| head.sequence);
        self.report.completeness = match self.first_missing(head) {
            Some(missing) => {
                Completeness::unknown(format!("event {missing} of the device is missing or out of place"))
            }
            None => {
                let anchored = self.counted();
                let anchored: Vec<_> =
                    anchored.filter(|sequence| head.is_some_and(|head| *sequence <= head)).collect();
                Completeness::proven(&anchored, size)
            }
        };
    }

    /// Returns the sequence of the first event up to `head` that should be in this log, but is not the next one in the
    /// history. `None` if there is none.
    fn first_missing(&self, head: Option<u64>) -> Option<u64> {
        let mut history = self.counted();
        let mut next = self.next_in_log(0);
        while let Some(expected) = next.filter(|next| head.is_some_and(|head| *next <= head)) {
            if history.next() != Some(expected) {
                return Some(expected);
            }
            next = expected.checked_add(1).and_then(|after| self.next_in_log(after));
        }
        None
    }

    /// Returns the sequences of the events in the history that are not declared lost.
    fn counted(&self) -> impl Iterator<Item = u64> + '_ {
        self.report.history.iter().filter(|event| !event.lost).map(|event| event.event.sequence)
    }

    /// Returns the first sequence from `from` on that an event in this log can have.
    fn next_in_log(&self, from: u64) -> Option<u64> {
        match &self.chain.device {
            Some(record) => record.next_in_log(&self.log.id(), from),
            None => Some(from),
        }
    }

    fn conclude(mut self) -> Report {
        let report = &mut self.report;
        let count = |state| {
            let counted = report.history.iter().filter(|event| event.ok && !event.lost);
            counted.filter(|event| event.anchor == state).count() as u64
        };
        (report.anchored, report.pending) = (count(AnchorState::Anchored), count(AnchorState::Pending));
        if report.problems.is_empty() && report.anchored == 0 && report.pending > 0 {
            report.problems.push(AuditProblem::new(
                ProblemPlace::Anchor,
                format!(
                    "none of the device's events is anchored yet ({} pending): wait for the next anchor",
                    report.pending
                ),
            ));
        }
        // Put causes before their consequences: damaged storage explains why an entry is not under the anchored root.
        report.problems.sort_by_key(|problem| match problem.place {
            ProblemPlace::Chain => 0,
            ProblemPlace::Entry | ProblemPlace::Body | ProblemPlace::Node => 1,
            ProblemPlace::Root | ProblemPlace::Index => 2,
            ProblemPlace::Signature | ProblemPlace::Sequence => 3,
            ProblemPlace::Heads => 4,
            ProblemPlace::Anchor => 5,
        });
        report.lost = report.history.iter().filter(|event| event.lost).count() as u64;
        report.erased = report.history.iter().filter(|event| event.event.erased.is_some()).count() as u64;
        report.events = report.history.len() as u64;
        report.times = times::contradictions(&report.history, &self.chain.roots);
        report.verified = report.problems.is_empty();
        self.report
    }
}

/// Returns the number of the key that counts for a sequence, counted from 0.
fn key_number(record: &DeviceRecord, sequence: u64) -> u32 {
    let numbered = (0u32..).zip(record.keys().iter());
    numbered.filter(|(_, period)| period.from <= sequence).last().map_or(0, |(number, _)| number)
}

fn log_name(log: &LogId) -> String {
    format!("log {} of gateway {}", log.epoch, streembit_keystore::account::show(&log.gateway))
}
