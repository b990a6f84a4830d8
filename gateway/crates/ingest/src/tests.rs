//! Tests of ingest on real logs.

#[path = "../../log/src/tests/support.rs"]
#[expect(dead_code, reason = "the tests of the log use the rest")]
mod support;

use super::*;
use proptest::prelude::*;
use streembit_log::{AppendError, OpenError, StorageError};
use streembit_primitives::{
    event::EventError,
    reading::{Name, Unit},
    AccountId, Decimal, Hash, PublicKey, Signature, Signer, Source, Text, Value,
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
    DeviceKey::Hosted { gateway: keys().account(), label: Text::try_from(label).unwrap() }
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
    let mut devices = [Device::sr25519(1), Device::ed25519(2), Device::sr25519(3)];
    let fixture = start_ingest(&devices, Limits::default());
    let mut events: Vec<_> = (0..90).map(|n| devices[n % 3].next(n as u64)).collect();
    // The last events of two devices, so that no later event depends on them.
    for at in [87, 88] {
        let (Signature::Sr25519(bytes) | Signature::Ed25519(bytes)) = &mut events[at].0.signature;
        bytes[9] ^= 1;
    }
    let results = fixture.ingest.signed_batch(events.clone()).await;
    for (at, result) in results.iter().enumerate() {
        match result {
            Err(IngestError::NotVerified { device, sequence: 29, error: EventError::Signature }) => {
                assert!([87, 88].contains(&at));
                assert_eq!(*device, devices[at % 3].id());
            }
            other => assert!(other.is_ok() && ![87, 88].contains(&at), "{at}: {other:?}"),
        }
    }
    assert_eq!(fixture.log.size(), 88);
    assert_eq!(fixture.log.verify(0..88).unwrap(), []);
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
    let keys = [&first, &second].map(|device| (device.id(), ParsedDeviceKey::new(device.key.key().clone())));
    let devices = HashMap::from(keys);
    let verify = move |submissions: Vec<Submission>| {
        assert!(submissions.iter().all(|submission| submission.received != PANICS), "a bug in verification");
        verifiers::verify(submissions, &devices)
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
        let other = DeviceKey::Hosted { gateway: AccountId([1; 32]), label: Text::try_from("x").unwrap() };
        let broken = DeviceKey::Own(PublicKey::Ed25519([0xff; 32]));
        let ingest = Ingest::new(open(&folder), keys(), vec![other.clone(), broken]).unwrap();
        let device = other.device_id();
        assert_eq!(ingest.status(device, "x").await, Err(IngestError::NotHosted { device }));
        assert_eq!(ingest.devices().count(), 2);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_mix_of_good_and_bad_events_leaves_each_history_complete(
        steps in proptest::collection::vec((0usize..4, 0u8..8), 1..80),
        batch in 1usize..20,
    ) {
        let mut devices = vec![Device::sr25519(1), Device::ed25519(2), Device::sr25519(3)];
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
