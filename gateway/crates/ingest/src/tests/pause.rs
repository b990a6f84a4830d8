//! Devices whose keys are being changed.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_device_whose_key_changes_waits_for_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let own_log = LogId::first(keys().account());
    let log = Log::open(&folder.path().join("log"), own_log).unwrap();
    let (key, other) = (hosted("car"), hosted("van"));
    let (device, other_device) = (key.device_id(), other.device_id());
    let ingest = Ingest::new(log, keys(), [key.clone(), other]).unwrap();
    ingest.readings(device, vec![reading(1)]).await.unwrap();
    ingest.pause(device, 7).await.unwrap();
    let paused = ingest.readings(device, vec![reading(2)]).await.unwrap_err();
    assert!(paused == IngestError::Paused { device } && paused.is_temporary(), "{paused}");
    ingest.readings(other_device, vec![reading(1)]).await.unwrap();
    let unknown = DeviceId([9; 32]);
    let error = IngestError::UnknownDevice { device: unknown };
    assert_eq!(ingest.pause(unknown, 0).await, Err(error.clone()));
    assert_eq!(ingest.resume(unknown), Err(error));
    let record = DeviceRecord::new(key, PartyId([1; 32]), own_log, AT);
    ingest.set_lineage(&device, Some(Lineage::new(record.clone(), None)));
    assert_eq!(ingest.readings(device, vec![reading(2)]).await.unwrap().sequence, 1);
    // The same record again does not end the pause. The command does, if it could not change the key.
    ingest.pause(device, 0).await.unwrap();
    ingest.set_lineage(&device, Some(Lineage::new(record, None)));
    assert_eq!(ingest.readings(device, vec![reading(3)]).await, Err(paused));
    ingest.resume(device).unwrap();
    assert_eq!(ingest.readings(device, vec![reading(3)]).await.unwrap().sequence, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_its_own_key_is_acknowledged_nothing_that_the_new_key_should_sign() {
    let devices = [Device::sr25519(1), Device::ed25519(2)];
    let fixture = start_ingest(&devices, Limits::default());
    let [mut device, mut other] = devices;
    let (ingest, id) = (&fixture.ingest, device.id());
    let mut record = DeviceRecord::new(device.key.key().clone(), PartyId([1; 32]), log_id(), AT);
    ingest.set_lineage(&id, Some(Lineage::new(record.clone(), None)));
    // Events are on their way while the new key is announced to count from event 40 on. What was acknowledged before the
    // pause, and what comes before event 40, is in the log.
    let events: Vec<_> = (0..60).map(|n| device.next(n)).collect();
    let (first, rest) = events.split_at(30);
    let answers = tokio::join!(ingest.signed_batch(first.to_vec()), ingest.pause(id, 40)).0;
    assert!(answers.iter().all(Result::is_ok));
    let answers = ingest.signed_batch(rest.to_vec()).await;
    let (before, after) = answers.split_at(10);
    assert!(before.iter().all(Result::is_ok));
    assert!(after.iter().all(|answer| *answer == Err(IngestError::Paused { device: id })), "{after:?}");
    assert!(after[0].as_ref().unwrap_err().is_temporary());
    assert!(after[0].as_ref().unwrap_err().to_string().contains("key of device"));
    let (event, text) = other.next(0);
    assert!(ingest.signed(event, text).await.is_ok());
    assert_eq!(fixture.log.head(&id).unwrap().unwrap().sequence, 39);

    // The record has the new key: the old one signs nothing more, and the new one signs event 40.
    let new_key = Device::sr25519(3);
    record.set_key(new_key.key.key().clone(), 40, KeyChange::Rotated, 40, AT).unwrap();
    ingest.set_lineage(&id, Some(Lineage::new(record, None)));
    let (event, text) = events[40].clone();
    let refused = ingest.signed(event, text).await.unwrap_err();
    assert!(matches!(refused, IngestError::OtherKey { sequence: 40, .. }), "{refused}");
}
