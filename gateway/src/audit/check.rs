//! The checks of an audit.

use super::{
    report::{AuditProblem, Completeness},
    AnchorState, AuditedEvent, ChainState, ProblemPlace, Report, Subject,
};
use std::collections::BTreeSet;
use streembit_log::{Finding, LogError, LogReader, Place, StoredBody, StoredEvent};
use streembit_primitives::{device::DeviceRecord, heads::HeadsMap, Checkpoint, DeviceId, Hash};

/// How many events are read at once.
const CHUNK: usize = 256;

/// Replays a device's history. The chain's state must be older than the view of the log, so that the log cannot be
/// behind it for an honest reason. An error means that nothing could be said; what is damaged is in the report.
pub fn audit(log: &LogReader, subject: Subject, chain: &ChainState) -> Result<Report, LogError> {
    let report = Report::new(subject, chain, log.id());
    let mut audit = Audit { log, chain, report, bad: BTreeSet::new(), heads: None };
    audit.report.log_size = log.size();
    audit.chain_record();
    audit.stored_log()?;
    audit.against_anchor()?;
    audit.history()?;
    audit.copied_key()?;
    audit.completeness();
    Ok(audit.conclude())
}

/// What an event has to follow.
#[derive(Clone, Copy)]
enum Predecessor {
    /// Nothing: it is the first.
    None,
    /// This sequence and hash.
    Event(u64, Hash),
    /// Something that cannot be read, or was changed.
    Unknown,
}

/// Some events of the device, in order.
struct Read {
    events: Vec<StoredEvent>,
    /// Whether there are others before them that cannot be read.
    passed_over: bool,
}

struct Audit<'a> {
    log: &'a LogReader,
    chain: &'a ChainState,
    report: Report,
    /// Entries of the log that are known to be wrong in themselves.
    bad: BTreeSet<u64>,
    /// The last event of each device at the anchored size, derived from the entries; `None` where they are damaged.
    heads: Option<HeadsMap>,
}

impl Audit<'_> {
    fn problem(&mut self, problem: AuditProblem) {
        self.report.problems.push(problem);
    }

    /// What the chain says of the device: registered, and with this gateway.
    fn chain_record(&mut self) {
        let (device, gateway) = (self.report.device, self.log.id().gateway);
        let problem = match &self.chain.device {
            None => format!("device {device} is not registered: `streembit device register`"),
            Some(record) if record.gateway != gateway => format!(
                "device {device} is registered with gateway {}, this is the log of {}",
                streembit_keystore::account::show(&record.gateway),
                streembit_keystore::account::show(&gateway)
            ),
            Some(record) if record.key.device_id() != device => {
                "the registered key is not the one that the device's id was made of".into()
            }
            Some(_) => return,
        };
        self.problem(AuditProblem::new(ProblemPlace::Chain, problem));
    }

    /// Everything stored, derived again.
    fn stored_log(&mut self) -> Result<(), LogError> {
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
            if !self.concerns(&finding)? {
                self.report.elsewhere.push(problem);
                continue;
            }
            if matches!(finding.place, Place::Entry | Place::Body) {
                self.bad.insert(finding.index);
            }
            self.problem(problem);
        }
        Ok(())
    }

    /// Whether a finding touches this device: the entries and the tree are everyone's, bodies are one device's.
    fn concerns(&self, finding: &Finding) -> Result<bool, LogError> {
        if matches!(finding.place, Place::Entry | Place::Node(_) | Place::Root) {
            return Ok(true);
        }
        match self.log.stored(finding.index) {
            Ok(stored) => {
                Ok(stored.is_none_or(|stored| stored.entry.event.header.device == self.report.device))
            }
            Err(LogError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The log against what is anchored of it.
    fn against_anchor(&mut self) -> Result<(), LogError> {
        let Some(anchor) = &self.chain.anchor else { return Ok(()) };
        match self.log.check_against(anchor) {
            // Held against the entries themselves in `completeness`; an index that was changed is named already.
            Ok(()) | Err(LogError::DifferentHeads { .. }) => Ok(()),
            Err(
                error @ (LogError::ShorterThanAnchor { .. }
                | LogError::DifferentFromAnchor { .. }
                | LogError::ForeignCheckpoint { .. }
                | LogError::Damaged { .. }),
            ) => {
                self.problem(AuditProblem::new(ProblemPlace::Anchor, error.to_string()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The device's events, each and in their order.
    fn history(&mut self) -> Result<(), LogError> {
        let mut last = Predecessor::None;
        let mut next = 0;
        while let Some(read) = self.read(next)? {
            if read.passed_over {
                last = Predecessor::Unknown;
            }
            for event in read.events {
                next = event.entry.event.header.sequence.max(next).saturating_add(1);
                last = self.event(event, last);
            }
        }
        Ok(())
    }

    /// The events from a sequence on; `None` at the end. Those that cannot be read are passed over, and are a problem.
    fn read(&mut self, mut from: u64) -> Result<Option<Read>, LogError> {
        let device = self.report.device;
        let some = |events: Vec<StoredEvent>, passed_over| {
            (!events.is_empty()).then_some(Read { events, passed_over })
        };
        match self.log.device_events(&device, from, CHUNK) {
            Ok(events) => return Ok(some(events, false)),
            Err(LogError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        // One of them cannot be read: one by one up to it, then past it.
        let (start, end) = (from, self.last_sequence(&device)?);
        while from <= end {
            match self.log.device_events(&device, from, 1) {
                Ok(events) => return Ok(some(events, from > start)),
                Err(LogError::Damaged { what }) => {
                    self.unreadable(from, what);
                    from = from.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// An event that cannot be read: the look at everything stored has named the very place, if it is one.
    fn unreadable(&mut self, sequence: u64, what: String) {
        if self.bad.is_empty() {
            self.problem(AuditProblem::new(ProblemPlace::Entry, what).of_event(sequence));
        }
    }

    /// The sequence of the device's last event, as far as the log can say.
    fn last_sequence(&self, device: &DeviceId) -> Result<u64, LogError> {
        match self.log.head(device) {
            Ok(head) => Ok(head.map_or(0, |head| head.sequence)),
            Err(LogError::Damaged { .. }) => Ok(self.log.size()),
            Err(error) => Err(error),
        }
    }

    /// Checks one event; gives what the next one has to follow.
    fn event(&mut self, stored: StoredEvent, last: Predecessor) -> Predecessor {
        let StoredEvent { index, entry, body } = stored;
        let header = entry.event.header.clone();
        let (sequence, hash) = (header.sequence, header.hash());
        let before = self.report.problems.len();
        let at = |place, problem: String| AuditProblem::new(place, problem).at(index).of_event(sequence);

        if header.device != self.report.device {
            self.problem(at(ProblemPlace::Index, "it is another device's event".into()));
        }
        let follows = match last {
            Predecessor::None => header.ensure_follows(None),
            Predecessor::Event(sequence, hash) => header.ensure_follows(Some((sequence, hash))),
            Predecessor::Unknown => Ok(()),
        };
        if let Err(error) = follows {
            self.problem(at(ProblemPlace::Sequence, error.to_string()));
        }
        // Without the key of the chain no signature can be checked: that the device is not registered is said already.
        let checked =
            self.chain.device.as_ref().map(|DeviceRecord { key, .. }| entry.event.clone().verify(key));
        if let Some(Err(error)) = &checked {
            self.problem(at(ProblemPlace::Signature, error.to_string()));
        }
        match &body {
            StoredBody::Missing => {
                self.body_problem(at(ProblemPlace::Body, "missing, and nobody has erased it".into()));
            }
            StoredBody::Erased { .. } => {}
            StoredBody::Present(body) => {
                if let Err(error) = header.verify_body(body) {
                    self.body_problem(at(ProblemPlace::Body, error.to_string()));
                }
            }
        }
        let anchor = self.anchor_state(index, entry.leaf());
        if anchor == AnchorState::Outside {
            self.problem(at(ProblemPlace::Anchor, "the entry does not lead to the anchored root".into()));
        }
        self.report.history.push(AuditedEvent {
            sequence,
            index,
            time: header.time,
            received: entry.received,
            kind: header.kind,
            signer: entry.event.signer,
            erased: body.erased(),
            parts: body.into_present().map(|body| body.parts.into_inner()),
            hash,
            anchor,
            ok: checked.is_some() && self.report.problems.len() == before && !self.bad.contains(&index),
        });
        // Nothing can be held against an entry that was changed: it is not what the next one follows.
        match self.log_entry_is_changed(index) {
            true => Predecessor::Unknown,
            false => Predecessor::Event(sequence, hash),
        }
    }

    fn log_entry_is_changed(&self, index: u64) -> bool {
        let entry =
            |problem: &AuditProblem| problem.place == ProblemPlace::Entry && problem.index == Some(index);
        self.bad.contains(&index) && self.report.problems.iter().any(entry)
    }

    /// A body's fault is told once: here or by the look at everything stored.
    fn body_problem(&mut self, problem: AuditProblem) {
        let known = |other: &AuditProblem| other.place == ProblemPlace::Body && other.index == problem.index;
        if !self.report.problems.iter().any(known) {
            self.problem(problem);
        }
    }

    fn anchor_state(&self, index: u64, leaf: Hash) -> AnchorState {
        let Some(Checkpoint { size, root, .. }) = self.chain.anchor.as_ref().map(|anchor| &anchor.checkpoint)
        else {
            return AnchorState::Pending;
        };
        if index >= *size {
            return AnchorState::Pending;
        }
        // From the nodes as stored; if one of them was changed, the proof fails, and the node is named elsewhere.
        let proven =
            self.log.inclusion(index, *size).is_ok_and(|proof| proof.verify(leaf, index, *size, root));
        if proven {
            AnchorState::Anchored
        } else {
            AnchorState::Outside
        }
    }

    /// Whether the log holds a proof that the device's key was copied.
    fn copied_key(&mut self) -> Result<(), LogError> {
        match self.log.copied_key(&self.report.device) {
            Ok(None) => {}
            Ok(Some(copied)) => {
                let record = self.chain.device.as_ref();
                let problem = match record.map(|DeviceRecord { key, .. }| copied.verify(key)) {
                    Some(Ok(())) | None => {
                        "its key signed two different events for this number: the key was copied \
                         (`streembit audit forks` shows both)"
                            .into()
                    }
                    Some(Err(error)) => format!("two events are kept as proof of a copied key, but: {error}"),
                };
                let problem = AuditProblem::new(ProblemPlace::Signature, problem);
                self.problem(problem.at(copied.first.index.unwrap_or_default()).of_event(copied.sequence));
                self.report.copied_key = Some(copied);
            }
            Err(LogError::Damaged { what }) => self.problem(AuditProblem::new(ProblemPlace::Index, what)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the device's history has no missing end: its last event at the anchored size, from the entries, is what
    /// the anchored heads map commits to.
    fn completeness(&mut self) {
        let Some(Checkpoint { size, heads_root, .. }) =
            self.chain.anchor.as_ref().map(|anchor| anchor.checkpoint.clone())
        else {
            self.report.completeness = Completeness::unknown("nothing of the log is anchored yet");
            return;
        };
        let Some(expected) = heads_root else {
            self.report.completeness = Completeness::unknown("the anchored checkpoint has no heads map");
            return;
        };
        if self.report.problems.iter().any(|problem| problem.place == ProblemPlace::Anchor) {
            self.report.completeness = Completeness::unknown("the log is not the one that is anchored");
            return;
        }
        let Some(heads) = &self.heads else {
            let why = "the entries cannot all be read as they were, so that the heads map cannot be derived";
            self.report.completeness = Completeness::unknown(why);
            return;
        };
        if heads.root() != Some(expected) {
            let found = heads.root().map_or_else(|| "none".into(), |root| root.to_string());
            let problem = format!(
                "the gateway anchored {expected} as the map of the devices' last events at {size} entries, but the \
                 entries lead to {found}: it was false when it was signed, and hides or invents the end of a history"
            );
            self.problem(AuditProblem::new(ProblemPlace::Heads, problem));
            self.report.completeness = Completeness::unknown("the anchored heads map is false");
            return;
        }
        let events = heads.get(&self.report.device).map_or(0, |head| head.sequence.saturating_add(1));
        let whole = (0u64..).zip(&self.report.history).take_while(|(place, event)| event.sequence == *place);
        let contiguous = whole.count() as u64;
        self.report.completeness = if contiguous >= events {
            Completeness { proven: true, events, checkpoint: Some(size), why: None }
        } else {
            Completeness::unknown(format!("event {contiguous} of {events} is missing or out of place"))
        };
    }

    fn conclude(mut self) -> Report {
        let report = &mut self.report;
        let count =
            |state| report.history.iter().filter(|event| event.ok && event.anchor == state).count() as u64;
        (report.anchored, report.pending) = (count(AnchorState::Anchored), count(AnchorState::Pending));
        if report.problems.is_empty() && report.anchored == 0 && report.pending > 0 {
            report.problems.push(AuditProblem::new(
                ProblemPlace::Anchor,
                format!(
                    "{} events, and none of them is anchored yet: nothing to hold them against",
                    report.pending
                ),
            ));
        }
        // What is stored wrong explains what does not lead to the anchor: first the cause.
        report.problems.sort_by_key(|problem| match problem.place {
            ProblemPlace::Chain => 0,
            ProblemPlace::Entry | ProblemPlace::Body | ProblemPlace::Node => 1,
            ProblemPlace::Root | ProblemPlace::Index => 2,
            ProblemPlace::Signature | ProblemPlace::Sequence => 3,
            ProblemPlace::Heads => 4,
            ProblemPlace::Anchor => 5,
        });
        report.erased = report.history.iter().filter(|event| event.erased.is_some()).count() as u64;
        report.events = report.history.len() as u64;
        report.verified = report.problems.is_empty();
        self.report
    }
}
