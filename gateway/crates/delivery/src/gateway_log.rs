//! Serves events from the gateway's log.

use super::{wire::Inclusion, EventStore};
use streembit_log::{Log, LogError};
use streembit_primitives::{checkpoint::Anchor, DeviceId, StoredEvent};
use tokio::sync::watch;

impl EventStore for Log {
    type Error = LogError;

    fn watch_size(&self) -> watch::Receiver<u64> {
        self.changes()
    }

    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, LogError> {
        Ok(self.head(device)?.map(|head| head.sequence))
    }

    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, LogError> {
        self.reader().device_events(device, from, limit)
    }

    fn inclusion_under_anchor(&self, index: u64) -> Result<Option<Inclusion>, LogError> {
        match self.last_anchor()? {
            Some(Anchor { checkpoint, .. }) if index < checkpoint.size => Ok(Some(Inclusion {
                log: checkpoint.log,
                size: checkpoint.size,
                proof: self.reader().inclusion(index, checkpoint.size)?,
            })),
            _ => Ok(None),
        }
    }
}
