//! How the other pallets of the consortium depend on this one.

use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    device::DecidedChange,
    party::{AccountRole, Role, Scope},
    AccountId, DeviceId, PartyId,
};

/// The reasons why an account may not act for a party now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountRefusal {
    /// It belongs to no party.
    NoParty,
    /// It has ended.
    Ended,
    /// What it may do does not include this.
    OutOfScope,
}

impl From<AccountRefusal> for &'static str {
    fn from(refusal: AccountRefusal) -> Self {
        match refusal {
            AccountRefusal::NoParty => "the account belongs to no party",
            AccountRefusal::Ended => "the account has ended",
            AccountRefusal::OutOfScope => "the account's scope does not include this",
        }
    }
}

/// Tells which party an account acts for, and how.
pub trait PartyLookup {
    /// Returns the party that `account` belongs to as one of its accounts or gateways, and its role, also if the role
    /// has ended. `None` if it belongs to no party.
    fn role_of(account: &AccountId) -> Option<AccountRole>;

    /// Returns true if there is such a party.
    fn is_party(party: &PartyId) -> bool;

    /// Returns how many times a party has left the consortium. This tells the memberships of one party apart.
    fn departures(party: &PartyId) -> u32;

    /// Returns the chain's time when a party left the consortium last. `None` if it never left, or if that is not
    /// recorded.
    fn last_departure(_: &PartyId) -> Option<u64> {
        None
    }

    /// The chain's time, in milliseconds since 1970-01-01 UTC.
    fn now() -> u64;

    /// Returns the error of a call that is refused to an account.
    fn error_of(refusal: AccountRefusal) -> DispatchError {
        DispatchError::Other(refusal.into())
    }

    /// Returns the party that `account` acts for now, and its role.
    fn acting(account: &AccountId) -> Result<AccountRole, AccountRefusal> {
        let found = Self::role_of(account).ok_or(AccountRefusal::NoParty)?;
        if found.role.has_ended(Self::now()) {
            return Err(AccountRefusal::Ended);
        }
        Ok(found)
    }

    /// Returns the party for which `account` may now do what needs the scope `needed`.
    fn acting_with(account: &AccountId, needed: Scope) -> Result<PartyId, AccountRefusal> {
        match Self::acting(account)? {
            AccountRole { party, role } if role.includes(needed) => Ok(party),
            _ => Err(AccountRefusal::OutOfScope),
        }
    }

    /// Returns the party for which `account` may now do what needs the scope `needed`, or the error of the call.
    fn ensure_scope(account: &AccountId, needed: Scope) -> Result<PartyId, DispatchError> {
        Self::acting_with(account, needed).map_err(Self::error_of)
    }

    /// Returns true if `account` is one of the party's accounts or gateways, also if it has ended.
    fn belongs_to(account: &AccountId, party: &PartyId) -> bool {
        Self::role_of(account).is_some_and(|found| found.party == *party)
    }

    /// Returns true if `account` is a party's gateway.
    fn is_gateway(account: &AccountId) -> bool {
        Self::role_of(account).is_some_and(|found| found.role == Role::Gateway)
    }

    /// Returns true if `account` may validate: a gateway, or an account of the scope `All` that does not end.
    fn may_validate(account: &AccountId) -> bool {
        Self::role_of(account).is_some_and(|found| found.role.may_validate())
    }
}

/// Adds parties, removes them, and gives them back to their owners. The council decides.
pub trait PartyRegistry {
    /// Fails if `party` cannot begin, or return, with `account` as its only account now.
    fn ensure_can_add(party: &PartyId, account: &AccountId) -> DispatchResult;

    /// Adds `party` with one account, or fails without a change.
    fn add(party: PartyId, account: AccountId) -> DispatchResult;

    /// Fails if `party` cannot be removed now.
    fn ensure_can_remove(party: &PartyId) -> DispatchResult;

    /// Removes `party`, or fails without a change.
    fn remove(party: PartyId) -> DispatchResult;

    /// Fails if the accounts of `party` cannot be replaced with `account` now.
    fn ensure_can_recover(party: &PartyId, account: &AccountId) -> DispatchResult;

    /// Replaces all accounts of `party` with `account`, or fails without a change.
    fn recover(party: PartyId, account: AccountId) -> DispatchResult;
}

/// Adds accounts to a set and removes them: the validators.
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

/// Allows the owners of devices changes without a proof of the last anchored event. The council decides.
pub trait DeviceRegistry {
    /// Fails if no change of `device` from the sequence `from` on can be allowed now.
    fn ensure_can_allow(device: &DeviceId, from: u64) -> DispatchResult;

    /// Allows the owner of `device` one change of this kind from the sequence `from` on, or fails without a change.
    fn allow(device: DeviceId, change: DecidedChange, from: u64) -> DispatchResult;
}

/// Lets other pallets refuse that a party, an account or a gateway leaves, and remove what they store about it.
///
/// Every function does nothing by default. A tuple asks its members one after the other.
pub trait Departure {
    /// Fails if the party cannot leave now.
    fn ensure_party_can_leave(_: &PartyId) -> DispatchResult {
        Ok(())
    }

    /// The party leaves. Its accounts and gateways can still be looked up during this call.
    fn party_leaves(_: &PartyId) -> DispatchResult {
        Ok(())
    }

    /// Fails if the account or gateway cannot leave its party now.
    fn ensure_account_can_leave(_: &AccountId) -> DispatchResult {
        Ok(())
    }

    /// The account or gateway leaves its party, or its party left earlier and the account now gets another role.
    fn account_leaves(_: &AccountId) {}
}

impl Departure for () {}

impl<A: Departure, B: Departure, C: Departure> Departure for (A, B, C) {
    fn ensure_party_can_leave(party: &PartyId) -> DispatchResult {
        A::ensure_party_can_leave(party)?;
        B::ensure_party_can_leave(party)?;
        C::ensure_party_can_leave(party)
    }

    fn party_leaves(party: &PartyId) -> DispatchResult {
        A::party_leaves(party)?;
        B::party_leaves(party)?;
        C::party_leaves(party)
    }

    fn ensure_account_can_leave(account: &AccountId) -> DispatchResult {
        A::ensure_account_can_leave(account)?;
        B::ensure_account_can_leave(account)?;
        C::ensure_account_can_leave(account)
    }

    fn account_leaves(account: &AccountId) {
        A::account_leaves(account);
        B::account_leaves(account);
        C::account_leaves(account);
    }
}
