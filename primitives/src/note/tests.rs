use super::*;
use crate::{AccountId, LogId, LogKey};
use proptest::prelude::*;

fn origin() -> Origin {
    Origin { genesis: Hash([0xab; 32]), log: LogId { gateway: AccountId([0xcd; 32]), epoch: 7 } }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn verifier() -> VerifierKey {
    VerifierKey::new(origin(), &LogKey(key().verifying_key().to_bytes())).unwrap()
}

fn note() -> String {
    SignedNote::sign(&origin(), 20_852_163, Hash([9; 32]), &key()).to_string()
}

/// Returns a note with any text, signed with the log's key.
fn signed_text(text: &str) -> String {
    let mut bytes = Vec::from(verifier().id());
    bytes.extend(key().sign(text.as_bytes()).to_bytes());
    format!("{text}\n{SIGNATURE_MARK}{} {}\n", origin(), to_base64(&bytes))
}

/// Parses and verifies a note.
fn check(note: impl AsRef<[u8]>) -> Result<VerifiedCheckpoint, NoteError> {
    SignedNote::parse(note.as_ref())?.verify(&verifier())
}

#[test]
fn a_note_is_the_text_and_a_signature_line() {
    let note = note();
    let name = format!("streembit/{}/{}/7", "ab".repeat(32), "cd".repeat(32));
    let text = format!("{name}\n20852163\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n\n\u{2014} {name} ");
    assert!(note.starts_with(&text), "{note}");
    assert_eq!(note.lines().count(), 5);
    let verified = check(&note).unwrap();
    assert_eq!(
        (*verified.origin(), verified.size(), *verified.root()),
        (origin(), 20_852_163, Hash([9; 32]))
    );
    assert_eq!(
        note,
        signed_text(&format!("{name}\n20852163\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n"))
    );
}

/// The expected values were computed with Python's `cryptography`, not with this code.
#[test]
fn note_and_key_have_pinned_bytes() {
    let signature =
        "YCqUIEqq9CLuAHt0RGFdL5fzfOuOKBR2Q4nfSRyDd0vtwW6IcWkaW0w0UhWgivJUjOs5oUnnoDq/rmoRcie5d1Y7BQo=";
    assert_eq!(note().lines().last(), Some(&*format!("\u{2014} {} {signature}", origin())));
    let key = "602a9420+AW56HN0psLeP0Tr0xVmP7/TvKpcWbjym8uT7/M2AUFvx";
    assert_eq!(verifier().to_string(), format!("{}+{key}", origin()));
}

#[test]
fn a_note_claims_an_origin_before_it_is_verified() {
    let claimed = |note: &str| SignedNote::parse(note.as_bytes()).unwrap().claimed_origin();
    assert_eq!(claimed(&note()), Ok(origin()));
    let name = origin().to_string();
    assert_eq!(claimed(&note().replacen(&name, "example.com/log", 1)), Err(OriginError));
}

#[test]
fn signatures_of_unknown_keys_are_ignored_up_to_a_limit() {
    let witness = format!("{SIGNATURE_MARK}witness.example/w1 {}\n", to_base64(&[1; 76]));
    // The name of the log's key with another id, as after a new kind of signature.
    let other_id = format!("{SIGNATURE_MARK}{} {}\n", origin(), to_base64(&[1; 68]));
    let many = |count: usize| format!("{}{}", note(), witness.repeat(count));
    assert!(check(format!("{}{witness}{other_id}", note())).is_ok());
    assert!(check(many(MAX_NOTE_SIGNATURES - 1)).is_ok());
    assert_eq!(check(many(MAX_NOTE_SIGNATURES)), Err(NoteError::TooManySignatures));
    let only_witnesses = note().replace(&note().lines().last().unwrap().to_owned(), witness.trim_end());
    assert_eq!(check(only_witnesses), Err(NoteError::OtherKey { expected: verifier().id() }));
    // Sixteen witnesses with post-quantum signatures.
    let large = format!("{SIGNATURE_MARK}witness.example/w1 {}\n", to_base64(&[1; 5000]));
    assert!(check(format!("{}{}", note(), large.repeat(16))).is_ok());
}

#[test]
fn each_signature_of_the_logs_key_must_be_valid() {
    let line = |signature: &[u8]| {
        let mut bytes = Vec::from(verifier().id());
        bytes.extend(signature);
        format!("{SIGNATURE_MARK}{} {}\n", origin(), to_base64(&bytes))
    };
    for wrong in [&[0; 64][..], &[0; 63], &[0; 65], &[0]] {
        assert_eq!(check(format!("{}{}", note(), line(wrong))), Err(NoteError::Signature));
    }
    assert_eq!(check(note().replacen("20852163", "20852164", 1)), Err(NoteError::Signature));
    let other = SigningKey::from_bytes(&[6; 32]);
    let theirs = SignedNote::sign(&origin(), 1, Hash::ZERO, &other);
    assert_eq!(theirs.verify(&verifier()), Err(NoteError::OtherKey { expected: verifier().id() }));
}

#[test]
fn notes_of_other_logs_are_refused() {
    let log = LogId { epoch: 8, ..origin().log };
    for other in [Origin { log, ..origin() }, Origin { genesis: Hash::ZERO, ..origin() }] {
        let error = SignedNote::sign(&other, 1, Hash::ZERO, &key()).verify(&verifier()).unwrap_err();
        assert_eq!(
            error,
            NoteError::OtherOrigin { expected: origin().to_string(), found: other.to_string() }
        );
    }
}

#[test]
fn the_text_is_exactly_a_checkpoint() {
    let root = to_base64(&[9; 32]);
    let with = |size: &str, root: &str| check(signed_text(&format!("{}\n{size}\n{root}\n", origin())));
    assert!(with("0", &root).is_ok() && with("4611686018427387904", &root).is_ok());
    assert_eq!(with("4611686018427387905", &root), Err(NoteError::TooLarge { size: MAX_LOG_SIZE + 1 }));
    for wrong in ["", "01", "+1", "-1", "1 ", "18446744073709551616", "ten"] {
        assert_eq!(with(wrong, &root), Err(NoteError::Size), "{wrong:?}");
    }
    for wrong in [to_base64(&[9; 31]), to_base64(&[9; 33]), "".into(), root.replace('=', ""), "****".into()] {
        assert_eq!(with("1", &wrong), Err(NoteError::Root), "{wrong:?}");
    }
    assert_eq!(with("1", &format!("{root}\nextension")), Err(NoteError::Lines { found: 4 }));
    assert_eq!(check(signed_text(&format!("{}\n1\n", origin()))), Err(NoteError::Lines { found: 2 }));
}

#[test]
fn the_note_has_nothing_else() {
    let note = note();
    assert_eq!(check(note.trim_end()), Err(NoteError::TrailingBytes));
    assert_eq!(check(format!("{note}x")), Err(NoteError::TrailingBytes));
    assert_eq!(check(format!("{note}\n")), Err(NoteError::NoSignatures));
    assert_eq!(check(format!("{note}x\n")), Err(NoteError::SignatureLine { line: 2 }));
    assert_eq!(check(note.replacen("\n\n", "\n", 1)), Err(NoteError::NoSignatures));
    assert_eq!(check(""), Err(NoteError::NoSignatures));
    assert_eq!(check(format!("{note}\t")), Err(NoteError::NotText));
    assert_eq!(check(note.replace('\n', "\r\n")), Err(NoteError::NotText));
    assert_eq!(check([note.as_bytes(), &[0xff]].concat()), Err(NoteError::NotText));
    let long = "x".repeat(MAX_NOTE_BYTES + 1);
    assert_eq!(check(&long), Err(NoteError::TooLong { bytes: long.len() }));
    for wrong in [
        "\u{2014}name AAAAAAA=",
        "\u{2014} a+b AAAAAAA=",
        "\u{2014} a",
        "- a AAAAAAA=",
        "\u{2014} a AAAAAA==",
    ] {
        assert_eq!(check(format!("{note}{wrong}\n")), Err(NoteError::SignatureLine { line: 2 }), "{wrong}");
    }
}

#[test]
fn verifier_keys_have_one_text() {
    let text = verifier().to_string();
    assert_eq!(text.parse(), Ok(verifier()));
    let (name, rest) = text.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    assert_eq!(id, hex::encode(verifier().id()));
    let parse = |name: &str, id: &str, key: &str| format!("{name}+{id}+{key}").parse::<VerifierKey>();
    assert_eq!(name.parse::<VerifierKey>(), Err(VerifierKeyError::Parts));
    assert_eq!(parse("example.com", id, key), Err(VerifierKeyError::Origin(OriginError)));
    assert_eq!(parse(name, "00000000", key), Err(VerifierKeyError::KeyId));
    assert_eq!(parse(name, &id.to_uppercase(), key).is_ok(), id == id.to_uppercase());
    for wrong in [to_base64(&[1; 32]), to_base64(&[4; 33]), to_base64(&[0xff; 33]), format!("{key}=")] {
        assert_eq!(parse(name, id, &wrong), Err(VerifierKeyError::Key), "{wrong}");
    }
}

#[test]
fn every_changed_byte_of_a_verifier_key_is_refused() {
    let text = verifier().to_string();
    let parse = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<VerifierKey>().ok();
    assert_eq!(parse(text.as_bytes()), Some(verifier()));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1 << bit;
            assert_eq!(parse(&changed), None, "bit {bit} of byte {at}");
        }
        assert_eq!(parse(&text.as_bytes()[..at]), None, "cut to {at}");
    }
    assert_eq!(parse(format!("{text}\n").as_bytes()), None);
}

#[test]
fn origins_have_one_text() {
    let text = origin().to_string();
    assert_eq!(text.parse(), Ok(origin()));
    for wrong in [
        text.replacen("ab", "AB", 1),
        text.replacen("ab", "", 1),
        text.replacen("streembit/", "streembit/0x", 1),
        format!("{text}/"),
        format!("{text}/1"),
        text.replacen("/7", "/07", 1),
        text.replacen("/7", "/4294967296", 1),
        text.replacen("streembit", "other", 1),
        "streembit".to_owned(),
    ] {
        assert_eq!(wrong.parse::<Origin>(), Err(OriginError), "{wrong}");
    }
}

proptest! {
    #[test]
    fn what_is_parsed_is_written_back(size in 0..=MAX_LOG_SIZE, root: [u8; 32], extra: Vec<u8>) {
        let witness = format!("{SIGNATURE_MARK}w {}\n", to_base64(&[&[1, 2, 3, 4, 5][..], &extra].concat()));
        let note = format!("{}{witness}", SignedNote::sign(&origin(), size, Hash(root), &key()));
        let parsed = SignedNote::parse(note.as_bytes()).unwrap();
        prop_assert_eq!(parsed.to_string(), note);
        let verified = parsed.verify(&verifier()).unwrap();
        prop_assert_eq!((verified.size(), verified.root().0), (size, root));
    }

    /// Changing any byte of a note with one signature is noticed.
    #[test]
    fn every_changed_byte_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = note().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(check(bytes).is_err());
    }

    #[test]
    fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>) {
        if let Ok(note) = SignedNote::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
        }
    }
}
