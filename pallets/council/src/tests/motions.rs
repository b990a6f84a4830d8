//! Motions that are proposed, voted on and carried out.

use crate::{mock::*, Call, Error, Event};
use frame_support::{assert_noop, assert_ok};
use pallet_parties::{AccountRefusal, Departure};
use sp_runtime::DispatchError;
use streembit_primitives::{
    consortium::{Change, Quota},
    device::DecidedChange,
    AccountId, DeviceId, Hash,
};

/// The error of a call that is refused to an account.
fn refused(refusal: AccountRefusal) -> DispatchError {
    DispatchError::Other(refusal.into())
}

const DEVICE: DeviceId = DeviceId([60; 32]);

fn add_stranger() -> Change {
    Change::add_party(STRANGER)
}

#[test]
fn a_council_of_one_decides_at_once() {
    founded(&[OWNER]).execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        System::assert_has_event(
            Event::Proposed {
                motion: motion(add_stranger()),
                change: add_stranger(),
                party: party(OWNER),
                by: OWNER,
            }
            .into(),
        );
        assert_eq!(Made::get(), [add_stranger()]);
        assert!(Council::motions().is_empty());

        // A motion that another party proposes waits for the vote.
        assert_ok!(Council::propose(signed(WORKSHOP), add_stranger()));
        assert_eq!(Made::get(), [add_stranger()]);
        assert_ok!(Council::vote(signed(OWNER), motion(add_stranger()), true));
        assert_eq!(Made::get(), [add_stranger(), add_stranger()]);
    });
}

#[test]
fn more_than_half_of_the_council_decides() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(LESSEE), add_stranger()));
        assert_ok!(Council::vote(signed(OWNER), motion(add_stranger()), true));
        assert_noop!(
            Council::vote(signed(OWNER), motion(add_stranger()), true),
            pallet_collective::Error::<Test>::DuplicateVote
        );
        assert!(Made::get().is_empty());
        let open = Council::motions();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].change, open[0].needed), (Some(add_stranger()), 2));
        assert_eq!((open[0].ayes.clone(), open[0].nays.len()), (vec![party(OWNER)], 0));
        assert_eq!(open[0].id, Hash(motion(add_stranger()).0));

        assert_ok!(Council::vote(signed(INSURER), motion(add_stranger()), true));
        assert_eq!(Made::get(), [add_stranger()]);
        assert!(Council::motions().is_empty());
        assert_noop!(Council::vote(signed(WORKSHOP), motion(add_stranger()), true), Error::<Test>::NoMotion);
    });
}

#[test]
fn each_change_goes_to_the_pallet_that_makes_it() {
    founded(&[OWNER]).execute_with(|| {
        let quota = Some(Quota { microseconds: 7, bytes: 7 });
        let changes = [
            add_stranger(),
            Change::RemoveParty(party(WORKSHOP)),
            Change::AddValidator(INSURER),
            Change::RemoveValidator(INSURER),
            Change::SetQuota { party: party(INSURER), quota },
            Change::Recover { party: party(INSURER), account: STRANGER },
            Change::AllowDeviceChange { device: DEVICE, change: DecidedChange::Log, from: 7 },
        ];
        for change in changes {
            assert_ok!(Council::propose(signed(OWNER), change));
        }
        assert_eq!(Made::get(), changes);
        assert_ok!(Council::propose(signed(OWNER), Change::Upgrade { code: Hash([7; 32]) }));
        assert!(System::authorized_upgrade().is_some());
        assert_eq!(Made::get().len(), changes.len());
    });
}

#[test]
fn an_impossible_change_is_not_proposed() {
    council_of_three().execute_with(|| {
        Refused::set(vec![LESSEE.0, party(LESSEE).0, DEVICE.0]);
        for change in [
            Change::AllowDeviceChange { device: DEVICE, change: DecidedChange::Key, from: 7 },
            Change::add_party(LESSEE),
            Change::RemoveParty(party(LESSEE)),
            Change::AddValidator(LESSEE),
            Change::RemoveValidator(LESSEE),
            Change::SetQuota { party: party(LESSEE), quota: None },
            Change::Recover { party: party(LESSEE), account: STRANGER },
        ] {
            assert_noop!(Council::propose(signed(OWNER), change), IMPOSSIBLE);
        }
    });
}

#[test]
fn a_motion_without_hope_is_dropped_and_can_be_proposed_again() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        assert_ok!(Council::vote(signed(WORKSHOP), motion(add_stranger()), false));
        assert_ok!(Council::vote(signed(INSURER), motion(add_stranger()), false));
        assert!(Council::motions().is_empty() && Made::get().is_empty());
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
    });
}

#[test]
fn strangers_neither_propose_nor_vote() {
    council_of_three().execute_with(|| {
        assert_noop!(Council::propose(signed(STRANGER), add_stranger()), refused(AccountRefusal::NoParty));
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        let vote = |by| Council::vote(signed(by), motion(add_stranger()), true);
        assert_noop!(vote(STRANGER), refused(AccountRefusal::NoParty));
        assert_noop!(vote(LESSEE), Error::<Test>::NotInCouncil);
        // Nobody makes a change without the council.
        for origin in [signed(OWNER), RuntimeOrigin::root(), RuntimeOrigin::none()] {
            assert_noop!(Council::enact(origin, add_stranger()), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn a_party_has_one_vote_whichever_of_its_accounts_casts_it() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(PARTNER), add_stranger()));
        assert_eq!(Council::motions()[0].ayes, [party(OWNER)]);
        assert_noop!(
            Council::vote(signed(OWNER), motion(add_stranger()), true),
            pallet_collective::Error::<Test>::DuplicateVote
        );
        assert_ok!(Council::vote(signed(OWNER), motion(add_stranger()), false));
        assert_eq!(
            (Council::motions()[0].ayes.len(), Council::motions()[0].nays.clone()),
            (0, vec![party(OWNER)])
        );
        assert!(Made::get().is_empty());
    });
}

#[test]
fn an_account_without_every_right_and_one_that_has_ended_neither_propose_nor_vote() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(LESSEE), add_stranger()));
        let other = Change::add_party(AccountId([80; 32]));
        for (account, refusal) in [(EMPLOYEE, AccountRefusal::OutOfScope), (ENDED, AccountRefusal::Ended)] {
            assert_noop!(Council::propose(signed(account), other), refused(refusal));
            assert_noop!(Council::vote(signed(account), motion(add_stranger()), true), refused(refusal));
            let members = vec![party(OWNER)].try_into().unwrap();
            assert_noop!(Council::propose_members(signed(account), members), refused(refusal));
        }
        // A gateway may propose. It has no vote, not even if its party is in the council.
        assert_ok!(Council::propose(signed(GATEWAY), other));
        assert_eq!(Council::motions()[1].ayes, []);
        assert_noop!(
            Council::vote(signed(GATEWAY), motion(add_stranger()), true),
            refused(AccountRefusal::OutOfScope)
        );
    });
}

#[test]
fn nobody_votes_with_the_calls_of_the_collective() {
    founded(&[OWNER]).execute_with(|| {
        let call: RuntimeCall = Call::enact { change: add_stranger() }.into();
        for account in [OWNER, PARTNER, STRANGER] {
            assert_noop!(
                Collective::propose(signed(account), 1, Box::new(call.clone()), 1_000),
                pallet_collective::Error::<Test>::NotMember
            );
            assert_noop!(
                Collective::execute(signed(account), Box::new(call.clone()), 1_000),
                pallet_collective::Error::<Test>::NotMember
            );
        }
        assert!(Made::get().is_empty());
    });
}

#[test]
fn a_party_that_left_since_the_proposal_is_no_member() {
    council_of_three().execute_with(|| {
        assert_ok!(propose_members(OWNER, &[OWNER, LESSEE]));
        let id = Council::motions()[0].id;
        Accounts::mutate(|accounts| accounts.retain(|(account, _)| *account != LESSEE));
        assert_ok!(Council::vote(signed(INSURER), id.0.into(), true));
        let result = Err(Error::<Test>::UnknownMember.into());
        System::assert_has_event(
            pallet_collective::Event::Executed { proposal_hash: id.0.into(), result }.into(),
        );
        assert_eq!(Council::members().len(), 3);
        // Nobody replaces the members without the council.
        for origin in [signed(OWNER), RuntimeOrigin::root(), RuntimeOrigin::none()] {
            let members = vec![party(OWNER)].try_into().unwrap();
            assert_noop!(Council::enact_members(origin, members), DispatchError::BadOrigin);
        }
    });
}

fn propose_members(by: AccountId, members: &[AccountId]) -> sp_runtime::DispatchResult {
    let members: Vec<_> = members.iter().map(|first| party(*first)).collect();
    Council::propose_members(signed(by), members.try_into().unwrap())
}

#[test]
fn two_thirds_of_the_council_decide_on_its_members() {
    council_of_three().execute_with(|| {
        assert_ok!(propose_members(PARTNER, &[LESSEE, OWNER]));
        let motion = Council::motions().remove(0);
        let id = motion.id;
        assert_eq!((motion.change, motion.needed), (None, 2));
        assert_eq!(motion.members.map(|members| members.len()), Some(2));
        assert_eq!(Council::members().len(), 3);
        assert_ok!(Council::vote(signed(INSURER), id.0.into(), true));
        let mut members = vec![party(LESSEE), party(OWNER)];
        members.sort();
        assert_eq!(Council::members(), members);
        assert_noop!(Council::vote(signed(WORKSHOP), id.0.into(), true), Error::<Test>::NotInCouncil);
        assert_noop!(Council::ensure_party_can_leave(&party(LESSEE)), Error::<Test>::InCouncil);
        assert_ok!(Council::ensure_party_can_leave(&party(INSURER)));
    });
}

#[test]
fn a_council_consists_of_parties_each_once() {
    founded(&[OWNER]).execute_with(|| {
        assert_noop!(propose_members(OWNER, &[]), Error::<Test>::BadMembers);
        assert_noop!(propose_members(OWNER, &[OWNER, WORKSHOP, OWNER]), Error::<Test>::BadMembers);
        assert_noop!(propose_members(OWNER, &[OWNER, STRANGER]), Error::<Test>::UnknownMember);
        assert_noop!(propose_members(LESSEE, &[LESSEE]), Error::<Test>::NotInCouncil);
        // A council of one decides at once, also on its end.
        assert_ok!(propose_members(OWNER, &[WORKSHOP]));
        assert_eq!(Council::members(), [party(WORKSHOP)]);
    });
}

#[test]
fn others_leave_half_of_the_places_to_the_council() {
    council_of_three().execute_with(|| {
        let add = |number: u8| Change::add_party(AccountId([number; 32]));
        for number in 100..103 {
            assert_ok!(Council::propose(signed(LESSEE), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Council::propose(signed(LESSEE), add(103)), full);
        for number in 103..106 {
            assert_ok!(Council::propose(signed(OWNER), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Council::propose(signed(OWNER), add(106)), full);
    });
}

#[test]
fn a_member_stays_a_party() {
    council_of_three().execute_with(|| {
        let mut members = [OWNER, WORKSHOP, INSURER].map(party);
        members.sort();
        assert_eq!(Council::members(), members);
        for member in Council::members() {
            assert_noop!(Council::ensure_party_can_leave(&member), Error::<Test>::InCouncil);
        }
        assert_ok!(Council::ensure_party_can_leave(&party(LESSEE)));
    });
}

#[test]
fn a_change_that_became_impossible_is_closed_without_effect() {
    council_of_three().execute_with(|| {
        let remove = Change::RemoveValidator(LESSEE);
        assert_ok!(Council::propose(signed(OWNER), remove));
        Refused::set(vec![LESSEE.0]);
        assert_ok!(Council::vote(signed(WORKSHOP), motion(remove), true));
        // An event does not keep the text of `DispatchError::Other`.
        let result = Err(DispatchError::Other(""));
        System::assert_has_event(
            pallet_collective::Event::Executed { proposal_hash: motion(remove), result }.into(),
        );
        assert!(Council::motions().is_empty() && Made::get().is_empty());
    });
}
