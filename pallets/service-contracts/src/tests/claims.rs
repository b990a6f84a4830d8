//! Breaches, gaps, usages and charges.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{Claim, ClaimEvidence, ClaimState, ClaimSubject, Decision, Outcome, Payment},
        BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause, ContractId, ReportClause, UsageClause,
    },
    reading_proof::ReadingProof,
    Decimal, Value,
};

const TEMPERATURE: &str = "cargo/temperature";

fn bound(tolerated: u64) -> Clause {
    Clause::Bound(BoundClause {
        device: car(),
        reading: TEMPERATURE.parse().unwrap(),
        unit: "Cel".parse().unwrap(),
        min: Some(2u32.into()),
        max: Some(8u32.into()),
        tolerated,
        obliged: WORKSHOP,
        claimant: OWNER,
    })
}

fn gap() -> Clause {
    Clause::Report(ReportClause {
        device: car(),
        reading: TEMPERATURE.parse().unwrap(),
        every: 10 * MINUTE,
        obliged: WORKSHOP,
        claimant: OWNER,
    })
}

fn usage() -> Clause {
    Clause::Usage(UsageClause {
        device: car(),
        meter: odometer(),
        period: 60 * MINUTE,
        allowance: km(1_000),
        carry_over: CarryOver::UpTo(km(300)),
        user: WORKSHOP,
        claimant: OWNER,
    })
}

fn charge(basis: ChargeBasis, rate: &str) -> Clause {
    Clause::Charge(ChargeClause {
        subject: None,
        basis,
        rate: rate.parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::HalfEven,
        creditor: OWNER,
        debtor: WORKSHOP,
    })
}

fn per_km() -> Clause {
    charge(ChargeBasis::Meter { device: car(), meter: odometer(), per: km(100) }, "12.345")
}

fn claim(id: ContractId, evidence: ClaimEvidence) -> DispatchResult {
    ServiceContracts::claim(signed(OWNER), id, 1, Box::new(evidence), Default::default())
}

fn stored(id: ContractId, number: u32) -> Claim {
    let views = ServiceContracts::claims(id).unwrap();
    views.into_iter().find(|view| view.claim.number == number).unwrap().claim
}

/// Logs a temperature each minute for the values. Returns the index of the first one.
fn temperatures(gateway: &mut Gateway, values: &[u32]) -> u64 {
    let first = gateway.entries();
    for value in values {
        gateway.log(car(), vec![reading_in(TEMPERATURE, Value::Decimal(km(*value)), "Cel")]);
        pass(MINUTE);
    }
    gateway.anchor();
    first
}

fn breach(gateway: &Gateway, first: u64, last: u64) -> ClaimEvidence {
    ClaimEvidence::Breach { first: *gateway.prove(first), last: Some(*gateway.prove(last)) }
}

#[test]
fn one_reading_outside_is_a_breach_if_nothing_is_tolerated() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![bound(0)])), Gateway::new(100));
        let at = temperatures(&mut gateway, &[5, 9]);
        let one = |index| ClaimEvidence::Breach { first: *gateway.prove(index), last: None };
        assert_noop!(claim(id, one(at)), Error::<Test>::NoBreach);
        assert_ok!(claim(id, one(at + 1)));
        let refuted = ServiceContracts::refute(signed(WORKSHOP), id, 0, gateway.prove(at));
        assert_noop!(refuted, Error::<Test>::NotContrary);
        assert_ok!(ServiceContracts::confirm(signed(WORKSHOP), id, 0));
    });
}

#[test]
fn a_breach_of_twelve_minutes_stands_and_another_one_is_refuted() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![bound(10 * MINUTE)])), Gateway::new(100));
        let at = temperatures(&mut gateway, &[9; 13]);
        assert_noop!(claim(id, breach(&gateway, at, at + 10)), Error::<Test>::NoBreach);
        assert_ok!(claim(id, breach(&gateway, at, at + 12)));
        pass(CONTEST);
        assert_eq!(stored(id, 0).state, ClaimState::Stands(Decision::Silence));
        let late = ServiceContracts::refute(signed(WORKSHOP), id, 0, gateway.prove(at + 1));
        assert_noop!(late, Error::<Test>::NotOpen);

        let mut values = [9; 13];
        values[6] = 8;
        let at = temperatures(&mut gateway, &values);
        assert_ok!(claim(id, breach(&gateway, at, at + 12)));
        for no in [at, at + 5, at + 12] {
            let no = ServiceContracts::refute(signed(WORKSHOP), id, 1, gateway.prove(no));
            assert_noop!(no, Error::<Test>::NotContrary);
        }
        assert_ok!(ServiceContracts::refute(signed(WORKSHOP), id, 1, gateway.prove(at + 6)));
        assert_eq!(stored(id, 1).state, ClaimState::Void(Decision::Refuted));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_gap_is_refuted_by_any_reading_in_between() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![gap()])), Gateway::new(100));
        let at = temperatures(&mut gateway, &[5; 13]);
        let between = |before, after| ClaimEvidence::Gap {
            before: *gateway.prove(before),
            after: *gateway.prove(after),
        };
        assert_noop!(claim(id, between(at, at + 10)), Error::<Test>::NoGap);
        assert_ok!(claim(id, between(at, at + 12)));
        assert_ok!(ServiceContracts::refute(signed(WORKSHOP), id, 0, gateway.prove(at + 1)));
        let of_another_kind = ClaimEvidence::Once;
        assert_noop!(claim(id, of_another_kind), Error::<Test>::OtherClauseKind);
    });
}

#[test]
fn the_same_breach_or_gap_is_claimed_once_whatever_became_of_it() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![bound(0)])), Gateway::new(100));
        let at = temperatures(&mut gateway, &[9; 3]);
        let one = |index| ClaimEvidence::Breach { first: *gateway.prove(index), last: None };
        assert_ok!(claim(id, one(at + 1)));
        assert_noop!(claim(id, one(at + 1)), Error::<Test>::NotNewer);
        assert_noop!(claim(id, one(at)), Error::<Test>::NotNewer);
        // A claim that is taken back can be made again.
        assert_ok!(ServiceContracts::retract(signed(OWNER), id, 0));
        assert_ok!(claim(id, one(at + 1)));
        assert_ok!(ServiceContracts::contest(signed(WORKSHOP), id, 1, Default::default()));
        let rule = ServiceContracts::rule(signed(ARBITER), id, 1, Outcome::Void, Default::default());
        assert_ok!(rule);
        assert_ok!(ServiceContracts::prune_claim(signed(OWNER), id, 1));
        assert_noop!(claim(id, one(at + 1)), Error::<Test>::NotNewer);
        assert_ok!(claim(id, one(at + 2)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![gap()])), Gateway::new(100));
        let mut at = Vec::new();
        for _ in 0..3 {
            at.push(temperatures(&mut gateway, &[5]));
            pass(11 * MINUTE);
        }
        let between = |before: usize, after: usize| ClaimEvidence::Gap {
            before: *gateway.prove(at[before]),
            after: *gateway.prove(at[after]),
        };
        assert_ok!(claim(id, between(0, 1)));
        assert_noop!(claim(id, between(0, 1)), Error::<Test>::NotNewer);
        assert_noop!(claim(id, between(0, 2)), Error::<Test>::NotNewer);
        assert_ok!(claim(id, between(1, 2)));
    });
}

/// A lease over its mileage.
#[test]
fn usage_is_claimed_per_period_with_allowance_and_carry_over() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![usage()])), Gateway::new(100));
        let mut period = |from: u32, to: u32| -> (ReadingProof, ReadingProof) {
            let first = gateway.drive(from);
            pass(50 * MINUTE);
            let last = gateway.drive(to);
            pass(10 * MINUTE);
            gateway.anchor();
            (*gateway.prove(first), *gateway.prove(last))
        };
        let evidence = |period, (first, last)| ClaimEvidence::Usage { period, first, last };
        let first = period(5_000, 5_800);
        assert_noop!(claim(id, evidence(1, first.clone())), Error::<Test>::WrongPeriod);
        let second = period(5_800, 7_300);
        assert_ok!(claim(id, evidence(0, first.clone())));
        assert_noop!(claim(id, evidence(0, first.clone())), Error::<Test>::RecordOpen);
        // What the first period carries over is not certain before it is decided on.
        assert_ok!(ServiceContracts::contest(signed(WORKSHOP), id, 0, Default::default()));
        assert_noop!(claim(id, evidence(1, second.clone())), Error::<Test>::RecordOpen);
        let rule = ServiceContracts::rule(signed(ARBITER), id, 0, Outcome::Stands, Default::default());
        assert_ok!(rule);
        assert_noop!(claim(id, evidence(0, first)), Error::<Test>::WrongPeriod);
        assert_ok!(claim(id, evidence(1, second)));
        let ClaimSubject::Usage { used, allowance, over, carried_in, carried, .. } = stored(id, 1).subject
        else {
            panic!("a usage");
        };
        assert_eq!((used, allowance, over), (km(1_500), km(1_200), km(300)));
        assert_eq!((carried_in, carried), (km(200), Decimal::ZERO));
        assert_ok!(ServiceContracts::confirm(signed(WORKSHOP), id, 1));
        // A period that is not claimed carries over as if unused, and one that is void can be claimed again.
        period(7_300, 7_300);
        let fourth = period(7_300, 7_900);
        assert_ok!(claim(id, evidence(3, fourth.clone())));
        let skipped = stored(id, 2).subject;
        assert!(matches!(skipped, ClaimSubject::Usage { carried_in, .. } if carried_in == km(300)));
        assert_ok!(ServiceContracts::retract(signed(OWNER), id, 2));
        assert_ok!(claim(id, evidence(3, fourth)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_charge_by_the_meter_is_rounded_once_and_never_made_twice() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![per_km()])), Gateway::new(100));
        let indices: Vec<_> = [1_000, 1_250, 1_300].map(|km| gateway.drive(km)).to_vec();
        gateway.anchor();
        let meter = |first: Option<usize>, last: usize| ClaimEvidence::Meter {
            first: first.map(|first| *gateway.prove(indices[first])),
            last: *gateway.prove(indices[last]),
        };
        assert_noop!(claim(id, meter(None, 1)), Error::<Test>::ReadingNeeded);
        assert_noop!(claim(id, meter(Some(1), 0)), Error::<Test>::WrongRange);
        assert_ok!(claim(id, meter(Some(0), 1)));
        // 250 km at 12.345 for 100 km are 30.8625.
        let amount = |number| match stored(id, number).subject {
            ClaimSubject::Charge { amount, .. } => amount.to_string(),
            _ => panic!("a charge"),
        };
        assert_eq!(amount(0), "30.86");
        assert_noop!(claim(id, meter(Some(0), 2)), Error::<Test>::WrongRange);
        assert_ok!(claim(id, meter(None, 2)));
        assert_eq!(amount(1), "6.17");
        // A void charge can be made again.
        assert_ok!(ServiceContracts::retract(signed(OWNER), id, 1));
        assert_ok!(claim(id, meter(None, 2)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn time_is_charged_up_to_now_and_a_deposit_once() {
    chain().execute_with(|| {
        let hour = charge(ChargeBasis::Time { per: 60 * MINUTE }, "6");
        let id = agree(terms_with(vec![hour]));
        pass(30 * MINUTE);
        let until = |time| ClaimEvidence::Time { until: time };
        assert_noop!(claim(id, until(Now::get() + 1)), Error::<Test>::WrongRange);
        assert_noop!(claim(id, until(START)), Error::<Test>::WrongRange);
        assert_ok!(claim(id, until(Now::get())));
        let ClaimSubject::Charge { amount, .. } = stored(id, 0).subject else { panic!("a charge") };
        assert_eq!(amount, Decimal::from(3));
        assert_noop!(claim(id, until(Now::get())), Error::<Test>::WrongRange);

        let deposit = agree(terms_with(vec![charge(ChargeBasis::Once, "500")]));
        assert_ok!(claim(deposit, ClaimEvidence::Once));
        assert_noop!(claim(deposit, ClaimEvidence::Once), Error::<Test>::ChargedAlready);
    });
}

#[test]
fn a_payment_is_claimed_by_the_debtor_and_confirmed_by_the_creditor() {
    chain().execute_with(|| {
        let id = agree(terms_with(vec![charge(ChargeBasis::Once, "500")]));
        assert_ok!(claim(id, ClaimEvidence::Once));
        let pay = |party| ServiceContracts::pay(signed(party), id, 0, Default::default());
        let paid = |party| ServiceContracts::confirm_payment(signed(party), id, 0);
        assert_noop!(pay(WORKSHOP), Error::<Test>::NotACharge);
        pass(CONTEST);
        // Silence confirms the charge, and never the payment.
        assert_noop!(pay(OWNER), Error::<Test>::NotTheRespondent);
        assert_ok!(pay(WORKSHOP));
        assert_noop!(pay(WORKSHOP), Error::<Test>::PaidAlready);
        pass(10 * CONTEST);
        assert_eq!(stored(id, 0).payment, Payment::Claimed);
        assert_noop!(ServiceContracts::prune_claim(signed(WORKSHOP), id, 0), Error::<Test>::ClaimNeeded);
        assert_noop!(paid(WORKSHOP), Error::<Test>::NotTheClaimant);
        assert_ok!(paid(OWNER));
        assert_noop!(paid(OWNER), Error::<Test>::PaidAlready);
        assert_ok!(ServiceContracts::prune_claim(signed(WORKSHOP), id, 0));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

/// The debtor has left, and the clause would be full of charges that nobody can pay.
#[test]
fn the_creditor_confirms_a_payment_that_the_debtor_did_not_claim() {
    chain().execute_with(|| {
        let id = agree(terms_with(vec![charge(ChargeBasis::Once, "500")]));
        assert_ok!(claim(id, ClaimEvidence::Once));
        assert_ok!(ServiceContracts::confirm(signed(WORKSHOP), id, 0));
        expel(WORKSHOP);
        let prune = || ServiceContracts::prune_claim(signed(OWNER), id, 0);
        assert_noop!(prune(), Error::<Test>::ClaimNeeded);
        assert_ok!(ServiceContracts::confirm_payment(signed(OWNER), id, 0));
        assert_ok!(prune());
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn claims_can_be_made_for_a_while_after_the_end() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms_with(vec![usage()])), Gateway::new(100));
        let first = gateway.drive(5_000);
        pass(30 * MINUTE);
        let last = gateway.drive(7_000);
        gateway.anchor();
        for party in [OWNER, WORKSHOP] {
            pass(MINUTE);
            assert_ok!(ServiceContracts::terminate(signed(party), id));
        }
        let evidence =
            || ClaimEvidence::Usage { period: 0, first: *gateway.prove(first), last: *gateway.prove(last) };
        assert_ok!(claim(id, evidence()));
        assert_ok!(ServiceContracts::retract(signed(OWNER), id, 0));
        pass(CONTEST);
        assert_noop!(claim(id, evidence()), Error::<Test>::Ended);
    });
}
