//! Handovers: click, sign and drive.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ContractState, EndReason},
        ChargeBasis, ChargeClause, Clause, ContentHash, ContractId, HandoverClause, Meter, Terms,
    },
    reading_proof::ReadingProof,
    DeviceId, PartyId,
};

/// The number of the handover clause in [`sale`].
const HANDOVER: u16 = 1;

/// The workshop buys the car, with a deposit.
fn sale(meter: Option<Meter>) -> Terms {
    let deposit = ChargeClause {
        subject: None,
        basis: ChargeBasis::Once,
        rate: "500".parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::Down,
        creditor: OWNER,
        debtor: WORKSHOP,
    };
    let handover = HandoverClause { device: car(), from: OWNER, to: WORKSHOP, meter };
    terms_with(vec![Clause::Handover(handover), Clause::Charge(deposit)])
}

fn owner(device: DeviceId) -> PartyId {
    Devices::device(&device).unwrap().owner()
}

fn hand_over(party: PartyId, terms: &Terms, proof: Option<Box<ReadingProof>>) -> sp_runtime::DispatchResult {
    let id: ContractId = id_of(terms);
    ServiceContracts::hand_over(signed(party), id, HANDOVER, hash_of(terms), proof)
}

#[test]
fn a_car_passes_when_both_sides_confirm_and_older_rights_are_void() {
    chain().execute_with(|| {
        let (book, sale) = (agree(terms()), sale(Some(odometer())));
        let (id, mut gateway) = (agree(sale.clone()), Gateway::new(100));
        assert_eq!(ServiceContracts::grants(&car()).len(), 1);
        assert_noop!(hand_over(INSURER, &sale, None), Error::<Test>::NotPartyToContract);
        let other = ServiceContracts::hand_over(signed(OWNER), id, HANDOVER, ContentHash([7; 32]), None);
        assert_noop!(other, Error::<Test>::OtherContent);
        // It is a sale, so it needs an account that may sell.
        assert!(ServiceContracts::hand_over(by(CLERK), id, HANDOVER, hash_of(&sale), None).is_err());
        assert_ok!(hand_over(OWNER, &sale, None));
        assert_noop!(hand_over(OWNER, &sale, None), Error::<Test>::HandedOverAlready);
        assert_eq!(owner(car()), OWNER);
        assert_noop!(hand_over(WORKSHOP, &sale, None), Error::<Test>::ReadingNeeded);
        assert_ok!(hand_over(WORKSHOP, &sale, Some(gateway.proven(48_000))));
        assert_eq!(owner(car()), WORKSHOP);
        assert!(ServiceContracts::grants(&car()).is_empty(), "rights of the former owner");
        System::assert_last_event(Event::Ended { id, reason: EndReason::Completed }.into());
        let state = |id| ServiceContracts::contract(id).unwrap().state;
        assert_eq!(
            (state(id), state(book)),
            (ContractState::Ended(EndReason::Completed), ContractState::Active)
        );
        assert_noop!(hand_over(OWNER, &sale, None), Error::<Test>::Ended);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
        assert_eq!(Devices::device(&car()).unwrap().owners().count(), 2, "the history stays");
    });
}

#[test]
fn a_confirmation_can_be_taken_back_until_the_other_side_confirms() {
    chain().execute_with(|| {
        let sale = sale(None);
        let id = agree(sale.clone());
        assert_ok!(hand_over(OWNER, &sale, None));
        let revoke = |party| ServiceContracts::revoke(signed(party), id, HANDOVER);
        assert_noop!(revoke(WORKSHOP), Error::<Test>::NothingToRevoke);
        assert_ok!(revoke(OWNER));
        assert_ok!(hand_over(WORKSHOP, &sale, None));
        assert_eq!(owner(car()), OWNER);
        assert_ok!(hand_over(OWNER, &sale, None));
        assert_eq!(owner(car()), WORKSHOP);
    });
}

#[test]
fn only_the_owner_hands_over_and_only_to_a_member() {
    chain().execute_with(|| {
        let sale = sale(None);
        agree(sale.clone());
        assert_ok!(hand_over(OWNER, &sale, None));
        expel(OWNER);
        assert_noop!(hand_over(WORKSHOP, &sale, None), Error::<Test>::SeatLost);
        readmit(OWNER);
        assert_noop!(hand_over(WORKSHOP, &sale, None), Error::<Test>::SeatLost);
        assert_eq!(owner(car()), OWNER);
    });
    chain().execute_with(|| {
        let (sale, gateway) = (sale(None), Gateway::new(100));
        agree(sale.clone());
        own(WORKSHOP, &gateway.hosted("car"), &gateway);
        assert_noop!(hand_over(OWNER, &sale, None), Error::<Test>::NotTheOwner);
    });
}
