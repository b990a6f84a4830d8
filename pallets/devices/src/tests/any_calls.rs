//! Any sequence of calls, by anybody, keeps what must hold, and the state grows with the devices only.

use crate::{mock::*, Devices as Known, DevicesOfGateway, DevicesOfOwner};
use proptest::prelude::*;
use std::collections::BTreeSet;
use streembit_primitives::{device::RegistrationConsent, AccountId, DeviceId, DeviceKey, Hash, Signature};

/// How many keys of devices there are.
const KEYS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// Who, which key, which gateway, and what is signed instead of that.
    Register(u8, u8, u8, Option<Fault>),
    Blocks(u64),
}

#[derive(Clone, Debug)]
enum Fault {
    OtherChain,
    OtherOwner,
    OtherGateway,
    OtherSigner,
    NoSignature,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        Just(Fault::OtherChain),
        Just(Fault::OtherOwner),
        Just(Fault::OtherGateway),
        Just(Fault::OtherSigner),
        Just(Fault::NoSignature),
    ];
    let faulty = prop_oneof![3 => Just(None), 1 => fault.prop_map(Some)];
    prop_oneof![
        6 => (0u8..4, 0..KEYS, 0u8..3, faulty)
            .prop_map(|(by, key, at, fault)| Step::Register(by, key, at, fault)),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

/// 0 and 1: parties; 2: a gateway; 3: a stranger.
fn who(number: u8) -> AccountId {
    match number {
        0 => OWNER,
        1 => OTHER,
        2 => gateway().account(),
        _ => STRANGER,
    }
}

/// 0 and 1: gateways; 2: none.
fn keeper(number: u8) -> AccountId {
    match number {
        0 => gateway().account(),
        1 => second_gateway().account(),
        _ => STRANGER,
    }
}

/// 0 and 1 sign with sr25519, 2 and 3 with Ed25519, 4 and 5 are hosted by the first and the second gateway.
fn key(number: u8) -> DeviceKey {
    match number {
        0..2 => Sr25519::new(number + 1).key(),
        2..4 => Ed25519::new(number + 1).key(),
        4 => gateway().hosted("car"),
        _ => second_gateway().hosted("car"),
    }
}

fn sign(number: u8, agreed: &RegistrationConsent) -> Signature {
    match number {
        0..2 => Sr25519::new(number + 1).sign(agreed),
        2..4 => Ed25519::new(number + 1).sign(agreed),
        4 => gateway().sign(agreed),
        _ => second_gateway().sign(agreed),
    }
}

/// Does a step; says which device it should have registered.
fn take(step: Step) -> Option<DeviceId> {
    match step {
        Step::Register(by, number, at, fault) => {
            let (owner, keeper, key) = (who(by), keeper(at), key(number));
            let device = key.device_id();
            let fits = by < 2 && at < 2 && (number < 4 || number - 4 == at);
            let is_due = fits && fault.is_none() && !Known::<Test>::contains_key(device);
            let mut agreed =
                RegistrationConsent { genesis: GENESIS, key: key.clone(), owner, gateway: keeper };
            match fault {
                Some(Fault::OtherChain) => agreed.genesis = Hash([7; 32]),
                Some(Fault::OtherOwner) => agreed.owner = AccountId([7; 32]),
                Some(Fault::OtherGateway) => agreed.gateway = AccountId([7; 32]),
                _ => (),
            }
            let consent = match fault {
                Some(Fault::OtherSigner) => Sr25519::new(99).sign(&agreed),
                Some(Fault::NoSignature) => Signature::Sr25519([0; 64]),
                _ => sign(number, &agreed),
            };
            let accepted = Devices::register(signed(owner), key, keeper, consent).is_ok();
            assert_eq!(accepted, is_due, "{owner:?} registers key {number} at {keeper:?}, fault {fault:?}");
            accepted.then_some(device)
        }
        Step::Blocks(count) => {
            System::set_block_number(System::block_number() + count);
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..40)) {
        chain().execute_with(|| {
            let mut registered = BTreeSet::new();
            for step in steps {
                registered.extend(take(step.clone()));
                prop_assert_eq!(Devices::check_state(), Ok(()), "after {:?}", step);
                // One entry of each kind for each device; nothing is left of what was refused.
                let known: BTreeSet<_> = Known::<Test>::iter_keys().collect();
                prop_assert_eq!(&known, &registered);
                prop_assert_eq!(DevicesOfGateway::<Test>::iter_keys().count(), known.len());
                prop_assert_eq!(DevicesOfOwner::<Test>::iter_keys().count(), known.len());
            }
            Ok(())
        })?;
    }
}

/// Each invariant sees its own fault.
#[test]
fn a_state_that_no_call_leaves_is_noticed() {
    type Change = fn(DeviceId);
    let changes: [(&str, Change); 8] = [
        ("a device under another key's id", |id| Known::<Test>::mutate_extant(id, |d| d.key = key(1))),
        ("a device registered in a block to come", |id| {
            Known::<Test>::mutate_extant(id, |d| d.registered = 6);
        }),
        ("a hosted device at another gateway than its host", |id| {
            Known::<Test>::mutate_extant(id, |d| d.gateway = second_gateway().account());
        }),
        ("a device that is not among its gateway's", |id| {
            DevicesOfGateway::<Test>::remove(gateway().account(), id);
        }),
        ("a device not among its owner's", |id| DevicesOfOwner::<Test>::remove(OWNER, id)),
        ("a device not among its owner's", |id| Known::<Test>::mutate_extant(id, |d| d.owner = OTHER)),
        ("a gateway lists a device that is not its own", |id| {
            DevicesOfGateway::<Test>::insert(second_gateway().account(), id, ());
        }),
        ("an owner lists a device that is not its own", |id| DevicesOfOwner::<Test>::insert(OTHER, id, ())),
    ];
    for (fault, change) in changes {
        chain().execute_with(|| {
            let id = take(Step::Register(0, 4, 0, None)).unwrap();
            assert_eq!(Devices::check_state(), Ok(()));
            change(id);
            assert_eq!(Devices::check_state(), Err(fault));
        });
    }
}
