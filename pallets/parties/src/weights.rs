//! The weights of the calls.
//!
//! A runtime sets measured weights. `()` is for tests: 2 ms for a signature, 100 us for the rest of a call, and nothing
//! for storage.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// One signature, and the check of the log key.
    fn add_gateway() -> Weight;
    /// Storage only.
    fn remove_gateway() -> Weight;
    /// Removes a party with all its accounts, after a look at the party of each validator.
    fn leave() -> Weight;
    /// One signature.
    fn add_account() -> Weight;
    /// Storage only.
    fn remove_account() -> Weight;
    /// Storage only.
    fn set_encryption_key() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn add_gateway() -> Weight {
        SIGNATURE.saturating_add(REST)
    }

    fn remove_gateway() -> Weight {
        REST
    }

    fn leave() -> Weight {
        REST
    }

    fn add_account() -> Weight {
        SIGNATURE.saturating_add(REST)
    }

    fn remove_account() -> Weight {
        REST
    }

    fn set_encryption_key() -> Weight {
        REST
    }
}
