//! Validators that contradict themselves: how it is proven, and the consequences.
//!
//! A validator votes once in a round of GRANDPA and makes one block in a slot of Aura. Two signatures of its key prove
//! that it did so twice. The signer is looked up in the set of validators that was in force at that time; the keys of
//! the present set and of the one before are stored. One report per set is enough, so no old proof removes a validator
//! that the council added again.

use crate::{authorities::Place, Call, Config, Equivocations, Error, Event, Pallet};
use alloc::{vec, vec::Vec};
use codec::Decode;
use frame_support::ensure;
use frame_system::pallet_prelude::{BlockNumberFor, HeaderFor};
use pallet_parties::{PartyLookup, Registry};
use sp_consensus_aura::{
    sr25519::{AuthorityId, AuthoritySignature},
    Slot, AURA_ENGINE_ID,
};
use sp_consensus_grandpa::{check_equivocation_proof, EquivocationProof};
use sp_runtime::{
    traits::{Header as _, UniqueSaturatedInto},
    transaction_validity::{
        InvalidTransaction, TransactionPriority, TransactionSource, TransactionValidity, ValidTransaction,
    },
    RuntimeAppPublic,
};
use streembit_primitives::{
    consortium::{Equivocation, Offence, SessionKey},
    AccountId,
};

/// The highest number of stored equivocations: all validators of two full sets.
pub const MAX_EQUIVOCATIONS: u32 = 64;

/// How many blocks a report may wait in a pool.
const LONGEVITY: u64 = 64;

/// Two votes of one voter in one round of GRANDPA.
pub type VoteProof<T> = EquivocationProof<<T as frame_system::Config>::Hash, BlockNumberFor<T>>;

/// A proven offence.
pub(crate) struct ProvenOffence {
    account: AccountId,
    offence: Offence,
    /// The places of the offender, one per set: one of two blocks may be of the set before.
    places: Vec<Place>,
}

impl<T: Config> Pallet<T> {
    /// Returns the accounts that contradicted themselves and were not made validators again, oldest first.
    pub fn equivocations() -> Vec<Equivocation> {
        Equivocations::<T>::get().into_inner()
    }

    /// Returns true if the author of two headers is to be reported, false if it was reported already, and `None` if the
    /// headers prove nothing as of this block.
    pub fn prove(first: &HeaderFor<T>, second: &HeaderFor<T>) -> Option<bool> {
        match Self::verify_blocks(first, second) {
            Ok(_) => Some(true),
            Err(Error::AlreadyReported) => Some(false),
            Err(_) => None,
        }
    }

    /// Decides whether a pool takes a report. Reports of other nodes are rejected: anybody could make all nodes check
    /// signatures for free.
    pub(crate) fn validate_report(source: TransactionSource, call: &Call<T>) -> TransactionValidity {
        if source == TransactionSource::External {
            return InvalidTransaction::Call.into();
        }
        let proven = match call {
            Call::report_votes { proof } => Self::verify_votes(proof),
            Call::report_blocks { first, second } => Self::verify_blocks(first, second),
            _ => return InvalidTransaction::Call.into(),
        };
        let ProvenOffence { account, places, .. } = proven.map_err(|error| match error {
            Error::AlreadyReported => InvalidTransaction::Stale,
            _ => InvalidTransaction::BadProof,
        })?;
        let valid = ValidTransaction::with_tag_prefix("Equivocation")
            .priority(TransactionPriority::MAX)
            .longevity(LONGEVITY)
            // The other nodes have seen the offence themselves, and would not take the report from here.
            .propagate(false);
        // One report per validator and set is enough, whatever the offence.
        places.iter().fold(valid, |valid, (term, _)| valid.and_provides((account, *term))).build()
    }

    /// Checks that two votes prove an offence.
    ///
    /// A vote names no chain. A validator that votes with the same key on another chain is guilty here too.
    pub(crate) fn verify_votes(proof: &VoteProof<T>) -> Result<ProvenOffence, Error<T>> {
        let (set, round) = (proof.set_id(), proof.round());
        let suspect = Self::voter(set, proof.offender())?;
        ensure!(check_equivocation_proof(proof.clone()), Error::<T>::NoEquivocation);
        let (account, places) = (suspect.account, vec![suspect.place]);
        Ok(ProvenOffence { account, offence: Offence::Votes { set, round }, places })
    }

    /// Checks that two headers prove an offence.
    ///
    /// Slots are those of the clock, the same on every chain. Both blocks therefore have to follow a block of this
    /// chain, which also tells the set of validators that was in force.
    pub(crate) fn verify_blocks(
        first: &HeaderFor<T>,
        second: &HeaderFor<T>,
    ) -> Result<ProvenOffence, Error<T>> {
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
        Ok(ProvenOffence { account: suspect.account, offence: Offence::Blocks { slot: *slot }, places })
    }

    /// Removes a guilty validator like the council would, and stores its offence.
    pub(crate) fn punish(ProvenOffence { account, offence, places }: ProvenOffence) {
        places.into_iter().for_each(Self::mark_reported);
        if T::Parties::role_of(&account).is_some() {
            let block = frame_system::Pallet::<T>::block_number().unique_saturated_into();
            Self::remember(Equivocation { account, offence, block });
        }
        let removed = <Self as Registry>::remove(account).is_ok();
        Self::deposit_event(Event::Equivocated { validator: account, offence, removed });
    }

    /// Punishes the last validator in force, for an offence in the first `sets` of the two sets.
    #[cfg(feature = "runtime-benchmarks")]
    pub(crate) fn punish_last(sets: usize) {
        let last = |authorities: &[crate::Authority]| authorities.len().checked_sub(1);
        let terms =
            [crate::authorities::Term::Present, crate::authorities::Term::Former].into_iter().take(sets);
        let suspects: Vec<_> = terms.filter_map(|term| Self::suspect(term, last).ok()).collect();
        if let Some(account) = suspects.first().map(|suspect| suspect.account) {
            let places = suspects.iter().map(|suspect| suspect.place).collect();
            Self::punish(ProvenOffence { account, offence: Offence::Blocks { slot: 0 }, places });
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

    /// Forgets the equivocations of accounts that left or that the council trusts again.
    pub(crate) fn forget_equivocations(of: impl Fn(&AccountId) -> bool) {
        Equivocations::<T>::mutate(|known| known.retain(|equivocation| !of(&equivocation.account)));
    }

    /// Returns the slot of a block, the hash that its author signed, and the seal.
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
}

/// Returns true if the key signed the hash of a block.
pub(crate) fn is_signed(key: &SessionKey, hash: &impl AsRef<[u8]>, seal: &AuthoritySignature) -> bool {
    AuthorityId::decode(&mut key.0.as_slice()).is_ok_and(|key| key.verify(hash, seal))
}
