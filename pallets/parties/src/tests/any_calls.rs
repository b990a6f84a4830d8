//! Any sequence of calls by anybody keeps the invariants.

use crate::{mock::*, Gateways, GatewaysOf, GenesisHash, Parties as Stored, Registry};
use frame_support::traits::Get;
use proptest::prelude::*;
use streembit_primitives::AccountId;

#[derive(Clone, Debug)]
enum Step {
    AddParty(u8),
    RemoveParty(u8),
    Leave(u8),
    AddGateway(u8, u8),
    RemoveGateway(u8, u8),
    /// Another pallet needs these accounts from now on.
    Need(Vec<u8>),
    Block,
}

/// Returns one of eight accounts. 0 to 4 have no key, 5 to 7 are keys that can consent.
fn who(number: u8) -> AccountId {
    match number {
        0..5 => AccountId([number + 1; 32]),
        _ => Gateway::new(number).account(),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let anybody = 0u8..8;
    prop_oneof![
        3 => anybody.clone().prop_map(Step::AddParty),
        2 => anybody.clone().prop_map(Step::RemoveParty),
        1 => anybody.clone().prop_map(Step::Leave),
        4 => (anybody.clone(), 5u8..8).prop_map(|(by, gateway)| Step::AddGateway(by, gateway)),
        2 => (anybody.clone(), 5u8..8).prop_map(|(by, gateway)| Step::RemoveGateway(by, gateway)),
        1 => prop::collection::vec(anybody, 0..3).prop_map(Step::Need),
        1 => Just(Step::Block),
    ]
}

/// Takes a step. It may be refused.
fn take(step: Step) {
    let _ = match step {
        Step::AddParty(number) => <Parties as Registry>::add(who(number)),
        Step::RemoveParty(number) => <Parties as Registry>::remove(who(number)),
        Step::Leave(by) => Parties::leave(signed(who(by))),
        Step::AddGateway(by, gateway) => {
            let consent = Gateway::new(gateway).consent(GenesisHash::<Test>::get(), who(by));
            Parties::add_gateway(signed(who(by)), who(gateway), LOG_KEY, consent)
        }
        Step::RemoveGateway(by, gateway) => Parties::remove_gateway(signed(who(by)), who(gateway)),
        Step::Need(accounts) => {
            Needed::set(&accounts.into_iter().map(who).collect::<Vec<_>>());
            Ok(())
        }
        Step::Block => {
            System::set_block_number(System::block_number() + 1);
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        founded(&[who(0), who(1)]).execute_with(|| {
            for step in steps {
                let needed: Vec<_> = Needed::get().into_iter().filter(Parties::is_party).collect();
                take(step.clone());
                prop_assert_eq!(Parties::check_state(), Ok(()), "after {:?}", step);
                prop_assert!(needed.iter().all(Parties::is_party), "a needed party left with {:?}", step);
                // The state is bounded by the number of accounts.
                let parties = Stored::<Test>::iter_keys().count();
                let gateways = Gateways::<Test>::iter_keys().count();
                prop_assert!(parties + gateways <= 8, "{} parties, {} gateways", parties, gateways);
                prop_assert_eq!(GatewaysOf::<Test>::iter_keys().count(), gateways);
            }
            Ok(())
        })?;
    }
}
