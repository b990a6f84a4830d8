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
use streembit_primitives::{AccountId, DeviceId};
use tokio::time::Instant;

/// Who reads which device at which gateway.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub gateway: AccountId,
    pub account: AccountId,
    pub device: DeviceId,
}

/// What a subscriber may read now, and what is needed to notice when that changes.
pub(super) struct RightsWatch<'a, G> {
    grants: &'a G,
    limits: &'a Limits,
    reader: Reader,
    /// The chain's last answer.
    access: DeviceAccess,
    /// What follows from it.
    rights: Rights,
    /// When the chain last answered.
    answered: Instant,
    /// When it was last asked.
    asked: Instant,
    /// Whether a block has come since, so that it is to be asked again.
    is_stale: bool,
    blocks: BlockStream,
}

impl<'a, G: Grants> RightsWatch<'a, G> {
    /// Asks the chain for the right to read, whatever else is known here: to a stranger every device looks alike.
    pub async fn start(grants: &'a G, limits: &'a Limits, reader: Reader) -> Result<Self, StreamEnd> {
        // Before the question, so that no block after the answer is missed.
        let blocks = grants.blocks();
        let access = grants.access(reader.device).await.map_err(|error| {
            tracing::warn!(%error, "cannot ask the chain for a subscriber's rights");
            End::Unavailable
        })?;
        let rights = access.rights(&reader.gateway, &reader.account, now_ms()).ok_or(End::NotGranted)?;
        let now = Instant::now();
        Ok(Self {
            grants,
            limits,
            reader,
            access,
            rights,
            answered: now,
            asked: now,
            is_stale: false,
            blocks,
        })
    }

    /// The readings that may be shown.
    pub fn names(&self) -> &NameFilter {
        &self.rights.names
    }

    /// Checks that the right to read still holds, and asks the chain again if it is time to.
    pub async fn ensure(&mut self) -> Result<(), StreamEnd> {
        if self.is_stale || self.asked.elapsed() >= self.limits.recheck {
            self.ask().await?;
        }
        if self.rights.until.is_some_and(|until| until <= now_ms()) {
            self.evaluate()?;
        }
        Ok(())
    }

    /// Asks the chain again. Rights outlive a chain that does not answer, but not for long.
    async fn ask(&mut self) -> Result<(), StreamEnd> {
        self.asked = Instant::now();
        match self.grants.access(self.reader.device).await {
            Ok(access) => {
                self.access = access;
                self.answered = Instant::now();
                self.is_stale = false;
                self.evaluate()
            }
            Err(error) if self.answered.elapsed() >= self.limits.unchecked => {
                tracing::warn!(%error, "ending a delivery: rights could not be checked for too long");
                Err(End::Unavailable.into())
            }
            Err(error) => {
                tracing::debug!(%error, "rights could not be checked, asking again soon");
                self.is_stale = false;
                Ok(())
            }
        }
    }

    /// Re-evaluates the rights from the current time and the chain's last answer.
    fn evaluate(&mut self) -> Result<(), StreamEnd> {
        let Reader { gateway, account, .. } = self.reader;
        self.rights = self.access.rights(&gateway, &account, now_ms()).ok_or(End::Expired)?;
        Ok(())
    }

    /// Waits for a block that has not been looked at. Never returns if nobody tells of blocks any more: the regular
    /// check remains.
    pub async fn next_block(&mut self) {
        if self.is_stale {
            return pending().await;
        }
        match self.blocks.next().await {
            Some(()) => self.is_stale = true,
            None => pending().await,
        }
    }

    /// When [`Self::ensure`] is to be called again at the latest.
    pub fn deadline(&self) -> Instant {
        let regular = self.asked + self.limits.recheck;
        self.rights.until.map_or(regular, |until| {
            let left = Duration::from_millis(until.saturating_sub(now_ms()));
            regular.min(Instant::now() + left.min(self.limits.recheck))
        })
    }
}
