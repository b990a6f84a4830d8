//! What the calls weigh. A runtime brings what was measured for it; `()` is for tests, as in `pallet_parties::weights`, with 500 us
//! for a proof, 1 ms for a contract's content and 60 us for a clause of it.

use frame_support::weights::Weight;

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

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const PROOF: Weight = Weight::from_parts(500_000_000, 0);
const CONTENT: Weight = Weight::from_parts(1_000_000_000, 0);
const CLAUSE: Weight = Weight::from_parts(60_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

const SIMPLE: Weight = CONTENT.saturating_add(REST);
const PROVING: Weight = SIMPLE.saturating_add(PROOF).saturating_add(SIGNATURE);

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
