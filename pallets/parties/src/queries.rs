//! What other pallets and the runtime API ask about parties, their accounts and their gateways.

use crate::{
    AccountOf, AccountRefusal, Config, ConsentNonces, DepartureTimes, Departures, Error, Gateways,
    GatewaysOf, Pallet, Parties, PartyLookup, StoredGateway,
};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::{Contains, Get, Time};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{traits::Zero, DispatchError};
use streembit_primitives::{
    party::{AccountRole, PartyRecord, Role},
    AccountId, GatewayRecord, Hash, PartyId,
};

/// The set of all gateways that belong to a party.
pub struct IsGateway<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsGateway<T> {
    fn contains(account: &AccountId) -> bool {
        Pallet::<T>::gateway(account).is_some()
    }
}

/// The hash of the genesis block, which names the chain in every consent and contract.
///
/// `frame-system` prunes the hashes of old blocks but keeps this one. It is stored with block 1, so every call sees it;
/// while the genesis itself is built there is none yet.
pub struct GenesisHash<T>(PhantomData<T>);

impl<T: Config> Get<Hash> for GenesisHash<T> {
    fn get() -> Hash {
        Hash(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into())
    }
}

impl<T: Config> PartyLookup for Pallet<T> {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        if let Some(party) = AccountOf::<T>::get(account) {
            let role = Parties::<T>::get(party)?.account(account)?.role();
            return Some(AccountRole { party, role });
        }
        let GatewayRecord { party, .. } = Self::gateway(account)?;
        Some(AccountRole { party, role: Role::Gateway })
    }

    fn is_party(party: &PartyId) -> bool {
        Parties::<T>::contains_key(party)
    }

    fn departures(party: &PartyId) -> u32 {
        Departures::<T>::get(party)
    }

    fn last_departure(party: &PartyId) -> Option<u64> {
        DepartureTimes::<T>::get(party)
    }

    fn now() -> u64 {
        T::Clock::now()
    }

    fn error_of(refusal: AccountRefusal) -> DispatchError {
        match refusal {
            AccountRefusal::NoParty => Error::<T>::NotAParty,
            AccountRefusal::Ended => Error::<T>::AccountEnded,
            AccountRefusal::OutOfScope => Error::<T>::OutOfScope,
        }
        .into()
    }

    fn is_gateway(account: &AccountId) -> bool {
        Self::gateway(account).is_some()
    }
}

impl<T: Config> Pallet<T> {
    /// Returns a party, or `None` if it does not belong to the consortium.
    pub fn party(party: &PartyId) -> Option<PartyRecord> {
        Parties::<T>::get(party)
    }

    /// Returns the parties, sorted by their ids.
    pub fn parties() -> Vec<(PartyId, PartyRecord)> {
        let mut parties: Vec<_> = Parties::<T>::iter().collect();
        parties.sort_by_key(|(party, _)| *party);
        parties
    }

    /// Returns the ids of the parties, sorted.
    pub fn party_ids() -> Vec<PartyId> {
        let mut parties: Vec<_> = Parties::<T>::iter_keys().collect();
        parties.sort();
        parties
    }

    /// Returns the gateways of a party, in no particular order.
    pub fn gateways(party: &PartyId) -> Vec<AccountId> {
        let gateways = GatewaysOf::<T>::iter_key_prefix(party);
        gateways.filter(|gateway| Self::gateway(gateway).is_some()).collect()
    }

    /// Returns the record of a gateway, or `None` if it does not belong to a party.
    pub fn gateway(gateway: &AccountId) -> Option<GatewayRecord> {
        let StoredGateway { record, departures } = Gateways::<T>::get(gateway)?;
        let counts = Self::is_party(&record.party) && departures == Departures::<T>::get(record.party);
        counts.then_some(record)
    }

    /// Returns the nonce that the next consent of an account or a gateway must have.
    pub fn consent_nonce(account: &AccountId) -> u32 {
        ConsentNonces::<T>::get(account)
    }
}
