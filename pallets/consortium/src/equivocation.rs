//! Validators that contradict themselves: what proves it, and what becomes of them.
//!
//! A validator votes once in a round of GRANDPA and makes one block in a slot of Aura. Two signatures of its key say that it
//! did so twice. Whoever signed is found in the set of validators that was in force then: of the present set and of the one
//! before the keys are kept, and which blocks each of them made. Once per set is enough, so that no old proof removes a
//! validator that the council has made one again.

use crate::{Authorities, Call, Config, Equivocations, Error, Event, FormerAuthorities, Pallet};
use alloc::{vec, vec::Vec};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{ensure, traits::Get, BoundedVec};
use frame_system::{
    pallet_prelude::{BlockNumberFor, HeaderFor},
    BlockHash,
};
use pallet_session::QueuedKeys;
use scale_info::TypeInfo;
use sp_consensus_aura::{
    sr25519::{AuthorityId, AuthoritySignature},
    Slot, AURA_ENGINE_ID,
};
use sp_consensus_grandpa::{check_equivocation_proof, EquivocationProof, SetId};
use sp_runtime::{
    traits::{Convert, Header as _, One, Saturating, UniqueSaturatedInto},
    transaction_validity::{
        InvalidTransaction, TransactionPriority, TransactionSource, TransactionValidity, ValidTransaction,
    },
    RuntimeAppPublic,
};
use streembit_primitives::{
    consortium::{Change, Equivocation, Offence, SessionKey, SessionKeys},
    AccountId,
};

/// How many are kept in mind: all of the validators of two full sets.
pub const MAX_EQUIVOCATIONS: u32 = 64;

/// For how many blocks a report waits in a pool.
const LONGEVITY: u64 = 64;

/// Two votes of one voter in one round of GRANDPA.
pub type VoteProof<T> = EquivocationProof<<T as frame_system::Config>::Hash, BlockNumberFor<T>>;

/// The block with which a set of validators came into force, which those before still made; and the set, in the order of its
/// slots.
pub type AuthoritySet<T> = (BlockNumberFor<T>, BoundedVec<Authority, <T as Config>::MaxValidators>);

/// A validator of a set.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Authority {
    /// Its account.
    pub account: AccountId,
    /// The keys that it signs with.
    pub keys: SessionKeys,
    /// Whether it was reported for something that it did in this set.
    pub reported: bool,
}

/// Which of the two sets that are known.
#[derive(Clone, Copy, PartialEq, Eq, Encode)]
enum Term {
    Present,
    Former,
}

/// Where somebody is: in which set, and at which place of it.
type Place = (Term, usize);

/// Somebody in a set who has not been reported in it.
struct Suspect {
    place: Place,
    account: AccountId,
    keys: SessionKeys,
}

/// What is proven, and of whom.
pub(crate) struct Proven {
    account: AccountId,
    offence: Offence,
    /// Where it did that, once for each set: of two blocks one may be of the set before.
    places: Vec<Place>,
}

impl<T: Config> Pallet<T> {
    /// The validators that were queued are in force from now on.
    pub(crate) fn change_authorities() {
        let next = QueuedKeys::<T>::get().into_iter().map(|(account, keys)| Authority {
            account: AccountId(account.into()),
            keys: T::PublicKeys::convert(keys),
            reported: false,
        });
        let next = BoundedVec::truncate_from(next.collect());
        FormerAuthorities::<T>::set(Authorities::<T>::get());
        Authorities::<T>::set((frame_system::Pallet::<T>::block_number(), next));
    }

    /// Whether a key votes in a set of voters and was not reported in it: whether to report it.
    pub fn is_voter(set: SetId, key: &sp_consensus_grandpa::AuthorityId) -> bool {
        Self::voter(set, key).is_ok()
    }

    /// Whether two headers are to be reported: `None` where they prove nothing as of this block, false where their author was
    /// reported already.
    pub fn prove(first: &HeaderFor<T>, second: &HeaderFor<T>) -> Option<bool> {
        match Self::judge_blocks(first, second) {
            Ok(_) => Some(true),
            Err(Error::AlreadyReported) => Some(false),
            Err(_) => None,
        }
    }

    /// Who contradicted itself and was not made a validator again since, oldest first.
    pub fn equivocations() -> Vec<Equivocation> {
        Equivocations::<T>::get().into_inner()
    }

    /// Whether a pool takes a report. Not from elsewhere: anybody could have all nodes check signatures for nothing.
    pub(crate) fn validity(source: TransactionSource, call: &Call<T>) -> TransactionValidity {
        if source == TransactionSource::External {
            return InvalidTransaction::Call.into();
        }
        let proven = match call {
            Call::report_votes { proof } => Self::judge_votes(proof),
            Call::report_blocks { first, second } => Self::judge_blocks(first, second),
            _ => return InvalidTransaction::Call.into(),
        };
        let Proven { account, places, .. } = proven.map_err(|refused| match refused {
            Error::AlreadyReported => InvalidTransaction::Stale,
            _ => InvalidTransaction::BadProof,
        })?;
        let valid = ValidTransaction::with_tag_prefix("Equivocation")
            .priority(TransactionPriority::MAX)
            .longevity(LONGEVITY)
            // The others have seen it themselves, and would not take it from here.
            .propagate(false);
        // One report of each is enough, whatever it did.
        places.iter().fold(valid, |valid, (term, _)| valid.and_provides((account, *term))).build()
    }

    /// Whom two votes prove guilty.
    ///
    /// A vote names no chain. Who votes with the same key on another one is guilty here too.
    pub(crate) fn judge_votes(proof: &VoteProof<T>) -> Result<Proven, Error<T>> {
        let (set, round) = (proof.set_id(), proof.round());
        let suspect = Self::voter(set, proof.offender())?;
        ensure!(check_equivocation_proof(proof.clone()), Error::<T>::NoEquivocation);
        let (account, places) = (suspect.account, vec![suspect.place]);
        Ok(Proven { account, offence: Offence::Votes { set, round }, places })
    }

    /// Whom two headers prove guilty.
    ///
    /// Slots are those of the clock, the same on every chain: both blocks have to follow one of this chain. Who made them is
    /// known then, too, for it says who was in force.
    pub(crate) fn judge_blocks(first: &HeaderFor<T>, second: &HeaderFor<T>) -> Result<Proven, Error<T>> {
        let (slot, first_hash, first_seal) = Self::unseal(first)?;
        let (second_slot, second_hash, second_seal) = Self::unseal(second)?;
        ensure!(slot == second_slot && first_hash != second_hash, Error::<T>::NoEquivocation);
        let (suspect, other) = (Self::author(first, slot)?, Self::author(second, slot)?);
        ensure!(suspect.account == other.account, Error::<T>::NoEquivocation);
        let signed = is_signed(&suspect.keys.aura, &first_hash, &first_seal)
            && is_signed(&other.keys.aura, &second_hash, &second_seal);
        ensure!(signed, Error::<T>::NoEquivocation);
        let mut places = vec![suspect.place];
        if other.place != suspect.place {
            places.push(other.place);
        }
        Ok(Proven { account: suspect.account, offence: Offence::Blocks { slot: *slot }, places })
    }

    /// Removes a validator that is proven guilty, as the council would, and keeps in mind why.
    pub(crate) fn punish(Proven { account, offence, places }: Proven) {
        for (term, place) in places {
            let report = |(_, authorities): &mut AuthoritySet<T>| {
                if let Some(authority) = authorities.get_mut(place) {
                    authority.reported = true;
                }
            };
            match term {
                Term::Present => Authorities::<T>::mutate(report),
                Term::Former => FormerAuthorities::<T>::mutate(report),
            }
        }
        if Self::belongs(&account) {
            let block = frame_system::Pallet::<T>::block_number().unique_saturated_into();
            Self::remember(Equivocation { account, offence, block });
        }
        let removed = Self::apply(Change::RemoveValidator(account)).is_ok();
        Self::deposit_event(Event::Equivocated { validator: account, offence, removed });
    }

    /// Punishes the last of those in force, for what it did in so many sets.
    #[cfg(feature = "runtime-benchmarks")]
    pub(crate) fn punish_last(sets: usize) {
        let last = |authorities: &[Authority]| authorities.len().checked_sub(1);
        let terms = [Term::Present, Term::Former].into_iter().take(sets);
        let suspects: Vec<_> = terms.filter_map(|term| Self::suspect(term, last).ok()).collect();
        if let Some(account) = suspects.first().map(|suspect| suspect.account) {
            let places = suspects.iter().map(|suspect| suspect.place).collect();
            Self::punish(Proven { account, offence: Offence::Blocks { slot: 0 }, places });
        }
    }

    fn remember(equivocation: Equivocation) {
        Equivocations::<T>::mutate(|known| {
            known.retain(|old| old.account != equivocation.account);
            if known.is_full() {
                known.remove(0);
            }
            let _ = known.try_push(equivocation);
        });
    }

    /// Forgets what those have done who are nobody's concern any more, or are trusted again.
    pub(crate) fn forget_equivocations(of: impl Fn(&AccountId) -> bool) {
        Equivocations::<T>::mutate(|known| known.retain(|equivocation| !of(&equivocation.account)));
    }

    /// Whether an account is in force still though it was reported, for what it did in this set or in the one before.
    pub(crate) fn is_reported(account: &AccountId) -> bool {
        let ((_, authorities), (_, former)) = (Authorities::<T>::get(), FormerAuthorities::<T>::get());
        let mut its = authorities.iter().filter(|authority| authority.account == *account).peekable();
        let in_force = its.peek().is_some();
        in_force && its.chain(&former).any(|authority| authority.reported && authority.account == *account)
    }

    /// Who votes with a key in a set.
    fn voter(set: SetId, key: &sp_consensus_grandpa::AuthorityId) -> Result<Suspect, Error<T>> {
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

    /// Whose slot it is after the parent of a block, which has to be of this chain.
    fn author(header: &HeaderFor<T>, slot: Slot) -> Result<Suspect, Error<T>> {
        let number = *header.number();
        let parent = number.saturating_sub(One::one());
        // Of unknown blocks the hash is zero.
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

    fn suspect(term: Term, place: impl FnOnce(&[Authority]) -> Option<usize>) -> Result<Suspect, Error<T>> {
        let (_, authorities) = match term {
            Term::Present => Authorities::<T>::get(),
            Term::Former => FormerAuthorities::<T>::get(),
        };
        let place = place(&authorities).ok_or(Error::<T>::NotAnAuthority)?;
        let found = authorities.into_iter().nth(place).ok_or(Error::<T>::NotAnAuthority)?;
        ensure!(!found.reported, Error::<T>::AlreadyReported);
        Ok(Suspect { place: (term, place), account: found.account, keys: found.keys })
    }

    /// The slot of a block, what its author signed, and the seal with which it did.
    fn unseal(header: &HeaderFor<T>) -> Result<(Slot, T::Hash, AuthoritySignature), Error<T>> {
        let mut header = header.clone();
        let seal = header.digest_mut().pop().and_then(|item| item.seal_try_to(&AURA_ENGINE_ID));
        let logs = header.digest().logs().iter();
        let mut slots = logs.filter_map(|item| item.pre_runtime_try_to(&AURA_ENGINE_ID));
        match (seal, slots.next(), slots.next()) {
            (Some(seal), Some(slot), None) => Ok((slot, header.hash(), seal)),
            _ => Err(Error::<T>::NoEquivocation),
        }
    }

    /// What must hold between any two calls; says what does not.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn check_equivocations() -> Result<(), &'static str> {
        let (_, authorities) = Authorities::<T>::get();
        let accounts = authorities.iter().map(|authority| T::AccountId::from(authority.account.0));
        ensure!(accounts.eq(pallet_session::Validators::<T>::get()), "other authorities than those in force");
        let known = Equivocations::<T>::get();
        let distinct = alloc::collections::BTreeSet::from_iter(known.iter().map(|one| one.account));
        ensure!(distinct.len() == known.len(), "somebody contradicted itself twice");
        ensure!(distinct.iter().all(Self::belongs), "an equivocation of somebody who does not belong");
        Ok(())
    }
}

/// Whether a key has signed a block.
pub(crate) fn is_signed(key: &SessionKey, hash: &impl AsRef<[u8]>, seal: &AuthoritySignature) -> bool {
    AuthorityId::decode(&mut key.0.as_slice()).is_ok_and(|key| key.verify(hash, seal))
}
