//! One stream on the gateway's side: the handshake, then events as long as the subscriber may read them.
//!
//! A single task reads and writes the stream. With Yamux, two tasks that read and write the same stream overwrite each
//! other's waker, and the stream hangs (libp2p/rust-yamux issue 232).

mod credit;
mod rights;
mod sender;

use super::{
    framing::{self, FrameError},
    grants::Grants,
    limits::Limits,
    proof::Channel,
    slots::{Slot, Slots},
    store::EventStore,
    wire::{End, Frame, Hello, Request, Subscribe, MAX_CREDIT},
};
use credit::CreditWindow;
use futures::{
    io::{ReadHalf, WriteHalf},
    AsyncReadExt as _, AsyncWriteExt as _,
};
use libp2p::{PeerId, Stream};
use rights::Reader;
use sender::Sender;
use std::{convert::Infallible, sync::Arc, time::Duration};
use streembit_keystore::KeyPair;
use streembit_primitives::{AccountId, Hash};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The time limit for sending the last frame of a stream.
const SEND_END_TIMEOUT: Duration = Duration::from_secs(2);

/// The data shared by all streams.
pub(super) struct Service<S, G> {
    pub genesis: Hash,
    pub protocol: String,
    pub id: PeerId,
    pub keys: KeyPair,
    pub store: S,
    pub grants: G,
    pub limits: Limits,
    pub accounts: Slots<AccountId>,
    pub shutdown: CancellationToken,
}

/// The reason why a stream ends.
#[derive(Debug)]
enum StreamEnd {
    /// A reason that is sent to the subscriber.
    Reason(End),
    /// The stream failed, so nothing can be sent.
    Broken(FrameError),
}

impl From<End> for StreamEnd {
    fn from(end: End) -> Self {
        Self::Reason(end)
    }
}

impl From<FrameError> for StreamEnd {
    fn from(error: FrameError) -> Self {
        if error.is_malformed() {
            tracing::debug!(%error, "a subscriber sent a malformed frame");
            return Self::Reason(End::Malformed);
        }
        Self::Broken(error)
    }
}

/// Serves one stream until it ends.
pub(super) async fn serve<S: EventStore, G: Grants>(
    service: Arc<Service<S, G>>,
    peer: PeerId,
    stream: Stream,
) {
    let (mut reader, mut writer) = stream.split();
    let end = match run(&service, peer, &mut reader, &mut writer).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    match end {
        StreamEnd::Reason(end) => {
            tracing::debug!(%peer, ?end, "ending a delivery");
            send_end(&mut writer, end).await;
        }
        StreamEnd::Broken(error) => tracing::debug!(%peer, %error, "a delivery failed"),
    }
}

/// Sends the reason and closes the stream. If the subscriber does not read it in time, the stream is dropped.
async fn send_end(writer: &mut WriteHalf<Stream>, end: End) {
    let send = async {
        framing::write(writer, &Frame::End(end)).await?;
        writer.close().await?;
        Ok::<_, FrameError>(())
    };
    if !matches!(timeout(SEND_END_TIMEOUT, send).await, Ok(Ok(()))) {
        tracing::debug!(?end, "the subscriber did not receive the last frame");
    }
}

async fn run<S: EventStore, G: Grants>(
    service: &Service<S, G>,
    peer: PeerId,
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
) -> Result<Infallible, StreamEnd> {
    let admission = admit(service, peer, reader, writer);
    let (request, account) =
        timeout(service.limits.handshake_timeout, admission).await.map_err(|_| End::Slow)??;
    let _slot: Slot<AccountId> = service.accounts.take(account).ok_or(End::Busy)?;
    let credit = CreditWindow::new(request.credit);
    let who = Reader { gateway: service.keys.account(), account, device: request.device };
    let mut sender = Sender::start(service, who, request, &credit).await?;
    tokio::select! {
        end = credit.collect(reader) => Err(end),
        end = sender.run(writer) => end,
    }
}

/// Runs the handshake. The gateway proves its account first, so a subscriber reveals its request only to the right
/// gateway.
async fn admit<S, G>(
    service: &Service<S, G>,
    peer: PeerId,
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
) -> Result<(Request, AccountId), StreamEnd> {
    let channel = Channel {
        genesis: service.genesis,
        protocol: service.protocol.clone(),
        gateway: service.id,
        subscriber: peer,
    };
    let hello = framing::read::<Hello>(reader).await?;
    let proof = channel.prove_gateway(&service.keys, &hello);
    let challenge = proof.challenge;
    framing::write(writer, &Frame::Proof(proof)).await?;
    let subscribe = framing::read::<Subscribe>(reader).await?;
    if !channel.verify_subscriber(&hello, &challenge, &subscribe) {
        return Err(End::Proof.into());
    }
    if u64::from(subscribe.request.credit) > MAX_CREDIT {
        return Err(End::Malformed.into());
    }
    Ok((subscribe.request, subscribe.account))
}
