use super::{
    testing::{Evidence, Plan, Signing, Twist},
    *,
};
use crate::event::EventError;

mod finality;
mod mutation;
mod vectors;

fn plan(twist: Twist) -> Plan {
    Plan { twist, ..Plan::default() }
}

#[test]
fn a_whole_history_is_proven_whoever_signs() {
    for key in [Signing::Sr25519, Signing::Ed25519, Signing::Gateway] {
        for full in [false, true] {
            let evidence = Plan { key, full, ..Plan::default() }.make();
            let verdict = evidence.verify().unwrap();
            assert_eq!((verdict.events, verdict.first.sequence, verdict.last_event.sequence), (4, 0, 3));
            assert_eq!((verdict.first.index, verdict.last_event.index), (1, 10));
            assert!(verdict.is_complete());
            let by_device = if key == Signing::Gateway { 0 } else { 4 };
            assert_eq!((verdict.device_signed, verdict.gateway_signed), (by_device, 4 - by_device));
            assert_eq!(verdict.bodies, Shares { whole: 1, parts: 1, withheld: 1, erased: 1 });
            assert_eq!((verdict.changes, verdict.last.set, verdict.last.voters), (2, 2, 4));
            assert_eq!(verdict.last.signers.len(), if full { 4 } else { 3 });
            assert_eq!((verdict.anchored, verdict.last.block.number), (27, 30));
            assert_eq!(verdict.last.time, Some(time_of_slot(880_000_030)));
            assert_eq!(verdict.record.owner, crate::AccountId([7; 32]));
        }
    }
}

#[test]
fn a_part_of_a_history_says_which_end_is_missing() {
    for (shown, from_first, to_last) in
        [(0..2, true, false), (2..4, false, true), (1..2, false, false), (0..4, true, true)]
    {
        let events = shown.len() as u64;
        let verdict = Plan { shown, ..Plan::default() }.make().verify().unwrap();
        assert_eq!((verdict.events, verdict.from_first, verdict.to_last), (events, from_first, to_last));
        assert_eq!(verdict.head, 3);
    }
    let none = Plan { shown: 0..0, ..Plan::default() }.make();
    assert_eq!(none.verify(), Err(EvidenceError::Empty));
}

#[test]
fn a_chain_whose_voters_never_changed_is_followed_from_its_genesis() {
    let verdict = Plan { changes: 0, voters: 1, ..Plan::default() }.make().verify().unwrap();
    assert_eq!((verdict.changes, verdict.last.set, verdict.last.signers.len()), (0, 0, 1));
}

#[test]
fn every_twist_is_named() {
    let block = |role, number, fault| EvidenceError::Block { role, number: Some(number), fault };
    let event = |index, sequence, fault| EvidenceError::Event { index, sequence, fault };
    let change = BlockRole::Change(0);
    let log = plan(Twist::None).make().prelude.log;
    let cases = [
        (Twist::Forced, block(change, 10, BlockFault::Forced)),
        (Twist::Delayed, block(change, 10, BlockFault::Delayed { delay: 2 })),
        (Twist::NoChange, block(change, 10, BlockFault::NoChange)),
        (Twist::Order, block(BlockRole::Last, 10, BlockFault::Order { before: 20 })),
        (Twist::Hides, event(10, 3, EventFault::BeyondHead { head: 2 })),
        (Twist::OtherHead, event(10, 3, EventFault::NotTheHead)),
        (Twist::NoHeads, EvidenceError::NoHeads),
        (Twist::Moved, EvidenceError::Gateway { keeper: crate::AccountId([9; 32]), log }),
        (Twist::Gap, event(6, 2, EventFault::Event(EventError::Sequence { expected: 1, found: 2 }))),
        (Twist::Unlinked, event(2, 1, EventFault::Event(EventError::Previous))),
        (Twist::Forged, event(2, 1, EventFault::Event(EventError::Signature))),
        (Twist::OtherChain, EvidenceError::State { number: 30 }),
        (Twist::Later, EvidenceError::Anchor { log }),
    ];
    for (twist, error) in cases {
        assert_eq!(plan(twist).make().verify(), Err(error.clone()), "{error}");
    }
}

#[test]
fn the_first_wrong_event_is_named_though_its_batch_waits() {
    let mut evidence = plan(Twist::Forged).make();
    // Wrong as well, and found at once; but it comes after the forged signature.
    let Some(Item::Event { entry, .. }) =
        evidence.items.iter_mut().filter(|item| matches!(item, Item::Event { .. })).nth(2)
    else {
        panic!("no third event")
    };
    entry.event.header.sequence += 9;
    let fault = EventFault::Event(EventError::Signature);
    assert_eq!(evidence.verify(), Err(EvidenceError::Event { index: 2, sequence: 1, fault }));
}

#[test]
fn votes_for_descendants_count_and_are_carried_whole() {
    let evidence = plan(Twist::Descendant).make();
    assert!(matches!(evidence.prelude.chain.last.justification, Justification::Full(_)));
    assert!(matches!(evidence.prelude.chain.changes[0].justification, Justification::Direct { .. }));
    assert_eq!(evidence.verify().unwrap().last.signers.len(), 4);
}

#[test]
fn another_chain_is_refused_before_anything_else() {
    let mut evidence = plan(Twist::None).make();
    evidence.trust.genesis = Hash([1; 32]);
    let found = evidence.prelude.genesis;
    assert_eq!(evidence.verify(), Err(EvidenceError::Genesis { expected: Hash([1; 32]), found }));
}

#[test]
fn other_voters_than_the_chains_decide_nothing() {
    let mut evidence = plan(Twist::None).make();
    evidence.trust.authorities = testing::set(40, 4);
    evidence.trust.authorities.id = 0;
    assert!(matches!(
        evidence.verify(),
        Err(EvidenceError::Finality {
            role: BlockRole::Change(0),
            number: 10,
            set: 0,
            fault: FinalityFault::Signature { .. }
        })
    ));
    let mut later = plan(Twist::None).make();
    later.trust.authorities.id = 1;
    assert!(matches!(later.verify(), Err(EvidenceError::Finality { set: 1, .. })));
}

#[test]
fn nothing_is_proven_before_the_end() {
    let evidence = plan(Twist::None).make();
    let mut verifier = Verifier::begin(&evidence.prelude, &evidence.trust).unwrap();
    assert_eq!((verifier.size(), verifier.position()), (11, 0));
    for item in evidence.items.iter().filter(|item| **item != Item::End) {
        verifier.push(item.clone()).unwrap();
    }
    assert_eq!(verifier.position(), 11);
    assert_eq!(verifier.finish(), Err(EvidenceError::NoEnd));
}

/// A consortium of four voters, three changes of them behind it, 100 devices, a log of a million entries.
fn usual(shown: core::ops::Range<usize>) -> Evidence {
    let bodies = |body: &Body, _| Shown::Whole(body.clone());
    Plan {
        changes: 3,
        size: 1 << 20,
        events: vec![400_000, 400_007],
        shown,
        others: 100,
        bodies,
        ..Plan::default()
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
        evidence.prelude.head.encode().len()
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

    for key in [Signing::Sr25519, Signing::Ed25519] {
        let count = 20_000u64;
        let bodies = |body: &Body, _| Shown::Whole(body.clone());
        let plan = Plan {
            size: count,
            events: (0..count).collect(),
            shown: 0..count as usize,
            key,
            bodies,
            ..Plan::default()
        };
        let evidence = plan.make();
        let bytes = evidence.bytes();
        let start = std::time::Instant::now();
        file::verify(&mut bytes.as_slice(), &evidence.trust, |_| {}).unwrap();
        let whole = start.elapsed();
        let key = crate::batch::EventKey::new(plan.device_key());
        let events: Vec<_> = plan.entries().map(|(entry, _)| entry.event).collect();
        let start = std::time::Instant::now();
        for batch in events.chunks(256) {
            let batch = batch.iter().map(|event| (event.clone(), &key)).collect();
            assert!(crate::batch::verify(batch).iter().all(Result::is_ok));
        }
        let alone = start.elapsed();
        println!("{count} events: {whole:?}; their signatures alone: {alone:?}");
    }
}
