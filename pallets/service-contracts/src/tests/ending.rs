//! A contract ends when its end comes, and not when somebody notes it.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::contract::{
    evaluate::Rounding,
    state::{ClaimEvidence, ClaimState, Decision},
    BoundClause, ChargeBasis, ChargeClause, Clause, ContractId, OnChange, Terms,
};
use streembit_primitives::Value;

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

fn charge_until(id: ContractId, until: u64) -> sp_runtime::DispatchResult {
    let evidence = Box::new(ClaimEvidence::Time { until });
    ServiceContracts::claim(signed(WORKSHOP), id, 1, evidence, Default::default())
}

fn ended_at(id: ContractId) -> u64 {
    ServiceContracts::contract(id).unwrap().ended.unwrap().time
}

#[test]
fn time_after_a_notice_is_not_charged_although_nobody_noted_the_end() {
    chain().execute_with(|| {
        let id = agree(hourly());
        assert_ok!(ServiceContracts::terminate(signed(OWNER), id));
        pass(NOTICE + 30 * MINUTE);
        assert_noop!(charge_until(id, Now::get()), Error::<Test>::WrongRange);
        assert_noop!(charge_until(id, START + NOTICE + 1), Error::<Test>::WrongRange);
        assert_ok!(charge_until(id, START + NOTICE));
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        assert_eq!(ended_at(id), START + NOTICE);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_contract_that_a_departure_ends_ended_then() {
    chain().execute_with(|| {
        let id = agree(Terms { on_leave: OnChange::Ends, ..hourly() });
        pass(10 * MINUTE);
        expel(OWNER);
        pass(10 * MINUTE);
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        assert_eq!(ended_at(id), START + 10 * MINUTE);
    });
}

#[test]
fn readings_of_the_buyer_do_not_count_against_the_seller() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(Terms { on_sale: OnChange::Ends, ..terms() }), Gateway::new(100));
        let before = gateway.drive(11_000);
        pass(10 * MINUTE);
        own(INSURER, &gateway.hosted("car"), &gateway);
        pass(10 * MINUTE);
        let after = gateway.drive(12_000);
        gateway.anchor();
        let report = |index| ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.prove(index));
        assert_noop!(report(after), Error::<Test>::DeviceSold);
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        assert_eq!(ended_at(id), START + 10 * MINUTE);
        assert_noop!(report(after), Error::<Test>::DeviceSold);
        assert_ok!(report(before));
    });
}

/// The claimant sells the device, so that nobody can refute its claim.
#[test]
fn a_sale_does_not_keep_earlier_readings_from_refuting_a_claim() {
    chain().execute_with(|| {
        let bound = Clause::Bound(BoundClause {
            device: car(),
            reading: "cargo/temperature".parse().unwrap(),
            unit: "Cel".parse().unwrap(),
            min: None,
            max: Some(km(8)),
            tolerated: MINUTE,
            obliged: WORKSHOP,
            claimant: OWNER,
        });
        let (id, mut gateway) = (agree(terms_with(vec![bound])), Gateway::new(100));
        for value in [9, 8, 9] {
            gateway.log(car(), vec![reading_in("cargo/temperature", Value::Decimal(km(value)), "Cel")]);
            pass(MINUTE);
        }
        gateway.anchor();
        let evidence = ClaimEvidence::Breach { first: *gateway.prove(0), last: Some(*gateway.prove(2)) };
        assert_ok!(ServiceContracts::claim(signed(OWNER), id, 1, Box::new(evidence), Default::default()));
        own(INSURER, &gateway.hosted("car"), &gateway);
        assert_ok!(ServiceContracts::refute(signed(WORKSHOP), id, 0, gateway.prove(1)));
        let state = ServiceContracts::claims(id).unwrap()[0].claim.state;
        assert_eq!(state, ClaimState::Void(Decision::Refuted));
    });
}
