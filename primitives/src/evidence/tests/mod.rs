use super::{header::slot_start, *};
use crate::event::EventError;
use fixtures::{DeviceKeyKind, Evidence, EvidenceSpec, Tampering};

mod finality;
mod fixtures;
mod former;
mod mutation;
mod segments;
mod trust_root;
mod vectors;
mod votes;

fn spec(tampering: Tampering) -> EvidenceSpec {
    EvidenceSpec { tampering, ..EvidenceSpec::default() }
}

#[test]
fn the_hashes_of_the_chain_are_blake2b() {
    assert_eq!(sp_crypto_hashing::blake2_256(b"")[..4], [0x0e, 0x57, 0x51, 0xc0]);
}

#[test]
fn a_whole_history_is_proven_for_each_kind_of_key() {
    for key in [DeviceKeyKind::Sr25519, DeviceKeyKind::Ed25519, DeviceKeyKind::P256, DeviceKeyKind::Gateway] {
        for full in [false, true] {
            let evidence = EvidenceSpec { key, full, ..EvidenceSpec::default() }.make();
            let verified = evidence.verify().unwrap();
            assert_eq!((verified.events, verified.first.sequence, verified.last_event.sequence), (4, 0, 3));
            assert_eq!((verified.first.index, verified.last_event.index), (1, 10));
            assert!(verified.is_complete());
            let by_device = if key == DeviceKeyKind::Gateway { 0 } else { 4 };
            assert_eq!((verified.device_signed, verified.gateway_signed), (by_device, 4 - by_device));
            assert_eq!(verified.bodies, BodyCounts { whole: 1, parts: 1, withheld: 1, erased: 1 });
            assert_eq!((verified.changes, verified.last.set, verified.last.voters), (2, 2, 4));
            assert_eq!(verified.last.signers.len(), if full { 4 } else { 3 });
            assert_eq!((verified.segments[0].anchored, verified.last.block.number), (27, 30));
            assert_eq!(verified.last.time, Some(slot_start(880_000_030)));
            assert_eq!(verified.record.owner(), crate::PartyId([7; 32]));
            let span = verified.spans[0];
            assert_eq!((verified.spans.len(), span.first, span.last, span.key), (1, 0, 3, 0));
        }
    }
}

#[test]
fn a_partial_history_shows_which_end_is_missing() {
    for (shown, from_first, to_last) in
        [(0..2, true, false), (2..4, false, true), (1..2, false, false), (0..4, true, true)]
    {
        let events = shown.len() as u64;
        let verified = EvidenceSpec { shown, ..EvidenceSpec::default() }.make().verify().unwrap();
        assert_eq!((verified.events, verified.from_first, verified.to_last), (events, from_first, to_last));
        assert_eq!(verified.head, 3);
    }
    let none = EvidenceSpec { shown: 0..0, ..EvidenceSpec::default() }.make();
    assert_eq!(none.verify(), Err(EvidenceError::Empty { log: none.prelude.segments[0].log }));
}

#[test]
fn a_chain_whose_voters_never_changed_is_followed_from_its_genesis() {
    let verified = EvidenceSpec { changes: 0, voters: 1, ..EvidenceSpec::default() }.make().verify().unwrap();
    assert_eq!((verified.changes, verified.last.set, verified.last.signers.len()), (0, 0, 1));
}

#[test]
fn each_kind_of_tampering_is_named_in_the_error() {
    let block = |role, number, error| EvidenceError::Block { role, number: Some(number), error };
    let event = |index, sequence, error| EvidenceError::Event { index, sequence, error };
    let change = BlockRole::Change(0);
    let log = spec(Tampering::None).make().prelude.segments[0].log;
    let cases = [
        (Tampering::Forced, block(change, 10, HeaderError::Forced)),
        (Tampering::Delayed, block(change, 10, HeaderError::Delayed { delay: 2 })),
        (Tampering::NoChange, block(change, 10, HeaderError::NoChange)),
        (Tampering::Unnamed, block(change, 10, HeaderError::NoChain)),
        (Tampering::NamedTwice, block(change, 10, HeaderError::ChainItem)),
        (Tampering::NamedLong, block(change, 10, HeaderError::ChainItem)),
        (Tampering::Order, block(BlockRole::Last, 10, HeaderError::Order { before: 20 })),
        (Tampering::Hides, event(10, 3, EvidenceEventError::BeyondHead { head: 2 })),
        (Tampering::OtherHead, event(10, 3, EvidenceEventError::NotTheHead)),
        (Tampering::Moved, EvidenceError::SegmentOrder { log }),
        (
            Tampering::Gap,
            event(6, 2, EvidenceEventError::Event(EventError::Sequence { expected: 1, found: 2 })),
        ),
        (Tampering::Unlinked, event(2, 1, EvidenceEventError::Event(EventError::Previous))),
        (Tampering::Forged, event(2, 1, EvidenceEventError::Event(EventError::Signature))),
        (Tampering::OtherChain, EvidenceError::State { number: 30 }),
        (Tampering::Later, EvidenceError::Anchor { log }),
    ];
    for (tampering, error) in cases {
        assert_eq!(spec(tampering).make().verify(), Err(error.clone()), "{error}");
    }
}

#[test]
fn the_first_invalid_event_is_named_even_if_its_batch_is_pending() {
    let mut evidence = spec(Tampering::Forged).make();
    // Also invalid, and found at once, but it comes after the forged signature.
    let Some(Item::Event { entry, .. }) =
        evidence.items.iter_mut().filter(|item| matches!(item, Item::Event { .. })).nth(2)
    else {
        panic!("no third event")
    };
    entry.event.header.sequence += 9;
    let error = EvidenceEventError::Event(EventError::Signature);
    assert_eq!(evidence.verify(), Err(EvidenceError::Event { index: 2, sequence: 1, error }));
}

#[test]
fn votes_for_descendants_count_and_are_not_compacted() {
    let evidence = spec(Tampering::Descendant).make();
    assert!(matches!(evidence.prelude.chain.last.justification, Justification::Full(_)));
    assert!(matches!(evidence.prelude.chain.changes[0].justification, Justification::Direct { .. }));
    assert_eq!(evidence.verify().unwrap().last.signers.len(), 4);
}

#[test]
fn evidence_of_another_chain_is_rejected_first() {
    let mut evidence = spec(Tampering::None).make();
    evidence.trust.genesis = Hash([1; 32]);
    let found = evidence.prelude.genesis;
    assert_eq!(evidence.verify(), Err(EvidenceError::Genesis { expected: Hash([1; 32]), found }));
}

#[test]
fn a_change_of_voters_of_another_chain_is_rejected() {
    // Two chains founded with the same keys: the voters' signatures do not tell them apart.
    let ours = spec(Tampering::None).make();
    let genesis = Hash([0x77; 32]);
    let theirs = EvidenceSpec { genesis, ..spec(Tampering::None) }.make();
    assert_eq!(ours.trust.authorities, theirs.trust.authorities);
    assert!(ours.verify().is_ok() && theirs.verify().is_ok());
    for (at, number) in [(0, 10), (1, 20)] {
        let mut transplanted = ours.clone();
        transplanted.prelude.chain.changes[at] = theirs.prelude.chain.changes[at].clone();
        let role = BlockRole::Change(at as u64);
        let error = HeaderError::OtherChain { genesis };
        assert_eq!(transplanted.verify(), Err(EvidenceError::Block { role, number: Some(number), error }));
    }
    // The state of the last block would prove the chain anyway.
    let mut last = EvidenceSpec { genesis, changes: 3, ..spec(Tampering::None) }.make();
    let theirs = last.prelude.chain.changes.remove(2);
    last.prelude.chain.last = theirs;
    last.prelude.genesis = ours.trust.genesis;
    last.trust = ours.trust.clone();
    last.prelude.chain.changes = ours.prelude.chain.changes.clone();
    let (role, error) = (BlockRole::Last, HeaderError::OtherChain { genesis });
    assert_eq!(last.verify(), Err(EvidenceError::Block { role, number: Some(30), error }));
}

#[test]
fn votes_of_other_voters_do_not_count() {
    let mut evidence = spec(Tampering::None).make();
    evidence.trust.authorities = fixtures::set(40, 4);
    evidence.trust.authorities.id = 0;
    assert!(matches!(
        evidence.verify(),
        Err(EvidenceError::Finality {
            role: BlockRole::Change(0),
            number: 10,
            set: 0,
            error: FinalityError::Signature { .. }
        })
    ));
    let mut later = spec(Tampering::None).make();
    later.trust.authorities.id = 1;
    assert!(matches!(later.verify(), Err(EvidenceError::Finality { set: 1, .. })));
}

#[test]
fn nothing_is_proven_before_the_end() {
    let evidence = spec(Tampering::None).make();
    let mut verifier = Verifier::new(&evidence.prelude, &evidence.trust).unwrap();
    assert_eq!((verifier.log_size(), verifier.position()), (11, 0));
    for item in evidence.items.iter().filter(|item| **item != Item::End) {
        verifier.push(item.clone()).unwrap();
    }
    assert_eq!(verifier.position(), 11);
    assert_eq!(verifier.finish(), Err(EvidenceError::NoEnd));
}

/// Four voters that changed three times, 100 devices, and a log of a million entries.
fn usual(shown: core::ops::Range<usize>) -> Evidence {
    let bodies = |body: &Body, _| ShownBody::Whole(body.clone());
    EvidenceSpec {
        changes: 3,
        size: 1 << 20,
        events: vec![400_000, 400_007],
        shown,
        others: 100,
        bodies,
        ..EvidenceSpec::default()
    }
    .make()
}

#[test]
fn one_event_fits_in_six_kilobytes() {
    let evidence = usual(0..1);
    let (bytes, chain) = (evidence.bytes().len(), evidence.prelude.chain.encode().len());
    let state = evidence.prelude.chain.state.encode().len();
    println!(
        "{bytes} bytes: chain {chain}, of it state {state}, head {}",
        evidence.prelude.segments[0].head.encode().len()
    );
    assert!(bytes <= 6_000, "{bytes} bytes");
    assert!(evidence.verify().is_ok());
}

/// `cargo test -p streembit-primitives --lib -- --ignored --nocapture speed_of`
#[test]
#[ignore = "a measurement"]
fn speed_of_verification() {
    let evidence = usual(0..1);
    let bytes = evidence.bytes();
    let start = std::time::Instant::now();
    for _ in 0..200 {
        file::verify(&mut bytes.as_slice(), &evidence.trust, |_| {}).unwrap();
    }
    println!("one event: {:?}", start.elapsed() / 200);

    for key in [DeviceKeyKind::Sr25519, DeviceKeyKind::Ed25519, DeviceKeyKind::P256] {
        let count = 20_000u64;
        let bodies = |body: &Body, _| ShownBody::Whole(body.clone());
        let spec = EvidenceSpec {
            size: count,
            events: (0..count).collect(),
            shown: 0..count as usize,
            key,
            bodies,
            ..EvidenceSpec::default()
        };
        let evidence = spec.make();
        let bytes = evidence.bytes();
        let start = std::time::Instant::now();
        file::verify(&mut bytes.as_slice(), &evidence.trust, |_| {}).unwrap();
        let whole = start.elapsed();
        let key = spec.device_key();
        let key = crate::event::ParsedDeviceKey::new(key.device_id(), key);
        let events: Vec<_> = spec.entries().map(|(entry, _)| entry.event).collect();
        let start = std::time::Instant::now();
        for batch in events.chunks(256) {
            let batch = batch.iter().map(|event| (event.clone(), &key)).collect();
            assert!(crate::event::verify_batch(batch).iter().all(Result::is_ok));
        }
        let alone = start.elapsed();
        println!("{count} events: {whole:?}; their signatures alone: {alone:?}");
    }
}
