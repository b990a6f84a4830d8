//! The history of a device, collected from an evidence file while it is verified, with memory that does not grow with the
//! number of events.

use super::meter::{MeterHistory, MeterPoint, MeterTrack};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use streembit_primitives::{
    evidence::{Item, ShownBody, VerifiedEvidence},
    reading::Name,
    LogEntry, Part, PartyId, Reading, Value,
};

/// The maximum number of entries that a list of the report shows. The rest is counted.
pub const MAX_LISTED: usize = 100;
/// The maximum number of messages that the report shows: the newest.
const MAX_MESSAGES: usize = 30;
/// A time without events that is reported, in milliseconds: 30 days.
const SILENCE: u64 = 30 * 24 * 3_600 * 1_000;
/// How far a clock may go back without being reported, in milliseconds: ten minutes.
const CLOCK_TOLERANCE: u64 = 10 * 60 * 1_000;

/// The first entries of a list, and the number of all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    first: Vec<T>,
    total: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { first: Vec::new(), total: 0 }
    }
}

impl<T> Listed<T> {
    /// Appends an entry, which is only counted if the list is full.
    pub fn push(&mut self, entry: T) {
        self.total = self.total.saturating_add(1);
        if self.first.len() < MAX_LISTED {
            self.first.push(entry);
        }
    }

    /// Returns the entries that are listed.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter()
    }

    /// Returns the number of all entries.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the number of entries that are only counted.
    pub fn unlisted(&self) -> u64 {
        self.total.saturating_sub(self.first.len() as u64)
    }

    /// Returns the last entry, if it is listed.
    fn last_mut(&mut self) -> Option<&mut T> {
        if self.unlisted() > 0 {
            return None;
        }
        self.first.last_mut()
    }
}

/// A long time without events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The time of the event before, in milliseconds since 1970-01-01 UTC.
    pub from: u64,
    /// The time of the event after.
    pub until: u64,
    /// The last reading of the meter before.
    pub before: Option<MeterPoint>,
    /// The first reading of the meter after.
    pub after: Option<MeterPoint>,
}

/// A clock that went back from one event to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockSetback {
    /// The sequence of the later event.
    pub sequence: u64,
    /// The time of the event before it, in milliseconds since 1970-01-01 UTC.
    pub from: u64,
    /// The time of the event.
    pub to: u64,
}

/// A message about the condition of the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The time of the event, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The text, which somebody else wrote.
    pub text: String,
}

/// The disclosed readings of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownEvent {
    /// The time of the event, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The readings.
    pub readings: Vec<Reading>,
}

/// What an evidence file says about a device, collected while the file is read. It becomes a [`VerifiedHistory`] only with
/// the verdict on the file.
pub struct HistoryCollector {
    meter: MeterTrack,
    wanted: BTreeSet<u64>,
    shown: BTreeMap<u64, ShownEvent>,
    last_time: Option<u64>,
    silences: Listed<Silence>,
    setbacks: Listed<ClockSetback>,
    messages: VecDeque<Message>,
    message_count: u64,
}

impl HistoryCollector {
    /// Starts to collect. `meter` is the name of the reading that counts the kilometres. The readings of the events with
    /// the sequences `wanted` are kept.
    pub fn new(meter: Name, wanted: BTreeSet<u64>) -> Self {
        Self {
            meter: MeterTrack::new(meter),
            wanted,
            shown: BTreeMap::new(),
            last_time: None,
            silences: Listed::default(),
            setbacks: Listed::default(),
            messages: VecDeque::new(),
            message_count: 0,
        }
    }

    /// Adds the next item of the file.
    pub fn add(&mut self, item: &Item) {
        let Item::Event { entry, body } = item else { return };
        self.add_time(entry);
        match body {
            ShownBody::Whole(body) => self.add_parts(entry, &body.parts),
            ShownBody::Parts(parts) => {
                self.add_parts(entry, parts.iter().map(|disclosure| &disclosure.part));
            }
            ShownBody::Withheld | ShownBody::Erased => {}
        }
    }

    /// Returns the history, now that the file is verified.
    pub fn verified(self, evidence: VerifiedEvidence) -> VerifiedHistory {
        VerifiedHistory {
            evidence,
            meter: self.meter.finish(),
            shown: self.shown,
            silences: self.silences,
            setbacks: self.setbacks,
            messages: self.messages.into(),
            message_count: self.message_count,
        }
    }

    fn add_time(&mut self, entry: &LogEntry) {
        let header = &entry.event.header;
        if let Some(last) = self.last_time {
            if header.time.saturating_add(CLOCK_TOLERANCE) < last {
                self.setbacks.push(ClockSetback { sequence: header.sequence, from: last, to: header.time });
            }
            if header.time.saturating_sub(last) > SILENCE {
                let before = self.meter.last();
                self.silences.push(Silence { from: last, until: header.time, before, after: None });
            }
        }
        self.last_time = Some(header.time);
    }

    fn add_parts<'a>(&mut self, entry: &LogEntry, parts: impl IntoIterator<Item = &'a Part>) {
        let (sequence, time) = (entry.event.header.sequence, entry.event.header.time);
        let is_wanted = self.wanted.contains(&sequence);
        for part in parts {
            match part {
                Part::Reading(reading) => {
                    self.add_reading(entry, reading);
                    if is_wanted {
                        let shown = self.shown.entry(sequence);
                        let shown = shown.or_insert_with(|| ShownEvent { time, readings: Vec::new() });
                        shown.readings.push(reading.clone());
                    }
                }
                Part::Status(text) => self.add_message(time, text.as_str()),
                Part::Command(_) | Part::Result(_) => {}
            }
        }
    }

    fn add_reading(&mut self, entry: &LogEntry, reading: &Reading) {
        let (Value::Decimal(value), true) = (&reading.value, *self.meter.name() == reading.name) else {
            return;
        };
        let header = &entry.event.header;
        let Some(value) = self.meter.convert(*value, &reading.unit) else { return };
        let point =
            MeterPoint { sequence: header.sequence, time: header.time, received: entry.received, value };
        self.meter.add(point, &reading.source);
        if let Some(silence) = self.silences.last_mut().filter(|silence| silence.after.is_none()) {
            silence.after = Some(point);
        }
    }

    fn add_message(&mut self, time: u64, text: &str) {
        self.message_count = self.message_count.saturating_add(1);
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { time, text: text.to_owned() });
    }
}

/// The history of a device that a file proves. Only [`HistoryCollector::verified`] makes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedHistory {
    /// What the file proves.
    pub(super) evidence: VerifiedEvidence,
    /// The readings of the meter.
    pub(super) meter: MeterHistory,
    /// The events that were wanted and disclose readings.
    pub(super) shown: BTreeMap<u64, ShownEvent>,
    /// Long times without events.
    pub(super) silences: Listed<Silence>,
    /// Clocks that went back.
    pub(super) setbacks: Listed<ClockSetback>,
    /// The newest messages about the condition of the device.
    pub(super) messages: Vec<Message>,
    /// The number of all messages.
    pub(super) message_count: u64,
}

/// A party that owned the device, and the meter in that time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ownership {
    /// The party.
    pub party: PartyId,
    /// When it became the owner, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
    /// When the next party became the owner. `None` if it owns the device now.
    pub until: Option<u64>,
    /// The first reading of the meter in that time.
    pub first: Option<MeterPoint>,
    /// The last reading of the meter in that time.
    pub last: Option<MeterPoint>,
}

impl VerifiedHistory {
    /// Returns what the file proves.
    pub fn evidence(&self) -> &VerifiedEvidence {
        &self.evidence
    }

    /// Returns the owners, oldest first. Which readings fall into whose time follows from when the gateway received them.
    pub fn ownerships(&self) -> Vec<Ownership> {
        let owners = self.evidence.record.owners();
        let ends = owners.iter().skip(1).map(|owner| Some(owner.since)).chain([None]);
        owners
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(number, (owner, until))| {
                // The first owner may register the device after its first events.
                let since = if number == 0 { 0 } else { owner.since };
                let is_within = |point: &&MeterPoint| {
                    point.received >= since && until.is_none_or(|end| point.received < end)
                };
                let mut within = self.meter.points.iter().filter(is_within);
                let first = within.next().copied();
                Ownership {
                    party: owner.party,
                    since: owner.since,
                    until,
                    first,
                    last: within.next_back().copied().or(first),
                }
            })
            .collect()
    }

    /// Returns the number of irregularities of the meter and the clock.
    pub fn irregularities(&self) -> u64 {
        self.meter.irregularities.total().saturating_add(self.setbacks.total())
    }

    /// Returns the number of events that are missing in the middle of the file because they are declared lost.
    pub fn lost(&self) -> u64 {
        self.evidence.lost
    }
}
