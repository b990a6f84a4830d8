//! What the calls weigh. A runtime brings what was measured for it; `()` is for tests, with 2 ms for a signature, 100 us for the
//! rest of a call and storage for nothing.

use frame_support::weights::Weight;

/// What the calls weigh.
pub trait WeightInfo {
    /// One signature.
    fn add_gateway() -> Weight;
    /// Storage only.
    fn remove_gateway() -> Weight;
    /// Opening a motion, voting on it, closing it, and what it does.
    fn propose() -> Weight;
    /// Voting on a motion, closing it, and what it does.
    fn vote() -> Weight;
    /// The removal of a party, with a look at each validator's party.
    fn enact() -> Weight;
    /// The removal of a validator.
    fn leave_validators() -> Weight;
    /// As the removal of a party by the council.
    fn leave() -> Weight;
    /// The question whether the session ends, with so many validators.
    fn on_initialize(validators: u32) -> Weight;
    /// What every transaction adds: who spends, what is left, and spending it. A vote that is not free is the worst.
    fn spend_quota() -> Weight;
    /// Four signatures, since the proof is looked at before it is taken too, and the removal of a validator.
    fn report_votes() -> Weight;
    /// The same, and the parents of both blocks.
    fn report_blocks() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn add_gateway() -> Weight {
        SIGNATURE.saturating_add(REST)
    }

    fn remove_gateway() -> Weight {
        REST
    }

    fn propose() -> Weight {
        REST
    }

    fn vote() -> Weight {
        REST
    }

    fn enact() -> Weight {
        REST
    }

    fn leave_validators() -> Weight {
        REST
    }

    fn leave() -> Weight {
        REST
    }

    fn on_initialize(_: u32) -> Weight {
        Weight::zero()
    }

    fn spend_quota() -> Weight {
        Weight::zero()
    }

    fn report_votes() -> Weight {
        SIGNATURE
    }

    fn report_blocks() -> Weight {
        SIGNATURE
    }
}
