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
        on_pi(230_000_000)
            .saturating_add(T::DbWeight::get().reads(10))
            .saturating_add(T::DbWeight::get().writes(6))
    }

    fn remove_gateway() -> Weight {
        on_pi(60_000_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn leave() -> Weight {
        on_pi(900_000_000)
            .saturating_add(T::DbWeight::get().reads(425))
            .saturating_add(T::DbWeight::get().writes(24))
    }

    fn add_account() -> Weight {
        on_pi(240_000_000)
            .saturating_add(T::DbWeight::get().reads(10))
            .saturating_add(T::DbWeight::get().writes(7))
    }

    fn remove_account() -> Weight {
        on_pi(60_000_000)
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn set_encryption_key() -> Weight {
        on_pi(40_000_000)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}
