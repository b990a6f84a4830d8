//! Any sequence of calls, and of changes of the parties, keeps the invariants.

use crate::{mock::*, Validators as Stored};
use pallet_parties::{PartyLookup, Registry};
use proptest::prelude::*;
use sp_runtime::testing::UintAuthorityId;
use streembit_primitives::AccountId;

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Remove(u8),
    Leave(u8),
    SetKey(u8, u64),
    Report(u64, u64),
    /// An account becomes a party, or a gateway of another account that is one.
    TakeIn(u8, u8),
    PartyLeaves(u8),
    AccountLeaves(u8),
    Blocks(u64),
}

fn who(number: u8) -> AccountId {
    AccountId([number + 1; 32])
}

fn step() -> impl Strategy<Value = Step> {
    let anybody = 0u8..6;
    prop_oneof![
        4 => anybody.clone().prop_map(Step::Add),
        2 => anybody.clone().prop_map(Step::Remove),
        1 => anybody.clone().prop_map(Step::Leave),
        3 => (anybody.clone(), 0u64..12).prop_map(|(by, key)| Step::SetKey(by, key)),
        2 => (0u64..12, 0u64..3).prop_map(|(key, ago)| Step::Report(key, ago)),
        2 => (anybody.clone(), anybody.clone()).prop_map(|(account, party)| Step::TakeIn(account, party)),
        1 => anybody.clone().prop_map(Step::PartyLeaves),
        1 => anybody.prop_map(Step::AccountLeaves),
        3 => (1u64..10).prop_map(Step::Blocks),
    ]
}

/// Takes a step. It may be refused.
fn take(step: Step) {
    let _ = match step {
        Step::Add(account) => <Validators as Registry>::add(who(account)),
        Step::Remove(account) => <Validators as Registry>::remove(who(account)),
        Step::Leave(by) => Validators::leave(signed(who(by))),
        Step::SetKey(by, key) => Session::set_keys(signed(who(by)), UintAuthorityId(key), Vec::new()),
        Step::Report(key, ago) => {
            let set = VoterSet::get().saturating_sub(ago);
            let proof = votes(key, key, (set, 1), [(hash(1), 1), (hash(2), 2)]);
            Validators::report_votes(RuntimeOrigin::none(), proof)
        }
        Step::TakeIn(account, party) => {
            let (account, party) = (who(account), who(party));
            let is_party = account == party || Parties::role_of(&party).is_some();
            if is_party && Parties::role_of(&account).is_none() {
                Parties::take_in(account, party);
            }
            Ok(())
        }
        Step::PartyLeaves(party) => Parties::leave(who(party)),
        Step::AccountLeaves(account) => Parties::remove_account(who(account)),
        Step::Blocks(count) => {
            blocks(count);
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        founded(&[who(0), who(1), who(2)], &[who(0), who(1)]).execute_with(|| {
            for step in steps {
                take(step.clone());
                prop_assert_eq!(Validators::check_state(), Ok(()), "after {:?}", step);
                prop_assert!(!Stored::<Test>::get().is_empty(), "no validator after {:?}", step);
            }
            // The last decision comes into force without further calls.
            blocks(16);
            prop_assert!(!Validators::is_rotation_pending());
            prop_assert_eq!(Session::validators(), Stored::<Test>::get().into_inner());
            Ok(())
        })?;
    }
}
