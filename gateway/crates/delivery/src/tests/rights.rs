//! Access rights: who receives which events, and until when.

use super::*;

struct GatewayFixture {
    _dir: tempfile::TempDir,
    log: Log,
    chain: MockChain,
    car: Car,
    workshop: KeyPair,
    gateway: Gateway,
}

/// Starts a gateway with five events of a car that only the owner may read.
async fn fixture() -> GatewayFixture {
    let (keys, owner, chain) = (keys(1), keys(2), MockChain::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let mut car = Car::of(&keys);
    car.append_readings(&log, 5).await;
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let gateway = Gateway::start(QUIC, &keys, &log, &chain).await;
    GatewayFixture { _dir: dir, log, chain, car, workshop: super::keys(3), gateway }
}

impl GatewayFixture {
    fn reader(&self, keys: &KeyPair) -> Subscriber<MockChain> {
        subscriber(keys, &self.chain, self.car.id(), self.gateway.target(), Position::START)
    }

    fn grant(&self, names: &[&str], until: u64) {
        let grant = grant(self.car.id(), &self.workshop, names, until);
        self.chain.change(|state| state.grants = vec![grant]);
    }
}

fn in_ms(ms: u64) -> u64 {
    now_ms() + ms
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_rights_does_not_learn_whether_a_device_exists() {
    let fixture = fixture().await;
    fixture.grant(&[], in_ms(60_000));
    let stranger = keys(9);
    let message = subscription_error(&mut fixture.reader(&stranger)).await.to_string();

    // The stranger's own chain has registered this device at the gateway, but the gateway's chain has not. The answer
    // is the same.
    let unknown = Car::named(&keys(1), "none");
    let own = MockChain::new();
    own.change(|state| {
        state.devices.insert(unknown.id(), unknown.record(stranger.account()));
    });
    let mut reader = subscriber(&stranger, &own, unknown.id(), fixture.gateway.target(), Position::START);
    assert_eq!(subscription_error(&mut reader).await.to_string(), message);
    assert!(message.contains("granted nothing"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_includes_the_history_and_its_end_ends_the_stream() {
    let mut fixture = fixture().await;
    // The chain is not read again, so only the clock can end the grant in time.
    let limits = Limits { recheck_interval: Duration::from_secs(3_600), ..short_limits() };
    fixture.gateway = Gateway::start_with(TCP, &keys(1), &fixture.log, &fixture.chain, limits).await;
    fixture.grant(&[], in_ms(1_500));
    let mut reader = fixture.reader(&fixture.workshop);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    fixture.car.append_readings(&fixture.log, 1).await;
    assert_eq!(sequences(&mut reader, 1).await, [5]);
    // No further block arrives: the gateway's clock ends the stream.
    assert!(matches!(subscription_error(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
    fixture.car.append_readings(&fixture.log, 1).await;
    let mut late = fixture.reader(&fixture.workshop);
    assert!(matches!(subscription_error(&mut late).await, SubscribeError::Ended(wire::End::NotGranted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_or_the_chains_time_ends_the_stream() {
    type Change = fn(&mut State);
    let ends: [Change; 2] = [|state| state.grants.clear(), |state| state.time = u64::MAX];
    for change in ends {
        let mut fixture = fixture().await;
        fixture.grant(&[], in_ms(60_000));
        let mut reader = fixture.reader(&fixture.workshop);
        assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
        fixture.chain.change(change);
        assert!(matches!(subscription_error(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
        fixture.car.append_readings(&fixture.log, 1).await;
        assert_eq!(reader.position().next, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_learns_which_gateway_keeps_the_device_now() {
    let fixture = fixture().await;
    fixture.grant(&[], in_ms(60_000));
    let mut reader = fixture.reader(&fixture.workshop);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    fixture.chain.change(move_elsewhere);
    let error = subscription_error(&mut reader).await;
    let SubscribeError::OtherGateway { found, wanted, .. } = error else { panic!("{error}") };
    assert_eq!((found, wanted), (keys(1).account(), keys(77).account()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_events_that_the_log_has_are_not_delivered() {
    let mut fixture = fixture().await;
    fixture.chain.change(|state| {
        state.devices.values_mut().for_each(|record| record.declare_lost(3, 8, AT).unwrap());
    });
    fixture.car.last = Some((7, Hash([9; 32])));
    let record = fixture.chain.read(|state| state.devices[&fixture.car.id()].clone()).unwrap();
    let (event, body) = fixture.car.next(vec![reading("Vehicle.Speed", 50)]);
    let lineage = Arc::new(streembit_log::Lineage::new(record, None));
    let entry = NewEntry::new(event, &body, now_ms()).unwrap().with_lineage(lineage);
    fixture.log.append(vec![entry]).await.unwrap();
    let mut reader = fixture.reader(&keys(2));
    assert_eq!(sequences(&mut reader, 4).await, [0, 1, 2, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_skips_lost_events_that_a_gateway_sends() {
    let mut fixture = fixture().await;
    fixture.car.append_readings(&fixture.log, 70).await;
    // The gateway's chain does not know of the declaration yet.
    let own = MockChain::new();
    let mut record = fixture.car.record(keys(2).account());
    record.declare_lost(5, 75, AT).unwrap();
    own.change(|state| {
        state.devices.insert(fixture.car.id(), record.clone());
    });
    let mut reader = subscriber(&keys(2), &own, fixture.car.id(), fixture.gateway.target(), Position::START);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    let append = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut car = Car::of(&keys(1));
        let hash = fixture.log.head(&car.id()).unwrap().unwrap().hash;
        car.last = Some((74, hash));
        car.append_readings(&fixture.log, 1).await;
    };
    let (event, ()) = tokio::join!(next_event(&mut reader), append);
    assert_eq!(event.unwrap().sequence(), 75);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employee_reads_for_its_party_until_the_party_removes_it() {
    let mut fixture = fixture().await;
    fixture.grant(&[], in_ms(60_000));
    let party = founder(fixture.workshop.account()).party;
    let (technician, clerk) = (keys(4), keys(5));
    let role = |scope| Some(AccountRole { party, role: Role::Account { scope, until: None } });
    fixture.chain.change(|state| {
        state.roles.insert(technician.account(), role(Scope::Devices));
        state.roles.insert(clerk.account(), role(Scope::Contracts));
    });
    let error = subscription_error(&mut fixture.reader(&clerk)).await;
    assert!(matches!(error, SubscribeError::Ended(wire::End::NotGranted)), "{error}");
    let mut reader = fixture.reader(&technician);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    fixture.chain.change(|state| {
        state.roles.insert(technician.account(), None);
    });
    assert!(matches!(subscription_error(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
    fixture.car.append_readings(&fixture.log, 1).await;
    let mut late = fixture.reader(&technician);
    assert!(matches!(subscription_error(&mut late).await, SubscribeError::Ended(wire::End::NotGranted)));
    // The party itself goes on.
    assert_eq!(sequences(&mut fixture.reader(&fixture.workshop), 6).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_ends_while_it_reads_is_cut_off() {
    let mut fixture = fixture().await;
    // The chain is not read again, so only the clock can end the account in time.
    let limits = Limits { recheck_interval: Duration::from_secs(3_600), ..short_limits() };
    fixture.gateway = Gateway::start_with(TCP, &keys(1), &fixture.log, &fixture.chain, limits).await;
    let (employee, party) = (keys(4), founder(keys(2).account()).party);
    let role = Role::Account { scope: Scope::Commands, until: Some(in_ms(1_500)) };
    fixture.chain.change(|state| {
        state.roles.insert(employee.account(), Some(AccountRole { party, role }));
    });
    let mut reader = fixture.reader(&employee);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    assert!(matches!(subscription_error(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_granted_readings_are_disclosed() {
    let mut fixture = fixture().await;
    fixture.grant(&["Vehicle.TraveledDistance"], in_ms(60_000));
    let mut reader = fixture.reader(&fixture.workshop);
    for km in 0..5u32 {
        let event = next_event(&mut reader).await.unwrap();
        let [(0, Part::Reading(reading))] = event.parts.as_slice() else { panic!("{:?}", event.parts) };
        assert_eq!(reading.name.as_str(), "Vehicle.TraveledDistance");
        assert_eq!(reading.value, Value::Decimal(Decimal::from(km)));
        assert!(!event.complete);
    }
    // An event without a granted reading is delivered as a header only, so the sequence has no gap.
    fixture.car.append(&fixture.log, vec![reading("Vehicle.CurrentLocation.Latitude", 47)]).await;
    let event = next_event(&mut reader).await.unwrap();
    assert_eq!((event.sequence(), event.parts.len(), event.complete), (5, 0, false));
    // A wider grant applies to later events.
    fixture.grant(&[], in_ms(60_000));
    tokio::time::sleep(Duration::from_millis(100)).await;
    fixture.car.append_readings(&fixture.log, 1).await;
    assert!(next_event(&mut reader).await.unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_owner_reads_what_was_received_since_and_the_former_one_is_cut_off() {
    let mut fixture = fixture().await;
    let (seller, buyer) = (keys(2), keys(6));
    let mut reader = fixture.reader(&seller);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let at = ChangeTime { block: 9, time: now_ms() };
    fixture.chain.change(|state| {
        let owner = founder(buyer.account()).party;
        state.devices.values_mut().for_each(|record| record.set_owner(owner, at).unwrap());
    });
    assert!(matches!(subscription_error(&mut reader).await, SubscribeError::Ended(wire::End::Expired)));
    fixture.car.append_readings(&fixture.log, 1).await;
    let mut reader = fixture.reader(&buyer);
    for sequence in 0..6 {
        let event = next_event(&mut reader).await.unwrap();
        assert_eq!((event.sequence(), event.complete), (sequence, sequence == 5));
        assert_eq!(event.parts.is_empty(), sequence < 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_during_a_subscription_and_lost_events_are_followed() {
    let mut fixture = fixture().await;
    let mut reader = fixture.reader(&keys(2));
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    let key = keys(1).hosted_key("renewed");
    let change = |record: &mut DeviceRecord| {
        record.set_key(key.clone(), 5, KeyChange::Rotated, 5, AT).unwrap();
        record.declare_lost(5, 8, AT).unwrap();
    };
    fixture.chain.change(|state| state.devices.values_mut().for_each(change));
    fixture.car.key = key.clone();
    fixture.car.last = Some((7, Hash([9; 32])));
    let record = fixture.chain.read(|state| state.devices[&fixture.car.id()].clone()).unwrap();
    let (event, body) = fixture.car.next(vec![reading("Vehicle.Speed", 50)]);
    let lineage = Arc::new(streembit_log::Lineage::new(record, None));
    let entry = NewEntry::new(event, &body, now_ms()).unwrap().with_lineage(lineage);
    fixture.log.append(vec![entry]).await.unwrap();
    let event = next_event(&mut reader).await.unwrap();
    assert_eq!((event.sequence(), event.skipped), (8, Some(5..8)));
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_names_restrict_the_granted_readings() {
    let fixture = fixture().await;
    fixture.grant(&["Vehicle.TraveledDistance"], in_ms(60_000));
    let names = vec![Name::try_from("Vehicle.Speed").unwrap()].try_into().unwrap();
    let subscription = Subscription { device: fixture.car.id(), target: fixture.gateway.target(), names };
    let chain = fixture.chain.clone();
    let mut reader =
        Subscriber::new(dialing_peer(), fixture.workshop.clone(), chain, subscription, Position::START);
    assert_eq!(
        next_event(&mut reader).await.unwrap().parts,
        [],
        "one name is granted but not requested, the other requested but not granted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_expire_if_the_chain_stays_unreachable() {
    let mut fixture = fixture().await;
    fixture.grant(&[], in_ms(60_000));
    // The subscriber's own chain stays reachable.
    let own = MockChain::new();
    let record = fixture.car.record(keys(2).account());
    own.change(|state| {
        state.devices.insert(fixture.car.id(), record);
    });
    let mut reader =
        subscriber(&fixture.workshop, &own, fixture.car.id(), fixture.gateway.target(), Position::START);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    fixture.chain.change(|state| state.is_unreachable = true);
    let problem = loop {
        if let SubscriberEvent::Interrupted { problem, .. } =
            timeout(TEST_TIMEOUT, reader.next()).await.unwrap().unwrap()
        {
            break problem;
        }
    };
    assert!(problem.contains("no connection to the chain"), "{problem}");
    fixture.car.append_readings(&fixture.log, 1).await;
    fixture.chain.change(|state| state.is_unreachable = false);
    assert_eq!(sequences(&mut reader, 1).await, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_accepts_only_the_devices_own_gateway() {
    let fixture = fixture().await;
    fixture.chain.change(move_elsewhere);
    let error = subscription_error(&mut fixture.reader(&keys(2))).await;
    assert!(matches!(error, SubscribeError::OtherGateway { .. }), "{error}");
    let mut reader =
        subscriber(&keys(2), &MockChain::new(), fixture.car.id(), fixture.gateway.target(), Position::START);
    assert!(matches!(subscription_error(&mut reader).await, SubscribeError::UnknownDevice(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_an_account_are_limited() {
    let fixture = fixture().await;
    let gateway = {
        let limits = Limits { streams_per_peer: 1, ..short_limits() };
        let log = fixture.log.clone();
        Gateway::start_with(TCP, &keys(1), &log, &fixture.chain, limits).await
    };
    let owner = keys(2);
    let reader = || subscriber(&owner, &fixture.chain, fixture.car.id(), gateway.target(), Position::START);
    let (mut first, mut second) = (reader(), reader());
    assert_eq!(sequences(&mut first, 5).await, [0, 1, 2, 3, 4]);
    let problem = loop {
        match timeout(TEST_TIMEOUT, second.next()).await.unwrap().unwrap() {
            SubscriberEvent::Interrupted { problem, .. } => break problem,
            SubscriberEvent::Event(event) => panic!("served beyond the limit: {event:?}"),
            SubscriberEvent::Connected { .. } => {}
        }
    };
    assert!(problem.contains("as many subscribers"), "{problem}");
    drop(first);
    assert_eq!(sequences(&mut second, 1).await, [0], "the slot was released");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_of_an_account_is_found_among_discovered_peers() {
    let fixture = fixture().await;
    let other = {
        let dir = tempfile::tempdir().unwrap();
        let log = open_log(dir.path(), &keys(8));
        Gateway::start(TCP, &keys(8), &log, &fixture.chain).await
    };
    let peer = dialing_peer();
    let target = Target::Account(keys(1).account());
    let subscription = Subscription { device: fixture.car.id(), target, names: Default::default() };
    let chain = fixture.chain.clone();
    let mut reader = Subscriber::new(peer.clone(), keys(2), chain, subscription, Position::START);
    let SubscriberEvent::Interrupted { problem, .. } = reader.next().await.unwrap() else {
        panic!("expected an interruption")
    };
    assert!(problem.contains("not found on the local network"), "{problem}");
    // Insert the peers as if mDNS had discovered them, because multicast does not work in every test environment.
    let unused: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    peer.discovered.send_modify(|discovered| {
        discovered.insert(other.peer.id(), [other.address.clone()].into());
        discovered.insert(libp2p::PeerId::random(), [unused].into());
        discovered.insert(fixture.gateway.peer.id(), [fixture.gateway.address.clone()].into());
    });
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
}
