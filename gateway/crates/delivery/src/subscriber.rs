//! The subscribing side: connects, verifies events, and resumes after interruptions.

use super::{
    framing::{self, FrameError},
    grants::{ChainUnavailableError, Registry},
    proof::{challenge, Channel},
    swarm::{protocol, ConnectError, Peer},
    target::Target,
    verify::{Position, Received, Verifier, VerifyError},
    wire::{Credit, Delivered, End, Frame, Hello, Request},
};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures::{
    io::{ReadHalf, WriteHalf},
    AsyncReadExt as _,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use libp2p_stream::OpenStreamError;
use std::{future::Future, io, sync::Arc, time::Duration};
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{
    contract::MAX_NAMES, device::DeviceRecord, reading::Name, AccountId, BoundedVec, ConstU32, DeviceId,
    Hash, LogId,
};
use tokio::time::{sleep, timeout, Instant};

/// The maximum number of events in flight.
const MAX_IN_FLIGHT: u32 = 64;
/// The time limit for connecting and for each step of the handshake.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// The time without a frame after which a stream counts as dead. The gateway sends a frame at least every 10 seconds.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);
/// The delays before reconnecting.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .without_max_times();
/// How long to remember that the chain does not know a root.
const UNKNOWN_ROOT_TTL: Duration = Duration::from_secs(5);

/// The subject of a subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The device.
    pub device: DeviceId,
    /// The gateway.
    pub target: Target,
    /// The readings wanted; empty for all granted readings.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
}

/// The outcome of [`Subscriber::next`].
#[derive(Debug)]
pub enum SubscriberEvent {
    /// Connected to the device's gateway, which has proven its account.
    Connected {
        /// The gateway's account.
        gateway: AccountId,
    },
    /// The next verified event.
    Event(Box<Received>),
    /// The connection failed. The next call tries again after a pause.
    Interrupted {
        /// The reason.
        problem: String,
        /// The pause before the next attempt.
        pause: Duration,
    },
}

/// The error that ends a subscription. Trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Verification of an event failed. Neither this event nor a later one is returned.
    #[error("event {sequence} from gateway {gateway} is invalid: {error}", gateway = account::show(.gateway))]
    InvalidEvent {
        /// The sequence that was expected.
        sequence: u64,
        /// The gateway that sent the event.
        gateway: AccountId,
        /// The reason.
        error: VerifyError,
    },
    /// The gateway ended the subscription.
    #[error("{0}")]
    Ended(End),
    /// The device is not registered.
    #[error("device {0} is not registered on this chain")]
    UnknownDevice(DeviceId),
    /// Another gateway keeps the device's log.
    #[error(
        "this is gateway {found}, but the chain has registered {device} at gateway {wanted}; subscribe there",
        found = account::show(.found), wanted = account::show(.wanted)
    )]
    OtherGateway {
        /// The device.
        device: DeviceId,
        /// The gateway that answered.
        found: AccountId,
        /// The device's gateway.
        wanted: AccountId,
    },
    /// The gateway's proof of its account is invalid.
    #[error("the peer did not prove that it speaks for the gateway's account; do not trust this address")]
    GatewayProof,
    /// Another peer answers at the address.
    #[error(transparent)]
    OtherPeer(ConnectError),
    /// The peer does not serve the protocol of this chain.
    #[error("the peer does not serve {0}, so it is not a gateway of this chain")]
    OtherChain(StreamProtocol),
    /// The gateway violated the protocol.
    #[error("the gateway violated the protocol: {0}")]
    Protocol(String),
}

/// The reason why an attempt to connect or to receive failed.
enum AttemptError {
    Final(SubscribeError),
    Transient(String),
}

impl AttemptError {
    /// The end of a stream whose peer has not proved its account. The attempt failed; the subscription goes on.
    fn unproven(end: End) -> Self {
        Self::Transient(format!(
            "the peer ended the stream before it proved its account, with this reason: {end}"
        ))
    }
}

impl From<SubscribeError> for AttemptError {
    fn from(error: SubscribeError) -> Self {
        Self::Final(error)
    }
}

impl From<ChainUnavailableError> for AttemptError {
    fn from(error: ChainUnavailableError) -> Self {
        Self::Transient(format!("cannot read from the chain: {error}"))
    }
}

impl From<FrameError> for AttemptError {
    fn from(error: FrameError) -> Self {
        // A stream that ends within a frame is a failed connection, not a protocol violation.
        match error {
            FrameError::Oversized { .. } | FrameError::Malformed { .. } => {
                SubscribeError::Protocol(error.to_string()).into()
            }
            error => Self::Transient(error.to_string()),
        }
    }
}

impl From<ConnectError> for AttemptError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::OtherPeer { .. } => SubscribeError::OtherPeer(error).into(),
            ConnectError::Unreachable(problem) => Self::Transient(problem),
        }
    }
}

impl From<End> for AttemptError {
    fn from(end: End) -> Self {
        if end.is_transient() {
            Self::Transient(end.to_string())
        } else {
            SubscribeError::Ended(end).into()
        }
    }
}

/// A subscription that reconnects after failures of either side.
pub struct Subscriber<R> {
    peer: Arc<Peer>,
    keys: KeyPair,
    registry: R,
    subscription: Subscription,
    position: Position,
    connection: Option<Connection>,
    /// The pause before the next attempt, which is zero before the first attempt.
    pause: Duration,
    /// The pauses before all later attempts.
    pauses: ExponentialBackoff,
    root: Option<CachedRoot>,
}

/// A stream that receives events.
struct Connection {
    peer: PeerId,
    gateway: AccountId,
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    verifier: Verifier,
    /// The number of events consumed since the last credit was sent.
    consumed: u32,
}

/// A cached response of the chain about an anchored root.
struct CachedRoot {
    of: (LogId, u64),
    root: Option<Hash>,
    when: Instant,
}

impl<R: Registry> Subscriber<R> {
    /// Creates a subscriber that continues after `position`.
    pub fn new(
        peer: Arc<Peer>,
        keys: KeyPair,
        registry: R,
        subscription: Subscription,
        position: Position,
    ) -> Self {
        let (pause, pauses) = (Duration::ZERO, RETRY.build());
        Self { peer, keys, registry, subscription, position, connection: None, pause, pauses, root: None }
    }

    /// The position after the last event that [`Subscriber::next`] returned.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the next event, or a change of the connection.
    ///
    /// Calling it confirms that the previous event has been handled. The gateway sends more events only after that,
    /// apart from those already in flight. If the call is cancelled, the next one reconnects and no event is lost.
    pub async fn next(&mut self) -> Result<SubscriberEvent, SubscribeError> {
        let Some(mut connection) = self.connection.take() else { return self.begin().await };
        match self.receive(&mut connection).await {
            Ok(event) => {
                self.connection = Some(connection);
                Ok(SubscriberEvent::Event(Box::new(event)))
            }
            Err(error) => {
                self.peer.disconnect(connection.peer).await;
                let error = self.explain_end(error, connection.gateway).await;
                self.interrupted(error)
            }
        }
    }

    async fn begin(&mut self) -> Result<SubscriberEvent, SubscribeError> {
        sleep(self.pause).await;
        match self.connect().await {
            Ok(connection) => {
                let gateway = connection.gateway;
                self.connection = Some(connection);
                Ok(SubscriberEvent::Connected { gateway })
            }
            Err(error) => self.interrupted(error),
        }
    }

    fn interrupted(&mut self, error: AttemptError) -> Result<SubscriberEvent, SubscribeError> {
        match error {
            AttemptError::Final(error) => Err(error),
            AttemptError::Transient(problem) => {
                self.pause = self.pauses.next().unwrap_or_default();
                Ok(SubscriberEvent::Interrupted { problem, pause: self.pause })
            }
        }
    }

    /// Replaces the end of a right to read by [`SubscribeError::OtherGateway`] if the device's log is with another gateway
    /// now: the subscriber can go on there.
    async fn explain_end(&self, error: AttemptError, gateway: AccountId) -> AttemptError {
        if !matches!(&error, AttemptError::Final(SubscribeError::Ended(End::Expired | End::NotGranted))) {
            return error;
        }
        let device = self.subscription.device;
        match self.registry.device(device).await {
            Ok(Some(record)) if record.gateway() != gateway => {
                SubscribeError::OtherGateway { device, found: gateway, wanted: record.gateway() }.into()
            }
            _ => error,
        }
    }

    /// Connects to the gateway that the chain has registered for the device.
    async fn connect(&mut self) -> Result<Connection, AttemptError> {
        let device = self.subscription.device;
        let record = self.registry.device(device).await?.ok_or(SubscribeError::UnknownDevice(device))?;
        let account = match &self.subscription.target {
            Target::Address { peer, address } => {
                return self.connect_to(*peer, vec![address.clone()], &record).await
            }
            Target::Account(account) => *account,
        };
        if account != record.gateway() {
            return Err(
                SubscribeError::OtherGateway { device, found: account, wanted: record.gateway() }.into()
            );
        }
        let discovered = self.peer.discovered().borrow().clone();
        for (peer, addresses) in discovered {
            match self.connect_to(peer, addresses.into_iter().collect(), &record).await {
                Ok(connection) => return Ok(connection),
                // A peer that did not prove the gateway's account says nothing about the gateway.
                Err(AttemptError::Final(error)) => {
                    tracing::debug!(%peer, %error, "this discovered peer is not the gateway")
                }
                Err(AttemptError::Transient(problem)) => {
                    tracing::debug!(%peer, problem, "cannot reach a discovered peer")
                }
            }
        }
        Err(AttemptError::Transient(format!(
            "gateway {} is not found on the local network; set `mdns` in its configuration, or use its address",
            account::show(&account)
        )))
    }

    async fn connect_to(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        record: &DeviceRecord,
    ) -> Result<Connection, AttemptError> {
        with_timeout("connecting", self.peer.connect(peer, addresses)).await?;
        let connection = self.handshake(peer, record).await;
        if matches!(&connection, Err(AttemptError::Transient(_))) {
            // The connection may be dead although it still looks open.
            self.peer.disconnect(peer).await;
        }
        connection
    }

    async fn handshake(&self, peer: PeerId, record: &DeviceRecord) -> Result<Connection, AttemptError> {
        let protocol = protocol(&self.registry.genesis());
        let mut streams = self.peer.streams();
        let stream = with_timeout("opening a stream", async {
            streams.open_stream(peer, protocol.clone()).await.map_err(|error| match error {
                OpenStreamError::UnsupportedProtocol(protocol) => SubscribeError::OtherChain(protocol).into(),
                error => AttemptError::Transient(error.to_string()),
            })
        })
        .await?;
        let (mut reader, mut writer) = stream.split();
        let channel = Channel {
            genesis: self.registry.genesis(),
            protocol: protocol.to_string(),
            gateway: peer,
            subscriber: self.peer.id(),
        };
        let hello = Hello { challenge: challenge() };
        with_timeout("sending the first frame", framing::write(&mut writer, &hello)).await?;
        let proof = match with_timeout("waiting for the gateway's proof", framing::read(&mut reader)).await? {
            Frame::Proof(proof) => proof,
            // Anybody could have sent this, so its reason must not end the subscription.
            Frame::End(end) => return Err(AttemptError::unproven(end)),
            other => return Err(unexpected(&other).into()),
        };
        if !channel.verify_gateway(&hello, &proof) {
            return Err(SubscribeError::GatewayProof.into());
        }
        if proof.account != record.gateway() {
            let (device, wanted) = (self.subscription.device, record.gateway());
            return Err(SubscribeError::OtherGateway { device, found: proof.account, wanted }.into());
        }
        let subscribe = channel.prove_subscriber(&self.keys, &hello, &proof.challenge, self.request());
        with_timeout("subscribing", framing::write(&mut writer, &subscribe)).await?;
        let verifier = Verifier::new(self.subscription.device, record.clone(), self.position);
        Ok(Connection { peer, gateway: proof.account, reader, writer, verifier, consumed: 0 })
    }

    fn request(&self) -> Request {
        let Subscription { device, names, .. } = &self.subscription;
        Request { device: *device, next: self.position.next, names: names.clone(), credit: MAX_IN_FLIGHT }
    }

    async fn receive(&mut self, connection: &mut Connection) -> Result<Received, AttemptError> {
        loop {
            if connection.consumed >= MAX_IN_FLIGHT / 2 {
                with_timeout(
                    "sending credit",
                    framing::write(&mut connection.writer, &Credit(connection.consumed)),
                )
                .await?;
                connection.consumed = 0;
            }
            let frame = timeout(SILENCE_TIMEOUT, framing::read::<Frame>(&mut connection.reader))
                .await
                .map_err(|_| {
                    AttemptError::Transient(format!(
                        "the gateway sent nothing for {} s",
                        SILENCE_TIMEOUT.as_secs()
                    ))
                })??;
            match frame {
                // A gateway that does not know of the declaration yet still sends the lost events.
                Frame::Event(event) if connection.verifier.is_lost(&event) => {
                    connection.consumed = connection.consumed.saturating_add(1);
                }
                Frame::Event(event) => return self.accept(connection, *event).await,
                Frame::Alive => self.reset_pauses(),
                Frame::End(end) => return Err(end.into()),
                other @ Frame::Proof(_) => return Err(unexpected(&other).into()),
            }
        }
    }

    async fn accept(
        &mut self,
        connection: &mut Connection,
        event: Delivered,
    ) -> Result<Received, AttemptError> {
        let root = match Verifier::wanted_root(&event) {
            Some(of) => self.root(of).await,
            None => None,
        };
        let sequence = self.position.next;
        let mut verified = connection.verifier.verify(event.clone(), root);
        // The key, the log or what is lost may have changed since the connection was made.
        if verified.is_err() && self.update_record(connection).await? {
            verified = connection.verifier.verify(event, root);
        }
        let received = verified.map_err(|error| SubscribeError::InvalidEvent {
            sequence,
            gateway: connection.gateway,
            error,
        })?;
        self.position = connection.verifier.position();
        self.reset_pauses();
        connection.consumed = connection.consumed.saturating_add(1);
        Ok(received)
    }

    /// Reads the device's record again. Returns true if it has changed, and an error if another gateway keeps the device's
    /// log now.
    async fn update_record(&self, connection: &mut Connection) -> Result<bool, AttemptError> {
        let device = self.subscription.device;
        let record = self.registry.device(device).await?.ok_or(SubscribeError::UnknownDevice(device))?;
        if record.gateway() != connection.gateway {
            let (found, wanted) = (connection.gateway, record.gateway());
            return Err(SubscribeError::OtherGateway { device, found, wanted }.into());
        }
        let is_new = record != *connection.verifier.record();
        connection.verifier.set_record(record);
        Ok(is_new)
    }

    /// The connection works. If it fails, reconnect without a pause.
    fn reset_pauses(&mut self) {
        (self.pause, self.pauses) = (Duration::ZERO, RETRY.build());
    }

    /// Returns the anchored root of a log at a size. Returns `None`, so that the anchor counts as unknown, if the chain does
    /// not know the root or cannot be reached.
    async fn root(&mut self, of: (LogId, u64)) -> Option<Hash> {
        if let Some(known) = self.root.as_ref().filter(|known| known.of == of) {
            if known.root.is_some() || known.when.elapsed() < UNKNOWN_ROOT_TTL {
                return known.root;
            }
        }
        let root = self.registry.anchored_root(of.0, of.1).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot read an anchored root from the chain");
            None
        });
        self.root = Some(CachedRoot { of, root, when: Instant::now() });
        root
    }
}

/// Runs one step of connecting within the time limit.
async fn with_timeout<T, E: Into<AttemptError>>(
    doing: &str,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, AttemptError> {
    match timeout(STEP_TIMEOUT, step).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => {
            Err(FrameError::from(io::Error::new(io::ErrorKind::TimedOut, format!("{doing} took too long")))
                .into())
        }
    }
}

fn unexpected(frame: &Frame) -> SubscribeError {
    let name = match frame {
        Frame::Proof(_) => "a proof",
        Frame::Event(_) => "an event",
        Frame::Alive => "a keep-alive frame",
        Frame::End(_) => "an end",
    };
    SubscribeError::Protocol(format!("it sent {name} at the wrong time"))
}
