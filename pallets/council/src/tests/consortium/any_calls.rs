//! Any sequence of calls by anybody keeps the invariants of all four pallets.

use super::mock::*;
use frame_support::traits::Get;
use pallet_parties::PartyLookup as _;
use proptest::prelude::*;
use sp_runtime::testing::UintAuthorityId;
use streembit_primitives::{consortium::Change, AccountId, Hash, PartyId, Scope};

#[derive(Clone, Debug)]
enum Step {
    Propose(u8, Change),
    Vote(u8, Change, bool),
    ProposeMembers(u8, Vec<u8>),
    AddGateway(u8, u8),
    RemoveGateway(u8, u8),
    /// The sender, the account, its scope, and after how many milliseconds it ends.
    AddAccount(u8, u8, Scope, Option<u64>),
    RemoveAccount(u8, u8),
    SetKey(u8, u64),
    LeaveValidators(u8),
    Leave(u8),
    Report(u64, u64),
    Blocks(u64),
}

/// Returns one of eight accounts. 0 to 5 are founding parties and others, 6 and 7 are keys of gateways.
fn who(number: u8) -> AccountId {
    match number {
        0..6 => AccountId([number + 1; 32]),
        _ => Key::new(number).account(),
    }
}

fn change() -> impl Strategy<Value = Change> {
    (0u8..7, 0u8..8, 0u8..8).prop_map(|(kind, number, other)| match kind {
        0 => Change::add_party(who(number)),
        1 => Change::RemoveParty(party(who(number))),
        2 => Change::AddValidator(who(number)),
        3 => Change::SetQuota { party: party(who(number)), quota: Some(Default::default()) },
        4 => Change::Upgrade { code: Hash([number; 32]) },
        5 => Change::Recover { party: party(who(number)), account: who(other) },
        _ => Change::RemoveValidator(who(number)),
    })
}

fn step() -> impl Strategy<Value = Step> {
    let by = 0u8..8;
    prop_oneof![
        3 => (by.clone(), change()).prop_map(|(by, change)| Step::Propose(by, change)),
        6 => (0u8..3, change(), prop::bool::weighted(0.8)).prop_map(|(by, change, aye)| Step::Vote(by, change, aye)),
        2 => (by.clone(), 6u8..8).prop_map(|(by, gateway)| Step::AddGateway(by, gateway)),
        1 => (by.clone(), 6u8..8).prop_map(|(by, gateway)| Step::RemoveGateway(by, gateway)),
        2 => (by.clone(), 6u8..8, prop::sample::select(Scope::LIST.to_vec()), prop::option::of(1u64..50))
            .prop_map(|(by, account, scope, end)| Step::AddAccount(by, account, scope, end)),
        1 => (by.clone(), by.clone()).prop_map(|(by, account)| Step::RemoveAccount(by, account)),
        1 => (by.clone(), prop::collection::vec(0u8..8, 0..4))
            .prop_map(|(by, members)| Step::ProposeMembers(by, members)),
        3 => (by.clone(), 0u64..12).prop_map(|(by, key)| Step::SetKey(by, key)),
        1 => by.clone().prop_map(Step::LeaveValidators),
        1 => by.prop_map(Step::Leave),
        2 => (0u64..12, 0u64..3).prop_map(|(key, ago)| Step::Report(key, ago)),
        3 => (1u64..10).prop_map(Step::Blocks),
    ]
}

/// Takes a step. It may be refused.
fn take(step: Step) {
    let signed = |number| signed(who(number));
    let _ = match step {
        Step::Propose(by, change) => Council::propose(signed(by), change),
        Step::Vote(by, change, approve) => {
            let _ = Council::propose(signed(0), change);
            Council::vote(signed(by), motion(change), approve)
        }
        Step::AddGateway(by, gateway) => {
            let consent = Key::new(gateway).consent(party_of(who(by)));
            Parties::add_gateway(signed(by), who(gateway), LOG_KEY, consent)
        }
        Step::RemoveGateway(by, gateway) => Parties::remove_gateway(signed(by), who(gateway)),
        Step::ProposeMembers(by, members) => {
            let members: Vec<_> = members.into_iter().map(|number| party(who(number))).collect();
            Council::propose_members(signed(by), members.try_into().unwrap())
        }
        Step::AddAccount(by, account, scope, end) => {
            let until = end.map(|after| Now::get() + after);
            let consent = Key::new(account).account_consent(party_of(who(by)), scope, until);
            Parties::add_account(signed(by), who(account), scope, until, consent)
        }
        Step::RemoveAccount(by, account) => Parties::remove_account(signed(by), who(account)),
        Step::SetKey(by, key) => Session::set_keys(signed(by), UintAuthorityId(key), Vec::new()),
        Step::LeaveValidators(by) => Validators::leave(signed(by)),
        Step::Leave(by) => Parties::leave(signed(by)),
        Step::Report(key, ago) => {
            let set = VoterSet::get().saturating_sub(ago);
            let proof = two_votes(key, set, 1);
            Validators::report_votes(RuntimeOrigin::none(), proof)
        }
        Step::Blocks(count) => {
            blocks(count);
            Now::set(&(Now::get() + count));
            Ok(())
        }
    };
}

/// Returns the party that an account acts for, or the one that it would found.
fn party_of(account: AccountId) -> PartyId {
    Parties::role_of(&account).map_or(party(account), |found| found.party)
}

/// The state is bounded by the number of accounts and by the highest number of motions.
fn check_bounds() -> Result<(), TestCaseError> {
    let (parties, accounts, gateways) = (
        pallet_parties::Parties::<Test>::iter_keys().count(),
        pallet_parties::AccountOf::<Test>::iter_keys().count(),
        pallet_parties::Gateways::<Test>::iter_keys().count(),
    );
    prop_assert!(accounts + gateways <= 8, "{} accounts, {} gateways", accounts, gateways);
    prop_assert!(parties <= accounts, "{} parties with {} accounts", parties, accounts);
    // The council consists of parties.
    prop_assert!(!Council::members().is_empty() && Council::members().iter().all(Parties::is_party));
    prop_assert_eq!(pallet_parties::GatewaysOf::<Test>::iter_keys().count(), gateways);
    prop_assert!(pallet_quotas::Quotas::<Test>::iter_keys().count() <= parties);
    prop_assert!(pallet_quotas::Spent::<Test>::iter_keys().count() <= parties);
    let most: u32 = <Test as pallet_collective::Config>::MaxProposals::get();
    prop_assert!(pallet_collective::Proposals::<Test>::get().len() <= most as usize);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        let parties: Vec<_> = (0..4).map(who).collect();
        founded(&parties, &parties[..2], &parties[..3]).execute_with(|| {
            for step in steps {
                take(step.clone());
                prop_assert_eq!(check_state(), Ok(()), "after {:?}", step);
                check_bounds()?;
            }
            // The last decision comes into force without further calls, and nothing else does.
            blocks(16);
            prop_assert!(!Validators::is_rotation_pending());
            let decided = pallet_validators::Validators::<Test>::get().into_inner();
            prop_assert_eq!(Session::validators(), decided);
            Ok(())
        })?;
    }
}
