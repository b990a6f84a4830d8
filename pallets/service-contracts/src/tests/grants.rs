//! The rights that contracts give.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    contract::{
        state::{Grant, Right},
        AccessClause, Clause, CommandRule, ContractId, ContractRole, ControlClause, CustodyClause, DataClass,
        Grantee, ReadingSelection, RoleHolder, Terms,
    },
    Hash, PartyId,
};

fn access() -> AccessClause {
    AccessClause {
        device: car(),
        grantor: OWNER,
        grantee: Grantee::Party(WORKSHOP),
        readings: ReadingSelection::Class(DataClass::Raw),
        purpose: Some(Hash([1; 32])),
        until: UNTIL,
    }
}

fn grantees() -> Vec<PartyId> {
    ServiceContracts::grants(&car()).into_iter().map(|grant| grant.grantee).collect()
}

fn revoke(party: PartyId, id: ContractId, clause: u16) -> sp_runtime::DispatchResult {
    ServiceContracts::revoke(signed(party), id, clause)
}

#[test]
fn a_right_begins_with_the_contract_and_ends_at_its_time() {
    chain().execute_with(|| {
        let mut later: Terms = terms();
        later.starts = START + MINUTE;
        let id = agree(later);
        assert!(grantees().is_empty(), "the contract has not started");
        pass(MINUTE);
        let expected = Grant {
            contract: id,
            clause: ACCESS,
            device: car(),
            grantor: OWNER,
            grantee: WORKSHOP,
            right: Right::Read(ReadingSelection::All),
            until: UNTIL,
        };
        assert_eq!(ServiceContracts::grants(&car()), std::slice::from_ref(&expected));
        assert_eq!(ServiceContracts::grants_of(id), [expected]);
        block_at(UNTIL - 1);
        assert_eq!(grantees(), [WORKSHOP]);
        block_at(UNTIL);
        assert!(grantees().is_empty());
    });
}

#[test]
fn a_right_of_a_former_owner_is_void() {
    chain().execute_with(|| {
        agree(terms());
        let gateway = Gateway::new(100);
        // Even if the new owner is a party to the contract, or if the device comes back.
        for owner in [WORKSHOP, INSURER, OWNER] {
            own(owner, &gateway.hosted("car"), &gateway);
            assert!(grantees().is_empty(), "{owner}");
        }
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_right_ends_when_a_side_leaves() {
    for leaving in [OWNER, WORKSHOP] {
        chain().execute_with(|| {
            agree(terms());
            expel(leaving);
            assert!(grantees().is_empty());
            readmit(leaving);
            assert!(grantees().is_empty(), "it does not come back");
        });
    }
}

#[test]
fn either_side_revokes_a_right_once() {
    for party in [OWNER, WORKSHOP] {
        chain().execute_with(|| {
            let id = agree(terms());
            for outsider in [INSURER, ARBITER] {
                assert_noop!(revoke(outsider, id, ACCESS), Error::<Test>::NotASideOfClause);
                assert!(!ServiceContracts::may_revoke(&outsider, id, ACCESS));
            }
            assert_noop!(revoke(party, id, SERVICE), Error::<Test>::NothingToRevoke);
            assert_noop!(revoke(party, id, 9), Error::<Test>::UnknownClause);
            assert!(ServiceContracts::may_revoke(&party, id, ACCESS));
            assert_ok!(revoke(party, id, ACCESS));
            System::assert_last_event(Event::Revoked { id, clause: ACCESS, party }.into());
            assert!(grantees().is_empty());
            assert!(!ServiceContracts::may_revoke(&party, id, ACCESS), "only the first one is free");
            assert_noop!(revoke(party, id, ACCESS), Error::<Test>::NothingToRevoke);
            assert_eq!(ServiceContracts::check_state(), Ok(()));
        });
    }
}

#[test]
fn an_audience_is_every_party_with_the_role() {
    chain().execute_with(|| {
        let to_insurers = AccessClause { grantee: Grantee::Role(ContractRole::Insurer), ..access() };
        let mut terms = terms_with(vec![Clause::Access(access()), Clause::Access(to_insurers)]);
        terms.arbiter = None;
        for party in [INSURER, ARBITER] {
            terms.parties.try_push(RoleHolder { role: ContractRole::Insurer, party }).unwrap();
        }
        agree(terms);
        assert_eq!(grantees(), [WORKSHOP, INSURER, ARBITER]);
        let rights = ServiceContracts::grants(&car());
        assert_eq!(rights[0].right, Right::Read(ReadingSelection::Class(DataClass::Raw)));
    });
}

#[test]
fn commands_and_replicas_are_rights_too() {
    chain().execute_with(|| {
        let rule =
            CommandRule { name: "unlock".parse().unwrap(), per_hour: Some(2), limits: Default::default() };
        let commands: streembit_primitives::BoundedVec<_, _> = vec![rule].try_into().unwrap();
        let control = ControlClause {
            device: car(),
            grantor: OWNER,
            grantee: Grantee::Party(WORKSHOP),
            commands: commands.clone(),
            until: END + DAY,
        };
        let custody = CustodyClause { device: car(), grantor: OWNER, custodian: WORKSHOP, until: UNTIL };
        let id = agree(terms_with(vec![Clause::Control(control), Clause::Custody(custody)]));
        let rights: Vec<_> =
            ServiceContracts::grants(&car()).into_iter().map(|grant| (grant.right, grant.until)).collect();
        // A right never outlives its contract.
        assert_eq!(rights, [(Right::Command(commands), END), (Right::Keep, UNTIL)]);
        assert_ok!(ServiceContracts::terminate(signed(OWNER), id));
        pass(NOTICE);
        assert!(grantees().is_empty(), "nobody has noted the end yet");
    });
}
