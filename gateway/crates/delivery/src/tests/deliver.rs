//! Complete and ordered delivery across restarts, large histories in both directions, anchors and cursors.

use super::*;

struct GatewayFixture {
    _dir: tempfile::TempDir,
    keys: KeyPair,
    log: Log,
    chain: MockChain,
    car: Car,
    owner: KeyPair,
}

fn fixture(seed: u8) -> GatewayFixture {
    let (keys, owner, chain) = (keys(seed), keys(seed + 100), MockChain::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let car = Car::of(&keys);
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    GatewayFixture { _dir: dir, keys, log, chain, car, owner }
}

async fn receive_across_restarts(listen: &str) {
    let GatewayFixture { _dir: dir, keys, log, chain, mut car, owner } = fixture(1);
    car.append_readings(&log, 100).await;
    let gateway = Gateway::start(listen, &keys, &log, &chain).await;
    let (target, device) = (gateway.target(), car.id());
    let start = |position| subscriber(&owner, &chain, device, target.clone(), position);
    let mut reader = start(Position::START);

    // The history is longer than the initial credit, so it arrives only if the subscriber grants more.
    assert_eq!(sequences_on_one_connection(&mut reader, 100).await, (0..100).collect::<Vec<_>>());
    assert!(is_silent(&mut reader).await);
    car.append_readings(&log, 3).await;
    assert_eq!(sequences(&mut reader, 3).await, [100, 101, 102]);

    // The gateway restarts and reopens its log. Events are appended while it does not serve.
    let address = gateway.stop().await;
    drop(log);
    let log = open_log(dir.path(), &keys);
    car.append_readings(&log, 2).await;
    let restarted = Gateway::start(&address.to_string(), &keys, &log, &chain).await;
    assert_eq!(sequences(&mut reader, 2).await, [103, 104]);

    // The subscriber restarts with only its position.
    let position = reader.position();
    drop(reader);
    car.append_readings(&log, 2).await;
    let mut reader = start(position);
    assert_eq!(sequences(&mut reader, 2).await, [105, 106]);
    assert!(is_silent(&mut reader).await);
    restarted.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_across_restarts_over_tcp() {
    receive_across_restarts(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_across_restarts_over_quic() {
    receive_across_restarts(QUIC).await;
}

/// Appends 40 events of more than 10 KiB each, which together exceed all windows of the transports.
async fn append_large_events(car: &mut Car, log: &Log) {
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

/// Two gateways subscribe to each other over one connection, and each has more than 256 KiB to send.
async fn subscribe_both_ways(listen: &str) {
    let (mut left, mut right) = (fixture(1), fixture(2));
    append_large_events(&mut left.car, &left.log).await;
    append_large_events(&mut right.car, &right.log).await;
    let record = right.car.record(right.owner.account());
    left.chain.change(|state| {
        state.devices.insert(right.car.id(), record);
    });
    let a = Gateway::start(listen, &left.keys, &left.log, &left.chain).await;
    let b = Gateway::start(listen, &right.keys, &right.log, &left.chain).await;
    a.peer.connect(b.peer.id(), vec![b.address.clone()]).await.unwrap();

    let read = |from: &Gateway, at: &Gateway, fixture: &GatewayFixture| {
        let subscription =
            Subscription { device: fixture.car.id(), target: at.target(), names: Default::default() };
        let chain = left.chain.clone();
        Subscriber::new(from.peer.clone(), fixture.owner.clone(), chain, subscription, Position::START)
    };
    let (mut from_b, mut from_a) = (read(&a, &b, &right), read(&b, &a, &left));
    let (one, two) = tokio::join!(receive_bytes(&mut from_b, 40), receive_bytes(&mut from_a, 40));
    assert!(one > 256 << 10 && two > 256 << 10, "{one} and {two} bytes are too few for this test");
}

async fn receive_bytes(subscriber: &mut Subscriber<MockChain>, count: u64) -> usize {
    let mut bytes = 0;
    for sequence in 0..count {
        let event = next_event(subscriber).await.unwrap();
        assert_eq!(event.sequence(), sequence);
        bytes += codec::Encode::encoded_size(&event.parts);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn large_histories_arrive_in_both_directions_over_tcp() {
    subscribe_both_ways(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_histories_arrive_in_both_directions_over_quic() {
    subscribe_both_ways(QUIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchored_event_is_verified_against_the_subscribers_chain() {
    let mut fixture = fixture(1);
    fixture.car.append_readings(&fixture.log, 5).await;
    anchor(&fixture.log, &fixture.chain);
    fixture.car.append_readings(&fixture.log, 1).await;
    let gateway = Gateway::start(TCP, &fixture.keys, &fixture.log, &fixture.chain).await;
    let start =
        || subscriber(&fixture.owner, &fixture.chain, fixture.car.id(), gateway.target(), Position::START);
    let mut reader = start();
    for _ in 0..5 {
        let event = next_event(&mut reader).await.unwrap();
        assert_eq!((event.anchored, event.complete, event.parts.len()), (Some(5), true, 2));
        assert_eq!(event.unknown_anchor, None);
    }
    let event = next_event(&mut reader).await.unwrap();
    assert_eq!((event.anchored, event.unknown_anchor), (None, None), "not anchored yet");

    // The subscriber's chain has another root for this size, as if the gateway had anchored another log.
    let id = fixture.log.id();
    fixture.chain.change(|state| {
        state.roots.insert((id, 5), Hash([9; 32]));
    });
    let error = subscription_error(&mut start()).await;
    assert!(matches!(
        error,
        SubscribeError::InvalidEvent { sequence: 0, error: VerifyError::Inclusion { size: 5 }, .. }
    ));

    // The chain no longer keeps the root of this size: the event does not count as anchored, nor as not anchored yet.
    fixture.chain.change(|state| state.roots.clear());
    let event = next_event(&mut start()).await.unwrap();
    assert_eq!((event.anchored, event.unknown_anchor), (None, Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_event_is_delivered_without_content() {
    let mut fixture = fixture(1);
    fixture.car.append_readings(&fixture.log, 4).await;
    anchor(&fixture.log, &fixture.chain);
    fixture.log.erase(&[1, 3].into(), 1).unwrap();
    let gateway = Gateway::start(TCP, &fixture.keys, &fixture.log, &fixture.chain).await;
    let mut reader =
        subscriber(&fixture.owner, &fixture.chain, fixture.car.id(), gateway.target(), Position::START);
    for erased in [false, true, false, true] {
        let event = next_event(&mut reader).await.unwrap();
        assert_eq!((event.erased, event.complete, event.parts.is_empty()), (erased, !erased, erased));
        assert_eq!(event.anchored, Some(4), "inclusion is still proven");
    }
    fixture.car.append_readings(&fixture.log, 1).await;
    assert!(next_event(&mut reader).await.unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_resumes_from_its_cursor_file() {
    let mut fixture = fixture(1);
    fixture.car.append_readings(&fixture.log, 4).await;
    let gateway = Gateway::start(TCP, &fixture.keys, &fixture.log, &fixture.chain).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cursor");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (cursor, position) = Cursor::open(&path, GENESIS, fixture.car.id()).unwrap();
        let mut reader =
            subscriber(&fixture.owner, &fixture.chain, fixture.car.id(), gateway.target(), position);
        for _ in 0..2 {
            seen.push(next_event(&mut reader).await.unwrap().sequence());
            cursor.save(reader.position()).unwrap();
        }
    }
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_the_log_is_an_error() {
    let mut fixture = fixture(1);
    fixture.car.append_readings(&fixture.log, 2).await;
    let gateway = Gateway::start(TCP, &fixture.keys, &fixture.log, &fixture.chain).await;
    let at = |next, previous| {
        let position = Position { next, previous };
        subscriber(&fixture.owner, &fixture.chain, fixture.car.id(), gateway.target(), position)
    };
    assert!(matches!(
        subscription_error(&mut at(3, Hash([1; 32]))).await,
        SubscribeError::Ended(wire::End::Ahead)
    ));
    // The sequence fits, but the hash is from another history.
    let error = subscription_error(&mut at(1, Hash([1; 32]))).await;
    assert!(error.to_string().contains("hash of another event"), "{error}");
}
