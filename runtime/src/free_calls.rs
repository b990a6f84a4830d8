//! The calls that cost no quota.

use crate::{AccountId, Council, Parties, RuntimeCall, ServiceContracts};
use frame_support::dispatch::DispatchClass;
use pallet_parties::PartyLookup as _;
use pallet_quotas::CouncilCalls;
use sp_runtime::transaction_validity::InvalidTransaction;
use streembit_primitives::{AccountId as Account, Scope};

/// The calls of the council that are free, and the revocation of a right: whoever has spent its quota can still take back
/// what it gave. Each right is revoked once, so this floods nothing.
pub struct FreeCalls;

impl CouncilCalls<AccountId, RuntimeCall> for FreeCalls {
    fn is_free(
        account: &AccountId,
        call: &RuntimeCall,
        class: DispatchClass,
    ) -> Result<bool, InvalidTransaction> {
        if let RuntimeCall::ServiceContracts(pallet_service_contracts::Call::revoke { id, clause }) = call {
            let party = Parties::acting_with(&Account(account.clone().into()), Scope::Contracts);
            return Ok(party.is_ok_and(|party| ServiceContracts::may_revoke(&party, *id, *clause)));
        }
        Council::is_free(account, call, class)
    }
}
