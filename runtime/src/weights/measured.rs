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
        on_pi(190_694_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn remove_gateway() -> Weight {
        on_pi(30_455_000)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(3))
    }

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

    fn leave_validators() -> Weight {
        on_pi(19_909_000)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn leave() -> Weight {
        on_pi(426_685_000)
            .saturating_add(T::DbWeight::get().reads(100))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn on_initialize(v: u32) -> Weight {
        on_pi(13_275_400)
            .saturating_add(on_pi(3_749_619).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(v.into()))
    }

    fn spend_quota() -> Weight {
        on_pi(47_741_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn report_votes() -> Weight {
        on_pi(210_092_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn report_blocks() -> Weight {
        on_pi(260_137_000)
            .saturating_add(T::DbWeight::get().reads(9))
            .saturating_add(T::DbWeight::get().writes(4))
    }
}

/// Of `pallet_devices`.
pub struct Devices<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_devices::WeightInfo for Devices<T> {
    fn register() -> Weight {
        on_pi(242_862_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(3))
    }
}

/// Of `pallet_anchors`.
pub struct Anchors<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_anchors::WeightInfo for Anchors<T> {
    fn anchor(h: u32) -> Weight {
        on_pi(34_149_583)
            .saturating_add(on_pi(1_328_450).saturating_mul(h.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}

/// Of `pallet_service_contracts`.
pub struct ServiceContracts<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_service_contracts::WeightInfo for ServiceContracts<T> {
    fn propose(p: u32, d: u32, c: u32) -> Weight {
        on_pi(111_500_516)
            .saturating_add(on_pi(4_778_833).saturating_mul(p.into()))
            .saturating_add(on_pi(2_854_250).saturating_mul(d.into()))
            .saturating_add(on_pi(14_603_328).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(d.into()))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
    }

    fn accept() -> Weight {
        on_pi(261_900_000)
            .saturating_add(T::DbWeight::get().reads(35))
            .saturating_add(T::DbWeight::get().writes(18))
    }

    fn report() -> Weight {
        on_pi(412_624_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn record() -> Weight {
        on_pi(338_764_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(3))
    }

    fn confirm() -> Weight {
        on_pi(106_609_000)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
}
