//! Either side as an enemy.

use super::{
    frame::FrameError,
    proof::Channel,
    wire::{Content, Credit, Delivered, End, Frame, Hello, Request, Subscribe, MAX_CREDIT},
    *,
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{PeerId, Stream};
use streembit_primitives::{event::EventError, Signature};

// --- a gateway as an enemy

/// A gateway that proves its account truly and then sends what it likes.
async fn liar(keys: &KeyPair, frames: Vec<Frame>) -> (Arc<Peer>, Target) {
    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let peer = Arc::new(Peer::start(swarm::identity(keys).unwrap(), &config, &Limits::default()).unwrap());
    let mut incoming = peer.streams().accept(protocol(&GENESIS)).unwrap();
    let (id, keys) = (peer.id(), keys.clone());
    tokio::spawn(async move {
        while let Some((subscriber, mut stream)) = incoming.next().await {
            let hello = frame::read::<Hello>(&mut stream).await.unwrap();
            let proof = channel(id, subscriber).prove_gateway(&keys, &hello);
            frame::write(&mut stream, &Frame::Proof(proof)).await.unwrap();
            // A subscriber that is not convinced goes away here.
            if frame::read::<Subscribe>(&mut stream).await.is_ok() {
                for sent in &frames {
                    frame::write(&mut stream, sent).await.unwrap();
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

/// Five true events of a car, as a gateway delivers them.
fn true_events(car: &mut Car) -> Vec<Delivered> {
    (0..5)
        .map(|index| {
            let (event, body) = car.next(vec![reading("a", 1), reading("b", 2)]);
            let entry = streembit_primitives::LogEntry { event: event.into_event(), received: now_ms() };
            Delivered { index, entry, content: Content::Body(body), anchored: None }
        })
        .collect()
}

/// What a subscriber makes of events that somebody changed: how many it took, and why no more.
async fn verdict(change: impl FnOnce(&mut Vec<Delivered>, &mut Car)) -> (u64, SubscribeError) {
    let (keys, owner, table) = (keys(1), keys(2), Table::new());
    let mut car = Car::of(&keys);
    table.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let mut events = true_events(&mut car);
    change(&mut events, &mut car);
    let frames = events.into_iter().map(|event| Frame::Event(Box::new(event))).collect();
    let (_peer, target) = liar(&keys, frames).await;
    let mut reader = subscriber(&owner, &table, car.id(), target, Position::START);
    let error = end(&mut reader).await;
    (reader.position().next, error)
}

fn wrong(error: SubscribeError) -> VerifyError {
    match error {
        SubscribeError::Refused { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_refused_and_nothing_after_it_is_taken() {
    type Change = fn(&mut Vec<Delivered>, &mut Car);
    let lies: [(Change, VerifyError); 8] = [
        // A value, a time, a signature of somebody else, the side that signed.
        (|events, _| forge(&mut events[2]), EventError::BodyHash.into()),
        (|events, _| events[2].entry.event.header.time += 1, EventError::Signature.into()),
        (
            |events, _| events[2].entry.event.signature = Signature::Sr25519([1; 64]),
            EventError::Signature.into(),
        ),
        (|events, _| events[2].entry.event.signer = Signer::Device, EventError::Signer.into()),
        // One left out, one doubled.
        (|events, _| drop(events.remove(2)), EventError::Sequence { expected: 2, found: 3 }.into()),
        (
            |events, _| events.insert(2, events[1].clone()),
            EventError::Sequence { expected: 2, found: 1 }.into(),
        ),
        // A second history, truly signed by the gateway.
        (
            |events, car| {
                car.last = Some((1, Hash([9; 32])));
                events[2] = true_events(car).remove(0);
            },
            EventError::Previous.into(),
        ),
        // Another device of the same gateway.
        (
            |events, car| {
                let label = Text::try_from("other").unwrap();
                let mut other = Car::of(&car.gateway);
                other.key = DeviceKey::Hosted { gateway: car.gateway.account(), label };
                events[2] = true_events(&mut other).remove(2);
            },
            EventError::Device.into(),
        ),
    ];
    for (change, expected) in lies {
        let (taken, error) = verdict(change).await;
        assert_eq!((taken, wrong(error)), (2, expected));
    }
}

fn forge(event: &mut Delivered) {
    let Content::Body(body) = &mut event.content else { unreachable!() };
    body.parts[0] = reading("a", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_disclosure_is_refused() {
    let disclosed = |event: &Delivered, indexes: &[u32]| {
        let Content::Body(body) = &event.content else { unreachable!() };
        let parts = indexes.iter().map(|index| body.disclose(*index).unwrap()).collect::<Vec<_>>();
        Content::Disclosed(parts.try_into().unwrap())
    };
    for indexes in [[0, 0], [1, 0]] {
        let (taken, error) = verdict(|events, _| events[1].content = disclosed(&events[1], &indexes)).await;
        assert_eq!((taken, wrong(error)), (1, VerifyError::Disclosure));
    }
    let (taken, error) = verdict(|events, _| {
        let mut content = disclosed(&events[1], &[1]);
        if let Content::Disclosed(parts) = &mut content {
            parts[0].part = reading("b", 3);
        }
        events[1].content = content;
    })
    .await;
    assert_eq!((taken, wrong(error)), (1, VerifyError::Disclosure));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_is_told_neither_account_nor_device() {
    let (true_gateway, impostor, owner, table) = (keys(1), keys(66), keys(2), Table::new());
    let car = Car::of(&true_gateway);
    table.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    // With its own account.
    let (_peer, target) = liar(&impostor, vec![]).await;
    let error = end(&mut subscriber(&owner, &table, car.id(), target, Position::START)).await;
    assert!(matches!(error, SubscribeError::OtherGateway { .. }), "{error}");

    // With the gateway's account, which it cannot sign for.
    let config = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let identity = swarm::identity(&impostor).unwrap();
    let peer = Peer::start(identity, &config, &Limits::default()).unwrap();
    let mut incoming = peer.streams().accept(protocol(&GENESIS)).unwrap();
    let address = first_address(&peer).await;
    let target = Target::Address { peer: peer.id(), address };
    let mut reader = subscriber(&owner, &table, car.id(), target, Position::START);
    let id = peer.id();
    let trick = async {
        let (subscriber, mut stream) = incoming.next().await.unwrap();
        let hello = frame::read::<Hello>(&mut stream).await.unwrap();
        let mut proof = channel(id, subscriber).prove_gateway(&impostor, &hello);
        proof.account = true_gateway.account();
        frame::write(&mut stream, &Frame::Proof(proof)).await.unwrap();
        frame::read::<Subscribe>(&mut stream).await
    };
    let (heard, error) = tokio::join!(trick, end(&mut reader));
    assert!(matches!(error, SubscribeError::GatewayProof), "{error}");
    assert!(heard.is_err(), "the impostor heard {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_peer_and_another_chain_are_named() {
    let (gateway_keys, table) = (keys(1), Table::new());
    let car = Car::of(&gateway_keys);
    table.change(|state| {
        state.devices.insert(car.id(), car.record(keys(2).account()));
    });
    let (_peer, target) = liar(&gateway_keys, vec![]).await;
    let Target::Address { address, .. } = target else { unreachable!() };
    let other = PeerId::random();
    let mut bare = address.clone();
    bare.pop();
    let target: Target = format!("{bare}/p2p/{other}").parse().unwrap();
    let error = end(&mut subscriber(&keys(2), &table, car.id(), target, Position::START)).await;
    assert!(error.to_string().contains(&other.to_string()), "{error}");

    let silent = DeliveryConfig { listen: vec![TCP.parse().unwrap()], mdns: false };
    let peer = Peer::start(Keypair::generate_ed25519(), &silent, &Limits::default()).unwrap();
    let target = Target::Address { peer: peer.id(), address: first_address(&peer).await };
    let error = end(&mut subscriber(&keys(2), &table, car.id(), target, Position::START)).await;
    assert!(matches!(error, SubscribeError::OtherChain(_)), "{error}");
}

// --- a subscriber as an enemy

struct Scene {
    _dir: tempfile::TempDir,
    log: Log,
    car: Car,
    owner: KeyPair,
    table: Table,
    gateway: Gateway,
}

async fn scene() -> Scene {
    let (keys, owner, table) = (keys(1), keys(2), Table::new());
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path(), &keys);
    let mut car = Car::of(&keys);
    car.drive(&log, 5).await;
    table.change(|state| {
        state.devices.insert(car.id(), car.record(owner.account()));
    });
    let gateway = Gateway::start(TCP, &keys, &log, &table).await;
    Scene { _dir: dir, log, car, owner, table, gateway }
}

impl Scene {
    async fn open(&self, peer: &Peer) -> Stream {
        peer.connect(self.gateway.peer.id(), vec![self.gateway.address.clone()]).await.unwrap();
        peer.streams().open_stream(self.gateway.peer.id(), protocol(&GENESIS)).await.unwrap()
    }

    fn request(&self, credit: u32) -> Request {
        Request { device: self.car.id(), next: 0, names: Default::default(), credit }
    }

    /// A stream on which the owner has subscribed, truly; and its second frame.
    async fn subscribed(&self, peer: &Peer, hello: &Hello, credit: u32) -> (Stream, Subscribe) {
        let mut stream = self.open(peer).await;
        frame::write(&mut stream, hello).await.unwrap();
        let Frame::Proof(proof) = heard(&mut stream).await else { panic!("no proof") };
        let channel = channel(self.gateway.peer.id(), peer.id());
        let subscribe = channel.prove_subscriber(&self.owner, hello, &proof.challenge, self.request(credit));
        frame::write(&mut stream, &subscribe).await.unwrap();
        (stream, subscribe)
    }
}

/// The next frame that is not just a sign of life.
async fn heard(stream: &mut Stream) -> Frame {
    let read = async {
        loop {
            let frame = frame::read::<Frame>(stream).await.unwrap();
            if frame != Frame::Alive {
                return frame;
            }
        }
    };
    timeout(PATIENCE, read).await.expect("nothing was said")
}

/// That a stream ends so, and nothing follows.
async fn ends_with(stream: &mut Stream, expected: End) {
    assert_eq!(heard(stream).await, Frame::End(expected));
    let after = timeout(PATIENCE, frame::read::<Frame>(stream)).await.unwrap();
    assert!(matches!(after, Err(FrameError::Closed | FrameError::Io(_))), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_seen_once_opens_nothing_again() {
    let scene = scene().await;
    let (peer, other) = (dialer(), dialer());
    let hello = Hello { challenge: proof::challenge() };
    let (mut stream, seen) = scene.subscribed(&peer, &hello, 5).await;
    assert!(matches!(heard(&mut stream).await, Frame::Event(_)), "it was good once");
    // From the same peer with the same greeting, and from a peer that overheard it.
    for thief in [&peer, &other] {
        let mut stream = scene.open(thief).await;
        frame::write(&mut stream, &hello).await.unwrap();
        assert!(matches!(heard(&mut stream).await, Frame::Proof(_)));
        frame::write(&mut stream, &seen).await.unwrap();
        ends_with(&mut stream, End::Proof).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_frame_ends_its_own_stream_and_no_other() {
    let mut scene = scene().await;
    let peer = dialer();
    let hello = Hello { challenge: proof::challenge() };
    let (mut good, _) = scene.subscribed(&peer, &hello, 100).await;
    for _ in 0..5 {
        assert!(matches!(heard(&mut good).await, Frame::Event(_)));
    }
    let garbage: [&[u8]; 3] = [&u32::MAX.to_le_bytes(), &[33, 0, 0, 0], &[31, 0, 0, 0, 1, 2, 3]];
    for bytes in garbage {
        let mut stream = scene.open(&peer).await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        if bytes.len() > 4 {
            stream.close().await.unwrap();
        }
        ends_with(&mut stream, End::Malformed).await;
    }
    // Within an established subscription: something longer than credit, and credit beyond what there is.
    for bytes in [vec![5, 0, 0, 0], frame::encode(&Credit(MAX_CREDIT as u32 + 1)).unwrap()] {
        let (mut stream, _) = scene.subscribed(&peer, &hello, 1).await;
        assert!(matches!(heard(&mut stream).await, Frame::Event(_)));
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        ends_with(&mut stream, End::Malformed).await;
    }
    let (mut greedy, _) = scene.subscribed(&peer, &hello, MAX_CREDIT as u32 + 1).await;
    ends_with(&mut greedy, End::Malformed).await;

    scene.car.drive(&scene.log, 1).await;
    let Frame::Event(event) = heard(&mut good).await else { panic!("the good stream suffered") };
    assert_eq!(event.entry.event.header.sequence, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_takes_nothing_is_not_waited_for() {
    let scene = scene().await;
    let peer = dialer();
    let mut mute = scene.open(&peer).await;
    ends_with(&mut mute, End::Slow).await;

    // Two events were asked for: exactly two come, and the third waits in vain.
    let hello = Hello { challenge: proof::challenge() };
    let (mut lazy, _) = scene.subscribed(&peer, &hello, 2).await;
    for expected in 0..2 {
        let Frame::Event(event) = heard(&mut lazy).await else { panic!("an event was due") };
        assert_eq!(event.entry.event.header.sequence, expected);
    }
    ends_with(&mut lazy, End::Slow).await;
    // Who has taken all that there is may wait for as long as it likes.
    let mut reader =
        subscriber(&scene.owner, &scene.table, scene.car.id(), scene.gateway.target(), Position::START);
    assert_eq!(sequences(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    assert!(timeout(Duration::from_secs(3), next_event(&mut reader)).await.is_err());
}
