//! Any sequence of calls, by any account, keeps the invariants and never changes anchored history, while parties leave and
//! come back, devices are sold, and gateways anchor, close and open their logs.

use crate::{
    mock::*, DeviceOfKey, Devices as Known, DevicesOfGateway, DevicesOfOwner, GatewayCounts, Offers,
    OwnerCounts,
};
use frame_support::dispatch::DispatchResult;
use pallet_anchors::LogLookup as _;
use pallet_parties::PartyLookup as _;
use proptest::prelude::*;
use std::collections::BTreeMap;
use streembit_primitives::{
    device::{DeviceRecord, DeviceState, KeyChange, KeyConsent, LastAnchored, RegistrationConsent},
    AccountId, DeviceId, DeviceKey, LogId, PartyId, Signature,
};

/// The number of device keys in use. 0 and 1: hosted by the first gateway; 2 and 3: hosted by the second one; others: own.
const KEYS: u8 = 14;

/// A call: who makes it, about which device, and whether a consent or a proof in it is wrong.
#[derive(Clone, Debug)]
struct Call {
    by: u8,
    device: prop::sample::Index,
    faulty: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The key and the gateway.
    Register(u8, u8),
    /// The new key, and how far after the last anchored event it begins.
    Rotate(u8, i64),
    Recover(u8, i64),
    /// The gateway, the key of the new host, and how far after the last anchored event it begins.
    Reassign(u8, Option<u8>, i64),
    /// How many events.
    DeclareLost(i64),
    Transfer(Option<u8>),
    /// The owner.
    Accept(u8),
    SetState(u8),
}

#[derive(Clone, Debug)]
enum Step {
    Call(Call),
    /// A gateway logs this many events of each of its devices, and anchors its log.
    Anchor(u8, u64),
    Close(u8),
    Open(u8),
    Expel(u8),
    Readmit(u8),
    Blocks(u64),
}

fn what() -> impl Strategy<Value = What> {
    let (key, gateway, later) = (0..KEYS, 0u8..3, -2i64..4);
    prop_oneof![
        4 => (key.clone(), gateway.clone()).prop_map(|(key, at)| What::Register(key, at)),
        3 => (key.clone(), later.clone()).prop_map(|(key, later)| What::Rotate(key, later)),
        2 => (key.clone(), later.clone()).prop_map(|(key, later)| What::Recover(key, later)),
        6 => (gateway, prop::option::of(0u8..4), later.clone())
            .prop_map(|(to, key, later)| What::Reassign(to, key, later)),
        1 => later.prop_map(What::DeclareLost),
        4 => prop::option::weighted(0.9, 0u8..4).prop_map(What::Transfer),
        4 => (0u8..3).prop_map(What::Accept),
        1 => (0u8..12).prop_map(What::SetState),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let call = (0u8..8, any::<prop::sample::Index>(), prop::bool::weighted(0.1), what())
        .prop_map(|(by, device, faulty, what)| Step::Call(Call { by, device, faulty, what }));
    prop_oneof![
        16 => call,
        3 => (0u8..2, 0u64..3).prop_map(|(gateway, events)| Step::Anchor(gateway, events)),
        1 => (0u8..2).prop_map(Step::Close),
        2 => (0u8..2).prop_map(Step::Open),
        1 => (0u8..3).prop_map(Step::Expel),
        2 => (0u8..3).prop_map(Step::Readmit),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

/// Returns an account. 0 to 2: the first accounts of parties; 3: an employee of the owner who manages devices; 4: one who
/// does not; 5 and 6: the gateways; 7: a stranger.
fn who(number: u8) -> AccountId {
    match number {
        0 => OWNER,
        1 => OTHER,
        2 => THIRD,
        3 => TECHNICIAN,
        4 => CLERK,
        5 => gateway().account(),
        6 => second_gateway().account(),
        _ => STRANGER,
    }
}

/// Returns the account that should keep the events. 0 and 1: gateways; 2: an account that is not a gateway.
fn keeper(number: u8) -> AccountId {
    who(number + 5)
}

/// Returns the secret key of a device that signs its own events.
fn own(number: u8) -> TestKey {
    match number % 3 {
        0 => TestKey::sr25519(number + 1),
        1 => TestKey::ed25519(number + 1),
        _ => TestKey::p256(number + 1),
    }
}

fn key(number: u8) -> DeviceKey {
    match number {
        0 | 1 => gateway().hosted(number),
        2 | 3 => second_gateway().hosted(number),
        _ => own(number).own(),
    }
}

/// Returns the secret key that signs consents for a device's key.
fn secret(of: &DeviceKey) -> TestKey {
    let all = [gateway(), second_gateway()].into_iter().chain((4..KEYS).map(own));
    let mut matching = all.filter(|secret| secret.public() == of.consent_key());
    matching.next().unwrap()
}

/// What the gateways have anchored: the last sequence of each device in each log.
#[derive(Default)]
struct World(BTreeMap<LogId, BTreeMap<DeviceId, u64>>);

impl World {
    /// Returns the sequence after the last anchored one, and the proof.
    fn next(&self, device: DeviceId, record: &DeviceRecord) -> (u64, Box<LastAnchored>) {
        match self.0.get(&record.log()) {
            None => (0, no_anchor()),
            Some(heads) => {
                let list: Vec<_> = heads.iter().map(|(device, last)| (*device, *last)).collect();
                let map = anchor(record.log(), &list);
                (heads.get(&device).map_or(0, |last| last + 1), last(&map, device))
            }
        }
    }

    /// A gateway logs events of its devices and anchors its open log.
    fn anchor(&mut self, gateway: AccountId, events: u64) {
        let Some(log) = Anchors::open_log(&gateway) else { return };
        let heads = self.0.entry(log).or_default();
        for device in Devices::devices_of_gateway(&gateway) {
            let record = Devices::device(&device).unwrap();
            let next = heads.get(&device).map_or(0, |last| last + 1).max(record.logs().last().from);
            if record.log() == log && events > 0 {
                heads.insert(device, record.after_lost(next) + events - 1);
            }
        }
        // A log without events has no map, and is not anchored.
        if heads.is_empty() {
            self.0.remove(&log);
            return;
        }
        let list: Vec<_> = heads.iter().map(|(device, last)| (*device, *last)).collect();
        anchor(log, &list);
    }

    /// Executes a call.
    fn call(&self, call: &Call) -> DispatchResult {
        let known: Vec<_> = Known::<Test>::iter_keys().collect();
        if let What::Register(number, at) = call.what {
            return register_any(call, number, at);
        }
        let Some(device) = (!known.is_empty()).then(|| *call.device.get(&known)) else { return Ok(()) };
        let record = Devices::device(&device).unwrap();
        let (next, proof) = self.next(device, &record);
        let at = |later: i64| next.max(record.logs().last().from).saturating_add_signed(later);
        let sign = |secret: TestKey, agreed: &KeyConsent| sign_key(secret, agreed, call.faulty);
        let by = signed(who(call.by));
        match call.what {
            What::Register(..) => unreachable!(),
            What::Rotate(number, later) => {
                let (new, from) = (key(number), at(later));
                let agreed = key_consent(device, &new, from);
                let old = sign(secret(record.key()), &agreed);
                let consent = sign(secret(&new), &agreed);
                Devices::rotate_key(by, device, new, from, proof, old, consent)
            }
            What::Recover(number, later) => {
                let (new, from) = (key(number), at(later));
                let consent = sign(secret(&new), &key_consent(device, &new, from));
                Devices::recover_key(by, device, new, from, proof, consent)
            }
            What::Reassign(to, number, later) => {
                let (host, host_key) = (keeper(to), number.map(key));
                let log = Anchors::open_log(&host).filter(|_| to < 2 && !call.faulty);
                let new = host_key.as_ref().unwrap_or(record.key());
                let consent = log.map(|log| keep(device, new, record.owner(), log));
                Devices::reassign(by, device, host, host_key, at(later), proof, consent)
            }
            What::DeclareLost(events) => Devices::declare_lost(by, device, at(events), proof),
            What::Transfer(to) => Devices::transfer(by, device, to.map(|to| party(who(to % 3)))),
            What::Accept(owner) => Devices::accept(by, device, party(who(owner)), record.hash()),
            What::SetState(number) => {
                let states = [DeviceState::Active, DeviceState::Lost, DeviceState::Stolen];
                let state = states.get(usize::from(number)).copied();
                Devices::set_state(by, device, state.unwrap_or(DeviceState::Retired))
            }
        }
    }

    /// Returns what the record says about every anchored event of every device: key, log, and whether it is lost.
    fn history(&self) -> BTreeMap<(DeviceId, u64), (DeviceKey, KeyChange, LogId, bool)> {
        let mut history = BTreeMap::new();
        for (device, last) in self.0.values().flatten() {
            let record = Devices::device(device).unwrap();
            for sequence in 0..=*last {
                let key = record.key_at(sequence);
                let log = record.log_at(sequence).log;
                let fact = (key.key.clone(), key.change, log, record.is_lost(sequence));
                history.insert((*device, sequence), fact);
            }
        }
        history
    }
}

fn sign_key(secret: TestKey, agreed: &KeyConsent, faulty: bool) -> Signature {
    let signer = if faulty { TestKey::sr25519(99) } else { secret };
    signer.sign_key(agreed)
}

/// Registers a device.
fn register_any(call: &Call, number: u8, at: u8) -> DispatchResult {
    let (sender, host, key) = (who(call.by), keeper(at), key(number));
    let owner = Parties::role_of(&sender).map_or(party(sender), |found| found.party);
    let log = Anchors::open_log(&host).unwrap_or(LogId::first(host));
    let agreed = RegistrationConsent { owner, log, ..registration(&key) };
    let signer = if call.faulty { TestKey::sr25519(99) } else { secret(&key) };
    let kept = (at < 2).then(|| keep(key.device_id(), &key, owner, log));
    let key_was_used = DeviceOfKey::<Test>::contains_key(key.device_id());
    let result = Devices::register(signed(sender), key, host, signer.sign_registration(&agreed), kept);
    assert!(result.is_err() || !(key_was_used || call.faulty || at == 2), "{call:?} was accepted");
    result
}

/// Returns true if a call by this account may change the device's record.
fn may_change(call: &Call, before: Option<&DeviceRecord>, after: &DeviceRecord) -> bool {
    let acts_for: Option<PartyId> = match call.by {
        0 | 3 => Some(party(OWNER)),
        1 => Some(party(OTHER)),
        2 => Some(party(THIRD)),
        _ => None,
    };
    let Some(before) = before else { return acts_for == Some(after.owner()) };
    match call.what {
        What::Accept(owner) => acts_for == Some(after.owner()) && before.owner() == party(who(owner)),
        What::Reassign(..) if before.gateway() == who(call.by) => before.gateway() == after.gateway(),
        _ => acts_for == Some(before.owner()) && before.owner() == after.owner(),
    }
}

fn records() -> BTreeMap<DeviceId, DeviceRecord> {
    Known::<Test>::iter().collect()
}

/// Executes a call, and checks that nobody changed anything without being allowed to.
fn check_call(world: &World, call: &Call) -> Result<(), TestCaseError> {
    let before = records();
    let accepted = world.call(call).is_ok();
    let after = records();
    prop_assert!(accepted || before == after, "{:?} was refused and changed something", call);
    for (device, record) in &after {
        let earlier = before.get(device);
        if earlier == Some(record) {
            continue;
        }
        prop_assert!(may_change(call, earlier, record), "{:?} changed a record", call);
        let retired = earlier.is_some_and(|earlier| earlier.state() == DeviceState::Retired);
        prop_assert!(!retired, "{:?} changed a retired device", call);
    }
    prop_assert!(before.keys().all(|device| after.contains_key(device)), "a device is gone");
    Ok(())
}

/// Checks that no storage has more entries than the devices imply.
fn check_bounds() -> Result<(), TestCaseError> {
    let devices = Known::<Test>::iter_keys().count();
    prop_assert_eq!(DevicesOfGateway::<Test>::iter_keys().count(), devices);
    prop_assert_eq!(DevicesOfOwner::<Test>::iter_keys().count(), devices);
    prop_assert!(Offers::<Test>::iter_keys().count() <= devices);
    prop_assert!(OwnerCounts::<Test>::iter_values().sum::<u32>() as usize == devices);
    prop_assert!(GatewayCounts::<Test>::iter_values().sum::<u32>() as usize == devices);
    prop_assert!(DeviceOfKey::<Test>::iter_keys().count() <= usize::from(KEYS));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..80)) {
        chain().execute_with(|| {
            let mut world = World::default();
            for step in steps {
                let history = world.history();
                match &step {
                    Step::Call(call) => check_call(&world, call)?,
                    Step::Anchor(gateway, events) => world.anchor(keeper(*gateway), *events),
                    Step::Close(number) => {
                        let _ = Anchors::close_epoch(signed(keeper(*number)), keeper(*number));
                    }
                    Step::Open(number) => {
                        let _ = Anchors::open_epoch(signed(keeper(*number)), keeper(*number));
                    }
                    Step::Expel(number) => expel(who(*number)),
                    Step::Readmit(number) => readmit(who(*number)),
                    Step::Blocks(count) => {
                        System::set_block_number(System::block_number() + count);
                        // The employee's account ends at some point.
                        Now::set(&(Now::get() + 60 * count));
                    }
                }
                prop_assert_eq!(Devices::check_state(), Ok(()), "after {:?}", step);
                check_bounds()?;
                let now = world.history();
                for (event, fact) in history {
                    prop_assert_eq!(now.get(&event), Some(&fact), "{:?} changed {:?}", step, event);
                }
            }
            Ok(())
        })?;
    }
}

/// For each invariant, breaks only this one.
#[test]
fn each_broken_invariant_is_detected() {
    type Change = fn(DeviceId);
    let changes: [(&str, Change); 16] = [
        ("a device is stored under the id of another key", |id| {
            let record = Known::<Test>::take(id).unwrap();
            Known::<Test>::insert(DeviceId([7; 32]), record);
        }),
        ("a device was changed in a future block", |_| System::set_block_number(4)),
        ("a device has an owner of the future", |_| Now::set(&999)),
        ("a device is missing in `DevicesOfGateway`", |id| {
            DevicesOfGateway::<Test>::remove(gateway().account(), id);
        }),
        ("a device is missing in `DevicesOfOwner`", |id| DevicesOfOwner::<Test>::remove(party(OWNER), id)),
        ("a key of a device is missing in `DeviceOfKey`", |id| DeviceOfKey::<Test>::remove(id)),
        ("`DevicesOfGateway` lists a device of another gateway", |id| {
            DevicesOfGateway::<Test>::insert(second_gateway().account(), id, ());
        }),
        ("`DevicesOfOwner` lists a device of another owner", |id| {
            DevicesOfOwner::<Test>::insert(party(OTHER), id, ())
        }),
        ("`DeviceOfKey` has a key that its device never had", |id| {
            DeviceOfKey::<Test>::insert(DeviceId([7; 32]), id);
        }),
        ("the number of an owner's devices is wrong", |_| OwnerCounts::<Test>::insert(party(OWNER), 2)),
        ("the number of an owner's devices is wrong", |_| OwnerCounts::<Test>::insert(party(OTHER), 0)),
        ("the number of a gateway's devices is wrong", |_| {
            GatewayCounts::<Test>::insert(gateway().account(), 2);
        }),
        ("the devices of an owner are not counted", |_| OwnerCounts::<Test>::remove(party(OWNER))),
        ("the devices of a gateway are not counted", |_| {
            GatewayCounts::<Test>::remove(gateway().account());
        }),
        ("an unknown device is offered", |_| Offers::<Test>::insert(DeviceId([7; 32]), offer(OTHER, 0))),
        ("a device is offered to its owner", |id| Offers::<Test>::insert(id, offer(OWNER, 0))),
    ];
    let offers: [(&str, Change); 2] = [
        ("an offer is of a future membership", |id| Offers::<Test>::insert(id, offer(OTHER, 1))),
        ("a retired device is offered", |id| {
            Known::<Test>::mutate_extant(id, |device| device.set_state(DeviceState::Retired).unwrap());
            Offers::<Test>::insert(id, offer(OTHER, 0));
        }),
    ];
    for (fault, change) in changes.into_iter().chain(offers) {
        chain().execute_with(|| {
            let id = register_hosted(0);
            assert_eq!(Devices::check_state(), Ok(()));
            change(id);
            assert_eq!(Devices::check_state(), Err(fault));
        });
    }
}

fn offer(to: AccountId, departures: u32) -> crate::StoredOffer {
    crate::StoredOffer { to: party(to), departures, owner_departures: 0 }
}
