//! The weights of the calls. A runtime sets measured weights. `()` is for tests: 100 us for a call, and nothing for
//! storage.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// Opens a motion, votes on it, closes it, and makes the change.
    fn propose() -> Weight;
    /// Votes on a motion, closes it, and makes the change.
    fn vote() -> Weight;
    /// Removes a party, after reading the party of each validator.
    fn enact() -> Weight;
    /// Looks up each new member, opens a motion, and votes on it.
    fn propose_members() -> Weight;
    /// Looks up each new member, and removes the votes of the former ones from all motions.
    fn enact_members() -> Weight;

    /// The heaviest decision that a vote carries out.
    fn decision() -> Weight {
        Self::enact().max(Self::enact_members())
    }

    /// A vote that carries out the heaviest decision. [`Self::vote`] includes [`Self::enact`].
    fn deciding_vote() -> Weight {
        Self::vote().saturating_add(Self::decision().saturating_sub(Self::enact()))
    }
}

const CALL: Weight = Weight::from_parts(100_000_000, 0);

impl WeightInfo for () {
    fn propose() -> Weight {
        CALL
    }

    fn vote() -> Weight {
        CALL
    }

    fn enact() -> Weight {
        CALL
    }

    fn propose_members() -> Weight {
        CALL
    }

    fn enact_members() -> Weight {
        CALL
    }
}
