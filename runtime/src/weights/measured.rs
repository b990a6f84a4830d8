//! What the calls of our pallets weigh: measured in the compiled Wasm, 1000 times each, on
//! AMD EPYC.
//!
//! Written by `streembit-node benchmark`, and by nobody's hand.

use super::on_pi;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Of `pallet_consortium`.
pub struct Consortium<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_consortium::WeightInfo for Consortium<T> {
    fn add_gateway() -> Weight {
        on_pi(190_494_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn remove_gateway() -> Weight {
        on_pi(28_623_000)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn propose() -> Weight {
        on_pi(391_453_000)
            .saturating_add(T::DbWeight::get().reads(39))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn vote() -> Weight {
        on_pi(298_734_000)
            .saturating_add(T::DbWeight::get().reads(39))
            .saturating_add(T::DbWeight::get().writes(8))
    }

    fn enact() -> Weight {
        on_pi(206_547_000)
            .saturating_add(T::DbWeight::get().reads(36))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn leave_validators() -> Weight {
        on_pi(18_377_000)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn leave() -> Weight {
        on_pi(204_784_000)
            .saturating_add(T::DbWeight::get().reads(36))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn on_initialize(v: u32) -> Weight {
        on_pi(10_897_200)
            .saturating_add(on_pi(3_584_466).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(v.into()))
    }

    fn spend_quota() -> Weight {
        on_pi(43_575_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn report_votes() -> Weight {
        on_pi(181_981_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn report_blocks() -> Weight {
        on_pi(206_447_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(4))
    }
}

/// Of `pallet_devices`.
pub struct Devices<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_devices::WeightInfo for Devices<T> {
    fn register() -> Weight {
        on_pi(187_990_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(3))
    }
}

/// Of `pallet_anchors`.
pub struct Anchors<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_anchors::WeightInfo for Anchors<T> {
    fn anchor(h: u32) -> Weight {
        on_pi(24_570_515)
            .saturating_add(on_pi(1_150_605).saturating_mul(h.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}

/// Of `pallet_service_contracts`.
pub struct ServiceContracts<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_service_contracts::WeightInfo for ServiceContracts<T> {
    fn propose(p: u32, d: u32, c: u32) -> Weight {
        on_pi(69_434_363)
            .saturating_add(on_pi(6_203_552).saturating_mul(p.into()))
            .saturating_add(on_pi(2_865_181).saturating_mul(d.into()))
            .saturating_add(on_pi(11_222_600).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(d.into()))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
    }

    fn accept() -> Weight {
        on_pi(298_074_000)
            .saturating_add(T::DbWeight::get().reads(35))
            .saturating_add(T::DbWeight::get().writes(18))
    }

    fn report() -> Weight {
        on_pi(308_910_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn record() -> Weight {
        on_pi(317_803_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn confirm() -> Weight {
        on_pi(100_700_000)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}
