//! Keeps a subscriber's right to read up to date.

use super::StreamEnd;
use crate::{
    grants::{BlockStream, DeviceAccess, Grants, NameFilter, Rights},
    limits::Limits,
    wire::End,
};
use futures::StreamExt as _;
use std::{future::pending, time::Duration};
use streembit_clock::now_ms;
use streembit_primitives::{AccountId, DeviceId, LogId};
use tokio::time::Instant;

/// The account that reads a device at a gateway.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub gateway: AccountId,
    pub account: AccountId,
    pub device: DeviceId,
}

/// A subscriber's rights and the data to detect a change.
pub(super) struct RightsWatch<'a, G> {
    grants: &'a G,
    limits: &'a Limits,
    reader: Reader,
    /// The state last read from the chain.
    access: DeviceAccess,
    /// The rights that follow from it.
    rights: Rights,
    /// The time of the last successful read.
    last_success: Instant,
    /// The time of the last attempt to read.
    last_attempt: Instant,
    /// Whether a block has arrived since the last attempt.
    is_stale: bool,
    blocks: BlockStream,
}

impl<'a, G: Grants> RightsWatch<'a, G> {
    /// Reads the subscriber's rights from the chain, before any local check: all devices look alike to an account
    /// without rights.
    pub async fn start(grants: &'a G, limits: &'a Limits, reader: Reader) -> Result<Self, StreamEnd> {
        // Subscribe before reading, so that no block after the read is missed.
        let blocks = grants.blocks();
        let access = grants.access(reader.device, reader.account).await.map_err(|error| {
            tracing::warn!(%error, "cannot read a subscriber's rights from the chain");
            End::Unavailable
        })?;
        let rights = access.rights(&reader.gateway, now_ms()).ok_or(End::NotGranted)?;
        let now = Instant::now();
        Ok(Self {
            grants,
            limits,
            reader,
            access,
            rights,
            last_success: now,
            last_attempt: now,
            is_stale: false,
            blocks,
        })
    }

    /// The readings that may be shown of an event that the gateway received at this time.
    pub fn names_at(&self, received: u64) -> NameFilter {
        if received < self.rights.since {
            return NameFilter::Only(Default::default());
        }
        self.rights.names.clone()
    }

    /// The sequence that the device's next event in the log can have after its last one there.
    pub fn next_sequence(&self, last: Option<u64>) -> u64 {
        let next = last.map_or(0, |last| last.saturating_add(1));
        self.access
            .record
            .as_ref()
            .map_or(next, |record| record.next_in_log(&record.log(), next).unwrap_or(next))
    }

    /// Returns true if an event with this sequence counts in a log. An event that is declared lost or belongs to another
    /// log proves nothing, even if the log has it.
    pub fn counts_in(&self, log: &LogId, sequence: u64) -> bool {
        let record = self.access.record.as_ref();
        record.is_none_or(|record| !record.is_lost(sequence) && record.log_at(sequence).log == *log)
    }

    /// Returns an error if the subscriber may no longer read. Reads the chain again if it is time.
    pub async fn ensure(&mut self) -> Result<(), StreamEnd> {
        if self.is_stale || self.last_attempt.elapsed() >= self.limits.recheck_interval {
            self.refresh().await?;
        }
        if self.rights.until.is_some_and(|until| until <= now_ms()) {
            self.evaluate()?;
        }
        Ok(())
    }

    /// Reads the chain again. If that fails, the last state stays valid for a limited time.
    async fn refresh(&mut self) -> Result<(), StreamEnd> {
        self.last_attempt = Instant::now();
        match self.grants.access(self.reader.device, self.reader.account).await {
            Ok(access) => {
                self.access = access;
                self.last_success = Instant::now();
                self.is_stale = false;
                self.evaluate()
            }
            Err(error) if self.last_success.elapsed() >= self.limits.max_unchecked => {
                tracing::warn!(%error, "ending a delivery: its rights could not be checked for too long");
                Err(End::Unavailable.into())
            }
            Err(error) => {
                tracing::debug!(%error, "cannot read a subscriber's rights from the chain; retrying");
                self.is_stale = false;
                Ok(())
            }
        }
    }

    /// Evaluates the rights from the current time and the last state.
    fn evaluate(&mut self) -> Result<(), StreamEnd> {
        self.rights = self.access.rights(&self.reader.gateway, now_ms()).ok_or(End::Expired)?;
        Ok(())
    }

    /// Waits for a new block. Never returns after the stream of blocks has ended; the regular checks continue.
    pub async fn next_block(&mut self) {
        if self.is_stale {
            return pending().await;
        }
        match self.blocks.next().await {
            Some(()) => self.is_stale = true,
            None => pending().await,
        }
    }

    /// The latest time at which [`Self::ensure`] must be called again.
    pub fn deadline(&self) -> Instant {
        let regular = self.last_attempt + self.limits.recheck_interval;
        self.rights.until.map_or(regular, |until| {
            let left = Duration::from_millis(until.saturating_sub(now_ms()));
            regular.min(Instant::now() + left.min(self.limits.recheck_interval))
        })
    }
}
