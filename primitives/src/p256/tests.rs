use super::*;
use ::p256::ecdsa::SigningKey;
use proptest::prelude::*;

/// A case of Wycheproof, with the key compressed.
struct Case {
    id: u64,
    comment: String,
    message: Vec<u8>,
    key: [u8; 33],
    signature: [u8; 64],
    valid: bool,
}

fn cases() -> Vec<Case> {
    let file = include_str!("../../vectors/p256-wycheproof.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(file).unwrap();
    let text = |case: &serde_json::Value, field: &str| case[field].as_str().unwrap().to_owned();
    cases
        .iter()
        .map(|case| Case {
            id: case["tcId"].as_u64().unwrap(),
            comment: text(case, "comment"),
            message: hex::decode(text(case, "msg")).unwrap(),
            key: hex::decode(text(case, "key")).unwrap().try_into().unwrap(),
            signature: hex::decode(text(case, "sig")).unwrap().try_into().unwrap(),
            valid: text(case, "result") == "valid",
        })
        .collect()
}

/// Verifies with both implementations, which must agree.
fn verify_with_both(message: &[u8], key: &[u8; 33], signature: &[u8; 64]) -> Result<(), P256Error> {
    let result = verify(message, key, signature);
    if let Ok(key) = VerifyingKey::from_slice(key) {
        assert_eq!(key.verify_with_ring(message, signature), result, "ring and p256 disagree");
    }
    result
}

/// Returns n - s in place of s.
fn negate_s(signature: &[u8; 64]) -> [u8; 64] {
    let (r, s) = ecdsa::Signature::from_slice(signature).unwrap().split_scalars();
    to_array(&ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes())
}

fn is_high(signature: &[u8; 64]) -> bool {
    signature[32..] > HALF_ORDER[..] && signature[32..] < ORDER[..]
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// A key, a message and a valid signature.
fn signed() -> ([u8; 33], &'static [u8], [u8; 64]) {
    (compressed(key(7).verifying_key()), b"message", sign(&key(7), b"message"))
}

#[test]
fn the_cases_of_wycheproof_have_the_expected_verdict_from_both_implementations() {
    let (mut valid, mut high) = (0, 0);
    for Case { id, comment, message, key, signature, valid: is_valid } in cases() {
        let result = verify_with_both(&message, &key, &signature);
        assert_eq!(result.is_ok(), is_valid && !is_high(&signature), "case {id}, {comment}: {result:?}");
        if is_valid && is_high(&signature) {
            assert_eq!(result, Err(P256Error::HighS), "case {id}, {comment}");
            let low = normalize_s(&signature).unwrap();
            assert_eq!(verify_with_both(&message, &key, &low), Ok(()), "case {id}, {comment}");
            high += 1;
        }
        valid += usize::from(is_valid);
    }
    assert_eq!((valid, high), (173, 70));
}

#[test]
fn a_signature_is_the_one_of_rfc_6979() {
    // Appendix A.2.5, SHA-256, the message "sample". The RFC has the high s.
    let secret = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
    let expected = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                    f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    let expected: [u8; 64] = hex::decode(expected).unwrap().try_into().unwrap();
    let key = SigningKey::from_slice(&secret).unwrap();
    assert!(is_high(&expected));
    assert_eq!(sign(&key, b"sample"), negate_s(&expected));
    let public = compressed(key.verifying_key());
    assert_eq!(verify_with_both(b"sample", &public, &expected), Err(P256Error::HighS));
    assert_eq!(verify_with_both(b"sample", &public, &negate_s(&expected)), Ok(()));
}

#[test]
fn only_the_compressed_encoding_of_a_point_is_a_key() {
    let point = *key(7).verifying_key();
    let (short, long) = (compressed(&point), point.to_encoded_point(false).as_bytes().to_vec());
    assert_eq!(VerifyingKey::from_slice(&short).unwrap().to_bytes(), short);
    let with_prefix = |prefix: u8, bytes: &[u8]| [&[prefix], &bytes[1..]].concat();
    // The other prefix is another point.
    let other = with_prefix(short[0] ^ 1, &short);
    assert!(VerifyingKey::from_slice(&other).is_ok());
    assert!(verify(b"message", &other.try_into().unwrap(), &signed().2).is_err());
    for (bytes, error) in [
        (long.clone(), P256Error::Prefix(4)),
        (with_prefix(6 + (short[0] & 1), &long), P256Error::Prefix(6 + (short[0] & 1))),
        (with_prefix(4, &short), P256Error::Prefix(4)),
        (with_prefix(5, &short), P256Error::Prefix(5)),
        (with_prefix(6, &short), P256Error::Prefix(6)),
        (with_prefix(0, &short), P256Error::Prefix(0)),
        (with_prefix(1, &short), P256Error::Prefix(1)),
        (with_prefix(0x82, &short), P256Error::Prefix(0x82)),
        (vec![0], P256Error::Prefix(0)),
        (vec![0; 33], P256Error::Prefix(0)),
        (vec![], P256Error::Length(0)),
        (short[..32].to_vec(), P256Error::Length(32)),
        ([&short[..], &[0]].concat(), P256Error::Length(34)),
    ] {
        assert_eq!(VerifyingKey::from_slice(&bytes).map(|_| ()), Err(error), "{}", hex::encode(&bytes));
    }
}

#[test]
fn a_key_off_the_curve_is_refused() {
    // The prime of the field, so that x = p, which is 0 if it is reduced; and 0 is on the curve.
    let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    let key = |x: &str| -> [u8; 33] { hex::decode(format!("02{x}")).unwrap().try_into().unwrap() };
    let zero = "00".repeat(32);
    assert!(VerifyingKey::from_slice(&key(&zero)).is_ok());
    for x in [p, &"ff".repeat(32)] {
        assert_eq!(VerifyingKey::from_slice(&key(x)).map(|_| ()), Err(P256Error::NotOnCurve), "{x}");
        assert_eq!(verify(b"message", &key(x), &signed().2), Err(P256Error::NotOnCurve));
    }
    // About half of all x have no point.
    let off = (1u8..=100)
        .filter(|n| {
            VerifyingKey::from_slice(&key(&format!("{}{n:02x}", "00".repeat(31)))).map(|_| ())
                == Err(P256Error::NotOnCurve)
        })
        .count();
    assert!((30..70).contains(&off), "{off}");
}

#[test]
fn r_and_s_are_at_least_one_and_less_than_the_order() {
    let (key, message, signature) = signed();
    let (r, s) = signature.split_at(32);
    let max = [0xff; 32];
    for (r, s) in [
        (&[0; 32][..], s),
        (r, &[0; 32][..]),
        (&[0; 32][..], &[0; 32][..]),
        (&ORDER[..], s),
        (r, &ORDER[..]),
        (&max[..], s),
        (r, &max[..]),
    ] {
        let changed = [r, s].concat().try_into().unwrap();
        assert_eq!(verify_with_both(message, &key, &changed), Err(P256Error::Range));
        assert_eq!(normalize_s(&changed), Err(P256Error::Range));
    }
    // The limits themselves are in range.
    let mut last = ORDER;
    last[31] -= 1;
    let one = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };
    for (r, s, error) in [
        (&last, &HALF_ORDER, P256Error::Mismatch),
        (&one, &one, P256Error::Mismatch),
        (&one, &last, P256Error::HighS),
    ] {
        let changed = [r.as_slice(), s].concat().try_into().unwrap();
        assert_eq!(verify_with_both(message, &key, &changed), Err(error));
    }
    let mut above = HALF_ORDER;
    above[31] += 1;
    let changed = [one, above].concat().try_into().unwrap();
    assert_eq!(verify_with_both(message, &key, &changed), Err(P256Error::HighS));
    assert_eq!(normalize_s(&changed).unwrap()[32..], HALF_ORDER);
}

#[test]
fn a_signature_with_a_changed_bit_is_refused() {
    let (key, message, signature) = signed();
    assert_eq!(verify_with_both(message, &key, &signature), Ok(()));
    assert!(verify_with_both(b"massage", &key, &signature).is_err());
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_with_both(message, &key, &changed).is_err(), "bit {bit}");
    }
    for bit in 0..264 {
        let mut changed = key;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_with_both(message, &changed, &signature).is_err(), "bit {bit} of the key");
    }
}

#[test]
fn each_error_says_what_is_wrong() {
    for (error, words) in [
        (P256Error::Prefix(4), "uncompressed"),
        (P256Error::Prefix(7), "hybrid"),
        (P256Error::Prefix(0), "infinity"),
        (P256Error::Length(32), "32 bytes"),
        (P256Error::NotOnCurve, "curve"),
        (P256Error::Range, "big-endian"),
        (P256Error::HighS, "minus s"),
        (P256Error::Mismatch, "not valid"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_a_key_signs_is_valid_with_the_low_s_alone(seed in 1u8..255, message in any::<Vec<u8>>()) {
        let key = key(seed);
        let public = compressed(key.verifying_key());
        let signature = sign(&key, &message);
        prop_assert_eq!(verify_with_both(&message, &public, &signature), Ok(()));
        let high = negate_s(&signature);
        prop_assert_eq!(verify_with_both(&message, &public, &high), Err(P256Error::HighS));
        prop_assert_eq!(normalize_s(&high), Ok(signature));
        prop_assert_eq!(normalize_s(&signature), Ok(signature));
    }

    #[test]
    fn any_bytes_have_one_verdict(key: [u8; 32], prefix in 2u8..4, message in any::<Vec<u8>>(), r: [u8; 32], s: [u8; 32]) {
        let key = [&[prefix], &key[..]].concat().try_into().unwrap();
        let signature = [r, s].concat().try_into().unwrap();
        prop_assert!(verify_with_both(&message, &key, &signature).is_err());
    }
}
