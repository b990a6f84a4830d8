//! The serving side: accepts streams within the limits and reports where it listens.

use super::{
    frame,
    grants::Grants,
    limits::Limits,
    session::{serve, Service},
    slots::{Slot, Slots},
    swarm::{identity, protocol, Peer, SwarmError},
    wire::{End, Frame},
};
use crate::{
    config::DeliveryConfig,
    keystore::KeyPair,
    log::Log,
    status::{ComponentState, StatusBoard},
};
use futures::{FutureExt as _, StreamExt as _};
use libp2p::{Multiaddr, PeerId, Stream};
use libp2p_stream::IncomingStreams;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The name under which delivery reports its condition.
const COMPONENT: &str = "delivery";
/// Time for the streams to say that the gateway stops.
const STOPPING: Duration = Duration::from_secs(3);

/// Serves a gateway's log to whom the chain grants it, until shut down.
pub async fn run(
    config: DeliveryConfig,
    keys: KeyPair,
    log: Log,
    grants: impl Grants,
    status: StatusBoard,
    shutdown: CancellationToken,
) -> Result<(), SwarmError> {
    status.report(COMPONENT, ComponentState::Starting);
    let limits = Limits::default();
    let peer = Peer::start(identity(&keys)?, &config, &limits)?;
    let server = Server::new(&peer, keys, log, grants, limits, shutdown)?;
    server.run(&peer, &status).await;
    status.report(COMPONENT, ComponentState::Stopped);
    Ok(())
}

/// Accepts the streams of one protocol.
pub struct Server<G> {
    service: Arc<Service<G>>,
    incoming: IncomingStreams,
    peers: Slots<PeerId>,
    streams: JoinSet<()>,
}

impl<G: Grants> Server<G> {
    /// Ready to serve over a peer, which may subscribe elsewhere at the same time.
    pub fn new(
        peer: &Peer,
        keys: KeyPair,
        log: Log,
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
            log,
            grants,
            limits,
            accounts,
            shutdown,
        };
        Ok(Self { service: Arc::new(service), incoming, peers, streams: JoinSet::new() })
    }

    /// Serves until shut down.
    pub async fn run(mut self, peer: &Peer, status: &StatusBoard) {
        let mut addresses = peer.addresses();
        loop {
            let listening = addresses.borrow_and_update().clone();
            status.report(COMPONENT, self.condition(peer, &listening));
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

    fn condition(&self, peer: &Peer, listening: &[Multiaddr]) -> ComponentState {
        let streams = self.streams.len();
        if listening.is_empty() {
            return ComponentState::running(format!("peer {}, not listening yet", peer.id()));
        }
        let addresses = listening.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        ComponentState::running(format!("{streams} streams; listening on {addresses}"))
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
