//! The calls at their worst.

use crate::{Call, Config, Pallet};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get};
use frame_system::RawOrigin;
use pallet_parties::PartyLookup;
use streembit_primitives::{
    consortium::{Change, Quota},
    AccountId,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Stores as much as possible in the pallets that are asked when a party is removed, and returns a party whose
    /// removal takes longest.
    fn worst_removal() -> Result<AccountId, BenchmarkError>;
}

/// Makes a council of one member, or of as many as possible, and opens all but one of the possible motions. Returns the
/// members.
pub fn fill<T: Config>(full: bool) -> Vec<T::AccountId> {
    let most = if full { <T as pallet_collective::Config>::MaxMembers::get() } else { 1 };
    let member = |number| frame_benchmarking::account("member", number, 0);
    let mut members: Vec<T::AccountId> = (0..most).map(member).collect();
    members.sort();
    pallet_collective::Members::<T>::put(&members);
    for number in 1..<T as pallet_collective::Config>::MaxProposals::get() {
        let quota = Quota { microseconds: number.into(), bytes: 0 };
        let change = Change::SetQuota { party: AccountId([4; 32]), quota: Some(quota) };
        // If this fails, the motion of the benchmark cannot be opened either.
        let _ = members.first().map(|member| Pallet::<T>::open(member, change));
    }
    members
}

/// Opens a motion on the largest council that lacks one vote. Returns the member that gives it, and the motion.
pub fn almost_decided<T: Config>(change: Change) -> Result<(T::AccountId, T::Hash), BenchmarkError> {
    let members = fill::<T>(true);
    let (first, last) = members.first().zip(members.get(members.len() / 2)).ok_or("no council")?;
    let motion = Pallet::<T>::open(first, change)?;
    for member in members.iter().take(members.len() / 2) {
        Pallet::<T>::cast_vote(member, motion, true)?;
    }
    Ok((last.clone(), motion))
}

/// Returns a member of the largest council, and the call with which it changes its vote.
pub fn second_vote<T: Config>(change: Change) -> Result<(T::AccountId, Call<T>), BenchmarkError> {
    let (member, motion) = almost_decided::<T>(change)?;
    Pallet::<T>::cast_vote(&member, motion, false)?;
    Ok((member, Call::vote { motion, approve: true }))
}

fn is_party<T: Config>(account: &AccountId) -> bool {
    T::Parties::acts_for(account).is_some()
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
        _(RawOrigin::Signed(member), Change::RemoveParty(party));

        assert!(!is_party::<T>(&party));
        Ok(())
    }

    #[benchmark]
    fn vote() -> Result<(), BenchmarkError> {
        let party = T::BenchmarkHelper::worst_removal()?;
        let (member, motion) = almost_decided::<T>(Change::RemoveParty(party))?;

        #[extrinsic_call]
        _(RawOrigin::Signed(member), motion, true);

        assert!(!is_party::<T>(&party));
        Ok(())
    }

    #[benchmark]
    fn enact() -> Result<(), BenchmarkError> {
        let party = T::BenchmarkHelper::worst_removal()?;
        let _ = fill::<T>(true);
        let origin = T::CouncilOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as <T as frame_system::Config>::RuntimeOrigin, Change::RemoveParty(party));

        assert!(!is_party::<T>(&party));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::founded(&[]), crate::mock::Test);
}
