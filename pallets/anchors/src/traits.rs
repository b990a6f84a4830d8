//! How other pallets depend on this one.

use crate::{Config, Pallet};
use streembit_primitives::{AccountId, Checkpoint, LogId};

/// Tells which logs are open, and how far they are anchored.
pub trait LogLookup {
    /// Returns the log that a gateway writes now, or `None` if its last log is closed. The caller checks that the account
    /// is a gateway.
    fn open_log(gateway: &AccountId) -> Option<LogId>;

    /// Returns the checkpoint of the latest anchor of a log, or `None` if it has no anchor.
    fn latest_checkpoint(log: &LogId) -> Option<Checkpoint>;
}

impl<T: Config> LogLookup for Pallet<T> {
    fn open_log(gateway: &AccountId) -> Option<LogId> {
        Self::epoch(gateway).log(*gateway)
    }

    fn latest_checkpoint(log: &LogId) -> Option<Checkpoint> {
        Self::latest(log).map(|anchor| anchor.checkpoint)
    }
}
