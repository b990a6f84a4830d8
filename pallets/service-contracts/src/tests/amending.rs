//! Amendments and successors.

use crate::{mock::*, Amendments, Error, Event};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        state::ContractState, AccessClause, Clause, ContractId, Grantee, NumberedClause, ReadingSelection,
        RoleHolder, Terms,
    },
    PartyId,
};

fn amend(party: PartyId, id: ContractId, from: &Terms, to: &Terms) -> DispatchResult {
    ServiceContracts::amend(signed(party), id, hash_of(from), content(to.clone()))
}

fn accept(party: PartyId, id: ContractId, terms: &Terms) -> DispatchResult {
    ServiceContracts::accept(signed(party), id, hash_of(terms))
}

/// The terms with a longer interval.
fn longer() -> Terms {
    let mut longer = terms();
    service(&mut longer).by_meter.as_mut().unwrap().every = km(20_000);
    longer
}

fn hash(id: ContractId) -> streembit_primitives::contract::ContentHash {
    ServiceContracts::contract(id).unwrap().hash
}

#[test]
fn an_amendment_is_in_force_when_everybody_has_accepted_it() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(12_000)));
        assert_noop!(amend(INSURER, id, &terms(), &longer()), Error::<Test>::NotPartyToContract);
        assert_noop!(amend(OWNER, id, &longer(), &longer()), Error::<Test>::OtherContent);
        assert_noop!(amend(OWNER, id, &terms(), &terms()), Error::<Test>::SameContent);
        assert_ok!(amend(OWNER, id, &terms(), &longer()));
        assert_noop!(amend(WORKSHOP, id, &terms(), &longer()), Error::<Test>::AmendmentPending);
        let pending = ServiceContracts::contract(id).unwrap().amendment.unwrap();
        assert_eq!((pending.accepted, pending.missing), (vec![OWNER], vec![WORKSHOP, ARBITER]));
        // An acceptance of the content in force is not one of the amendment.
        assert_noop!(accept(WORKSHOP, id, &terms()), Error::<Test>::OtherContent);
        assert_ok!(accept(WORKSHOP, id, &longer()));
        assert_eq!(hash(id), hash_of(&terms()), "the arbiter has not signed");
        assert_ok!(accept(ARBITER, id, &longer()));
        let view = ServiceContracts::contract(id).unwrap();
        assert_eq!((view.hash, view.version, view.first), (hash_of(&longer()), 1, hash_of(&terms())));
        System::assert_last_event(Event::Activated { id, hash: view.hash, version: 1 }.into());
        let service = &ServiceContracts::clauses(id).unwrap()[0];
        assert_eq!(service.due.as_ref().unwrap().at_meter, Some(km(30_000)));
        assert!(service.progress.meter.is_some(), "the meter goes on");
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn an_amendment_that_one_side_does_not_sign_changes_nothing() {
    chain().execute_with(|| {
        let id = agree(terms());
        assert_ok!(amend(OWNER, id, &terms(), &longer()));
        pass(ACCEPT);
        assert_noop!(accept(WORKSHOP, id, &longer()), Error::<Test>::Lapsed);
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        for remove in [OWNER, WORKSHOP] {
            assert_ok!(amend(OWNER, id, &terms(), &longer()));
            let hash = hash_of(&longer());
            if remove == OWNER {
                let other = ServiceContracts::withdraw(signed(WORKSHOP), id, hash);
                assert_noop!(other, Error::<Test>::NotTheProposer);
                assert_ok!(ServiceContracts::withdraw(signed(OWNER), id, hash));
            } else {
                assert_ok!(ServiceContracts::reject(signed(WORKSHOP), id, hash));
            }
            assert!(!Amendments::<Test>::contains_key(id));
            assert_eq!(ServiceContracts::check_state(), Ok(()));
        }
        assert_eq!(hash(id), hash_of(&terms()));
        assert_noop!(accept(WORKSHOP, id, &longer()), Error::<Test>::NotProposed);
    });
}

#[test]
fn numbers_of_clauses_never_shift() {
    chain().execute_with(|| {
        let id = agree(terms());
        let mut swapped = terms();
        let service = swapped.clauses[0].clause.clone();
        swapped.clauses[0].clause = swapped.clauses[1].clause.clone();
        swapped.clauses[1].clause = service.clone();
        assert_noop!(amend(OWNER, id, &terms(), &swapped), Error::<Test>::ClauseReplaced);
        let mut shifted = terms();
        shifted.clauses.truncate(1);
        assert_ok!(amend(OWNER, id, &terms(), &shifted));
        for party in [WORKSHOP, ARBITER] {
            assert_ok!(accept(party, id, &shifted));
        }
        // The number of the removed clause is not given again.
        let mut again = terms();
        again.deadlines.contest += 1;
        assert_noop!(amend(OWNER, id, &shifted, &again), Error::<Test>::ClauseReplaced);
        again.clauses[1] = NumberedClause { number: 3, clause: again.clauses[1].clause.clone() };
        assert_ok!(amend(OWNER, id, &shifted, &again));
    });
}

#[test]
fn a_clause_with_claims_is_not_removed() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let proof = gateway.proven(25_000);
        assert_ok!(ServiceContracts::record(signed(WORKSHOP), id, SERVICE, Some(proof), Default::default()));
        let mut without = terms();
        without.clauses.remove(0);
        assert_noop!(amend(OWNER, id, &terms(), &without), Error::<Test>::ClauseHasClaims);
        assert_ok!(ServiceContracts::retract(signed(WORKSHOP), id, 0));
        assert_ok!(amend(OWNER, id, &terms(), &without));
    });
}

/// The terms with another party instead of one.
fn replaced(former: PartyId, successor: PartyId) -> Terms {
    let mut terms = terms();
    let holder: &mut RoleHolder = terms.parties.iter_mut().find(|holder| holder.party == former).unwrap();
    holder.party = successor;
    let swap = |party: &mut PartyId| {
        if *party == former {
            *party = successor;
        }
    };
    for numbered in terms.clauses.iter_mut() {
        match &mut numbered.clause {
            Clause::Service(service) => {
                swap(&mut service.provider);
                swap(&mut service.customer);
            }
            Clause::Access(access) => {
                swap(&mut access.grantor);
                if let streembit_primitives::contract::Grantee::Party(party) = &mut access.grantee {
                    swap(party);
                }
            }
            _ => unreachable!(),
        }
    }
    terms
}

#[test]
fn a_successor_takes_the_place_of_a_party_that_left() {
    chain().execute_with(|| {
        let id = agree(terms());
        let next = replaced(WORKSHOP, INSURER);
        assert_noop!(amend(INSURER, id, &terms(), &next), Error::<Test>::NotPartyToContract);
        expel(WORKSHOP);
        assert_ok!(ServiceContracts::prune(signed(ARBITER), id));
        assert_ok!(amend(INSURER, id, &terms(), &next));
        let pending = ServiceContracts::contract(id).unwrap().amendment.unwrap();
        assert_eq!(pending.missing, [OWNER, ARBITER]);
        for party in [OWNER, ARBITER] {
            assert_ok!(accept(party, id, &next));
        }
        let view = ServiceContracts::contract(id).unwrap();
        assert_eq!((view.state, view.waits_until), (ContractState::Active, None));
        assert!(ServiceContracts::contracts_of(&WORKSHOP).is_empty());
        assert_eq!(ServiceContracts::grants_of(id)[0].grantee, INSURER);
        pass(AWAIT);
        assert_eq!(ServiceContracts::contract(id).unwrap().state, ContractState::Active);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

/// The only party that has not accepted leaves, and does not have to accept any more.
#[test]
fn an_amendment_without_the_party_that_was_missing_comes_into_force() {
    chain().execute_with(|| {
        let with_insurer = |mut terms: Terms| {
            let role = streembit_primitives::contract::ContractRole::Insurer;
            terms.parties.try_push(RoleHolder { role, party: INSURER }).unwrap();
            terms
        };
        let (before, next) = (with_insurer(terms()), longer());
        let id = agree(before.clone());
        assert_ok!(amend(OWNER, id, &before, &next));
        for party in [WORKSHOP, ARBITER] {
            assert_ok!(accept(party, id, &next));
        }
        assert_noop!(accept(WORKSHOP, id, &next), Error::<Test>::AcceptedAlready);
        expel(INSURER);
        assert_ok!(accept(WORKSHOP, id, &next));
        assert_eq!(hash(id), hash_of(&next));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_seller_does_not_reject_its_successor() {
    chain().execute_with(|| {
        let (id, gateway) = (agree(terms()), Gateway::new(100));
        own(INSURER, &gateway.hosted("car"), &gateway);
        let next = replaced(OWNER, INSURER);
        assert_ok!(amend(INSURER, id, &terms(), &next));
        let reject = |party| ServiceContracts::reject(signed(party), id, hash_of(&next));
        assert_noop!(reject(OWNER), Error::<Test>::DeviceSold);
        assert_ok!(reject(WORKSHOP));
    });
}

#[test]
fn a_stranger_does_not_take_the_place_of_a_successor() {
    chain().execute_with(|| {
        let (id, gateway) = (agree(Terms { arbiter: None, ..terms() }), Gateway::new(100));
        let before = Terms { arbiter: None, ..terms() };
        own(INSURER, &gateway.hosted("car"), &gateway);
        // Nobody has left, and only the buyer takes the place of the seller.
        let with_stranger = |mut next: Terms| {
            next.arbiter = None;
            next.parties
                .try_push(RoleHolder {
                    role: streembit_primitives::contract::ContractRole::Other,
                    party: ARBITER,
                })
                .unwrap();
            next
        };
        let stranger = with_stranger(replaced(OWNER, INSURER));
        assert_noop!(amend(ARBITER, id, &before, &stranger), Error::<Test>::NotPartyToContract);
        // After a departure anybody can offer itself, and gives way to those whom it concerns.
        expel(WORKSHOP);
        let offered = with_stranger({
            let mut next = replaced(OWNER, INSURER);
            next.parties.remove(1);
            next.clauses.clear();
            next.clauses.try_push(NumberedClause { number: 3, clause: access_of(INSURER, ARBITER) }).unwrap();
            next
        });
        assert_ok!(amend(ARBITER, id, &before, &offered));
        let mut own = offered.clone();
        own.deadlines.contest += 1;
        assert_ok!(amend(INSURER, id, &before, &own));
        let rejected = Event::Rejected { id, hash: hash_of(&offered), party: INSURER };
        System::assert_has_event(rejected.into());
        assert_noop!(amend(ARBITER, id, &before, &offered), Error::<Test>::AmendmentPending);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

fn access_of(grantor: PartyId, grantee: PartyId) -> Clause {
    Clause::Access(AccessClause {
        device: car(),
        grantor,
        grantee: Grantee::Party(grantee),
        readings: ReadingSelection::All,
        purpose: None,
        until: UNTIL,
    })
}

#[test]
fn the_buyer_of_a_car_takes_the_service_book_over() {
    chain().execute_with(|| {
        let (id, gateway) = (agree(terms()), Gateway::new(100));
        own(INSURER, &gateway.hosted("car"), &gateway);
        let next = replaced(OWNER, INSURER);
        assert_ok!(amend(INSURER, id, &terms(), &next));
        // The seller is not asked, because it has nothing to keep back.
        let pending = ServiceContracts::contract(id).unwrap().amendment.unwrap();
        assert_eq!(pending.missing, [WORKSHOP, ARBITER]);
        for party in [WORKSHOP, ARBITER] {
            assert_ok!(accept(party, id, &next));
        }
        assert_eq!(ServiceContracts::grants_of(id)[0].grantor, INSURER);
        assert!(ServiceContracts::contracts_of(&OWNER).is_empty());
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}
