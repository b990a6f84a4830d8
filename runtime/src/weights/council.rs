//! The weights of `pallet_council`, measured in the compiled Wasm on AMD EPYC, 1000 times for each call.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_council::WeightInfo for WeightInfo<T> {
    fn propose() -> Weight {
        on_pi(562_317_000)
            .saturating_add(T::DbWeight::get().reads(103))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn vote() -> Weight {
        on_pi(490_860_000)
            .saturating_add(T::DbWeight::get().reads(103))
            .saturating_add(T::DbWeight::get().writes(8))
    }

    fn enact() -> Weight {
        on_pi(464_020_000)
            .saturating_add(T::DbWeight::get().reads(100))
            .saturating_add(T::DbWeight::get().writes(5))
    }
}
