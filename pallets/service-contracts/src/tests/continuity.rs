//! What an amendment may not change, because it would judge the past anew.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;
use streembit_primitives::contract::{
    evaluate::Rounding,
    state::{ChargedRange, ClaimEvidence, ClaimSubject},
    BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause, ContractId, Grantee, NumberedClause,
    RoleHolder, Terms, UsageClause,
};
use streembit_primitives::Value;

const TEMPERATURE: &str = "cargo/temperature";

fn bound() -> BoundClause {
    BoundClause {
        device: car(),
        reading: TEMPERATURE.parse().unwrap(),
        unit: "Cel".parse().unwrap(),
        min: None,
        max: Some(km(8)),
        tolerated: MINUTE,
        obliged: WORKSHOP,
        claimant: OWNER,
    }
}

fn usage() -> UsageClause {
    UsageClause {
        device: car(),
        meter: odometer(),
        period: 30 * MINUTE,
        allowance: km(1_000),
        carry_over: CarryOver::None,
        user: WORKSHOP,
        claimant: OWNER,
    }
}

fn amend(id: ContractId, from: &Terms, to: &Terms) -> DispatchResult {
    ServiceContracts::amend(signed(OWNER), id, hash_of(from), content(to.clone()))
}

fn accept(id: ContractId, terms: &Terms) {
    for party in crate::types::named(terms).filter(|party| *party != OWNER).collect::<Vec<_>>() {
        assert_ok!(ServiceContracts::accept(signed(party), id, hash_of(terms)));
    }
}

fn claim(id: ContractId, evidence: ClaimEvidence) -> DispatchResult {
    ServiceContracts::claim(signed(OWNER), id, 1, Box::new(evidence), Default::default())
}

fn with(clause: Clause) -> Terms {
    terms_with(vec![clause])
}

#[test]
fn the_limits_of_a_pending_breach_stay() {
    chain().execute_with(|| {
        let before = with(Clause::Bound(bound()));
        let (id, mut gateway) = (agree(before.clone()), Gateway::new(100));
        let wider = with(Clause::Bound(BoundClause { max: Some(km(20)), ..bound() }));
        assert_ok!(amend(id, &before, &wider));
        assert_ok!(ServiceContracts::withdraw(signed(OWNER), id, hash_of(&wider)));
        for _ in 0..3 {
            gateway.log(car(), vec![reading_in(TEMPERATURE, Value::Decimal(km(15)), "Cel")]);
            pass(MINUTE);
        }
        gateway.anchor();
        let evidence = ClaimEvidence::Breach { first: *gateway.prove(0), last: Some(*gateway.prove(2)) };
        assert_ok!(claim(id, evidence));
        assert_noop!(amend(id, &before, &wider), Error::<Test>::ClauseHasClaims);
        // The old clause stays for what happened, and a new one says what counts from now on.
        let mut both = before.clone();
        let clause = Clause::Bound(BoundClause { max: Some(km(20)), ..bound() });
        both.clauses.try_push(NumberedClause { number: 2, clause }).unwrap();
        assert_ok!(amend(id, &before, &both));
    });
}

#[test]
fn a_clause_keeps_its_reading_and_its_unit() {
    chain().execute_with(|| {
        let before = with(Clause::Bound(bound()));
        let id = agree(before.clone());
        for changed in [
            BoundClause { reading: "cargo/humidity".parse().unwrap(), ..bound() },
            BoundClause { unit: "K".parse().unwrap(), ..bound() },
        ] {
            let changed = with(Clause::Bound(changed));
            assert_noop!(amend(id, &before, &changed), Error::<Test>::ClauseReplaced);
        }
    });
}

#[test]
fn claimed_periods_are_not_claimed_again_after_an_amendment() {
    chain().execute_with(|| {
        let before = with(Clause::Usage(usage()));
        let (id, mut gateway) = (agree(before.clone()), Gateway::new(100));
        let first = gateway.drive(1_000);
        pass(10 * MINUTE);
        let last = gateway.drive(2_000);
        pass(20 * MINUTE);
        gateway.anchor();
        let evidence =
            ClaimEvidence::Usage { period: 0, first: *gateway.prove(first), last: *gateway.prove(last) };
        assert_ok!(claim(id, evidence));
        let shorter = with(Clause::Usage(UsageClause { period: 10 * MINUTE, ..usage() }));
        let earlier = Terms { starts: START - 30 * MINUTE, ..before.clone() };
        let dearer = with(Clause::Usage(UsageClause { allowance: km(500), ..usage() }));
        assert_noop!(amend(id, &before, &shorter), Error::<Test>::ClauseHasClaims);
        assert_noop!(amend(id, &before, &earlier), Error::<Test>::ClauseHasClaims);
        assert_ok!(amend(id, &before, &dearer));
    });
}

#[test]
fn time_before_a_later_start_is_not_charged() {
    chain().execute_with(|| {
        let before = with(Clause::Charge(ChargeClause {
            subject: None,
            basis: ChargeBasis::Time { per: 60 * MINUTE },
            rate: km(6),
            currency: "EUR".parse().unwrap(),
            rounding: Rounding::Down,
            creditor: OWNER,
            debtor: WORKSHOP,
        }));
        let id = agree(before.clone());
        pass(10 * MINUTE);
        assert_ok!(claim(id, ClaimEvidence::Time { until: START + 10 * MINUTE }));
        let later = Terms { starts: START + 20 * MINUTE, ..before.clone() };
        assert_ok!(amend(id, &before, &later));
        accept(id, &later);
        pass(20 * MINUTE);
        assert_ok!(claim(id, ClaimEvidence::Time { until: START + 30 * MINUTE }));
        let ClaimSubject::Charge { range, .. } = ServiceContracts::claims(id).unwrap()[1].claim.subject
        else {
            panic!("a charge");
        };
        assert_eq!(range, ChargedRange::Time(START + 20 * MINUTE, START + 30 * MINUTE));
    });
}

#[test]
fn a_revocation_does_not_survive_another_grantee() {
    chain().execute_with(|| {
        let before = terms();
        let id = agree(before.clone());
        assert_ok!(ServiceContracts::revoke(signed(WORKSHOP), id, ACCESS));
        // The same right stays revoked.
        let mut same = before.clone();
        same.deadlines.contest += 1;
        assert_ok!(amend(id, &before, &same));
        accept(id, &same);
        assert!(ServiceContracts::grants_of(id).is_empty());
        let mut next = same.clone();
        let role = streembit_primitives::contract::ContractRole::Insurer;
        next.parties.try_push(RoleHolder { role, party: INSURER }).unwrap();
        let Clause::Access(access) = &mut next.clauses[1].clause else { unreachable!() };
        access.grantee = Grantee::Party(INSURER);
        assert_ok!(amend(id, &same, &next));
        accept(id, &next);
        assert_eq!(ServiceContracts::grants_of(id)[0].grantee, INSURER);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}
