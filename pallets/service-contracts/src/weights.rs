//! What the calls weigh. Set by hand, from the same parts as those of `pallet_consortium::weights`, which says why, and:
//! - 500 us for a proof: up to 64 nodes to the log's root, 7 to the body's, the leaf and its signature's message;
//! - 1 ms for a contract's content: up to 27 KB to decode, hash and check; 60 us for a clause of it.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// A content of so many parties, devices and clauses, each of the largest size.
    fn propose(parties: u32, devices: u32, clauses: u32) -> Weight;
    /// The last acceptance of the largest content.
    fn accept() -> Weight;
    /// The longest proof: one signature.
    fn report() -> Weight;
    /// The longest proof: one signature.
    fn record() -> Weight;
    /// The largest content.
    fn confirm() -> Weight;
}

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const PROOF: Weight = Weight::from_parts(500_000_000, 0);
const CONTENT: Weight = Weight::from_parts(1_000_000_000, 0);
const CLAUSE: Weight = Weight::from_parts(60_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

const SIMPLE: Weight = CONTENT.saturating_add(REST);
const PROVING: Weight = SIMPLE.saturating_add(PROOF).saturating_add(SIGNATURE);

impl<T: frame_system::Config> WeightInfo for HandSet<T> {
    fn propose(parties: u32, devices: u32, clauses: u32) -> Weight {
        // Reads: the genesis hash, the content, a count, each party and each device. Writes: content, standing, count, and
        // each party's index.
        let (parties, devices) = (u64::from(parties), u64::from(devices));
        let reads = parties.saturating_add(devices).saturating_add(3);
        CLAUSE
            .saturating_mul(clauses.into())
            .saturating_add(REST)
            .saturating_add(T::DbWeight::get().reads_writes(reads, parties.saturating_add(3)))
    }

    fn accept() -> Weight {
        // Reads: content, standing, count, 16 devices and their indices. Writes: 16 indices, standing, count.
        SIMPLE.saturating_add(T::DbWeight::get().reads_writes(35, 18))
    }

    fn report() -> Weight {
        // Reads: content, standing, clause, device, the log's roots. Writes: the clause.
        PROVING.saturating_add(T::DbWeight::get().reads_writes(5, 1))
    }

    fn record() -> Weight {
        // As a report; writes the standing and the record too.
        PROVING.saturating_add(T::DbWeight::get().reads_writes(5, 3))
    }

    fn confirm() -> Weight {
        // Reads: content, standing, record, clause. Writes: the latter two.
        SIMPLE.saturating_add(T::DbWeight::get().reads_writes(4, 2))
    }
}

impl WeightInfo for () {
    fn propose(_: u32, _: u32, clauses: u32) -> Weight {
        CLAUSE.saturating_mul(clauses.into()).saturating_add(REST)
    }

    fn accept() -> Weight {
        SIMPLE
    }

    fn report() -> Weight {
        PROVING
    }

    fn record() -> Weight {
        PROVING
    }

    fn confirm() -> Weight {
        SIMPLE
    }
}
