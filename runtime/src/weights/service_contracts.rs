//! The weights of `pallet_service_contracts`, measured in the compiled Wasm on AMD EPYC, 1000 times for each call.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_service_contracts::WeightInfo for WeightInfo<T> {
    fn propose(p: u32, d: u32, c: u32) -> Weight {
        on_pi(111_500_516)
            .saturating_add(on_pi(4_778_833).saturating_mul(p.into()))
            .saturating_add(on_pi(2_854_250).saturating_mul(d.into()))
            .saturating_add(on_pi(14_603_328).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(d.into()))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
    }

    fn accept() -> Weight {
        on_pi(261_900_000)
            .saturating_add(T::DbWeight::get().reads(37))
            .saturating_add(T::DbWeight::get().writes(18))
    }

    fn report() -> Weight {
        on_pi(412_624_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn record() -> Weight {
        on_pi(338_764_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn confirm() -> Weight {
        on_pi(106_609_000)
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}
