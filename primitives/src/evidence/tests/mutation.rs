//! Every change to valid evidence is either rejected or does not change its meaning.

use super::*;
use crate::{device::ChangeTime, DeviceId, PartyId};

/// Returns what a file proves. Whether a body is withheld or erased is not proven, so both count as withheld.
fn meaning(bytes: &[u8], trust: &TrustRoot) -> Result<(VerifiedEvidence, Vec<ShownBody>), EvidenceError> {
    let mut disclosed = Vec::new();
    let mut verified = file::verify(&mut &*bytes, trust, |item| {
        if let Item::Event { body: body @ (ShownBody::Whole(_) | ShownBody::Parts(_)), .. } = item {
            disclosed.push(body.clone());
        }
    })?;
    verified.bodies.withheld += core::mem::take(&mut verified.bodies.erased);
    Ok((verified, disclosed))
}

/// Small evidence with every feature: a change of voters, both forms of justification, every way to disclose a body.
fn evidence() -> Evidence {
    EvidenceSpec { changes: 1, tampering: Tampering::Descendant, ..EvidenceSpec::default() }.make()
}

/// Asserts that a file is rejected or means the same as the honest one. Returns true if it is rejected.
fn rejected_or_same(bytes: &[u8], honest: &[u8], trust: &TrustRoot, what: &str) -> bool {
    match meaning(bytes, trust) {
        Err(_) => true,
        Ok(other) => {
            assert!(Ok(other) == meaning(honest, trust), "{what} changes the meaning");
            false
        }
    }
}

#[test]
fn changing_a_bit_never_changes_the_meaning() {
    let evidence = evidence();
    let honest = evidence.bytes();
    let mut accepted = Vec::new();
    for at in 0..honest.len() {
        for flip in [1u8, 1 << (at % 7 + 1)] {
            let mut bent = honest.clone();
            bent[at] ^= flip;
            if !rejected_or_same(&bent, &honest, &evidence.trust, &format!("byte {at} ^ {flip}")) {
                accepted.push(at);
            }
        }
    }
    // Only `Withheld` and `Erased` can be swapped.
    assert!(accepted.len() <= 2, "{accepted:?}");
}

#[test]
fn truncated_and_extended_files_are_rejected() {
    let evidence = evidence();
    let honest = evidence.bytes();
    for length in 0..honest.len() {
        assert!(meaning(&honest[..length], &evidence.trust).is_err(), "cut to {length}");
    }
    for addition in [&[0][..], &[2], &[3], &honest] {
        let longer = [&honest, addition].concat();
        assert_eq!(meaning(&longer, &evidence.trust), Err(EvidenceError::Trailing));
    }
    for at in (0..honest.len()).step_by(7) {
        let mut longer = honest.clone();
        longer.insert(at, honest[at]);
        assert!(meaning(&longer, &evidence.trust).is_err(), "byte {at} doubled");
        let mut shorter = honest.clone();
        shorter.remove(at);
        assert!(meaning(&shorter, &evidence.trust).is_err(), "byte {at} missing");
    }
}

#[test]
fn files_of_other_versions_are_refused() {
    let evidence = evidence();
    let mut bytes = evidence.bytes();
    for version in (0..=u8::MAX).filter(|version| *version != file::MAGIC[7]) {
        bytes[7] = version;
        assert_eq!(meaning(&bytes, &evidence.trust), Err(EvidenceError::Magic), "version {version}");
    }
}

#[test]
fn items_cannot_be_repeated_removed_or_reordered() {
    let evidence = evidence();
    for at in 0..evidence.items.len() {
        let mut doubled = evidence.clone();
        doubled.items.insert(at, evidence.items[at].clone());
        assert!(doubled.verify().is_err(), "item {at} doubled");
        let mut lost = evidence.clone();
        lost.items.remove(at);
        assert!(lost.verify().is_err(), "item {at} lost");
        for with in at + 1..evidence.items.len() {
            let mut moved = evidence.clone();
            moved.items.swap(at, with);
            assert!(moved.verify().is_err(), "items {at} and {with} exchanged");
        }
    }
}

/// A change to one field, and a check of the error that it must cause.
type Change = (fn(&mut Evidence), fn(&EvidenceError) -> bool);

fn event(evidence: &mut Evidence, nth: usize) -> (&mut LogEntry, &mut ShownBody) {
    let events = evidence.items.iter_mut().filter_map(|item| match item {
        Item::Event { entry, body } => Some((entry, body)),
        _ => None,
    });
    events.into_iter().nth(nth).unwrap()
}

/// Makes the proof of the last segment one of a segment before it.
fn former(evidence: &Evidence) -> FormerProof {
    let ChainEvidence { changes, last, state, .. } = evidence.prelude.chain.clone();
    FormerProof { changes: changes.len() as u32, block: last, state }
}

#[test]
fn every_field_of_the_prelude_is_bound() {
    type E = EvidenceError;
    let changes: [Change; 24] = [
        (|e| e.prelude.genesis = Hash::ZERO, |e| matches!(e, E::Genesis { .. })),
        (|e| e.prelude.segments[0].log.epoch = 1, |e| matches!(e, E::State { number: 20 })),
        (|e| e.prelude.segments[0].log.gateway.0[0] ^= 1, |e| matches!(e, E::State { .. })),
        (
            |e| e.prelude.segments.clear(),
            |e| matches!(e, E::SegmentCount { segments: 0, proofs: 1, logs: 1 }),
        ),
        (
            |e| e.prelude.chain.former.push(former(e)),
            |e| matches!(e, E::SegmentCount { segments: 1, proofs: 2, logs: 1 }),
        ),
        (
            |e| {
                e.prelude.segments.push(e.prelude.segments[0].clone());
                e.prelude.chain.former.push(former(e));
            },
            |e| matches!(e, E::SegmentCount { segments: 2, proofs: 2, logs: 1 }),
        ),
        (|e| e.prelude.device = DeviceId([1; 32]), |e| matches!(e, E::State { .. })),
        (|e| e.prelude.chain.changes.clear(), |e| matches!(e, E::Finality { role: BlockRole::Last, .. })),
        (
            |e| {
                let first = e.prelude.chain.changes[0].clone();
                e.prelude.chain.changes.push(first);
            },
            |e| {
                matches!(
                    e,
                    E::Block { role: BlockRole::Change(1), error: HeaderError::Order { before: 10 }, .. }
                )
            },
        ),
        (|e| e.prelude.chain.last = e.prelude.chain.changes[0].clone(), |e| matches!(e, E::Block { .. })),
        (
            |e| e.prelude.chain.last.header.push(0),
            |e| matches!(e, E::Block { role: BlockRole::Last, number: None, error: HeaderError::Malformed }),
        ),
        (|e| e.prelude.chain.state.anchor.block += 1, |e| matches!(e, E::State { .. })),
        (|e| e.prelude.chain.state.anchor.checkpoint.time += 1, |e| matches!(e, E::State { .. })),
        (|e| e.prelude.chain.state.anchor.checkpoint.size += 1, |e| matches!(e, E::State { .. })),
        (
            |e| {
                let at = ChangeTime { block: 5, time: 1 };
                e.prelude.chain.state.device.set_owner(PartyId([1; 32]), at).unwrap();
            },
            |e| matches!(e, E::State { .. }),
        ),
        (|e| e.prelude.chain.state.device.forget_blocks(), |e| matches!(e, E::State { .. })),
        (|e| e.prelude.chain.state.nodes.reverse(), |e| matches!(e, E::State { .. })),
        (|e| e.prelude.chain.state.nodes.push(vec![0]), |e| matches!(e, E::State { .. })),
        (|e| assert!(e.prelude.chain.state.nodes.pop().is_some()), |e| matches!(e, E::State { .. })),
        (|e| e.prelude.segments[0].head.index += 1, |e| matches!(e, E::Head { .. })),
        (|e| e.prelude.segments[0].head.count += 1, |e| matches!(e, E::Head { .. })),
        (|e| e.prelude.segments[0].head.entry.sequence += 1, |e| matches!(e, E::Head { .. })),
        (|e| e.prelude.segments[0].head.entry.hash = Hash::ZERO, |e| matches!(e, E::Head { .. })),
        (|e| assert!(e.prelude.segments[0].head.path.pop().is_some()), |e| matches!(e, E::Head { .. })),
    ];
    for (nth, (change, expected)) in changes.into_iter().enumerate() {
        let mut bent = evidence();
        change(&mut bent);
        let error = bent.verify().unwrap_err();
        assert!(expected(&error), "change {nth}: {error}");
    }
}

#[test]
fn every_field_of_an_event_is_bound() {
    type E = EvidenceError;
    fn is_event(error: &EvidenceError, expected: EvidenceEventError) -> bool {
        matches!(error, E::Event { error, .. } if *error == expected)
    }
    let changes: [Change; 13] = [
        (|e| event(e, 0).0.received += 1, |e| matches!(e, E::Root { .. })),
        (
            |e| event(e, 0).0.event.header.version = 2,
            |e| {
                matches!(
                    e,
                    E::Event { index: 1, error: EvidenceEventError::Event(EventError::Version(2)), .. }
                )
            },
        ),
        (
            |e| event(e, 0).0.event.header.time += 1,
            |e| {
                matches!(
                    e,
                    E::Event { index: 1, error: EvidenceEventError::Event(EventError::Signature), .. }
                )
            },
        ),
        (|e| event(e, 3).0.event.header.time += 1, |e| is_event(e, EvidenceEventError::NotTheHead)),
        (
            |e| event(e, 0).0.event.header.device = DeviceId([1; 32]),
            |e| is_event(e, EvidenceEventError::Event(EventError::Device)),
        ),
        (
            |e| event(e, 0).0.event.signature = event(e, 1).0.event.signature,
            |e| {
                matches!(
                    e,
                    E::Event {
                        index: 1,
                        sequence: 0,
                        error: EvidenceEventError::Event(EventError::Signature)
                    }
                )
            },
        ),
        (
            |e| event(e, 0).0.event.signer = crate::Signer::Gateway(e.prelude.segments[0].log.gateway),
            |e| is_event(e, EvidenceEventError::Event(EventError::Signer)),
        ),
        (
            |e| *event(e, 0).1 = ShownBody::Whole(fixtures::body(9)),
            |e| is_event(e, EvidenceEventError::Event(EventError::BodyHash)),
        ),
        (
            |e| {
                let ShownBody::Parts(parts) = event(e, 1).1 else { panic!("no parts") };
                parts.as_mut().reverse();
            },
            |e| is_event(e, EvidenceEventError::DisclosureOrder),
        ),
        (
            |e| {
                let ShownBody::Parts(parts) = event(e, 1).1 else { panic!("no parts") };
                let again = parts.last().unwrap().clone();
                parts.try_push(again).unwrap();
            },
            |e| is_event(e, EvidenceEventError::DisclosureOrder),
        ),
        (
            |e| *event(e, 1).1 = ShownBody::Parts(Default::default()),
            |e| is_event(e, EvidenceEventError::DisclosureOrder),
        ),
        (
            |e| {
                let ShownBody::Parts(parts) = event(e, 1).1 else { panic!("no parts") };
                parts[1].salt = Hash::ZERO;
            },
            |e| is_event(e, EvidenceEventError::Disclosure(1)),
        ),
        (
            |e| {
                let skipped = e.items.iter_mut().find_map(|item| match item {
                    Item::Skip { level, .. } => Some(level),
                    _ => None,
                });
                *skipped.unwrap() = 1;
            },
            |e| matches!(e, E::Size { .. } | E::Skip { .. }),
        ),
    ];
    for (nth, (change, expected)) in changes.into_iter().enumerate() {
        let mut bent = evidence();
        change(&mut bent);
        let error = bent.verify().unwrap_err();
        assert!(expected(&error), "change {nth}: {error}");
    }
}
