//! The weights of the calls. A runtime sets measured weights; `()` is for tests, with 8 us for a hash of a proof.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// A consistency proof with this number of hashes.
    fn anchor(hashes: u32) -> Weight;
    /// Reads and writes the state of the gateway.
    fn close_epoch() -> Weight;
    /// Reads and writes the state of the gateway.
    fn open_epoch() -> Weight;
}

const HASH: Weight = Weight::from_parts(8_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn anchor(hashes: u32) -> Weight {
        HASH.saturating_mul(hashes.into()).saturating_add(REST)
    }

    fn close_epoch() -> Weight {
        REST
    }

    fn open_epoch() -> Weight {
        REST
    }
}
