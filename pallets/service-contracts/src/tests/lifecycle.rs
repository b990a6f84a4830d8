//! Proposals, acceptances, rejections, notices, ends and pruning.

use crate::{
    mock::*, AcceptedCounts, Contracts, ContractsOf, ContractsOfDevice, Error, Event, ProposalCounts,
};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    contract::{
        state::{ContractState, EndReason},
        ContentHash, ContractId, OnChange, Terms,
    },
    Decimal, Hash, PartyId,
};

fn state(id: ContractId) -> ContractState {
    ServiceContracts::contract(id).unwrap().state
}

fn propose(party: PartyId, terms: Terms) -> sp_runtime::DispatchResult {
    ServiceContracts::propose(signed(party), content(terms))
}

fn accept(party: PartyId, terms: &Terms) -> sp_runtime::DispatchResult {
    ServiceContracts::accept(signed(party), id_of(terms), hash_of(terms))
}

fn nth(nonce: u8) -> Terms {
    Terms { nonce: Hash([nonce; 32]), ..terms() }
}

/// Nothing is left of any contract.
fn assert_empty() {
    assert_eq!(Contracts::<Test>::iter().count(), 0);
    assert_eq!(ContractsOf::<Test>::iter().count(), 0);
    assert_eq!(ContractsOfDevice::<Test>::iter().count(), 0);
    assert_eq!(AcceptedCounts::<Test>::iter().count(), 0);
    assert_eq!(ProposalCounts::<Test>::iter().count(), 0);
    assert_eq!(ServiceContracts::check_state(), Ok(()));
}

#[test]
fn a_contract_is_in_force_when_all_parties_and_the_arbiter_have_accepted_it() {
    chain().execute_with(|| {
        let (terms, id) = (terms(), id_of(&terms()));
        assert_ok!(propose(OWNER, terms.clone()));
        assert_eq!(state(id), ContractState::Proposed);
        for party in PARTIES {
            let named = party != INSURER;
            assert_eq!(ServiceContracts::contracts_of(&party), if named { vec![id] } else { vec![] });
        }
        assert_ok!(accept(WORKSHOP, &terms));
        assert_eq!(state(id), ContractState::Proposed, "the arbiter has not accepted");
        assert_ok!(accept(ARBITER, &terms));
        assert_eq!(state(id), ContractState::Active);
        let view = ServiceContracts::contract(id).unwrap();
        assert_eq!(view.content, *content(terms.clone()));
        assert_eq!((view.hash, view.version), (hash_of(&terms), 0));
        assert_eq!(view.accepted, [OWNER, WORKSHOP, ARBITER]);
        assert_eq!(ServiceContracts::contracts_about(&car()), [id]);
        System::assert_last_event(Event::Activated { id, hash: hash_of(&terms), version: 0 }.into());
    });
}

#[test]
fn an_acceptance_names_the_content_and_counts_once() {
    chain().execute_with(|| {
        let terms = terms();
        assert_ok!(propose(OWNER, terms.clone()));
        assert_noop!(propose(WORKSHOP, terms.clone()), Error::<Test>::Exists);
        let other = ContentHash([7; 32]);
        let accept_other = ServiceContracts::accept(signed(WORKSHOP), id_of(&terms), other);
        assert_noop!(accept_other, Error::<Test>::OtherContent);
        assert_noop!(accept(OWNER, &terms), Error::<Test>::AcceptedAlready);
        assert_noop!(accept(INSURER, &terms), Error::<Test>::NotPartyToContract);
        assert_ok!(accept(WORKSHOP, &terms));
        assert_ok!(accept(ARBITER, &terms));
        assert_noop!(accept(WORKSHOP, &terms), Error::<Test>::NotProposed);
    });
}

#[test]
fn absurd_terms_are_refused_with_the_reason() {
    chain().execute_with(|| {
        type Change = fn(&mut Terms);
        let cases: [(Error<Test>, Change); 12] = [
            (Error::Parties, |terms| terms.parties.truncate(1)),
            (Error::Devices, |terms| terms.devices.clear()),
            (Error::ClauseNumbers, |terms| terms.clauses.clear()),
            (Error::ClauseTwice, |terms| terms.clauses[1].clause = terms.clauses[0].clause.clone()),
            (Error::EndsBeforeStart, |terms| terms.ends = Some(terms.starts)),
            (Error::Deadline, |terms| terms.deadlines.contest = 0),
            (Error::NoInterval, |terms| service(terms).by_meter = None),
            (Error::Interval, |terms| {
                service(terms).by_meter.as_mut().unwrap().every = Decimal::ZERO;
            }),
            (Error::InThePast, |terms| {
                terms.starts = 0;
                terms.ends = Some(START);
            }),
            (Error::UnknownParty, |terms| terms.arbiter = Some(STRANGER)),
            (Error::UnknownDevice, |terms| {
                terms.devices.try_push(streembit_primitives::DeviceId([7; 32])).unwrap();
            }),
            (Error::ForeignDevice, |_| {
                let gateway = Gateway::new(100);
                own(INSURER, &gateway.hosted("car"), &gateway);
            }),
        ];
        for (error, change) in cases {
            let mut absurd = terms();
            change(&mut absurd);
            assert_noop!(propose(OWNER, absurd), error);
        }
        assert_noop!(propose(INSURER, terms()), Error::<Test>::ForeignDevice);
    });
}

#[test]
fn a_party_that_leaves_loses_its_acceptance() {
    chain().execute_with(|| {
        let terms = terms();
        assert_ok!(propose(OWNER, terms.clone()));
        assert_ok!(accept(WORKSHOP, &terms));
        expel(WORKSHOP);
        assert_ok!(accept(ARBITER, &terms));
        assert_eq!(state(id_of(&terms)), ContractState::Proposed);
        readmit(WORKSHOP);
        assert_eq!(state(id_of(&terms)), ContractState::Proposed, "the earlier acceptance does not count");
        assert_ok!(accept(WORKSHOP, &terms));
        assert_eq!(state(id_of(&terms)), ContractState::Active);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn rejected_withdrawn_and_lapsed_proposals_leave_nothing() {
    chain().execute_with(|| {
        let (terms, id, hash) = (terms(), id_of(&terms()), hash_of(&terms()));
        for party in [OWNER, WORKSHOP, ARBITER] {
            assert_ok!(propose(OWNER, terms.clone()));
            assert_noop!(
                ServiceContracts::reject(signed(INSURER), id, hash),
                Error::<Test>::NotPartyToContract
            );
            assert_ok!(ServiceContracts::reject(signed(party), id, hash));
            assert_empty();
        }
        assert_ok!(propose(OWNER, terms.clone()));
        assert_noop!(ServiceContracts::withdraw(signed(WORKSHOP), id, hash), Error::<Test>::NotTheProposer);
        assert_ok!(ServiceContracts::withdraw(signed(OWNER), id, hash));
        assert_empty();
        assert_ok!(propose(OWNER, terms.clone()));
        pass(ACCEPT - MINUTE);
        assert_noop!(ServiceContracts::prune(signed(INSURER), id), Error::<Test>::NothingToPrune);
        pass(MINUTE);
        assert_eq!(state(id), ContractState::Ended(EndReason::Lapsed));
        assert_noop!(accept(WORKSHOP, &terms), Error::<Test>::Lapsed);
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        assert_empty();
    });
}

#[test]
fn a_chain_that_stood_still_lets_nothing_lapse() {
    chain().execute_with(|| {
        let terms = terms();
        assert_ok!(propose(OWNER, terms.clone()));
        block_at(START + 7 * DAY);
        assert_eq!(ServiceContracts::live_time(), MINUTE);
        assert_eq!(state(id_of(&terms)), ContractState::Proposed);
        pass(ACCEPT);
        assert_eq!(state(id_of(&terms)), ContractState::Ended(EndReason::Lapsed));
    });
}

#[test]
fn notice_ends_a_contract_after_its_period_and_at_once_if_all_give_it() {
    chain().execute_with(|| {
        let (first, second) = (agree(nth(1)), agree(nth(2)));
        let terminate = |party, id| ServiceContracts::terminate(signed(party), id);
        assert_noop!(terminate(ARBITER, first), Error::<Test>::NotPartyToContract);
        assert_ok!(terminate(WORKSHOP, first));
        assert_noop!(terminate(WORKSHOP, first), Error::<Test>::NoticeGiven);
        pass(NOTICE - MINUTE);
        assert_eq!(state(first), ContractState::Active);
        pass(MINUTE);
        assert_eq!(state(first), ContractState::Ended(EndReason::Terminated));
        assert_noop!(terminate(OWNER, first), Error::<Test>::Ended);
        assert_ok!(terminate(OWNER, second));
        assert_ok!(terminate(WORKSHOP, second));
        assert_eq!(state(second), ContractState::Ended(EndReason::Terminated));
        System::assert_last_event(Event::Ended { id: second, reason: EndReason::Terminated }.into());
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn an_ended_contract_frees_its_place_at_its_device_and_later_everything() {
    chain().execute_with(|| {
        let ids = [agree(nth(1)), agree(nth(2))];
        let third = nth(3);
        assert_ok!(propose(OWNER, third.clone()));
        assert_ok!(accept(WORKSHOP, &third));
        assert_noop!(accept(ARBITER, &third), Error::<Test>::TooManyOfDevice);
        for id in ids {
            assert_ok!(ServiceContracts::terminate(signed(OWNER), id));
        }
        pass(NOTICE);
        for id in ids {
            assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        }
        assert!(ServiceContracts::contracts_about(&car()).is_empty());
        // The third one has lapsed meanwhile; its place is free.
        assert_ok!(ServiceContracts::prune(signed(INSURER), id_of(&third)));
        let fourth = agree(nth(4));
        assert_eq!(ServiceContracts::contracts_about(&car()), [fourth]);
        for id in ids {
            assert_noop!(ServiceContracts::prune(signed(INSURER), id), Error::<Test>::PrunedTooEarly);
        }
        pass(2 * CONTEST + RULE);
        for id in ids {
            assert_ok!(ServiceContracts::prune(signed(INSURER), id));
            assert!(ServiceContracts::contract(id).is_none());
        }
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_contract_expires() {
    chain().execute_with(|| {
        let id = agree(terms());
        block_at(END - 1);
        assert_eq!(state(id), ContractState::Active);
        block_at(END);
        assert_eq!(state(id), ContractState::Ended(EndReason::Expired));
        assert_ok!(ServiceContracts::prune(signed(INSURER), id));
        System::assert_last_event(Event::Ended { id, reason: EndReason::Expired }.into());
    });
}

#[test]
fn a_contract_ends_or_waits_when_a_party_leaves() {
    chain().execute_with(|| {
        let mut ends = nth(1);
        ends.on_leave = OnChange::Ends;
        let (ends, waits) = (agree(ends), agree(nth(2)));
        expel(WORKSHOP);
        assert_eq!(state(ends), ContractState::Ended(EndReason::PartyLeft));
        assert_eq!(state(waits), ContractState::Active);
        assert_ok!(ServiceContracts::prune(signed(INSURER), waits));
        assert_noop!(ServiceContracts::prune(signed(INSURER), waits), Error::<Test>::NothingToPrune);
        // A party that comes back has lost its place.
        readmit(WORKSHOP);
        assert_noop!(ServiceContracts::terminate(signed(WORKSHOP), waits), Error::<Test>::SeatLost);
        pass(AWAIT);
        assert_eq!(state(waits), ContractState::Ended(EndReason::PartyLeft));
        assert_ok!(ServiceContracts::prune(signed(INSURER), waits));
        assert_ok!(ServiceContracts::prune(signed(INSURER), ends));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_contract_ends_or_waits_when_a_device_is_sold() {
    chain().execute_with(|| {
        let mut ends = nth(1);
        ends.on_sale = OnChange::Ends;
        let (ends, waits) = (agree(ends), agree(nth(2)));
        let gateway = Gateway::new(100);
        own(INSURER, &gateway.hosted("car"), &gateway);
        assert_eq!(state(ends), ContractState::Ended(EndReason::DeviceSold));
        assert_eq!(state(waits), ContractState::Active);
        assert_ok!(ServiceContracts::prune(signed(INSURER), waits));
        pass(AWAIT);
        assert_eq!(state(waits), ContractState::Ended(EndReason::DeviceSold));
    });
}

#[test]
fn proposals_and_acceptances_of_a_party_are_limited() {
    chain().execute_with(|| {
        for nonce in 1..=3 {
            assert_ok!(propose(OWNER, nth(nonce)));
        }
        assert_noop!(propose(OWNER, nth(4)), Error::<Test>::TooManyProposals);
        // The proposals of others do not count.
        for nonce in 4..=6 {
            let mut swapped = nth(nonce);
            swapped.parties[..].swap(0, 1);
            assert_ok!(propose(WORKSHOP, swapped.clone()));
            assert_ok!(accept(OWNER, &swapped));
        }
        let mut more = nth(7);
        more.parties[1].party = INSURER;
        service(&mut more).provider = INSURER;
        more.clauses.truncate(1);
        assert_ok!(propose(INSURER, more.clone()));
        assert_noop!(accept(OWNER, &more), Error::<Test>::TooManyOfParty);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn accounts_act_within_their_scope_and_time() {
    chain().execute_with(|| {
        let propose = |account| ServiceContracts::propose(by(account), content(terms()));
        for account in [TECHNICIAN, GATEWAY, account(STRANGER)] {
            assert!(propose(account).is_err());
        }
        Now::set(&CLERK_ENDS);
        assert!(propose(CLERK).is_err());
        Now::set(&(CLERK_ENDS - 1));
        assert_ok!(propose(CLERK));
        // Anybody of the consortium prunes, whatever its scope.
        let pruned = ServiceContracts::prune(by(GATEWAY), id_of(&terms()));
        assert_noop!(pruned, Error::<Test>::NothingToPrune);
        assert!(ServiceContracts::prune(by(account(STRANGER)), id_of(&terms())).is_err());
    });
}

#[test]
fn the_id_is_computed_with_the_first_genesis_of_the_lineage() {
    chain().execute_with(|| {
        let id = agree(nth(1));
        // The chain is founded anew. The lineage is carried over, and the first block does not replace it.
        System::set_block_number(0);
        block_at(Now::get() + MINUTE);
        assert_eq!(ServiceContracts::lineage(), Hash([0xab; 32]));
        assert_eq!(ContractId::new(&ServiceContracts::lineage(), &hash_of(&nth(1))), id);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}
