//! The serving side: accepts streams within the limits and reports its listening addresses.

use super::{
    framing,
    grants::Grants,
    limits::Limits,
    session::{serve, Service},
    slots::{Slot, Slots},
    store::EventStore,
    swarm::{protocol, ListenProblem, Peer, SwarmError},
    wire::{End, Frame},
};
use futures::{FutureExt as _, StreamExt as _};
use libp2p::{Multiaddr, PeerId, Stream};
use libp2p_stream::IncomingStreams;
use std::{fmt, sync::Arc, time::Duration};
use streembit_keystore::KeyPair;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The time that streams have to send their last frame when the gateway shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Accepts and serves the streams of one protocol.
pub struct Server<S, G> {
    service: Arc<Service<S, G>>,
    incoming: IncomingStreams,
    peers: Slots<PeerId>,
    streams: JoinSet<()>,
    state: watch::Sender<ServerState>,
}

/// The state of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerState {
    /// The id of the serving peer.
    pub peer: PeerId,
    /// The number of streams being served.
    pub streams: usize,
    /// The listening addresses; empty until the first is ready.
    pub listening: Vec<Multiaddr>,
    /// The configured addresses that cannot be listened on now.
    pub problems: Vec<ListenProblem>,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, streams, listening, problems: _ } = self;
        if listening.is_empty() {
            return write!(f, "peer {peer}, not listening yet");
        }
        write!(f, "{streams} streams; listening on")?;
        listening.iter().try_for_each(|address| write!(f, " {address}"))
    }
}

impl<S: EventStore, G: Grants> Server<S, G> {
    /// Creates a server on a peer. The same peer can subscribe to other gateways at the same time.
    pub fn new(
        peer: &Peer,
        keys: KeyPair,
        store: S,
        grants: G,
        limits: Limits,
        shutdown: CancellationToken,
    ) -> Result<Self, SwarmError> {
        let protocol = protocol(&grants.genesis());
        let incoming = peer
            .streams()
            .accept(protocol.clone())
            .map_err(|_| SwarmError::SetUp(format!("this peer already serves {protocol}")))?;
        let peers = Slots::new(limits.streams_per_peer);
        let accounts = Slots::new(limits.streams_per_peer);
        let service = Service {
            genesis: grants.genesis(),
            protocol: protocol.to_string(),
            id: peer.id(),
            keys,
            store,
            grants,
            limits,
            accounts,
            shutdown,
        };
        let state = watch::Sender::new(ServerState {
            peer: peer.id(),
            streams: 0,
            listening: Vec::new(),
            problems: Vec::new(),
        });
        Ok(Self { service: Arc::new(service), incoming, peers, streams: JoinSet::new(), state })
    }

    /// Watches the server's state.
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.state.subscribe()
    }

    /// Serves until the shutdown token is cancelled.
    pub async fn run(mut self, peer: &Peer) {
        let (mut addresses, mut problems) = (peer.addresses(), peer.problems());
        loop {
            let state = ServerState {
                peer: peer.id(),
                streams: self.streams.len(),
                listening: addresses.borrow_and_update().clone(),
                problems: problems.borrow_and_update().clone(),
            };
            self.state.send_replace(state);
            tokio::select! {
                () = self.service.shutdown.cancelled() => break,
                stream = self.incoming.next() => match stream {
                    Some((peer, stream)) => self.accept(peer, stream),
                    None => break,
                },
                Some(_) = self.streams.join_next() => {}
                Ok(()) = addresses.changed() => {}
                Ok(()) = problems.changed() => {}
            }
        }
        let drained = async { while self.streams.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
            tracing::debug!("some subscribers did not receive the last frame before the shutdown");
        }
    }

    fn accept(&mut self, peer: PeerId, stream: Stream) {
        let slot =
            (self.streams.len() < self.service.limits.streams).then(|| self.peers.take(peer)).flatten();
        let Some(slot) = slot else { return reject(peer, stream) };
        let service = self.service.clone();
        self.streams.spawn(async move {
            let _slot: Slot<PeerId> = slot;
            serve(service, peer, stream).await;
        });
    }
}

/// Sends `Busy` if the stream accepts it at once, and drops the stream otherwise. A peer that opens too many streams
/// must not make the gateway wait.
fn reject(peer: PeerId, mut stream: Stream) {
    tracing::debug!(%peer, "rejecting a stream: too many streams");
    let send = async {
        framing::write(&mut stream, &Frame::End(End::Busy)).await?;
        futures::AsyncWriteExt::close(&mut stream).await?;
        Ok::<_, framing::FrameError>(())
    };
    if !matches!(send.now_or_never(), Some(Ok(()))) {
        tracing::debug!(%peer, "dropping the stream without a last frame");
    }
}
