//! How the other pallets of the consortium depend on this one.

use sp_runtime::DispatchResult;
use streembit_primitives::AccountId;

/// Tells which party an account acts for.
pub trait PartyLookup {
    /// Returns the party that `account` acts for: itself if it is a party, its party if it is a gateway, `None`
    /// otherwise.
    fn acts_for(account: &AccountId) -> Option<AccountId>;

    /// Returns true if `account` is the party itself or one of its gateways. `party` has to be a party.
    fn belongs_to(account: &AccountId, party: &AccountId) -> bool {
        Self::acts_for(account).as_ref() == Some(party)
    }
}

/// Adds accounts to a set and removes them: the parties, or the validators.
pub trait Registry {
    /// Fails if `account` cannot be added now.
    fn ensure_can_add(account: &AccountId) -> DispatchResult;

    /// Adds `account`, or fails without a change.
    fn add(account: AccountId) -> DispatchResult;

    /// Fails if `account` cannot be removed now.
    fn ensure_can_remove(account: &AccountId) -> DispatchResult;

    /// Removes `account`, or fails without a change.
    fn remove(account: AccountId) -> DispatchResult;
}

/// Lets other pallets refuse that a party or a gateway leaves, and remove what they store about it.
///
/// Every function does nothing by default. A tuple asks its members one after the other.
pub trait Departure {
    /// Fails if the party cannot leave now.
    fn ensure_party_can_leave(_: &AccountId) -> DispatchResult {
        Ok(())
    }

    /// The party leaves. It and its gateways can still be looked up during this call.
    fn party_leaves(_: &AccountId) -> DispatchResult {
        Ok(())
    }

    /// Fails if the gateway cannot leave its party now.
    fn ensure_gateway_can_leave(_: &AccountId) -> DispatchResult {
        Ok(())
    }

    /// The gateway leaves its party, or its party left earlier and the account now gets another role.
    fn gateway_leaves(_: &AccountId) {}
}

impl Departure for () {}

impl<A: Departure, B: Departure, C: Departure> Departure for (A, B, C) {
    fn ensure_party_can_leave(party: &AccountId) -> DispatchResult {
        A::ensure_party_can_leave(party)?;
        B::ensure_party_can_leave(party)?;
        C::ensure_party_can_leave(party)
    }

    fn party_leaves(party: &AccountId) -> DispatchResult {
        A::party_leaves(party)?;
        B::party_leaves(party)?;
        C::party_leaves(party)
    }

    fn ensure_gateway_can_leave(gateway: &AccountId) -> DispatchResult {
        A::ensure_gateway_can_leave(gateway)?;
        B::ensure_gateway_can_leave(gateway)?;
        C::ensure_gateway_can_leave(gateway)
    }

    fn gateway_leaves(gateway: &AccountId) {
        A::gateway_leaves(gateway);
        B::gateway_leaves(gateway);
        C::gateway_leaves(gateway);
    }
}
