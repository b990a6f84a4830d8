//! The flow control of a stream: the number of events that a subscriber is ready for.

use super::StreamEnd;
use crate::{
    framing,
    wire::{Credit, MAX_CREDIT},
};
use futures::{io::ReadHalf, AsyncRead};
use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// A subscriber's credit: the events it has requested and the events sent to it.
pub(super) struct CreditWindow {
    granted: AtomicU64,
    sent: AtomicU64,
    malformed: AtomicBool,
    changed: Notify,
}

impl CreditWindow {
    pub fn new(granted: u32) -> Self {
        Self {
            granted: u64::from(granted).into(),
            sent: 0.into(),
            malformed: false.into(),
            changed: Notify::new(),
        }
    }

    /// The number of events that may still be sent.
    pub fn left(&self) -> u64 {
        self.granted.load(Ordering::Acquire).saturating_sub(self.sent.load(Ordering::Acquire))
    }

    /// Counts a sent event.
    pub fn spend(&self) {
        self.sent.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns true if the subscriber sent something other than credit, or exceeded the maximum credit.
    pub fn is_malformed(&self) -> bool {
        self.malformed.load(Ordering::Acquire)
    }

    /// Waits until the subscriber has sent a frame.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Adds credit. Returns false if the maximum would be exceeded.
    fn add(&self, more: u32) -> bool {
        let is_allowed = self.left().saturating_add(u64::from(more)) <= MAX_CREDIT;
        if is_allowed {
            self.granted.fetch_add(u64::from(more), Ordering::AcqRel);
        }
        is_allowed
    }

    /// Reads credit frames until the stream ends. A malformed frame sets a flag, which the sender reports between two
    /// frames.
    pub async fn collect(&self, reader: &mut ReadHalf<impl AsyncRead + Unpin>) -> StreamEnd {
        loop {
            let is_valid = match framing::read::<Credit>(reader).await {
                Ok(Credit(more)) => self.add(more),
                Err(error) if error.is_malformed() => false,
                Err(error) => return StreamEnd::Broken(error),
            };
            self.malformed.fetch_or(!is_valid, Ordering::AcqRel);
            self.changed.notify_one();
            if !is_valid {
                return pending().await;
            }
        }
    }
}
