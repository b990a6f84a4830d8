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
        on_pi(1_110_000_000)
            .saturating_add(T::DbWeight::get().reads(433))
            .saturating_add(T::DbWeight::get().writes(33))
    }

    fn vote() -> Weight {
        on_pi(980_000_000)
            .saturating_add(T::DbWeight::get().reads(430))
            .saturating_add(T::DbWeight::get().writes(28))
    }

    fn enact() -> Weight {
        on_pi(930_000_000)
            .saturating_add(T::DbWeight::get().reads(425))
            .saturating_add(T::DbWeight::get().writes(24))
    }

    fn propose_members() -> Weight {
        on_pi(480_000_000)
            .saturating_add(T::DbWeight::get().reads(108))
            .saturating_add(T::DbWeight::get().writes(12))
    }

    fn enact_members() -> Weight {
        on_pi(1_200_000_000)
            .saturating_add(T::DbWeight::get().reads(129))
            .saturating_add(T::DbWeight::get().writes(33))
    }
}
