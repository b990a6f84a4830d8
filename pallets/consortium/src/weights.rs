//! What the calls weigh.
//!
//! Set by hand, for runtimes that have no measured ones; each weight is the sum of its parts:
//! - storage at the runtime's price per read and write;
//! - 2 ms for a signature, sr25519 or Ed25519. In the compiled Wasm on one core of the development machine, applying
//!   `add_gateway` takes 0.18 ms more than applying a `System.remark` (0.34 against 0.16 ms, medians of 40), and registering a
//!   device with an Ed25519 key 0.20 ms more; ten times that leaves room for a small board;
//! - 100 us for the rest of a call.

use crate::Config;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

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

/// The weights with a runtime's storage prices.
pub struct HandSet<T>(PhantomData<T>);

const SIGNATURE: Weight = Weight::from_parts(2_000_000_000, 0);
const REST: Weight = Weight::from_parts(100_000_000, 0);

impl<T: Config> WeightInfo for HandSet<T> {
    fn add_gateway() -> Weight {
        // Reads: three parties, the gateway twice, the genesis hash, the account. Writes: both directions, those of a
        // former party, the account. And the equivocations.
        SIGNATURE.saturating_add(REST).saturating_add(T::DbWeight::get().reads_writes(8, 6))
    }

    fn remove_gateway() -> Weight {
        REST.saturating_add(T::DbWeight::get().reads_writes(4, 3))
    }

    fn propose() -> Weight {
        // Reads: whether the sender belongs (3), what the change needs (at most as much as its making). Of the council: the
        // members, the motions, their count, the motion. Writes: the last three and the votes.
        let opening = REST.saturating_add(T::DbWeight::get().reads_writes(9, 4));
        opening.saturating_add(Self::enact()).saturating_add(Self::vote())
    }

    fn vote() -> Weight {
        // Reads: the members, the votes, the motion and its length, the motions. Writes: the votes, the motion, the motions.
        let closing = REST.saturating_add(T::DbWeight::get().reads_writes(6, 4));
        closing.saturating_add(Self::enact())
    }

    fn enact() -> Weight {
        // Reads: the party, the council, the validators twice with each one's party, the account. Writes: the validators, the
        // party, its quota and what it spent; or both directions of a gateway, the account and the party. An upgrade writes
        // one value. The equivocations, and who is in force.
        let validators = u64::from(T::MaxValidators::get());
        let storage = T::DbWeight::get().reads_writes(validators.saturating_mul(2).saturating_add(9), 6);
        REST.saturating_add(storage)
    }

    fn leave_validators() -> Weight {
        // The validators.
        REST.saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }

    fn leave() -> Weight {
        Self::enact()
    }

    fn on_initialize(validators: u32) -> Weight {
        // Whether half of a turn is done, when the session began, what is queued, the validators, and each one's keys.
        T::DbWeight::get().reads(u64::from(validators).saturating_add(5))
    }

    fn spend_quota() -> Weight {
        // A party, a gateway, its party, the council, the motion, the quota, what is spent, the time, the upgrade decided on;
        // each again from memory. Hashing the code of an upgrade is a small part of what its call weighs.
        T::DbWeight::get().reads_writes(9, 1)
    }

    fn report_votes() -> Weight {
        // Reads: the set's number and the set, twice; the account's party. Writes: the set, the equivocations.
        let storage = T::DbWeight::get().reads_writes(7, 2);
        SIGNATURE.saturating_mul(4).saturating_add(storage).saturating_add(Self::enact())
    }

    fn report_blocks() -> Weight {
        // Reads, for both headers and twice: the parent's hash and both sets. Writes: the other set.
        let headers = REST.saturating_add(T::DbWeight::get().reads_writes(16, 1));
        headers.saturating_add(Self::report_votes())
    }
}

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
