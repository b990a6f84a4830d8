//! Serves events from the gateway's log.

use super::{wire::Inclusion, EventStore};
use streembit_log::{Log, ReadError};
use streembit_primitives::{checkpoint::Anchor, DeviceId, LogId, StoredEvent};
use tokio::sync::watch;

impl EventStore for Log {
    type Error = ReadError;

    fn log_id(&self) -> LogId {
        self.id()
    }

    fn watch_size(&self) -> watch::Receiver<u64> {
        Log::watch_size(self)
    }

    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, ReadError> {
        Ok(self.head(device)?.map(|head| head.sequence))
    }

    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.reader().device_events(device, from, limit)
    }

    fn inclusion_under_anchor(&self, index: u64) -> Result<Option<Inclusion>, ReadError> {
        match self.last_anchor()? {
            Some(Anchor { checkpoint, .. }) if index < checkpoint.size => Ok(Some(Inclusion {
                log: checkpoint.log,
                size: checkpoint.size,
                proof: self.reader().prove_inclusion(index, checkpoint.size)?,
            })),
            _ => Ok(None),
        }
    }
}
