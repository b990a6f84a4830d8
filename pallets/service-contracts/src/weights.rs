//! The weights of the calls. A runtime sets measured weights; `()` is for tests, with 500 us for a proof, 2 ms for a
//! signature, 1 ms for a contract's content and 60 us for one of its clauses.

use frame_support::weights::Weight;

/// The weights of the calls.
pub trait WeightInfo {
    /// A contract with these numbers of parties, devices and clauses, each of the maximum size.
    fn propose(parties: u32, devices: u32, clauses: u32) -> Weight;
    /// The last acceptance of the largest amendment.
    fn accept() -> Weight;
    /// The rejection of the largest proposal.
    fn reject() -> Weight;
    /// The largest amendment of the largest contract.
    fn amend() -> Weight;
    /// The notice that ends the largest contract, with an amendment pending.
    fn terminate() -> Weight;
    /// The last step of the largest contract with as many claims as one step removes.
    fn prune() -> Weight;
    /// The longest proof, with one signature, of an irregular reading.
    fn report() -> Weight;
    /// The longest proof, with one signature, after a record that stands by silence.
    fn record() -> Weight;
    /// This number of the longest proofs, at most two, each with one signature.
    fn claim(proofs: u32) -> Weight;
    /// A claim of the largest contract. Also for `pay` and `confirm_payment`.
    fn confirm() -> Weight;
    /// A claim of the largest contract, with as many documents as allowed. Also for `answer`.
    fn contest() -> Weight;
    /// A disputed claim of the largest contract.
    fn retract() -> Weight;
    /// The longest proof, with one signature. Also for `offer_reading`.
    fn refute() -> Weight;
    /// The offer that settles a dispute. Also for `rule`.
    fn settle() -> Weight;
    /// The second confirmation, which completes the largest contract.
    fn hand_over() -> Weight;
    /// A right under the largest contract.
    fn revoke() -> Weight;
    /// A disputed claim that time has decided on.
    fn prune_claim() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const PROOF: Weight = Weight::from_parts(500_000_000, 0);
const CONTENT: Weight = Weight::from_parts(1_000_000_000, 0);
const CLAUSE: Weight = Weight::from_parts(60_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

const SIMPLE: Weight = CONTENT.saturating_add(REST);
const READING: Weight = PROOF.saturating_add(SIGNATURE);
const PROVING: Weight = SIMPLE.saturating_add(READING);

impl WeightInfo for () {
    fn propose(_: u32, _: u32, clauses: u32) -> Weight {
        CLAUSE.saturating_mul(clauses.into()).saturating_add(REST)
    }

    fn accept() -> Weight {
        SIMPLE.saturating_add(CONTENT)
    }

    fn reject() -> Weight {
        SIMPLE
    }

    fn amend() -> Weight {
        SIMPLE.saturating_add(CONTENT)
    }

    fn terminate() -> Weight {
        SIMPLE
    }

    fn prune() -> Weight {
        SIMPLE.saturating_add(CONTENT)
    }

    fn report() -> Weight {
        PROVING
    }

    fn record() -> Weight {
        PROVING
    }

    fn claim(proofs: u32) -> Weight {
        SIMPLE.saturating_add(READING.saturating_mul(proofs.into()))
    }

    fn confirm() -> Weight {
        SIMPLE
    }

    fn contest() -> Weight {
        SIMPLE
    }

    fn retract() -> Weight {
        SIMPLE
    }

    fn refute() -> Weight {
        PROVING
    }

    fn settle() -> Weight {
        SIMPLE
    }

    fn hand_over() -> Weight {
        PROVING
    }

    fn revoke() -> Weight {
        SIMPLE
    }

    fn prune_claim() -> Weight {
        SIMPLE
    }
}
