//! The gateway's own libp2p swarm, separate from the node's: QUIC, and TCP with Noise and Yamux.
//!
//! A task owns the swarm. A [`Peer`] is the handle to it.

use super::{limits::Limits, DeliveryConfig};
use futures::StreamExt as _;
use libp2p::{
    connection_limits::{self, ConnectionLimits},
    core::transport::ListenerId,
    identify, identity, mdns,
    multiaddr::Protocol,
    noise, ping,
    swarm::{
        behaviour::toggle::Toggle, dial_opts::DialOpts, ConnectionId, DialError, NetworkBehaviour, SwarmEvent,
    },
    tcp, yamux, Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
};
use libp2p_stream as stream;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use streembit_keystore::KeyPair;
use streembit_primitives::Hash;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep_until, Instant},
};

/// The time after which a connection without streams is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before the swarm tries again to listen on its addresses, at first and at most.
const LISTEN_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The interval of mDNS queries.
const MDNS_QUERY_INTERVAL: Duration = Duration::from_secs(30);

/// The addresses of discovered peers.
pub type DiscoveredPeers = BTreeMap<PeerId, BTreeSet<Multiaddr>>;

/// The error of starting a swarm.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The transport could not be set up.
    #[error("cannot set up the peer-to-peer transport: {0}")]
    SetUp(String),
}

/// The reason why other peers cannot reach or find a running swarm as configured.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ListenProblem {
    /// The swarm cannot listen on an address. It tries again.
    #[error("cannot listen on {address}: {problem}")]
    Address {
        /// The address.
        address: Multiaddr,
        /// The transport's error.
        problem: String,
    },
    /// The swarm cannot announce itself on the local network.
    #[error("cannot announce itself on the local network (mDNS) until it is started again: {0}")]
    Mdns(String),
}

/// The error of connecting to a peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Another peer answers at the address.
    #[error(
        "peer {found} answers at {address}, not {wanted}: the gateway's key has changed, or the address is wrong"
    )]
    OtherPeer {
        /// The address.
        address: Multiaddr,
        /// The expected peer.
        wanted: Box<PeerId>,
        /// The peer that answered.
        found: Box<PeerId>,
    },
    /// The peer cannot be reached now.
    #[error("{0}")]
    Unreachable(String),
}

/// The protocol name for deliveries on the chain with this genesis hash.
pub fn protocol(genesis: &Hash) -> StreamProtocol {
    let chain = hex::encode(genesis.as_bytes().iter().take(8).copied().collect::<Vec<_>>());
    StreamProtocol::try_from_owned(format!("/streembit/{chain}/events/1"))
        .unwrap_or(StreamProtocol::new("/streembit/events/1"))
}

/// The peer id of the gateway with this account key.
pub fn peer_id(keys: &KeyPair) -> Result<PeerId, SwarmError> {
    Ok(identity(keys)?.public().to_peer_id())
}

/// Derives the transport identity of the gateway with this account key.
pub fn identity(keys: &KeyPair) -> Result<identity::Keypair, SwarmError> {
    identity::Keypair::ed25519_from_bytes(keys.transport_seed().to_vec())
        .map_err(|error| SwarmError::SetUp(error.to_string()))
}

/// Generates a transport identity for one run, for a subscriber: gateways recognize it by its account.
pub fn random_identity() -> identity::Keypair {
    identity::Keypair::generate_ed25519()
}

/// A handle to a running swarm. Dropping it ends the swarm and all connections.
pub struct Peer {
    id: PeerId,
    streams: stream::Control,
    commands: mpsc::Sender<Command>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
    problems: watch::Receiver<Vec<ListenProblem>>,
    /// The peers that the swarm has discovered.
    pub(super) discovered: watch::Sender<DiscoveredPeers>,
    task: JoinHandle<()>,
}

enum Command {
    Connect { peer: PeerId, addresses: Vec<Multiaddr>, reply: oneshot::Sender<Result<(), ConnectError>> },
    Disconnect { peer: PeerId },
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    streams: stream::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Peer {
    /// Starts a swarm and listens on the configured addresses. While it cannot listen on one of them, it uses the others,
    /// and tries again: see [`Peer::problems`].
    pub fn start(
        identity: identity::Keypair,
        config: &DeliveryConfig,
        limits: &Limits,
    ) -> Result<Self, SwarmError> {
        let (mdns, mdns_problem) = discovery(&identity, config.mdns);
        let swarm = build(identity, mdns, limits)?;
        let id = *swarm.local_peer_id();
        let streams = swarm.behaviour().streams.new_control();
        let (commands, queue) = mpsc::channel(16);
        let (listening, addresses) = watch::channel(Vec::new());
        let (reported, problems) = watch::channel(Vec::new());
        let discovered = watch::Sender::new(DiscoveredPeers::new());
        let mut swarm_task = SwarmTask {
            swarm,
            commands: queue,
            listening,
            problems: reported,
            mdns_problem,
            waiting: config.listen.clone(),
            listeners: HashMap::new(),
            retry: LISTEN_RETRY.0,
            discovered: discovered.clone(),
            dials: HashMap::new(),
        };
        swarm_task.listen();
        let task = tokio::spawn(swarm_task.run());
        Ok(Self { id, streams, commands, addresses, problems, discovered, task })
    }

    /// This peer's id.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The control to open and accept streams.
    pub fn streams(&self) -> stream::Control {
        self.streams.clone()
    }

    /// Watches the listening addresses, each with the peer id.
    pub fn addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.addresses.clone()
    }

    /// Watches the addresses that the swarm cannot listen on now, and why.
    pub fn problems(&self) -> watch::Receiver<Vec<ListenProblem>> {
        self.problems.clone()
    }

    /// Watches the peers discovered on the local network.
    pub fn discovered(&self) -> watch::Receiver<DiscoveredPeers> {
        self.discovered.subscribe()
    }

    /// Connects to a peer unless a connection exists.
    pub async fn connect(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), ConnectError> {
        let ended = || ConnectError::Unreachable("the swarm has ended".into());
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Connect { peer, addresses, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Closes all connections to a peer. The next [`Peer::connect`] opens a new one.
    pub async fn disconnect(&self, peer: PeerId) {
        // If the swarm has ended, no connection is left to close.
        let _ = self.commands.send(Command::Disconnect { peer }).await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns the peer id at the end of an address.
pub fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// Starts discovery on the local network if it is wanted. If the system refuses it, returns why: delivery works without.
fn discovery(
    identity: &identity::Keypair,
    wanted: bool,
) -> (Toggle<mdns::tokio::Behaviour>, Option<ListenProblem>) {
    if !wanted {
        return (None.into(), None);
    }
    let config = mdns::Config { query_interval: MDNS_QUERY_INTERVAL, ..mdns::Config::default() };
    match mdns::tokio::Behaviour::new(config, identity.public().to_peer_id()) {
        Ok(behaviour) => (Some(behaviour).into(), None),
        Err(error) => (None.into(), Some(ListenProblem::Mdns(error.to_string()))),
    }
}

fn build(
    identity: identity::Keypair,
    mdns: Toggle<mdns::tokio::Behaviour>,
    limits: &Limits,
) -> Result<Swarm<Behaviour>, SwarmError> {
    let set_up = |error: &dyn std::fmt::Display| SwarmError::SetUp(error.to_string());
    let behaviour = behaviour(&identity, mdns, limits);
    Ok(SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| set_up(&error))?
        .with_quic()
        .with_behaviour(|_| behaviour)
        .map_err(|error| set_up(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
        .build())
}

fn behaviour(
    identity: &identity::Keypair,
    mdns: Toggle<mdns::tokio::Behaviour>,
    limits: &Limits,
) -> Behaviour {
    let public = identity.public();
    let connections = ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections))
        .with_max_established_incoming(Some(limits.connections))
        .with_max_established_per_peer(Some(limits.connections_per_peer));
    // Do not tell unknown peers the gateway's other listening addresses.
    let identify = identify::Config::new("/streembit/1".into(), public)
        .with_agent_version(concat!("streembit/", env!("CARGO_PKG_VERSION")).into())
        .with_hide_listen_addrs(true);
    Behaviour {
        limits: connection_limits::Behaviour::new(connections),
        streams: stream::Behaviour::new(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new()),
        mdns,
    }
}

/// The task that owns the swarm.
struct SwarmTask {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    listening: watch::Sender<Vec<Multiaddr>>,
    problems: watch::Sender<Vec<ListenProblem>>,
    /// Why the swarm cannot announce itself.
    mdns_problem: Option<ListenProblem>,
    /// The configured addresses without a listener.
    waiting: Vec<Multiaddr>,
    /// The configured addresses with a listener.
    listeners: HashMap<ListenerId, Multiaddr>,
    /// The pause before the next attempt to listen on the waiting addresses.
    retry: Duration,
    discovered: watch::Sender<DiscoveredPeers>,
    dials: HashMap<ConnectionId, (PeerId, oneshot::Sender<Result<(), ConnectError>>)>,
}

impl SwarmTask {
    async fn run(mut self) {
        let mut next_attempt = Instant::now() + self.retry;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.handle_event(event),
                () = sleep_until(next_attempt), if !self.waiting.is_empty() => {
                    self.listen();
                    next_attempt = Instant::now() + self.retry;
                }
            }
        }
    }

    /// Listens on the waiting addresses. Those that cannot be listened on keep waiting.
    fn listen(&mut self) {
        let mut problems: Vec<_> = self.mdns_problem.clone().into_iter().collect();
        for address in std::mem::take(&mut self.waiting) {
            match self.swarm.listen_on(address.clone()) {
                Ok(listener) => {
                    self.listeners.insert(listener, address);
                }
                Err(error) => {
                    let problem = innermost_cause(&error);
                    problems.push(ListenProblem::Address { address: address.clone(), problem });
                    self.waiting.push(address);
                }
            }
        }
        self.retry = if self.waiting.is_empty() {
            LISTEN_RETRY.0
        } else {
            self.retry.saturating_mul(2).min(LISTEN_RETRY.1)
        };
        self.problems.send_if_modified(|known| {
            let is_new = *known != problems;
            *known = problems;
            is_new
        });
    }

    /// Lets the address of a listener that has ended wait for the next attempt.
    fn lose_listener(&mut self, listener: ListenerId, reason: Result<(), std::io::Error>) {
        let Some(address) = self.listeners.remove(&listener) else { return };
        let problem = reason.err().map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
        tracing::warn!(%address, problem, "a listener of the peer-to-peer transport has ended");
        self.problems.send_modify(|problems| {
            problems.push(ListenProblem::Address { address: address.clone(), problem });
        });
        self.waiting.push(address);
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Connect { peer, addresses, reply } => self.connect(peer, addresses, reply),
            Command::Disconnect { peer } => {
                // An error means that there is no connection.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn connect(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: oneshot::Sender<Result<(), ConnectError>>,
    ) {
        // The caller may have been cancelled. The reply is then lost, here and below.
        if self.swarm.is_connected(&peer) {
            let _ = reply.send(Ok(()));
            return;
        }
        let dial = DialOpts::peer_id(peer)
            .condition(libp2p::swarm::dial_opts::PeerCondition::Always)
            .addresses(addresses)
            .build();
        let connection = dial.connection_id();
        match self.swarm.dial(dial) {
            Ok(()) => {
                self.dials.insert(connection, (peer, reply));
            }
            Err(error) => {
                let _ = reply.send(Err(connect_error(peer, error)));
            }
        }
    }

    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                if let Some((_, reply)) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Ok(()));
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some((peer, reply)) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Err(connect_error(peer, error)));
                }
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                self.update_listeners();
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.lose_listener(listener_id, reason);
                self.update_listeners();
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener of the peer-to-peer transport failed");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.update_discovered(event),
            // Close a connection whose peer no longer answers pings, even if TCP still considers it open.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(ping::Failure::Timeout),
                ..
            })) => {
                self.swarm.close_connection(connection);
            }
            _ => {}
        }
    }

    fn update_listeners(&self) {
        let id = *self.swarm.local_peer_id();
        let addresses =
            self.swarm.listeners().map(|address| address.clone().with(Protocol::P2p(id))).collect();
        self.listening.send_replace(addresses);
    }

    fn update_discovered(&self, event: mdns::Event) {
        self.discovered.send_modify(|discovered| match event {
            mdns::Event::Discovered(peers) => {
                for (peer, address) in peers {
                    discovered.entry(peer).or_default().insert(address);
                }
            }
            mdns::Event::Expired(peers) => {
                for (peer, address) in peers {
                    if let Some(addresses) = discovered.get_mut(&peer) {
                        addresses.remove(&address);
                    }
                }
                discovered.retain(|_, addresses| !addresses.is_empty());
            }
        });
    }
}

fn connect_error(wanted: PeerId, error: DialError) -> ConnectError {
    match error {
        DialError::WrongPeerId { obtained, address } => {
            ConnectError::OtherPeer { address, wanted: wanted.into(), found: obtained.into() }
        }
        DialError::Transport(attempts) => ConnectError::Unreachable(
            attempts
                .iter()
                .map(|(address, error)| format!("{address}: {}", innermost_cause(error)))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        other => ConnectError::Unreachable(other.to_string()),
    }
}

/// Returns the text of the innermost cause. The outer errors only say that a transport failed.
fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // Some transport errors have an empty text.
    match cause.to_string() {
        text if text.is_empty() => format!("{error:?}"),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_name_contains_the_chain() {
        let name = protocol(&Hash([0xab; 32]));
        assert_eq!(name.as_ref(), "/streembit/abababababababab/events/1");
        assert_ne!(name, protocol(&Hash([0xac; 32])));
    }

    #[test]
    fn an_account_always_has_the_same_peer_id() {
        let keys = KeyPair::from_seed([1; 32]);
        assert_eq!(peer_id(&keys).unwrap(), peer_id(&keys.clone()).unwrap());
        assert_ne!(peer_id(&keys).unwrap(), peer_id(&KeyPair::from_seed([2; 32])).unwrap());
    }

    #[test]
    fn the_peer_id_is_the_last_part_of_an_address() {
        let peer = PeerId::random();
        let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}").parse().unwrap();
        assert_eq!(peer_of(&address), Some(peer));
        assert_eq!(peer_of(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()), None);
    }

    #[tokio::test]
    async fn an_address_in_use_is_reported_and_listened_on_as_soon_as_it_is_free() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken: [Multiaddr; 2] = [
            format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port()).parse().unwrap(),
            format!("/ip4/127.0.0.1/udp/{}/quic-v1", udp.local_addr().unwrap().port()).parse().unwrap(),
        ];
        let mut listen = taken.to_vec();
        listen.push("/ip4/127.0.0.1/tcp/0".parse().unwrap());
        let config = DeliveryConfig { listen, mdns: false };
        let peer = Peer::start(identity::Keypair::generate_ed25519(), &config, &Limits::default()).unwrap();
        let mut problems = peer.problems();
        let shown: Vec<_> = problems.borrow_and_update().iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        for (problem, address) in shown.iter().zip(&taken) {
            assert!(problem.contains(&address.to_string()) && problem.contains("in use"), "{problem}");
        }
        let mut addresses = peer.addresses();
        let others = addresses.wait_for(|addresses| addresses.len() == 1);
        tokio::time::timeout(Duration::from_secs(20), others).await.unwrap().unwrap();
        drop((tcp, udp));
        let all = addresses.wait_for(|addresses| addresses.len() == 3);
        tokio::time::timeout(Duration::from_secs(20), all).await.unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(20), problems.wait_for(Vec::is_empty))
            .await
            .unwrap()
            .unwrap();
    }
}
