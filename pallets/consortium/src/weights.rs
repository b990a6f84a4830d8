//! What the calls weigh.
//!
//! Set by hand until `benchmarking` has run on the slowest machine that is to validate; each weight is the sum of its parts:
//! - storage at the runtime's price per read and write;
//! - 2 ms for a signature, sr25519 or Ed25519. In the compiled Wasm on one core of the development machine, applying
//!   `add_gateway` takes 0.18 ms more than applying a `System.remark` (0.34 against 0.16 ms, medians of 40), and registering a
//!   device with an Ed25519 key 0.20 ms more; ten times that leaves room for a small board;
//! - 100 us for the rest of a call.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// One signature.
    fn add_gateway() -> Weight;
}

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl<T: frame_system::Config> WeightInfo for HandSet<T> {
    fn add_gateway() -> Weight {
        // Reads: both parties, the gateway, the genesis hash, the account. Writes: both directions, the account.
        SIGNATURE.saturating_add(REST).saturating_add(T::DbWeight::get().reads_writes(5, 3))
    }
}

impl WeightInfo for () {
    fn add_gateway() -> Weight {
        SIGNATURE.saturating_add(REST)
    }
}
