//! End-to-end tests with real swarms on loopback and a real log. A mock chain answers all requests.

mod deliver;
mod hostile;
mod pinned_bytes;
mod rights;

use super::*;
use libp2p::identity::Keypair;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use streembit_clock::now_ms;
use streembit_keystore::KeyPair;
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    checkpoint::Anchor,
    contract::{
        state::{Grant, Right},
        ContractId, ReadingSelection,
    },
    device::{ChangeTime, DeviceRecord, KeyChange},
    event::VERSION,
    hash::Domain,
    party::{AccountRole, Role},
    reading::{Name, Unit},
    AccountId, Body, Checkpoint, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash, LogId, Part,
    PartyId, Reading, Scope, SignedEvent, Signer, Source, Text, Value, VerifiedEvent, Version,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const GENESIS: Hash = Hash([0x5b; 32]);
/// Longer than any step of a test takes, including the pauses between attempts.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A chain in memory whose state a test can change.
#[derive(Clone)]
struct MockChain {
    state: Arc<Mutex<State>>,
    blocks: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, DeviceRecord>,
    grants: Vec<Grant>,
    /// The accounts that are not the only one of a party.
    roles: HashMap<AccountId, Option<AccountRole>>,
    roots: HashMap<(LogId, u64), Hash>,
    time: u64,
    is_unreachable: bool,
}

impl MockChain {
    fn new() -> Self {
        Self { state: Arc::default(), blocks: watch::Sender::new(1) }
    }

    /// Changes the state and finalizes a block.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.blocks.send_modify(|block| *block += 1);
    }

    fn read<T>(&self, query: impl FnOnce(&State) -> T) -> Result<T, ChainUnavailableError> {
        let state = self.state.lock().unwrap();
        if state.is_unreachable {
            return Err(ChainUnavailableError("the node is unreachable".into()));
        }
        Ok(query(&state))
    }
}

#[async_trait::async_trait]
impl Grants for MockChain {
    fn genesis(&self) -> Hash {
        GENESIS
    }

    async fn access(
        &self,
        device: DeviceId,
        reader: AccountId,
    ) -> Result<DeviceAccess, ChainUnavailableError> {
        self.read(|state| DeviceAccess {
            reader: state.roles.get(&reader).copied().unwrap_or(Some(founder(reader))),
            record: state.devices.get(&device).cloned(),
            grants: state.grants.iter().filter(|grant| grant.device == device).cloned().collect(),
            time: state.time,
        })
    }

    fn blocks(&self) -> BlockStream {
        change_stream(self.blocks.subscribe())
    }
}

#[async_trait::async_trait]
impl Registry for MockChain {
    fn genesis(&self) -> Hash {
        GENESIS
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ChainUnavailableError> {
        self.read(|state| state.devices.get(&device).cloned())
    }

    async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainUnavailableError> {
        self.read(|state| state.roots.get(&(log, size)).copied())
    }
}

/// The role of the account that founded a party.
fn founder(first: AccountId) -> AccountRole {
    let role = Role::Account { scope: Scope::All, until: None };
    AccountRole { party: PartyId::of_first_account(&first), role }
}

fn keys(seed: u8) -> KeyPair {
    KeyPair::from_seed([seed; 32])
}

/// The block and time of all changes of records.
const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

/// Assigns the devices of a chain to another gateway.
fn move_elsewhere(state: &mut State) {
    let elsewhere = keys(77);
    for record in state.devices.values_mut() {
        let key = elsewhere.hosted_key("car");
        record.assign(LogId::first(elsewhere.account()), Some(key), 5, 5, u64::MAX, AT).unwrap();
    }
}

/// A car whose events its gateway signs.
struct Car {
    gateway: KeyPair,
    id: DeviceId,
    key: DeviceKey,
    last: Option<(u64, Hash)>,
}

impl Car {
    fn of(gateway: &KeyPair) -> Self {
        Self::named(gateway, "car")
    }

    /// A car with another label.
    fn named(gateway: &KeyPair, label: &str) -> Self {
        let key = gateway.hosted_key(label);
        Self { gateway: gateway.clone(), id: key.device_id(), key, last: None }
    }

    fn id(&self) -> DeviceId {
        self.id
    }

    /// The record of the car if the party that `first` founded owns it.
    fn record(&self, first: AccountId) -> DeviceRecord {
        let log = LogId::first(self.gateway.account());
        DeviceRecord::new(self.key.clone(), founder(first).party, log, AT)
    }

    /// The car's next event, signed and verified.
    fn next(&mut self, parts: Vec<Part>) -> (VerifiedEvent, Body) {
        let body = Body { seed: rand::random(), parts: parts.try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: self.id(),
            sequence: self.last.map_or(0, |(sequence, _)| sequence + 1),
            previous: self.last.map_or(Hash::ZERO, |(_, hash)| hash),
            time: now_ms(),
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        self.last = Some((header.sequence, header.hash()));
        let signature = self.gateway.sign(Domain::EventHeader, &header.hash());
        let signer = Signer::Gateway(self.gateway.account());
        (SignedEvent { header, signer, signature }.verify(&self.key).unwrap(), body)
    }

    /// Appends `count` events, each with a distance and a speed.
    async fn append_readings(&mut self, log: &Log, count: usize) {
        for _ in 0..count {
            let km = self.last.map_or(0, |(sequence, _)| sequence as u32 + 1);
            self.append(log, vec![reading("Vehicle.TraveledDistance", km), reading("Vehicle.Speed", 50)])
                .await;
        }
    }

    async fn append(&mut self, log: &Log, parts: Vec<Part>) {
        let (event, body) = self.next(parts);
        log.append(vec![NewEntry::new(event, &body, now_ms()).unwrap()]).await.unwrap();
    }
}

fn reading(name: &str, value: u32) -> Part {
    Part::Reading(Reading {
        name: Name::try_from(name).unwrap(),
        unit: Unit::try_from("km").unwrap(),
        value: Value::Decimal(Decimal::from(value)),
        time: now_ms(),
        source: Source::sensor(),
    })
}

fn grant(device: DeviceId, grantee: &KeyPair, names: &[&str], until: u64) -> Grant {
    let names = names.iter().map(|name| Name::try_from(*name).unwrap()).collect::<Vec<_>>();
    let selection = match names.is_empty() {
        true => ReadingSelection::All,
        false => ReadingSelection::Names(names.try_into().unwrap()),
    };
    Grant {
        contract: ContractId([5; 32]),
        clause: 1,
        device,
        grantor: PartyId([0xaa; 32]),
        grantee: founder(grantee.account()).party,
        right: Right::Read(selection),
        until,
    }
}

fn open_log(dir: &Path, gateway: &KeyPair) -> Log {
    Log::open(&dir.join("log"), LogId::first(gateway.account())).unwrap()
}

/// Anchors the log at its current size, in the log and on the chain.
fn anchor(log: &Log, chain: &MockChain) {
    let id = log.id();
    let (size, root) = (log.size(), log.root(log.size()).unwrap());
    let heads_root = log.heads_root(size).unwrap();
    let checkpoint = Checkpoint { version: Version, log: id, size, root, heads_root, time: now_ms() };
    log.put_anchor(&Anchor { checkpoint, block: 2 }).unwrap();
    chain.change(|state| {
        state.roots.insert((id, size), root);
    });
}

/// A running gateway.
struct Gateway {
    address: Multiaddr,
    peer: Arc<Peer>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Gateway {
    async fn start(listen: &str, keys: &KeyPair, log: &Log, chain: &MockChain) -> Self {
        Self::start_with(listen, keys, log, chain, short_limits()).await
    }

    async fn start_with(listen: &str, keys: &KeyPair, log: &Log, chain: &MockChain, limits: Limits) -> Self {
        let config = DeliveryConfig { listen: vec![listen.parse().unwrap()], mdns: false };
        // If another peer used the address until now, the peer tries again until the transport has freed the port.
        let peer = Arc::new(Peer::start(swarm::identity(keys).unwrap(), &config, &limits).unwrap());
        let shutdown = CancellationToken::new();
        let server =
            Server::new(&peer, keys.clone(), log.clone(), chain.clone(), limits, shutdown.clone()).unwrap();
        let served = peer.clone();
        let task = tokio::spawn(async move { server.run(&served).await });
        let address = first_address(&peer).await;
        Self { address, peer, shutdown, task }
    }

    fn target(&self) -> Target {
        Target::Address { peer: self.peer.id(), address: self.address.clone() }
    }

    /// Shuts the gateway down and returns its address without the peer id, for another gateway to listen on.
    async fn stop(self) -> Multiaddr {
        self.shutdown.cancel();
        self.task.await.unwrap();
        let mut address = self.address;
        address.pop();
        address
    }
}

/// Limits short enough for a test.
fn short_limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_secs(1),
        slow_timeout: Duration::from_secs(2),
        keep_alive_interval: Duration::from_millis(200),
        recheck_interval: Duration::from_millis(200),
        max_unchecked: Duration::from_millis(600),
        ..Limits::default()
    }
}

async fn first_address(peer: &Peer) -> Multiaddr {
    let mut addresses = peer.addresses();
    let found = addresses.wait_for(|addresses| !addresses.is_empty()).await.unwrap();
    found[0].clone()
}

/// A peer that does not listen.
fn dialing_peer() -> Arc<Peer> {
    let config = DeliveryConfig { listen: vec![], mdns: false };
    Arc::new(Peer::start(Keypair::generate_ed25519(), &config, &Limits::default()).unwrap())
}

fn subscriber(
    keys: &KeyPair,
    chain: &MockChain,
    device: DeviceId,
    target: Target,
    position: Position,
) -> Subscriber<MockChain> {
    let subscription = Subscription { device, target, names: Default::default() };
    Subscriber::new(dialing_peer(), keys.clone(), chain.clone(), subscription, position)
}

/// Returns the next event and ignores interruptions.
async fn next_event(subscriber: &mut Subscriber<MockChain>) -> Result<Received, SubscribeError> {
    let event = async {
        loop {
            if let SubscriberEvent::Event(event) = subscriber.next().await? {
                return Ok(*event);
            }
        }
    };
    timeout(TEST_TIMEOUT, event).await.expect("no event arrived")
}

/// The sequences of the next `count` events.
async fn sequences(subscriber: &mut Subscriber<MockChain>, count: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    for _ in 0..count {
        sequences.push(next_event(subscriber).await.unwrap().sequence());
    }
    sequences
}

/// The sequences of the next `count` events, which must all arrive on one connection.
async fn sequences_on_one_connection(subscriber: &mut Subscriber<MockChain>, count: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    while sequences.len() < count {
        match timeout(TEST_TIMEOUT, subscriber.next()).await.expect("no event arrived").unwrap() {
            SubscriberEvent::Event(event) => sequences.push(event.sequence()),
            SubscriberEvent::Connected { .. } => {}
            SubscriberEvent::Interrupted { problem, .. } => panic!("interrupted: {problem}"),
        }
    }
    sequences
}

/// Waits for the error that ends the subscription.
async fn subscription_error(subscriber: &mut Subscriber<MockChain>) -> SubscribeError {
    loop {
        if let Err(error) = next_event(subscriber).await {
            return error;
        }
    }
}

/// Returns true if no event arrives within 300 ms.
async fn is_silent(subscriber: &mut Subscriber<MockChain>) -> bool {
    timeout(Duration::from_millis(300), next_event(subscriber)).await.is_err()
}
