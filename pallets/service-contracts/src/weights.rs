//! The weights of the calls. A runtime sets measured weights; `()` is for tests, with 500 us for a proof, 1 ms for a
//! contract's content and 60 us for one of its clauses.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// A contract with these numbers of parties, devices and clauses, each of the maximum size.
    fn propose(parties: u32, devices: u32, clauses: u32) -> Weight;
    /// The last acceptance of the largest contract.
    fn accept() -> Weight;
    /// The longest proof, with one signature.
    fn report() -> Weight;
    /// The longest proof, with one signature.
    fn record() -> Weight;
    /// A record of the largest contract.
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
