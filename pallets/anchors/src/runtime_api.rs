//! What the chain answers about logs.

use streembit_primitives::{checkpoint::Anchor, Hash, LogId};

sp_api::decl_runtime_apis! {
    /// Anchored logs.
    pub trait AnchorsApi {
        /// The latest anchor of a log.
        fn latest(log: LogId) -> Option<Anchor>;
        /// The root of a log at one of its last anchored sizes.
        fn anchored_root(log: LogId, size: u64) -> Option<Hash>;
    }
}
