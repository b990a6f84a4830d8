//! The name of a log in notes, and the key that verifies them.

use super::encoding::{from_base64, from_decimal, to_base64};
use crate::{ed25519::VerifyingKey, AccountId, Hash, LogId, LogKey};
use alloc::{string::ToString as _, vec::Vec};
use core::{fmt, str::FromStr};
use sha2::{Digest as _, Sha256};

/// The first part of every origin.
const PREFIX: &str = "streembit";

/// The byte that identifies Ed25519 signatures in key ids and verifier keys.
const ED25519: u8 = 0x01;

/// The origin of a log's notes, which is also the name of the log's key:
/// `streembit/<genesis>/<gateway account>/<epoch>`, with ids in lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The genesis hash of the chain that anchors the log.
    pub genesis: Hash,
    /// The log.
    pub log: LogId,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogId { gateway, epoch } = self.log;
        write!(f, "{PREFIX}/{}/{}/{epoch}", hex::encode(self.genesis.0), hex::encode(gateway.0))
    }
}

/// A text is not the origin of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not the origin of a gateway's log: expected streembit/GENESIS/GATEWAY/EPOCH, with 64 lower-case hexadecimal digits for each id",
        )
    }
}

impl core::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(OriginError);
        if part()? != PREFIX {
            return Err(OriginError);
        }
        let genesis = Hash(id(part()?)?);
        let gateway = AccountId(id(part()?)?);
        let epoch = from_decimal(part()?).and_then(|epoch| epoch.try_into().ok()).ok_or(OriginError)?;
        match parts.next() {
            None => Ok(Self { genesis, log: LogId { gateway, epoch } }),
            Some(_) => Err(OriginError),
        }
    }
}

fn id(text: &str) -> Result<[u8; 32], OriginError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| OriginError)?;
    if hex::encode(bytes) != text {
        return Err(OriginError);
    }
    Ok(bytes)
}

/// The key that verifies the notes of one log.
///
/// Its text form is the C2SP verifier key (vkey): `<origin>+<key id>+<base64 of the key>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    origin: Origin,
    key: VerifyingKey,
}

/// A text is not a verifier key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifierKeyError {
    /// The text does not have three parts with a `+` between them.
    Parts,
    /// The first part is not the origin of a log.
    Origin(OriginError),
    /// The second part is not the id of the key in the third part.
    KeyId,
    /// The third part is not an Ed25519 key.
    Key,
}

impl fmt::Display for VerifierKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts => {
                f.write_str("the verifier key does not have the form ORIGIN+ID+KEY: copy the whole line")
            }
            Self::Origin(error) => write!(f, "the name of the verifier key is {error}"),
            Self::KeyId => {
                f.write_str("the id in the verifier key is not that of its name and key: copy the whole line")
            }
            Self::Key => f.write_str(
                "the verifier key does not hold a valid Ed25519 key: get it again from the gateway's owner",
            ),
        }
    }
}

impl core::error::Error for VerifierKeyError {}

impl VerifierKey {
    /// Returns the verifier key of a log, or `None` if no signature can be valid for `key`.
    pub fn new(origin: Origin, key: &LogKey) -> Option<Self> {
        key.verifying_key().map(|key| Self { origin, key })
    }

    /// Returns the origin of the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the Ed25519 key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Returns the id that stands in front of the key's signatures.
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.origin, self.key.as_bytes())
    }
}

/// Returns the first 4 bytes of the SHA-256 hash of the key's name, a newline, the signature type and the key.
pub(super) fn key_id(origin: &Origin, key: &[u8; 32]) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(origin.to_string())
        .chain_update([b'\n', ED25519])
        .chain_update(key)
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = Vec::from([ED25519]);
        key.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.origin, hex::encode(self.id()), to_base64(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        // The base64 of the key may contain further `+`.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Parts);
        };
        let origin = name.parse().map_err(VerifierKeyError::Origin)?;
        let key = from_base64(key)
            .and_then(|bytes| <[u8; 33]>::try_from(bytes).ok())
            .and_then(|[kind, key @ ..]| (kind == ED25519).then_some(key))
            .and_then(|key| Self::new(origin, &LogKey(key)))
            .ok_or(VerifierKeyError::Key)?;
        if hex::encode(key.id()) != id {
            return Err(VerifierKeyError::KeyId);
        }
        Ok(key)
    }
}
