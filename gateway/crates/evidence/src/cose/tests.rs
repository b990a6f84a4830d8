use super::*;
use proptest::prelude::*;
use streembit_primitives::{
    merkle::{path_of_leaf, root_of_leaves},
    AccountId, LogId,
};

const SIZE: u64 = 11;
const INDEX: u64 = 6;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn origin() -> Origin {
    Origin { genesis: Hash([1; 32]), log: LogId::first(AccountId([2; 32])) }
}

fn verifier_of(origin: Origin, key: &SigningKey) -> VerifierKey {
    VerifierKey::new(origin, &LogKey(key.verifying_key().to_bytes())).unwrap()
}

fn verifier() -> VerifierKey {
    verifier_of(origin(), &key())
}

fn digest(index: u64) -> Hash {
    Hash([index as u8; 32])
}

/// Returns a statement about entry `index` of a log of `size` entries.
fn statement(index: u64, size: u64) -> Result<Statement, CoseError> {
    let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&digest(index))).collect();
    let path = InclusionProof::new(path_of_leaf(LOG_TREE, &leaves, index).unwrap_or_default());
    let root = root_of_leaves(LOG_TREE, &leaves);
    Statement::sign(
        &origin(),
        &IncludedDigest { digest: digest(index), index, path: &path, size, root },
        &key(),
    )
}

fn encoded() -> Vec<u8> {
    statement(INDEX, SIZE).unwrap().encode().unwrap()
}

fn check(bytes: &[u8]) -> Result<VerifiedStatement, CoseError> {
    Statement::decode(bytes)?.verify(&digest(INDEX), &verifier())
}

#[test]
fn a_statement_proves_the_entry() {
    let verified = check(&encoded()).unwrap();
    assert_eq!((*verified.digest(), verified.index(), verified.size()), (digest(INDEX), INDEX, SIZE));
    assert_eq!(Statement::decode(&encoded()), statement(INDEX, SIZE));
}

/// The expected hash was computed with Python's `cbor2` and `cryptography`, not with this code.
#[test]
fn a_statement_has_pinned_bytes() {
    let hash = sp_crypto_hashing::sha2_256(&encoded());
    assert_eq!(hex::encode(hash), "38a9f426c53c4bb15ea6953d4518606d1215429069ed1879f7c053d33d7453e7");
}

#[test]
fn a_statement_has_the_labels_of_the_rfcs() {
    let Value::Tag(18, message) = de::from_reader(encoded().as_slice()).unwrap() else { panic!() };
    let [Value::Bytes(protected), unprotected, payload, _] = message.as_array().unwrap().as_slice() else {
        panic!()
    };
    assert_eq!(payload, &Value::Bytes(digest(INDEX).0.to_vec()));
    let labels =
        |map: &Value| -> Vec<Value> { map.as_map().unwrap().iter().map(|(key, _)| key.clone()).collect() };
    let protected: Value = de::from_reader(protected.as_slice()).unwrap();
    let numbers = [1, 4, 15, 258, 259].map(Value::from);
    assert_eq!(labels(&protected), [&numbers[..], &[Value::from("limits")]].concat());
    assert_eq!(labels(unprotected), [Value::from(394)]);
    let receipts = unprotected.as_map().unwrap()[0].1.as_array().unwrap();
    let receipt = receipts[0].as_bytes().unwrap();
    let Value::Tag(18, receipt) = de::from_reader(receipt.as_slice()).unwrap() else { panic!() };
    let [Value::Bytes(protected), proofs, Value::Null, _] = receipt.as_array().unwrap().as_slice() else {
        panic!()
    };
    let protected: Value = de::from_reader(protected.as_slice()).unwrap();
    assert_eq!(labels(&protected), [1, 4, 15, 395].map(Value::from));
    assert_eq!(labels(proofs), [Value::from(396)]);
    assert_eq!(labels(&proofs.as_map().unwrap()[0].1), [Value::from(-1)]);
}

#[test]
fn other_entries_logs_and_keys_are_refused() {
    let statement = statement(INDEX, SIZE).unwrap();
    assert_eq!(
        statement.verify(&digest(1), &verifier()),
        Err(CoseError::OtherEntry { expected: digest(1), found: digest(INDEX) })
    );
    let other_log = Origin { log: LogId { epoch: 1, ..origin().log }, ..origin() };
    let other_chain = Origin { genesis: Hash::ZERO, ..origin() };
    let other_key = SigningKey::from_bytes(&[6; 32]);
    for wrong in
        [verifier_of(other_log, &key()), verifier_of(other_chain, &key()), verifier_of(origin(), &other_key)]
    {
        assert_eq!(statement.verify(&digest(INDEX), &wrong), Err(CoseError::Headers(STATEMENT)));
    }
}

#[test]
fn a_receipt_of_another_entry_or_place_is_refused() {
    let mut borrowed = statement(INDEX, SIZE).unwrap();
    borrowed.receipt = statement(1, SIZE).unwrap().receipt;
    assert_eq!(borrowed.verify(&digest(INDEX), &verifier()), Err(CoseError::Signature(RECEIPT)));
    let mut moved = statement(INDEX, SIZE).unwrap();
    moved.receipt.index = 7;
    assert_eq!(moved.verify(&digest(INDEX), &verifier()), Err(CoseError::Signature(RECEIPT)));
    moved.receipt.index = SIZE;
    assert_eq!(moved.verify(&digest(INDEX), &verifier()), Err(CoseError::Proof));
    let mut attached = statement(INDEX, SIZE).unwrap();
    attached.receipt.message.payload = Some(vec![0; 32]);
    assert_eq!(attached.verify(&digest(INDEX), &verifier()), Err(CoseError::Payload(RECEIPT)));
    // The statement's own signature does not stand for that of the receipt.
    let mut exchanged = statement(INDEX, SIZE).unwrap();
    exchanged.receipt.message.signature = exchanged.message.signature.clone();
    assert_eq!(exchanged.verify(&digest(INDEX), &verifier()), Err(CoseError::Signature(RECEIPT)));
}

#[test]
fn a_receipt_with_the_path_of_another_size_is_refused() {
    // The same key signed all sizes of the log, and all have the same entry at this index.
    for size in (INDEX + 1..40).filter(|size| *size != SIZE) {
        let mut spliced = statement(INDEX, SIZE).unwrap();
        spliced.receipt.path = statement(INDEX, size).unwrap().receipt.path;
        let error = spliced.verify(&digest(INDEX), &verifier()).unwrap_err();
        assert!(matches!(error, CoseError::Proof | CoseError::Signature(RECEIPT)), "{size}: {error}");
    }
}

#[test]
fn only_the_one_encoding_is_read() {
    let bytes = encoded();
    assert!(matches!(Statement::decode(&[&bytes[..], &[0]].concat()), Err(CoseError::Cbor { .. })));
    assert!(matches!(Statement::decode(&bytes[..bytes.len() - 1]), Err(CoseError::Cbor { .. })));
    assert!(matches!(Statement::decode(&bytes[1..]), Err(CoseError::Cbor { .. })), "without the tag");
    // The array of four items with its length in another byte.
    let longer = [&bytes[..1], &[0x98, 4], &bytes[2..]].concat();
    assert_eq!(Statement::decode(&longer), Err(CoseError::NotCanonical));
    assert_eq!(
        Statement::decode(&[0; MAX_STATEMENT_BYTES + 1]),
        Err(CoseError::TooLong(MAX_STATEMENT_BYTES + 1))
    );
    // Another unprotected parameter, which no signature covers.
    let mut more = statement(INDEX, SIZE).unwrap();
    more.message.unprotected.rest.push((Label::Int(500), Value::Null));
    assert_eq!(Statement::decode(&more.encode().unwrap()), Err(CoseError::Headers(STATEMENT)));
    more.message.unprotected =
        Header { key_id: vec![1], ..statement(INDEX, SIZE).unwrap().message.unprotected };
    assert_eq!(Statement::decode(&more.encode().unwrap()), Err(CoseError::Headers(STATEMENT)));
}

#[test]
fn a_receipt_needs_a_path() {
    assert_eq!(statement(0, 1), Err(CoseError::SingleEntry));
    assert_eq!(encode_proof(5, 5, &[]), Err(CoseError::OutOfRange { index: 5, size: 5 }));
}

proptest! {
    #[test]
    fn every_entry_is_proven(size in 2u64..40, at: prop::sample::Index) {
        let index = at.index(size as usize) as u64;
        let bytes = statement(index, size).unwrap().encode().unwrap();
        let verified = Statement::decode(&bytes).unwrap().verify(&digest(index), &verifier()).unwrap();
        prop_assert_eq!((verified.index(), verified.size()), (index, size));
    }

    #[test]
    fn a_changed_byte_is_refused_or_changes_only_the_size(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = encoded();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // The receipt does not authenticate the number of entries: the path can be the same at several sizes.
        if let Ok(verified) = check(&bytes) {
            prop_assert_eq!((*verified.digest(), verified.index()), (digest(INDEX), INDEX));
            prop_assert_ne!(verified.size(), SIZE);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>, at: prop::sample::Index) {
        let _ = Statement::decode(&bytes);
        let _ = decode_proof(&bytes);
        let mut spliced = encoded();
        let at = at.index(spliced.len());
        spliced.splice(at..at, bytes);
        let _ = Statement::decode(&spliced);
    }
}
