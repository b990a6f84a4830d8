//! The runtime API about anchored logs.

use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    LogId,
};

sp_api::decl_runtime_apis! {
    /// Anchored logs.
    pub trait AnchorsApi {
        /// Returns the latest anchor of a log.
        fn latest(log: LogId) -> Option<Anchor>;
        /// Returns the root of a log at one of its last anchored sizes, and when it was anchored.
        fn anchored_root(log: LogId, size: u64) -> Option<AnchoredRoot>;
    }
}
