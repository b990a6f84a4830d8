//! What the calls weigh. Set by hand, in the manner of `pallet_consortium::weights`, which says why.
//!
//! A consistency proof of 64 hashes is two BLAKE3 nodes a hash: 128 nodes of 0.2 us each natively, 30 us; 500 us in Wasm on a
//! small board.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// The longest consistency proof.
    fn anchor() -> Weight;
}

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const PROOF: Weight = Weight::from_parts(500_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl<T: frame_system::Config> WeightInfo for HandSet<T> {
    fn anchor() -> Weight {
        // Reads: the gateway, the latest anchor, the roots. Writes: the latter two.
        PROOF.saturating_add(REST).saturating_add(T::DbWeight::get().reads_writes(3, 2))
    }
}

impl WeightInfo for () {
    fn anchor() -> Weight {
        PROOF.saturating_add(REST)
    }
}
