//! Meters that cannot be poisoned by many readings, by readings below what was charged, or by one event with two readings.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ClaimEvidence, ClaimState},
        CarryOver, ChargeBasis, ChargeClause, Clause, ContractId, Terms, UsageClause,
    },
    reading_proof::ReadingProof,
    Decimal, Value,
};

/// The workshop is charged by the kilometre.
fn per_km() -> Terms {
    terms_with(vec![Clause::Charge(ChargeClause {
        subject: None,
        basis: ChargeBasis::Meter { device: car(), meter: odometer(), per: km(1) },
        rate: km(1),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::Down,
        creditor: OWNER,
        debtor: WORKSHOP,
    })])
}

/// Logs the values a millisecond apart, and anchors the log.
fn drive(gateway: &mut Gateway, values: &[u32]) {
    for value in values {
        Now::set(&(Now::get() + 1));
        gateway.drive(*value);
    }
    gateway.anchor();
}

fn charge(id: ContractId, first: Option<ReadingProof>, last: ReadingProof) -> DispatchResult {
    let evidence = Box::new(ClaimEvidence::Meter { first, last });
    ServiceContracts::claim(signed(OWNER), id, 1, evidence, Default::default())
}

fn report(id: ContractId, proof: Box<ReadingProof>) -> DispatchResult {
    ServiceContracts::report(signed(OWNER), id, 1, proof)
}

fn meter(id: ContractId) -> Option<Decimal> {
    ServiceContracts::clauses(id).unwrap()[0].progress.meter.map(|point| point.value)
}

#[test]
fn many_readings_in_a_short_time_do_not_carry_a_meter_away() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        drive(&mut gateway, &[10_000, 13_000, 16_000]);
        for index in 0..3 {
            assert_ok!(report(id, gateway.prove(index)));
        }
        assert_eq!(meter(id), Some(km(13_000)));
        assert_eq!(ServiceContracts::claims(id).unwrap()[0].claim.state, ClaimState::Disputed);
        // The next day has its own rise.
        Now::set(&(Now::get() + DAY));
        drive(&mut gateway, &[16_000]);
        assert_ok!(report(id, gateway.prove(3)));
        assert_eq!(meter(id), Some(km(16_000)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn chained_charges_rise_no_further_than_one() {
    for is_reported_first in [false, true] {
        chain().execute_with(|| {
            let (id, mut gateway) = (agree(per_km()), Gateway::new(100));
            drive(&mut gateway, &[1_000, 4_000, 4_000, 7_000]);
            if is_reported_first {
                assert_ok!(report(id, gateway.prove(3)));
            }
            assert_ok!(charge(id, Some(*gateway.prove(0)), *gateway.prove(1)));
            assert_ok!(charge(id, None, *gateway.prove(2)));
            assert_noop!(charge(id, None, *gateway.prove(3)), Error::<Test>::Irregular);
            // Taking a charge back does not begin the day anew.
            assert_ok!(ServiceContracts::retract(signed(OWNER), id, 1));
            assert_noop!(charge(id, None, *gateway.prove(3)), Error::<Test>::Irregular);
        });
    }
}

#[test]
fn a_charge_does_not_begin_below_the_end_of_the_last_one() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(per_km()), Gateway::new(100));
        drive(&mut gateway, &[9_000, 10_000, 8_500, 10_100]);
        assert_ok!(charge(id, Some(*gateway.prove(0)), *gateway.prove(1)));
        let twice = || charge(id, Some(*gateway.prove(2)), *gateway.prove(3));
        assert_noop!(twice(), Error::<Test>::Irregular);
        // Reported, the wrong reading is void unless somebody decides.
        assert_ok!(report(id, gateway.prove(2)));
        assert_noop!(twice(), Error::<Test>::Irregular);
        assert_ok!(report(id, gateway.prove(3)));
        assert_noop!(twice(), Error::<Test>::Irregular);
        assert_ok!(charge(id, None, *gateway.prove(3)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_usage_does_not_begin_below_the_end_of_the_last_one() {
    chain().execute_with(|| {
        let usage = Clause::Usage(UsageClause {
            device: car(),
            meter: odometer(),
            period: 10 * MINUTE,
            allowance: km(100),
            carry_over: CarryOver::None,
            user: WORKSHOP,
            claimant: OWNER,
        });
        let (id, mut gateway) = (agree(terms_with(vec![usage])), Gateway::new(100));
        let use_of = |gateway: &Gateway, period, first, last| {
            let (first, last) = (*gateway.prove(first), *gateway.prove(last));
            let evidence = Box::new(ClaimEvidence::Usage { period, first, last });
            ServiceContracts::claim(signed(OWNER), id, 1, evidence, Default::default())
        };
        drive(&mut gateway, &[1_000, 2_000]);
        pass(10 * MINUTE);
        assert_ok!(use_of(&gateway, 0, 0, 1));
        drive(&mut gateway, &[500, 2_100, 2_500]);
        pass(10 * MINUTE);
        // Also if the meter has moved on.
        for is_reported in [false, true] {
            if is_reported {
                assert_ok!(report(id, gateway.prove(4)));
            }
            assert_noop!(use_of(&gateway, 1, 2, 4), Error::<Test>::Irregular);
        }
        assert_ok!(use_of(&gateway, 1, 3, 4));
    });
}

#[test]
fn an_event_with_two_readings_of_the_meter_is_charged_once() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(per_km()), Gateway::new(100));
        gateway.drive(1);
        let both = [123, 1].map(|value| reading(ODOMETER, Value::Decimal(km(value))));
        let index = gateway.log(car(), both.to_vec());
        gateway.drive(124);
        gateway.anchor();
        assert_ok!(charge(id, Some(*gateway.prove(0)), *gateway.prove(index)));
        let mut lower = gateway.prove(index);
        lower.disclosure = gateway.entry(index).1.disclose(1).unwrap();
        assert_noop!(charge(id, Some(*lower), *gateway.prove(2)), Error::<Test>::WrongRange);
        assert_ok!(charge(id, Some(*gateway.prove(index)), *gateway.prove(2)));
    });
}
