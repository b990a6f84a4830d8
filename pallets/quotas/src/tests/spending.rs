//! Transactions that spend the quota of a party.

use super::*;
use frame_support::assert_ok;
use sp_runtime::{traits::TxBaseImplication, transaction_validity::TransactionSource};
use streembit_primitives::{consortium::invalid_transaction, party::Role, Scope};

#[test]
fn a_party_spends_its_quota_and_has_it_again_in_the_next_period() {
    chain().execute_with(|| {
        assert_ok!(spend(OWNER, 60, 300));
        let shown = Quotas::quota(&OWNER).unwrap();
        assert_eq!((shown.party, shown.quota, shown.left), (party(OWNER), quota(100, 1_000), quota(40, 700)));
        assert_eq!(shown.refills, 6_000);
        assert_eq!(spend(OWNER, 41, 0), rejected(invalid_transaction::QUOTA_TIME));
        assert_eq!(spend(OWNER, 0, 701), rejected(invalid_transaction::QUOTA_BYTES));
        assert_eq!(left(OWNER), quota(40, 700), "a rejected transaction costs nothing");
        assert_ok!(spend(OWNER, 40, 700));
        assert_eq!(spend(OWNER, 1, 0), rejected(invalid_transaction::QUOTA_TIME));
        // The others have theirs.
        assert_ok!(spend(WORKSHOP, 100, 1_000));
        Now::set(5_999);
        assert_eq!(spend(OWNER, 1, 0), rejected(invalid_transaction::QUOTA_TIME));
        Now::set(6_000);
        assert_eq!(left(OWNER), quota(100, 1_000));
        assert_ok!(spend(OWNER, 100, 1_000));
    });
}

#[test]
fn unused_time_is_refunded_but_not_to_a_former_party() {
    chain().execute_with(|| {
        assert_ok!(carry_out(WORKSHOP, remark(), (90, 20), 300, || {
            assert_eq!(left(WORKSHOP), quota(10, 700), "the full weight is spent while it runs");
        }));
        assert_eq!(left(WORKSHOP), quota(80, 700));
        assert_eq!(spend(WORKSHOP, 81, 0), rejected(invalid_transaction::QUOTA_TIME));
        assert_ok!(carry_out(WORKSHOP, remark(), (80, 20), 300, || Parties::leave(WORKSHOP)));
        assert_eq!(crate::Spent::<Test>::iter().count(), 0, "a former party has an entry");
    });
}

#[test]
fn a_call_of_less_than_a_microsecond_is_not_free() {
    chain().execute_with(|| {
        let info = DispatchInfo { call_weight: Weight::from_parts(1, 0), ..Default::default() };
        let check = SpendQuota::<Test>::new();
        assert_ok!(check.validate_and_prepare(signed(OWNER), &remark(), &info, 0, 0).map(drop));
        assert_eq!(left(OWNER), quota(99, 1_000));
    });
}

#[test]
fn a_transaction_also_costs_what_every_transaction_takes_in_a_block() {
    chain().execute_with(|| {
        BaseMicroseconds::set(30);
        assert_eq!(spend(OWNER, 71, 0), rejected(invalid_transaction::QUOTA_TIME));
        assert_ok!(carry_out(OWNER, remark(), (50, 0), 300, || {
            assert_eq!(left(OWNER), quota(20, 700));
        }));
        // A call that needs no time gives back its own weight only.
        assert_eq!(left(OWNER), quota(70, 700));
        assert_ok!(spend(OWNER, 40, 0));
        assert_eq!(spend(OWNER, 0, 0), rejected(invalid_transaction::QUOTA_TIME));
    });
}

#[test]
fn unsigned_transactions_spend_nothing() {
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
    founded(vec![(account(OWNER), 5, 6)]).execute_with(|| {
        assert_eq!(left(OWNER), quota(5, 6));
        assert_eq!(left(WORKSHOP), quota(100, 1_000));
    });
}

#[test]
#[should_panic = "a quota belongs to no party"]
fn a_genesis_with_a_strangers_quota_starts_no_chain() {
    founded(vec![(account(STRANGER), 5, 6)]);
}

#[test]
fn gateways_spend_what_their_party_has() {
    chain().execute_with(|| {
        assert_eq!(Quotas::quota(&GATEWAY), None);
        assert_eq!(spend(GATEWAY, 1, 1), Err(InvalidTransaction::Payment.into()));
        Parties::take_in(GATEWAY, OWNER, Role::Gateway);
        assert_ok!(spend(GATEWAY, 70, 0));
        assert_eq!(left(OWNER), quota(30, 1_000));
        assert_eq!(Quotas::quota(&GATEWAY), Quotas::quota(&OWNER));
        assert_eq!(spend(OWNER, 31, 0), rejected(invalid_transaction::QUOTA_TIME));
    });
}

/// The account of an employee.
const EMPLOYEE: AccountId = AccountId([6; 32]);

#[test]
fn an_account_that_has_ended_is_rejected_and_costs_its_party_nothing() {
    chain().execute_with(|| {
        let role = Role::Account { scope: Scope::All, until: Some(5_500) };
        Parties::take_in(EMPLOYEE, OWNER, role);
        assert_ok!(spend(EMPLOYEE, 30, 0));
        assert_eq!(left(OWNER), quota(70, 1_000));
        Now::set(5_500);
        assert_eq!(spend(EMPLOYEE, 1, 1), rejected(invalid_transaction::ACCOUNT_ENDED));
        assert_eq!((left(OWNER), Quotas::quota(&EMPLOYEE)), (quota(70, 1_000), None));
    });
}

#[test]
fn a_call_outside_of_an_accounts_scope_is_rejected_and_costs_its_party_nothing() {
    chain().execute_with(|| {
        let contract = || frame_system::Call::remark { remark: vec![1] }.into();
        for (scope, may) in [(Scope::All, true), (Scope::Contracts, true), (Scope::Devices, false)] {
            Accounts::mutate(|accounts| accounts.retain(|(account, _)| *account != EMPLOYEE));
            Parties::take_in(EMPLOYEE, OWNER, Role::Account { scope, until: None });
            let result = spend_on(EMPLOYEE, contract(), 1, 1);
            assert_eq!(result, if may { Ok(()) } else { rejected(invalid_transaction::OUT_OF_SCOPE) });
            // Other calls need no scope.
            assert_ok!(spend(EMPLOYEE, 0, 0));
        }
        assert_eq!(left(OWNER), quota(98, 998));
        // A gateway has no scope. What it may do is up to the pallets.
        Parties::take_in(GATEWAY, OWNER, Role::Gateway);
        assert_ok!(spend_on(GATEWAY, contract(), 1, 1));
    });
}

#[test]
fn it_adds_no_byte_to_a_transaction() {
    use codec::Encode;
    chain().execute_with(|| {
        assert!(SpendQuota::<Test>::new().encode().is_empty());
        // Nothing is signed beside it: this does not compile with another type.
        let () = SpendQuota::<Test>::new().implicit().unwrap();
    });
}
