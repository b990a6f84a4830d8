//! How other pallets and this one depend on each other.

use frame_support::dispatch::DispatchClass;
use sp_runtime::{transaction_validity::InvalidTransaction, DispatchResult};
use streembit_primitives::{consortium::Quota, PartyId, Scope};

/// Tells which scope an account needs for a call, so that the pool rejects the call of an account without it.
pub trait CallScopes<Account, Call> {
    /// Returns the scope that `account` needs for `call`, or `None` if every account of a party may make it.
    fn needed(account: &Account, call: &Call) -> Option<Scope>;
}

/// Tells which transactions of the council cost no quota.
pub trait CouncilCalls<Account, Call> {
    /// Returns true if the call is free for the account, or the error with which the pool rejects it.
    ///
    /// A part of each block is reserved for calls of the class `Operational`. Calls that would only waste this part are
    /// rejected.
    fn is_free(account: &Account, call: &Call, class: DispatchClass) -> Result<bool, InvalidTransaction>;
}

/// Sets the quotas of parties.
pub trait SetQuota {
    /// Fails if the quota of `party` cannot be set now.
    fn ensure_can_set(party: &PartyId) -> DispatchResult;

    /// Sets the quota of `party`; with `None` the party has the default quota.
    fn set(party: PartyId, quota: Option<Quota>) -> DispatchResult;
}
