//! A party, a gateway or a validator that leaves: every pallet has its say, and none keeps anything about it.

use super::mock::*;
use frame_support::{assert_noop, assert_ok};
use pallet_parties::PartyLookup as _;
use sp_runtime::{testing::UintAuthorityId, DispatchResult};
use streembit_primitives::{
    consortium::{Change, Equivocation, Offence, Quota},
    AccountId, Scope,
};

/// Three parties, of which two validate, at block 6. The third is the council and decides at once.
fn two_validators() -> sp_io::TestExternalities {
    let mut chain = founded(&[OWNER, WORKSHOP, INSURER], &[OWNER, WORKSHOP], &[INSURER]);
    chain.execute_with(|| blocks(5));
    chain
}

fn decide(change: Change) -> DispatchResult {
    Council::propose(signed(INSURER), change)
}

fn add_gateway(gateway: &Key, first: AccountId) -> DispatchResult {
    Parties::add_gateway(signed(first), gateway.account(), LOG_KEY, gateway.consent(party(first)))
}

fn add_account(key: &Key, first: AccountId, scope: Scope, until: Option<u64>) -> DispatchResult {
    let consent = key.account_consent(party(first), scope, until);
    Parties::add_account(signed(first), key.account(), scope, until, consent)
}

#[test]
fn the_council_adds_a_party_and_removes_it() {
    two_validators().execute_with(|| {
        assert_ok!(decide(Change::add_party(STRANGER)));
        assert!(Parties::is_party(&party(STRANGER)));
        assert_eq!(System::providers(&account(STRANGER)), 1);
        let added = pallet_parties::Event::PartyAdded { party: party(STRANGER), account: STRANGER };
        System::assert_has_event(added.into());
        assert_noop!(decide(Change::add_party(STRANGER)), pallet_parties::Error::<Test>::IsAnAccount);
        assert_ok!(decide(Change::RemoveParty(party(STRANGER))));
        assert!(!Parties::is_party(&party(STRANGER)));
    });
}

#[test]
fn a_member_of_the_council_stays_a_party() {
    two_validators().execute_with(|| {
        let in_council = crate::Error::<Test>::InCouncil;
        assert_noop!(Parties::leave(signed(INSURER)), in_council);
        let in_council = crate::Error::<Test>::InCouncil;
        assert_noop!(Council::propose(signed(OWNER), Change::RemoveParty(party(INSURER))), in_council);
    });
}

#[test]
fn the_party_of_the_last_validator_stays() {
    two_validators().execute_with(|| {
        assert_ok!(Validators::leave(signed(OWNER)));
        let last = || pallet_validators::Error::<Test>::LastValidator;
        assert_noop!(Validators::leave(signed(WORKSHOP)), last());
        for change in [Change::RemoveValidator(WORKSHOP), Change::RemoveParty(party(WORKSHOP))] {
            assert_noop!(decide(change), last());
        }
        assert_noop!(Parties::leave(signed(WORKSHOP)), last());
    });
}

#[test]
fn a_gateway_validates_for_its_party_and_stops_with_it() {
    two_validators().execute_with(|| {
        let gateway = Key::new(1);
        let id = gateway.account();
        let set_key = |key| Session::set_keys(signed(id), UintAuthorityId(key), Vec::new());
        assert_noop!(decide(Change::AddValidator(id)), pallet_validators::Error::<Test>::NotAMember);
        assert_ok!(add_gateway(&gateway, WORKSHOP));
        assert_noop!(decide(Change::add_party(id)), pallet_parties::Error::<Test>::IsAGateway);
        assert_ok!(set_key(44));
        assert_ok!(decide(Change::AddValidator(id)));
        blocks(2);
        assert_eq!(KeysInForce::get(), [1, 2, 44]);
        let validates = pallet_validators::Error::<Test>::IsAValidator;
        assert_noop!(Parties::remove_gateway(signed(WORKSHOP), id), validates);

        assert_ok!(decide(Change::RemoveParty(party(WORKSHOP))));
        System::assert_has_event(pallet_validators::Event::FewValidators { validators: 1 }.into());
        blocks(7);
        assert_eq!(KeysInForce::get(), [1]);
        assert_noop!(set_key(45), pallet_session::Error::<Test>::NoAssociatedValidatorId);
        assert_ok!(check_state());
    });
}

#[test]
fn a_decided_change_is_made_without_effect_if_it_became_impossible() {
    founded(&[OWNER, WORKSHOP, INSURER], &[OWNER, WORKSHOP], &[OWNER, INSURER]).execute_with(|| {
        let remove = Change::RemoveValidator(WORKSHOP);
        assert_ok!(Council::propose(signed(OWNER), remove));
        assert_ok!(Validators::leave(signed(WORKSHOP)));
        assert_ok!(Council::vote(signed(INSURER), motion(remove), true));
        let result = Err(pallet_validators::Error::<Test>::NotAValidator.into());
        System::assert_has_event(
            pallet_collective::Event::Executed { proposal_hash: motion(remove), result }.into(),
        );
    });
}

#[test]
fn a_party_that_leaves_takes_its_quota_and_its_equivocation_along() {
    two_validators().execute_with(|| {
        let quota = Some(Quota { microseconds: 7, bytes: 7 });
        assert_ok!(decide(Change::SetQuota { party: party(WORKSHOP), quota }));
        let nobody = Change::SetQuota { party: party(STRANGER), quota };
        assert_noop!(decide(nobody), pallet_quotas::Error::<Test>::NotAParty);
        assert_ok!(Validators::report_votes(RuntimeOrigin::none(), two_votes(2, 0, 7)));
        let offence = Offence::Votes { set: 0, round: 7 };
        assert_eq!(Validators::equivocations(), [Equivocation { account: WORKSHOP, offence, block: 6 }]);
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert!(Validators::equivocations().is_empty());
        assert_eq!(pallet_quotas::Quotas::<Test>::iter().count(), 0);
        assert_eq!(Quotas::quota(&WORKSHOP), None);
        assert_ok!(check_state());
    });
}

#[test]
fn an_account_that_validates_leaves_its_party_after_the_validators() {
    two_validators().execute_with(|| {
        let partner = Key::new(1);
        assert_ok!(add_account(&partner, WORKSHOP, Scope::All, None));
        let validates = || pallet_validators::Error::<Test>::IsAValidator;
        for by in [WORKSHOP, partner.account()] {
            assert_noop!(Parties::remove_account(signed(by), WORKSHOP), validates());
        }
        let recover = Change::Recover { party: party(WORKSHOP), account: partner.account() };
        assert_noop!(decide(recover), validates());
        assert_ok!(decide(Change::RemoveValidator(WORKSHOP)));
        assert_ok!(decide(recover));
        assert!(Parties::role_of(&WORKSHOP).is_none());
        assert_noop!(
            Session::set_keys(signed(WORKSHOP), UintAuthorityId(9), Vec::new()),
            pallet_session::Error::<Test>::NoAssociatedValidatorId
        );
        // The party validates again with its new account.
        assert_ok!(Session::set_keys(signed(partner.account()), UintAuthorityId(44), Vec::new()));
        assert_ok!(decide(Change::AddValidator(partner.account())));
        blocks(16);
        assert_eq!(KeysInForce::get(), [1, 44]);
        assert_ok!(check_state());
    });
}

#[test]
fn an_account_that_ends_decides_nothing_and_validates_nothing() {
    two_validators().execute_with(|| {
        let partner = Key::new(1);
        let id = partner.account();
        assert_ok!(add_account(&partner, INSURER, Scope::All, Some(9_000)));
        assert_noop!(
            Session::set_keys(signed(id), UintAuthorityId(9), Vec::new()),
            pallet_session::Error::<Test>::NoAssociatedValidatorId
        );
        assert_ok!(Council::propose(signed(id), Change::add_party(STRANGER)));
        assert!(Parties::is_party(&party(STRANGER)), "it votes for its party until it ends");
        Now::set(&9_000);
        let ended = || pallet_parties::Error::<Test>::AccountEnded;
        assert_noop!(Council::propose(signed(id), Change::RemoveParty(party(STRANGER))), ended());
        assert_noop!(Parties::leave(signed(id)), ended());
        assert_eq!(Quotas::quota(&id), None);
        assert_ok!(check_state());
    });
}
