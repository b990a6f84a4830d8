//! The text of a trust root.

use super::*;
use crate::hash::Domain;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use codec::Compact;
use proptest::prelude::*;

fn key(seed: u8) -> AuthorityKey {
    AuthorityKey(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

fn root_of(voters: Vec<Voter>) -> TrustRoot {
    TrustRoot { genesis: Hash([0x9e; 32]), authorities: AuthoritySet { id: 0, voters } }
}

fn root(voters: u8) -> TrustRoot {
    root_of((0..voters).map(|seed| Voter { key: key(seed), weight: 1 }).collect())
}

/// Returns the text with the right checksum for any content.
fn text_of(content: &[u8]) -> String {
    let sum = Domain::TrustRoot.hash(content);
    format!("streembit-root-1-{}", Base64UrlUnpadded::encode_string(&[content, &sum.0[..4]].concat()))
}

/// Returns the content of a text for any set, without checks.
fn content_of(root: &TrustRoot) -> Vec<u8> {
    let AuthoritySet { id, voters } = &root.authorities;
    let voters: Vec<_> = voters.iter().map(|voter| (voter.key, Compact(voter.weight))).collect();
    (root.genesis, Compact(*id), voters).encode()
}

fn refused(text: &str) -> ParseTrustRootError {
    text.parse::<TrustRoot>().unwrap_err()
}

fn any_root() -> impl Strategy<Value = TrustRoot> {
    let voter = (any::<u8>(), prop_oneof![Just(1), 1u64..1 << 58]);
    (any::<[u8; 32]>(), prop::collection::vec(voter, 1..8)).prop_map(|(genesis, voters)| TrustRoot {
        genesis: Hash(genesis),
        ..root_of(voters.into_iter().map(|(seed, weight)| Voter { key: key(seed), weight }).collect())
    })
}

#[test]
fn the_format_is_pinned() {
    let text = root(1).to_text().unwrap();
    assert_eq!(
        text,
        "streembit-root-1-np6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp4ABDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdopBAaqTw0"
    );
    assert_eq!(text, text_of(&content_of(&root(1))));
    // A consortium of four fits on three lines of a terminal.
    assert!(root(4).to_text().unwrap().len() < 250);
}

#[test]
fn other_texts_are_refused_with_what_is_wrong() {
    use ParseTrustRootError as E;
    let text = root(4).to_text().unwrap();
    let digits = &text["streembit-root-1-".len()..];
    for other in ["", "streembit", "streembit-root-1", "streembit-root--x", "streembit-root-01-x", digits] {
        assert_eq!(refused(other), E::Prefix, "{other}");
        assert!(!TrustRoot::is_text(other), "{other}");
    }
    assert_eq!(refused(&text.to_uppercase()), E::Prefix);
    assert_eq!(refused(&format!(" {text}")), E::Prefix);
    assert_eq!(refused(&text.replacen("-1-", "-2-", 1)), E::Version { version: 2 });
    for (at, character) in [(17, ' '), (30, '\n'), (40, '+'), (50, '='), (60, '\u{1b}'), (70, 'é')] {
        let mut changed: Vec<char> = text.chars().collect();
        changed[at] = character;
        let changed: String = changed.into_iter().collect();
        assert_eq!(refused(&changed), E::Character { place: at + 1, character });
        assert!(refused(&changed).to_string().chars().all(|shown| !shown.is_control()));
    }
    for cut in 1..digits.len() {
        assert_eq!(refused(&text[..text.len() - cut]), E::Checksum, "{cut} characters are missing");
    }
    assert_eq!(refused("streembit-root-1-"), E::Checksum);
}

#[test]
fn a_right_checksum_does_not_make_a_root() {
    use ParseTrustRootError as E;
    let content = content_of(&root(2));
    assert_eq!(text_of(&content).parse(), Ok(root(2)));
    for length in 0..content.len() {
        assert_eq!(refused(&text_of(&content[..length])), E::Malformed, "cut to {length}");
    }
    assert_eq!(refused(&text_of(&[&content[..], &[0, 0]].concat())), E::Trailing { bytes: 2 });
    // The number of the set in more bytes than it needs.
    let padded = [&content[..32], &[1, 0], &content[33..]].concat();
    assert_eq!(refused(&text_of(&padded)), E::Malformed);
}

#[test]
fn a_root_from_which_nothing_could_be_proven_has_no_text() {
    let mut later = root(2);
    later.authorities.id = 7;
    let mut invalid = root(2);
    // y = 2 is on no point of the curve.
    invalid.authorities.voters[1].key = AuthorityKey([2; 32]);
    let mut small_order = root(2);
    small_order.authorities.voters[0].key = AuthorityKey([0; 32]);
    let mut weightless = root(2);
    weightless.authorities.voters[1].weight = 0;
    let mut heavy = root(2);
    heavy.authorities.voters[1].weight = u64::MAX;
    for (root, error) in [
        (root(0), TrustRootError::NoVoters),
        (later, TrustRootError::NotTheFirstSet { id: 7 }),
        (invalid, TrustRootError::Key { place: 2, key: AuthorityKey([2; 32]) }),
        (small_order, TrustRootError::Key { place: 1, key: AuthorityKey([0; 32]) }),
        (weightless, TrustRootError::NoWeight { place: 2, key: key(1) }),
        (heavy, TrustRootError::TotalWeight),
    ] {
        assert_eq!(root.to_text(), Err(error));
        assert_eq!(refused(&text_of(&content_of(&root))), ParseTrustRootError::Root(error));
    }
}

#[test]
fn every_change_of_one_character_is_refused() {
    let text = root(1).to_text().unwrap();
    let characters: Vec<char> = text.chars().collect();
    let others: Vec<char> = (' '..='~').chain(['\n', 'é', '‐']).collect();
    for at in 0..characters.len() {
        for other in others.iter().filter(|other| **other != characters[at]) {
            let mut changed = characters.clone();
            changed[at] = *other;
            let changed: String = changed.into_iter().collect();
            assert!(changed.parse::<TrustRoot>().is_err(), "{changed}");
        }
        let mut shorter = characters.clone();
        shorter.remove(at);
        assert!(shorter.into_iter().collect::<String>().parse::<TrustRoot>().is_err(), "{at} missing");
        let mut longer = characters.clone();
        longer.insert(at, characters[at]);
        assert!(longer.into_iter().collect::<String>().parse::<TrustRoot>().is_err(), "{at} doubled");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_read_as_it_was_written(root in any_root()) {
        let text = root.to_text().unwrap();
        prop_assert!(TrustRoot::is_text(&text));
        prop_assert_eq!(text.parse::<TrustRoot>(), Ok(root));
    }

    #[test]
    fn a_typing_mistake_is_refused(root in any_root(), at in any::<prop::sample::Index>(), by in any::<char>()) {
        let mut characters: Vec<char> = root.to_text().unwrap().chars().collect();
        let at = at.index(characters.len());
        prop_assume!(characters[at] != by);
        characters[at] = by;
        let changed: String = characters.into_iter().collect();
        prop_assert!(changed.parse::<TrustRoot>().is_err(), "{}", changed);
    }

    #[test]
    fn what_is_accepted_has_one_text(content in prop::collection::vec(any::<u8>(), 0..120), text in "\\PC{0,60}") {
        for text in [text_of(&content), format!("streembit-root-1-{text}"), text] {
            if let Ok(root) = text.parse::<TrustRoot>() {
                prop_assert_eq!(root.to_text().unwrap(), text);
            }
        }
    }
}
