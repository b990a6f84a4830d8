//! Disputes about one record: raised, answered, settled or ruled, and what happens if nobody rules.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ClaimEvidence, ClaimState, ClaimSubject, Decision, Outcome},
        ChargeBasis, ChargeClause, Clause, ContractId, Documents, Terms, Verdict,
    },
    Decimal, Hash,
};

fn documents(n: u8) -> Documents {
    Documents::truncate_from(vec![Hash([n; 32])])
}

/// Agrees on terms, and records a service that the owner contests.
fn contested(terms: Terms) -> ContractId {
    let (id, mut gateway) = (agree(terms), Gateway::new(100));
    let proof = gateway.proven(25_000);
    assert_ok!(ServiceContracts::record(signed(WORKSHOP), id, SERVICE, Some(proof), documents(1)));
    let by_workshop = ServiceContracts::contest(signed(WORKSHOP), id, 0, documents(2));
    assert_noop!(by_workshop, Error::<Test>::NotTheRespondent);
    assert_ok!(ServiceContracts::contest(signed(OWNER), id, 0, documents(2)));
    id
}

fn state(id: ContractId) -> ClaimState {
    ServiceContracts::claims(id).unwrap()[0].claim.state
}

fn due_at(id: ContractId) -> Option<Decimal> {
    ServiceContracts::clauses(id).unwrap()[0].due.clone().unwrap().at_meter
}

#[test]
fn a_contested_record_is_answered_and_ruled_by_the_arbiter() {
    chain().execute_with(|| {
        let id = contested(terms());
        assert_noop!(ServiceContracts::confirm(signed(OWNER), id, 0), Error::<Test>::NotOpen);
        let answer = |party| ServiceContracts::answer(signed(party), id, 0, documents(3));
        assert_noop!(answer(OWNER), Error::<Test>::NoAnswerDue);
        assert_noop!(answer(INSURER), Error::<Test>::NotASide);
        assert_ok!(answer(WORKSHOP));
        assert_noop!(answer(WORKSHOP), Error::<Test>::NoAnswerDue);
        let rule = |party, outcome| ServiceContracts::rule(signed(party), id, 0, outcome, documents(4));
        for party in [OWNER, WORKSHOP, INSURER] {
            assert_noop!(rule(party, Outcome::Stands), Error::<Test>::NotTheArbiter);
        }
        assert_noop!(rule(ARBITER, Outcome::Amount(km(1))), Error::<Test>::WrongOutcome);
        assert_noop!(rule(ARBITER, Outcome::Reading { sequence: 0 }), Error::<Test>::WrongOutcome);
        assert_eq!(due_at(id), Some(km(25_000)));
        assert_ok!(rule(ARBITER, Outcome::Stands));
        assert_eq!((state(id), due_at(id)), (ClaimState::Stands(Decision::Ruled), Some(km(40_000))));
        let dispute = ServiceContracts::claims(id).unwrap()[0].dispute.clone().unwrap();
        assert_eq!((dispute.answer, dispute.ruling), (Some(documents(3)), Some(documents(4))));
        assert_noop!(rule(ARBITER, Outcome::Void), Error::<Test>::NotDisputed);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn both_sides_settle_by_saying_the_same() {
    chain().execute_with(|| {
        let id = contested(terms());
        let settle = |party, outcome| ServiceContracts::settle(signed(party), id, 0, outcome);
        assert_noop!(settle(ARBITER, Outcome::Void), Error::<Test>::NotASide);
        assert_ok!(settle(OWNER, Outcome::Void));
        assert_ok!(settle(WORKSHOP, Outcome::Stands));
        assert_eq!(state(id), ClaimState::Disputed);
        assert_ok!(settle(WORKSHOP, Outcome::Void));
        assert_eq!((state(id), due_at(id)), (ClaimState::Void(Decision::Settled), Some(km(25_000))));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn what_happens_if_nobody_rules_is_in_the_contract() {
    for (unruled, expected, due) in [
        (Verdict::Stands, ClaimState::Stands(Decision::Unruled), 40_000),
        (Verdict::Void, ClaimState::Void(Decision::Unruled), 25_000),
    ] {
        chain().execute_with(|| {
            let id = contested(Terms { unruled, ..terms() });
            pass(RULE - MINUTE);
            assert_eq!(state(id), ClaimState::Disputed);
            pass(MINUTE);
            assert_eq!((state(id), due_at(id)), (expected, Some(km(due))));
            let late = ServiceContracts::rule(signed(ARBITER), id, 0, Outcome::Void, documents(4));
            assert_noop!(late, Error::<Test>::NotDisputed);
            assert_ok!(ServiceContracts::prune_claim(signed(OWNER), id, 0));
            assert_eq!(ServiceContracts::check_state(), Ok(()));
        });
    }
}

#[test]
fn a_charge_is_settled_with_a_lower_amount() {
    chain().execute_with(|| {
        let clause = Clause::Charge(ChargeClause {
            subject: None,
            basis: ChargeBasis::Once,
            rate: "500".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            rounding: Rounding::Down,
            creditor: OWNER,
            debtor: WORKSHOP,
        });
        let id = agree(terms_with(vec![clause]));
        let evidence = Box::new(ClaimEvidence::Once);
        assert_ok!(ServiceContracts::claim(signed(OWNER), id, 1, evidence, documents(1)));
        assert_ok!(ServiceContracts::contest(signed(WORKSHOP), id, 0, documents(2)));
        let settle = |party, amount: &str| {
            let outcome = Outcome::Amount(amount.parse().unwrap());
            ServiceContracts::settle(signed(party), id, 0, outcome)
        };
        assert_noop!(settle(OWNER, "501"), Error::<Test>::WrongOutcome);
        assert_noop!(settle(OWNER, "-1"), Error::<Test>::WrongOutcome);
        assert_ok!(settle(OWNER, "400"));
        assert_ok!(settle(WORKSHOP, "400"));
        let claim = &ServiceContracts::claims(id).unwrap()[0].claim;
        assert!(matches!(claim.subject, ClaimSubject::Charge { amount, .. } if amount == Decimal::from(400)));
        assert_ok!(ServiceContracts::pay(signed(WORKSHOP), id, 0, documents(3)));
    });
}

#[test]
fn an_arbiter_that_left_does_not_rule() {
    chain().execute_with(|| {
        let id = contested(terms());
        expel(ARBITER);
        readmit(ARBITER);
        let rule = ServiceContracts::rule(signed(ARBITER), id, 0, Outcome::Stands, documents(4));
        assert_noop!(rule, Error::<Test>::SeatLost);
    });
}
