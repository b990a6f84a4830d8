//! Tests of devices whose keys and logs change, and of lost events.

use super::support::{log_id, open, Device};
use crate::{AppendError, Head, Lineage, Log, NewEntry, Refusal};
use std::sync::Arc;
use streembit_primitives::{
    device::{ChangeTime, DeviceRecord, DeviceState, KeyChange},
    event::EventError,
    heads::HeadEntry,
    AccountId, Hash, LogId, PartyId,
};

const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

fn other_log() -> LogId {
    LogId::first(AccountId([8; 32]))
}

fn record(device: &Device, log: LogId) -> DeviceRecord {
    DeviceRecord::new(device.key.key().clone(), PartyId([1; 32]), log, AT)
}

fn lineage(record: &DeviceRecord, handover: Option<HeadEntry>) -> Arc<Lineage> {
    Arc::new(Lineage::new(record.clone(), handover))
}

async fn append(log: &Log, entry: NewEntry, lineage: &Arc<Lineage>) -> Result<u64, Refusal> {
    match log.append(vec![entry.with_lineage(lineage.clone())]).await {
        Ok(receipts) => Ok(receipts[0].sequence),
        Err(AppendError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_lost_range_lets_the_sequence_jump_and_previous_be_any() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let mut record = record(&device, log_id());
    let before = lineage(&record, None);
    for salt in 0..3 {
        append(&log, device.next_entry(salt), &before).await.unwrap();
    }
    record.declare_lost(3, 10, AT).unwrap();
    let after = lineage(&record, None);
    let entry = |sequence, previous| {
        let (event, body) = device.sign(sequence, previous, 0);
        device.entry(event, &body)
    };
    for found in [3, 9, 11] {
        let refused = append(&log, entry(found, device.previous), &after).await;
        assert_eq!(refused, Err(EventError::Sequence { expected: 10, found }.into()));
    }
    assert_eq!(append(&log, entry(10, Hash([7; 32])), &after).await, Ok(10));
    assert_eq!(log.verify(0..4).unwrap(), []);
    assert_eq!(log.head(&device.id()).unwrap().unwrap().sequence, 10);
    // The heads map of every size, the events and their ranges are found across the gap.
    let heads = |size| log.heads_map(size).unwrap().get(&device.id()).map(|head| head.sequence);
    assert_eq!([0, 1, 2, 3, 4].map(heads), [None, Some(0), Some(1), Some(2), Some(10)]);
    assert_eq!(log.device_range(&device.id(), 1..=9, 100).unwrap(), [(1, 1), (2, 2)]);
    assert_eq!(log.device_range(&device.id(), 2..=10, 100).unwrap(), [(2, 2), (10, 3)]);
    let up_to = |sequence| log.device_event_up_to(&device.id(), sequence).unwrap().map(|event| event.index);
    assert_eq!([0, 2, 9, 10, 99].map(up_to), [Some(0), Some(2), Some(2), Some(3), Some(3)]);
    assert_eq!(log.device_event_up_to(&Device::sr25519(2).id(), 5).unwrap(), None);
    // An event in the gap that is sent again later is refused, and is no damage.
    assert!(matches!(append(&log, entry(5, Hash::ZERO), &after).await, Err(Refusal::Event(_))));
    assert_eq!(
        after.ensure_in_log(&log_id(), 5),
        Err(Refusal::Lost { device: device.id(), sequence: 5, until: 10 })
    );
}

#[tokio::test]
async fn a_device_from_another_log_continues_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let device = Device::sr25519(1);
    let mut record = record(&device, other_log());
    record.assign(log_id(), None, 5, 5, u64::MAX, AT).unwrap();
    let handover = HeadEntry { device: device.id(), sequence: 4, hash: Hash([4; 32]) };
    let (known, unknown) = (lineage(&record, Some(handover)), lineage(&record, None));
    assert_eq!(known.next(&log_id(), None), Ok((5, Hash([4; 32]))));
    let refused = Refusal::UnknownPrevious { device: device.id(), sequence: 5 };
    assert_eq!(unknown.next(&log_id(), None), Err(refused));
    assert!(known.knows_previous(&log_id(), None) && !unknown.knows_previous(&log_id(), None));
    let entry = |sequence, previous| {
        let (event, body) = device.sign(sequence, previous, 0);
        device.entry(event, &body)
    };
    let refused = append(&log, entry(4, Hash::ZERO), &known).await;
    assert_eq!(refused, Err(EventError::Sequence { expected: 5, found: 4 }.into()));
    let refused = append(&log, entry(5, Hash([9; 32])), &known).await;
    assert_eq!(refused, Err(EventError::Previous.into()));
    assert_eq!(append(&log, entry(5, Hash([4; 32])), &known).await, Ok(5));
    assert_eq!(log.verify(0..1).unwrap(), []);

    // It leaves again, with a lost range: this log takes no further events of it.
    let head = log.head(&device.id()).unwrap();
    record.assign(other_log(), None, 9, 6, u64::MAX, AT).unwrap();
    let gone = lineage(&record, Some(handover));
    let left = Refusal::OtherLog { device: device.id(), sequence: 9, log: Box::new(other_log()) };
    assert_eq!(gone.next(&log_id(), head.as_ref()), Err(left));
    record.set_state(DeviceState::Retired).unwrap();
    let retired = Err(Refusal::Retired { device: device.id() });
    assert_eq!(lineage(&record, None).next(&other_log(), None), retired);
}

#[tokio::test]
async fn a_new_key_ends_the_refusal_after_a_copied_key() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let mut record = record(&device, log_id());
    let old = lineage(&record, None);
    append(&log, device.next_entry(0), &old).await.unwrap();
    let (copy, body) = device.sign(0, Hash::ZERO, 666);
    let forked = Refusal::Forked { device: device.id(), sequence: 0 };
    assert_eq!(append(&log, device.entry(copy, &body), &old).await, Err(forked.clone()));
    let (next, next_body) = device.sign(1, device.previous, 1);
    assert_eq!(append(&log, device.entry(next, &next_body), &old).await, Err(forked));

    let mut renewed = device.with_key_of(Device::ed25519(2));
    record.set_key(renewed.key.key().clone(), 1, KeyChange::Recovered, 1, AT).unwrap();
    let new = lineage(&record, None);
    assert_eq!(append(&log, renewed.next_entry(1), &new).await, Ok(1));
    assert_eq!(log.forked_at(&device.id()).unwrap(), Some(0));
    // The new key can be copied too.
    let (copy, body) = renewed.sign(1, Hash([3; 32]), 666);
    let forked = Refusal::Forked { device: device.id(), sequence: 1 };
    assert_eq!(append(&log, renewed.entry(copy, &body), &new).await, Err(forked));
    assert_eq!(log.forked_at(&device.id()).unwrap(), Some(1));
    assert_eq!(log.copied_key(&device.id()).unwrap().unwrap().sequence, 0);
    assert_eq!(log.forks().unwrap().len(), 2);
}

#[tokio::test]
async fn two_keys_for_one_sequence_are_no_copied_key() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let mut record = record(&device, log_id());
    let mut renewed = device.with_key_of(Device::ed25519(2));
    append(&log, device.next_entry(0), &lineage(&record, None)).await.unwrap();
    // The key changes from an event on that the log has already.
    record.set_key(renewed.key.key().clone(), 0, KeyChange::Rotated, 0, AT).unwrap();
    let refused = append(&log, renewed.next_entry(1), &lineage(&record, None)).await;
    assert_eq!(refused, Err(Refusal::OtherKey { device: device.id(), sequence: 0 }));
    assert!(!log.is_forked(&device.id()).unwrap());
}

#[tokio::test]
async fn the_next_event_names_the_one_directly_before_it_or_waits() {
    let device = Device::sr25519(1);
    let third = LogId::first(AccountId([7; 32]));
    let handover =
        |sequence| Some(HeadEntry { device: device.id(), sequence, hash: Hash([sequence as u8; 32]) });
    let unknown = |sequence| Err(Refusal::UnknownPrevious { device: device.id(), sequence });
    // The other log was anchored further after the handover was made.
    let mut moved = record(&device, other_log());
    moved.assign(log_id(), None, 13, 13, u64::MAX, AT).unwrap();
    assert_eq!(lineage(&moved, handover(9)).next(&log_id(), None), unknown(13));
    assert_eq!(lineage(&moved, handover(12)).next(&log_id(), None), Ok((13, Hash([12; 32]))));
    // The device was in a log without an event of it in between.
    let mut passed = record(&device, other_log());
    passed.assign(third, None, 10, 10, u64::MAX, AT).unwrap();
    passed.assign(log_id(), None, 10, 10, u64::MAX, AT).unwrap();
    assert_eq!(lineage(&passed, None).next(&log_id(), None), unknown(10));
    assert_eq!(lineage(&passed, handover(9)).next(&log_id(), None), Ok((10, Hash([9; 32]))));
    // It returns to a log that has earlier events of it.
    let mut returned = record(&device, log_id());
    returned.assign(other_log(), None, 5, 5, u64::MAX, AT).unwrap();
    returned.assign(log_id(), None, 8, 8, u64::MAX, AT).unwrap();
    let head = Head { sequence: 4, hash: Hash([4; 32]), index: 4 };
    assert_eq!(lineage(&returned, None).next(&log_id(), Some(&head)), unknown(8));
    assert_eq!(lineage(&returned, handover(7)).next(&log_id(), Some(&head)), Ok((8, Hash([7; 32]))));
    // What was lost is named by nobody.
    let mut lost = record(&device, other_log());
    lost.assign(log_id(), None, 13, 10, u64::MAX, AT).unwrap();
    assert_eq!(lineage(&lost, handover(9)).next(&log_id(), None), Ok((13, Hash([9; 32]))));
    assert_eq!(lineage(&lost, None).next(&log_id(), None), Ok((13, Hash::ZERO)));
}

#[tokio::test]
async fn a_fork_counts_against_the_key_that_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let mut record = record(&device, log_id());
    let old = lineage(&record, None);
    for salt in 0..6 {
        append(&log, device.next_entry(salt), &old).await.unwrap();
    }
    let (copy, body) = device.sign(5, Hash::ZERO, 666);
    let forked = Refusal::Forked { device: device.id(), sequence: 5 };
    assert_eq!(append(&log, device.entry(copy, &body), &old).await, Err(forked));
    // The new key begins before the fork, and what the old one signed from there on is lost.
    let renewed = device.with_key_of(Device::ed25519(2));
    record.set_key(renewed.key.key().clone(), 4, KeyChange::Recovered, 4, AT).unwrap();
    record.declare_lost(4, 6, AT).unwrap();
    assert!(log.is_copied(&device.id(), device.key.key()).unwrap());
    assert!(!log.is_copied(&device.id(), renewed.key.key()).unwrap());
    let new = lineage(&record, None);
    let (event, body) = renewed.sign(6, Hash([7; 32]), 0);
    let previous = event.header.hash();
    assert_eq!(append(&log, renewed.entry(event, &body), &new).await, Ok(6));
    // The same after a restart.
    drop(log);
    let log = open(&folder);
    let (event, body) = renewed.sign(7, previous, 0);
    assert_eq!(append(&log, renewed.entry(event, &body), &new).await, Ok(7));
}
