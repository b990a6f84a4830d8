//! What the calls weigh. Set by hand, from the same parts as those of `pallet_consortium::weights`, which says why.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// One signature, one hash.
    fn register() -> Weight;
}

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl<T: frame_system::Config> WeightInfo for HandSet<T> {
    fn register() -> Weight {
        // Reads: the party, the gateway, the device, the genesis hash. Writes: the device and both indices.
        SIGNATURE.saturating_add(REST).saturating_add(T::DbWeight::get().reads_writes(4, 3))
    }
}

impl WeightInfo for () {
    fn register() -> Weight {
        SIGNATURE.saturating_add(REST)
    }
}
