//! What the calls weigh. Set by hand, in the manner of `pallet_consortium::weights`, which says why.
//!
//! A consistency proof is two BLAKE3 nodes a hash: 0.2 us each natively; 8 us a hash in Wasm on a small board.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// A consistency proof of so many hashes.
    fn anchor(hashes: u32) -> Weight;
}

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const HASH: Weight = Weight::from_parts(8_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl<T: frame_system::Config> WeightInfo for HandSet<T> {
    fn anchor(hashes: u32) -> Weight {
        // Reads: the gateway and its party, the latest anchor, the roots. Writes: the latter two.
        HASH.saturating_mul(hashes.into())
            .saturating_add(REST)
            .saturating_add(T::DbWeight::get().reads_writes(4, 2))
    }
}

impl WeightInfo for () {
    fn anchor(hashes: u32) -> Weight {
        HASH.saturating_mul(hashes.into()).saturating_add(REST)
    }
}
