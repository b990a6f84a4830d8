//! The weights of `pallet_devices`, measured in the compiled Wasm on AMD EPYC, 1000 times for each call.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_devices::WeightInfo for WeightInfo<T> {
    fn register() -> Weight {
        on_pi(700_000_000)
            .saturating_add(T::DbWeight::get().reads(15))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn rotate_key() -> Weight {
        on_pi(1_400_000_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(2))
    }

    fn recover_key() -> Weight {
        on_pi(1_000_000_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(2))
    }

    fn reassign() -> Weight {
        on_pi(900_000_000)
            .saturating_add(T::DbWeight::get().reads(14))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn declare_lost() -> Weight {
        on_pi(600_000_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn transfer() -> Weight {
        on_pi(100_000_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn accept() -> Weight {
        on_pi(150_000_000)
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().writes(7))
    }

    fn set_state() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}
