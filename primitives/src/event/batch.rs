//! Batch verification of events, which takes well under half the time of verifying them one by one. Requires `std`.
//!
//! The result for each event is exactly that of [`SignedEvent::verify`]:
//!
//! - sr25519: the group has prime order and encodings are canonical. The batch equation therefore holds only if the
//!   equation of each signature holds, except with a probability of 2^-128.
//! - Ed25519: encodings are checked one by one, and equations are always multiplied by the cofactor, in a batch and alone.
//!   That maps them to a group of prime order too, as the module [`crate::ed25519`] explains.
//! - P-256: ECDSA has no batch equation, so each signature is verified alone; with the feature `ring`, by that crate.
//!
//! If a batch fails, it is split into chunks, and the signatures of each chunk that fails are verified one by one. An
//! invalid signature therefore slows down only its own chunk, and causes no other event to be rejected.

use super::{
    parsed_key::{ParsedDeviceKey, ParsedKey},
    EventError, SignedEvent, VerifiedEvent,
};
use crate::{
    ed25519::{self, ParsedSignature},
    hash::Domain,
    p256::{self, P256Error},
    signature::{signed_bytes, Signature, SignatureError},
    Hash,
};
use alloc::vec::Vec;

/// The number of signatures that are verified together after a whole batch has failed.
const CHUNK: usize = 32;

/// An sr25519 signature to verify.
struct Sr25519Signature {
    key: schnorrkel::PublicKey,
    hash: Hash,
    signature: schnorrkel::Signature,
}

/// The signatures that are verified together, each with the index of its event.
#[derive(Default)]
struct Batches<'k> {
    sr25519: Vec<(usize, Sr25519Signature)>,
    ed25519: Vec<(usize, ParsedSignature<'k>)>,
}

impl<'k> Batches<'k> {
    /// Verifies everything but the signature of an event, and adds the signature to a batch. A P-256 signature is verified
    /// at once. Returns the hash of the event's header.
    fn add(&mut self, at: usize, event: &SignedEvent, key: &'k ParsedDeviceKey) -> Result<Hash, EventError> {
        if event.header.device != key.device() {
            return Err(EventError::Device);
        }
        event.expected_key(key.key())?;
        let hash = event.header.hash();
        match (key.parsed(), &event.signature) {
            (ParsedKey::Sr25519(key), Signature::Sr25519(bytes)) => {
                let signature =
                    schnorrkel::Signature::from_bytes(bytes).map_err(|_| EventError::Signature)?;
                self.sr25519.push((at, Sr25519Signature { key: *key, hash, signature }));
            }
            (ParsedKey::Ed25519(key), Signature::Ed25519(bytes)) => {
                let signature = key.parse_signature(&signed_bytes(Domain::EventHeader, &hash), bytes);
                self.ed25519.push((at, signature.ok_or(EventError::Signature)?));
            }
            (ParsedKey::P256(key), Signature::P256(bytes)) => {
                verify_p256(key, &signed_bytes(Domain::EventHeader, &hash), bytes)
                    .map_err(SignatureError::from)?;
            }
            (
                ParsedKey::Sr25519(_) | ParsedKey::Ed25519(_) | ParsedKey::P256(_) | ParsedKey::Malformed,
                _,
            ) => return Err(EventError::Signature),
        }
        Ok(hash)
    }

    /// Verifies the batches. Returns the indices of the events whose signature is invalid.
    fn find_invalid(mut self) -> Vec<usize> {
        // Adjacent signatures of one key share a term of the batch equation.
        self.sr25519.sort_unstable_by_key(|(_, signature)| signature.key.to_bytes());
        self.ed25519.sort_unstable_by_key(|(_, signature)| *signature.key().as_bytes());
        let context = schnorrkel::signing_context(Domain::EventHeader.context().as_bytes());
        let mut invalid = find_invalid(&self.sr25519, |signatures| verify_sr25519(&context, signatures));
        invalid.extend(find_invalid(&self.ed25519, verify_ed25519));
        invalid
    }
}

/// Verifies device, version, signer and signature of each event against its key. The results are in the order of the
/// events.
pub fn verify_batch(events: Vec<(SignedEvent, &ParsedDeviceKey)>) -> Vec<Result<VerifiedEvent, EventError>> {
    let mut batches = Batches::default();
    let mut results: Vec<Result<Hash, EventError>> =
        events.iter().enumerate().map(|(at, (event, key))| batches.add(at, event, key)).collect();
    for at in batches.find_invalid() {
        if let Some(result) = results.get_mut(at) {
            *result = Err(EventError::Signature);
        }
    }
    events
        .into_iter()
        .zip(results)
        .map(|((event, _), result)| result.map(|hash| VerifiedEvent { event, hash }))
        .collect()
}

/// Returns the indices of the invalid signatures. Verifies all of them together first, then in chunks, then one by one.
fn find_invalid<T>(signatures: &[(usize, T)], verify: impl Fn(&[(usize, T)]) -> bool) -> Vec<usize> {
    if signatures.is_empty() || verify(signatures) {
        return Vec::new();
    }
    signatures
        .chunks(CHUNK)
        .filter(|chunk| !verify(chunk))
        .flat_map(|chunk| chunk.chunks(1).filter(|one| !verify(one)))
        .flat_map(|one| one.iter().map(|(at, _)| *at))
        .collect()
}

/// Returns true if all signatures are valid.
fn verify_sr25519(
    context: &schnorrkel::context::SigningContext,
    signatures: &[(usize, Sr25519Signature)],
) -> bool {
    match signatures {
        [(_, one)] => one.key.verify(context.bytes(one.hash.as_bytes()), &one.signature).is_ok(),
        _ => {
            let transcripts = signatures.iter().map(|(_, one)| context.bytes(one.hash.as_bytes()));
            let keys: Vec<_> = signatures.iter().map(|(_, one)| one.key).collect();
            let signatures: Vec<_> = signatures.iter().map(|(_, one)| one.signature).collect();
            schnorrkel::verify_batch(transcripts, &signatures, &keys, true).is_ok()
        }
    }
}

/// Returns true if all signatures are valid.
fn verify_ed25519(signatures: &[(usize, ParsedSignature<'_>)]) -> bool {
    match signatures {
        [(_, one)] => one.verify(),
        _ => ed25519::verify_batch(signatures.iter().map(|(_, one)| one)),
    }
}

/// Verifies one signature with the fastest implementation that was built in.
fn verify_p256(key: &p256::VerifyingKey, message: &[u8], signature: &[u8; 64]) -> Result<(), P256Error> {
    #[cfg(any(test, feature = "ring"))]
    return key.verify_with_ring(message, signature);
    #[cfg(not(any(test, feature = "ring")))]
    key.verify(message, signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::LabelHash,
        event::{EventHeader, EventKind, Signer, VERSION},
        signature::{sign_ed25519, sign_p256, sign_sr25519},
        AccountId, DeviceId, DeviceKey, PublicKey,
    };
    use proptest::prelude::*;

    enum Pair {
        Sr(Box<schnorrkel::Keypair>),
        Ed(Box<ed25519_dalek::SigningKey>),
        P256(Box<::p256::ecdsa::SigningKey>),
    }

    /// Key number `n`: in turn sr25519, Ed25519 and P-256.
    fn pair(n: u8) -> Pair {
        let seed = [n + 1; 32];
        match n % 3 {
            0 => {
                let secret = schnorrkel::MiniSecretKey::from_bytes(&seed).unwrap();
                Pair::Sr(Box::new(secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)))
            }
            1 => Pair::Ed(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))),
            _ => Pair::P256(Box::new(::p256::ecdsa::SigningKey::from_slice(&seed).unwrap())),
        }
    }

    fn public(pair: &Pair) -> PublicKey {
        match pair {
            Pair::Sr(pair) => PublicKey::Sr25519(pair.public.to_bytes()),
            Pair::Ed(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Pair::P256(key) => key.verifying_key().into(),
        }
    }

    /// The key as the first one of its device.
    fn first(key: DeviceKey) -> ParsedDeviceKey {
        ParsedDeviceKey::new(key.device_id(), key)
    }

    fn key(n: u8) -> ParsedDeviceKey {
        first(DeviceKey::Own(public(&pair(n))))
    }

    fn event(n: u8, sequence: u64) -> SignedEvent {
        let header = EventHeader {
            version: VERSION,
            device: key(n).device(),
            sequence,
            previous: Hash::ZERO,
            time: 1,
            kind: EventKind::Status,
            body_hash: Hash([2; 32]),
        };
        let signature = match pair(n) {
            Pair::Sr(pair) => sign_sr25519(&pair, Domain::EventHeader, &header.hash()),
            Pair::Ed(key) => sign_ed25519(&key, Domain::EventHeader, &header.hash()),
            Pair::P256(key) => sign_p256(&key, Domain::EventHeader, &header.hash()),
        };
        SignedEvent { header, signer: Signer::Device, signature }
    }

    fn alter(event: &mut SignedEvent, how: u8) {
        match how {
            0 => {}
            1 => event.header.time += 1,
            2 => event.header.version += 1,
            3 => event.header.device = DeviceId([7; 32]),
            4 => event.signer = Signer::Gateway(AccountId([1; 32])),
            5 => {
                event.signature = match event.signature {
                    Signature::Sr25519(bytes) => Signature::Ed25519(bytes),
                    Signature::Ed25519(bytes) => Signature::P256(bytes),
                    Signature::P256(bytes) => Signature::Sr25519(bytes),
                }
            }
            6 => raise_s(event),
            bit => {
                let (Signature::Sr25519(bytes) | Signature::Ed25519(bytes) | Signature::P256(bytes)) =
                    &mut event.signature;
                bytes[usize::from(bit) % 64] ^= 1 << (bit % 8);
            }
        }
    }

    /// Replaces the s of a P-256 signature by the high one.
    fn raise_s(event: &mut SignedEvent) {
        if let Signature::P256(bytes) = &mut event.signature {
            let (r, s) = ::p256::ecdsa::Signature::from_slice(bytes).unwrap().split_scalars();
            let high = ::p256::ecdsa::Signature::from_scalars(r, -*s).unwrap();
            bytes.copy_from_slice(&high.to_bytes());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_batch_agrees_with_verifying_each_event(spec in proptest::collection::vec((0u8..6, prop_oneof![4 => Just(0u8), 1 => 1u8..7, 1 => any::<u8>()]), 0..90)) {
            let keys: Vec<ParsedDeviceKey> = (0..6).map(key).collect();
            let mut events = Vec::new();
            for (sequence, (n, how)) in spec.into_iter().enumerate() {
                let mut event = event(n, sequence as u64);
                alter(&mut event, how);
                events.push((event, &keys[usize::from(n)]));
            }
            let alone: Vec<_> = events
                .iter()
                .map(|(event, key)| {
                    if event.header.device != key.device() {
                        return Err(EventError::Device);
                    }
                    event.clone().verify(key.key())
                })
                .collect();
            prop_assert_eq!(verify_batch(events), alone);
        }
    }

    #[test]
    fn one_invalid_signature_does_not_affect_others() {
        for n in [0, 1, 2] {
            let key = key(n);
            let mut events: Vec<_> = (0..100).map(|sequence| (event(n, sequence), &key)).collect();
            events[50].0.signature = events[51].0.signature;
            for (at, result) in verify_batch(events).into_iter().enumerate() {
                assert_eq!(result.is_ok(), at != 50, "{at}");
            }
        }
    }

    #[test]
    fn the_gateway_signs_for_a_hosted_device() {
        let Pair::Sr(pair) = pair(3) else { unreachable!() };
        let gateway = AccountId(pair.public.to_bytes());
        let key = first(DeviceKey::Hosted { gateway, label: LabelHash([1; 32]) });
        let mut event = event(3, 0);
        event.header.device = key.device();
        event.signature = sign_sr25519(&pair, Domain::EventHeader, &event.header.hash());
        assert_eq!(verify_batch(vec![(event.clone(), &key)]), [Err(EventError::Signer)]);
        event.signer = Signer::Gateway(gateway);
        let verified = verify_batch(vec![(event.clone(), &key)]).remove(0).unwrap();
        assert_eq!(verified.hash(), event.header.hash());
    }

    #[test]
    fn a_signature_that_only_another_batch_rule_accepts_is_rejected() {
        // With the identity as key and nonce, and s = 0, the batch equation of ed25519-dalek holds for any message.
        let mut identity = [0u8; 32];
        identity[0] = 1;
        let mut forged = [0u8; 64];
        forged[0] = 1;
        let key = first(DeviceKey::Own(PublicKey::Ed25519(identity)));
        let mut event = event(3, 0);
        event.header.device = key.device();
        event.signature = Signature::Ed25519(forged);
        let message = signed_bytes(Domain::EventHeader, &event.header.hash());
        let (signature, parsed) = (
            ed25519_dalek::Signature::from_bytes(&forged),
            ed25519_dalek::VerifyingKey::from_bytes(&identity).unwrap(),
        );
        assert!(ed25519_dalek::verify_batch(&[&message], &[signature], &[parsed]).is_ok());
        assert_eq!(verify_batch(vec![(event, &key)]), [Err(EventError::Signature)]);
    }

    #[test]
    fn a_high_s_is_refused_by_name_and_alone() {
        let key = key(2);
        let mut events: Vec<_> = (0..10).map(|sequence| (event(2, sequence), &key)).collect();
        raise_s(&mut events[4].0);
        for (at, result) in verify_batch(events).into_iter().enumerate() {
            assert_eq!(result.err(), (at == 4).then_some(EventError::HighS), "{at}");
        }
    }

    #[test]
    fn no_signature_is_valid_for_a_malformed_key() {
        for (n, malformed) in [(0, PublicKey::Sr25519([0xff; 32])), (2, PublicKey::P256([0xff; 33]))] {
            let key = DeviceKey::Own(malformed);
            let parsed = first(key.clone());
            let mut event = event(n, 0);
            event.header.device = parsed.device();
            for _ in 0..2 {
                assert_eq!(event.clone().verify(&key), Err(EventError::Signature));
                assert_eq!(verify_batch(vec![(event.clone(), &parsed)]), [Err(EventError::Signature)]);
                raise_s(&mut event);
            }
        }
    }
}
