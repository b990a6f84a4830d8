use super::*;
use curve25519_dalek::constants::EIGHT_TORSION;

/// A key, a message and a signature, and whether the signature is valid.
struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
    valid: bool,
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The twelve cases of "Taming the Many EdDSAs" (eprint 2020/1244, section 5), with the result under our rule.
fn taming() -> Vec<Case> {
    const SMALL: &str = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa";
    const MIXED: &str = "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43";
    const OTHER: &str = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
    const PRIME: &str = "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623";
    const REENCODED: &str = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    [
        // 0 to 2: A or R has small order.
        (SMALL, "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000", false),
        (SMALL, "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04", false),
        (MIXED, "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e", false),
        // 3: valid with and without the cofactor. 4 and 5: valid only with it; 5 is not if 8k is reduced first.
        (OTHER, "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009", true),
        (OTHER, "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09", true),
        (OTHER, "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405", true),
        // 6 and 7: s is not less than l.
        (PRIME, "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514", false),
        (PRIME, "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22", false),
        // 8 to 11: R or A is not canonical.
        (MIXED, "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f", false),
        (MIXED, "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908", false),
        (REENCODED, "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b", "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04", false),
        (REENCODED, "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f", "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04", false),
    ]
    .into_iter()
    .map(|(key, message, signature, valid)| Case {
        key: bytes(key),
        message: hex::decode(message).unwrap(),
        signature: bytes(signature),
        valid,
    })
    .collect()
}

fn scalar(n: u8) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&[n.wrapping_add(1); 64])
}

/// Signs as the holder of a key who adds points of small order to the key and the nonce. Only the rest of them enters s.
fn signed(a: Scalar, key: EdwardsPoint, r: Scalar, nonce: EdwardsPoint, message: &[u8]) -> Case {
    let (key, r_bytes) = (key.compress().0, nonce.compress().0);
    let digest = Sha512::new().chain_update(r_bytes).chain_update(key).chain_update(message).finalize();
    let s = r + Scalar::from_bytes_mod_order_wide(&digest.into()) * a;
    let signature = [r_bytes, s.to_bytes()].concat().try_into().unwrap();
    Case { key, message: message.into(), signature, valid: true }
}

/// Each point of small order, added to the key and the nonce, and alone as the key and as the nonce.
fn torsion() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, in_key) in (0u8..).zip(EIGHT_TORSION) {
        for (j, in_nonce) in (0u8..).zip(EIGHT_TORSION) {
            let (a, r) = (scalar(i), scalar(100 + j));
            let (key, nonce) = (EdwardsPoint::mul_base(&a), EdwardsPoint::mul_base(&r));
            let message = [i, j];
            cases.push(signed(a, key + in_key, r, nonce + in_nonce, &message));
            let small_key = signed(Scalar::ZERO, in_key, r, nonce + in_nonce, &message);
            let small_nonce = signed(a, key + in_key, Scalar::ZERO, in_nonce, &message);
            let both = signed(Scalar::ZERO, in_key, Scalar::ZERO, in_nonce, &message);
            cases.extend([small_key, small_nonce, both].map(|case| Case { valid: false, ..case }));
        }
    }
    cases
}

/// Valid signatures, and invalid ones with a changed bit or message.
fn plain() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in 0..40u8 {
        let (a, r) = (scalar(n % 5), scalar(n + 50));
        let valid = || signed(a, EdwardsPoint::mul_base(&a), r, EdwardsPoint::mul_base(&r), &[n]);
        cases.push(valid());
        let mut invalid = Case { valid: false, ..valid() };
        invalid.signature[usize::from(n) % 64] ^= 1;
        cases.push(invalid);
        cases.push(Case { valid: false, message: vec![n + 1], ..valid() });
    }
    cases
}

fn all() -> Vec<Case> {
    taming().into_iter().chain(torsion()).chain(plain()).collect()
}

#[test]
fn each_signature_alone_follows_the_rule() {
    for (at, case) in all().iter().enumerate() {
        let is_valid =
            VerifyingKey::from_bytes(&case.key).is_some_and(|key| key.verify(&case.message, &case.signature));
        assert_eq!(is_valid, case.valid, "case {at}");
    }
}

#[test]
fn a_batch_agrees_with_each_signature_alone() {
    let cases = all();
    let keys: Vec<_> = cases.iter().map(|case| VerifyingKey::from_bytes(&case.key)).collect();
    let signatures: Vec<_> = cases
        .iter()
        .zip(&keys)
        .map(|(case, key)| key.as_ref().and_then(|key| key.parse_signature(&case.message, &case.signature)))
        .collect();
    let valid: Vec<_> =
        cases.iter().zip(&signatures).filter(|(case, _)| case.valid).map(|(_, one)| one.unwrap()).collect();
    assert!(valid.len() > 100);
    assert!(verify_batch(valid.iter()));
    assert!(verify_batch([].iter()));
    for (at, (case, signature)) in cases.iter().zip(&signatures).enumerate() {
        let Some(signature) = signature else {
            assert!(!case.valid, "case {at} cannot be parsed");
            continue;
        };
        // Alone, twice, and between valid signatures.
        assert_eq!(verify_batch([*signature].iter()), case.valid, "case {at} alone");
        assert_eq!(verify_batch([*signature, *signature].iter()), case.valid, "case {at} twice");
        for beside in [1, 7, 40] {
            let batch: Vec<_> =
                valid[..beside].iter().chain([signature]).chain(&valid[beside..2 * beside]).collect();
            assert_eq!(verify_batch(batch.into_iter()), case.valid, "case {at} beside {beside}");
        }
    }
}

#[test]
fn residues_of_small_order_cannot_cancel_out() {
    // Two residues of order 2. Without the cofactor, their sum is 0 for every other pair of factors.
    let (a, r) = (scalar(1), scalar(2));
    let two = EIGHT_TORSION[4];
    assert!((two + two).is_identity() && !two.is_identity());
    let case = |n| signed(a, EdwardsPoint::mul_base(&a), r, EdwardsPoint::mul_base(&r) + two, &[n]);
    for n in 0..20 {
        let (one, other) = (case(n), case(n + 100));
        let key = VerifyingKey::from_bytes(&one.key).unwrap();
        let strict = ed25519_dalek::VerifyingKey::from_bytes(&one.key).unwrap();
        let signature = ed25519_dalek::Signature::from_bytes(&one.signature);
        assert!(strict.verify_strict(&one.message, &signature).is_err());
        let signatures = [
            key.parse_signature(&one.message, &one.signature),
            key.parse_signature(&other.message, &other.signature),
        ]
        .map(Option::unwrap);
        assert!(signatures.iter().all(ParsedSignature::verify) && verify_batch(signatures.iter()));
    }
}

#[test]
fn whatever_strict_verification_accepts_is_accepted() {
    for (at, case) in all().iter().enumerate() {
        let strict = ed25519_dalek::VerifyingKey::from_bytes(&case.key).is_ok_and(|key| {
            key.verify_strict(&case.message, &ed25519_dalek::Signature::from_bytes(&case.signature)).is_ok()
        });
        assert!(!strict || case.valid, "case {at}");
    }
}

#[test]
fn only_canonical_encodings_are_parsed() {
    let p: [u8; 32] = bytes("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    let encodings = (0..=18u8).flat_map(|more| {
        let mut y = p;
        y[0] = y[0].wrapping_add(more);
        let mut signed = y;
        signed[31] |= 0x80;
        [y, signed]
    });
    let mut points = 0;
    for bytes in encodings {
        assert!(!is_y_canonical(&bytes));
        points += usize::from(CompressedEdwardsY(bytes).decompress().is_some());
        assert_eq!(VerifyingKey::from_bytes(&bytes), None);
    }
    assert!(points > 4, "without the check, some of these would decode");
    let mut largest = p;
    largest[0] -= 1;
    assert!(is_y_canonical(&largest) && is_y_canonical(&[0; 32]));
    // A sign bit although x is 0: the identity and the point of order 2.
    for y in [EIGHT_TORSION[0], EIGHT_TORSION[4]] {
        let mut bytes = y.compress().0;
        assert_eq!(VerifyingKey::from_bytes(&bytes), None);
        bytes[31] |= 0x80;
        assert_eq!(VerifyingKey::from_bytes(&bytes), None);
    }
}

/// Keys and nonces in encodings that are not canonical, with the scalar 0. Those of small order are valid by ZIP 215.
fn not_canonical() -> Vec<Case> {
    let p: [u8; 32] = bytes("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    let encodings = (0..=18u8).flat_map(|more| {
        let mut y = p;
        y[0] = y[0].wrapping_add(more);
        let mut signed = y;
        signed[31] |= 0x80;
        [y, signed]
    });
    let on_curve: Vec<_> =
        encodings.filter(|bytes| CompressedEdwardsY(*bytes).decompress().is_some()).collect();
    let case = |key: [u8; 32], nonce: [u8; 32]| {
        let signature = [nonce, [0; 32]].concat().try_into().unwrap();
        Case { key, message: vec![1], signature, valid: false }
    };
    on_curve.iter().flat_map(|key| on_curve.iter().map(move |nonce| case(*key, *nonce))).collect()
}

/// The verdict of `ed25519-zebra`, with which the chain verifies votes.
fn is_valid_by_zebra(case: &Case) -> bool {
    ed25519_zebra::VerificationKey::try_from(case.key)
        .is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from(case.signature), &case.message).is_ok())
}

#[test]
fn zip_215_agrees_with_zebra_alone_and_in_a_batch() {
    let judged = |case: Case| Case { valid: is_valid_by_zebra(&case), ..case };
    let cases: Vec<_> = all().into_iter().chain(not_canonical()).map(judged).collect();
    let strict = |case: &Case| {
        VerifyingKey::from_bytes(&case.key).is_some_and(|key| key.verify(&case.message, &case.signature))
    };
    assert!(cases.iter().any(|case| case.valid && !strict(case)), "no case tells the two rules apart");
    assert!(cases.iter().all(|case| case.valid || !strict(case)));

    let keys: Vec<_> = cases.iter().map(|case| VerifyingKey::from_bytes_zip215(&case.key)).collect();
    let signatures: Vec<_> = cases
        .iter()
        .zip(&keys)
        .map(|(case, key)| key.as_ref().and_then(|key| key.parse_signature(&case.message, &case.signature)))
        .collect();
    let valid: Vec<_> =
        cases.iter().zip(&signatures).filter(|(case, _)| case.valid).map(|(_, one)| one.unwrap()).collect();
    assert!(verify_batch(valid.iter()));
    for (at, (case, signature)) in cases.iter().zip(&signatures).enumerate() {
        let alone = signature.is_some_and(|signature| signature.verify());
        assert_eq!(alone, case.valid, "case {at} alone");
        let Some(signature) = signature else { continue };
        let batch = valid[..7].iter().chain([signature]).chain(&valid[7..20]);
        assert_eq!(verify_batch(batch), case.valid, "case {at} in a batch");
    }
}
