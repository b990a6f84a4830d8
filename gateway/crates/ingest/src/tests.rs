//! Tests of ingest on real logs.

mod pause;
#[path = "../../log/src/tests/support.rs"]
#[expect(dead_code, reason = "the tests of the log use the rest")]
mod support;

use super::*;
use proptest::prelude::*;
use streembit_log::{AppendError, OpenError, StorageError};
use streembit_primitives::{
    device::{ChangeTime, DeviceRecord, KeyChange, LabelHash},
    event::EventError,
    heads::HeadEntry,
    reading::{Name, Unit},
    AccountId, Decimal, Hash, LogId, PartyId, PublicKey, Signature, Signer, Source, Text, Value,
};
use support::{body, log_id, open, Device};

/// Ingest into a log in a temporary folder.
struct IngestFixture {
    _folder: tempfile::TempDir,
    log: Log,
    ingest: Ingest,
    /// The hosted device.
    car: DeviceId,
}

fn keys() -> KeyPair {
    KeyPair::from_seed([42; 32])
}

fn hosted(label: &str) -> DeviceKey {
    keys().hosted_key(label)
}

/// Starts ingest into an empty log, for the given signing devices and the hosted device `car`.
fn start_ingest(devices: &[Device], limits: Limits) -> IngestFixture {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut keys_of = vec![hosted("car")];
    keys_of.extend(devices.iter().map(|device| device.key.key().clone()));
    let car = keys_of[0].device_id();
    let ingest = Ingest::with_limits(log.clone(), keys(), keys_of, limits).unwrap();
    IngestFixture { _folder: folder, log, ingest, car }
}

fn reading(value: u32) -> Reading {
    Reading {
        name: Name::try_from("Vehicle.TraveledDistance").unwrap(),
        unit: Unit::try_from("km").unwrap(),
        value: Value::Decimal(Decimal::from(value)),
        time: 1,
        source: Source::sensor(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_signature_does_not_affect_other_events() {
    let mut devices = [Device::sr25519(1), Device::ed25519(2), Device::p256(3)];
    let fixture = start_ingest(&devices, Limits::default());
    let mut events: Vec<_> = (0..90).map(|n| devices[n % 3].next(n as u64)).collect();
    // The last event of each device, so that no later event depends on it.
    for at in [87, 88, 89] {
        let (Signature::Sr25519(bytes) | Signature::Ed25519(bytes) | Signature::P256(bytes)) =
            &mut events[at].0.signature;
        bytes[9] ^= 1;
    }
    let results = fixture.ingest.signed_batch(events.clone()).await;
    for (at, result) in results.iter().enumerate() {
        match result {
            Err(IngestError::NotVerified { device, sequence: 29, error: EventError::Signature }) => {
                assert!(at >= 87);
                assert_eq!(*device, devices[at % 3].id());
            }
            other => assert!(other.is_ok() && at < 87, "{at}: {other:?}"),
        }
    }
    assert_eq!(fixture.log.size(), 87);
    assert_eq!(fixture.log.verify(0..87).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_high_s_is_refused_with_the_remedy() {
    let mut device = Device::p256(1);
    let fixture = start_ingest(std::slice::from_ref(&device), Limits::default());
    let (mut event, text) = device.next(0);
    let Signature::P256(bytes) = &mut event.signature else { unreachable!() };
    let (r, s) = p256::ecdsa::Signature::from_slice(bytes).unwrap().split_scalars();
    bytes.copy_from_slice(&p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes());
    let refused = fixture.ingest.signed(event.clone(), text.clone()).await.unwrap_err();
    assert!(matches!(refused, IngestError::NotVerified { error: EventError::HighS, .. }), "{refused}");
    assert!(refused.to_string().contains("minus s"), "{refused}");
    // The device normalizes the signature and sends the event again.
    let Signature::P256(bytes) = &mut event.signature else { unreachable!() };
    *bytes = streembit_primitives::p256::normalize_s(bytes).unwrap();
    assert!(fixture.ingest.signed(event, text).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_with_hidden_characters_are_refused_in_new_events() {
    let mut device = Device::sr25519(1);
    let fixture = start_ingest(std::slice::from_ref(&device), Limits::default());
    let ingest = &fixture.ingest;
    let forged = "ok\n     9  2026-01-01 00:00:00Z  anchored  Vehicle.TraveledDistance 5 km";
    for (text, character) in
        [(forged, '\n'), ("a\u{1b}[8m", '\u{1b}'), ("a\u{202e}b", '\u{202e}'), ("\u{200b}", '\u{200b}')]
    {
        assert_eq!(ingest.status(fixture.car, text).await, Err(IngestError::Hidden(character)));
        let value = Value::Text(Text::try_from(text).unwrap());
        let readings = vec![reading(1), Reading { value, ..reading(2) }];
        assert_eq!(ingest.readings(fixture.car, readings).await, Err(IngestError::Hidden(character)));
        let (sequence, previous) = (device.sequence, device.previous);
        let hidden = body(text);
        let event = device.next_with(&hidden);
        assert_eq!(ingest.signed(event, hidden).await, Err(IngestError::Hidden(character)));
        // The device signs an event without the character in its place.
        (device.sequence, device.previous) = (sequence, previous);
    }
    let error = IngestError::Hidden('\u{202e}').to_string();
    assert!(error.contains("U+202E") && !error.contains('\u{202e}'), "{error}");
    let (event, plain) = device.next(0);
    assert!(ingest.signed(event, plain).await.is_ok());
    assert_eq!(fixture.log.size(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_own_error() {
    let mut known = Device::sr25519(1);
    let mut unknown = Device::sr25519(9);
    let fixture = start_ingest(std::slice::from_ref(&known), Limits::default());
    let ingest = &fixture.ingest;

    let (event, text) = unknown.next(0);
    assert_eq!(ingest.signed(event, text).await, Err(IngestError::UnknownDevice { device: unknown.id() }));
    let (event, _) = known.sign(0, Hash::ZERO, 0);
    assert_eq!(
        ingest.signed(event, body("another")).await,
        Err(IngestError::Refused(Refusal::Event(EventError::BodyHash)))
    );
    let (event, text) = known.sign(3, Hash([1; 32]), 0);
    let gap = ingest.signed(event, text).await.unwrap_err();
    assert!(gap.to_string().contains("Send event 0 first"), "{gap}");

    // The gateway cannot sign for a device that has its own key.
    assert_eq!(
        ingest.readings(known.id(), vec![reading(1)]).await,
        Err(IngestError::NotHosted { device: known.id() })
    );
    let (mut event, text) = known.sign(0, Hash::ZERO, 0);
    event.signer = Signer::Gateway(keys().account());
    assert!(matches!(
        ingest.signed(event, text).await,
        Err(IngestError::NotVerified { error: EventError::Signer, .. })
    ));
    assert_eq!(ingest.readings(fixture.car, vec![]).await, Err(IngestError::Empty));
    assert_eq!(
        ingest.readings(fixture.car, vec![reading(1); 65]).await,
        Err(IngestError::TooMany { count: 65 })
    );
    assert!(matches!(ingest.status(fixture.car, &"x".repeat(257)).await, Err(IngestError::TooLong(_))));
    let mut large = reading(1);
    large.name = Name::try_from("n".repeat(96)).unwrap();
    large.value = Value::Text(Text::try_from("x".repeat(256)).unwrap());
    assert!(matches!(
        ingest.readings(fixture.car, vec![large; 64]).await,
        Err(IngestError::Refused(Refusal::BodyTooLarge { .. }))
    ));
    assert_eq!(fixture.log.size(), 0);

    let (event, text) = known.next(0);
    let receipt = ingest.signed(event.clone(), text.clone()).await.unwrap();
    assert_eq!(ingest.signed(event, text).await, Ok(receipt));
    let (event, text) = known.sign(0, Hash::ZERO, 666);
    let forked = ingest.signed(event, text).await.unwrap_err();
    assert_eq!(forked, IngestError::Refused(Refusal::Forked { device: known.id(), sequence: 0 }));
    let (event, text) = known.next(1);
    assert_eq!(ingest.signed(event, text).await, Err(forked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_a_hosted_device_from_many_tasks_form_one_history() {
    let fixture = start_ingest(&[], Limits::default());
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (ingest, car) = (fixture.ingest.clone(), fixture.car);
            tokio::spawn(async move {
                for m in 0..10 {
                    ingest.readings(car, vec![reading(n * 10 + m), reading(0)]).await.unwrap();
                }
                ingest.status(car, "connected").await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let events = fixture.log.device_events(&fixture.car, 0, 1000).unwrap();
    assert_eq!(events.len(), 220);
    let key = hosted("car");
    let mut seeds = std::collections::HashSet::new();
    let mut values = std::collections::HashSet::new();
    for (sequence, stored) in events.into_iter().enumerate() {
        let verified = stored.entry.event.verify(&key).unwrap();
        assert_eq!(verified.event().header.sequence, sequence as u64);
        let body = stored.body.into_present().unwrap();
        values.extend(body.readings().take(1).map(|reading| reading.value.to_string()));
        assert!(seeds.insert(body.seed), "a seed was used twice");
    }
    assert_eq!(values.len(), 200);
    assert_eq!(fixture.log.verify(0..220).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_pipeline_makes_callers_wait_but_loses_no_event() {
    let tight = Limits { bytes: 4096, batch: 3, verifiers: 1 };
    let devices: Vec<_> = (1..=12).map(Device::sr25519).collect();
    let fixture = start_ingest(&devices, tight);
    let most = fixture.ingest.inner.budget.available_permits();
    let tasks: Vec<_> = devices
        .into_iter()
        .map(|mut device| {
            let ingest = fixture.ingest.clone();
            tokio::spawn(async move {
                let events: Vec<_> = (0..30).map(|n| device.next(n)).collect();
                ingest.signed_batch(events).await
            })
        })
        .collect();
    let mut waited = false;
    let mut receipts = std::collections::HashSet::new();
    for task in tasks {
        while !task.is_finished() {
            waited |= fixture.ingest.inner.budget.available_permits() < 20;
            tokio::task::yield_now().await;
        }
        for result in task.await.unwrap() {
            receipts.insert(result.unwrap().index);
        }
    }
    assert!(waited, "the budget was never used up");
    assert_eq!(receipts, (0..360).collect());
    assert_eq!(fixture.ingest.inner.budget.available_permits(), most);
    assert_eq!(fixture.log.verify(0..360).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_the_budget_is_still_admitted() {
    let mut device = Device::sr25519(1);
    let fixture = start_ingest(std::slice::from_ref(&device), Limits { bytes: 1, batch: 1, verifiers: 1 });
    for salt in 0..5 {
        let (event, text) = device.next(salt);
        fixture.ingest.signed(event, text).await.unwrap();
    }
    assert_eq!(fixture.log.size(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_answers_accepted_events_and_releases_the_log() {
    let mut device = Device::sr25519(1);
    let IngestFixture { _folder: folder, log, ingest, car } =
        start_ingest(std::slice::from_ref(&device), Limits::default());
    let events: Vec<_> = (0..200).map(|n| device.next(n)).collect();
    let in_progress = tokio::spawn({
        let ingest = ingest.clone();
        async move { ingest.signed_batch(events).await }
    });
    tokio::task::yield_now().await;
    ingest.close().await;
    let results = in_progress.await.unwrap();
    let (event, text) = device.next(200);
    assert_eq!(ingest.signed(event, text).await, Err(IngestError::Closed));
    assert_eq!(ingest.status(car, "late").await, Err(IngestError::Closed));
    drop((ingest, log));
    // Nothing else holds the database, so it opens again at once, with exactly the acknowledged events.
    let log = Log::open(&folder.path().join("log"), log_id()).unwrap();
    let acknowledged = results.iter().filter(|result| result.is_ok()).count() as u64;
    assert_eq!(log.size(), acknowledged);
    assert!(results.iter().all(|result| result.is_ok() || *result == Err(IngestError::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_may_send_events_before_earlier_ones_are_acknowledged() {
    let mut device = Device::sr25519(1);
    let fixture = start_ingest(std::slice::from_ref(&device), Limits { batch: 2, ..Limits::default() });
    let events: Vec<_> = (0..50).map(|n| device.next(n)).collect();
    let waiting = events.into_iter().map(|(event, text)| fixture.ingest.signed(event, text));
    let results = futures::future::join_all(waiting).await;
    let indexes: Vec<_> = results.into_iter().map(|result| result.unwrap().index).collect();
    assert_eq!(indexes, (0..50).collect::<Vec<_>>());
}

/// The time of a submission whose verification panics.
const PANICS: u64 = u64::MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_verification_costs_only_its_own_batch() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let (mut first, mut second) = (Device::sr25519(1), Device::ed25519(2));
    let devices = Devices::new([&first, &second].map(|device| device.key.key().clone().into())).snapshot();
    let verify = move |submissions: Vec<Submission>| {
        assert!(submissions.iter().all(|submission| submission.received != PANICS), "a bug in verification");
        verifiers::verify(submissions, &devices, &log_id())
    };
    // One thread, so that it has to survive the panic. One event per batch.
    let limits = Limits { batch: 1, verifiers: 1, ..Limits::default() };
    let verifiers = Verifiers::start_with(&log, limits, verify).unwrap();
    let budget = Arc::new(Semaphore::new(4));
    let lost = second.next(0);
    let mut answers = Vec::new();
    for (event, received) in [(first.next(0), 1), (lost.clone(), PANICS), (first.next(1), 2), (lost, 3)] {
        let (reply, answer) = oneshot::channel();
        let permit = budget.clone().acquire_owned().await.unwrap();
        verifiers.submit(Submission { events: vec![event], received, reply, permit }).await;
        answers.push(answer);
    }
    let mut indexes = Vec::new();
    for answer in answers {
        indexes.push(answer.await.ok().map(|mut results| results.pop().unwrap().unwrap().index));
    }
    assert_eq!(indexes, [Some(0), None, Some(1), Some(2)]);
    verifiers.close().await;
    assert_eq!(budget.available_permits(), 4, "the lost batch has released its permits");
    assert_eq!(log.verify(0..3).unwrap(), []);
}

#[test]
fn errors_of_a_log_that_may_recover_are_temporary() {
    let path = std::path::PathBuf::from("/data/log");
    let refused = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let damaged = StorageError::Damaged { what: "an entry".into(), source: None };
    let reopen = |error: OpenError| IngestError::from(AppendError::Reopen(Box::new(error)));
    for error in [
        IngestError::from(AppendError::Closed),
        AppendError::Storage(StorageError::Unavailable).into(),
        reopen(OpenError::Folder { path: path.clone(), source: refused().into() }),
        reopen(OpenError::Locked { path: path.clone() }),
        reopen(OpenError::Storage(StorageError::Unavailable)),
    ] {
        assert!(error.is_temporary(), "{error}");
    }
    for error in [
        IngestError::from(AppendError::Storage(damaged.clone())),
        reopen(OpenError::Storage(damaged)),
        reopen(OpenError::Missing { path }),
        IngestError::Empty,
    ] {
        assert!(!error.is_temporary(), "{error}");
    }
}

#[test]
fn a_gateway_signs_only_for_its_own_hosted_devices() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let other = DeviceKey::Hosted { gateway: AccountId([1; 32]), label: LabelHash([1; 32]) };
        let broken = DeviceKey::Own(PublicKey::Ed25519([0xff; 32]));
        let ingest = Ingest::new(open(&folder), keys(), vec![other.clone(), broken]).unwrap();
        let device = other.device_id();
        assert_eq!(ingest.status(device, "x").await, Err(IngestError::NotHosted { device }));
        assert_eq!(ingest.devices().len(), 2);
    });
}

const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_verified_with_the_key_that_counts_for_its_sequence() {
    let mut old = Device::sr25519(1);
    let fixture = start_ingest(std::slice::from_ref(&old), Limits::default());
    let (ingest, device) = (&fixture.ingest, old.id());
    let mut record = DeviceRecord::new(old.key.key().clone(), PartyId([1; 32]), log_id(), AT);
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), None)));
    for salt in 0..2 {
        let (event, text) = old.next(salt);
        ingest.signed(event, text).await.unwrap();
    }
    let mut new = old.with_key_of(Device::p256(2));
    let early = new.sign(2, new.previous, 0);
    assert!(matches!(
        ingest.signed(early.0, early.1).await,
        Err(IngestError::NotVerified { error: EventError::Signature, .. })
    ));
    record.set_key(new.key.key().clone(), 2, KeyChange::Rotated, 2, AT).unwrap();
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), None)));
    let (event, text) = old.sign(2, old.previous, 0);
    let refused = ingest.signed(event, text).await.unwrap_err();
    assert!(matches!(refused, IngestError::OtherKey { sequence: 2, from: 2, .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("from event 2 on") && text.contains("p256:") && text.contains("sr25519:"),
        "{text}"
    );
    let (event, text) = new.next(2);
    assert_eq!(ingest.signed(event, text).await.unwrap().sequence, 2);
    // An event of the time before, sent again, is still acknowledged.
    let (event, text) = old.sign(0, Hash::ZERO, 0);
    assert_eq!(ingest.signed(event, text).await.unwrap().index, 0);

    record.declare_lost(3, 6, AT).unwrap();
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), None)));
    let (event, text) = new.sign(4, Hash::ZERO, 0);
    let lost = Err(IngestError::Refused(Refusal::Lost { device, sequence: 4, until: 6 }));
    assert_eq!(ingest.signed(event, text).await, lost);
    let (event, text) = new.sign(6, Hash([7; 32]), 0);
    assert_eq!(ingest.signed(event, text).await.unwrap().index, 3);

    let elsewhere = LogId::first(AccountId([8; 32]));
    record.assign(elsewhere, None, 7, 7, u64::MAX, AT).unwrap();
    ingest.set_lineage(&device, Some(Lineage::new(record, None)));
    let (event, text) = new.sign(7, Hash([7; 32]), 0);
    let refused = ingest.signed(event, text).await.unwrap_err();
    assert!(matches!(refused, IngestError::Refused(Refusal::OtherLog { sequence: 7, .. })), "{refused}");
    assert!(!refused.is_temporary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_device_that_was_taken_over_continues_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let own_log = LogId::first(keys().account());
    let log = Log::open(&folder.path().join("log"), own_log).unwrap();
    let before = DeviceKey::Hosted { gateway: AccountId([8; 32]), label: LabelHash([1; 32]) };
    let (device, key) = (before.device_id(), hosted("car"));
    let configured = ConfiguredDevice { id: device, key: key.clone() };
    let ingest = Ingest::new(log.clone(), keys(), [configured]).unwrap();
    let old_log = LogId::first(AccountId([8; 32]));
    let mut record = DeviceRecord::new(before, PartyId([1; 32]), old_log, AT);
    record.assign(own_log, Some(key.clone()), 5, 5, u64::MAX, AT).unwrap();
    // Until the record is known, nobody knows where the history continues.
    let unknown = ingest.readings(device, vec![reading(1)]).await.unwrap_err();
    assert!(unknown == IngestError::UnknownRecord { device } && unknown.is_temporary(), "{unknown}");
    // Nor does anybody know which event the next one has to name, until the gateway is told.
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), None)));
    let unknown = ingest.readings(device, vec![reading(1)]).await.unwrap_err();
    assert_eq!(unknown, IngestError::Refused(Refusal::UnknownPrevious { device, sequence: 5 }));
    assert!(unknown.is_temporary());
    let handover = HeadEntry { device, sequence: 4, hash: Hash([4; 32]) };
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), Some(handover))));
    for sequence in 5..8 {
        assert_eq!(ingest.readings(device, vec![reading(1)]).await.unwrap().sequence, sequence);
    }
    let first = log.stored(0).unwrap().unwrap().entry.event;
    assert_eq!((first.header.device, first.header.previous), (device, Hash([4; 32])));
    assert!(first.verify(&key).is_ok());

    // The gateway closes its log and opens the next: the device waits until it is assigned to it.
    record.assign(LogId { epoch: 1, ..own_log }, None, 8, 8, u64::MAX, AT).unwrap();
    ingest.set_lineage(&device, Some(Lineage::new(record, None)));
    let refused = ingest.readings(device, vec![reading(1)]).await.unwrap_err();
    assert_eq!(refused, IngestError::Refused(Refusal::OtherEpoch { device, sequence: 8, epoch: 1 }));
    assert!(refused.is_temporary());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_mix_of_good_and_bad_events_leaves_each_history_complete(
        steps in proptest::collection::vec((0usize..4, 0u8..8), 1..80),
        batch in 1usize..20,
    ) {
        let mut devices = vec![Device::sr25519(1), Device::ed25519(2), Device::p256(3)];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = start_ingest(&devices, Limits { batch, ..Limits::default() });
            let mut events = Vec::new();
            let mut good = 0;
            for (salt, (device, how)) in steps.into_iter().enumerate() {
                let Some(device) = devices.get_mut(device) else {
                    fixture.ingest.readings(fixture.car, vec![reading(salt as u32)]).await.unwrap();
                    good += 1;
                    continue;
                };
                // A bad or repeated event does not extend the device's history.
                match how {
                    0 => {
                        let (mut event, text) = device.sign(device.sequence, device.previous, 0);
                        event.header.time += 1;
                        events.push((event, text));
                    }
                    1 => events.push(device.sign(device.sequence + 1, device.previous, 0)),
                    2 => events.extend(events.last().cloned()),
                    _ => {
                        events.push(device.next(salt as u64));
                        good += 1;
                    }
                }
            }
            let results = fixture.ingest.signed_batch(events.clone()).await;
            prop_assert_eq!(results.len(), events.len());
            for ((event, _), result) in events.iter().zip(&results) {
                if let Ok(receipt) = result {
                    prop_assert_eq!(receipt.hash, event.header.hash());
                    prop_assert_eq!(&fixture.log.stored(receipt.index).unwrap().unwrap().entry.event.header, &event.header);
                }
            }
            prop_assert_eq!(fixture.log.size(), good);
            for device in &devices {
                let head = fixture.log.head(&device.id()).unwrap().map(|head| (head.sequence + 1, head.hash));
                prop_assert_eq!(head, (device.sequence > 0).then_some((device.sequence, device.previous)));
            }
            prop_assert_eq!(fixture.log.verify(0..good).unwrap(), []);
            Ok(())
        })?;
    }
}
