//! Evidence of a device whose keys, owners and logs have changed.

use super::fixtures::{other, pair, state, Evidence, EvidenceSpec};
use super::*;
use crate::{
    checkpoint::Anchor,
    device::{ChangeTime, DeviceRecord, KeyChange},
    event::{EventError, EventHeader, EventKind, Signer, VERSION},
    hash::Domain,
    heads::{HeadEntry, HeadsMap},
    merkle::Frontier,
    signature::sign_sr25519,
    AccountId, Checkpoint, DeviceKey, LogEntry, LogId, PartyId, PublicKey, SignedEvent, Version,
};
use alloc::collections::BTreeMap;
use core::ops::RangeInclusive;

/// The seeds of the device's keys, in their order.
const KEYS: [u8; 3] = [0x51, 0x52, 0x53];

/// An event of the device: its log, its sequence, and the seed of the key that signs it.
pub(super) type Signed = (LogId, u64, u8);

/// A device's record, its events, and the evidence of them.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) record: DeviceRecord,
    /// The events in the order in which they happened. Each names the one before it.
    pub(super) events: Vec<Signed>,
    /// The log of each segment, and the sequences that it shows.
    pub(super) segments: Vec<(LogId, RangeInclusive<u64>)>,
    /// The number of the device's entries that a log has when a former segment is proven, by the number of the segment.
    /// Without it, the log has all of them.
    pub(super) sizes: BTreeMap<usize, usize>,
    /// The numbers of the blocks that prove the former segments. The voters change in blocks 10 and 20.
    pub(super) blocks: [u32; 2],
}

fn key(seed: u8) -> DeviceKey {
    DeviceKey::Own(PublicKey::Sr25519(pair(seed).public.to_bytes()))
}

fn log(gateway: u8, epoch: u32) -> LogId {
    LogId { gateway: AccountId([gateway; 32]), epoch }
}

/// The gateway that burns, and the two logs of the other one.
pub(super) fn logs() -> [LogId; 3] {
    [log(1, 0), log(2, 0), log(2, 1)]
}

/// Events are received at a time of a thousand times their sequence.
fn at(block: u32, time: u64) -> ChangeTime {
    ChangeTime { block, time }
}

impl Life {
    /// Events 0 to 6 in the first log, with another key from 4 on. Events 7 to 9 burn with it. Events 10, 11 and 14 are in
    /// the second log and 12 and 13 are lost. Events 15 and 16 are in the third log, and 16 is signed with a recovered key.
    /// The device is sold before event 11.
    pub(super) fn new() -> Self {
        let [burnt, second, third] = logs();
        let mut record = DeviceRecord::new(key(KEYS[0]), PartyId([7; 32]), burnt, at(1, 100));
        record.set_key(key(KEYS[1]), 4, KeyChange::Rotated, 4, at(2, 200)).unwrap();
        record.assign(second, None, 10, 7, u64::MAX, at(3, 300)).unwrap();
        record.set_owner(PartyId([8; 32]), at(4, 11_000)).unwrap();
        record.declare_lost(12, 14, at(5, 500)).unwrap();
        record.assign(third, None, 15, 15, u64::MAX, at(6, 600)).unwrap();
        record.set_key(key(KEYS[2]), 16, KeyChange::Recovered, 16, at(7, 700)).unwrap();
        let first = (0..=3).map(|sequence| (burnt, sequence, KEYS[0]));
        let rotated = (4..=6).map(|sequence| (burnt, sequence, KEYS[1]));
        let moved = [10, 11, 14].map(|sequence| (second, sequence, KEYS[1]));
        let events = first.chain(rotated).chain(moved);
        let events = events.chain([(third, 15, KEYS[1]), (third, 16, KEYS[2])]).collect();
        let segments = vec![(burnt, 0..=6), (second, 10..=14), (third, 15..=16)];
        Self { record, events, segments, sizes: BTreeMap::new(), blocks: [8, 15] }
    }

    /// Returns the record when the device was registered. It knows nothing of what has changed since.
    fn first_record(&self) -> DeviceRecord {
        let (key, log) = (self.record.keys().first().key.clone(), self.record.logs().first().log);
        DeviceRecord::new(key, self.record.owners().first().party, log, at(1, 100))
    }

    fn device(&self) -> crate::DeviceId {
        self.record.device_id()
    }

    /// Replaces the event with this sequence.
    fn replace(mut self, sequence: u64, with: Signed) -> Self {
        let event = self.events.iter_mut().find(|event| event.1 == sequence).unwrap();
        *event = with;
        self
    }

    /// Returns the entries of each log. An entry of another device precedes each event, and is not in the result.
    fn entries(&self) -> BTreeMap<LogId, Vec<LogEntry>> {
        let mut logs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut previous = Hash::ZERO;
        for (log, sequence, seed) in &self.events {
            let header = EventHeader {
                version: VERSION,
                device: self.device(),
                sequence: *sequence,
                previous,
                time: *sequence,
                kind: EventKind::Readings,
                body_hash: fixtures::body(*sequence).hash(),
            };
            previous = header.hash();
            let signature = sign_sr25519(&pair(*seed), Domain::EventHeader, &previous);
            let event = SignedEvent { header, signer: Signer::Device, signature };
            logs.entry(*log).or_default().push(LogEntry { event, received: sequence * 1_000 });
        }
        logs
    }

    /// Returns the items of a segment, without the last one, and the root and size of the log.
    fn items(log: &LogId, entries: &[LogEntry], shown: &RangeInclusive<u64>) -> (Vec<Item>, Hash, u64) {
        let (mut items, mut frontier) = (Vec::new(), Frontier::new());
        for entry in entries {
            let hash = Domain::HeadsLeaf.hash_of(&(log, frontier.size()));
            frontier.append(hash, |_| {});
            items.push(Item::Skip { level: 0, hash });
            frontier.append(entry.leaf(), |_| {});
            items.push(if shown.contains(&entry.event.header.sequence) {
                Item::Event { entry: entry.clone(), body: ShownBody::Withheld }
            } else {
                Item::Skip { level: 0, hash: entry.leaf() }
            });
        }
        (items, frontier.root(), frontier.size())
    }

    pub(super) fn make(&self) -> Evidence {
        let spec = EvidenceSpec::default();
        let (genesis, device, entries) = (spec.genesis, self.device(), self.entries());
        let (mut items, mut segments, mut former) = (Vec::new(), Vec::new(), Vec::new());
        // The former logs have been anchored again since.
        let mut latest = BTreeMap::new();
        let mut chain = None;
        for (nth, (log, shown)) in self.segments.iter().enumerate() {
            let entries = &entries[log][..self.sizes.get(&nth).copied().unwrap_or(entries[log].len())];
            let (of_segment, root, size) = Self::items(log, entries, shown);
            items.extend(of_segment);
            items.push(Item::NextSegment);
            let heads = self.heads(&entries.last().unwrap().event.header);
            let version = Version;
            let checkpoint = Checkpoint { version, log: *log, size, root, heads_root: heads.root(), time: 1 };
            segments.push(Segment { log: *log, head: heads.prove(&device).unwrap() });
            if nth + 1 < self.segments.len() {
                let anchor = Anchor { checkpoint: checkpoint.clone(), block: self.blocks[nth] - 1 };
                let record = self.first_record();
                let anchors = core::slice::from_ref(&anchor);
                let (root, nodes) = state(&genesis, anchors, log, &device, &record, 3);
                let proof = StateProof { device: record, anchor, nodes };
                former.push(spec.former(self.blocks[nth], root, proof));
                let later = Checkpoint { size: size + 9, root: Hash([9; 32]), ..checkpoint };
                latest.insert(*log, Anchor { checkpoint: later, block: 21 });
            } else {
                let anchor = Anchor { checkpoint, block: 27 };
                latest.insert(*log, anchor.clone());
                let anchors: Vec<_> = latest.values().cloned().collect();
                let (root, nodes) = state(&genesis, &anchors, log, &device, &self.record, 3);
                let proof = StateProof { device: self.record.clone(), anchor, nodes };
                chain = Some(spec.chain(genesis, root, proof));
            }
        }
        items.pop();
        items.push(Item::End);
        let chain = ChainEvidence { former, ..chain.unwrap() };
        let trust = TrustRoot { genesis, authorities: fixtures::set(0, spec.voters) };
        Evidence { trust, prelude: Prelude { genesis, device, chain, segments }, items }
    }

    /// Returns the heads map of a log that has events of other devices, too.
    fn heads(&self, last: &EventHeader) -> HeadsMap {
        let head = HeadEntry { device: self.device(), sequence: last.sequence, hash: last.hash() };
        let others = (0..5).map(|n| HeadEntry { device: other(n), sequence: 1, hash: Hash([u8::MAX; 32]) });
        others.chain([head]).collect()
    }

    pub(super) fn error(&self) -> EvidenceError {
        self.make().verify().unwrap_err()
    }
}

/// The error of the event with this sequence, at this index of its log.
fn event(index: u64, sequence: u64, error: EvidenceEventError) -> EvidenceError {
    EvidenceError::Event { index, sequence, error }
}

fn signature(index: u64, sequence: u64) -> EvidenceError {
    event(index, sequence, EvidenceEventError::Event(EventError::Signature))
}

fn gap(index: u64, expected: u64, found: u64) -> EvidenceError {
    event(index, found, EvidenceEventError::Event(EventError::Sequence { expected, found }))
}

#[test]
fn a_whole_life_is_proven_with_one_file() {
    let verified = Life::new().make().verify().unwrap();
    assert_eq!((verified.events, verified.first.sequence, verified.last_event.sequence), (12, 0, 16));
    assert!(verified.is_complete());
    assert_eq!((verified.lost, verified.head, verified.device_signed), (5, 16, 12));
    let segments: Vec<_> = verified
        .segments
        .iter()
        .map(|one| (one.checkpoint.log, one.events, one.first.sequence, one.last_event.sequence))
        .collect();
    let [burnt, second, third] = logs();
    assert_eq!(segments, [(burnt, 7, 0, 6), (second, 3, 10, 14), (third, 2, 15, 16)]);
    let spans: Vec<_> = verified
        .spans
        .iter()
        .map(|span| (span.first, span.last, span.events, span.key, span.log, span.owner.0[0]))
        .collect();
    assert_eq!(
        spans,
        [
            (0, 3, 4, 0, burnt, 7),
            (4, 6, 3, 1, burnt, 7),
            (10, 10, 1, 1, second, 7),
            (11, 14, 2, 1, second, 8),
            (15, 15, 1, 1, third, 8),
            (16, 16, 1, 2, third, 8),
        ]
    );
}

#[test]
fn a_part_of_a_life_shows_which_end_is_missing() {
    let [burnt, second, third] = logs();
    for (segments, from_first, to_last) in [
        (vec![(burnt, 0..=6)], true, false),
        (vec![(burnt, 2..=6), (second, 10..=11)], false, false),
        (vec![(second, 10..=14), (third, 15..=16)], false, true),
        (vec![(third, 15..=15)], false, false),
    ] {
        let verified = Life { segments, ..Life::new() }.make().verify().unwrap();
        assert_eq!((verified.from_first, verified.to_last), (from_first, to_last));
    }
    // All events before the first one are lost.
    let mut record = DeviceRecord::new(key(KEYS[0]), PartyId([7; 32]), burnt, at(1, 1));
    record.declare_lost(0, 3, at(2, 2)).unwrap();
    let life =
        Life { record, events: vec![(burnt, 3, KEYS[0])], segments: vec![(burnt, 3..=3)], ..Life::new() };
    assert!(life.make().verify().unwrap().is_complete());
}

#[test]
fn an_event_is_signed_with_the_key_that_counts_for_it() {
    let [burnt, second, third] = logs();
    // Old keys after a rotation, also in a later log and after a recovery, and a new key before its time.
    for (sequence, log, seed, index) in [
        (4, burnt, KEYS[0], 9),
        (6, burnt, KEYS[0], 13),
        (10, second, KEYS[0], 1),
        (16, third, KEYS[1], 3),
        (3, burnt, KEYS[1], 7),
        (15, third, KEYS[2], 1),
    ] {
        let life = Life::new().replace(sequence, (log, sequence, seed));
        assert_eq!(life.error(), signature(index, sequence));
    }
}

#[test]
fn a_batch_of_signatures_has_one_key() {
    let log = logs()[0];
    let mut record = DeviceRecord::new(key(KEYS[0]), PartyId([7; 32]), log, at(1, 1));
    record.set_key(key(KEYS[1]), 300, KeyChange::Rotated, 300, at(2, 2)).unwrap();
    let seed = |sequence| if sequence < 300 { KEYS[0] } else { KEYS[1] };
    let events = (0..600).map(|sequence| (log, sequence, seed(sequence))).collect();
    let life = Life { record, events, segments: vec![(log, 0..=599)], ..Life::new() };
    let verified = life.make().verify().unwrap();
    assert_eq!((verified.events, verified.spans.len()), (600, 2));
    for (sequence, seed) in [(299, KEYS[1]), (300, KEYS[0]), (599, KEYS[0])] {
        let error = life.clone().replace(sequence, (log, sequence, seed)).error();
        assert_eq!(error, signature(2 * sequence + 1, sequence));
    }
    // The invalid signature comes before a gap that is found at once.
    let mut broken = life.replace(310, (log, 310, KEYS[0]));
    broken.events.retain(|event| event.1 != 320);
    assert_eq!(broken.error(), signature(621, 310));
}

#[test]
fn an_event_is_in_the_log_that_counts_for_it() {
    let [burnt, second, third] = logs();
    let other_log = |log| EvidenceEventError::OtherLog { log };
    // The old gateway goes on after the device has moved, and the new one invents events from before.
    let mut late = Life::new().replace(10, (burnt, 10, KEYS[1]));
    late.segments[0].1 = 0..=10;
    assert_eq!(late.error(), event(15, 10, other_log(second)));
    let early = Life::new().replace(6, (second, 6, KEYS[1]));
    let early = Life { segments: vec![(burnt, 0..=5), (second, 6..=14), (third, 15..=16)], ..early };
    assert_eq!(early.error(), event(1, 6, other_log(burnt)));
    // Another epoch of the same gateway is another log.
    let epoch = Life::new().replace(15, (second, 15, KEYS[1]));
    let epoch = Life { segments: vec![(burnt, 0..=6), (second, 10..=15), (third, 16..=16)], ..epoch };
    assert_eq!(epoch.error(), event(7, 15, other_log(third)));
}

#[test]
fn an_event_in_a_lost_range_is_refused() {
    let [burnt, second, _] = logs();
    for (after, log, sequence, index) in [(6, burnt, 7, 15), (6, burnt, 9, 15), (11, second, 13, 5)] {
        let mut life = Life::new();
        let place = life.events.iter().position(|event| event.1 == after).unwrap();
        life.events.insert(place + 1, (log, sequence, KEYS[1]));
        life.segments[0].1 = 0..=9;
        assert_eq!(life.error(), event(index, sequence, EvidenceEventError::Lost));
    }
}

#[test]
fn a_hole_that_is_not_declared_lost_is_refused() {
    let [burnt, second, third] = logs();
    // Between two segments: the end of the first, the beginning of the next, and a whole segment.
    let segments = |segments: Vec<_>| Life { segments, ..Life::new() };
    let without_end = segments(vec![(burnt, 0..=5), (second, 10..=14), (third, 15..=16)]);
    assert_eq!(without_end.error(), gap(1, 6, 10));
    let without_start = segments(vec![(burnt, 0..=6), (second, 11..=14), (third, 15..=16)]);
    assert_eq!(without_start.error(), gap(3, 7, 11));
    let without_middle = segments(vec![(burnt, 0..=6), (third, 15..=16)]);
    assert_eq!(without_middle.error(), gap(1, 7, 15));
    // Within a segment, beside a lost range.
    let mut within = Life::new();
    within.events.retain(|event| event.1 != 11);
    assert_eq!(within.error(), gap(3, 11, 14));
}

#[test]
fn the_first_event_of_a_segment_names_the_last_one_of_the_segment_before() {
    // Without a lost range in between, as from the second log to the third.
    let mut unlinked = Life::new().make();
    let Some(Item::Event { entry, .. }) = unlinked.items.iter_mut().find(|item| is_event(item, 15)) else {
        panic!("no event")
    };
    entry.event.header.previous = Hash([1; 32]);
    let previous = EvidenceEventError::Event(EventError::Previous);
    assert_eq!(unlinked.verify(), Err(event(1, 15, previous)));
    // After a lost range it is not checked, but it is signed.
    let mut after_loss = Life::new().make();
    let Some(Item::Event { entry, .. }) = after_loss.items.iter_mut().find(|item| is_event(item, 10)) else {
        panic!("no event")
    };
    entry.event.header.previous = Hash([1; 32]);
    assert_eq!(after_loss.verify(), Err(signature(1, 10)));
    let (burnt, second) = (logs()[0], logs()[1]);
    let mut restarted = Life { segments: vec![(burnt, 0..=6), (second, 10..=14)], ..Life::new() };
    // The device has forgotten everything: its event 10 names no event that anybody has.
    restarted.events.insert(7, (log(9, 9), 9, KEYS[1]));
    let verified = restarted.make().verify().unwrap();
    assert_eq!((verified.events, verified.lost), (10, 5));
}

fn is_event(item: &Item, sequence: u64) -> bool {
    matches!(item, Item::Event { entry, .. } if entry.event.header.sequence == sequence)
}

#[test]
fn segments_are_in_the_order_of_the_record() {
    let [burnt, second, third] = logs();
    for (order, wrong) in [
        (vec![(second, 10..=14), (burnt, 0..=6)], burnt),
        (vec![(burnt, 0..=6), (third, 15..=16), (second, 10..=14)], second),
        (vec![(burnt, 0..=3), (burnt, 4..=6)], burnt),
    ] {
        let life = Life { segments: order, ..Life::new() };
        assert_eq!(life.error(), EvidenceError::SegmentOrder { log: wrong });
    }
    // A log that the record does not name at all.
    let stranger = log(3, 0);
    let mut life = Life::new().replace(10, (stranger, 10, KEYS[1]));
    life.segments = vec![(burnt, 0..=6), (stranger, 10..=10)];
    assert_eq!(life.error(), EvidenceError::SegmentOrder { log: stranger });
}

#[test]
fn items_and_prelude_have_the_same_segments() {
    let honest = Life::new().make();
    let next = honest.items.iter().position(|item| *item == Item::NextSegment).unwrap();
    let mut early = honest.clone();
    early.items.truncate(next);
    early.items.push(Item::End);
    assert_eq!(early.verify(), Err(EvidenceError::Segments { expected: 3, found: 1 }));
    let mut more = honest.clone();
    more.items.pop();
    more.items.extend([Item::NextSegment, Item::End]);
    assert_eq!(more.verify(), Err(EvidenceError::Segments { expected: 3, found: 4 }));
    // A segment ends too early, goes on too long, or shows nothing.
    let mut short = honest.clone();
    short.items.remove(next - 1);
    let [burnt, second, third] = logs();
    assert_eq!(short.verify(), Err(EvidenceError::Size { log: burnt, expected: 14, found: 13 }));
    let mut joined = honest;
    joined.items.remove(next);
    let other_log = EvidenceEventError::OtherLog { log: second };
    assert_eq!(joined.verify(), Err(event(15, 10, other_log)));
    let nothing = Life { segments: vec![(burnt, 0..=6), (second, 12..=13), (third, 15..=16)], ..Life::new() };
    assert_eq!(nothing.error(), EvidenceError::Empty { log: second });
}

#[test]
fn an_event_that_a_former_host_appends_later_is_rejected() {
    let [home, away, _] = logs();
    let error = |size| {
        let mut record = DeviceRecord::new(key(KEYS[0]), PartyId([7; 32]), home, at(1, 1));
        record.assign(away, None, 3, 3, size, at(2, 2)).unwrap();
        let logs = [home, home, home, away];
        let events = logs.into_iter().zip(0..).map(|(log, sequence)| (log, sequence, KEYS[0])).collect();
        let segments = vec![(home, 0..=2), (away, 3..=3)];
        let life = Life { record, events, segments, ..Life::new() };
        life.make().verify().err()
    };
    // Each event has an entry of another device before it, so the third event has the index 5.
    assert_eq!(error(6), None);
    let too_late = EvidenceEventError::AfterPeriod { size: 5 };
    assert_eq!(error(5), Some(EvidenceError::Event { index: 5, sequence: 2, error: too_late }));
}

#[test]
fn a_device_that_comes_back_to_a_log_has_two_segments_there() {
    let [home, away, _] = logs();
    let mut record = DeviceRecord::new(key(KEYS[0]), PartyId([7; 32]), home, at(1, 1));
    record.assign(away, None, 3, 3, u64::MAX, at(2, 2)).unwrap();
    record.assign(home, None, 5, 5, u64::MAX, at(3, 3)).unwrap();
    let logs = [home, home, home, away, away, home, home];
    let events = logs.into_iter().zip(0..).map(|(log, sequence)| (log, sequence, KEYS[0])).collect();
    let segments = vec![(home, 0..=2), (away, 3..=4), (home, 5..=6)];
    // The first segment is proven by an anchor from before the device came back.
    let life = Life { record, events, segments, sizes: [(0, 3)].into(), ..Life::new() };
    let verified = life.make().verify().unwrap();
    assert!(verified.is_complete());
    assert_eq!((verified.events, verified.segments.len(), verified.spans.len()), (7, 3, 3));
    let sizes: Vec<_> = verified.segments.iter().map(|segment| segment.checkpoint.size).collect();
    assert_eq!(sizes, [6, 4, 10]);
    let sizes = BTreeMap::new();
    let all_at_once = Life { segments: vec![(home, 0..=6)], sizes, ..life.clone() };
    assert_eq!(all_at_once.error(), gap(7, 3, 5));
    // The last event at home is an earlier one, so it does not show that nothing is missing.
    let mut events = life.events.clone();
    events.truncate(5);
    let left = Life { events, segments: vec![(home, 0..=2)], ..life };
    assert!(!left.make().verify().unwrap().to_last);
}

#[test]
fn changing_a_bit_of_a_life_never_changes_its_meaning() {
    let evidence = Life::new().make();
    let honest = evidence.bytes();
    let verdict = evidence.verify();
    for at in 0..honest.len() {
        let mut bent = honest.clone();
        bent[at] ^= 1 << (at % 8);
        let found = file::verify(&mut bent.as_slice(), &evidence.trust, |_| {});
        // Only the claims of withheld and erased bodies can be exchanged.
        let same = found.map(|mut found| {
            found.bodies.withheld += core::mem::take(&mut found.bodies.erased);
            found
        });
        assert!(same.is_err() || same == verdict, "byte {at}");
    }
}

/// The evidence of a whole life, for the test vectors.
pub(super) fn whole_life() -> Evidence {
    Life::new().make()
}
