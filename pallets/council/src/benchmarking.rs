//! The calls at their worst.

use crate::{Call, Config, Pallet};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::{
    traits::{EnsureOrigin, Get},
    BoundedVec,
};
use frame_system::RawOrigin;
use pallet_parties::PartyLookup;
use streembit_primitives::{
    consortium::{Change, Quota},
    AccountId, PartyId,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Stores as much as possible in the pallets that are asked when a party is removed, and returns a party whose
    /// removal takes longest.
    fn worst_removal() -> Result<PartyId, BenchmarkError>;

    /// Adds a party with as many accounts as possible, and returns the account that is found last.
    fn add_party(party: PartyId) -> AccountId;
}

/// Makes a council of one member, or of as many as possible, and opens all but one of the possible motions. Returns the
/// members.
pub fn fill<T: Config>(full: bool) -> Vec<PartyId> {
    let most = if full { <T as pallet_collective::Config>::MaxMembers::get() } else { 1 };
    let member = |number| frame_benchmarking::account::<T::AccountId>("member", number, 0);
    let mut members: Vec<T::AccountId> = (0..most).map(member).collect();
    members.sort();
    pallet_collective::Members::<T>::put(&members);
    let members: Vec<_> = members.into_iter().map(|member| PartyId(member.into())).collect();
    for number in 1..<T as pallet_collective::Config>::MaxProposals::get() {
        let quota = Quota { microseconds: number.into(), bytes: 0 };
        let change = Change::SetQuota { party: PartyId([4; 32]), quota: Some(quota) };
        // If this fails, the motion of the benchmark cannot be opened either.
        let _ = members.first().map(|member| Pallet::<T>::open(*member, change, true));
    }
    members
}

/// Opens a motion on the largest council that lacks one vote. Returns the member that gives it, and the motion.
pub fn almost_decided<T: Config>(change: Change) -> Result<(PartyId, T::Hash), BenchmarkError> {
    let members = fill::<T>(true);
    let (first, last) = members.first().zip(members.get(members.len() / 2)).ok_or("no council")?;
    let motion = Pallet::<T>::open(*first, change, true)?;
    for member in members.iter().take(members.len() / 2) {
        Pallet::<T>::cast_vote(*member, motion, true)?;
    }
    Ok((*last, motion))
}

/// Returns an account of a member of the largest council, and the call with which it changes its party's vote.
pub fn second_vote<T: Config>(change: Change) -> Result<(AccountId, Call<T>), BenchmarkError> {
    let (member, motion) = almost_decided::<T>(change)?;
    Pallet::<T>::cast_vote(member, motion, false)?;
    Ok((T::BenchmarkHelper::add_party(member), Call::vote { motion, approve: true }))
}

/// Returns the origin of an account of a party that it adds.
fn signed<T: Config>(member: PartyId) -> RawOrigin<T::AccountId> {
    RawOrigin::Signed(T::BenchmarkHelper::add_party(member).0.into())
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// By a council of one, which decides at once.
    #[benchmark]
    fn propose() -> Result<(), BenchmarkError> {
        let party = T::BenchmarkHelper::worst_removal()?;
        let member = fill::<T>(false).pop().ok_or("no council")?;

        #[extrinsic_call]
        _(signed::<T>(member), Change::RemoveParty(party));

        assert!(!T::Parties::is_party(&party));
        Ok(())
    }

    #[benchmark]
    fn vote() -> Result<(), BenchmarkError> {
        let party = T::BenchmarkHelper::worst_removal()?;
        let (member, motion) = almost_decided::<T>(Change::RemoveParty(party))?;

        #[extrinsic_call]
        _(signed::<T>(member), motion, true);

        assert!(!T::Parties::is_party(&party));
        Ok(())
    }

    #[benchmark]
    fn enact() -> Result<(), BenchmarkError> {
        let party = T::BenchmarkHelper::worst_removal()?;
        let _ = fill::<T>(true);
        let origin = T::CouncilOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as <T as frame_system::Config>::RuntimeOrigin, Change::RemoveParty(party));

        assert!(!T::Parties::is_party(&party));
        Ok(())
    }

    /// Other members, as many as possible. The motion waits for more votes.
    #[benchmark]
    fn propose_members() -> Result<(), BenchmarkError> {
        let members = fill::<T>(true);
        for member in &members {
            T::BenchmarkHelper::add_party(*member);
        }
        let by = signed::<T>(*members.last().ok_or("no council")?);
        let members = BoundedVec::truncate_from(members);

        #[extrinsic_call]
        _(by, members);

        let open = pallet_collective::Proposals::<T>::decode_len().unwrap_or_default() as u32;
        assert_eq!(open, <T as pallet_collective::Config>::MaxProposals::get());
        Ok(())
    }

    /// All members change, and nearly half of the former ones voted on every motion.
    #[benchmark]
    fn enact_members() -> Result<(), BenchmarkError> {
        let old = fill::<T>(true);
        for motion in pallet_collective::Proposals::<T>::get() {
            // One vote more would decide the motion.
            for member in old.iter().take((old.len() / 2).saturating_sub(1)) {
                Pallet::<T>::cast_vote(*member, motion, false)?;
            }
        }
        let new: Vec<_> = (0..old.len()).map(|number| PartyId([number as u8; 32])).collect();
        for member in &new {
            T::BenchmarkHelper::add_party(*member);
        }
        let origin = T::MembersOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as <T as frame_system::Config>::RuntimeOrigin, BoundedVec::truncate_from(new.clone()));

        assert_eq!(Pallet::<T>::members(), new);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::founded(&[]), crate::mock::Test);
}
