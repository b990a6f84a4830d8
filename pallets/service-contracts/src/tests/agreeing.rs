//! From a proposal to an active contract.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok, traits::Get};
use pallet_parties::AccountRefusal;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{Contract, ContractId},
    contract_state::ContractState,
    Decimal, DeviceId, Hash, PartyId,
};

fn state(id: ContractId) -> (ContractState, Vec<PartyId>) {
    let view = ServiceContracts::contract(id).unwrap();
    (view.state, view.accepted)
}

#[test]
fn a_contract_becomes_active_with_the_last_acceptance() {
    chain().execute_with(|| {
        let mut contract = contract();
        contract.parties = vec![OWNER, WORKSHOP, INSURER].try_into().unwrap();
        let id = contract.id(&Genesis::get());
        assert_ok!(ServiceContracts::propose(signed(WORKSHOP), contract.clone()));
        assert_eq!(state(id), (ContractState::Proposed, vec![WORKSHOP]));
        assert_ok!(ServiceContracts::accept(signed(INSURER), id));
        assert_eq!(state(id), (ContractState::Proposed, vec![WORKSHOP, INSURER]));
        assert_ok!(ServiceContracts::accept(signed(OWNER), id));
        assert_eq!(state(id), (ContractState::Active, vec![WORKSHOP, INSURER, OWNER]));
        assert_eq!(ServiceContracts::contract(id).unwrap().contract, contract);

        let events: Vec<_> = System::events().into_iter().map(|record| record.event).collect();
        let accepted = |party| Event::Accepted { id, party }.into();
        assert_eq!(
            events,
            vec![
                Event::Proposed { id, parties: contract.parties }.into(),
                accepted(WORKSHOP),
                accepted(INSURER),
                accepted(OWNER),
                RuntimeEvent::from(Event::Activated { id }),
            ]
        );
        for party in [OWNER, WORKSHOP, INSURER] {
            assert_eq!(ServiceContracts::contracts_of(&party), vec![id]);
        }
    });
}

#[test]
fn only_parties_to_a_contract_propose_and_accept_it_and_each_accepts_once() {
    chain().execute_with(|| {
        let id = contract().id(&Genesis::get());
        assert_noop!(
            ServiceContracts::propose(signed(INSURER), contract()),
            Error::<Test>::NotPartyToContract
        );
        assert_noop!(ServiceContracts::accept(signed(OWNER), id), Error::<Test>::UnknownContract);
        assert_ok!(ServiceContracts::propose(signed(OWNER), contract()));
        assert_noop!(ServiceContracts::propose(signed(WORKSHOP), contract()), Error::<Test>::Exists);
        assert_noop!(ServiceContracts::accept(signed(OWNER), id), Error::<Test>::AcceptedAlready);
        assert_noop!(ServiceContracts::accept(signed(INSURER), id), Error::<Test>::NotPartyToContract);
        assert_ok!(ServiceContracts::accept(signed(WORKSHOP), id));
        assert_noop!(ServiceContracts::accept(signed(WORKSHOP), id), Error::<Test>::NotProposed);
    });
}

#[test]
fn each_fault_of_a_contract_has_its_own_error() {
    chain().execute_with(|| {
        type Change = fn(&mut Contract);
        let faults: [(Error<Test>, Change); 10] = [
            (Error::Parties, |c| c.parties.truncate(1)),
            (Error::Devices, |c| c.devices.clear()),
            (Error::NoClause, |c| c.clauses.clear()),
            (Error::ClauseParty, |c| service(c).provider = INSURER),
            (Error::ClauseDevice, |c| service(c).device = DeviceId([7; 32])),
            (Error::Interval, |c| service(c).every = Decimal::ZERO),
            (Error::UnknownParty, |c| c.parties.try_push(STRANGER).unwrap()),
            (Error::UnknownDevice, |c| c.devices.try_push(DeviceId([7; 32])).unwrap()),
            (Error::DuePointTooLarge, |c| service(c).every = Decimal::new(i64::MAX, 18).unwrap()),
            (Error::ForeignDevice, |c| {
                let gateway = Gateway::new(100);
                c.devices.try_push(own(INSURER, &gateway.hosted("truck"), &gateway)).unwrap();
            }),
        ];
        for (fault, change) in faults {
            let mut contract = contract();
            change(&mut contract);
            assert_noop!(ServiceContracts::propose(signed(OWNER), contract), fault);
        }
    });
}

#[test]
fn a_device_with_a_new_owner_who_is_not_a_party_prevents_the_last_acceptance() {
    chain().execute_with(|| {
        let id = contract().id(&Genesis::get());
        assert_ok!(ServiceContracts::propose(signed(OWNER), contract()));
        let gateway = Gateway::new(100);
        own(INSURER, &gateway.hosted("car"), &gateway);
        assert_noop!(ServiceContracts::accept(signed(WORKSHOP), id), Error::<Test>::ForeignDevice);
        own(OWNER, &gateway.hosted("car"), &gateway);
        assert_ok!(ServiceContracts::accept(signed(WORKSHOP), id));
    });
}

#[test]
fn the_contracts_of_a_device_and_of_a_party_are_limited() {
    chain().execute_with(|| {
        let numbered = |n: u8, device: DeviceId| {
            let mut contract = contract();
            contract.nonce = Hash([n; 32]);
            contract.devices = vec![car(), device].try_into().unwrap();
            contract
        };
        let van = Gateway::new(100).hosted("van").device_id();
        let most: u32 = <Test as crate::Config>::MaxContractsOfDevice::get();
        for n in 0..most as u8 {
            agree(numbered(n, van));
        }
        let full = numbered(50, van);
        let id = full.id(&Genesis::get());
        assert_ok!(ServiceContracts::propose(signed(WORKSHOP), full));
        assert_noop!(ServiceContracts::accept(signed(OWNER), id), Error::<Test>::TooManyOfDevice);

        // The workshop's proposals count against its own limit only.
        let most: u32 = <Test as crate::Config>::MaxContractsOfParty::get();
        for n in 60..60 + most as u8 - 3 {
            assert_ok!(ServiceContracts::propose(signed(WORKSHOP), numbered(n, van)));
        }
        assert_noop!(
            ServiceContracts::propose(signed(WORKSHOP), numbered(99, van)),
            Error::<Test>::TooManyOfParty
        );
        assert_ok!(ServiceContracts::propose(signed(OWNER), numbered(99, van)));
    });
}

#[test]
fn an_employee_signs_for_its_party_within_its_scope_and_time() {
    let refused = |refusal: AccountRefusal| DispatchError::Other(refusal.into());
    chain().execute_with(|| {
        let id = contract().id(&Genesis::get());
        for account in [TECHNICIAN, GATEWAY] {
            let error = refused(AccountRefusal::OutOfScope);
            assert_noop!(ServiceContracts::propose(by(account), contract()), error);
        }
        let stranger = ServiceContracts::propose(signed(STRANGER), contract());
        assert_eq!(stranger, Err(refused(AccountRefusal::NoParty)));
        assert_ok!(ServiceContracts::propose(by(CLERK), contract()));
        assert_eq!(state(id), (ContractState::Proposed, vec![OWNER]));
        // The party has accepted, whichever of its accounts signed.
        assert_noop!(ServiceContracts::accept(signed(OWNER), id), Error::<Test>::AcceptedAlready);
        assert_ok!(ServiceContracts::accept(signed(WORKSHOP), id));
        let mut gateway = Gateway::new(100);
        let report = |account, proof| ServiceContracts::report(by(account), id, SERVICE, proof);
        let proof = gateway.proven(11_000);
        assert_noop!(report(TECHNICIAN, proof.clone()), refused(AccountRefusal::OutOfScope));
        assert_ok!(report(CLERK, proof));
        assert_ok!(ServiceContracts::record(
            signed(WORKSHOP),
            id,
            SERVICE,
            gateway.proven(25_000),
            Hash::ZERO
        ));
        Now::set(&CLERK_ENDS);
        let ended = || refused(AccountRefusal::Ended);
        let proof = gateway.proven(26_000);
        assert_noop!(report(CLERK, proof), ended());
        assert_noop!(ServiceContracts::confirm(by(CLERK), id, 0), ended());
        assert_noop!(ServiceContracts::propose(by(CLERK), contract()), ended());
        assert_ok!(ServiceContracts::confirm(signed(OWNER), id, 0));
        assert_ok!(ServiceContracts::check_state());
    });
}
