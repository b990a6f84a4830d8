//! The history of a device's record, and the consents to its changes.

use super::*;
use crate::{
    heads::{HeadEntry, HeadsMap},
    signature::{sign_ed25519, sign_sr25519, Signature},
    AccountId, Checkpoint, Hash, LogId, PartyId, Version,
};

const OWNER: PartyId = PartyId([1; 32]);
const AT: ChangeTime = ChangeTime { block: 7, time: 1_000 };

fn log(gateway: u8, epoch: u32) -> LogId {
    LogId { gateway: AccountId([gateway; 32]), epoch }
}

fn own(n: u8) -> DeviceKey {
    DeviceKey::Own(PublicKey::Ed25519([n; 32]))
}

fn hosted(gateway: u8) -> DeviceKey {
    DeviceKey::Hosted { gateway: AccountId([gateway; 32]), label: LabelHash([9; 32]) }
}

fn record() -> DeviceRecord {
    DeviceRecord::new(own(1), OWNER, log(1, 0), AT)
}

/// The heads map of a log in which each of these devices has this last sequence, and the checkpoint.
fn heads(last: &[(DeviceId, u64)]) -> (HeadsMap, Checkpoint) {
    let entry = |(device, sequence): &(DeviceId, u64)| HeadEntry {
        device: *device,
        sequence: *sequence,
        hash: Hash([7; 32]),
    };
    let map: HeadsMap = last.iter().map(entry).collect();
    let (root, heads_root) = (Hash::ZERO, map.root());
    (map, Checkpoint { version: Version, log: log(1, 0), size: 20, root, heads_root, time: 0 })
}

#[test]
fn a_new_record_has_one_period_of_each_kind() {
    let record = record();
    assert_eq!((record.device_id(), record.key()), (own(1).device_id(), &own(1)));
    assert_eq!((record.owner(), record.log(), record.state()), (OWNER, log(1, 0), DeviceState::Active));
    assert_eq!((record.registered(), record.gateway()), (7, AccountId([1; 32])));
    assert_eq!(record.keys().count() + record.owners().count() + record.logs().count(), 3);
    for sequence in [0, 1, u64::MAX] {
        assert_eq!((&record.key_at(sequence).key, record.log_at(sequence).log), (&own(1), log(1, 0)));
        assert!(!record.is_lost(sequence));
    }
}

#[test]
fn the_id_is_that_of_the_first_key() {
    let mut record = record();
    record.set_key(own(2), 5, KeyChange::Recovered, 0, AT).unwrap();
    assert_eq!(record.device_id(), own(1).device_id());
    assert_eq!((&record.key_at(4).key, &record.key_at(5).key), (&own(1), &own(2)));
    assert_eq!(record.key_at(5).change, KeyChange::Recovered);
}

#[test]
fn the_last_anchored_event_has_to_be_proven() {
    let (record, other) = (record(), DeviceId([0; 32]));
    let device = record.device_id();
    let (map, anchored) = heads(&[(other, 3), (device, 9)]);
    let (without, older) = heads(&[(other, 3)]);
    let event = LastAnchored::Event(map.prove(&device).unwrap());
    let of_other = LastAnchored::Event(map.prove(&other).unwrap());
    let absent = LastAnchored::NoEvent(without.prove_absence(&device).unwrap());
    let refused = Err(DeviceChangeError::HeadProof);
    for (last, at, expected) in [
        (&event, Some(&anchored), Ok(10)),
        (&event, Some(&older), refused),
        (&event, None, refused),
        (&of_other, Some(&anchored), refused),
        (&absent, Some(&older), Ok(0)),
        (&absent, Some(&anchored), refused),
        (&absent, None, refused),
        (&LastAnchored::NoAnchor, None, Ok(0)),
        (&LastAnchored::NoAnchor, Some(&older), refused),
    ] {
        assert_eq!(record.next_sequence(last, at), expected, "{last:?}");
    }
}

#[test]
fn an_impossible_head_does_not_raise_the_lowest_sequence() {
    let mut record = record();
    let device = record.device_id();
    let lowest = |record: &DeviceRecord| {
        let (map, anchored) = heads(&[(device, u64::MAX)]);
        record.next_sequence(&LastAnchored::Event(map.prove(&device).unwrap()), Some(&anchored))
    };
    // The log has 20 entries.
    assert_eq!(lowest(&record), Ok(20));
    record.declare_lost(5, 15, AT).unwrap();
    assert_eq!(lowest(&record), Ok(30));
    // Back in the log, which has ten events of the first period.
    record.assign(log(2, 0), None, 20, 20, 20, AT).unwrap();
    record.assign(log(1, 0), None, 40, 40, 0, AT).unwrap();
    assert_eq!(lowest(&record), Ok(50));
}

#[test]
fn the_size_of_the_log_bounds_the_next_sequence() {
    let mut record = record();
    assert_eq!((record.next_sequence_bound(0), record.next_sequence_bound(20)), (0, 20));
    // Lost events are not in the log.
    record.declare_lost(5, 15, AT).unwrap();
    assert_eq!([4, 5, 6, 20].map(|size| record.next_sequence_bound(size)), [15, 15, 16, 30]);
    // The events before are in another log.
    record.assign(log(2, 0), None, 20, 20, 20, AT).unwrap();
    assert_eq!([0, 3].map(|size| record.next_sequence_bound(size)), [20, 23]);
    // No event with a sequence as high as the bound can be proven.
    let (map, anchored) = heads(&[(record.device_id(), u64::MAX)]);
    let highest = LastAnchored::Event(map.prove(&record.device_id()).unwrap());
    assert_eq!(
        record.next_sequence(&highest, Some(&anchored)),
        Ok(record.next_sequence_bound(anchored.size))
    );
}

#[test]
fn a_change_leaps_over_few_sequences() {
    let (mut record, far) = (record(), Err(DeviceChangeError::TooFar { highest: 3 + MAX_LEAP }));
    let from = 4 + MAX_LEAP;
    assert_eq!(record.set_key(own(2), from, KeyChange::Rotated, 3, AT), far);
    assert_eq!(record.assign(log(2, 0), None, u64::MAX, 3, 0, AT), far);
    assert_eq!(record.declare_lost(3, from, AT), far);
    assert_eq!(record.ensure_can_decide(MAX_LEAP), Ok(()));
    assert!(record.ensure_can_decide(MAX_LEAP + 1).is_err());
    assert_eq!(record.declare_lost(3, from - 1, AT), Ok(()));
}

#[test]
fn a_recovered_key_replaces_one_that_has_not_begun() {
    let mut record = record();
    record.set_key(own(2), 1_000, KeyChange::Rotated, 3, AT).unwrap();
    let early = Err(DeviceChangeError::AnchoredHistory { lowest: 1_000 });
    assert_eq!(record.set_key(own(3), 10, KeyChange::Rotated, 3, AT), early);
    record.set_key(own(3), 10, KeyChange::Recovered, 3, AT).unwrap();
    for (sequence, n) in [(9, 1), (10, 3), (1_000, 3)] {
        assert_eq!(record.key_at(sequence).key, own(n), "{sequence}");
    }
    assert_eq!(record.keys().count(), 3);
    assert!(record.keys().iter().map(|period| period.from).is_sorted());
}

#[test]
fn a_gateway_keeps_a_device_only_with_keys_that_it_can_keep() {
    let mut record = DeviceRecord::new(hosted(1), OWNER, log(1, 0), AT);
    // The device's own key begins at 10. The first gateway hosts the events before.
    record.set_key(own(2), 10, KeyChange::Rotated, 0, AT).unwrap();
    let elsewhere = Err(DeviceChangeError::HostedElsewhere);
    assert_eq!(record.assign(log(2, 0), None, 9, 0, 0, AT), elsewhere);
    record.assign(log(2, 0), None, 10, 0, 0, AT).unwrap();
}

#[test]
fn a_period_ends_at_the_anchored_size_of_its_log() {
    let mut record = record();
    record.assign(log(2, 0), None, 11, 11, 30, AT).unwrap();
    assert_eq!((record.log_at(10).until_size, record.log_at(11).until_size), (Some(30), None));
    assert!(record.log_at(10).may_have_index(29) && !record.log_at(10).may_have_index(30));
}

#[test]
fn a_retired_device_has_no_next_sequence() {
    let mut record = record();
    record.set_state(DeviceState::Retired).unwrap();
    let (map, _) = heads(&[(record.device_id(), 1)]);
    let stale = LastAnchored::Event(map.prove(&record.device_id()).unwrap());
    assert_eq!(record.next_sequence(&stale, None), Err(DeviceChangeError::Retired));
}

#[test]
fn the_hash_is_that_of_the_whole_record() {
    let mut record = record();
    let before = record.hash();
    record.declare_lost(0, 1, AT).unwrap();
    assert_ne!(record.hash(), before);
    record.record_decision(DecidedChange::Lost, 0, AT).unwrap();
    assert_eq!(record.decisions().len(), 1);
    record.forget_blocks();
    assert_eq!(record.decisions()[0].block, 0);
}

#[test]
fn a_change_begins_after_what_is_anchored_lost_or_in_an_earlier_log() {
    let none = LastAnchored::NoAnchor;
    let mut record = record();
    record.assign(log(2, 0), None, 15, 10, u64::MAX, AT).unwrap();
    assert_eq!(record.next_sequence(&none, None), Ok(15));
    record.declare_lost(15, 18, AT).unwrap();
    assert_eq!(record.next_sequence(&none, None), Ok(18));
    let early = Err(DeviceChangeError::AnchoredHistory { lowest: 18 });
    assert_eq!(record.set_key(own(2), 17, KeyChange::Rotated, 18, AT), early);
    assert_eq!(record.assign(log(1, 0), None, 17, 18, u64::MAX, AT), early);
    assert_eq!(record.declare_lost(18, 18, AT), Err(DeviceChangeError::NothingLost));
}

#[test]
fn events_before_a_key_that_has_not_begun_can_be_lost() {
    let mut record = record();
    // Events 10 and 11 are still signed by the first key. They are lost before they are anchored.
    record.set_key(own(2), 12, KeyChange::Rotated, 10, AT).unwrap();
    assert_eq!(record.next_sequence(&LastAnchored::NoAnchor, None), Ok(0));
    record.assign(log(2, 0), None, 14, 10, u64::MAX, AT).unwrap();
    assert!(record.is_range_lost(10, 14) && !record.is_lost(14));
    assert_eq!((&record.key_at(11).key, &record.key_at(14).key), (&own(1), &own(2)));
    // The next key begins no earlier than that one, also if it is that of another host.
    let early = Err(DeviceChangeError::AnchoredHistory { lowest: 20 });
    record.set_key(hosted(2), 20, KeyChange::Rotated, 14, AT).unwrap();
    assert_eq!(record.set_key(own(4), 19, KeyChange::Rotated, 14, AT), early);
    assert_eq!(record.assign(log(3, 0), Some(hosted(3)), 19, 14, u64::MAX, AT), early);
    record.assign(log(3, 0), Some(hosted(3)), 20, 14, u64::MAX, AT).unwrap();
}

#[test]
fn the_lowest_index_counts_the_events_before_in_the_same_log() {
    let mut record = record();
    // 0 to 9 in the first log, 10 to 14 lost, 15 to 19 in the second one with 17 lost, 20 on in the first one.
    record.assign(log(2, 0), None, 15, 10, u64::MAX, AT).unwrap();
    record.declare_lost(17, 18, AT).unwrap();
    record.assign(log(1, 0), None, 20, 20, u64::MAX, AT).unwrap();
    for (sequence, first, second) in [
        (0, Some(0), None),
        (9, Some(9), None),
        (10, None, None),
        (15, None, Some(0)),
        (16, None, Some(1)),
        (17, None, None),
        (18, None, Some(2)),
        (20, Some(10), None),
        (25, Some(15), None),
    ] {
        assert_eq!(record.min_index(&log(1, 0), sequence), first, "{sequence}");
        assert_eq!(record.min_index(&log(2, 0), sequence), second, "{sequence}");
        assert_eq!(record.min_index(&log(1, 1), sequence), None, "{sequence}");
    }
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut record = DeviceRecord::new(hosted(1), OWNER, log(1, 0), AT);
    let before = record.clone();
    let elsewhere = Err(DeviceChangeError::HostedElsewhere);
    assert_eq!(record.assign(log(2, 0), None, 5, 0, u64::MAX, AT), elsewhere);
    assert_eq!(record.assign(log(2, 0), Some(hosted(3)), 5, 0, u64::MAX, AT), elsewhere);
    assert_eq!(record.set_key(hosted(2), 0, KeyChange::Rotated, 0, AT), elsewhere);
    assert_eq!(record.assign(log(1, 0), None, 5, 0, u64::MAX, AT), Err(DeviceChangeError::SameLog));
    assert_eq!(record.set_owner(OWNER, AT), Err(DeviceChangeError::SameOwner));
    assert_eq!(record, before);
    record.assign(log(2, 0), Some(hosted(2)), 5, 0, u64::MAX, AT).unwrap();
    assert_eq!(record.key_at(5).change, KeyChange::Rehosted);

    record.set_state(DeviceState::Retired).unwrap();
    let (before, retired) = (record.clone(), Err(DeviceChangeError::Retired));
    assert_eq!(record.set_state(DeviceState::Active), retired);
    assert_eq!(record.set_key(own(5), 9, KeyChange::Rotated, 0, AT), retired);
    assert_eq!(record.assign(log(2, 1), None, 9, 5, u64::MAX, AT), retired);
    assert_eq!(record.declare_lost(5, 9, AT), retired);
    assert_eq!(record.set_owner(PartyId([2; 32]), AT), retired);
    assert_eq!(record, before);
}

#[test]
fn each_history_is_bounded() {
    let (mut record, full) = (record(), Err(DeviceChangeError::Full));
    for n in 0..MAX_LATER {
        record.set_key(own(n as u8 + 2), 0, KeyChange::Rotated, 0, AT).unwrap();
        record.assign(log(2, n), None, 0, 0, u64::MAX, AT).unwrap();
        record.set_owner(PartyId([n as u8 + 2; 32]), AT).unwrap();
    }
    for n in 0..u64::from(MAX_LOST) {
        record.declare_lost(n, n + 1, AT).unwrap();
    }
    for n in 0..u64::from(MAX_DECISIONS) {
        record.record_decision(DecidedChange::Key, n, AT).unwrap();
    }
    let before = record.clone();
    assert_eq!(record.record_decision(DecidedChange::Log, 99, AT), full);
    assert!(record.ensure_can_decide(99).is_err());
    assert_eq!(record.set_key(own(200), 0, KeyChange::Rotated, 0, AT), full);
    assert_eq!(record.assign(log(3, 0), None, 99, 99, u64::MAX, AT), full);
    assert_eq!(record.declare_lost(99, 100, AT), full);
    assert_eq!(record.set_owner(PartyId([200; 32]), AT), full);
    assert_eq!(record, before);
    assert!(record.keys().is_full() && record.logs().is_full() && record.owners().is_full());
    assert!(record.encode().len() <= DeviceRecord::max_encoded_len());
}

#[test]
fn a_new_chain_knows_no_blocks_of_the_old_one() {
    let mut record = record();
    record.set_key(own(2), 3, KeyChange::Rotated, 0, AT).unwrap();
    record.assign(log(2, 0), None, 9, 5, u64::MAX, AT).unwrap();
    record.set_owner(PartyId([2; 32]), AT).unwrap();
    let mut moved = record.clone();
    moved.forget_blocks();
    assert!(moved.keys().iter().all(|period| period.block == 0));
    assert!(moved.owners().iter().all(|period| period.block == 0 && period.since == 1_000));
    assert!(moved.logs().iter().all(|period| period.block == 0));
    assert!(moved.lost().iter().all(|range| range.block == 0));
    assert_eq!((moved.key_at(3).key.clone(), moved.log()), (record.key_at(3).key.clone(), record.log()));
}

#[test]
fn a_label_shows_only_with_its_salt() {
    let label = LabelHash::new(&[1; 32], "WVWZZZ1JZXW000001");
    assert_eq!(label, LabelHash::new(&[1; 32], "WVWZZZ1JZXW000001"));
    assert_ne!(label, LabelHash::new(&[2; 32], "WVWZZZ1JZXW000001"));
    assert_ne!(label, LabelHash::new(&[1; 32], "WVWZZZ1JZXW000002"));
}

fn gateway() -> schnorrkel::Keypair {
    schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
        .unwrap()
        .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
}

fn device() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[3; 32])
}

fn device_key() -> DeviceKey {
    DeviceKey::Own(PublicKey::Ed25519(device().verifying_key().to_bytes()))
}

#[test]
fn a_registration_consent_covers_every_field() {
    let genesis = Hash([1; 32]);
    let consent = RegistrationConsent { genesis, key: device_key(), owner: OWNER, log: log(1, 0), nonce: 0 };
    let signature = sign_ed25519(&device(), Domain::Registration, &consent.message());
    assert!(consent.verify(&signature));
    let changes: [fn(&mut RegistrationConsent); 6] = [
        |c| c.genesis = Hash([9; 32]),
        |c| c.key = own(9),
        |c| c.owner = PartyId([9; 32]),
        |c| c.log.gateway = AccountId([9; 32]),
        |c| c.log.epoch = 9,
        |c| c.nonce = 9,
    ];
    for change in changes {
        let mut other = consent.clone();
        change(&mut other);
        assert!(!other.verify(&signature), "{other:?}");
    }
}

#[test]
fn a_log_consent_covers_every_field_and_is_the_gateways() {
    let log = LogId::first(AccountId(gateway().public.to_bytes()));
    let (genesis, key) = (Hash([1; 32]), device_key());
    let consent = LogConsent { genesis, device: key.device_id(), key, owner: OWNER, log, nonce: 0 };
    let signature = sign_sr25519(&gateway(), Domain::LogConsent, &consent.message());
    assert!(consent.verify(&signature));
    assert!(!consent.verify(&sign_ed25519(&device(), Domain::LogConsent, &consent.message())));
    assert!(!consent.verify(&sign_sr25519(&gateway(), Domain::Registration, &consent.message())));
    let changes: [fn(&mut LogConsent); 7] = [
        |c| c.genesis = Hash([9; 32]),
        |c| c.device = DeviceId([9; 32]),
        |c| c.key = own(9),
        |c| c.owner = PartyId([9; 32]),
        |c| c.log.gateway = AccountId([9; 32]),
        |c| c.log.epoch = 9,
        |c| c.nonce = 9,
    ];
    for change in changes {
        let mut other = consent.clone();
        change(&mut other);
        assert!(!other.verify(&signature), "{other:?}");
    }
}

#[test]
fn a_key_consent_covers_every_field_and_is_for_one_signer() {
    let (genesis, key, id) = (Hash([1; 32]), device_key(), own(1).device_id());
    let consent = KeyConsent { genesis, device: id, key: key.clone(), owner: OWNER, from: 5, keys: 1 };
    let signature = sign_ed25519(&device(), Domain::KeyConsent, &consent.message());
    assert!(consent.verify(&key, &signature));
    assert!(!consent.verify(&own(1), &signature));
    assert!(!consent.verify(&key, &Signature::Ed25519([0; 64])));
    let changes: [fn(&mut KeyConsent); 6] = [
        |c| c.genesis = Hash([9; 32]),
        |c| c.device = DeviceId([9; 32]),
        |c| c.key = own(9),
        |c| c.owner = PartyId([9; 32]),
        |c| c.from = 9,
        |c| c.keys = 9,
    ];
    for change in changes {
        let mut other = consent.clone();
        change(&mut other);
        assert!(!other.verify(&key, &signature), "{other:?}");
    }
}
