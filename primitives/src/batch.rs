//! Verification of many events at once, at well under half the cost of one by one. With `std` only.
//!
//! A batch says exactly what [`SignedEvent::verify`] says of each of its events:
//! - sr25519: the group has prime order and encodings are canonical, so that the batch equation holds (but for a chance
//!   of 2^-128) only if each signature's own does;
//! - ed25519: encodings are judged one by one and equations are multiplied by the cofactor, alone as in a batch, which
//!   takes them into a group of prime order as well: module [`crate::ed25519`] argues it.
//!
//! A batch that fails is split, and a part that fails is verified one by one: a bad signature costs itself and the few
//! beside it, and nobody else's event.

use crate::{
    ed25519,
    event::EventError,
    hash::Domain,
    signature::{ed25519_message, PublicKey, Signature},
    DeviceId, DeviceKey, Hash, SignedEvent, VerifiedEvent,
};
use alloc::vec::Vec;

/// How many signatures are tried together once a whole batch has failed.
const PART: usize = 32;

/// A device's key made ready to verify many events: parsed once.
#[derive(Clone, Debug)]
pub struct EventKey {
    device: DeviceId,
    key: DeviceKey,
    parsed: Parsed,
}

#[derive(Clone, Debug)]
enum Parsed {
    Sr25519(schnorrkel::PublicKey),
    Ed25519(ed25519::Key),
    /// No point of its curve: verifies nothing.
    Malformed,
}

impl EventKey {
    /// The key that a device was registered with.
    pub fn new(key: DeviceKey) -> Self {
        let parsed = match key.consenting() {
            PublicKey::Sr25519(bytes) => {
                schnorrkel::PublicKey::from_bytes(&bytes).map_or(Parsed::Malformed, Parsed::Sr25519)
            }
            PublicKey::Ed25519(bytes) => {
                ed25519::Key::from_bytes(&bytes).map_or(Parsed::Malformed, Parsed::Ed25519)
            }
        };
        Self { device: key.device_id(), key, parsed }
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The key as registered.
    pub fn key(&self) -> &DeviceKey {
        &self.key
    }
}

/// One sr25519 signature of a batch.
struct Claim {
    key: schnorrkel::PublicKey,
    hash: Hash,
    signature: schnorrkel::Signature,
}

/// Checks device, version, signer and signature of each event against its key. The results are in the events' order.
pub fn verify(events: Vec<(SignedEvent, &EventKey)>) -> Vec<Result<VerifiedEvent, EventError>> {
    // Each with its event's place in the batch.
    let (mut sr25519, mut ed25519) = (Vec::new(), Vec::new());
    let mut verdicts: Vec<Result<Hash, EventError>> = events
        .iter()
        .enumerate()
        .map(|(at, (event, key))| {
            if event.header.device != key.device {
                return Err(EventError::Device);
            }
            event.expected_key(&key.key)?;
            let hash = event.header.hash();
            match (&key.parsed, &event.signature) {
                (Parsed::Sr25519(key), Signature::Sr25519(bytes)) => {
                    let signature =
                        schnorrkel::Signature::from_bytes(bytes).map_err(|_| EventError::Signature)?;
                    sr25519.push((at, Claim { key: *key, hash, signature }));
                }
                (Parsed::Ed25519(key), Signature::Ed25519(bytes)) => {
                    let claim = key.claim(&ed25519_message(Domain::EventHeader, &hash), bytes);
                    ed25519.push((at, claim.ok_or(EventError::Signature)?));
                }
                _ => return Err(EventError::Signature),
            }
            Ok(hash)
        })
        .collect();
    // Signatures of one key side by side share a term of the equation.
    sr25519.sort_unstable_by_key(|(_, claim)| claim.key.to_bytes());
    ed25519.sort_unstable_by_key(|(_, claim)| *claim.key().as_bytes());
    let context = schnorrkel::signing_context(Domain::EventHeader.context().as_bytes());
    let mut refused = bad(&sr25519, |claims| all_hold(&context, claims));
    refused.extend(bad(&ed25519, |claims| match claims {
        [(_, claim)] => claim.holds(),
        _ => ed25519::all_hold(claims.iter().map(|(_, claim)| claim)),
    }));
    for at in refused {
        if let Some(verdict) = verdicts.get_mut(at) {
            *verdict = Err(EventError::Signature);
        }
    }
    events
        .into_iter()
        .zip(verdicts)
        .map(|((event, _), verdict)| verdict.map(|hash| VerifiedEvent::checked(event, hash)))
        .collect()
}

/// The places of the claims that do not hold: all together are tried first, then parts, then one by one.
fn bad<T>(claims: &[(usize, T)], hold: impl Fn(&[(usize, T)]) -> bool) -> Vec<usize> {
    if claims.is_empty() || hold(claims) {
        return Vec::new();
    }
    claims
        .chunks(PART)
        .filter(|part| !hold(part))
        .flat_map(|part| part.chunks(1).filter(|claim| !hold(claim)))
        .flat_map(|claim| claim.iter().map(|(at, _)| *at))
        .collect()
}

fn all_hold(context: &schnorrkel::context::SigningContext, claims: &[(usize, Claim)]) -> bool {
    match claims {
        [(_, claim)] => claim.key.verify(context.bytes(claim.hash.as_bytes()), &claim.signature).is_ok(),
        _ => {
            let transcripts = claims.iter().map(|(_, claim)| context.bytes(claim.hash.as_bytes()));
            let signatures: Vec<_> = claims.iter().map(|(_, claim)| claim.signature).collect();
            let keys: Vec<_> = claims.iter().map(|(_, claim)| claim.key).collect();
            schnorrkel::verify_batch(transcripts, &signatures, &keys, true).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventHeader, EventKind, Signer, VERSION},
        signature::{sign_ed25519, sign_sr25519},
        AccountId, Text,
    };
    use proptest::prelude::*;

    enum Pair {
        Sr(Box<schnorrkel::Keypair>),
        Ed(Box<ed25519_dalek::SigningKey>),
    }

    /// Key `n`: even ones sr25519, odd ones ed25519.
    fn pair(n: u8) -> Pair {
        if n % 2 == 1 {
            return Pair::Ed(Box::new(ed25519_dalek::SigningKey::from_bytes(&[n; 32])));
        }
        let secret = schnorrkel::MiniSecretKey::from_bytes(&[n; 32]).unwrap();
        Pair::Sr(Box::new(secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)))
    }

    fn public(pair: &Pair) -> PublicKey {
        match pair {
            Pair::Sr(pair) => PublicKey::Sr25519(pair.public.to_bytes()),
            Pair::Ed(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
        }
    }

    fn key(n: u8) -> EventKey {
        EventKey::new(DeviceKey::Own(public(&pair(n))))
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
        };
        SignedEvent { header, signer: Signer::Device, signature }
    }

    fn bend(event: &mut SignedEvent, how: u8) {
        match how {
            0 => {}
            1 => event.header.time += 1,
            2 => event.header.version += 1,
            3 => event.header.device = DeviceId([7; 32]),
            4 => event.signer = Signer::Gateway(AccountId([1; 32])),
            5 => {
                event.signature = match event.signature {
                    Signature::Sr25519(bytes) => Signature::Ed25519(bytes),
                    Signature::Ed25519(bytes) => Signature::Sr25519(bytes),
                }
            }
            bit => {
                let (Signature::Sr25519(bytes) | Signature::Ed25519(bytes)) = &mut event.signature;
                bytes[usize::from(bit) % 64] ^= 1 << (bit % 8);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_batch_says_what_each_alone_says(spec in proptest::collection::vec((0u8..6, prop_oneof![4 => Just(0u8), 1 => any::<u8>()]), 0..90)) {
            let keys: Vec<EventKey> = (0..6).map(key).collect();
            let mut events = Vec::new();
            for (sequence, (n, how)) in spec.into_iter().enumerate() {
                let mut event = event(n, sequence as u64);
                bend(&mut event, how);
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
            prop_assert_eq!(verify(events), alone);
        }
    }

    #[test]
    fn one_bad_signature_costs_only_itself() {
        for n in [2, 3] {
            let key = key(n);
            let mut events: Vec<_> = (0..100).map(|sequence| (event(n, sequence), &key)).collect();
            events[50].0.signature = events[51].0.signature;
            for (at, result) in verify(events).into_iter().enumerate() {
                assert_eq!(result.is_ok(), at != 50, "{at}");
            }
        }
    }

    #[test]
    fn a_hosted_device_is_its_gateways_to_sign() {
        let Pair::Sr(pair) = pair(4) else { unreachable!() };
        let gateway = AccountId(pair.public.to_bytes());
        let key = EventKey::new(DeviceKey::Hosted { gateway, label: Text::try_from("car").unwrap() });
        let mut event = event(4, 0);
        event.header.device = key.device();
        event.signature = sign_sr25519(&pair, Domain::EventHeader, &event.header.hash());
        assert_eq!(verify(vec![(event.clone(), &key)]), [Err(EventError::Signer)]);
        event.signer = Signer::Gateway(gateway);
        let verified = verify(vec![(event.clone(), &key)]).remove(0).unwrap();
        assert_eq!(verified.hash(), event.header.hash());
    }

    #[test]
    fn what_only_a_batch_would_accept_is_refused() {
        // The identity as key and as nonce, and s = 0: an equation of ed25519-dalek's batch holds for any message.
        let mut identity = [0u8; 32];
        identity[0] = 1;
        let mut forged = [0u8; 64];
        forged[0] = 1;
        let key = EventKey::new(DeviceKey::Own(PublicKey::Ed25519(identity)));
        let mut event = event(3, 0);
        event.header.device = key.device();
        event.signature = Signature::Ed25519(forged);
        let message = ed25519_message(Domain::EventHeader, &event.header.hash());
        let (signature, parsed) = (
            ed25519_dalek::Signature::from_bytes(&forged),
            ed25519_dalek::VerifyingKey::from_bytes(&identity).unwrap(),
        );
        assert!(ed25519_dalek::verify_batch(&[&message], &[signature], &[parsed]).is_ok());
        assert_eq!(verify(vec![(event, &key)]), [Err(EventError::Signature)]);
    }

    #[test]
    fn a_malformed_key_verifies_nothing() {
        let key = EventKey::new(DeviceKey::Own(PublicKey::Sr25519([0xff; 32])));
        let mut event = event(2, 0);
        event.header.device = key.device();
        assert_eq!(verify(vec![(event, &key)]), [Err(EventError::Signature)]);
    }
}
