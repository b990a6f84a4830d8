//! The quotas that the council sets, and its free calls.

use super::*;
use crate::{Error, Event, SetQuota};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::consortium::invalid_transaction;

fn set(party: AccountId, quota: Option<Quota>) -> sp_runtime::DispatchResult {
    <Quotas as SetQuota>::set(party, quota)
}

fn vote() -> RuntimeCall {
    frame_system::Call::remark_with_event { remark: vec![] }.into()
}

#[test]
fn the_council_sets_the_quota_of_a_party() {
    chain().execute_with(|| {
        assert_ok!(set(WORKSHOP, Some(quota(7, 7))));
        System::assert_last_event(Event::QuotaSet { party: WORKSHOP, quota: Some(quota(7, 7)) }.into());
        assert_eq!(left(WORKSHOP), quota(7, 7));
        assert_ok!(set(WORKSHOP, None));
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
        Parties::take_in(GATEWAY, OWNER);
        for nobody in [STRANGER, MEMBER, GATEWAY] {
            assert_noop!(<Quotas as SetQuota>::ensure_can_set(&nobody), Error::<Test>::NotAParty);
            assert_noop!(set(nobody, None), Error::<Test>::NotAParty);
        }
    });
}

#[test]
fn the_quota_of_a_party_that_leaves_is_removed() {
    chain().execute_with(|| {
        assert_ok!(set(WORKSHOP, Some(quota(7, 7))));
        assert_ok!(spend(WORKSHOP, 7, 0));
        Parties::leave(WORKSHOP);
        assert_ok!(Quotas::check_state());
        assert_eq!(Quotas::quota(&WORKSHOP), None);
        // If it comes back, it begins anew.
        Parties::take_in(WORKSHOP, WORKSHOP);
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
    });
}

#[test]
fn a_member_that_is_no_party_spends_its_own_quota_but_not_for_free_calls() {
    chain().execute_with(|| {
        assert_ok!(spend(MEMBER, 100, 0));
        assert_eq!(spend(MEMBER, 1, 0), rejected(invalid_transaction::QUOTA_TIME));
        assert_ok!(spend_on(MEMBER, vote(), 1_000, 10_000));
        Members::set(vec![]);
        assert_eq!(spend(MEMBER, 1, 0), Err(InvalidTransaction::Payment.into()));
    });
}

#[test]
fn a_free_call_has_priority_and_a_rejected_call_costs_nothing() {
    chain().execute_with(|| {
        let check = |by, call: RuntimeCall| {
            let info = call.get_dispatch_info();
            SpendQuota::<Test>::new().validate_only(
                signed(by),
                &call,
                &info,
                0,
                sp_runtime::transaction_validity::TransactionSource::External,
                0,
            )
        };
        assert!(check(MEMBER, vote()).unwrap().0.priority > check(OWNER, remark()).unwrap().0.priority);
        assert_eq!(spend_on(OWNER, vote(), 1, 1), rejected(REJECTED));
        assert_eq!(left(OWNER), quota(100, 1_000));
    });
}
