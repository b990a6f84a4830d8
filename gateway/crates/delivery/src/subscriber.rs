//! The subscribing side: connects, verifies, resumes.

use super::{
    frame::{self, FrameError},
    grants::{ChainUnavailableError, Registry},
    proof::{challenge, Channel},
    swarm::{peer_of, protocol, ConnectError, Peer},
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
use std::{future::Future, io, str::FromStr, sync::Arc, time::Duration};
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{
    contract::MAX_NAMES, device::DeviceRecord, reading::Name, AccountId, BoundedVec, ConstU32, DeviceId,
    Hash, LogId,
};
use tokio::time::{sleep, timeout, Instant};

/// How many events may be on their way.
const WINDOW: u32 = 64;
/// Time to connect, and for each step of the handshake.
const STEP: Duration = Duration::from_secs(15);
/// A stream without any frame for so long is dead: the gateway says every ten seconds that it lives.
const SILENCE: Duration = Duration::from_secs(45);
/// The pauses before connecting again.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .without_max_times();
/// How long it is remembered that the chain keeps no root of some size.
const ROOT_UNKNOWN: Duration = Duration::from_secs(5);

/// Which gateway to subscribe at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// At this address.
    Address {
        /// The peer.
        peer: PeerId,
        /// Its address, which ends in the peer.
        address: Multiaddr,
    },
    /// Wherever on the local network the gateway of this account is.
    Account(AccountId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return account::parse(text).map(Self::Account).map_err(|error| {
                format!("{error}; or a gateway's address such as /ip4/192.168.0.7/tcp/4001/p2p/12D3Koo…")
            });
        }
        let address =
            text.parse::<Multiaddr>().map_err(|error| format!("{text:?} is no multiaddress: {error}"))?;
        let peer = peer_of(&address).ok_or_else(|| {
            format!("{text:?} does not end in /p2p/ and the gateway's peer id: the gateway's status shows it whole")
        })?;
        Ok(Self::Address { peer, address })
    }
}

/// What to subscribe to.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Whose events.
    pub device: DeviceId,
    /// At which gateway.
    pub target: Target,
    /// The readings wanted; empty for all that are granted.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
}

/// What happened last.
#[derive(Debug)]
pub enum SubscriberEvent {
    /// Connected to the device's gateway, which has proven its account.
    Connected {
        /// The gateway's account.
        gateway: AccountId,
    },
    /// The next event, verified.
    Event(Box<Received>),
    /// The connection broke, or did not come about; the next call tries again after a pause.
    Interrupted {
        /// Why.
        problem: String,
        /// The pause.
        pause: Duration,
    },
}

/// What ends a subscription: trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// An event is not what it should be. It was not shown, and neither is anything after it.
    #[error("event {sequence} from gateway {gateway} is refused: {error}", gateway = account::show(.gateway))]
    Refused {
        /// The sequence that was due.
        sequence: u64,
        /// Who sent it.
        gateway: AccountId,
        /// What is wrong.
        error: VerifyError,
    },
    /// The gateway ended the subscription.
    #[error("{0}")]
    Ended(End),
    /// The chain knows no such device.
    #[error("device {0} is not registered on this chain")]
    UnknownDevice(DeviceId),
    /// Another gateway keeps the device's log.
    #[error(
        "this is gateway {found}, but the chain has {device} at gateway {wanted}: subscribe there",
        found = account::show(.found), wanted = account::show(.wanted)
    )]
    OtherGateway {
        /// Whose log is wanted.
        device: DeviceId,
        /// The gateway met.
        found: AccountId,
        /// The device's gateway.
        wanted: AccountId,
    },
    /// The gateway's proof of its account is wrong.
    #[error("the peer did not prove that it speaks for the gateway's account: do not trust this address")]
    GatewayProof,
    /// Another peer answers there.
    #[error(transparent)]
    OtherPeer(ConnectError),
    /// The peer does not speak the protocol of this chain.
    #[error("the peer does not serve {0}: it is no gateway of this chain")]
    OtherChain(StreamProtocol),
    /// What came is not the protocol.
    #[error("the gateway does not keep to the protocol: {0}")]
    Protocol(String),
}

/// Why an attempt to connect or to receive failed.
enum AttemptError {
    Final(SubscribeError),
    Transient(String),
}

impl From<SubscribeError> for AttemptError {
    fn from(error: SubscribeError) -> Self {
        Self::Final(error)
    }
}

impl From<ChainUnavailableError> for AttemptError {
    fn from(error: ChainUnavailableError) -> Self {
        Self::Transient(format!("asking the chain: {error}"))
    }
}

impl From<FrameError> for AttemptError {
    fn from(error: FrameError) -> Self {
        // A stream that ends within a frame broke; the other side did not send anything wrong.
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
        if end.passes() {
            Self::Transient(end.to_string())
        } else {
            SubscribeError::Ended(end).into()
        }
    }
}

/// A subscription that survives breaks of either side.
pub struct Subscriber<R> {
    peer: Arc<Peer>,
    keys: KeyPair,
    registry: R,
    subscription: Subscription,
    position: Position,
    link: Option<Link>,
    /// The pause before the next attempt; none before the first.
    pause: Duration,
    /// The pauses after it, should that fail too.
    pauses: ExponentialBackoff,
    root: Option<Root>,
}

/// A stream on which events come.
struct Link {
    peer: PeerId,
    gateway: AccountId,
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    verifier: Verifier,
    /// Events dealt with and not yet asked for anew.
    taken: u32,
}

/// What the chain said about a root.
struct Root {
    of: (LogId, u64),
    root: Option<Hash>,
    when: Instant,
}

impl<R: Registry> Subscriber<R> {
    /// Ready to go on after `position`.
    pub fn new(
        peer: Arc<Peer>,
        keys: KeyPair,
        registry: R,
        subscription: Subscription,
        position: Position,
    ) -> Self {
        let (pause, pauses) = (Duration::ZERO, RETRY.build());
        Self { peer, keys, registry, subscription, position, link: None, pause, pauses, root: None }
    }

    /// After the last event that [`Subscriber::next`] gave.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What happens next. Calling it says that the event before it is dealt with: only then the gateway sends more than
    /// what is on its way already. Where it is cancelled, the next call connects anew and loses nothing.
    pub async fn next(&mut self) -> Result<SubscriberEvent, SubscribeError> {
        let Some(mut link) = self.link.take() else { return self.begin().await };
        match self.receive(&mut link).await {
            Ok(event) => {
                self.link = Some(link);
                Ok(SubscriberEvent::Event(Box::new(event)))
            }
            Err(error) => {
                self.peer.disconnect(link.peer).await;
                self.interrupted(error)
            }
        }
    }

    async fn begin(&mut self) -> Result<SubscriberEvent, SubscribeError> {
        sleep(self.pause).await;
        match self.connect().await {
            Ok(link) => {
                let gateway = link.gateway;
                self.link = Some(link);
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

    /// Connects to the gateway that the chain names.
    async fn connect(&mut self) -> Result<Link, AttemptError> {
        let device = self.subscription.device;
        let record = self.registry.device(device).await?.ok_or(SubscribeError::UnknownDevice(device))?;
        let account = match &self.subscription.target {
            Target::Address { peer, address } => {
                return self.connect_to(*peer, vec![address.clone()], &record).await
            }
            Target::Account(account) => *account,
        };
        if account != record.gateway {
            return Err(
                SubscribeError::OtherGateway { device, found: account, wanted: record.gateway }.into()
            );
        }
        let found = self.peer.found().borrow().clone();
        for (peer, addresses) in found {
            match self.connect_to(peer, addresses.into_iter().collect(), &record).await {
                Ok(link) => return Ok(link),
                // What is wrong with one peer of many says nothing about the gateway, unless that has spoken.
                Err(AttemptError::Final(error @ SubscribeError::Ended(_))) => return Err(error.into()),
                Err(AttemptError::Final(error)) => tracing::debug!(%peer, %error, "not the gateway sought"),
                Err(AttemptError::Transient(problem)) => {
                    tracing::debug!(%peer, problem, "could not be asked")
                }
            }
        }
        Err(AttemptError::Transient(format!(
            "gateway {} is not found on the local network: mdns has to be on in its configuration; or give its address",
            account::show(&account)
        )))
    }

    async fn connect_to(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        record: &DeviceRecord,
    ) -> Result<Link, AttemptError> {
        within("connecting", self.peer.connect(peer, addresses)).await?;
        let link = self.shake_hands(peer, record).await;
        if matches!(&link, Err(AttemptError::Transient(_))) {
            // The connection may be dead without knowing it.
            self.peer.disconnect(peer).await;
        }
        link
    }

    async fn shake_hands(&self, peer: PeerId, record: &DeviceRecord) -> Result<Link, AttemptError> {
        let protocol = protocol(&self.registry.genesis());
        let mut streams = self.peer.streams();
        let stream = within("opening a stream", async {
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
        within("greeting", frame::write(&mut writer, &hello)).await?;
        let proof = match within("waiting for the gateway's proof", frame::read(&mut reader)).await? {
            Frame::Proof(proof) => proof,
            Frame::End(end) => return Err(end.into()),
            other => return Err(unexpected(&other).into()),
        };
        if !channel.check_gateway(&hello, &proof) {
            return Err(SubscribeError::GatewayProof.into());
        }
        if proof.account != record.gateway {
            let (device, wanted) = (self.subscription.device, record.gateway);
            return Err(SubscribeError::OtherGateway { device, found: proof.account, wanted }.into());
        }
        let subscribe = channel.prove_subscriber(&self.keys, &hello, &proof.challenge, self.request());
        within("subscribing", frame::write(&mut writer, &subscribe)).await?;
        let verifier = Verifier::new(self.subscription.device, record.clone(), self.position);
        Ok(Link { peer, gateway: proof.account, reader, writer, verifier, taken: 0 })
    }

    fn request(&self) -> Request {
        let Subscription { device, names, .. } = &self.subscription;
        Request { device: *device, next: self.position.next, names: names.clone(), credit: WINDOW }
    }

    async fn receive(&mut self, link: &mut Link) -> Result<Received, AttemptError> {
        if link.taken >= WINDOW / 2 {
            within("asking for more", frame::write(&mut link.writer, &Credit(link.taken))).await?;
            link.taken = 0;
        }
        loop {
            let frame = timeout(SILENCE, frame::read::<Frame>(&mut link.reader))
                .await
                .map_err(|_| AttemptError::Transient("the gateway has fallen silent".into()))??;
            match frame {
                Frame::Event(event) => return self.accept(link, *event).await,
                Frame::Alive => self.reset_pauses(),
                Frame::End(end) => return Err(end.into()),
                other @ Frame::Proof(_) => return Err(unexpected(&other).into()),
            }
        }
    }

    async fn accept(&mut self, link: &mut Link, event: Delivered) -> Result<Received, AttemptError> {
        let root = match Verifier::wanted_root(&event) {
            Some(of) => self.root(of).await,
            None => None,
        };
        let sequence = self.position.next;
        let received = link.verifier.check(event, root).map_err(|error| SubscribeError::Refused {
            sequence,
            gateway: link.gateway,
            error,
        })?;
        self.position = link.verifier.position();
        self.reset_pauses();
        link.taken = link.taken.saturating_add(1);
        Ok(received)
    }

    /// The connection works: if it breaks, the next attempt is made at once.
    fn reset_pauses(&mut self) {
        (self.pause, self.pauses) = (Duration::ZERO, RETRY.build());
    }

    /// The anchored root of a log at a size. Where the chain does not know it, or cannot be asked, the event is shown
    /// as not anchored.
    async fn root(&mut self, of: (LogId, u64)) -> Option<Hash> {
        if let Some(known) = self.root.as_ref().filter(|known| known.of == of) {
            if known.root.is_some() || known.when.elapsed() < ROOT_UNKNOWN {
                return known.root;
            }
        }
        let root = self.registry.anchored_root(of.0, of.1).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot ask the chain for an anchored root");
            None
        });
        self.root = Some(Root { of, root, when: Instant::now() });
        root
    }
}

/// One step of connecting, which may not take for ever.
async fn within<T, E: Into<AttemptError>>(
    doing: &str,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, AttemptError> {
    match timeout(STEP, step).await {
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
        Frame::Alive => "a sign of life",
        Frame::End(_) => "an end",
    };
    SubscribeError::Protocol(format!("{name} came where it has no place"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_with_its_peer_or_an_account() {
        let peer = PeerId::random();
        let address = format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{peer}");
        assert!(matches!(address.parse(), Ok(Target::Address { peer: found, .. }) if found == peer));
        let account = AccountId([7; 32]);
        assert_eq!(account::show(&account).parse(), Ok(Target::Account(account)));
        for (text, problem) in [
            ("/ip4/127.0.0.1/tcp/1", "peer id"),
            ("/ip4/localhost/tcp/1", "multiaddress"),
            ("192.168.0.7:4001", "/p2p/"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
