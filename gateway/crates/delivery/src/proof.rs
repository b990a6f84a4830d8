//! Which account a peer speaks for: a signature that names everything it is good for.

use super::wire::{Challenge, GatewayProof, Hello, Request, Subscribe};
use codec::Encode;
use libp2p::PeerId;
use streembit_keystore::KeyPair;
use streembit_primitives::{hash::Domain, AccountId, Hash, PublicKey, Signature};

/// Who proves.
#[derive(Clone, Copy, Encode)]
enum Side {
    #[codec(index = 0)]
    Gateway,
    #[codec(index = 1)]
    Subscriber,
}

/// What both sides know about one stream before anyone signs.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The name of the protocol.
    pub protocol: String,
    /// The gateway's peer id, as the transport proved it.
    pub gateway: PeerId,
    /// The subscriber's peer id, as the transport proved it.
    pub subscriber: PeerId,
}

/// 32 bytes from the system's randomness.
pub fn challenge() -> Challenge {
    rand::random()
}

impl Channel {
    /// What a side signs: side, chain, protocol, both peers, both challenges, and the request where it is known.
    fn message(&self, side: Side, challenges: (&Challenge, &Challenge), request: Option<&Request>) -> Hash {
        let peers = (self.gateway.to_bytes(), self.subscriber.to_bytes());
        Domain::PeerProof.hash_of(&(side, self.genesis, &self.protocol, peers, challenges, request))
    }

    /// The gateway's proof.
    pub fn prove_gateway(&self, keys: &KeyPair, hello: &Hello) -> GatewayProof {
        let challenge = challenge();
        let message = self.message(Side::Gateway, (&hello.challenge, &challenge), None);
        GatewayProof { challenge, account: keys.account(), signature: keys.sign(Domain::PeerProof, &message) }
    }

    /// Whether a gateway's proof is that of the account which it names, for this stream.
    pub fn check_gateway(&self, hello: &Hello, proof: &GatewayProof) -> bool {
        let message = self.message(Side::Gateway, (&hello.challenge, &proof.challenge), None);
        is_signed(&proof.account, &message, &proof.signature)
    }

    /// The subscriber's proof, with its request.
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

    /// Whether a subscriber's proof is that of the account which it names, for this stream and this request.
    pub fn check_subscriber(&self, hello: &Hello, gateway: &Challenge, proof: &Subscribe) -> bool {
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

    /// Every way in which two streams can differ.
    fn others(channel: &Channel) -> [Channel; 5] {
        [
            Channel { genesis: Hash([9; 32]), ..channel.clone() },
            Channel { protocol: "/streembit/01/events/2".into(), ..channel.clone() },
            Channel { gateway: PeerId::random(), ..channel.clone() },
            Channel { subscriber: PeerId::random(), ..channel.clone() },
            Channel { gateway: channel.subscriber, subscriber: channel.gateway, ..channel.clone() },
        ]
    }

    #[test]
    fn a_gateways_proof_is_good_for_one_stream() {
        let (channel, hello) = (channel(), Hello { challenge: challenge() });
        let proof = channel.prove_gateway(&keys(), &hello);
        assert!(channel.check_gateway(&hello, &proof));
        assert!(others(&channel).iter().all(|other| !other.check_gateway(&hello, &proof)));
        assert!(!channel.check_gateway(&Hello { challenge: challenge() }, &proof));
        let other = GatewayProof { account: KeyPair::from_seed([8; 32]).account(), ..proof };
        assert!(!channel.check_gateway(&hello, &other));
    }

    #[test]
    fn a_subscribers_proof_is_good_for_one_stream_and_request() {
        let (channel, hello, gateway) = (channel(), Hello { challenge: challenge() }, challenge());
        let proof = channel.prove_subscriber(&keys(), &hello, &gateway, request());
        assert!(channel.check_subscriber(&hello, &gateway, &proof));
        assert!(others(&channel).iter().all(|other| !other.check_subscriber(&hello, &gateway, &proof)));
        assert!(!channel.check_subscriber(&hello, &challenge(), &proof), "replayed on another stream");
        assert!(!channel.check_subscriber(&Hello { challenge: challenge() }, &gateway, &proof));
        let mut widened = proof.clone();
        widened.request.device = DeviceId([3; 32]);
        assert!(!channel.check_subscriber(&hello, &gateway, &widened));
    }

    #[test]
    fn one_side_cannot_use_the_others_signature() {
        let (channel, hello) = (channel(), Hello { challenge: challenge() });
        let proof = channel.prove_gateway(&keys(), &hello);
        let reflected = Subscribe { request: request(), account: proof.account, signature: proof.signature };
        assert!(!channel.check_subscriber(&hello, &proof.challenge, &reflected));
    }
}
