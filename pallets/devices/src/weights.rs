//! The weights of the calls. A runtime sets measured weights; `()` is for tests.

use frame_support::weights::Weight;

/// The weights of the calls. Each is that of the largest record and the longest proof.
pub trait WeightInfo {
    /// Checks two signatures.
    fn register() -> Weight;
    /// Checks two signatures and a proof.
    fn rotate_key() -> Weight;
    /// Checks a signature and a proof.
    fn recover_key() -> Weight;
    /// Checks a signature and a proof.
    fn reassign() -> Weight;
    /// Checks a proof.
    fn declare_lost() -> Weight;
    /// Reads the record.
    fn transfer() -> Weight;
    /// Reads and writes the record.
    fn accept() -> Weight;
    /// Reads and writes the record.
    fn set_state() -> Weight;
}

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const PROOF: Weight = Weight::from_parts(1_000_000_000, 0);
const REST: Weight = Weight::from_parts(200_000_000, 0);

impl WeightInfo for () {
    fn register() -> Weight {
        SIGNATURE.saturating_mul(2).saturating_add(REST)
    }

    fn rotate_key() -> Weight {
        SIGNATURE.saturating_mul(2).saturating_add(PROOF).saturating_add(REST)
    }

    fn recover_key() -> Weight {
        SIGNATURE.saturating_add(PROOF).saturating_add(REST)
    }

    fn reassign() -> Weight {
        SIGNATURE.saturating_add(PROOF).saturating_add(REST)
    }

    fn declare_lost() -> Weight {
        PROOF.saturating_add(REST)
    }

    fn transfer() -> Weight {
        REST
    }

    fn accept() -> Weight {
        REST
    }

    fn set_state() -> Weight {
        REST
    }
}
