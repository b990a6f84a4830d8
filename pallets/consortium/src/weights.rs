//! What the calls weigh.
//!
//! Set by hand until `benchmarking` has run on the slowest machine that is to validate; each weight is the sum of its parts:
//! - storage at the runtime's price per read and write;
//! - 2 ms for a signature, sr25519 or Ed25519. On the development machine's one core schnorrkel verifies in 32 us natively
//!   and the compiled Wasm, without SIMD, takes several times that; a small board's core is several times slower again;
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
