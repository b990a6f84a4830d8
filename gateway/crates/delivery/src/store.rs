//! The events that a gateway serves.

use super::wire::Inclusion;
use streembit_primitives::{DeviceId, StoredEvent};
use tokio::sync::watch;

/// A log of events that can be served. Reads may wait for a disk: they are made on threads that may block.
///
/// The gateway's log implements it under the feature `log`.
pub trait EventStore: Clone + Send + Sync + 'static {
    /// Why the log cannot be read.
    type Error: std::error::Error + Send + 'static;

    /// The number of entries, as it grows.
    fn watch_size(&self) -> watch::Receiver<u64>;

    /// The sequence of a device's last event, or `None` if it has none.
    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, Self::Error>;

    /// Returns at most `limit` events of a device in order, beginning with the sequence `from`.
    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Self::Error>;

    /// Proves that an entry is under the last anchor, or returns `None` if it is newer.
    fn inclusion_under_anchor(&self, index: u64) -> Result<Option<Inclusion>, Self::Error>;
}
