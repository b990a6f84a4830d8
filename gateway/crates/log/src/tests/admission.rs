//! Tests of admission: receipts, order, duplicates, copied keys, and the same after reopening.

use super::support::{content, filled, log_id, open, Device};
use crate::{AppendError, Log, OpenError, Proposal, Receipt, Refusal, MAX_BODY_BYTES};
use proptest::prelude::*;
use std::collections::HashMap;
use streembit_primitives::{event::EventError, AccountId, Body, Hash, LogId, Part, Text};

#[tokio::test]
async fn a_receipt_names_the_index_of_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut size = log.watch_size();
    let (mut a, mut b) = (Device::sr25519(1), Device::ed25519(2));
    let (event, body) = a.next(0);
    let entries = vec![a.entry(event.clone(), &body), b.next_entry(0), a.next_entry(1)];
    let receipts = log.append(entries).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(receipts[0].hash, event.header.hash());
    assert_eq!(*size.borrow_and_update(), 3);

    let stored = log.stored(0).unwrap().unwrap();
    assert_eq!((stored.entry.event, stored.body), (event, crate::StoredBody::Present(body)));
    assert_eq!(log.stored(3).unwrap(), None);
    assert_eq!(log.head(&a.id()).unwrap().unwrap().index, 2);
    let sequences = |from, limit| -> Vec<u64> {
        let events = log.device_events(&a.id(), from, limit).unwrap();
        events.iter().map(|event| event.entry.event.header.sequence).collect()
    };
    assert_eq!(
        (sequences(0, 9), sequences(1, 9), sequences(0, 1), sequences(2, 9)),
        (vec![0, 1], vec![1], vec![0], vec![])
    );
}

#[tokio::test]
async fn a_repeated_event_gets_the_first_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let (event, body) = device.next(0);
    let entry = device.entry(event.clone(), &body);
    // Twice in one group, then signed again (sr25519 signatures are randomized), then after reopening.
    let first = log.append(vec![entry.clone(), entry.clone()]).await.unwrap();
    assert_eq!(first[0], first[1]);
    device.next_entry(1);
    let again = device.sign(0, Hash::ZERO, 0);
    assert_ne!(again.0.signature, event.signature);
    assert_eq!(log.append(vec![device.entry(again.0, &again.1)]).await.unwrap(), [first[0]]);
    drop(log);
    let log = open(&folder);
    assert_eq!(log.append(vec![entry]).await.unwrap(), [first[0]]);
    assert_eq!(log.size(), 1);
}

#[tokio::test]
async fn events_out_of_order_are_refused_without_affecting_others() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let (mut a, mut b) = (Device::sr25519(1), Device::sr25519(2));
    let first = a.next_entry(0);
    let (gap, gap_body) = a.sign(2, a.previous, 0);
    let (unrelated, unrelated_body) = a.sign(1, Hash([7; 32]), 0);
    let proposals = vec![
        first,
        a.entry(gap, &gap_body),
        b.next_entry(0),
        a.entry(unrelated, &unrelated_body),
        a.next_entry(1),
    ];
    let results =
        log.admit(proposals.into_iter().map(|entry| Proposal::Entry(Box::new(entry))).collect()).await;
    let refused = |result: &Result<Receipt, AppendError>| match result {
        Err(AppendError::Refused(Refusal::Event(error))) => Some(*error),
        _ => None,
    };
    assert_eq!(refused(&results[1]), Some(EventError::Sequence { expected: 1, found: 2 }));
    assert_eq!(refused(&results[3]), Some(EventError::Previous));
    assert!(results[0].is_ok() && results[2].is_ok() && results[4].is_ok());
    assert_eq!(log.size(), 3);
}

#[tokio::test]
async fn a_copied_key_is_proven_and_its_device_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    let mut other = Device::sr25519(2);
    let (first, (admitted, admitted_body)) = (device.next_entry(0), device.next(1));
    let entries = vec![first, device.entry(admitted.clone(), &admitted_body)];
    let receipts = log.append(entries).await.unwrap();
    let (forked, forked_body) = device.sign(1, receipts[0].hash, 666);
    let forked_error = AppendError::Refused(Refusal::Forked { device: device.id(), sequence: 1 });

    assert_eq!(log.append(vec![device.entry(forked.clone(), &forked_body)]).await, Err(forked_error.clone()));
    let proof = log.copied_key(&device.id()).unwrap().unwrap();
    assert_eq!((proof.sequence, proof.first.index, proof.second.index), (1, Some(1), None));
    assert_eq!((&proof.first.event, &proof.second.event), (&admitted, &forked));
    assert_eq!(proof.verify(device.key.key()), Ok(()));
    assert!(proof.verify(other.key.key()).is_err());
    assert_eq!(log.forks().unwrap(), [proof]);
    let text = forked_error.to_string();
    assert!(text.contains("kept as proof") && text.contains("new key"), "{text}");
    let next = device.next_entry(2);
    drop(log);

    // After a restart the device is still refused, but duplicates get their receipts and other devices are admitted.
    let log = open(&folder);
    assert_eq!(log.append(vec![next]).await, Err(forked_error.clone()));
    assert_eq!(log.append(vec![device.entry(forked, &forked_body)]).await, Err(forked_error));
    assert!(log.append(vec![other.next_entry(0)]).await.is_ok());
    let mut replay = Device::sr25519(1);
    assert_eq!(log.append(vec![replay.next_entry(0)]).await.unwrap(), [receipts[0]]);
    assert_eq!(log.size(), 3);
    assert_eq!(log.copied_key(&other.id()).unwrap(), None);
    assert!(log.is_forked(&device.id()).unwrap() && !log.is_forked(&other.id()).unwrap());
}

#[tokio::test]
async fn a_fork_within_one_group_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let device = Device::sr25519(1);
    let (one, one_body) = device.sign(0, Hash::ZERO, 1);
    let (two, two_body) = device.sign(0, Hash::ZERO, 2);
    let entries = [device.entry(one, &one_body), device.entry(two, &two_body)];
    let results =
        log.admit(entries.into_iter().map(|entry| Proposal::Entry(Box::new(entry))).collect()).await;
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(AppendError::Refused(Refusal::Forked { device: device.id(), sequence: 0 })));
    assert_eq!(log.size(), 1);
}

#[test]
fn an_entry_needs_the_events_own_body_within_the_size_limit() {
    let mut device = Device::sr25519(1);
    let (event, body) = device.next(0);
    let (_, other) = device.next(1);
    let verified = event.verify(device.key.key()).unwrap();
    assert_eq!(
        crate::NewEntry::new(verified.clone(), &other, 0).unwrap_err(),
        Refusal::Event(EventError::BodyHash)
    );
    let part = Part::Status(Text::try_from("x".repeat(256)).unwrap());
    let huge = Body { seed: body.seed, parts: vec![part; 64].try_into().unwrap() };
    let refused = crate::NewEntry::new(verified, &huge, 0).unwrap_err();
    assert!(matches!(refused, Refusal::BodyTooLarge { bytes } if bytes > MAX_BODY_BYTES), "{refused}");
}

#[test]
fn a_log_opens_once_and_only_for_its_gateway() {
    let folder = filled(5);
    let path = folder.path().join("log");
    let other = LogId::first(AccountId([1; 32]));
    assert!(matches!(Log::open(&path, other), Err(OpenError::OtherLog { found, .. }) if *found == log_id()));
    let log = open(&folder);
    assert_eq!(Log::open(&path, log_id()).unwrap_err(), OpenError::Locked { path: path.clone() });
    assert_eq!(log.size(), 5);
    assert!(matches!(Log::open_read_only(&folder.path().join("none")), Err(OpenError::Missing { .. })));
}

#[tokio::test]
async fn a_log_can_be_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    for salt in 0..20 {
        log.append(vec![device.next_entry(salt)]).await.unwrap();
    }
    let beside = Log::open_read_only(&folder.path().join("log")).unwrap();
    assert_eq!(content(&beside), content(&log));
    log.append(vec![device.next_entry(20)]).await.unwrap();
    assert_eq!((beside.size(), log.size()), (20, 21));
    assert_eq!(beside.verify(0..20).unwrap(), []);
    assert_eq!(Log::open_read_only(&folder.path().join("log")).unwrap().size(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_can_append_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let tasks: Vec<_> = (0..16u8)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut device = Device::sr25519(n + 1);
                let mut receipts = Vec::new();
                for salt in 0..25 {
                    receipts.extend(log.append(vec![device.next_entry(salt)]).await.unwrap());
                }
                receipts
            })
        })
        .collect();
    let mut receipts = HashMap::new();
    for task in tasks {
        receipts.extend(task.await.unwrap().into_iter().map(|receipt| (receipt.index, receipt)));
    }
    assert_eq!((receipts.len(), log.size()), (400, 400));
    for (index, receipt) in receipts {
        let header = log.stored(index).unwrap().unwrap().entry.event.header;
        assert_eq!(
            (header.device, header.sequence, header.hash()),
            (receipt.device, receipt.sequence, receipt.hash)
        );
    }
    assert_eq!(log.verify(0..400).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_reopened_log_has_the_same_content(
        steps in proptest::collection::vec((0usize..5, 1usize..6), 1..40),
        reopen_at in proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut devices: Vec<_> = (0..5).map(|n| if n % 2 == 0 { Device::sr25519(n + 1) } else { Device::ed25519(n + 1) }).collect();
        let reopen: Vec<usize> = reopen_at.iter().map(|at| at.index(steps.len())).collect();
        let mut log = open(&folder);
        let mut expected = Vec::new();
        for (step, (device, count)) in steps.into_iter().enumerate() {
            let entries: Vec<_> = (0..count).map(|salt| devices[device].next_entry(salt as u64)).collect();
            let receipts = runtime.block_on(log.append(entries)).unwrap();
            expected.extend(receipts.iter().map(|receipt| (receipt.device, receipt.sequence, receipt.hash)));
            if reopen.contains(&step) {
                let before = content(&log);
                drop(log);
                log = open(&folder);
                prop_assert_eq!(content(&log), before);
            }
        }
        let (size, _, events, _) = content(&log);
        let found: Vec<_> = events.iter().map(|stored| { let header = &stored.entry.event.header; (header.device, header.sequence, header.hash()) }).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(log.verify(0..size).unwrap(), []);
    }
}
