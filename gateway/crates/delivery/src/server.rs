//! The serving side: accepts streams within the limits and reports where it listens.

use super::{
    frame,
    grants::Grants,
    limits::Limits,
    session::{serve, Service},
    slots::{Slot, Slots},
    store::EventStore,
    swarm::{protocol, Peer, SwarmError},
    wire::{End, Frame},
};
use futures::{FutureExt as _, StreamExt as _};
use libp2p::{Multiaddr, PeerId, Stream};
use libp2p_stream::IncomingStreams;
use std::{fmt, sync::Arc, time::Duration};
use streembit_keystore::KeyPair;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Time for the streams to say that the gateway stops.
const STOPPING: Duration = Duration::from_secs(3);

/// Accepts the streams of one protocol.
pub struct Server<S, G> {
    service: Arc<Service<S, G>>,
    incoming: IncomingStreams,
    peers: Slots<PeerId>,
    streams: JoinSet<()>,
    state: watch::Sender<ServerState>,
}

/// The condition of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerState {
    /// The peer that serves.
    pub peer: PeerId,
    /// How many streams it serves.
    pub streams: usize,
    /// Where it listens; empty before it does.
    pub listening: Vec<Multiaddr>,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, streams, listening } = self;
        if listening.is_empty() {
            return write!(f, "peer {peer}, not listening yet");
        }
        write!(f, "{streams} streams; listening on")?;
        listening.iter().try_for_each(|address| write!(f, " {address}"))
    }
}

impl<S: EventStore, G: Grants> Server<S, G> {
    /// Ready to serve over a peer, which may subscribe elsewhere at the same time.
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
            .map_err(|_| SwarmError::SetUp(format!("{protocol} is served already")))?;
        let peers = Slots::new(limits.streams_each);
        let accounts = Slots::new(limits.streams_each);
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
        let state = watch::Sender::new(ServerState { peer: peer.id(), streams: 0, listening: Vec::new() });
        Ok(Self { service: Arc::new(service), incoming, peers, streams: JoinSet::new(), state })
    }

    /// The server's condition, as it changes.
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.state.subscribe()
    }

    /// Serves until shut down.
    pub async fn run(mut self, peer: &Peer) {
        let mut addresses = peer.addresses();
        loop {
            let listening = addresses.borrow_and_update().clone();
            let streams = self.streams.len();
            self.state.send_replace(ServerState { peer: peer.id(), streams, listening });
            tokio::select! {
                () = self.service.shutdown.cancelled() => break,
                stream = self.incoming.next() => match stream {
                    Some((peer, stream)) => self.take(peer, stream),
                    None => break,
                },
                Some(_) = self.streams.join_next() => {}
                Ok(()) = addresses.changed() => {}
            }
        }
        let drained = async { while self.streams.join_next().await.is_some() {} };
        if tokio::time::timeout(STOPPING, drained).await.is_err() {
            tracing::debug!("some subscribers did not hear that the gateway stops");
        }
    }

    fn take(&mut self, peer: PeerId, stream: Stream) {
        let slot =
            (self.streams.len() < self.service.limits.streams).then(|| self.peers.take(peer)).flatten();
        let Some(slot) = slot else { return refuse(peer, stream) };
        let service = self.service.clone();
        self.streams.spawn(async move {
            let _slot: Slot<PeerId> = slot;
            serve(service, peer, stream).await;
        });
    }
}

/// Says "busy" if that can be said at once: whoever opens too many streams is waited for no longer.
fn refuse(peer: PeerId, mut stream: Stream) {
    tracing::debug!(%peer, "too many streams");
    let said = async {
        frame::write(&mut stream, &Frame::End(End::Busy)).await?;
        futures::AsyncWriteExt::close(&mut stream).await?;
        Ok::<_, frame::FrameError>(())
    };
    if !matches!(said.now_or_never(), Some(Ok(()))) {
        tracing::debug!(%peer, "closed without a word");
    }
}
