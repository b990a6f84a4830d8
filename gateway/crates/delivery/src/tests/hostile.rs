//! Malicious gateways and malicious subscribers.

use super::{
    framing::FrameError,
    proof::Channel,
    wire::{Content, Credit, Delivered, End, Frame, Hello, Request, Subscribe, MAX_CREDIT},
    *,
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{PeerId, Stream};
use streembit_primitives::{event::EventError, Signature};

// --- malicious gateways

/// A gateway that proves its account correctly and then sends arbitrary frames.
async fn malicious_gateway(keys: &KeyPair, frames: Vec<Frame>) -> (Arc<Peer>, Target) {
    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let peer = Arc::new(Peer::start(swarm::identity(keys).unwrap(), &config, &Limits::default()).unwrap());
    let mut incoming = peer.streams().accept(protocol(&GENESIS)).unwrap();
    let (id, keys) = (peer.id(), keys.clone());
    tokio::spawn(async move {
        while let Some((subscriber, mut stream)) = incoming.next().await {
            let hello = framing::read::<Hello>(&mut stream).await.unwrap();
            let proof = channel(id, subscriber).prove_gateway(&keys, &hello);
            framing::write(&mut stream, &Frame::Proof(proof)).await.unwrap();
            // A subscriber that rejects the proof closes the stream here.
            if framing::read::<Subscribe>(&mut stream).await.is_ok() {
                for sent in &frames {
                    framing::write(&mut stream, sent).await.unwrap();
                }
                let _ = stream.read(&mut [0; 1]).await;
            }
        }
    });
    let address = first_address(&peer).await;
    let target = Target::Address { peer: peer.id(), address };
    (peer, target)
}

fn channel(gateway: PeerId, subscriber: PeerId) -> Channel {
    Channel { genesis: GENESIS, protocol: protocol(&GENESIS).to_string(), gateway, subscriber }
}

/// Five valid events of a car, as a gateway delivers them.
fn valid_events(car: &mut Car) -> Vec<Delivered> {
    (0..5)
        .map(|index| {
            let (event, body) = car.next(vec![reading("a", 1), reading("b", 2)]);
            let entry = streembit_primitives::LogEntry { event: event.into_event(), received: now_ms() };
            Delivered { index, entry, content: Content::Body(body), anchored: None }
        })
        .collect()
}

/// Delivers events after `change` has tampered with them. Returns the number of accepted events and the error.
async fn receive_changed(change: impl FnOnce(&mut Vec<Delivered>, &mut Car)) -> (u64, SubscribeError) {
    let (keys, owner, chain) = (keys(1), keys(2), MockChain::new());
    let mut car = Car::of(&keys);
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let mut events = valid_events(&mut car);
    change(&mut events, &mut car);
    let frames = events.into_iter().map(|event| Frame::Event(Box::new(event))).collect();
    let (_peer, target) = malicious_gateway(&keys, frames).await;
    let mut reader = subscriber(&owner, &chain, car.id(), target, Position::START);
    let error = subscription_error(&mut reader).await;
    (reader.position().next, error)
}

fn verify_error(error: SubscribeError) -> VerifyError {
    match error {
        SubscribeError::InvalidEvent { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_rejected_and_ends_the_subscription() {
    type Change = fn(&mut Vec<Delivered>, &mut Car);
    let changes: [(Change, VerifyError); 8] = [
        // A changed value, a changed time, a signature of another key, and a changed signer.
        (|events, _| forge(&mut events[2]), EventError::BodyHash.into()),
        (|events, _| events[2].entry.event.header.time += 1, EventError::Signature.into()),
        (
            |events, _| events[2].entry.event.signature = Signature::Sr25519([1; 64]),
            EventError::Signature.into(),
        ),
        (|events, _| events[2].entry.event.signer = Signer::Device, EventError::Signer.into()),
        // A missing event and a duplicate event.
        (|events, _| drop(events.remove(2)), EventError::Sequence { expected: 2, found: 3 }.into()),
        (
            |events, _| events.insert(2, events[1].clone()),
            EventError::Sequence { expected: 2, found: 1 }.into(),
        ),
        // A second history, correctly signed by the gateway.
        (
            |events, car| {
                car.last = Some((1, Hash([9; 32])));
                events[2] = valid_events(car).remove(0);
            },
            EventError::Previous.into(),
        ),
        // An event of another device of the same gateway.
        (
            |events, car| {
                let mut other = Car::named(&car.gateway, "other");
                events[2] = valid_events(&mut other).remove(2);
            },
            EventError::Device.into(),
        ),
    ];
    for (change, expected) in changes {
        let (accepted, error) = receive_changed(change).await;
        assert_eq!((accepted, verify_error(error)), (2, expected));
    }
}

fn forge(event: &mut Delivered) {
    let Content::Body(body) = &mut event.content else { unreachable!() };
    body.parts[0] = reading("a", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_disclosure_is_rejected() {
    let disclosed = |event: &Delivered, indexes: &[u32]| {
        let Content::Body(body) = &event.content else { unreachable!() };
        let parts = indexes.iter().map(|index| body.disclose(*index).unwrap()).collect::<Vec<_>>();
        Content::Disclosed(parts.try_into().unwrap())
    };
    for indexes in [[0, 0], [1, 0]] {
        let (accepted, error) =
            receive_changed(|events, _| events[1].content = disclosed(&events[1], &indexes)).await;
        assert_eq!((accepted, verify_error(error)), (1, VerifyError::Disclosure));
    }
    let (accepted, error) = receive_changed(|events, _| {
        let mut content = disclosed(&events[1], &[1]);
        if let Content::Disclosed(parts) = &mut content {
            parts[0].part = reading("b", 3);
        }
        events[1].content = content;
    })
    .await;
    assert_eq!((accepted, verify_error(error)), (1, VerifyError::Disclosure));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_learns_neither_account_nor_device() {
    let (real_gateway, impostor, owner, chain) = (keys(1), keys(66), keys(2), MockChain::new());
    let car = Car::of(&real_gateway);
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    // The impostor uses its own account.
    let (_peer, target) = malicious_gateway(&impostor, vec![]).await;
    let error = subscription_error(&mut subscriber(&owner, &chain, car.id(), target, Position::START)).await;
    assert!(matches!(error, SubscribeError::OtherGateway { .. }), "{error}");

    // The impostor claims the gateway's account, but cannot sign for it.
    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let identity = swarm::identity(&impostor).unwrap();
    let peer = Peer::start(identity, &config, &Limits::default()).unwrap();
    let mut incoming = peer.streams().accept(protocol(&GENESIS)).unwrap();
    let address = first_address(&peer).await;
    let target = Target::Address { peer: peer.id(), address };
    let mut reader = subscriber(&owner, &chain, car.id(), target, Position::START);
    let id = peer.id();
    let impostor_side = async {
        let (subscriber, mut stream) = incoming.next().await.unwrap();
        let hello = framing::read::<Hello>(&mut stream).await.unwrap();
        let mut proof = channel(id, subscriber).prove_gateway(&impostor, &hello);
        proof.account = real_gateway.account();
        framing::write(&mut stream, &Frame::Proof(proof)).await.unwrap();
        framing::read::<Subscribe>(&mut stream).await
    };
    let (received, error) = tokio::join!(impostor_side, subscription_error(&mut reader));
    assert!(matches!(error, SubscribeError::GatewayProof), "{error}");
    assert!(received.is_err(), "the impostor received {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_on_the_local_network_cannot_end_a_subscription() {
    let fixture = fixture().await;
    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let impostor = Peer::start(Keypair::generate_ed25519(), &config, &Limits::default()).unwrap();
    let mut incoming = impostor.streams().accept(protocol(&GENESIS)).unwrap();
    tokio::spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            framing::write(&mut stream, &Frame::End(End::NotGranted)).await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    let address = first_address(&impostor).await;
    let at_address = Target::Address { peer: impostor.id(), address: address.clone() };
    for target in [at_address, Target::Account(keys(1).account())] {
        let peer = dialing_peer();
        // As if mDNS had discovered the impostor.
        peer.discovered.send_modify(|discovered| {
            discovered.insert(impostor.id(), [address.clone()].into());
        });
        let is_searched = matches!(target, Target::Account(_));
        let subscription = Subscription { device: fixture.car.id(), target, names: Default::default() };
        let chain = fixture.chain.clone();
        let mut reader =
            Subscriber::new(peer.clone(), fixture.owner.clone(), chain, subscription, Position::START);
        let interrupted = timeout(TEST_TIMEOUT, reader.next()).await.unwrap();
        assert!(matches!(interrupted, Ok(SubscriberEvent::Interrupted { .. })), "{interrupted:?}");
        if is_searched {
            peer.discovered.send_modify(|discovered| {
                let gateway = &fixture.gateway;
                discovered.insert(gateway.peer.id(), [gateway.address.clone()].into());
            });
            assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_peer_and_another_chain_are_reported() {
    let (gateway_keys, chain) = (keys(1), MockChain::new());
    let car = Car::of(&gateway_keys);
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(keys(2).account()));
    });
    let (_peer, target) = malicious_gateway(&gateway_keys, vec![]).await;
    let Target::Address { address, .. } = target else { unreachable!() };
    let other = PeerId::random();
    let mut bare = address.clone();
    bare.pop();
    let target: Target = format!("{bare}/p2p/{other}").parse().unwrap();
    let error =
        subscription_error(&mut subscriber(&keys(2), &chain, car.id(), target, Position::START)).await;
    assert!(error.to_string().contains(&other.to_string()), "{error}");

    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let peer = Peer::start(Keypair::generate_ed25519(), &config, &Limits::default()).unwrap();
    let target = Target::Address { peer: peer.id(), address: first_address(&peer).await };
    let error =
        subscription_error(&mut subscriber(&keys(2), &chain, car.id(), target, Position::START)).await;
    assert!(matches!(error, SubscribeError::OtherChain(_)), "{error}");
}

// --- malicious subscribers

struct GatewayFixture {
    _dir: tempfile::TempDir,
    log: Log,
    car: Car,
    owner: KeyPair,
    chain: MockChain,
    gateway: Gateway,
}

async fn fixture() -> GatewayFixture {
    let (keys, owner, chain) = (keys(1), keys(2), MockChain::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let mut car = Car::of(&keys);
    car.append_readings(&log, 5).await;
    chain.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let gateway = Gateway::start(TCP, &keys, &log, &chain).await;
    GatewayFixture { _dir: dir, log, car, owner, chain, gateway }
}

impl GatewayFixture {
    async fn open(&self, peer: &Peer) -> Stream {
        peer.connect(self.gateway.peer.id(), vec![self.gateway.address.clone()]).await.unwrap();
        peer.streams().open_stream(self.gateway.peer.id(), protocol(&GENESIS)).await.unwrap()
    }

    fn request(&self, credit: u32) -> Request {
        Request { device: self.car.id(), next: 0, names: Default::default(), credit }
    }

    /// Opens a stream and subscribes with the owner's valid proof. Returns the stream and the proof.
    async fn subscribe_as_owner(&self, peer: &Peer, hello: &Hello, credit: u32) -> (Stream, Subscribe) {
        let mut stream = self.open(peer).await;
        framing::write(&mut stream, hello).await.unwrap();
        let Frame::Proof(proof) = next_frame(&mut stream).await else { panic!("no proof") };
        let channel = channel(self.gateway.peer.id(), peer.id());
        let subscribe = channel.prove_subscriber(&self.owner, hello, &proof.challenge, self.request(credit));
        framing::write(&mut stream, &subscribe).await.unwrap();
        (stream, subscribe)
    }
}

/// Reads the next frame that is not a keep-alive frame.
async fn next_frame(stream: &mut Stream) -> Frame {
    let read = async {
        loop {
            let frame = framing::read::<Frame>(stream).await.unwrap();
            if frame != Frame::Alive {
                return frame;
            }
        }
    };
    timeout(TEST_TIMEOUT, read).await.expect("no frame arrived")
}

/// Asserts that the stream ends with this reason, and that no frame follows.
async fn assert_end(stream: &mut Stream, expected: End) {
    assert_eq!(next_frame(stream).await, Frame::End(expected));
    let after = timeout(TEST_TIMEOUT, framing::read::<Frame>(stream)).await.unwrap();
    assert!(matches!(after, Err(FrameError::Closed | FrameError::Io(_))), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_proof_is_rejected() {
    let fixture = fixture().await;
    let (peer, other) = (dialing_peer(), dialing_peer());
    let hello = Hello { challenge: proof::challenge() };
    let (mut stream, observed) = fixture.subscribe_as_owner(&peer, &hello, 5).await;
    assert!(matches!(next_frame(&mut stream).await, Frame::Event(_)), "the proof is valid the first time");
    // The proof is replayed by the same peer and by another peer that has observed it.
    for attacker in [&peer, &other] {
        let mut stream = fixture.open(attacker).await;
        framing::write(&mut stream, &hello).await.unwrap();
        assert!(matches!(next_frame(&mut stream).await, Frame::Proof(_)));
        framing::write(&mut stream, &observed).await.unwrap();
        assert_end(&mut stream, End::Proof).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_frame_ends_only_its_own_stream() {
    let mut fixture = fixture().await;
    let peer = dialing_peer();
    let hello = Hello { challenge: proof::challenge() };
    let (mut valid, _) = fixture.subscribe_as_owner(&peer, &hello, 100).await;
    for _ in 0..5 {
        assert!(matches!(next_frame(&mut valid).await, Frame::Event(_)));
    }
    let garbage: [&[u8]; 3] = [&u32::MAX.to_le_bytes(), &[33, 0, 0, 0], &[31, 0, 0, 0, 1, 2, 3]];
    for bytes in garbage {
        let mut stream = fixture.open(&peer).await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        if bytes.len() > 4 {
            stream.close().await.unwrap();
        }
        assert_end(&mut stream, End::Malformed).await;
    }
    // On an established subscription: a frame longer than credit, and credit beyond the maximum.
    for bytes in [vec![5, 0, 0, 0], framing::encode(&Credit(MAX_CREDIT as u32 + 1)).unwrap()] {
        let (mut stream, _) = fixture.subscribe_as_owner(&peer, &hello, 1).await;
        assert!(matches!(next_frame(&mut stream).await, Frame::Event(_)));
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        assert_end(&mut stream, End::Malformed).await;
    }
    let (mut greedy, _) = fixture.subscribe_as_owner(&peer, &hello, MAX_CREDIT as u32 + 1).await;
    assert_end(&mut greedy, End::Malformed).await;

    fixture.car.append_readings(&fixture.log, 1).await;
    let Frame::Event(event) = next_frame(&mut valid).await else { panic!("the valid stream was affected") };
    assert_eq!(event.entry.event.header.sequence, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_or_slow_subscriber_is_disconnected() {
    let fixture = fixture().await;
    let peer = dialing_peer();
    let mut idle = fixture.open(&peer).await;
    assert_end(&mut idle, End::Slow).await;

    // The subscriber granted credit for two events: exactly two arrive, and then the gateway stops waiting.
    let hello = Hello { challenge: proof::challenge() };
    let (mut slow, _) = fixture.subscribe_as_owner(&peer, &hello, 2).await;
    for expected in 0..2 {
        let Frame::Event(event) = next_frame(&mut slow).await else { panic!("expected an event") };
        assert_eq!(event.entry.event.header.sequence, expected);
    }
    assert_end(&mut slow, End::Slow).await;
    // A subscriber with credit left that has received all events may wait as long as it likes.
    let mut reader = subscriber(
        &fixture.owner,
        &fixture.chain,
        fixture.car.id(),
        fixture.gateway.target(),
        Position::START,
    );
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    assert!(timeout(Duration::from_secs(3), next_event(&mut reader)).await.is_err());
}
