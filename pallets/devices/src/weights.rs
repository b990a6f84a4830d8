//! What the calls weigh. A runtime brings what was measured for it; `()` is for tests, as in `pallet_parties::weights`.

use frame_support::weights::Weight;

/// What the calls weigh.
pub trait WeightInfo {
    /// One signature, one hash.
    fn register() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn register() -> Weight {
        SIGNATURE.saturating_add(REST)
    }
}
