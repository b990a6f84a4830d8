//! Proofs that a peer speaks for an account. The signature covers everything that a proof is valid for.

use super::wire::{Challenge, GatewayProof, Hello, Request, Subscribe};
use codec::Encode;
use libp2p::PeerId;
use streembit_keystore::KeyPair;
use streembit_primitives::{hash::Domain, AccountId, Hash, PublicKey, Signature};

/// The side that proves its account.
#[derive(Clone, Copy, Encode)]
pub(super) enum Side {
    #[codec(index = 0)]
    Gateway,
    #[codec(index = 1)]
    Subscriber,
}

/// The properties of a stream that both sides know before they sign.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The protocol's name.
    pub protocol: String,
    /// The gateway's peer id, authenticated by the transport.
    pub gateway: PeerId,
    /// The subscriber's peer id, authenticated by the transport.
    pub subscriber: PeerId,
}

/// Returns 32 random bytes.
pub fn challenge() -> Challenge {
    rand::random()
}

impl Channel {
    /// The message that a side signs: the side, the chain, the protocol, both peers, both challenges, and the request
    /// if it is known.
    pub(super) fn message(
        &self,
        side: Side,
        challenges: (&Challenge, &Challenge),
        request: Option<&Request>,
    ) -> Hash {
        let peers = (self.gateway.to_bytes(), self.subscriber.to_bytes());
        Domain::PeerProof.hash_of(&(side, self.genesis, &self.protocol, peers, challenges, request))
    }

    /// Signs the gateway's proof.
    pub fn prove_gateway(&self, keys: &KeyPair, hello: &Hello) -> GatewayProof {
        let challenge = challenge();
        let message = self.message(Side::Gateway, (&hello.challenge, &challenge), None);
        GatewayProof { challenge, account: keys.account(), signature: keys.sign(Domain::PeerProof, &message) }
    }

    /// Returns true if the proof's account has signed the proof for this stream.
    pub fn verify_gateway(&self, hello: &Hello, proof: &GatewayProof) -> bool {
        let message = self.message(Side::Gateway, (&hello.challenge, &proof.challenge), None);
        is_signed(&proof.account, &message, &proof.signature)
    }

    /// Signs the subscriber's proof together with its request.
    pub fn prove_subscriber(
        &self,
        keys: &KeyPair,
        hello: &Hello,
        gateway: &Challenge,
        request: Request,
    ) -> Subscribe {
        let message = self.message(Side::Subscriber, (&hello.challenge, gateway), Some(&request));
        Subscribe { account: keys.account(), signature: keys.sign(Domain::PeerProof, &message), request }
    }

    /// Returns true if the proof's account has signed the proof for this stream and this request.
    pub fn verify_subscriber(&self, hello: &Hello, gateway: &Challenge, proof: &Subscribe) -> bool {
        let message = self.message(Side::Subscriber, (&hello.challenge, gateway), Some(&proof.request));
        is_signed(&proof.account, &message, &proof.signature)
    }
}

fn is_signed(account: &AccountId, message: &Hash, signature: &Signature) -> bool {
    PublicKey::Sr25519(account.0).verify(Domain::PeerProof, message, signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::DeviceId;

    fn channel() -> Channel {
        Channel {
            genesis: Hash([1; 32]),
            protocol: "/streembit/01/events/1".into(),
            gateway: PeerId::random(),
            subscriber: PeerId::random(),
        }
    }

    fn request() -> Request {
        Request { device: DeviceId([2; 32]), next: 3, names: Default::default(), credit: 4 }
    }

    fn keys() -> KeyPair {
        KeyPair::from_seed([7; 32])
    }

    /// Channels that differ from `channel` in one property each.
    fn different_channels(channel: &Channel) -> [Channel; 5] {
        [
            Channel { genesis: Hash([9; 32]), ..channel.clone() },
            Channel { protocol: "/streembit/01/events/2".into(), ..channel.clone() },
            Channel { gateway: PeerId::random(), ..channel.clone() },
            Channel { subscriber: PeerId::random(), ..channel.clone() },
            Channel { gateway: channel.subscriber, subscriber: channel.gateway, ..channel.clone() },
        ]
    }

    #[test]
    fn a_gateways_proof_is_valid_for_one_stream_only() {
        let (channel, hello) = (channel(), Hello { challenge: challenge() });
        let proof = channel.prove_gateway(&keys(), &hello);
        assert!(channel.verify_gateway(&hello, &proof));
        assert!(different_channels(&channel).iter().all(|other| !other.verify_gateway(&hello, &proof)));
        assert!(!channel.verify_gateway(&Hello { challenge: challenge() }, &proof));
        let other = GatewayProof { account: KeyPair::from_seed([8; 32]).account(), ..proof };
        assert!(!channel.verify_gateway(&hello, &other));
    }

    #[test]
    fn a_subscribers_proof_is_valid_for_one_stream_and_request_only() {
        let (channel, hello, gateway) = (channel(), Hello { challenge: challenge() }, challenge());
        let proof = channel.prove_subscriber(&keys(), &hello, &gateway, request());
        assert!(channel.verify_subscriber(&hello, &gateway, &proof));
        assert!(different_channels(&channel)
            .iter()
            .all(|other| !other.verify_subscriber(&hello, &gateway, &proof)));
        assert!(!channel.verify_subscriber(&hello, &challenge(), &proof), "replayed on another stream");
        assert!(!channel.verify_subscriber(&Hello { challenge: challenge() }, &gateway, &proof));
        let mut changed = proof.clone();
        changed.request.device = DeviceId([3; 32]);
        assert!(!channel.verify_subscriber(&hello, &gateway, &changed));
    }

    #[test]
    fn a_gateways_signature_is_not_valid_for_a_subscriber() {
        let (channel, hello) = (channel(), Hello { challenge: challenge() });
        let proof = channel.prove_gateway(&keys(), &hello);
        let reflected = Subscribe { request: request(), account: proof.account, signature: proof.signature };
        assert!(!channel.verify_subscriber(&hello, &proof.challenge, &reflected));
    }
}
