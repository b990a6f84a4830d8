//! The calls at their worst.

use crate::{
    equivocation::is_signed, Authorities, Authority, AuthoritySet, Call, Config, Equivocations, Error,
    FormerAuthorities, Pallet, SessionBegan, Validators, VoteProof, MAX_EQUIVOCATIONS,
};
use alloc::{vec, vec::Vec};
use codec::{Decode, Encode};
use frame_benchmarking::v2::*;
use frame_support::{traits::Get, BoundedVec};
use frame_system::{
    pallet_prelude::{BlockNumberFor, HeaderFor},
    RawOrigin,
};
use pallet_session::{QueuedKeys, ShouldEndSession};
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_runtime::{
    traits::{Header as _, One, TrailingZeroInput, Zero},
    Digest, DigestItem,
};
use streembit_primitives::{
    consortium::{Equivocation, Offence, SessionKey, SessionKeys},
    AccountId, PartyId,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Adds a party, and an account as its gateway.
    fn add_gateway(gateway: AccountId, party: PartyId);
}

const PARTY: PartyId = PartyId([1; 32]);
/// A public key of sr25519.
const KEY: [u8; 32] = [
    0x18, 0x9d, 0xac, 0x29, 0x29, 0x6d, 0x31, 0x81, 0x4d, 0xc8, 0xc5, 0x6c, 0xf3, 0xd3, 0x6a, 0x05, 0x43,
    0x37, 0x2b, 0xba, 0x75, 0x38, 0xfa, 0x32, 0x2a, 0x4a, 0xeb, 0xfe, 0xbc, 0x39, 0xe0, 0x56,
];
/// A signature of that key, over another message than a block.
const SIGNATURE: [u8; 64] = [
    0x0e, 0xec, 0x80, 0xbe, 0x3e, 0xc4, 0xf4, 0x07, 0x7e, 0x9f, 0xbe, 0x88, 0x5d, 0x8b, 0x4b, 0xf9, 0xfb,
    0xb5, 0xbc, 0xa0, 0x88, 0x62, 0x1a, 0x9e, 0x59, 0x73, 0x7c, 0xd6, 0x33, 0x81, 0x09, 0x22, 0x0b, 0xce,
    0xb2, 0x22, 0x7a, 0x92, 0xf2, 0xea, 0xd1, 0xea, 0x32, 0x78, 0x49, 0xaf, 0xec, 0x44, 0x71, 0x90, 0x55,
    0x4e, 0x9f, 0x82, 0x3d, 0x09, 0x04, 0x5d, 0x85, 0xdb, 0xa4, 0x4a, 0xe1, 0x8d,
];

/// Makes `count` gateways of one party the only validators, with session keys in force, and stores as many
/// equivocations as possible.
pub fn fill<T: Config>(count: u32) -> Result<(), BenchmarkError> {
    let keys = <T as pallet_session::Config>::Keys::decode(&mut TrailingZeroInput::zeroes())
        .map_err(|_| BenchmarkError::Stop("zeros are no keys"))?;
    let mut validators = Vec::new();
    for number in 0..count {
        let id = validator(number);
        T::BenchmarkHelper::add_gateway(id, PARTY);
        pallet_session::NextKeys::<T>::insert(T::AccountId::from(id.0), keys.clone());
        validators.push(T::AccountId::from(id.0));
    }
    let queued: Vec<_> = validators.iter().map(|validator| (validator.clone(), keys.clone())).collect();
    QueuedKeys::<T>::put(queued);
    Validators::<T>::put(BoundedVec::truncate_from(validators));
    fill_equivocations::<T>();
    Ok(())
}

/// Stores as many equivocations as possible, all of gateways that no longer validate: each is asked for its party.
fn fill_equivocations<T: Config>() {
    let known = (0..MAX_EQUIVOCATIONS).map(|number| {
        let account = validator(1_000 + number);
        T::BenchmarkHelper::add_gateway(account, PARTY);
        Equivocation { account, offence: Offence::Blocks { slot: 0 }, block: 0 }
    });
    Equivocations::<T>::put(BoundedVec::truncate_from(known.collect()));
}

fn validator(number: u32) -> AccountId {
    let mut id = [2; 32];
    id.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    AccountId(id)
}

/// A point of Ed25519's curve: it serves as a key and as one half of a signature.
fn point() -> [u8; 32] {
    let mut point = [0x66; 32];
    point.iter_mut().take(1).for_each(|first| *first = 0x58);
    point
}

/// Fills both sets of authorities, and returns the last validator.
fn fill_authorities<T: Config>() -> Result<AccountId, BenchmarkError> {
    fill::<T>(T::MaxValidators::get())?;
    let keys = SessionKeys { aura: SessionKey(KEY), grandpa: SessionKey(point()) };
    let authority = |account: T::AccountId| {
        let account = AccountId(account.into());
        Authority { account, keys, reported: false }
    };
    let authorities: Vec<_> = Validators::<T>::get().into_iter().map(authority).collect();
    let last = authorities.last().ok_or(BenchmarkError::Stop("no validators"))?.account;
    let set: AuthoritySet<T> = (Zero::zero(), BoundedVec::truncate_from(authorities));
    Authorities::<T>::set(set.clone());
    FormerAuthorities::<T>::set(set);
    Ok(last)
}

/// Two votes of all validators with wrong signatures. To find that out takes as long as to accept right ones.
fn votes<T: Config>() -> Result<VoteProof<T>, BenchmarkError> {
    let vote = |number: BlockNumberFor<T>| (T::Hash::default(), number, point(), [0u8; 32]);
    let proof = (0u64, 0u8, 1u64, point(), vote(Zero::zero()), vote(One::one())).encode();
    VoteProof::<T>::decode(&mut proof.as_slice()).map_err(|_| BenchmarkError::Stop("this is no proof"))
}

/// A block in the last validator's slot that follows a block of this chain, with a seal that is not the validator's.
fn block<T: Config>(number: u32) -> HeaderFor<T> {
    let parent: BlockNumberFor<T> = number.saturating_sub(1).into();
    frame_system::BlockHash::<T>::insert(parent, T::Hash::default());
    let slot = u64::from(T::MaxValidators::get().saturating_sub(1));
    let logs = vec![
        DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode()),
        DigestItem::Seal(AURA_ENGINE_ID, SIGNATURE.to_vec()),
    ];
    let (nothing, digest) = (T::Hash::default(), Digest { logs });
    HeaderFor::<T>::new(number.into(), nothing, nothing, nothing, digest)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn leave() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;

        #[extrinsic_call]
        _(RawOrigin::Signed(validator(0).0.into()));

        assert!(!Pallet::<T>::is_validator(&validator(0)));
        Ok(())
    }

    /// The validators are compared one by one, and none of them has changed.
    #[benchmark]
    fn on_initialize(v: Linear<1, { T::MaxValidators::get() }>) -> Result<(), BenchmarkError> {
        fill::<T>(v)?;
        pallet_session::QueuedChanged::<T>::put(false);
        SessionBegan::<T>::put(BlockNumberFor::<T>::zero());
        let now = T::MinSession::get();
        let ends;

        #[block]
        {
            ends = <Pallet<T> as ShouldEndSession<BlockNumberFor<T>>>::should_end_session(now);
        }

        assert!(!ends);
        Ok(())
    }

    /// The proof is checked twice, as before a report is taken and when it is executed.
    #[benchmark]
    fn report_votes() -> Result<(), BenchmarkError> {
        let last = fill_authorities::<T>()?;
        let proof = votes::<T>()?;

        #[block]
        {
            for _ in 0..2 {
                let _ = Pallet::<T>::verify_votes(&proof);
            }
            Pallet::<T>::punish_last(1);
        }

        assert!(Equivocations::<T>::get().iter().any(|one| one.account == last));
        Ok(())
    }

    /// Two blocks of two sets, checked twice. The seal of the first block is wrong, so the check does not reach the
    /// second seal; one more seal is checked each time to make up for it.
    #[benchmark]
    fn report_blocks() -> Result<(), BenchmarkError> {
        let last = fill_authorities::<T>()?;
        Authorities::<T>::mutate(|(began, _)| *began = One::one());
        let (first, second) = (block::<T>(1), block::<T>(2));
        let seal = Decode::decode(&mut SIGNATURE.as_slice()).map_err(|_| BenchmarkError::Stop("no seal"))?;

        #[block]
        {
            for _ in 0..2 {
                is_signed(&SessionKey(KEY), &T::Hash::default(), &seal);
                let _ = Pallet::<T>::verify_blocks(&first, &second);
            }
            Pallet::<T>::punish_last(2);
        }

        assert!(Equivocations::<T>::get().iter().any(|one| one.account == last));
        // This is the last check before the seals.
        assert!(matches!(Pallet::<T>::verify_blocks(&first, &second), Err(Error::AlreadyReported)));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
