//! Keeps a subscriber's right to read up to date.

use super::StreamEnd;
use crate::{
    grants::{BlockStream, DeviceAccess, Grants, NameFilter, Rights},
    limits::Limits,
    wire::End,
};
use futures::{FutureExt as _, StreamExt as _};
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
        // A stream that always has events to send never waits in `next_block`, so look for a new block here.
        if !self.is_stale && matches!(self.blocks.next().now_or_never(), Some(Some(()))) {
            self.is_stale = true;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{change_stream, ChainUnavailableError};
    use std::sync::Mutex;
    use streembit_primitives::{
        contract::{
            state::{Grant, Right},
            ContractId, ReadingSelection,
        },
        device::{ChangeTime, DeviceRecord},
        party::{AccountRole, Role},
        DeviceKey, Hash, PartyId, PublicKey, Scope,
    };
    use tokio::sync::watch;

    const GATEWAY: AccountId = AccountId([1; 32]);
    const READER: AccountId = AccountId([3; 32]);
    const OWNER: PartyId = PartyId([2; 32]);

    /// A chain whose answer a test changes.
    struct ChangingChain {
        access: Mutex<DeviceAccess>,
        blocks: watch::Sender<u32>,
    }

    #[async_trait::async_trait]
    impl Grants for ChangingChain {
        fn genesis(&self) -> Hash {
            Hash::ZERO
        }

        async fn access(&self, _: DeviceId, _: AccountId) -> Result<DeviceAccess, ChainUnavailableError> {
            Ok(self.access.lock().unwrap().clone())
        }

        fn blocks(&self) -> BlockStream {
            change_stream(self.blocks.subscribe())
        }
    }

    impl ChangingChain {
        /// A chain on which the party of [`READER`] may read a device of [`OWNER`].
        fn new() -> (Self, Reader) {
            let key = DeviceKey::Own(PublicKey::Sr25519([4; 32]));
            let device = key.device_id();
            let party = PartyId::of_first_account(&READER);
            let record =
                DeviceRecord::new(key, OWNER, LogId::first(GATEWAY), ChangeTime { block: 1, time: 1 });
            let grant = Grant {
                contract: ContractId([5; 32]),
                clause: 1,
                device,
                grantor: OWNER,
                grantee: party,
                right: Right::Read(ReadingSelection::All),
                until: u64::MAX,
            };
            let role = Role::Account { scope: Scope::All, until: None };
            let access = DeviceAccess {
                reader: Some(AccountRole { party, role }),
                record: Some(record),
                grants: vec![grant],
                time: 1,
            };
            let chain = Self { access: Mutex::new(access), blocks: watch::Sender::new(1) };
            (chain, Reader { gateway: GATEWAY, account: READER, device })
        }

        /// Finalizes a block with a change.
        fn change(&self, change: impl FnOnce(&mut DeviceAccess)) {
            change(&mut self.access.lock().unwrap());
            self.blocks.send_modify(|block| *block += 1);
        }
    }

    #[tokio::test]
    async fn a_busy_stream_ends_with_the_block_that_removes_the_reader_or_the_owner() {
        // The chain does not list grants of a party that left, neither those that it gave nor those that it got.
        type Change = fn(&mut DeviceAccess);
        let removals: [Change; 2] = [|access| access.reader = None, |access| access.grants.clear()];
        for removal in removals {
            let (chain, reader) = ChangingChain::new();
            let limits = Limits { recheck_interval: Duration::from_secs(3_600), ..Limits::default() };
            let mut rights = RightsWatch::start(&chain, &limits, reader).await.unwrap();
            rights.ensure().await.unwrap();
            chain.change(removal);
            // The stream only sends: it never waits for a block.
            let end = rights.ensure().await.unwrap_err();
            assert!(matches!(end, StreamEnd::Reason(End::Expired)), "{end:?}");
        }
    }
}
