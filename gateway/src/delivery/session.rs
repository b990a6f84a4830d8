//! One stream as the gateway serves it: the handshake, then events for as long as the right to read lasts.
//!
//! One task reads and writes the stream. It must stay one: with Yamux, a writer and a reader of one stream in two tasks
//! overwrite each other's waker, and the stream stands still (libp2p/rust-yamux issue 232).

use super::{
    frame::{self, FrameError},
    grants::{Grants, Names, Rights, Standing},
    limits::Limits,
    proof::Channel,
    slots::{Slot, Slots},
    wire::{Content, Credit, Delivered, End, Frame, Hello, Inclusion, Request, Subscribe, MAX_CREDIT},
};
use crate::{
    chain::Finalized,
    clock::now_ms,
    keystore::KeyPair,
    log::{Log, LogError, StoredBody, StoredEvent},
};
use futures::{
    io::{ReadHalf, WriteHalf},
    AsyncReadExt as _, AsyncWriteExt as _,
};
use libp2p::{PeerId, Stream};
use std::{
    convert::Infallible,
    future::pending,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};
use streembit_primitives::{checkpoint::Anchor, AccountId};
use tokio::{
    sync::{watch, Notify},
    time::{sleep_until, timeout, Instant},
};
use tokio_util::sync::CancellationToken;

/// How many events are read from the log at once.
const BATCH: usize = 32;
/// Time to say the last word on a stream.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all streams share.
pub(super) struct Service<G> {
    pub genesis: streembit_primitives::Hash,
    pub protocol: String,
    pub id: PeerId,
    pub keys: KeyPair,
    pub log: Log,
    pub grants: G,
    pub limits: Limits,
    pub accounts: Slots<AccountId>,
    pub shutdown: CancellationToken,
}

/// Why a stream is over.
#[derive(Debug)]
enum Over {
    /// To be said to the subscriber.
    Say(End),
    /// The stream itself is broken; there is nobody to say it to.
    Broken(FrameError),
}

impl From<End> for Over {
    fn from(end: End) -> Self {
        Self::Say(end)
    }
}

impl From<FrameError> for Over {
    fn from(error: FrameError) -> Self {
        if error.is_malformed() {
            tracing::debug!(%error, "a subscriber's frame is not one of the protocol");
            return Self::Say(End::Malformed);
        }
        Self::Broken(error)
    }
}

/// Serves one stream to its end.
pub(super) async fn serve<G: Grants>(service: Arc<Service<G>>, peer: PeerId, stream: Stream) {
    let (mut reader, mut writer) = stream.split();
    let over = match run(&service, peer, &mut reader, &mut writer).await {
        Ok(never) => match never {},
        Err(over) => over,
    };
    match over {
        Over::Say(end) => {
            tracing::debug!(%peer, ?end, "ending a delivery");
            farewell(&mut writer, end).await;
        }
        Over::Broken(error) => tracing::debug!(%peer, %error, "a delivery broke off"),
    }
}

/// Says why, and closes. A subscriber that does not listen any more hears nothing: the stream is dropped either way.
async fn farewell(writer: &mut WriteHalf<Stream>, end: End) {
    let last = async {
        frame::write(writer, &Frame::End(end)).await?;
        writer.close().await?;
        Ok::<_, FrameError>(())
    };
    if !matches!(timeout(FAREWELL, last).await, Ok(Ok(()))) {
        tracing::debug!(?end, "the subscriber did not take the last word");
    }
}

async fn run<G: Grants>(
    service: &Service<G>,
    peer: PeerId,
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
) -> Result<Infallible, Over> {
    let admission = admit(service, peer, reader, writer);
    let (request, account) = timeout(service.limits.handshake, admission).await.map_err(|_| End::Slow)??;
    let _slot: Slot<AccountId> = service.accounts.take(account).ok_or(End::Busy)?;
    let credit = Arc::new(Purse::new(u64::from(request.credit)));
    let mut sender = Sender::start(service, account, request, credit.clone()).await?;
    tokio::select! {
        over = collect(reader, &credit) => Err(over),
        over = sender.run(writer) => over,
    }
}

/// The handshake: the gateway proves its account first, so that the subscriber names what it wants to nobody else.
async fn admit<G: Grants>(
    service: &Service<G>,
    peer: PeerId,
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
) -> Result<(Request, AccountId), Over> {
    let channel = Channel {
        genesis: service.genesis,
        protocol: service.protocol.clone(),
        gateway: service.id,
        subscriber: peer,
    };
    let hello = frame::read::<Hello>(reader).await?;
    let proof = channel.prove_gateway(&service.keys, &hello);
    let challenge = proof.challenge;
    frame::write(writer, &Frame::Proof(proof)).await?;
    let subscribe = frame::read::<Subscribe>(reader).await?;
    if !channel.check_subscriber(&hello, &challenge, &subscribe) {
        return Err(End::Proof.into());
    }
    if u64::from(subscribe.request.credit) > MAX_CREDIT {
        return Err(End::Malformed.into());
    }
    Ok((subscribe.request, subscribe.account))
}

/// The subscriber's credit: what it asked for, what it got.
struct Purse {
    asked: AtomicU64,
    sent: AtomicU64,
    malformed: AtomicBool,
    changed: Notify,
}

impl Purse {
    fn new(asked: u64) -> Self {
        Self { asked: asked.into(), sent: 0.into(), malformed: false.into(), changed: Notify::new() }
    }

    fn left(&self) -> u64 {
        self.asked.load(Ordering::Acquire).saturating_sub(self.sent.load(Ordering::Acquire))
    }

    fn spend(&self) {
        self.sent.fetch_add(1, Ordering::AcqRel);
    }

    /// Adds; `false` where more would be outstanding than may be.
    fn add(&self, more: u32) -> bool {
        let sound = self.left().saturating_add(u64::from(more)) <= MAX_CREDIT;
        if sound {
            self.asked.fetch_add(u64::from(more), Ordering::AcqRel);
        }
        sound
    }
}

/// Reads credit until the stream ends. What is no credit is noted, for the sender to say so between two frames.
async fn collect(reader: &mut ReadHalf<Stream>, purse: &Purse) -> Over {
    loop {
        let sound = match frame::read::<Credit>(reader).await {
            Ok(Credit(more)) => purse.add(more),
            Err(error) if error.is_malformed() => false,
            Err(error) => return Over::Broken(error),
        };
        purse.malformed.fetch_or(!sound, Ordering::AcqRel);
        purse.changed.notify_one();
        if !sound {
            return pending().await;
        }
    }
}

/// The sending side of an admitted subscription.
struct Sender<'a, G> {
    service: &'a Service<G>,
    account: AccountId,
    request: Request,
    purse: Arc<Purse>,
    standing: Standing,
    rights: Rights,
    /// When the chain last answered.
    checked: Instant,
    /// Whether it is to be asked again.
    stale: bool,
    asked: Instant,
    next: u64,
    /// When a frame was last sent.
    spoke: Instant,
    /// Since when events wait for credit.
    starving: Option<Instant>,
    grown: watch::Receiver<u64>,
    blocks: watch::Receiver<Finalized>,
}

impl<'a, G: Grants> Sender<'a, G> {
    /// Asks the chain for the right to read, whatever else is known here: to a stranger every device looks alike.
    async fn start(
        service: &'a Service<G>,
        account: AccountId,
        request: Request,
        purse: Arc<Purse>,
    ) -> Result<Self, Over> {
        let blocks = service.grants.changes();
        let standing = service.grants.standing(request.device).await.map_err(|error| {
            tracing::warn!(%error, "cannot ask the chain for a subscriber's rights");
            End::Unavailable
        })?;
        let now = Instant::now();
        let rights = standing.rights(&service.keys.account(), &account, now_ms()).ok_or(End::NotGranted)?;
        let grown = service.log.changes();
        let (log, device) = (service.log.clone(), request.device);
        let head = blocking(move || log.head(&device)).await?;
        if request.next > head.map_or(0, |head| head.sequence.saturating_add(1)) {
            return Err(End::Ahead.into());
        }
        Ok(Self {
            service,
            account,
            purse,
            standing,
            rights,
            checked: now,
            stale: false,
            asked: now,
            next: request.next,
            request,
            spoke: now,
            starving: None,
            grown,
            blocks,
        })
    }

    async fn run(&mut self, writer: &mut WriteHalf<Stream>) -> Result<Infallible, Over> {
        loop {
            self.check().await?;
            // Marked before the log is read, so that what is appended meanwhile is not slept over.
            self.grown.borrow_and_update();
            if !self.send(writer).await? {
                self.wait(writer).await?;
            }
        }
    }

    /// Whether to go on: not stopping, understood, and still granted.
    async fn check(&mut self) -> Result<(), Over> {
        if self.service.shutdown.is_cancelled() {
            return Err(End::Stopping.into());
        }
        if self.purse.malformed.load(Ordering::Acquire) {
            return Err(End::Malformed.into());
        }
        if self.stale || self.asked.elapsed() >= self.service.limits.recheck {
            self.ask().await?;
        }
        if self.rights.until.is_some_and(|until| until <= now_ms()) {
            self.judge()?;
        }
        Ok(())
    }

    /// Asks the chain anew. Rights outlive a chain that does not answer, but not for long.
    async fn ask(&mut self) -> Result<(), Over> {
        self.asked = Instant::now();
        match self.service.grants.standing(self.request.device).await {
            Ok(standing) => {
                self.standing = standing;
                self.checked = Instant::now();
                self.stale = false;
                self.judge()
            }
            Err(error) if self.checked.elapsed() >= self.service.limits.unchecked => {
                tracing::warn!(%error, "ending a delivery: rights could not be checked for too long");
                Err(End::Unavailable.into())
            }
            Err(error) => {
                tracing::debug!(%error, "rights could not be checked, asking again soon");
                self.stale = false;
                Ok(())
            }
        }
    }

    /// Draws the consequences of the time, and of what the chain said last.
    fn judge(&mut self) -> Result<(), Over> {
        let gateway = self.service.keys.account();
        self.rights = self.standing.rights(&gateway, &self.account, now_ms()).ok_or(End::Expired)?;
        Ok(())
    }

    /// Sends what is there and may be sent; `false` where that was nothing.
    async fn send(&mut self, writer: &mut WriteHalf<Stream>) -> Result<bool, Over> {
        let left = usize::try_from(self.purse.left()).unwrap_or(usize::MAX);
        // One is read even without credit: to know whether anything waits for it.
        let events = self.read(left.clamp(1, BATCH)).await?;
        if left == 0 {
            self.starve(!events.is_empty());
            return Ok(false);
        }
        self.starving = None;
        let sent = !events.is_empty();
        for event in events {
            self.check().await?;
            let names = self.rights.names.clone().narrowed(&self.request.names);
            self.next = event.entry.event.header.sequence.saturating_add(1);
            let log = self.service.log.clone();
            let event = blocking(move || deliver(&log, event, &names)).await?;
            self.purse.spend();
            self.write(writer, &Frame::Event(Box::new(event))).await?;
        }
        Ok(sent)
    }

    fn starve(&mut self, waiting: bool) {
        self.starving = if waiting { self.starving.or_else(|| Some(Instant::now())) } else { None };
    }

    async fn read(&self, limit: usize) -> Result<Vec<StoredEvent>, Over> {
        let (log, device, next) = (self.service.log.clone(), self.request.device, self.next);
        blocking(move || log.device_events(&device, next, limit)).await
    }

    async fn write(&mut self, writer: &mut WriteHalf<Stream>, frame: &Frame) -> Result<(), Over> {
        let slow = self.service.limits.slow;
        match timeout(slow, frame::write(writer, frame)).await {
            Ok(written) => written?,
            Err(_) => return Err(Over::Broken(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
        }
        self.spoke = Instant::now();
        Ok(())
    }

    /// Waits for anything that can change what is to be done, and says that the stream lives.
    async fn wait(&mut self, writer: &mut WriteHalf<Stream>) -> Result<(), Over> {
        if self.starving.is_some_and(|since| since.elapsed() >= self.service.limits.slow) {
            return Err(End::Slow.into());
        }
        if self.spoke.elapsed() >= self.service.limits.alive {
            self.write(writer, &Frame::Alive).await?;
        }
        let deadline = self.deadline();
        let starving = self.starving.is_some();
        tokio::select! {
            grown = self.grown.changed(), if !starving => grown.map_err(|_| End::Stopping)?,
            changed = self.blocks.changed(), if !self.stale => match changed {
                Ok(()) => self.stale = true,
                // Nobody will tell of blocks any more: the regular check is what is left.
                Err(_) => sleep_until(deadline).await,
            },
            () = self.purse.changed.notified() => {}
            () = self.service.shutdown.cancelled() => {}
            () = sleep_until(deadline) => {}
        }
        Ok(())
    }

    /// When to look again at the latest.
    fn deadline(&self) -> Instant {
        let limits = &self.service.limits;
        let regular = (self.spoke + limits.alive).min(self.asked + limits.recheck);
        let until = self.rights.until.map(|until| {
            Instant::now() + Duration::from_millis(until.saturating_sub(now_ms())).min(limits.recheck)
        });
        let slow = self.starving.map(|since| since + limits.slow);
        [until, slow].into_iter().flatten().fold(regular, Instant::min)
    }
}

/// Reads the log where waiting for a disk holds up nobody.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, Over> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "reading the log for a subscriber");
        Over::Say(End::Failed)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| failed(&error))?;
    read.map_err(|error| failed(&error))
}

/// An event as somebody may see it who may read these names.
fn deliver(log: &Log, event: StoredEvent, names: &Names) -> Result<Delivered, LogError> {
    let content = match (event.body, names) {
        (StoredBody::Present(body), Names::All) => Content::Body(body),
        (StoredBody::Present(body), names) => {
            let shown = (0u32..).zip(&body.parts).filter(|(_, part)| names.admits(part));
            let parts = shown.filter_map(|(index, _)| body.disclose(index)).collect::<Vec<_>>();
            Content::Disclosed(streembit_primitives::BoundedVec::truncate_from(parts))
        }
        (StoredBody::Erased { .. }, _) => Content::Erased,
        (StoredBody::Missing, _) => Content::Disclosed(Default::default()),
    };
    let anchored = match log.last_anchor()? {
        Some(Anchor { checkpoint, .. }) if event.index < checkpoint.size => Some(Inclusion {
            log: checkpoint.log,
            size: checkpoint.size,
            proof: log.inclusion(event.index, checkpoint.size)?,
        }),
        _ => None,
    };
    Ok(Delivered { index: event.index, entry: event.entry, content, anchored })
}
