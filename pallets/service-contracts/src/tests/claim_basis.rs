//! Claims against sides that left or were replaced.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ClaimEvidence, ClaimState, Decision, Outcome},
        ChargeBasis, ChargeClause, Clause, ContractId, Terms, Verdict,
    },
    PartyId,
};

/// The workshop charges the owner by the hour.
fn hourly() -> Terms {
    terms_with(vec![Clause::Charge(ChargeClause {
        subject: None,
        basis: ChargeBasis::Time { per: 60 * MINUTE },
        rate: km(6),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::Down,
        creditor: WORKSHOP,
        debtor: OWNER,
    })])
}

/// The same with the insurer as the owner, and no arbiter.
fn successor() -> Terms {
    let mut next = hourly();
    next.arbiter = None;
    next.unruled = Verdict::Stands;
    next.parties[0].party = INSURER;
    let Clause::Charge(charge) = &mut next.clauses[0].clause else { unreachable!() };
    charge.debtor = INSURER;
    next
}

fn claim(id: ContractId) -> DispatchResult {
    let evidence = Box::new(ClaimEvidence::Time { until: Now::get() });
    ServiceContracts::claim(signed(WORKSHOP), id, 1, evidence, Default::default())
}

fn state(id: ContractId, number: u32) -> ClaimState {
    let views = ServiceContracts::claims(id).unwrap();
    views.into_iter().find(|view| view.claim.number == number).unwrap().claim.state
}

fn contest(party: PartyId, id: ContractId, number: u32) -> DispatchResult {
    ServiceContracts::contest(signed(party), id, number, Default::default())
}

/// The car gets another owner, which takes the place of the seller without asking it.
fn replace_owner(id: ContractId) {
    let gateway = Gateway::new(100);
    own(INSURER, &gateway.hosted("car"), &gateway);
    let next = successor();
    assert_ok!(ServiceContracts::amend(signed(INSURER), id, hash_of(&hourly()), content(next.clone())));
    for party in [WORKSHOP, ARBITER] {
        let _ = ServiceContracts::accept(signed(party), id, hash_of(&next));
    }
    assert_eq!(ServiceContracts::contract(id).unwrap().hash, hash_of(&next));
}

#[test]
fn nothing_is_claimed_from_a_party_that_left_and_its_silence_confirms_nothing() {
    chain().execute_with(|| {
        let id = agree(hourly());
        pass(MINUTE);
        assert_ok!(claim(id));
        pass(MINUTE);
        expel(OWNER);
        assert_noop!(claim(id), Error::<Test>::SeatLost);
        pass(CONTEST);
        assert_eq!(state(id, 0), ClaimState::Claimed);
        readmit(OWNER);
        assert_eq!(state(id, 0), ClaimState::Claimed);
        assert_noop!(contest(OWNER, id, 0), Error::<Test>::SeatLost);
        // The claimant can take it back, so that it does not stay for good.
        assert_ok!(ServiceContracts::retract(signed(WORKSHOP), id, 0));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_claim_that_stood_before_the_respondent_left_still_stands() {
    chain().execute_with(|| {
        let id = agree(hourly());
        pass(MINUTE);
        assert_ok!(claim(id));
        pass(CONTEST);
        expel(OWNER);
        pass(MINUTE);
        assert_eq!(state(id, 0), ClaimState::Stands(Decision::Silence));
    });
}

#[test]
fn a_side_that_was_replaced_still_contests_and_its_arbiter_rules() {
    chain().execute_with(|| {
        let id = agree(hourly());
        pass(MINUTE);
        assert_ok!(claim(id));
        pass(MINUTE);
        assert_ok!(claim(id));
        assert_ok!(contest(OWNER, id, 1));
        replace_owner(id);
        assert_noop!(contest(INSURER, id, 0), Error::<Test>::NotTheRespondent);
        assert_ok!(contest(OWNER, id, 0));
        let rule = |party| ServiceContracts::rule(signed(party), id, 0, Outcome::Void, Default::default());
        assert_noop!(rule(INSURER), Error::<Test>::NotTheArbiter);
        assert_ok!(rule(ARBITER));
        // The verdict of the content under which it was made counts, and not the one of the amendment.
        pass(RULE);
        assert_eq!(state(id, 1), ClaimState::Void(Decision::Unruled));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}
