//! Starts the peer that serves other parties, and serves them. Whatever fails here is tried again: nothing about the network
//! may keep the gateway from logging.

use super::reports;
use crate::status::{ComponentState, StatusBoard};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::{sync::Arc, time::Duration};
use streembit_chain::ChainClient;
use streembit_delivery::{
    self as delivery, DeliveryConfig, Limits, Multiaddr, Peer, PeerId, Server, SwarmError,
};
use streembit_keystore::KeyPair;
use streembit_log::Log;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
const COMPONENT: &str = "delivery";

/// What to do while delivery cannot start.
const REMEDY: &str = "the gateway goes on logging, and tries again by itself";

/// The pauses between attempts to start.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();

/// Starts the peer, and keeps it until the gateway stops.
pub(super) struct PeerStarter {
    id: PeerId,
    keys: KeyPair,
    config: DeliveryConfig,
    status: StatusBoard,
    addresses: watch::Sender<Vec<Multiaddr>>,
    started: watch::Sender<Option<Arc<Peer>>>,
}

/// Serves other parties as soon as the peer has started.
pub(super) struct Delivery {
    status: StatusBoard,
    started: watch::Receiver<Option<Arc<Peer>>>,
}

/// Prepares delivery. Returns an error if the transport key cannot be derived from the gateway's key.
pub(super) fn new(
    keys: &KeyPair,
    config: &DeliveryConfig,
    status: &StatusBoard,
) -> Result<(PeerStarter, Delivery), SwarmError> {
    let (sender, started) = watch::channel(None);
    let starter = PeerStarter {
        id: delivery::peer_id(keys)?,
        keys: keys.clone(),
        config: config.clone(),
        status: status.clone(),
        addresses: watch::Sender::new(Vec::new()),
        started: sender,
    };
    Ok((starter, Delivery { status: status.clone(), started }))
}

impl PeerStarter {
    /// The id of the peer.
    pub fn peer_id(&self) -> PeerId {
        self.id
    }

    /// Watches the addresses at which other parties reach the gateway.
    pub fn addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.addresses.subscribe()
    }

    /// Starts the peer, and reports its addresses until shutdown.
    pub async fn run(self, shutdown: &CancellationToken) {
        let start = || Peer::start(delivery::identity(&self.keys)?, &self.config, &Limits::default());
        let Some(peer) = retry(&self.status, start, shutdown).await else { return };
        let peer = Arc::new(peer);
        self.started.send_replace(Some(peer.clone()));
        let mut listening = peer.addresses();
        loop {
            self.addresses.send_replace(listening.borrow_and_update().clone());
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = listening.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl Delivery {
    /// Serves other parties until shutdown.
    pub async fn run(mut self, keys: KeyPair, log: Log, chain: ChainClient, shutdown: &CancellationToken) {
        let Some(peer) = self.peer(shutdown).await else { return };
        let start = || {
            let (keys, log, chain, limits) = (keys.clone(), log.clone(), chain.clone(), Limits::default());
            Server::new(&peer, keys, log, chain, limits, shutdown.clone())
        };
        let Some(server) = retry(&self.status, start, shutdown).await else { return };
        let states = server.state();
        tokio::join!(server.run(&peer), reports::delivery(states, &self.status));
    }

    /// Waits until the peer has started. Returns `None` if the gateway stops before.
    async fn peer(&mut self, shutdown: &CancellationToken) -> Option<Arc<Peer>> {
        tokio::select! {
            () = shutdown.cancelled() => None,
            started = self.started.wait_for(Option::is_some) => started.ok()?.clone(),
        }
    }
}

/// Calls `start` until it succeeds, and reports its errors. Returns `None` if the gateway stops before.
async fn retry<T>(
    status: &StatusBoard,
    start: impl Fn() -> Result<T, SwarmError>,
    shutdown: &CancellationToken,
) -> Option<T> {
    let mut pauses = RETRY.build();
    loop {
        match start() {
            Ok(started) => return Some(started),
            Err(error) => status.report(COMPONENT, ComponentState::retrying(error, REMEDY)),
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(pauses.next().unwrap_or_default()) => {}
        }
    }
}
