//! The frames of the protocol, in the order in which they are sent.

use codec::{Decode, Encode, MaxEncodedLen};
use std::fmt;
use streembit_primitives::{
    body::{Disclosure, MAX_PARTS},
    contract::MAX_NAMES,
    merkle::InclusionProof,
    reading::Name,
    AccountId, Body, BoundedVec, ConstU32, DeviceId, LogEntry, LogId, Signature,
};

/// The maximum number of events that a subscriber may have requested and not yet received.
pub const MAX_CREDIT: u64 = 1024;

/// 32 random bytes that a proof has to sign, so that it is not valid for another stream.
pub type Challenge = [u8; 32];

/// The subscriber's first frame.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Hello {
    /// The challenge for the gateway's proof.
    pub challenge: Challenge,
}

/// The gateway's first frame: the proof of its account.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct GatewayProof {
    /// The challenge for the subscriber's proof.
    pub challenge: Challenge,
    /// The gateway's account.
    pub account: AccountId,
    /// The gateway's signature; see `super::proof`.
    pub signature: Signature,
}

/// The subscriber's second frame: its request and the proof of its account.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Subscribe {
    /// The request.
    pub request: Request,
    /// The subscriber's account.
    pub account: AccountId,
    /// The subscriber's signature, which covers the request; see `super::proof`.
    pub signature: Signature,
}

/// A request for the events of a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Request {
    /// The device.
    pub device: DeviceId,
    /// The sequence of the first event wanted, from the cursor.
    pub next: u64,
    /// The readings wanted; empty for all granted readings.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    /// The number of events that the gateway may send before the first [`Credit`].
    pub credit: u32,
}

/// A later frame of the subscriber: the number of further events that it is ready for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Credit(pub u32);

/// A frame of the gateway.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum Frame {
    /// The first frame, unless the gateway ends the stream at once.
    #[codec(index = 0)]
    Proof(GatewayProof),
    /// An event. Uses one credit.
    #[codec(index = 1)]
    Event(Box<Delivered>),
    /// A keep-alive frame. Uses no credit.
    #[codec(index = 2)]
    Alive,
    /// The last frame, with the reason for the end.
    #[codec(index = 3)]
    End(End),
}

/// An event with the data to verify it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Delivered {
    /// The entry's index in the gateway's log.
    pub index: u64,
    /// The log entry.
    pub entry: LogEntry,
    /// The readable content of the body.
    pub content: Content,
    /// The proof that an anchor includes the entry, if the log is anchored beyond it.
    pub anchored: Option<Inclusion>,
}

/// The content of a body that a subscriber may read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum Content {
    /// The whole body.
    #[codec(index = 0)]
    Body(Body),
    /// Some of the parts, or none. The others are not granted, or the gateway does not have them.
    #[codec(index = 1)]
    Disclosed(BoundedVec<Disclosure, ConstU32<MAX_PARTS>>),
    /// No content: the body was erased for good.
    #[codec(index = 2)]
    Erased,
}

/// The proof that an anchored log includes an entry.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Inclusion {
    /// The log.
    pub log: LogId,
    /// The anchored size.
    pub size: u64,
    /// The inclusion proof.
    pub proof: InclusionProof,
}

/// The reason why a gateway ends a stream.
///
/// An account without rights always receives [`End::NotGranted`], whether the device exists or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum End {
    /// The gateway serves as many streams as it may, in total or for this peer or account.
    #[codec(index = 0)]
    Busy,
    /// The gateway cannot reach the chain, so it cannot check rights.
    #[codec(index = 1)]
    Unavailable,
    /// The gateway is shutting down.
    #[codec(index = 2)]
    Stopping,
    /// The subscriber was too slow: with the handshake, with credit, or with reading.
    #[codec(index = 3)]
    Slow,
    /// The gateway could not read its log.
    #[codec(index = 4)]
    Failed,
    /// The subscriber sent a malformed frame.
    #[codec(index = 5)]
    Malformed,
    /// The subscriber's proof of its account is invalid.
    #[codec(index = 6)]
    Proof,
    /// The account may not read anything of this device at this gateway.
    #[codec(index = 7)]
    NotGranted,
    /// The right to read ended during the subscription.
    #[codec(index = 8)]
    Expired,
    /// The cursor is beyond the device's last event.
    #[codec(index = 9)]
    Ahead,
}

impl End {
    /// Returns true if the same request may succeed later without any change.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::Stopping | Self::Slow | Self::Failed)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the gateway serves as many subscribers as it may",
            Self::Unavailable => "the gateway has no connection to the chain, so it cannot check rights",
            Self::Stopping => "the gateway is shutting down",
            Self::Slow => "the gateway stopped waiting: this side was too slow to prove its account or to take events",
            Self::Failed => "the gateway could not read its log; the gateway's status shows the reason",
            Self::Malformed => "the gateway rejected a frame as malformed; update the older of both sides",
            Self::Proof => {
                "the gateway rejected the proof of the account; check that both sides are on the same chain"
            }
            Self::NotGranted => {
                "this account is granted nothing of this device at this gateway; only the device's owner and parties \
                 with an active contract that has an access clause can read it"
            }
            Self::Expired => "the grant to read this device has ended; a new contract is needed",
            Self::Ahead => {
                "the cursor is beyond the device's last event at this gateway: either the gateway lost a part of its \
                 log, or the cursor belongs to another chain or device; find out which, or start again without the \
                 cursor"
            }
        })
    }
}
