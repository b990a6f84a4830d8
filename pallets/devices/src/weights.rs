//! The weights of the calls. A runtime sets measured weights; `()` is for tests.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// Checks one signature and computes one hash.
    fn register() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn register() -> Weight {
        SIGNATURE.saturating_add(REST)
    }
}
