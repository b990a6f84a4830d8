//! Generates frames of the protocol. The seeds of the fuzz targets (`tests/src/fuzz_seeds`) use this file too.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "only tests use this")]

use super::{
    pins::Generator,
    wire::{Content, Credit, Delivered, End, Frame, GatewayProof, Hello, Inclusion, Request, Subscribe},
};
use streembit_primitives::merkle::InclusionProof;

/// Every reason for the end of a stream.
const ENDS: [End; 10] = [
    End::Busy,
    End::Unavailable,
    End::Stopping,
    End::Slow,
    End::Failed,
    End::Malformed,
    End::Proof,
    End::NotGranted,
    End::Expired,
    End::Ahead,
];

pub fn end(g: &mut Generator) -> End {
    ENDS[g.below(ENDS.len() as u64) as usize]
}

pub fn hello(g: &mut Generator) -> Hello {
    Hello { challenge: g.bytes() }
}

pub fn request(g: &mut Generator) -> Request {
    Request {
        device: g.device(),
        next: g.number(),
        names: g.list(16, Generator::name).try_into().unwrap(),
        credit: g.number() as u32,
    }
}

pub fn subscribe(g: &mut Generator) -> Subscribe {
    Subscribe { request: request(g), account: g.account(), signature: g.signature() }
}

pub fn credit(g: &mut Generator) -> Credit {
    Credit(g.number() as u32)
}

pub fn gateway_proof(g: &mut Generator) -> GatewayProof {
    GatewayProof { challenge: g.bytes(), account: g.account(), signature: g.signature() }
}

pub fn content(g: &mut Generator) -> Content {
    match g.below(3) {
        0 => Content::Body(g.body()),
        1 => Content::Disclosed(g.list(8, Generator::disclosure).try_into().unwrap()),
        _ => Content::Erased,
    }
}

pub fn inclusion(g: &mut Generator) -> Inclusion {
    Inclusion { log: g.log(), size: g.number(), proof: InclusionProof::new(g.list(63, Generator::hash)) }
}

pub fn delivered(g: &mut Generator) -> Delivered {
    Delivered {
        index: g.number(),
        entry: g.entry(),
        content: content(g),
        anchored: g.flag().then(|| inclusion(g)),
    }
}

pub fn frame(g: &mut Generator) -> Frame {
    match g.below(4) {
        0 => Frame::Proof(gateway_proof(g)),
        1 => Frame::Event(Box::new(delivered(g))),
        2 => Frame::Alive,
        _ => Frame::End(end(g)),
    }
}
