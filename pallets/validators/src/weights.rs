//! The weights of the calls.
//!
//! A runtime sets measured weights. `()` is for tests: 2 ms for a signature, 100 us for the rest of a call, and nothing
//! for storage.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// Removes a validator.
    fn leave() -> Weight;
    /// Decides whether the session ends, with this number of validators.
    fn on_initialize(validators: u32) -> Weight;
    /// Four signatures, because the proof is also checked before the report is taken, and the removal of a validator.
    fn report_votes() -> Weight;
    /// Like `report_votes`, and the parents of both blocks.
    fn report_blocks() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn leave() -> Weight {
        REST
    }

    fn on_initialize(_: u32) -> Weight {
        Weight::zero()
    }

    fn report_votes() -> Weight {
        SIGNATURE
    }

    fn report_blocks() -> Weight {
        SIGNATURE
    }
}
