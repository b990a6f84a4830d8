//! The sending side of an accepted subscription.

use super::{
    credit::CreditWindow,
    rights::{Reader, RightsWatch},
    Service, StreamEnd,
};
use crate::{
    framing,
    grants::{Grants, NameFilter},
    store::EventStore,
    wire::{Content, Delivered, End, Frame, Request},
};
use futures::{io::WriteHalf, AsyncWrite};
use std::{convert::Infallible, io};
use streembit_primitives::{BoundedVec, StoredBody, StoredEvent};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout, Instant},
};

/// The number of events that are read from the log at once.
const BATCH: usize = 32;

/// Sends events as long as the subscriber may read them.
pub(super) struct Sender<'a, S, G> {
    service: &'a Service<S, G>,
    rights: RightsWatch<'a, G>,
    credit: &'a CreditWindow,
    request: Request,
    /// The sequence of the next event.
    next: u64,
    /// The time of the last frame.
    last_sent: Instant,
    idle_reason: IdleReason,
    /// The size of the log.
    size: watch::Receiver<u64>,
}

/// The reason why a sender is idle.
#[derive(Clone, Copy)]
enum IdleReason {
    /// There are no new events.
    NoEvents,
    /// The subscriber has no credit left; events have been waiting since this time.
    NoCredit(Instant),
}

impl<'a, S: EventStore, G: Grants> Sender<'a, S, G> {
    /// Checks the right to read, then that the cursor is not beyond the device's last event.
    pub async fn start(
        service: &'a Service<S, G>,
        reader: Reader,
        request: Request,
        credit: &'a CreditWindow,
    ) -> Result<Self, StreamEnd> {
        let rights = RightsWatch::start(&service.grants, &service.limits, reader).await?;
        let size = service.store.watch_size();
        let (store, device) = (service.store.clone(), request.device);
        let last = blocking(move || store.last_sequence(&device)).await?;
        if request.next > rights.next_sequence(last) {
            return Err(End::Ahead.into());
        }
        Ok(Self {
            service,
            rights,
            credit,
            next: request.next,
            request,
            last_sent: Instant::now(),
            idle_reason: IdleReason::NoEvents,
            size,
        })
    }

    pub async fn run(
        &mut self,
        writer: &mut WriteHalf<impl AsyncWrite + Unpin>,
    ) -> Result<Infallible, StreamEnd> {
        loop {
            self.ensure_allowed().await?;
            // Mark the size as seen before reading the log, so that a concurrent append still wakes us.
            self.size.borrow_and_update();
            if !self.send(writer).await? {
                self.wait(writer).await?;
            }
        }
    }

    /// Checks that the gateway is not shutting down, the subscriber sent nothing malformed, and its right to read
    /// still holds.
    async fn ensure_allowed(&mut self) -> Result<(), StreamEnd> {
        if self.service.shutdown.is_cancelled() {
            return Err(End::Stopping.into());
        }
        if self.credit.is_malformed() {
            return Err(End::Malformed.into());
        }
        self.rights.ensure().await
    }

    /// Sends the available events within the credit. Returns false if there are none or no credit is left.
    async fn send(&mut self, writer: &mut WriteHalf<impl AsyncWrite + Unpin>) -> Result<bool, StreamEnd> {
        let left = usize::try_from(self.credit.left()).unwrap_or(usize::MAX);
        // Read one event even without credit, to find out whether any is waiting.
        let events = self.read(left.clamp(1, BATCH)).await?;
        if left == 0 {
            self.blocked_on_credit(!events.is_empty());
            return Ok(false);
        }
        self.idle_reason = IdleReason::NoEvents;
        let has_events = !events.is_empty();
        for event in events {
            self.ensure_allowed().await?;
            let sequence = event.entry.event.header.sequence;
            self.next = sequence.saturating_add(1);
            // The record may have changed since the events were read.
            if !self.rights.counts_in(&self.service.store.log_id(), sequence) {
                continue;
            }
            let names = self.rights.names_at(event.entry.received).intersect(&self.request.names);
            let store = self.service.store.clone();
            let event = blocking(move || delivered(&store, event, &names)).await?;
            self.credit.spend();
            self.write(writer, &Frame::Event(Box::new(event))).await?;
        }
        Ok(has_events)
    }

    /// Records that no credit is left, and since when events have been waiting for it.
    fn blocked_on_credit(&mut self, has_events: bool) {
        self.idle_reason = match self.idle_reason {
            _ if !has_events => IdleReason::NoEvents,
            IdleReason::NoCredit(since) => IdleReason::NoCredit(since),
            IdleReason::NoEvents => IdleReason::NoCredit(Instant::now()),
        };
    }

    /// Reads the next events, at most `limit`, and skips those that do not count. Returns none if there are no more.
    async fn read(&mut self, limit: usize) -> Result<Vec<StoredEvent>, StreamEnd> {
        let log = self.service.store.log_id();
        loop {
            let (store, device, next) = (self.service.store.clone(), self.request.device, self.next);
            let mut events = blocking(move || store.device_events(&device, next, limit)).await?;
            let after = events.last().and_then(|last| last.entry.event.header.sequence.checked_add(1));
            events.retain(|event| self.rights.counts_in(&log, event.entry.event.header.sequence));
            match after {
                Some(after) if events.is_empty() => self.next = after,
                _ => return Ok(events),
            }
        }
    }

    async fn write(
        &mut self,
        writer: &mut WriteHalf<impl AsyncWrite + Unpin>,
        frame: &Frame,
    ) -> Result<(), StreamEnd> {
        let slow = self.service.limits.slow_timeout;
        match timeout(slow, framing::write(writer, frame)).await {
            Ok(written) => written?,
            Err(_) => return Err(StreamEnd::Broken(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
        self.last_sent = Instant::now();
        Ok(())
    }

    /// Waits until the next step may change, and sends a keep-alive frame if one is due.
    async fn wait(&mut self, writer: &mut WriteHalf<impl AsyncWrite + Unpin>) -> Result<(), StreamEnd> {
        let limits = &self.service.limits;
        if matches!(self.idle_reason, IdleReason::NoCredit(since) if since.elapsed() >= limits.slow_timeout) {
            return Err(End::Slow.into());
        }
        if self.last_sent.elapsed() >= limits.keep_alive_interval {
            self.write(writer, &Frame::Alive).await?;
        }
        let deadline = self.deadline();
        let wait_for_events = matches!(self.idle_reason, IdleReason::NoEvents);
        tokio::select! {
            change = self.size.changed(), if wait_for_events => change.map_err(|_| End::Stopping)?,
            () = self.rights.next_block() => {}
            () = self.credit.changed() => {}
            () = self.service.shutdown.cancelled() => {}
            () = sleep_until(deadline) => {}
        }
        Ok(())
    }

    /// The time of the next regular check.
    fn deadline(&self) -> Instant {
        let limits = &self.service.limits;
        let regular = self.rights.deadline().min(self.last_sent + limits.keep_alive_interval);
        match self.idle_reason {
            IdleReason::NoEvents => regular,
            IdleReason::NoCredit(since) => regular.min(since + limits.slow_timeout),
        }
    }
}

/// Reads the log on a thread that may block.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + 'static>(
    read: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, StreamEnd> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "cannot read the log for a subscriber");
        StreamEnd::Reason(End::Failed)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| failed(&error))?;
    read.map_err(|error| failed(&error))
}

/// Builds the delivered event with the parts that `names` admits.
fn delivered<S: EventStore>(
    store: &S,
    event: StoredEvent,
    names: &NameFilter,
) -> Result<Delivered, S::Error> {
    let content = match (event.body, names) {
        (StoredBody::Present(body), NameFilter::All) => Content::Body(body),
        (StoredBody::Present(body), names) => {
            let admitted = (0u32..).zip(&body.parts).filter(|(_, part)| names.admits(part));
            let parts = admitted.filter_map(|(index, _)| body.disclose(index)).collect::<Vec<_>>();
            Content::Disclosed(BoundedVec::truncate_from(parts))
        }
        (StoredBody::Erased { .. }, _) => Content::Erased,
        (StoredBody::Missing, _) => Content::Disclosed(Default::default()),
    };
    let anchored = store.inclusion_under_anchor(event.index)?;
    Ok(Delivered { index: event.index, entry: event.entry, content, anchored })
}
