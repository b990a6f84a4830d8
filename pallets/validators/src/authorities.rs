//! The two sets of validators against which the pallet accepts proofs: the one in force and the one before.

use crate::{Authorities, Config, Error, FormerAuthorities, Pallet};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{ensure, traits::Get, BoundedVec};
use frame_system::{
    pallet_prelude::{BlockNumberFor, HeaderFor},
    BlockHash,
};
use pallet_session::QueuedKeys;
use scale_info::TypeInfo;
use sp_consensus_aura::Slot;
use sp_consensus_grandpa::SetId;
use sp_runtime::traits::{Convert, Header as _, One, Saturating};
use streembit_primitives::{consortium::SessionKeys, AccountId};

/// A set of validators in the order of its slots, and the block with which it came into force. The set before made that
/// block.
pub type AuthoritySet<T> = (BlockNumberFor<T>, BoundedVec<Authority, <T as Config>::MaxValidators>);

/// A validator in a set.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Authority {
    /// Its account.
    pub account: AccountId,
    /// The keys that it signs with.
    pub keys: SessionKeys,
    /// True if it was reported for an offence in this set.
    pub reported: bool,
}

/// One of the two known sets.
#[derive(Clone, Copy, PartialEq, Eq, Encode)]
pub(crate) enum Term {
    Present,
    Former,
}

/// A place in a set: which set, and the index in it.
pub(crate) type Place = (Term, usize);

/// An authority that was not reported in its set yet.
pub(crate) struct Suspect {
    pub place: Place,
    pub account: AccountId,
    pub keys: SessionKeys,
}

impl<T: Config> Pallet<T> {
    /// Puts the queued validators into force.
    pub(crate) fn replace_authorities() {
        let next = QueuedKeys::<T>::get().into_iter().map(|(account, keys)| Authority {
            account: AccountId(account.into()),
            keys: T::PublicKeys::convert(keys),
            reported: false,
        });
        let next = BoundedVec::truncate_from(next.collect());
        FormerAuthorities::<T>::set(Authorities::<T>::get());
        Authorities::<T>::set((frame_system::Pallet::<T>::block_number(), next));
    }

    /// Returns true if `key` votes in the voter set `set` and was not reported in it. Otherwise a report is useless.
    pub fn is_voter(set: SetId, key: &sp_consensus_grandpa::AuthorityId) -> bool {
        Self::voter(set, key).is_ok()
    }

    /// Returns true if the account is in force although it was reported, in this set or in the one before.
    pub(crate) fn is_reported(account: &AccountId) -> bool {
        let ((_, authorities), (_, former)) = (Authorities::<T>::get(), FormerAuthorities::<T>::get());
        let mut entries = authorities.iter().filter(|authority| authority.account == *account).peekable();
        let in_force = entries.peek().is_some();
        in_force
            && entries.chain(&former).any(|authority| authority.reported && authority.account == *account)
    }

    /// Finds the validator that votes with `key` in the voter set `set`.
    pub(crate) fn voter(set: SetId, key: &sp_consensus_grandpa::AuthorityId) -> Result<Suspect, Error<T>> {
        let now = T::VoterSet::get();
        let term = if set == now {
            Term::Present
        } else if set.checked_add(1) == Some(now) {
            Term::Former
        } else {
            return Err(Error::<T>::TooOld);
        };
        let key: &[u8] = key.as_ref();
        Self::suspect(term, |authorities| {
            authorities.iter().position(|authority| authority.keys.grandpa.0.as_slice() == key)
        })
    }

    /// Finds the validator whose slot it was. The parent of the block has to be a block of this chain.
    pub(crate) fn author(header: &HeaderFor<T>, slot: Slot) -> Result<Suspect, Error<T>> {
        let number = *header.number();
        let parent = number.saturating_sub(One::one());
        // The hash of an unknown block is zero.
        ensure!(BlockHash::<T>::contains_key(parent), Error::<T>::NotOfThisChain);
        ensure!(BlockHash::<T>::get(parent) == *header.parent_hash(), Error::<T>::NotOfThisChain);
        let term = if number > Authorities::<T>::get().0 {
            Term::Present
        } else if number > FormerAuthorities::<T>::get().0 {
            Term::Former
        } else {
            return Err(Error::<T>::TooOld);
        };
        Self::suspect(term, |authorities| {
            let place = (*slot).checked_rem(authorities.len() as u64)?;
            usize::try_from(place).ok()
        })
    }

    pub(crate) fn suspect(
        term: Term,
        place: impl FnOnce(&[Authority]) -> Option<usize>,
    ) -> Result<Suspect, Error<T>> {
        let (_, authorities) = match term {
            Term::Present => Authorities::<T>::get(),
            Term::Former => FormerAuthorities::<T>::get(),
        };
        let place = place(&authorities).ok_or(Error::<T>::NotAnAuthority)?;
        let found = authorities.into_iter().nth(place).ok_or(Error::<T>::NotAnAuthority)?;
        ensure!(!found.reported, Error::<T>::AlreadyReported);
        Ok(Suspect { place: (term, place), account: found.account, keys: found.keys })
    }

    /// Marks the authority at a place as reported.
    pub(crate) fn mark_reported((term, place): Place) {
        let mark = |(_, authorities): &mut AuthoritySet<T>| {
            if let Some(authority) = authorities.get_mut(place) {
                authority.reported = true;
            }
        };
        match term {
            Term::Present => Authorities::<T>::mutate(mark),
            Term::Former => FormerAuthorities::<T>::mutate(mark),
        }
    }
}
