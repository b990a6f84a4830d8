//! What the two sides say to each other, in the order of the protocol.

use codec::{Decode, Encode, MaxEncodedLen};
use std::fmt;
use streembit_primitives::{
    body::{Disclosure, MAX_PARTS},
    contract::MAX_NAMES,
    merkle::InclusionProof,
    reading::Name,
    AccountId, Body, BoundedVec, ConstU32, DeviceId, LogEntry, LogId, Signature,
};

/// The most events that a subscriber may have asked for and not yet received.
pub const MAX_CREDIT: u64 = 1024;

/// 32 random bytes that a proof must name, so that a proof seen once is good for no other stream.
pub type Challenge = [u8; 32];

/// The subscriber's first frame.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Hello {
    /// What the gateway's proof must name.
    pub challenge: Challenge,
}

/// The gateway's first frame: which account it speaks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct GatewayProof {
    /// What the subscriber's proof must name.
    pub challenge: Challenge,
    /// The gateway's account.
    pub account: AccountId,
    /// Its signature; see `super::proof`.
    pub signature: Signature,
}

/// The subscriber's second frame: what it wants, and which account it speaks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Subscribe {
    /// What it wants.
    pub request: Request,
    /// The subscriber's account.
    pub account: AccountId,
    /// Its signature over the request too; see `super::proof`.
    pub signature: Signature,
}

/// What a subscriber wants.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Request {
    /// Whose events.
    pub device: DeviceId,
    /// The first sequence wanted: the cursor.
    pub next: u64,
    /// The readings wanted; empty for all that are granted.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    /// How many events the gateway may send before the first [`Credit`].
    pub credit: u32,
}

/// Every further frame of the subscriber: how many more events it is ready for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Credit(pub u32);

/// The gateway's frames.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum Frame {
    /// The first, unless the gateway ends the stream at once.
    #[codec(index = 0)]
    Proof(GatewayProof),
    /// An event; takes one of the credit.
    #[codec(index = 1)]
    Event(Box<Delivered>),
    /// There is nothing to send; takes no credit.
    #[codec(index = 2)]
    Alive,
    /// The last, and why.
    #[codec(index = 3)]
    End(End),
}

/// An event with what is needed to verify it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Delivered {
    /// The entry's place in the gateway's log.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// What the subscriber may see of the body.
    pub content: Content,
    /// The entry's place under an anchor, where there is one already.
    pub anchored: Option<Inclusion>,
}

/// What a subscriber may see of a body.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum Content {
    /// All of it.
    #[codec(index = 0)]
    Body(Body),
    /// Some of its parts, or none: the others are not granted, or not kept.
    #[codec(index = 1)]
    Disclosed(BoundedVec<Disclosure, ConstU32<MAX_PARTS>>),
    /// Nothing: the body was erased for good.
    #[codec(index = 2)]
    Erased,
}

/// The way from an entry to an anchored root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Inclusion {
    /// The log.
    pub log: LogId,
    /// Its anchored size.
    pub size: u64,
    /// The hashes.
    pub proof: InclusionProof,
}

/// Why a gateway ends a stream.
///
/// A stranger is told [`End::NotGranted`] and nothing else, whether the device exists or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum End {
    /// As many streams as the gateway serves, or serves to one side.
    #[codec(index = 0)]
    Busy,
    /// The gateway cannot ask the chain now, so it knows nobody's rights.
    #[codec(index = 1)]
    Unavailable,
    /// The gateway is being stopped.
    #[codec(index = 2)]
    Stopping,
    /// The gateway waited too long: for the handshake, or for credit while there were events.
    #[codec(index = 3)]
    Slow,
    /// The gateway could not read its log.
    #[codec(index = 4)]
    Failed,
    /// A frame of the subscriber was not one of the protocol.
    #[codec(index = 5)]
    Malformed,
    /// The subscriber's proof of its account is wrong.
    #[codec(index = 6)]
    Proof,
    /// Nothing that this account may read here.
    #[codec(index = 7)]
    NotGranted,
    /// The right to read ended while reading.
    #[codec(index = 8)]
    Expired,
    /// The cursor is beyond the device's last event.
    #[codec(index = 9)]
    Ahead,
}

impl End {
    /// Whether trying again later can help without anybody changing anything.
    pub fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::Stopping | Self::Slow | Self::Failed)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the gateway serves as many subscribers as it may",
            Self::Unavailable => "the gateway has no connection to the chain, so it can check nobody's rights",
            Self::Stopping => "the gateway is stopping",
            Self::Slow => "the gateway waited for too long: the other side was slow to prove its account, or to take events",
            Self::Failed => "the gateway could not read its log: its status says why",
            Self::Malformed => "the gateway did not understand a frame: update whichever side is older",
            Self::Proof => {
                "the gateway did not accept the proof of the account: check that both sides are on the same chain"
            }
            Self::NotGranted => {
                "this account is granted nothing of this device at this gateway: an active contract with an access \
                 clause, or the device's ownership, gives the right"
            }
            Self::Expired => "the grant to read this device has ended: a new contract gives a new one",
            Self::Ahead => {
                "the cursor is beyond the device's last event at this gateway: it lost part of its log, or the \
                 cursor is of another chain or device; start again without the cursor, or find out what was lost"
            }
        })
    }
}
