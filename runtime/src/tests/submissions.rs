//! Who may submit, and the extrinsics of standard clients.

use super::support::{Chain, Gateway, GENESIS};
use crate::{
    Devices, Parties, Quotas, Runtime, RuntimeCall, RuntimeEvent, System, Timestamp, TxExtension,
    SLOT_DURATION,
};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    traits::TransactionExtension,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change},
    contract::{ContentHash, ContractId},
    device::{LabelHash, LastAnchored, RegistrationConsent},
    gateway::GatewayConsent,
    hash::Domain,
    party::AccountConsent,
    AccountId, DeviceKey, GatewayRecord, Hash, LogId, PartyId, Scope,
};

fn refused(reason: InvalidTransaction) -> TransactionValidityError {
    TransactionValidityError::Invalid(reason)
}

fn owner() -> (sr25519::Pair, PartyId) {
    let key = Sr25519Keyring::Alice;
    (key.pair(), PartyId::of_first_account(&AccountId(key.to_raw_public())))
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1, 2, 3] }.into()
}

fn add_gateway(gateway: &Gateway, party: PartyId) -> RuntimeCall {
    let log_key = gateway.log_key();
    let (genesis, gateway_account) = (Hash(GENESIS.0), gateway.account());
    let agreed = GatewayConsent { genesis, gateway: gateway_account, party, log_key, nonce: 0 };
    let consent = gateway.sign(Domain::GatewayConsent, &agreed.message());
    pallet_parties::Call::add_gateway { gateway: gateway.account(), log_key, consent }.into()
}

#[test]
fn a_stranger_is_refused_before_anything_is_executed() {
    let mut chain = Chain::new("development");
    let stranger = sr25519::Pair::from_seed(&[77; 32]);
    for call in
        [remark(), add_gateway(&Gateway::new(1), PartyId::of_first_account(&AccountId(stranger.public().0)))]
    {
        let extrinsic = chain.signed(&stranger, call);
        assert_eq!(chain.validate(extrinsic.clone()), Err(refused(InvalidTransaction::Payment)));
        assert_eq!(chain.block(vec![extrinsic]), vec![Err(refused(InvalidTransaction::Payment))]);
    }
}

#[test]
fn a_party_submits_and_a_gateway_does_as_soon_as_a_party_takes_it_in() {
    let mut chain = Chain::new("development");
    let ((alice, party), gateway) = (owner(), Gateway::new(1));
    let early = chain.signed(&gateway.pair(), remark());
    assert_eq!(chain.validate(early), Err(refused(InvalidTransaction::Payment)));

    let add = chain.signed(&alice, add_gateway(&gateway, party));
    assert!(chain.validate(add.clone()).is_ok());
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);
    let record = GatewayRecord { party, log_key: gateway.log_key() };
    chain.state.execute_with(|| assert_eq!(Parties::gateway(&gateway.account()), Some(record)));

    let late = chain.signed(&gateway.pair(), remark());
    assert!(chain.validate(late.clone()).is_ok());
    assert_eq!(chain.block(vec![late.clone()]), vec![Ok(Ok(()))]);
    // Once.
    assert_eq!(chain.validate(late), Err(refused(InvalidTransaction::Stale)));
}

#[test]
fn calls_for_the_councils_part_of_a_block_are_refused_to_others_in_the_pool() {
    let mut chain = Chain::new("development");
    let (alice, bob) = (owner().0, Sr25519Keyring::Bob.pair());
    let change = Change::add_party(AccountId([7; 32]));
    let propose = chain.signed(&bob, pallet_council::Call::propose { change });
    assert_eq!(chain.block(vec![propose]), vec![Ok(Ok(()))]);
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    let vote = |motion| pallet_council::Call::<Runtime>::vote { motion, approve: true };

    let outside = refused(InvalidTransaction::Custom(invalid_transaction::NOT_IN_COUNCIL));
    let as_root = frame_system::Call::<Runtime>::set_code { code: vec![0; 1_000] };
    for (forbidden, reason) in [
        (chain.signed(&bob, vote(motion)), outside),
        (chain.signed(&bob, as_root), refused(InvalidTransaction::Call)),
        (
            chain.signed(&alice, vote(crate::Hash::zero())),
            refused(InvalidTransaction::Custom(invalid_transaction::NO_SUCH_MOTION)),
        ),
    ] {
        assert_eq!(chain.validate(forbidden.clone()), Err(reason));
        assert_eq!(chain.block(vec![forbidden]), vec![Err(reason)]);
    }
    let allowed = chain.signed(&alice, vote(motion));
    assert!(chain.validate(allowed.clone()).is_ok());
    assert_eq!(chain.block(vec![allowed]), vec![Ok(Ok(()))]);
}

/// A call that adds an account with this key to a party.
fn add_account(key: &Gateway, party: PartyId, scope: Scope, until: Option<u64>) -> RuntimeCall {
    let (genesis, account) = (Hash(GENESIS.0), key.account());
    let agreed = AccountConsent { genesis, party, account, scope, until, nonce: 0 };
    let consent = key.sign(Domain::AccountConsent, &agreed.message());
    pallet_parties::Call::add_account { account, scope, until, consent }.into()
}

#[test]
fn an_employee_submits_within_its_scope_and_time_and_is_refused_in_the_pool_otherwise() {
    let mut chain = Chain::new("development");
    let ((alice, party), clerk, gateway) = (owner(), Gateway::new(1), Gateway::new(2));
    let until = chain.state.execute_with(Timestamp::get) + 10 * SLOT_DURATION;
    let add = chain.signed(&alice, add_account(&clerk, party, Scope::Gateway, Some(until)));
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);

    let beyond = refused(InvalidTransaction::Custom(invalid_transaction::OUT_OF_SCOPE));
    let quota = |chain: &mut Chain| {
        chain.state.execute_with(|| Quotas::quota(&AccountId(alice.public().0)).unwrap().left)
    };
    let before = quota(&mut chain);
    let other = AccountId(alice.public().0);
    let calls: Vec<RuntimeCall> = vec![
        pallet_parties::Call::leave {}.into(),
        pallet_parties::Call::remove_account { account: other }.into(),
        pallet_council::Call::propose { change: Change::add_party(AccountId([7; 32])) }.into(),
        pallet_council::Call::vote { motion: crate::Hash::zero(), approve: true }.into(),
        pallet_validators::Call::leave {}.into(),
        pallet_service_contracts::Call::accept { id: ContractId([1; 32]), hash: ContentHash([1; 32]) }.into(),
    ];
    for call in calls {
        let extrinsic = chain.signed(&clerk.pair(), call);
        assert_eq!(chain.validate(extrinsic.clone()), Err(beyond));
        assert_eq!(chain.block(vec![extrinsic]), vec![Err(beyond)]);
    }
    assert_eq!(quota(&mut chain), before, "what is refused costs the party nothing");
    let within = chain.signed(&clerk.pair(), add_gateway(&gateway, party));
    assert_eq!(chain.block(vec![within]), vec![Ok(Ok(()))]);

    let ended = refused(InvalidTransaction::Custom(invalid_transaction::ACCOUNT_ENDED));
    while chain.state.execute_with(Timestamp::get) < until {
        chain.block(vec![]);
    }
    let leave: RuntimeCall = pallet_parties::Call::remove_account { account: clerk.account() }.into();
    for call in [remark(), leave.clone()] {
        let late = chain.signed(&clerk.pair(), call);
        assert_eq!(chain.validate(late.clone()), Err(ended));
        assert_eq!(chain.block(vec![late]), vec![Err(ended)]);
    }
    let remove = chain.signed(&alice, leave);
    assert_eq!(chain.block(vec![remove]), vec![Ok(Ok(()))]);
    let gone = chain.signed(&clerk.pair(), remark());
    assert_eq!(chain.validate(gone), Err(refused(InvalidTransaction::Payment)));
}

#[test]
fn a_lost_key_is_replaced_by_the_council_and_nothing_else_changes() {
    let mut chain = Chain::new("development");
    let bob = Sr25519Keyring::Bob;
    let (lost, party) = (bob.pair(), PartyId::of_first_account(&AccountId(bob.to_raw_public())));
    let (new, gateway) = (Gateway::new(1), Gateway::new(2));
    let add = chain.signed(&lost, add_gateway(&gateway, party));
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);
    let change = Change::Recover { party, account: new.account() };
    let decide = chain.signed(&owner().0, pallet_council::Call::propose { change });
    assert_eq!(chain.block(vec![decide]), vec![Ok(Ok(()))]);
    let late = chain.signed(&lost, remark());
    assert_eq!(chain.validate(late), Err(refused(InvalidTransaction::Payment)));
    for pair in [new.pair(), gateway.pair()] {
        let extrinsic = chain.signed(&pair, remark());
        assert_eq!(chain.block(vec![extrinsic]), vec![Ok(Ok(()))]);
    }
    chain.state.execute_with(|| {
        assert_eq!(Parties::gateways(&party), [gateway.account()]);
        assert_eq!(Parties::check_state(), Ok(()));
    });
}

#[test]
fn an_extrinsic_of_another_chain_or_another_key_is_refused() {
    let (mut chain, alice) = (Chain::new("development"), owner().0);
    let mut other = Chain::new("development");
    other.state.execute_with(|| {
        frame_system::BlockHash::<Runtime>::insert(0, crate::Hash::repeat_byte(1));
    });
    let foreign = other.signed(&alice, remark());
    assert_eq!(chain.validate(foreign), Err(refused(InvalidTransaction::BadProof)));

    let mut forged = chain.signed(&Sr25519Keyring::Bob.pair(), remark());
    let sound = chain.signed(&alice, remark());
    forged.preamble = sound.preamble.clone();
    forged.function = frame_system::Call::remark { remark: vec![9] }.into();
    assert_eq!(chain.validate(forged), Err(refused(InvalidTransaction::BadProof)));
    assert!(chain.validate(sound).is_ok());
}

/// Returns the key of a hosted device, and the call that registers it with the gateway's first consent.
fn register_hosted(gateway: &Gateway, owner: PartyId) -> (DeviceKey, RuntimeCall) {
    let host = gateway.account();
    let key = DeviceKey::Hosted { gateway: host, label: LabelHash::new(&[3; 32], "WVWZZZ1JZXW000001") };
    let (genesis, log) = (Hash(GENESIS.0), LogId::first(host));
    let agreed = RegistrationConsent { genesis, key: key.clone(), owner, log, nonce: 0 };
    let consent = gateway.sign(Domain::Registration, &agreed.message());
    let call = pallet_devices::Call::register { key: key.clone(), gateway: host, consent, log_consent: None };
    (key, call.into())
}

#[test]
fn a_gateway_takes_its_devices_into_its_next_log_over_extrinsics() {
    let mut chain = Chain::new("development");
    let ((alice, party), gateway) = (owner(), Gateway::new(1));
    let (key, register) = register_hosted(&gateway, party);
    let (host, device) = (gateway.account(), key.device_id());
    for call in [add_gateway(&gateway, party), register] {
        let extrinsic = chain.signed(&alice, call);
        assert_eq!(chain.block(vec![extrinsic]), vec![Ok(Ok(()))]);
    }
    let reassign = |gateway| -> pallet_devices::Call<Runtime> {
        let last = Box::new(LastAnchored::NoAnchor);
        pallet_devices::Call::reassign { device, gateway, host_key: None, from: 0, last, consent: None }
    };
    // A gateway does this for itself only.
    let others: [RuntimeCall; 2] = [
        reassign(AccountId([7; 32])).into(),
        pallet_anchors::Call::close_epoch { gateway: AccountId([7; 32]) }.into(),
    ];
    for call in others {
        let other = chain.signed(&gateway.pair(), call);
        assert!(matches!(chain.block(vec![other])[..], [Ok(Err(_))]));
    }
    let calls: [RuntimeCall; 3] = [
        pallet_anchors::Call::close_epoch { gateway: host }.into(),
        pallet_anchors::Call::open_epoch { gateway: host }.into(),
        reassign(host).into(),
    ];
    for call in calls {
        let extrinsic = chain.signed(&gateway.pair(), call);
        assert!(chain.validate(extrinsic.clone()).is_ok());
        assert_eq!(chain.block(vec![extrinsic]), vec![Ok(Ok(()))]);
    }
    chain.state.execute_with(|| {
        let log = LogId { gateway: host, epoch: 1 };
        assert_eq!(Devices::device(&device).unwrap().log(), log);
    });
}

#[test]
fn a_hosted_device_is_registered_over_extrinsics() {
    let mut chain = Chain::new("development");
    let ((alice, party), gateway) = (owner(), Gateway::new(1));
    let (key, register) = register_hosted(&gateway, party);

    let early = chain.signed(&alice, register.clone());
    let results = chain.block(vec![early]);
    assert_eq!(results, vec![Ok(Err(pallet_devices::Error::<Runtime>::NotAGateway.into()))]);

    let add = chain.signed(&alice, add_gateway(&gateway, party));
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);
    let register = chain.signed(&alice, register);
    assert_eq!(chain.block(vec![register]), vec![Ok(Ok(()))]);
    chain.state.execute_with(|| {
        assert_eq!(Devices::device(&key.device_id()).unwrap().owner(), party);
        assert_eq!(Devices::devices_of_gateway(&gateway.account()), vec![key.device_id()]);
        assert!(System::events().iter().any(|record| matches!(
            record.event,
            RuntimeEvent::Devices(pallet_devices::Event::Registered { device, .. }) if device == key.device_id()
        )));
    });
}

#[test]
fn extrinsics_are_checked_as_standard_clients_expect() {
    let names: Vec<_> = <TxExtension as TransactionExtension<RuntimeCall>>::metadata()
        .into_iter()
        .map(|extension| extension.identifier)
        .collect();
    let expected = [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "SpendQuota",
        "CheckNonce",
        "CheckWeight",
        "CheckMetadataHash",
    ];
    assert_eq!(names, expected);
}
