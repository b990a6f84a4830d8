//! The store of events that a gateway serves.

use super::wire::Inclusion;
use streembit_primitives::{DeviceId, LogId, StoredEvent};
use tokio::sync::watch;

/// A log of events that can be served. The read methods may block on a disk, so they are called on blocking threads.
///
/// With the feature `log`, the gateway's log implements this trait.
pub trait EventStore: Clone + Send + Sync + 'static {
    /// The error of a failed read.
    type Error: std::error::Error + Send + 'static;

    /// Returns the id of the log.
    fn log_id(&self) -> LogId;

    /// Watches the number of entries.
    fn watch_size(&self) -> watch::Receiver<u64>;

    /// Returns the sequence of a device's last event, or `None` if it has none.
    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, Self::Error>;

    /// Returns at most `limit` events of a device in order, beginning with the sequence `from`.
    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Self::Error>;

    /// Proves that the last anchor includes an entry. Returns `None` if the entry is newer than the anchor.
    fn inclusion_under_anchor(&self, index: u64) -> Result<Option<Inclusion>, Self::Error>;
}
