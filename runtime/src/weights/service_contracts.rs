//! The weights of `pallet_service_contracts`, estimated and not yet measured.
//!
//! `streembit-node benchmark` writes this file. Do not edit it.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// The weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_service_contracts::WeightInfo for WeightInfo<T> {
    fn propose(p: u32, d: u32, c: u32) -> Weight {
        on_pi(120_000_000)
            .saturating_add(on_pi(5_000_000).saturating_mul(p.into()))
            .saturating_add(on_pi(3_000_000).saturating_mul(d.into()))
            .saturating_add(on_pi(15_000_000).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(d.into()))
            .saturating_add(T::DbWeight::get().writes(6))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(c.into()))
    }

    fn accept() -> Weight {
        on_pi(700_000_000)
            .saturating_add(T::DbWeight::get().reads(175))
            .saturating_add(T::DbWeight::get().writes(150))
    }

    fn reject() -> Weight {
        on_pi(150_000_000)
            .saturating_add(T::DbWeight::get().reads(55))
            .saturating_add(T::DbWeight::get().writes(45))
    }

    fn amend() -> Weight {
        on_pi(600_000_000)
            .saturating_add(T::DbWeight::get().reads(140))
            .saturating_add(T::DbWeight::get().writes(40))
    }

    fn terminate() -> Weight {
        on_pi(300_000_000)
            .saturating_add(T::DbWeight::get().reads(115))
            .saturating_add(T::DbWeight::get().writes(45))
    }

    fn prune() -> Weight {
        on_pi(900_000_000)
            .saturating_add(T::DbWeight::get().reads(290))
            .saturating_add(T::DbWeight::get().writes(330))
    }

    fn report() -> Weight {
        on_pi(450_000_000)
            .saturating_add(T::DbWeight::get().reads(90))
            .saturating_add(T::DbWeight::get().writes(13))
    }

    fn record() -> Weight {
        on_pi(450_000_000)
            .saturating_add(T::DbWeight::get().reads(95))
            .saturating_add(T::DbWeight::get().writes(14))
    }

    fn claim(p: u32) -> Weight {
        on_pi(150_000_000)
            .saturating_add(on_pi(300_000_000).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(90))
            .saturating_add(T::DbWeight::get().reads(4).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().writes(14))
    }

    fn confirm() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(34))
            .saturating_add(T::DbWeight::get().writes(7))
    }

    fn contest() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(34))
            .saturating_add(T::DbWeight::get().writes(6))
    }

    fn retract() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(36))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn refute() -> Weight {
        on_pi(430_000_000)
            .saturating_add(T::DbWeight::get().reads(85))
            .saturating_add(T::DbWeight::get().writes(8))
    }

    fn settle() -> Weight {
        on_pi(130_000_000)
            .saturating_add(T::DbWeight::get().reads(38))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn hand_over() -> Weight {
        on_pi(600_000_000)
            .saturating_add(T::DbWeight::get().reads(155))
            .saturating_add(T::DbWeight::get().writes(58))
    }

    fn revoke() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(42))
            .saturating_add(T::DbWeight::get().writes(2))
    }

    fn prune_claim() -> Weight {
        on_pi(120_000_000)
            .saturating_add(T::DbWeight::get().reads(36))
            .saturating_add(T::DbWeight::get().writes(9))
    }
}
