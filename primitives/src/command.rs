//! Commands of parties to devices, and their results.
//!
//! A command is an event's part twice: the party signs it, and whoever keeps the device's log signs the event that contains
//! it before it is carried out. The result is a later event.

use crate::{
    hash::Domain,
    reading::{Name, Value},
    AccountId, BoundedVec, ConstU32, DeviceId, Hash, PublicKey, Reading, Signature, Version,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The maximum number of parameters of a command.
pub const MAX_PARAMETERS: u32 = 8;

/// The maximum number of readings in a result.
pub const MAX_RESULT_READINGS: u32 = 8;

/// A command to a device, as its party signs it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Command {
    /// The version of this format.
    pub version: Version<1>,
    /// The genesis hash of the chain whose grants allow the command.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// The account that signs.
    pub account: AccountId,
    /// Distinguishes the account's commands to the device: each nonce is used once.
    pub nonce: u64,
    /// The time after which the command must not be carried out, in milliseconds since 1970-01-01 UTC.
    pub deadline: u64,
    /// The name of the command, such as `set`.
    pub name: Name,
    /// The parameters, each with a different name.
    pub parameters: BoundedVec<Parameter, ConstU32<MAX_PARAMETERS>>,
}

/// A named parameter of a command.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Parameter {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Value,
}

/// A command with the signature of its account. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedCommand {
    /// The command.
    pub command: Command,
    /// The signature over [`Command::hash`].
    pub signature: Signature,
}

/// What became of a command.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommandResult {
    /// The version of this format.
    pub version: Version<1>,
    /// The hash of the command.
    pub command: Hash,
    /// The outcome.
    pub outcome: Outcome,
    /// What the device answered.
    pub readings: BoundedVec<Reading, ConstU32<MAX_RESULT_READINGS>>,
}

/// The outcome of a command.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Outcome {
    /// The device carried it out.
    Done,
    /// It was refused, so the device never received it.
    Refused,
    /// The device received it and did not carry it out.
    Failed,
    /// The device did not answer in time: whether it carried it out is unknown.
    Unknown,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.parameters.iter().try_for_each(|Parameter { name, value }| write!(f, " {name}={value}"))
    }
}

impl fmt::Display for CommandResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)?;
        self.readings.iter().try_for_each(|reading| write!(f, ", {reading}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown whether it was carried out",
        })
    }
}

impl Command {
    /// Returns the hash that the account signs and the result names.
    pub fn hash(&self) -> Hash {
        Domain::Command.hash_of(self)
    }
}

impl SignedCommand {
    /// Returns true if the account that the command names signed it.
    pub fn verify(&self) -> bool {
        let key = PublicKey::Sr25519(self.command.account.0);
        key.verify(Domain::Command, &self.command.hash(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::sign_sr25519;
    use codec::DecodeAll as _;

    fn pair() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn signed() -> SignedCommand {
        let parameter = Parameter { name: Name::try_from("on").unwrap(), value: Value::Boolean(true) };
        let command = Command {
            version: Version,
            genesis: Hash([1; 32]),
            device: DeviceId([2; 32]),
            account: AccountId(pair().public.to_bytes()),
            nonce: 3,
            deadline: 4,
            name: Name::try_from("set").unwrap(),
            parameters: vec![parameter].try_into().unwrap(),
        };
        let signature = sign_sr25519(&pair(), Domain::Command, &command.hash());
        SignedCommand { command, signature }
    }

    #[test]
    fn every_byte_of_a_command_is_signed() {
        assert!(signed().verify());
        let bytes = signed().encode();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            if let Ok(bent) = SignedCommand::decode_all(&mut &*bent) {
                assert!(!bent.verify(), "byte {at}");
            }
        }
    }
}
