//! Who gets what, and until when.

use super::*;

struct Scene {
    _dir: tempfile::TempDir,
    log: Log,
    table: Table,
    car: Car,
    workshop: KeyPair,
    gateway: Gateway,
}

/// A gateway with five events of a car, which nobody but its owner may read.
async fn scene() -> Scene {
    let (keys, owner, table) = (keys(1), keys(2), Table::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let mut car = Car::of(&keys);
    car.drive(&log, 5).await;
    table.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let gateway = Gateway::start(QUIC, &keys, &log, &table).await;
    Scene { _dir: dir, log, table, car, workshop: super::keys(3), gateway }
}

impl Scene {
    fn reader(&self, keys: &KeyPair) -> Subscriber<Table> {
        subscriber(keys, &self.table, self.car.id(), self.gateway.target(), Position::START)
    }

    fn grant(&self, names: &[&str], until: u64) {
        let grant = grant(self.car.id(), &self.workshop, names, until);
        self.table.change(|state| state.grants = vec![grant]);
    }
}

fn in_ms(ms: u64) -> u64 {
    now_ms() + ms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing_and_learns_nothing() {
    let scene = scene().await;
    scene.grant(&[], in_ms(60_000));
    let stranger = keys(9);
    let refused = end(&mut scene.reader(&stranger)).await.to_string();

    // A device that the stranger's own chain has at this gateway, but the gateway's does not: the same words.
    let mut unknown = Car::of(&keys(1));
    unknown.key = DeviceKey::Hosted { gateway: keys(1).account(), label: Text::try_from("none").unwrap() };
    let own = Table::new();
    own.change(|state| {
        state.devices.insert(unknown.id(), unknown.record(stranger.account()));
    });
    let mut reader = subscriber(&stranger, &own, unknown.id(), scene.gateway.target(), Position::START);
    assert_eq!(end(&mut reader).await.to_string(), refused);
    assert!(refused.contains("granted nothing"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_gives_history_and_its_end_cuts_the_stream() {
    let mut scene = scene().await;
    // Nothing but the clock can end it in time: the chain is not asked again.
    let limits = Limits { recheck: Duration::from_secs(3_600), ..quick() };
    scene.gateway = Gateway::start_with(TCP, &keys(1), &scene.log, &scene.table, limits).await;
    scene.grant(&[], in_ms(1_500));
    let mut reader = scene.reader(&scene.workshop);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    scene.car.drive(&scene.log, 1).await;
    assert_eq!(sequences(&mut reader, 1).await, [5]);
    // No block comes any more: the gateway's clock alone ends it.
    assert!(matches!(end(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
    scene.car.drive(&scene.log, 1).await;
    let mut late = scene.reader(&scene.workshop);
    assert!(matches!(end(&mut late).await, SubscribeError::Ended(wire::End::NotGranted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_and_the_chains_own_time_cut_the_stream() {
    type Change = fn(&mut State);
    let ends: [Change; 3] = [
        |state| state.grants.clear(),
        |state| state.time = u64::MAX,
        |state| state.devices.values_mut().for_each(|record| record.gateway = AccountId([7; 32])),
    ];
    for change in ends {
        let mut scene = scene().await;
        scene.grant(&[], in_ms(60_000));
        let mut reader = scene.reader(&scene.workshop);
        assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
        scene.table.change(change);
        assert!(matches!(end(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
        scene.car.drive(&scene.log, 1).await;
        assert_eq!(reader.position().next, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_granted_readings_are_disclosed() {
    let mut scene = scene().await;
    scene.grant(&["Vehicle.TraveledDistance"], in_ms(60_000));
    let mut reader = scene.reader(&scene.workshop);
    for km in 0..5u32 {
        let event = next_event(&mut reader).await.unwrap();
        let [(0, Part::Reading(reading))] = event.parts.as_slice() else { panic!("{:?}", event.parts) };
        assert_eq!(reading.name.as_str(), "Vehicle.TraveledDistance");
        assert_eq!(reading.value, Value::Decimal(Decimal::from(km)));
        assert!(!event.complete);
    }
    // An event without any granted reading shows its header alone, and the sequence has no gap.
    scene.car.append(&scene.log, vec![reading("Vehicle.CurrentLocation.Latitude", 47)]).await;
    let event = next_event(&mut reader).await.unwrap();
    assert_eq!((event.sequence(), event.parts.len(), event.complete), (5, 0, false));
    // A wider grant shows more from there on.
    scene.grant(&[], in_ms(60_000));
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.car.drive(&scene.log, 1).await;
    assert!(next_event(&mut reader).await.unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_names_narrows_what_is_granted() {
    let scene = scene().await;
    scene.grant(&["Vehicle.TraveledDistance"], in_ms(60_000));
    let names = vec![Text::try_from("Vehicle.Speed").unwrap()].try_into().unwrap();
    let subscription = Subscription { device: scene.car.id(), target: scene.gateway.target(), names };
    let table = scene.table.clone();
    let mut reader = Subscriber::new(dialer(), scene.workshop.clone(), table, subscription, Position::START);
    assert_eq!(
        next_event(&mut reader).await.unwrap().parts,
        [],
        "granted but not asked, asked but not granted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_do_not_outlive_a_chain_that_stays_away() {
    let mut scene = scene().await;
    scene.grant(&[], in_ms(60_000));
    // The subscriber's own chain stays.
    let own = Table::new();
    let record = scene.car.record(keys(2).account());
    own.change(|state| {
        state.devices.insert(scene.car.id(), record);
    });
    let mut reader =
        subscriber(&scene.workshop, &own, scene.car.id(), scene.gateway.target(), Position::START);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    scene.table.change(|state| state.away = true);
    let problem = loop {
        if let SubscriberEvent::Interrupted { problem, .. } =
            timeout(PATIENCE, reader.next()).await.unwrap().unwrap()
        {
            break problem;
        }
    };
    assert!(problem.contains("no connection to the chain"), "{problem}");
    scene.car.drive(&scene.log, 1).await;
    scene.table.change(|state| state.away = false);
    assert_eq!(sequences(&mut reader, 1).await, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_goes_to_the_devices_own_gateway_only() {
    let scene = scene().await;
    let elsewhere = keys(8);
    scene.table.change(|state| {
        state.devices.values_mut().for_each(|record| record.gateway = elsewhere.account());
    });
    let error = end(&mut scene.reader(&keys(2))).await;
    assert!(matches!(error, SubscribeError::OtherGateway { .. }), "{error}");
    let nobody = subscriber(&keys(2), &Table::new(), scene.car.id(), scene.gateway.target(), Position::START);
    assert!(matches!(end(&mut { nobody }).await, SubscribeError::UnknownDevice(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_no_more_than_its_streams() {
    let scene = scene().await;
    let gateway = {
        let limits = Limits { streams_each: 1, ..quick() };
        let log = scene.log.clone();
        Gateway::start_with(TCP, &keys(1), &log, &scene.table, limits).await
    };
    let owner = keys(2);
    let reader = || subscriber(&owner, &scene.table, scene.car.id(), gateway.target(), Position::START);
    let (mut first, mut second) = (reader(), reader());
    assert_eq!(sequences(&mut first, 5).await, [0, 1, 2, 3, 4]);
    let problem = loop {
        match timeout(PATIENCE, second.next()).await.unwrap().unwrap() {
            SubscriberEvent::Interrupted { problem, .. } => break problem,
            SubscriberEvent::Event(event) => panic!("served beyond the limit: {event:?}"),
            SubscriberEvent::Connected { .. } => {}
        }
    };
    assert!(problem.contains("as many subscribers"), "{problem}");
    drop(first);
    assert_eq!(sequences(&mut second, 1).await, [0], "the place came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_of_an_account_is_told_from_others_that_were_found() {
    let scene = scene().await;
    let other = {
        let dir = tempfile::tempdir().unwrap();
        let log = open_log(dir.path(), &keys(8));
        Gateway::start(TCP, &keys(8), &log, &scene.table).await
    };
    let peer = dialer();
    let target = Target::Account(keys(1).account());
    let subscription = Subscription { device: scene.car.id(), target, names: Default::default() };
    let table = scene.table.clone();
    let mut reader = Subscriber::new(peer.clone(), keys(2), table, subscription, Position::START);
    let SubscriberEvent::Interrupted { problem, .. } = reader.next().await.unwrap() else {
        panic!("nobody was found")
    };
    assert!(problem.contains("not found on the local network"), "{problem}");
    // What multicast would have told, which leaves no machine in a test.
    let gone: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    peer.found.send_modify(|found| {
        found.insert(other.peer.id(), [other.address.clone()].into());
        found.insert(libp2p::PeerId::random(), [gone].into());
        found.insert(scene.gateway.peer.id(), [scene.gateway.address.clone()].into());
    });
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
}
