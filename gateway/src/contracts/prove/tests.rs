use super::*;
use streembit_keystore::KeyPair;
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    device::{ChangeTime, DeviceRecord},
    event::{EventKind, Signer, VERSION},
    hash::Domain,
    Body, Checkpoint, DeviceKey, EventHeader, Hash, LogId, PartyId, SignedEvent,
};

fn gateway() -> KeyPair {
    KeyPair::from_seed([9; 32])
}

fn key(label: &str) -> DeviceKey {
    gateway().hosted_key(label)
}

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn wanted(device: DeviceId, reading: &str) -> WantedReading {
    let unit = Some(Unit::try_from("km").unwrap());
    WantedReading { device, name: name(reading), unit, is_meter: true }
}

fn newest_reading(
    log: &LogReader,
    anchor: Option<&Anchor>,
    device: &DeviceId,
    meter: &Name,
) -> Result<ProvenReading, ProveError> {
    prove_reading(log, anchor, &wanted(*device, meter.as_str()), Pick::Newest)
}

fn record(key: DeviceKey, log: LogId) -> DeviceRecord {
    DeviceRecord::new(key, PartyId([5; 32]), log, ChangeTime { block: 1, time: 1 })
}

async fn append(log: &Log, label: &str, readings: &[(&str, u32)]) {
    let readings =
        readings.iter().map(|(meter, value)| reading(meter, Value::Decimal((*value).into()), "km", "senml"));
    append_readings(log, label, readings.collect()).await;
}

fn reading(meter: &str, value: Value, unit: &str, source: &str) -> Reading {
    Reading {
        name: name(meter),
        unit: Unit::try_from(unit).unwrap(),
        value,
        time: 1,
        source: Source::try_from(source).unwrap(),
    }
}

async fn append_readings(log: &Log, label: &str, readings: Vec<Reading>) {
    let (keys, key) = (gateway(), key(label));
    let head = log.head(&key.device_id()).unwrap();
    let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
    let parts: Vec<_> = readings.into_iter().map(Part::Reading).collect();
    let body = Body { seed: [1; 32], parts: parts.try_into().unwrap() };
    let header = EventHeader {
        version: VERSION,
        device: key.device_id(),
        sequence,
        previous,
        time: sequence,
        kind: EventKind::Readings,
        body_hash: body.hash(),
    };
    let signature = keys.sign(Domain::EventHeader, &header.hash());
    let signer = Signer::Gateway(keys.account());
    let event = SignedEvent { header, signer, signature }.verify(&key).unwrap();
    log.append(vec![NewEntry::new(event, &body, sequence).unwrap()]).await.unwrap();
}

fn anchor(log: &Log, size: u64) -> Anchor {
    let root = log.root(size).unwrap();
    let heads_root = log.heads_root(size).unwrap();
    let checkpoint = Checkpoint { version: Version, log: log.id(), size, root, heads_root, time: 0 };
    Anchor { checkpoint, block: 1 }
}

async fn log(folder: &tempfile::TempDir) -> Log {
    let id = LogId::first(gateway().account());
    let log = Log::open(&folder.path().join("log"), id).unwrap();
    append(&log, "car", &[("speed", 50), ("odometer", 100)]).await;
    append(&log, "van", &[("odometer", 900)]).await;
    append(&log, "car", &[("odometer", 101), ("speed", 60), ("odometer", 102)]).await;
    append(&log, "car", &[("speed", 70)]).await;
    append(&log, "car", &[("odometer", 103)]).await;
    log
}

#[tokio::test]
async fn the_newest_anchored_reading_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder).await;
    let car = key("car");
    for (size, value) in [(1, 100), (2, 100), (3, 102), (4, 102), (5, 103)] {
        let anchor = anchor(&log, size);
        let proven = newest_reading(&log, Some(&anchor), &car.device_id(), &name("odometer")).unwrap();
        assert_eq!(proven.reading.value, Value::Decimal(value.into()), "of {size}");
        assert_eq!(proven.proof.size, size);
        let (car, van) = (record(car.clone(), log.id()), record(key("van"), log.id()));
        let verified = proven.proof.clone().verify(&car, &anchor.checkpoint.root).unwrap();
        assert_eq!(verified.reading(), &proven.reading);
        assert!(proven.proof.verify(&van, &anchor.checkpoint.root).is_err());
    }
}

#[tokio::test]
async fn readings_at_both_ends_of_a_time_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder).await;
    let (anchor, car) = (anchor(&log, 5), key("car").device_id());
    let value = |pick| {
        let proven = prove_reading(&log, Some(&anchor), &wanted(car, "odometer"), pick);
        proven.map(|proven| (proven.time(), proven.reading.value)).ok()
    };
    let at = |time, value: u32| Some((time, Value::Decimal(value.into())));
    // The car's events have the times 0 to 3; the one at 2 has no odometer.
    assert_eq!(value(Pick::FirstFrom(0)), at(0, 100));
    assert_eq!(value(Pick::FirstFrom(1)), at(1, 102));
    assert_eq!(value(Pick::FirstFrom(2)), at(3, 103));
    assert_eq!(value(Pick::FirstFrom(4)), None);
    assert_eq!(value(Pick::LastBefore(3)), at(1, 102));
    assert_eq!(value(Pick::LastBefore(0)), None);
    assert_eq!(value(Pick::Sequence(1)), at(1, 102));
    assert_eq!(value(Pick::Sequence(2)), None);
}

#[tokio::test]
async fn an_implausible_or_typed_in_value_is_not_proven_before_one_that_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("log"), LogId::first(gateway().account())).unwrap();
    let meter = "Vehicle.TraveledDistance";
    let value = |text: &str| Value::Decimal(text.parse().unwrap());
    let proven = |size| {
        let device = key("car").device_id();
        newest_reading(&log, Some(&anchor(&log, size)), &device, &name(meter)).map(|p| p.reading.value)
    };
    for (number, wrong) in [
        reading(meter, value("105860104"), "Cel", "senml"),
        reading(meter, value("105861"), "", "senml"),
        reading(meter, value("105861"), "celsius", "obd:01A6"),
        reading(meter, value("-5"), "km", "obd:01A6"),
        reading(meter, value("1e18"), "km", "obd:01A6"),
        reading(meter, Value::Boolean(true), "km", "obd:01A6"),
    ]
    .into_iter()
    .enumerate()
    {
        append_readings(&log, "car", vec![wrong]).await;
        assert!(matches!(proven(number as u64 + 1), Err(ProveError::NoReading { .. })), "{number}");
    }
    append_readings(&log, "car", vec![reading(meter, value("105860.2"), "km", "senml")]).await;
    assert_eq!(proven(7).unwrap(), value("105860.2"), "nothing better is known");
    append_readings(&log, "car", vec![reading(meter, value("105860.1"), "km", "obd:01A6")]).await;
    append_readings(&log, "car", vec![reading(meter, value("200000"), "km", "senml")]).await;
    assert_eq!(proven(9).unwrap(), value("105860.1"));
}

#[tokio::test]
async fn without_an_anchored_reading_the_error_says_what_to_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder).await;
    let (car, van) = (key("car").device_id(), key("van").device_id());
    let refused = |anchor: Option<Anchor>, device, meter: &str| {
        newest_reading(&log, anchor.as_ref(), &device, &name(meter)).unwrap_err()
    };
    assert!(matches!(refused(None, car, "odometer"), ProveError::NotAnchored));
    let unread = refused(Some(anchor(&log, 5)), car, "fuel");
    assert!(unread.to_string().contains("fuel"), "{unread}");
    // The van's only event comes after the first entry.
    assert!(matches!(refused(Some(anchor(&log, 1)), van, "odometer"), ProveError::NoReading { .. }));
    let mut other = anchor(&log, 3);
    other.checkpoint.root = Hash([7; 32]);
    assert!(matches!(refused(Some(other), car, "odometer"), ProveError::Anchor(_)));
}

#[tokio::test]
async fn a_proof_file_round_trips_and_an_invalid_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder).await;
    let anchor = anchor(&log, 5);
    let proven = newest_reading(&log, Some(&anchor), &key("car").device_id(), &name("odometer")).unwrap();
    let file = folder.path().join("proof.json");
    write_proof(&file, ContractId([1; 32]), 0, &proven).unwrap();
    assert_eq!(read_proof(&file).unwrap(), proven.proof);
    let contract = folder.path().join("car.contract");
    fs::write(&contract, "a contract with its salts").unwrap();
    let refused = write_proof(&contract, ContractId([1; 32]), 0, &proven);
    assert!(matches!(refused, Err(ProveError::Create(FileError::Exists(_)))), "{refused:?}");
    assert_eq!(fs::read_to_string(&contract).unwrap(), "a contract with its salts");

    let text = fs::read_to_string(&file).unwrap();
    for (from, to) in [("\"0x", "\"0xzz"), ("\"proof\"", "\"prof\""), ("{", ""), (&text[..], "")] {
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = read_proof(&file).unwrap_err().to_string();
        assert!(error.contains("proof.json"), "{from}: {error}");
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(read_proof(&file), Err(ProveError::File { .. })));
}
