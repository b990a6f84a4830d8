//! The weights of `pallet_parties`, measured in the compiled Wasm on AMD EPYC, 1000 times for each call.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_parties::WeightInfo for WeightInfo<T> {
    fn add_gateway() -> Weight {
        on_pi(190_694_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn remove_gateway() -> Weight {
        on_pi(30_455_000)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn leave() -> Weight {
        on_pi(426_685_000)
            .saturating_add(T::DbWeight::get().reads(100))
            .saturating_add(T::DbWeight::get().writes(5))
    }
}
