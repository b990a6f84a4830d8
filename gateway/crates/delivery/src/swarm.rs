//! The gateway's own swarm: QUIC and TCP with Noise and Yamux, apart from the node's.
//!
//! One task owns the swarm; a [`Peer`] is how the others reach it.

use super::{limits::Limits, DeliveryConfig};
use futures::StreamExt as _;
use libp2p::{
    connection_limits::{self, ConnectionLimits},
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
};

/// A connection without a stream is closed after this.
const IDLE: Duration = Duration::from_secs(30);
/// How often the local network is asked for gateways.
const MDNS_QUERY: Duration = Duration::from_secs(30);

/// Where peers were found: by peer, the addresses.
pub type DiscoveredPeers = BTreeMap<PeerId, BTreeSet<Multiaddr>>;

/// What stops a swarm from starting.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// An address cannot be listened on.
    #[error("listening on {address}: {problem}; change `listen` in [delivery], or free the port")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the transport said.
        problem: String,
    },
    /// The transport or the discovery cannot be set up.
    #[error("setting up the peer-to-peer transport: {0}")]
    SetUp(String),
}

/// Why no connection came about.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Somebody else is at that address.
    #[error(
        "at {address} is peer {found}, not {wanted}: the gateway's key changed, or the address is another's"
    )]
    OtherPeer {
        /// The address.
        address: Multiaddr,
        /// The peer asked for.
        wanted: Box<PeerId>,
        /// The peer met.
        found: Box<PeerId>,
    },
    /// Not now.
    #[error("{0}")]
    Unreachable(String),
}

/// The protocol of deliveries on the chain with this genesis.
pub fn protocol(genesis: &Hash) -> StreamProtocol {
    let chain = hex::encode(genesis.as_bytes().iter().take(8).copied().collect::<Vec<_>>());
    StreamProtocol::try_from_owned(format!("/streembit/{chain}/events/1"))
        .unwrap_or(StreamProtocol::new("/streembit/events/1"))
}

/// The peer id of an account's gateway.
pub fn peer_id(keys: &KeyPair) -> Result<PeerId, SwarmError> {
    Ok(identity(keys)?.public().to_peer_id())
}

/// The transport identity of an account's gateway.
pub fn identity(keys: &KeyPair) -> Result<identity::Keypair, SwarmError> {
    identity::Keypair::ed25519_from_bytes(keys.transport_seed().to_vec())
        .map_err(|error| SwarmError::SetUp(error.to_string()))
}

/// A transport identity that is used once: for peers that are known by the account that they prove.
pub fn random_identity() -> identity::Keypair {
    identity::Keypair::generate_ed25519()
}

/// A running swarm. Dropping it ends the swarm and every connection.
pub struct Peer {
    id: PeerId,
    streams: stream::Control,
    commands: mpsc::Sender<Command>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
    /// What the swarm finds is noted here.
    pub(super) found: watch::Sender<DiscoveredPeers>,
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
    /// Starts a swarm that listens where the configuration says.
    pub fn start(
        identity: identity::Keypair,
        config: &DeliveryConfig,
        limits: &Limits,
    ) -> Result<Self, SwarmError> {
        let mut swarm = build(identity, config.mdns, limits)?;
        for address in &config.listen {
            swarm
                .listen_on(address.clone())
                .map_err(|error| SwarmError::Listen { address: address.clone(), problem: root_of(&error) })?;
        }
        let id = *swarm.local_peer_id();
        let streams = swarm.behaviour().streams.new_control();
        let (commands, queue) = mpsc::channel(16);
        let (listening, addresses) = watch::channel(Vec::new());
        let found = watch::Sender::new(DiscoveredPeers::new());
        let actor = Actor { swarm, commands: queue, listening, finds: found.clone(), dials: HashMap::new() };
        Ok(Self { id, streams, commands, addresses, found, task: tokio::spawn(actor.run()) })
    }

    /// This peer's id.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Opens and accepts streams.
    pub fn streams(&self) -> stream::Control {
        self.streams.clone()
    }

    /// The addresses listened on, each with the peer's id.
    pub fn addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.addresses.clone()
    }

    /// The peers found on the local network.
    pub fn found(&self) -> watch::Receiver<DiscoveredPeers> {
        self.found.subscribe()
    }

    /// Connects to a peer, unless a connection exists.
    pub async fn connect(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), ConnectError> {
        let gone = || ConnectError::Unreachable("the swarm has ended".into());
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Connect { peer, addresses, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Closes every connection to a peer: the next [`Peer::connect`] makes a new one.
    pub async fn disconnect(&self, peer: PeerId) {
        // Where the swarm has ended there is no connection left to close.
        let _ = self.commands.send(Command::Disconnect { peer }).await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The peer id that an address ends in.
pub fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

fn build(identity: identity::Keypair, mdns: bool, limits: &Limits) -> Result<Swarm<Behaviour>, SwarmError> {
    let set_up = |error: &dyn std::fmt::Display| SwarmError::SetUp(error.to_string());
    let behaviour = behaviour(&identity, mdns, limits).map_err(|error| set_up(&error))?;
    Ok(SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| set_up(&error))?
        .with_quic()
        .with_behaviour(|_| behaviour)
        .map_err(|error| set_up(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}

fn behaviour(identity: &identity::Keypair, mdns: bool, limits: &Limits) -> std::io::Result<Behaviour> {
    let public = identity.public();
    let connections = ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections))
        .with_max_established_incoming(Some(limits.connections))
        .with_max_established_per_peer(Some(limits.connections_each));
    let mdns = if mdns {
        let config = mdns::Config { query_interval: MDNS_QUERY, ..mdns::Config::default() };
        Some(mdns::tokio::Behaviour::new(config, public.to_peer_id())?)
    } else {
        None
    };
    // Strangers are not told where else the gateway listens.
    let identify = identify::Config::new("/streembit/1".into(), public)
        .with_agent_version(concat!("streembit/", env!("CARGO_PKG_VERSION")).into())
        .with_hide_listen_addrs(true);
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(connections),
        streams: stream::Behaviour::new(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new()),
        mdns: mdns.into(),
    })
}

/// The task that owns the swarm.
struct Actor {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    listening: watch::Sender<Vec<Multiaddr>>,
    finds: watch::Sender<DiscoveredPeers>,
    dials: HashMap<ConnectionId, (PeerId, oneshot::Sender<Result<(), ConnectError>>)>,
}

impl Actor {
    async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.handle_event(event),
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Connect { peer, addresses, reply } => self.connect(peer, addresses, reply),
            Command::Disconnect { peer } => {
                // An error says that there was no connection.
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
        // Whoever asked may have gone: then nobody minds that the reply is lost, here and below.
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
                let _ = reply.send(Err(explain(peer, error)));
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
                    let _ = reply.send(Err(explain(peer, error)));
                }
            }
            SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ListenerClosed { .. } => self.note_listeners(),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener of the peer-to-peer transport has a problem");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.note_found(event),
            // A peer that no longer answers is gone, whatever TCP still believes.
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

    fn note_listeners(&self) {
        let id = *self.swarm.local_peer_id();
        let addresses =
            self.swarm.listeners().map(|address| address.clone().with(Protocol::P2p(id))).collect();
        self.listening.send_replace(addresses);
    }

    fn note_found(&self, event: mdns::Event) {
        self.finds.send_modify(|found| match event {
            mdns::Event::Discovered(peers) => {
                for (peer, address) in peers {
                    found.entry(peer).or_default().insert(address);
                }
            }
            mdns::Event::Expired(peers) => {
                for (peer, address) in peers {
                    if let Some(addresses) = found.get_mut(&peer) {
                        addresses.remove(&address);
                    }
                }
                found.retain(|_, addresses| !addresses.is_empty());
            }
        });
    }
}

fn explain(wanted: PeerId, error: DialError) -> ConnectError {
    match error {
        DialError::WrongPeerId { obtained, address } => {
            ConnectError::OtherPeer { address, wanted: wanted.into(), found: obtained.into() }
        }
        DialError::Transport(attempts) => ConnectError::Unreachable(
            attempts
                .iter()
                .map(|(address, error)| format!("{address}: {}", root_of(error)))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        other => ConnectError::Unreachable(other.to_string()),
    }
}

/// The innermost cause: the outer ones only say that a transport failed.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // Some of the transports' errors have no words of their own.
    match cause.to_string() {
        text if text.is_empty() => format!("{error:?}"),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_names_the_chain() {
        let name = protocol(&Hash([0xab; 32]));
        assert_eq!(name.as_ref(), "/streembit/abababababababab/events/1");
        assert_ne!(name, protocol(&Hash([0xac; 32])));
    }

    #[test]
    fn an_account_keeps_its_peer_id() {
        let keys = KeyPair::from_seed([1; 32]);
        assert_eq!(peer_id(&keys).unwrap(), peer_id(&keys.clone()).unwrap());
        assert_ne!(peer_id(&keys).unwrap(), peer_id(&KeyPair::from_seed([2; 32])).unwrap());
    }

    #[test]
    fn the_peer_of_an_address_is_its_last_part() {
        let peer = PeerId::random();
        let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}").parse().unwrap();
        assert_eq!(peer_of(&address), Some(peer));
        assert_eq!(peer_of(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()), None);
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_the_remedy() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for address in [
            format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port()),
            format!("/ip4/127.0.0.1/udp/{}/quic-v1", udp.local_addr().unwrap().port()),
        ] {
            let config = DeliveryConfig { listen: vec![address.parse().unwrap()], mdns: false };
            let identity = identity::Keypair::generate_ed25519();
            let error = Peer::start(identity, &config, &Limits::default()).err().unwrap().to_string();
            let words = [address.as_str(), "in use", "free the port"];
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
