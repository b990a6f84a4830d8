//! The calls at their worst.

use crate::{
    equivocation::is_signed, Authorities, Authority, AuthoritySet, Call, Config, Council, Equivocations,
    Error, FormerAuthorities, Gateways, GatewaysOf, Pallet, Parties, Quotas, SessionBegan, SpendQuota, Spent,
    Validators, VoteProof, MAX_EQUIVOCATIONS,
};
use alloc::{vec, vec::Vec};
use codec::{Decode, Encode};
use frame_benchmarking::v2::*;
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    traits::{EnsureOrigin, Get, IsSubType},
    weights::Weight,
    BoundedVec,
};
use frame_system::{
    pallet_prelude::{BlockNumberFor, HeaderFor},
    RawOrigin,
};
use pallet_session::{QueuedKeys, ShouldEndSession};
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, Dispatchable, Header as _, One, TrailingZeroInput, TransactionExtension,
        TxBaseImplication, Zero,
    },
    transaction_validity::{TransactionSource, TransactionValidityError},
    Digest, DigestItem,
};
use streembit_primitives::{
    consortium::{Change, Equivocation, Membership, Offence, Quota, SessionKey, SessionKeys},
    AccountId, Signature,
};

const PARTY: AccountId = AccountId([1; 32]);
/// An account whose key signed what follows.
const GATEWAY: AccountId = AccountId([
    0x18, 0x9d, 0xac, 0x29, 0x29, 0x6d, 0x31, 0x81, 0x4d, 0xc8, 0xc5, 0x6c, 0xf3, 0xd3, 0x6a, 0x05, 0x43,
    0x37, 0x2b, 0xba, 0x75, 0x38, 0xfa, 0x32, 0x2a, 0x4a, 0xeb, 0xfe, 0xbc, 0x39, 0xe0, 0x56,
]);
/// Its consent to belong to the party, on a chain with a genesis hash of zeros. Made beforehand: sr25519 signs with
/// randomness, which there is none of in Wasm.
const CONSENT: [u8; 64] = [
    0x0e, 0xec, 0x80, 0xbe, 0x3e, 0xc4, 0xf4, 0x07, 0x7e, 0x9f, 0xbe, 0x88, 0x5d, 0x8b, 0x4b, 0xf9, 0xfb,
    0xb5, 0xbc, 0xa0, 0x88, 0x62, 0x1a, 0x9e, 0x59, 0x73, 0x7c, 0xd6, 0x33, 0x81, 0x09, 0x22, 0x0b, 0xce,
    0xb2, 0x22, 0x7a, 0x92, 0xf2, 0xea, 0xd1, 0xea, 0x32, 0x78, 0x49, 0xaf, 0xec, 0x44, 0x71, 0x90, 0x55,
    0x4e, 0x9f, 0x82, 0x3d, 0x09, 0x04, 0x5d, 0x85, 0xdb, 0xa4, 0x4a, 0xe1, 0x8d,
];

/// The first validators: as many as asked for, all of them gateways of one party, with session keys that are in force; and
/// the parties.
fn fill<T: Config>(count: u32) -> Result<(), BenchmarkError> {
    let keys = <T as pallet_session::Config>::Keys::decode(&mut TrailingZeroInput::zeroes())
        .map_err(|_| BenchmarkError::Stop("zeros are no keys"))?;
    let mut validators = Vec::new();
    for number in 0..count {
        let id = validator(number);
        Gateways::<T>::insert(id, PARTY);
        GatewaysOf::<T>::insert(PARTY, id, ());
        pallet_session::NextKeys::<T>::insert(T::AccountId::from(id.0), keys.clone());
        validators.push(T::AccountId::from(id.0));
    }
    let queued: Vec<_> = validators.iter().map(|validator| (validator.clone(), keys.clone())).collect();
    QueuedKeys::<T>::put(queued);
    Validators::<T>::put(BoundedVec::truncate_from(validators));
    Parties::<T>::insert(PARTY, Membership::default());
    Parties::<T>::insert(LEAVING, Membership::default());
    Quotas::<T>::insert(LEAVING, Quota::default());
    Spent::<T>::insert(LEAVING, (0u64, Quota::default()));
    fill_equivocations::<T>();
    Ok(())
}

/// As many contradictions as are kept in mind, all of gateways that are no validators any more: each is asked whose it is.
fn fill_equivocations<T: Config>() {
    let known = (0..MAX_EQUIVOCATIONS).map(|number| {
        let account = validator(1_000 + number);
        Gateways::<T>::insert(account, PARTY);
        Equivocation { account, offence: Offence::Blocks { slot: 0 }, block: 0 }
    });
    Equivocations::<T>::put(BoundedVec::truncate_from(known.collect()));
}

fn validator(number: u32) -> AccountId {
    let mut id = [2; 32];
    id.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    AccountId(id)
}

/// A point of the curve that Ed25519 signatures are made of: a key, and one half of a signature.
fn point() -> [u8; 32] {
    let mut point = [0x66; 32];
    point.iter_mut().take(1).for_each(|first| *first = 0x58);
    point
}

/// As many validators in force as there may be, and the same before them; gives the last.
fn fill_authorities<T: Config>() -> Result<AccountId, BenchmarkError> {
    fill::<T>(T::MaxValidators::get())?;
    let keys = SessionKeys { aura: SessionKey(GATEWAY.0), grandpa: SessionKey(point()) };
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

/// Two votes of all of them, with signatures that are none: to find that out takes as long as to find that they are right.
fn votes<T: Config>() -> Result<VoteProof<T>, BenchmarkError> {
    let vote = |number: BlockNumberFor<T>| (T::Hash::default(), number, point(), [0u8; 32]);
    let proof = (0u64, 0u8, 1u64, point(), vote(Zero::zero()), vote(One::one())).encode();
    VoteProof::<T>::decode(&mut proof.as_slice()).map_err(|_| BenchmarkError::Stop("this is no proof"))
}

/// A block in the last validator's slot, after one of this chain, with a seal that is not its own.
fn block<T: Config>(number: u32) -> HeaderFor<T> {
    let parent: BlockNumberFor<T> = number.saturating_sub(1).into();
    frame_system::BlockHash::<T>::insert(parent, T::Hash::default());
    let slot = u64::from(T::MaxValidators::get().saturating_sub(1));
    let logs = vec![
        DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode()),
        DigestItem::Seal(AURA_ENGINE_ID, CONSENT.to_vec()),
    ];
    let (nothing, digest) = (T::Hash::default(), Digest { logs });
    HeaderFor::<T>::new(number.into(), nothing, nothing, nothing, digest)
}

/// The party that goes in the benchmarks of changes. None of the validators is its own: the look at each is for nothing.
const LEAVING: AccountId = AccountId([3; 32]);
/// A party that left: its gateways are nobody's.
const FORMER: AccountId = AccountId([5; 32]);

/// A motion on the largest council that lacks the one vote that decides it, and who gives that.
fn almost_decided<T: Config>() -> Result<(T::AccountId, T::Hash), BenchmarkError> {
    let members = T::Council::benchmark(true);
    let (first, last) = members.first().zip(members.get(members.len() / 2)).ok_or("no council")?;
    let motion = T::Council::open(first, Change::RemoveParty(LEAVING))?;
    for member in members.iter().take(members.len() / 2) {
        T::Council::vote(member, motion, true)?;
    }
    Ok((last.clone(), motion))
}

#[benchmarks(
    where
        T: Config + Send + Sync,
        T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>
            + IsSubType<Call<T>>
            + IsSubType<frame_system::Call<T>>
            + From<Call<T>>,
        <T::RuntimeCall as Dispatchable>::RuntimeOrigin:
            AsSystemOriginSigner<T::AccountId> + Clone + From<RawOrigin<T::AccountId>>,
)]
mod benchmarks {
    use super::*;

    /// Of a gateway that was another party's before.
    #[benchmark]
    fn add_gateway() {
        frame_system::BlockHash::<T>::insert(BlockNumberFor::<T>::zero(), T::Hash::default());
        Parties::<T>::insert(PARTY, Membership::default());
        Gateways::<T>::insert(GATEWAY, FORMER);
        GatewaysOf::<T>::insert(FORMER, GATEWAY, ());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY, Signature::Sr25519(CONSENT));

        assert_eq!(Gateways::<T>::get(GATEWAY), Some(PARTY));
    }

    #[benchmark]
    fn remove_gateway() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        Gateways::<T>::insert(GATEWAY, PARTY);
        GatewaysOf::<T>::insert(PARTY, GATEWAY, ());

        #[extrinsic_call]
        _(RawOrigin::Signed(PARTY.0.into()), GATEWAY);

        assert!(!Gateways::<T>::contains_key(GATEWAY));
        Ok(())
    }

    /// By a council of one, which decides it at once.
    #[benchmark]
    fn propose() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        let member = T::Council::benchmark(false).pop().ok_or("no council")?;

        #[extrinsic_call]
        _(RawOrigin::Signed(member), Change::RemoveParty(LEAVING));

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    #[benchmark]
    fn vote() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        let (member, motion) = almost_decided::<T>()?;

        #[extrinsic_call]
        _(RawOrigin::Signed(member), motion, true);

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    #[benchmark]
    fn enact() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        let _ = T::Council::benchmark(true);
        let origin = T::CouncilOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, Change::RemoveParty(LEAVING));

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    #[benchmark]
    fn leave_validators() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;

        #[extrinsic_call]
        _(RawOrigin::Signed(validator(0).0.into()));

        assert!(!Pallet::<T>::is_validator(&validator(0)));
        Ok(())
    }

    #[benchmark]
    fn leave() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        let _ = T::Council::benchmark(true);

        #[extrinsic_call]
        _(RawOrigin::Signed(LEAVING.0.into()));

        assert!(!Parties::<T>::contains_key(LEAVING));
        Ok(())
    }

    /// The validators are compared one by one, and all of them are found as they were.
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

    /// A member of the council changes its vote, which is looked up among the motions and is not free. It is also the gateway of
    /// a party that left: that it may submit is found out last, from the council, which is asked once more about the vote.
    #[benchmark]
    fn spend_quota() -> Result<(), BenchmarkError> {
        fill::<T>(T::MaxValidators::get())?;
        let (member, motion) = almost_decided::<T>()?;
        T::Council::vote(&member, motion, false)?;
        let payer = AccountId(member.clone().into());
        Gateways::<T>::insert(payer, FORMER);
        Quotas::<T>::insert(payer, Quota { microseconds: u64::MAX, bytes: u64::MAX });
        Spent::<T>::insert(payer, (0u64, Quota::default()));
        let call: T::RuntimeCall = Call::<T>::vote { motion, approve: true }.into();
        let origin = RawOrigin::Signed(member);
        let info = DispatchInfo { call_weight: Weight::from_parts(1_000_000_000, 0), ..Default::default() };
        let done = PostDispatchInfo { actual_weight: Some(Weight::zero()), ..Default::default() };
        let result;

        #[block]
        {
            result = spend::<T>(origin, &call, &info, &done);
        }

        assert!(result.is_ok());
        assert!(Spent::<T>::get(payer).1.bytes > 0);
        Ok(())
    }

    /// The proof twice, as before a report is taken and when it is.
    #[benchmark]
    fn report_votes() -> Result<(), BenchmarkError> {
        let last = fill_authorities::<T>()?;
        let proof = votes::<T>()?;

        #[block]
        {
            for _ in 0..2 {
                let _ = Pallet::<T>::judge_votes(&proof);
            }
            Pallet::<T>::punish_last(1);
        }

        assert!(Equivocations::<T>::get().iter().any(|one| one.account == last));
        Ok(())
    }

    /// Two blocks of two sets, judged twice. The seal of the first is of nobody, after which that of the second is not looked at:
    /// one more is, each time.
    #[benchmark]
    fn report_blocks() -> Result<(), BenchmarkError> {
        let last = fill_authorities::<T>()?;
        Authorities::<T>::mutate(|(began, _)| *began = One::one());
        let (first, second) = (block::<T>(1), block::<T>(2));
        let seal = Decode::decode(&mut CONSENT.as_slice()).map_err(|_| BenchmarkError::Stop("no seal"))?;

        #[block]
        {
            for _ in 0..2 {
                is_signed(&SessionKey(GATEWAY.0), &T::Hash::default(), &seal);
                let _ = Pallet::<T>::judge_blocks(&first, &second);
            }
            Pallet::<T>::punish_last(2);
        }

        assert!(Equivocations::<T>::get().iter().any(|one| one.account == last));
        // That is found out last before the seals.
        assert!(matches!(Pallet::<T>::judge_blocks(&first, &second), Err(Error::AlreadyReported)));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}

/// What the extension does for one transaction, from its validation to what it gives back.
fn spend<T>(
    origin: RawOrigin<T::AccountId>,
    call: &T::RuntimeCall,
    info: &DispatchInfo,
    done: &PostDispatchInfo,
) -> Result<Weight, TransactionValidityError>
where
    T: Config + Send + Sync,
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>
        + IsSubType<Call<T>>
        + IsSubType<frame_system::Call<T>>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin:
        AsSystemOriginSigner<T::AccountId> + Clone + From<RawOrigin<T::AccountId>>,
{
    const LENGTH: usize = 200;
    let (base, source) = (TxBaseImplication(()), TransactionSource::External);
    let extension = SpendQuota::<T>::new();
    let (_, cost, origin) = extension.validate(origin.into(), call, info, LENGTH, (), &base, source)?;
    let spent = extension.prepare(cost, &origin, call, info, LENGTH)?;
    <SpendQuota<T> as TransactionExtension<T::RuntimeCall>>::post_dispatch_details(
        spent,
        info,
        done,
        LENGTH,
        &Ok(()),
    )
}
