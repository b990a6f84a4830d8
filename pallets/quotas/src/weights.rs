//! The weight of the extension. A runtime sets a measured weight; `()` is for tests.

use frame_support::weights::Weight;

/// The weight of the extension.
pub trait WeightInfo {
    /// The work that the extension adds to every transaction: it finds the payer, compares the cost with what is left, and
    /// spends it. A vote that is not free is the worst case.
    fn spend_quota() -> Weight;
}

impl WeightInfo for () {
    fn spend_quota() -> Weight {
        Weight::zero()
    }
}
