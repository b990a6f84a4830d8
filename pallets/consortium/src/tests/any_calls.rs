//! Any sequence of calls, by anybody, keeps what must hold.

use crate::{mock::*, Gateways, GatewaysOf, GenesisHash, Parties, Quotas, Spent};
use frame_support::traits::Get;
use proptest::prelude::*;
use sp_runtime::testing::UintAuthorityId;
use streembit_primitives::{consortium::Change, AccountId, Hash};

#[derive(Clone, Debug)]
enum Step {
    Propose(u8, Change),
    Vote(u8, Change, bool),
    AddGateway(u8, u8),
    RemoveGateway(u8, u8),
    SetKey(u8, u64),
    LeaveValidators(u8),
    Leave(u8),
    Report(u64, u64),
    Blocks(u64),
}

/// 0 to 5: parties of the genesis and others; 6 and 7: gateways.
fn who(number: u8) -> AccountId {
    match number {
        0..6 => AccountId([number + 1; 32]),
        _ => Gateway::new(number).account(),
    }
}

fn change() -> impl Strategy<Value = Change> {
    (0u8..6, 0u8..8).prop_map(|(kind, number)| match kind {
        0 => Change::AddParty(who(number)),
        1 => Change::RemoveParty(who(number)),
        2 => Change::AddValidator(who(number)),
        3 => Change::SetQuota { party: who(number), quota: Some(Default::default()) },
        4 => Change::Upgrade { code: Hash([number; 32]) },
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
        3 => (by.clone(), 0u64..12).prop_map(|(by, key)| Step::SetKey(by, key)),
        1 => by.clone().prop_map(Step::LeaveValidators),
        1 => by.prop_map(Step::Leave),
        2 => (0u64..12, 0u64..3).prop_map(|(key, ago)| Step::Report(key, ago)),
        3 => (1u64..10).prop_map(Step::Blocks),
    ]
}

/// Does a step; whether it was refused does not matter.
fn take(step: Step) {
    let signed = |number| signed(who(number));
    let _ = match step {
        Step::Propose(by, change) => Consortium::propose(signed(by), change),
        Step::Vote(by, change, approve) => {
            let _ = Consortium::propose(signed(0), change);
            Consortium::vote(signed(by), motion(change), approve)
        }
        Step::AddGateway(by, gateway) => {
            let consent = Gateway::new(gateway).consent(GenesisHash::<Test>::get(), who(by));
            Consortium::add_gateway(signed(by), who(gateway), consent)
        }
        Step::RemoveGateway(by, gateway) => Consortium::remove_gateway(signed(by), who(gateway)),
        Step::SetKey(by, key) => Session::set_keys(signed(by), UintAuthorityId(key), Vec::new()),
        Step::LeaveValidators(by) => Consortium::leave_validators(signed(by)),
        Step::Leave(by) => Consortium::leave(signed(by)),
        Step::Report(key, ago) => {
            let set = VoterSet::get().saturating_sub(ago);
            let proof = votes(key, key, (set, 1), [(hash(1), 1), (hash(2), 2)]);
            Consortium::report_votes(RuntimeOrigin::none(), proof)
        }
        Step::Blocks(count) => {
            blocks(count);
            Ok(())
        }
    };
}

/// As much is stored as there are accounts, of which there are eight, and no more motions than there may be.
fn check_bounds() -> Result<(), TestCaseError> {
    let (parties, gateways) = (Parties::<Test>::iter_keys().count(), Gateways::<Test>::iter_keys().count());
    prop_assert!(parties + gateways <= 8, "{} parties, {} gateways", parties, gateways);
    prop_assert_eq!(GatewaysOf::<Test>::iter_keys().count(), gateways);
    prop_assert!(Quotas::<Test>::iter_keys().count() <= parties);
    prop_assert!(Spent::<Test>::iter_keys().count() <= parties);
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
                prop_assert_eq!(Consortium::check_state(), Ok(()), "after {:?}", step);
                check_bounds()?;
            }
            // Left alone, what was decided comes into force, and nothing else.
            blocks(16);
            prop_assert!(!Consortium::is_turning());
            let decided = crate::Validators::<Test>::get().into_inner();
            prop_assert_eq!(Session::validators(), decided);
            Ok(())
        })?;
    }
}
