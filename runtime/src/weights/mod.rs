//! The weights of the calls of our pallets: the time that they take on a Raspberry Pi 4.
//!
//! `streembit-node benchmark` measures them in the compiled Wasm and writes one file per pallet beside this one.
//! Measured on another machine, a call takes [`PI_FACTOR`] times as long on a Pi. `docs/weights.md` explains it all.

use frame_support::weights::Weight;

/// How many times longer one core of a Raspberry Pi 4 (Cortex-A72, 1.8 GHz) takes than the machine that measures.
///
/// Published single-core figures say 2.2, 3.0 and 6.7; the factor is above all of them. `docs/weights.md` has the
/// sources.
pub const PI_FACTOR: u64 = 8;

/// Returns the weight on a Pi of a time that was measured elsewhere, in picoseconds. The runtime sets the price of
/// storage.
pub const fn on_pi(picoseconds: u64) -> Weight {
    Weight::from_parts(picoseconds.saturating_mul(PI_FACTOR), 0)
}

#[rustfmt::skip]
pub mod anchors;
#[rustfmt::skip]
pub mod council;
#[rustfmt::skip]
pub mod devices;
#[rustfmt::skip]
pub mod parties;
#[rustfmt::skip]
pub mod quotas;
pub mod sdk;
#[rustfmt::skip]
pub mod service_contracts;
#[rustfmt::skip]
pub mod validators;
