//! The runtime API about anchored logs.

use alloc::vec::Vec;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    AccountId, LogId,
};

sp_api::decl_runtime_apis! {
    /// Anchored logs.
    pub trait AnchorsApi {
        /// Returns the latest anchor of a log.
        fn latest(log: LogId) -> Option<Anchor>;
        /// Returns the root of a log at one of its last anchored sizes, and when it was anchored.
        fn anchored_root(log: LogId, size: u64) -> Option<AnchoredRoot>;
        /// Returns the last anchored roots of a log, oldest first, and when each was anchored.
        fn anchored_roots(log: LogId) -> Vec<AnchoredRoot>;
        /// Returns the log that a gateway writes now, or wrote last. It is the open epoch 0 for a gateway that has never
        /// closed a log, and for any other account.
        fn epoch(gateway: AccountId) -> EpochState;
    }
}
