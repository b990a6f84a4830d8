//! The weights of the calls. A runtime sets measured weights. `()` is for tests: 100 us for a call, and nothing for
//! storage.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// Opens a motion, votes on it, closes it, and makes the change.
    fn propose() -> Weight;
    /// Votes on a motion, closes it, and makes the change.
    fn vote() -> Weight;
    /// Removes a party, after reading the party of each validator.
    fn enact() -> Weight;
}

const CALL: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn propose() -> Weight {
        CALL
    }

    fn vote() -> Weight {
        CALL
    }

    fn enact() -> Weight {
        CALL
    }
}
