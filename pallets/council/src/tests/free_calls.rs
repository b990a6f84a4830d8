//! Calls that cost no quota, and calls that the pool rejects.

use crate::{mock::*, Call};
use frame_support::{
    assert_ok,
    dispatch::{DispatchClass, GetDispatchInfo},
    weights::Weight,
};
use pallet_quotas::CouncilCalls;
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    transaction_validity::InvalidTransaction,
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change},
    AccountId, Hash,
};

fn add_stranger() -> Change {
    Change::add_party(STRANGER)
}

fn is_free(by: AccountId, call: impl Into<RuntimeCall>) -> Result<bool, InvalidTransaction> {
    let call = call.into();
    let class = call.get_dispatch_info().class;
    Council::is_free(&account(by), &call, class)
}

fn rejected(code: u8) -> Result<bool, InvalidTransaction> {
    Err(InvalidTransaction::Custom(code))
}

fn vote(approve: bool) -> Call<Test> {
    Call::vote { motion: motion(add_stranger()), approve }
}

#[test]
fn the_first_vote_on_a_motion_is_free_and_a_change_of_mind_is_not() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(LESSEE), add_stranger()));
        assert_eq!(is_free(INSURER, vote(false)), Ok(true));
        assert_ok!(Council::vote(signed(INSURER), motion(add_stranger()), false));
        assert_eq!(is_free(INSURER, vote(true)), Ok(false));
        assert_ok!(Council::vote(signed(INSURER), motion(add_stranger()), true));
        assert_eq!(is_free(INSURER, vote(false)), Ok(false));
        // The motion still waits for the other members.
        assert_eq!(is_free(OWNER, vote(true)), Ok(true));
    });
}

#[test]
fn a_vote_that_cannot_be_cast_is_rejected() {
    council_of_three().execute_with(|| {
        // A motion exists with the block that opens it.
        assert_eq!(is_free(OWNER, vote(true)), rejected(invalid_transaction::NO_SUCH_MOTION));
        assert_ok!(Council::propose(signed(LESSEE), add_stranger()));
        for approve in [true, false] {
            // Only accounts that may do everything vote for their party.
            for outsider in [LESSEE, STRANGER, EMPLOYEE, GATEWAY, ENDED] {
                assert_eq!(is_free(outsider, vote(approve)), rejected(invalid_transaction::NOT_IN_COUNCIL));
            }
        }
        assert_ok!(Council::vote(signed(OWNER), motion(add_stranger()), false));
        for account in [OWNER, PARTNER] {
            assert_eq!(is_free(account, vote(false)), rejected(invalid_transaction::ALREADY_VOTED));
            assert_eq!(is_free(account, vote(true)), Ok(false), "the party changes its vote");
        }
        assert_ok!(Council::vote(signed(OWNER), motion(add_stranger()), true));
        assert_eq!(is_free(OWNER, vote(true)), rejected(invalid_transaction::ALREADY_VOTED));
        assert_ok!(Council::vote(signed(INSURER), motion(add_stranger()), true));
        assert_eq!(
            is_free(WORKSHOP, vote(true)),
            rejected(invalid_transaction::NO_SUCH_MOTION),
            "it is decided"
        );
    });
}

#[test]
fn outsiders_do_not_use_the_part_of_a_block_that_is_the_councils() {
    founded(&[OWNER]).execute_with(|| {
        let close = pallet_collective::Call::close {
            proposal_hash: motion(add_stranger()),
            index: 0,
            proposal_weight_bound: Weight::zero(),
            length_bound: 0,
        };
        assert_eq!(RuntimeCall::from(close.clone()).get_dispatch_info().class, DispatchClass::Operational);
        assert_eq!(is_free(WORKSHOP, close.clone()), rejected(invalid_transaction::NOT_IN_COUNCIL));
        assert_eq!(is_free(OWNER, close), Ok(false));
        let root = frame_system::Call::set_heap_pages { pages: 1 };
        for by in [OWNER, WORKSHOP] {
            assert_eq!(is_free(by, root.clone()), Err(InvalidTransaction::Call));
        }
    });
}

#[test]
fn ordinary_calls_are_neither_free_nor_rejected() {
    council_of_three().execute_with(|| {
        for by in [OWNER, LESSEE, STRANGER] {
            assert_eq!(is_free(by, frame_system::Call::remark { remark: vec![] }), Ok(false));
            assert_eq!(is_free(by, Call::propose { change: add_stranger() }), Ok(false));
        }
    });
}

#[test]
fn the_code_of_an_authorized_upgrade_is_free_and_other_code_is_rejected() {
    founded(&[OWNER]).execute_with(|| {
        let code = [7u8; 300];
        let apply = |code: &[u8]| frame_system::Call::apply_authorized_upgrade { code: code.to_vec() };
        let undecided = || rejected(invalid_transaction::NOT_AUTHORIZED);
        assert_eq!(is_free(WORKSHOP, apply(&code)), undecided(), "nothing is decided");
        let upgrade = Change::Upgrade { code: Hash(BlakeTwo256::hash(&code).0) };
        assert_ok!(Council::propose(signed(WORKSHOP), upgrade));
        assert_eq!(is_free(WORKSHOP, apply(&code)), undecided(), "it is only proposed");
        assert_ok!(Council::vote(signed(OWNER), motion(upgrade), true));
        assert_eq!(is_free(WORKSHOP, apply(&code)), Ok(true));
        assert_eq!(is_free(WORKSHOP, apply(&[8; 300])), undecided());

        // The council changes its mind: the last decision counts.
        let second = Change::Upgrade { code: Hash(BlakeTwo256::hash(&[8; 300]).0) };
        assert_ok!(Council::propose(signed(OWNER), second));
        assert_eq!(is_free(WORKSHOP, apply(&code)), undecided());
        assert_eq!(is_free(WORKSHOP, apply(&[8; 300])), Ok(true));
    });
}
