//! Pins the bytes of the protocol: a changed frame, signed message or name fails here.
//!
//! Generated values are hashed and compared with `pinned_bytes.txt`. A change of that file is a change of the protocol,
//! and comes with a new version in its name.

#[path = "frames.rs"]
mod frames;
#[path = "../../../../../primitives/tests/pins/mod.rs"]
mod pins;

use super::{KeyPair, Keypair};
use crate::{
    framing,
    proof::{Channel, Side},
    swarm::{peer_id, protocol},
    wire::{self, Challenge},
};
use frames::{content, credit, delivered, end, frame, gateway_proof, hello, inclusion, request, subscribe};
use pins::{Generator, Pins};
use std::path::{Path, PathBuf};

/// A channel, and the challenges of both sides.
fn channel(g: &mut Generator) -> (Channel, [Challenge; 2]) {
    let peer =
        |g: &mut Generator| Keypair::ed25519_from_bytes(g.bytes::<32>()).unwrap().public().to_peer_id();
    let genesis = g.hash();
    let protocol = protocol(&genesis).to_string();
    (Channel { genesis, protocol, gateway: peer(g), subscriber: peer(g) }, [g.bytes(), g.bytes()])
}

fn pins() -> Pins {
    let mut pins = Pins::default();
    pins.encoding("Content", content);
    pins.encoding("Credit", credit);
    pins.encoding("Delivered", delivered);
    pins.encoding("End", end);
    pins.encoding("Frame", frame);
    pins.encoding("GatewayProof", gateway_proof);
    pins.encoding("Hello", hello);
    pins.encoding("Inclusion", inclusion);
    pins.encoding("Request", request);
    pins.encoding("Subscribe", subscribe);
    pins.add("Frame with its length", frame, |frame| framing::encode(frame).unwrap());
    pins.add("GatewayProof message", channel, |(channel, [hello, gateway])| {
        channel.message(Side::Gateway, (hello, gateway), None).0.to_vec()
    });
    pins.add(
        "Subscribe message",
        |g| (channel(g), request(g)),
        |((channel, [hello, gateway]), request)| {
            channel.message(Side::Subscriber, (hello, gateway), Some(request)).0.to_vec()
        },
    );
    pins.add("Peer id of a gateway", Generator::bytes::<32>, |seed| {
        peer_id(&KeyPair::from_seed(*seed)).unwrap().to_bytes()
    });
    pins.add("Protocol name", Generator::hash, |genesis| protocol(genesis).to_string().into_bytes());
    pins
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/pinned_bytes.txt")
}

#[test]
fn the_bytes_of_the_protocol_are_the_pinned_ones() {
    pins().ensure_pinned(&path(), "cargo test -p streembit-delivery --lib pinned_bytes -- --ignored");
}

#[test]
#[ignore = "writes the pins, after a deliberate change of the protocol"]
fn write_the_pins() {
    pins().write(&path());
}
