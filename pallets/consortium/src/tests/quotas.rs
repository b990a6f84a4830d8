//! What parties and their gateways may spend.

use crate::{mock::*, Error, GenesisHash, SpendQuota};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{DispatchInfo, GetDispatchInfo, PostDispatchInfo},
    traits::Get,
    weights::Weight,
};
use proptest::prelude::*;
use sp_runtime::{
    traits::{BlakeTwo256, DispatchTransaction, Hash as _, TransactionExtension, TxBaseImplication},
    transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Quota},
    AccountId, Hash,
};

fn quota(microseconds: u64, bytes: u64) -> Quota {
    Quota { microseconds, bytes }
}

/// Validates a transaction that takes so long and has so many bytes, and spends for it.
fn spend(by: AccountId, microseconds: u64, bytes: usize) -> Result<(), TransactionValidityError> {
    spend_on(by, remark(), microseconds, bytes)
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![] }.into()
}

fn spend_on(
    by: AccountId,
    call: RuntimeCall,
    microseconds: u64,
    bytes: usize,
) -> Result<(), TransactionValidityError> {
    carry_out(by, call, (microseconds, microseconds), bytes, || ())
}

/// Validates a transaction, spends for what it weighs, does it, and gives back what it did not need.
fn carry_out(
    by: AccountId,
    call: RuntimeCall,
    (weighed, needed): (u64, u64),
    bytes: usize,
    run: impl FnOnce(),
) -> Result<(), TransactionValidityError> {
    type Check = SpendQuota<Test>;
    let weight = |microseconds: u64| Weight::from_parts(microseconds * 1_000_000, 0);
    let info = DispatchInfo { call_weight: weight(weighed), ..call.get_dispatch_info() };
    let (spent, _) = Check::new().validate_and_prepare(signed(by), &call, &info, bytes, 0)?;
    run();
    let mut done = PostDispatchInfo { actual_weight: Some(weight(needed)), ..Default::default() };
    <Check as TransactionExtension<RuntimeCall>>::post_dispatch(spent, &info, &mut done, bytes, &Ok(()))
}

fn refused(code: u8) -> Result<(), TransactionValidityError> {
    Err(InvalidTransaction::Custom(code).into())
}

fn left(of: AccountId) -> Quota {
    Consortium::quota(&of).unwrap().left
}

#[test]
fn a_party_spends_its_quota_and_has_it_again_in_the_next_period() {
    chain().execute_with(|| {
        assert_ok!(spend(OWNER, 60, 300));
        let shown = Consortium::quota(&OWNER).unwrap();
        assert_eq!((shown.payer, shown.quota, shown.left), (OWNER, quota(100, 1_000), quota(40, 700)));
        assert_eq!(shown.refills, 6_000);
        assert_eq!(spend(OWNER, 41, 0), refused(invalid_transaction::QUOTA_TIME));
        assert_eq!(spend(OWNER, 0, 701), refused(invalid_transaction::QUOTA_BYTES));
        assert_eq!(left(OWNER), quota(40, 700), "what is refused costs nothing");
        assert_ok!(spend(OWNER, 40, 700));
        assert_eq!(spend(OWNER, 1, 0), refused(invalid_transaction::QUOTA_TIME));
        // The others have theirs.
        assert_ok!(spend(WORKSHOP, 100, 1_000));
        Now::set(5_999);
        assert_eq!(spend(OWNER, 1, 0), refused(invalid_transaction::QUOTA_TIME));
        Now::set(6_000);
        assert_eq!(left(OWNER), quota(100, 1_000));
        assert_ok!(spend(OWNER, 100, 1_000));
    });
}

#[test]
fn what_a_call_did_not_need_is_given_back_but_not_to_who_left() {
    chain().execute_with(|| {
        assert_ok!(carry_out(WORKSHOP, remark(), (90, 20), 300, || {
            assert_eq!(left(WORKSHOP), quota(10, 700), "as it is weighed, while it runs");
        }));
        assert_eq!(left(WORKSHOP), quota(80, 700));
        assert_eq!(spend(WORKSHOP, 81, 0), refused(invalid_transaction::QUOTA_TIME));
        let leave = crate::Call::leave {}.into();
        assert_ok!(carry_out(WORKSHOP, leave, (80, 20), 300, || {
            assert_ok!(Consortium::leave(signed(WORKSHOP)));
        }));
        assert_eq!(crate::Spent::<Test>::iter().count(), 0, "something is left of who left");
    });
}

#[test]
fn what_takes_less_than_a_microsecond_is_not_free() {
    chain().execute_with(|| {
        let info = DispatchInfo { call_weight: Weight::from_parts(1, 0), ..Default::default() };
        let check = SpendQuota::<Test>::new();
        assert_ok!(check.validate_and_prepare(signed(OWNER), &remark(), &info, 0, 0).map(drop));
        assert_eq!(left(OWNER), quota(99, 1_000));
    });
}

#[test]
fn what_nobody_signed_spends_nothing() {
    chain().execute_with(|| {
        let info = DispatchInfo { call_weight: Weight::from_parts(u64::MAX, 0), ..Default::default() };
        let (check, call, source) = (SpendQuota::<Test>::new(), remark(), TransactionSource::InBlock);
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            let rest = TxBaseImplication(&call);
            let valid = check.validate(origin, &call, &info, usize::MAX, (), &rest, source);
            assert_eq!(valid.unwrap().1, None);
        }
        assert_eq!(crate::Spent::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_founding_quota_counts_from_the_first_block() {
    let config = crate::GenesisConfig::<Test> {
        parties: vec![account(OWNER)],
        quotas: vec![(account(OWNER), 5, 6)],
        ..Default::default()
    };
    chain().execute_with(|| {
        frame_support::traits::BuildGenesisConfig::build(&config);
        assert_eq!(left(OWNER), quota(5, 6));
    });
}

#[test]
fn gateways_spend_what_their_party_has() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        assert_eq!(Consortium::quota(&gateway.account()), None);
        assert_eq!(spend(gateway.account(), 1, 1), Err(InvalidTransaction::Payment.into()));
        let consent = gateway.consent(GenesisHash::<Test>::get(), OWNER);
        assert_ok!(Consortium::add_gateway(signed(OWNER), gateway.account(), consent));
        assert_ok!(spend(gateway.account(), 70, 0));
        assert_eq!(left(OWNER), quota(30, 1_000));
        assert_eq!(Consortium::quota(&gateway.account()), Consortium::quota(&OWNER));
        assert_eq!(spend(OWNER, 31, 0), refused(invalid_transaction::QUOTA_TIME));
    });
}

#[test]
fn the_council_sets_a_quota_and_votes_for_nothing() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[INSURER]).execute_with(|| {
        let set = |quota| Change::SetQuota { party: WORKSHOP, quota };
        assert_ok!(Consortium::propose(signed(WORKSHOP), set(Some(quota(7, 7)))));
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
        let vote = || -> RuntimeCall {
            crate::Call::vote { motion: motion(set(Some(quota(7, 7)))), approve: true }.into()
        };
        // A member that is no party spends its own, but not for the vote that is waited for.
        assert_ok!(spend(INSURER, 100, 0));
        assert_eq!(spend(INSURER, 1, 0), refused(invalid_transaction::QUOTA_TIME));
        assert_ok!(spend_on(INSURER, vote(), 1_000, 10_000));
        assert_ok!(Consortium::vote(signed(INSURER), motion(set(Some(quota(7, 7)))), true));
        assert_eq!(left(WORKSHOP), quota(7, 7));
        assert_ok!(Consortium::propose(signed(INSURER), set(None)));
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
        let nobody = Change::SetQuota { party: STRANGER, quota: None };
        assert_noop!(Consortium::propose(signed(INSURER), nobody), Error::<Test>::NotAParty);
        // Who leaves takes its quota along.
        assert_ok!(Consortium::propose(signed(INSURER), set(Some(quota(7, 7)))));
        assert_ok!(Consortium::leave(signed(WORKSHOP)));
        assert_ok!(Consortium::check_state());
        assert_eq!(Consortium::quota(&WORKSHOP), None);
    });
}

#[test]
fn a_second_vote_on_a_motion_is_not_free() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER, INSURER, STRANGER]).execute_with(|| {
        let change = Change::AddParty(AccountId([7; 32]));
        assert_ok!(Consortium::propose(signed(WORKSHOP), change));
        let vote = |approve| RuntimeCall::from(crate::Call::vote { motion: motion(change), approve });
        assert_ok!(spend_on(INSURER, vote(false), 60, 0));
        assert_ok!(Consortium::vote(signed(INSURER), motion(change), false));
        assert_eq!(left(INSURER), quota(100, 1_000));
        // However often it changes its mind, it takes no more of the blocks than others do.
        assert_ok!(spend_on(INSURER, vote(true), 60, 0));
        assert_ok!(Consortium::vote(signed(INSURER), motion(change), true));
        assert_eq!(spend_on(INSURER, vote(false), 60, 0), refused(invalid_transaction::QUOTA_TIME));
        // The motion still waits for the others.
        assert_ok!(spend_on(OWNER, vote(true), 1_000, 0));
    });
}

#[test]
fn a_vote_that_cannot_be_cast_is_refused() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER, INSURER, STRANGER]).execute_with(|| {
        let change = Change::AddParty(AccountId([7; 32]));
        let vote = |approve| RuntimeCall::from(crate::Call::vote { motion: motion(change), approve });
        // A motion is there with the block that opens it.
        assert_eq!(spend_on(OWNER, vote(true), 1, 0), refused(invalid_transaction::NO_SUCH_MOTION));
        assert_ok!(Consortium::propose(signed(WORKSHOP), change));
        for approve in [true, false] {
            assert_eq!(spend_on(WORKSHOP, vote(approve), 1, 0), refused(invalid_transaction::NOT_IN_COUNCIL));
        }
        let nobody = AccountId([8; 32]);
        assert_eq!(spend_on(nobody, vote(true), 1, 0), Err(InvalidTransaction::Payment.into()));

        assert_ok!(spend_on(OWNER, vote(false), 1, 0));
        assert_ok!(Consortium::vote(signed(OWNER), motion(change), false));
        assert_eq!(spend_on(OWNER, vote(false), 1, 0), refused(invalid_transaction::ALREADY_VOTED));
        assert_ok!(spend_on(OWNER, vote(true), 1, 0));
        assert_ok!(Consortium::vote(signed(OWNER), motion(change), true));
        assert_eq!(spend_on(OWNER, vote(true), 1, 0), refused(invalid_transaction::ALREADY_VOTED));
        assert_ok!(Consortium::vote(signed(INSURER), motion(change), true));
        assert_eq!(
            spend_on(STRANGER, vote(true), 1, 0),
            refused(invalid_transaction::NO_SUCH_MOTION),
            "it is decided"
        );
    });
}

#[test]
fn what_blocks_keep_for_the_council_others_do_not_use() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER]).execute_with(|| {
        let close = RuntimeCall::Council(pallet_collective::Call::close {
            proposal_hash: motion(Change::AddParty(STRANGER)),
            index: 0,
            proposal_weight_bound: Weight::zero(),
            length_bound: 0,
        });
        assert_eq!(spend_on(WORKSHOP, close.clone(), 1, 0), refused(invalid_transaction::NOT_IN_COUNCIL));
        assert_ok!(spend_on(OWNER, close, 1, 0));
        assert_eq!(left(OWNER), quota(99, 1_000), "it is not free");
        let root = RuntimeCall::System(frame_system::Call::set_heap_pages { pages: 1 });
        for by in [OWNER, WORKSHOP] {
            assert_eq!(spend_on(by, root.clone(), 1, 0), Err(InvalidTransaction::Call.into()));
        }
    });
}

#[test]
fn the_code_of_a_decided_upgrade_costs_nothing_and_other_code_is_refused() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER]).execute_with(|| {
        let code = [7u8; 300];
        let apply = |code: &[u8]| -> RuntimeCall {
            frame_system::Call::apply_authorized_upgrade { code: code.to_vec() }.into()
        };
        let undecided = || refused(invalid_transaction::NOT_AUTHORIZED);
        assert_eq!(spend_on(WORKSHOP, apply(&code), 1, 0), undecided(), "nothing is decided");
        let hash = Hash(BlakeTwo256::hash(&code).0);
        assert_ok!(Consortium::propose(signed(WORKSHOP), Change::Upgrade { code: hash }));
        assert_eq!(spend_on(WORKSHOP, apply(&code), 1, 0), undecided(), "it is only proposed");
        assert_ok!(Consortium::vote(signed(OWNER), motion(Change::Upgrade { code: hash }), true));
        assert_ok!(spend_on(WORKSHOP, apply(&code), 1_000, 10_000));
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
        assert_eq!(spend_on(WORKSHOP, apply(&[8; 300]), 1, 0), undecided());
        assert_eq!(spend_on(STRANGER, apply(&code), 1, 0), Err(InvalidTransaction::Payment.into()));

        // The council changes its mind: the last decision counts.
        let second = Hash(BlakeTwo256::hash(&[8; 300]).0);
        assert_ok!(Consortium::propose(signed(OWNER), Change::Upgrade { code: second }));
        assert_eq!(spend_on(WORKSHOP, apply(&code), 1, 0), undecided());
        assert_ok!(spend_on(WORKSHOP, apply(&[8; 300]), 1_000, 0));
    });
}

#[test]
fn it_adds_no_byte_to_a_transaction() {
    use codec::Encode;
    chain().execute_with(|| {
        assert!(SpendQuota::<Test>::new().encode().is_empty());
        // What is signed beside it is nothing: this does not compile with anything else.
        let () = SpendQuota::<Test>::new().implicit().unwrap();
    });
}

/// What may happen to a quota.
#[derive(Clone, Debug)]
enum Step {
    /// A transaction of one of the accounts: so much time as weighed, so much of it needed, so many bytes.
    Spend(usize, u64, u64, usize),
    /// Another quota, or everybody's.
    Set(AccountId, Option<(u64, u64)>),
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let party = prop_oneof![Just(OWNER), Just(WORKSHOP)];
    let quota = prop::option::of((0u64..200, 0u64..2_000));
    prop_oneof![
        6 => (0usize..3, 0u64..130, 0u64..130, 0usize..1_300).prop_map(|(by, weighed, needed, bytes)| {
            Step::Spend(by, weighed, needed.min(weighed), bytes)
        }),
        1 => (party, quota).prop_map(|(party, quota)| Step::Set(party, quota)),
        2 => (0u64..1_500).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is taken is what fits into what is left; nobody spends what another has; and what is kept does not grow with time.
    #[test]
    fn no_sequence_of_transactions_spends_more_than_the_quota(steps in prop::collection::vec(step(), 1..80)) {
        Now::set(5_000);
        chain().execute_with(|| {
            let gateway = Gateway::new(1);
            let consent = gateway.consent(GenesisHash::<Test>::get(), OWNER);
            assert_ok!(Consortium::add_gateway(signed(OWNER), gateway.account(), consent));
            let accounts = [(OWNER, OWNER), (gateway.account(), OWNER), (WORKSHOP, WORKSHOP)];
            let mut spent = [(OWNER, Quota::default()), (WORKSHOP, Quota::default())];
            let mut whole = spent.map(|(party, _)| (party, DefaultQuota::get()));
            for step in steps {
                match step.clone() {
                    Step::Wait(milliseconds) => {
                        let period = Now::get() / 1_000;
                        Now::set(Now::get() + milliseconds);
                        if Now::get() / 1_000 > period {
                            spent = spent.map(|(party, _)| (party, Quota::default()));
                        }
                    }
                    Step::Set(party, new) => {
                        let new = new.map(|(microseconds, bytes)| quota(microseconds, bytes));
                        crate::Quotas::<Test>::set(party, new);
                        whole = whole.map(|(of, old)| {
                            (of, if of == party { new.unwrap_or(DefaultQuota::get()) } else { old })
                        });
                    }
                    Step::Spend(by, weighed, needed, bytes) => {
                        let (account, payer) = accounts[by];
                        let before = left(payer);
                        let fits = weighed <= before.microseconds && bytes as u64 <= before.bytes;
                        let taken = carry_out(account, remark(), (weighed, needed), bytes, || ());
                        prop_assert_eq!(taken.is_ok(), fits, "{:?} of {:?}", step, before);
                        if fits {
                            let cost = quota(needed, bytes as u64);
                            spent = spent.map(|(of, all)| {
                                (of, if of == payer { all.saturating_add(&cost) } else { all })
                            });
                        }
                    }
                }
                for ((party, all), (_, whole)) in spent.iter().zip(whole) {
                    prop_assert_eq!(left(*party), whole.saturating_sub(all), "after {:?}", step);
                }
                prop_assert!(crate::Spent::<Test>::iter().count() <= 2);
            }
            Ok(())
        })?;
    }
}
