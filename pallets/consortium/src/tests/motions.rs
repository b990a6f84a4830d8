//! What is proposed, voted and carried out.

use crate::{mock::*, Collective, Error, Event, GenesisHash};
use frame_support::{assert_noop, assert_ok, traits::Get};
use streembit_primitives::{consortium::Change, AccountId, Hash};

const ADD: Change = Change::AddParty(STRANGER);

/// Three parties, all in the council, and a fourth that is not.
fn council_of_three() -> sp_io::TestExternalities {
    let fourth = AccountId([4; 32]);
    founded(&[OWNER, WORKSHOP, INSURER, fourth], &[OWNER, fourth], &[OWNER, WORKSHOP, INSURER])
}

#[test]
fn a_council_of_one_decides_at_once() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER]).execute_with(|| {
        assert_ok!(Consortium::propose(signed(OWNER), ADD));
        assert!(Consortium::is_party(&STRANGER));
        assert_eq!(System::providers(&account(STRANGER)), 1);
        System::assert_has_event(Event::Changed { change: ADD }.into());
        assert!(pallet_collective::Proposals::<Test>::get().is_empty());
        assert_noop!(Consortium::propose(signed(OWNER), ADD), Error::<Test>::IsAParty);

        // Somebody else's proposal waits for its vote.
        assert_ok!(Consortium::propose(signed(WORKSHOP), Change::RemoveParty(STRANGER)));
        assert!(Consortium::is_party(&STRANGER));
        assert_ok!(Consortium::vote(signed(OWNER), motion(Change::RemoveParty(STRANGER)), true));
        assert!(!Consortium::is_party(&STRANGER));
    });
}

#[test]
fn more_than_half_of_the_council_decides() {
    council_of_three().execute_with(|| {
        assert_ok!(Consortium::propose(signed(AccountId([4; 32])), ADD));
        assert_ok!(Consortium::vote(signed(OWNER), motion(ADD), true));
        assert_noop!(
            Consortium::vote(signed(OWNER), motion(ADD), true),
            pallet_collective::Error::<Test>::DuplicateVote
        );
        assert!(!Consortium::is_party(&STRANGER));
        let open = Collective::<Test>::motions(change_of);
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].change, open[0].needed), (Some(ADD), 2));
        assert_eq!((open[0].ayes.clone(), open[0].nays.len()), (vec![OWNER], 0));
        assert_eq!(open[0].id, Hash(motion(ADD).0));

        assert_ok!(Consortium::vote(signed(INSURER), motion(ADD), true));
        assert!(Consortium::is_party(&STRANGER));
        assert!(Collective::<Test>::motions(change_of).is_empty());
        assert_noop!(Consortium::vote(signed(WORKSHOP), motion(ADD), true), Error::<Test>::NoMotion);
    });
}

#[test]
fn a_motion_without_hope_is_dropped_and_can_be_asked_again() {
    council_of_three().execute_with(|| {
        assert_ok!(Consortium::propose(signed(OWNER), ADD));
        assert_ok!(Consortium::vote(signed(WORKSHOP), motion(ADD), false));
        assert_ok!(Consortium::vote(signed(INSURER), motion(ADD), false));
        assert!(Collective::<Test>::motions(change_of).is_empty() && !Consortium::is_party(&STRANGER));
        assert_ok!(Consortium::propose(signed(OWNER), ADD));
    });
}

#[test]
fn who_does_not_belong_neither_proposes_nor_votes() {
    council_of_three().execute_with(|| {
        assert_noop!(Consortium::propose(signed(STRANGER), ADD), Error::<Test>::NotAMember);
        assert_ok!(Consortium::propose(signed(OWNER), ADD));
        for outside in [STRANGER, AccountId([4; 32])] {
            assert_noop!(Consortium::vote(signed(outside), motion(ADD), true), Error::<Test>::NotInCouncil);
        }
        // The decision itself is nobody's to make alone.
        for origin in [signed(OWNER), RuntimeOrigin::root(), RuntimeOrigin::none()] {
            assert_noop!(Consortium::enact(origin, ADD), sp_runtime::DispatchError::BadOrigin);
        }
        // A gateway may ask.
        let gateway = Gateway::new(1);
        let consent = gateway.consent(GenesisHash::<Test>::get(), OWNER);
        assert_ok!(Consortium::add_gateway(signed(OWNER), gateway.account(), consent));
        assert_ok!(Consortium::propose(signed(gateway.account()), Change::AddParty(AccountId([8; 32]))));
        assert_noop!(
            Consortium::propose(signed(OWNER), Change::AddParty(gateway.account())),
            Error::<Test>::IsAGateway
        );
    });
}

#[test]
fn others_leave_half_of_the_places_to_the_council() {
    council_of_three().execute_with(|| {
        let fourth = AccountId([4; 32]);
        let add = |number: u8| Change::AddParty(AccountId([number; 32]));
        for number in 100..103 {
            assert_ok!(Consortium::propose(signed(fourth), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Consortium::propose(signed(fourth), add(103)), full);
        for number in 103..106 {
            assert_ok!(Consortium::propose(signed(OWNER), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Consortium::propose(signed(OWNER), add(106)), full);
    });
}

#[test]
fn who_is_in_the_council_stays_a_party() {
    council_of_three().execute_with(|| {
        assert_noop!(Consortium::leave(signed(OWNER)), Error::<Test>::InCouncil);
        assert_noop!(
            Consortium::propose(signed(WORKSHOP), Change::RemoveParty(OWNER)),
            Error::<Test>::InCouncil
        );
    });
}

#[test]
fn what_became_impossible_is_closed_without_effect() {
    council_of_three().execute_with(|| {
        let fourth = AccountId([4; 32]);
        assert_ok!(Consortium::propose(signed(OWNER), Change::RemoveValidator(fourth)));
        assert_ok!(Consortium::leave_validators(signed(fourth)));
        assert_ok!(Consortium::vote(signed(WORKSHOP), motion(Change::RemoveValidator(fourth)), true));
        System::assert_has_event(
            pallet_collective::Event::Executed {
                proposal_hash: motion(Change::RemoveValidator(fourth)),
                result: Err(Error::<Test>::NotAValidator.into()),
            }
            .into(),
        );
        assert!(Collective::<Test>::motions(change_of).is_empty());
    });
}

fn change_of(call: &RuntimeCall) -> Option<Change> {
    match call {
        RuntimeCall::Consortium(call) => Consortium::change_of(call),
        _ => None,
    }
}
