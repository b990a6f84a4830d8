//! Every event once, in order, whatever restarts; large histories both ways; anchors.

use super::*;

struct Scene {
    _dir: tempfile::TempDir,
    keys: KeyPair,
    log: Log,
    table: Table,
    car: Car,
    owner: KeyPair,
}

fn scene(seed: u8) -> Scene {
    let (keys, owner, table) = (keys(seed), keys(seed + 100), Table::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let car = Car::of(&keys);
    table.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    Scene { _dir: dir, keys, log, table, car, owner }
}

async fn history_then_live_across_restarts(listen: &str) {
    let Scene { _dir: dir, keys, log, table, mut car, owner } = scene(1);
    car.drive(&log, 100).await;
    let gateway = Gateway::start(listen, &keys, &log, &table).await;
    let (target, device) = (gateway.target(), car.id());
    let start = |position| subscriber(&owner, &table, device, target.clone(), position);
    let mut reader = start(Position::START);

    // More than the credit of the beginning: history comes only because credit is given back.
    assert_eq!(uninterrupted(&mut reader, 100).await, (0..100).collect::<Vec<_>>());
    assert!(is_silent(&mut reader).await);
    car.drive(&log, 3).await;
    assert_eq!(sequences(&mut reader, 3).await, [100, 101, 102]);

    // The gateway restarts with its log closed and opened; events come while it serves nobody.
    let address = gateway.stop().await;
    drop(log);
    let log = open_log(dir.path(), &keys);
    car.drive(&log, 2).await;
    let again = Gateway::start(&address.to_string(), &keys, &log, &table).await;
    assert_eq!(sequences(&mut reader, 2).await, [103, 104]);

    // The subscriber restarts with nothing but its position.
    let position = reader.position();
    drop(reader);
    car.drive(&log, 2).await;
    let mut reader = start(position);
    assert_eq!(sequences(&mut reader, 2).await, [105, 106]);
    assert!(is_silent(&mut reader).await);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_once_across_restarts_over_tcp() {
    history_then_live_across_restarts(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_once_across_restarts_over_quic() {
    history_then_live_across_restarts(QUIC).await;
}

/// Events of more than 10 KiB each: 40 of them are beyond every window of the transports.
async fn drive_heavily(car: &mut Car, log: &Log) {
    for _ in 0..40 {
        let parts = (0..30)
            .map(|n| {
                let mut text = format!("{n} ");
                text.push_str(&"x".repeat(250));
                let Part::Reading(mut reading) = reading("note", n) else { unreachable!() };
                reading.value = Value::Text(Text::try_from(text).unwrap());
                Part::Reading(reading)
            })
            .collect();
        car.append(log, parts).await;
    }
}

/// Two gateways that subscribe to each other over one connection, each with more than 256 KiB to send.
async fn both_ways_at_once(listen: &str) {
    let (mut left, mut right) = (scene(1), scene(2));
    drive_heavily(&mut left.car, &left.log).await;
    drive_heavily(&mut right.car, &right.log).await;
    let record = right.car.record(right.owner.account());
    left.table.change(|state| {
        state.devices.insert(right.car.id(), record);
    });
    let a = Gateway::start(listen, &left.keys, &left.log, &left.table).await;
    let b = Gateway::start(listen, &right.keys, &right.log, &left.table).await;
    a.peer.connect(b.peer.id(), vec![b.address.clone()]).await.unwrap();

    let read = |from: &Gateway, at: &Gateway, scene: &Scene| {
        let subscription =
            Subscription { device: scene.car.id(), target: at.target(), names: Default::default() };
        let table = left.table.clone();
        Subscriber::new(from.peer.clone(), scene.owner.clone(), table, subscription, Position::START)
    };
    let (mut from_b, mut from_a) = (read(&a, &b, &right), read(&b, &a, &left));
    let (one, two) = tokio::join!(take_bytes(&mut from_b, 40), take_bytes(&mut from_a, 40));
    assert!(one > 256 << 10 && two > 256 << 10, "{one} and {two} bytes are too few to prove anything");
}

async fn take_bytes(subscriber: &mut Subscriber<Table>, count: u64) -> usize {
    let mut bytes = 0;
    for sequence in 0..count {
        let event = next_event(subscriber).await.unwrap();
        assert_eq!(event.sequence(), sequence);
        bytes += codec::Encode::encoded_size(&event.parts);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn large_histories_pass_both_ways_over_tcp() {
    both_ways_at_once(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_histories_pass_both_ways_over_quic() {
    both_ways_at_once(QUIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_under_an_anchor_is_proven_against_the_subscribers_chain() {
    let mut scene = scene(1);
    scene.car.drive(&scene.log, 5).await;
    anchor(&scene.log, &scene.table);
    scene.car.drive(&scene.log, 1).await;
    let gateway = Gateway::start(TCP, &scene.keys, &scene.log, &scene.table).await;
    let start = || subscriber(&scene.owner, &scene.table, scene.car.id(), gateway.target(), Position::START);
    let mut reader = start();
    for _ in 0..5 {
        let event = next_event(&mut reader).await.unwrap();
        assert_eq!((event.anchored, event.complete, event.parts.len()), (Some(5), true, 2));
    }
    assert_eq!(next_event(&mut reader).await.unwrap().anchored, None);

    // The subscriber's chain has another root for that size: the gateway showed the chain another log.
    let id = scene.log.id();
    scene.table.change(|state| {
        state.roots.insert((id, 5), Hash([9; 32]));
    });
    let error = end(&mut start()).await;
    assert!(matches!(
        error,
        SubscribeError::Refused { sequence: 0, error: VerifyError::Inclusion { size: 5 }, .. }
    ));

    // It keeps no root of that size any more: shown, but not as anchored.
    scene.table.change(|state| state.roots.clear());
    assert_eq!(next_event(&mut start()).await.unwrap().anchored, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_event_keeps_its_place_and_says_nothing() {
    let mut scene = scene(1);
    scene.car.drive(&scene.log, 4).await;
    anchor(&scene.log, &scene.table);
    scene.log.erase(&[1, 3].into(), 1).unwrap();
    let gateway = Gateway::start(TCP, &scene.keys, &scene.log, &scene.table).await;
    let mut reader =
        subscriber(&scene.owner, &scene.table, scene.car.id(), gateway.target(), Position::START);
    for erased in [false, true, false, true] {
        let event = next_event(&mut reader).await.unwrap();
        assert_eq!((event.erased, event.complete, event.parts.is_empty()), (erased, !erased, erased));
        assert_eq!(event.anchored, Some(4), "it is proven as ever");
    }
    scene.car.drive(&scene.log, 1).await;
    assert!(next_event(&mut reader).await.unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_file_resumes_where_the_last_one_ended() {
    let mut scene = scene(1);
    scene.car.drive(&scene.log, 4).await;
    let gateway = Gateway::start(TCP, &scene.keys, &scene.log, &scene.table).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cursor");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (cursor, position) = Cursor::open(&path, GENESIS, scene.car.id()).unwrap();
        let mut reader = subscriber(&scene.owner, &scene.table, scene.car.id(), gateway.target(), position);
        for _ in 0..2 {
            seen.push(next_event(&mut reader).await.unwrap().sequence());
            cursor.save(reader.position()).unwrap();
        }
    }
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_the_log_is_an_error_and_not_a_silence() {
    let mut scene = scene(1);
    scene.car.drive(&scene.log, 2).await;
    let gateway = Gateway::start(TCP, &scene.keys, &scene.log, &scene.table).await;
    let at = |next, previous| {
        let position = Position { next, previous };
        subscriber(&scene.owner, &scene.table, scene.car.id(), gateway.target(), position)
    };
    assert!(matches!(end(&mut at(3, Hash([1; 32]))).await, SubscribeError::Ended(wire::End::Ahead)));
    // The right place, but of another history.
    let error = end(&mut at(1, Hash([1; 32]))).await;
    assert!(error.to_string().contains("previous hash"), "{error}");
}
