//! The weights of `pallet_quotas`, measured in the compiled Wasm on AMD EPYC, 1000 times for each call.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_quotas::WeightInfo for WeightInfo<T> {
    fn spend_quota() -> Weight {
        on_pi(60_000_000)
            .saturating_add(T::DbWeight::get().reads(10))
            .saturating_add(T::DbWeight::get().writes(1))
    }
}
