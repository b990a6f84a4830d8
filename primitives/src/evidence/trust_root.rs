//! The trust root, and its text: one line that people can compare and paste.
//!
//! The text is [`TrustRoot::TEXT_PREFIX`], the version, `-`, and the base64url digits (RFC 4648, section 5, without
//! padding) of the content followed by its checksum. The content is the SCALE encoding of the genesis hash, the compact
//! number of the set and the voters, each with its compact weight. The checksum is the first four bytes of the content's
//! hash in [`Domain::TrustRoot`]. It finds typing and copying mistakes; it does not authenticate anything.

use super::grandpa::{AuthorityKey, AuthoritySet, Voter};
use crate::{ed25519::VerifyingKey, hash::Domain, Hash};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use codec::{Compact, Decode, Encode};
use core::{fmt, str::FromStr};

const PREFIX: &str = TrustRoot::TEXT_PREFIX;

/// The version that this module reads and writes.
const VERSION: u32 = 1;

/// The length of the checksum, in bytes.
const CHECKSUM_BYTES: usize = 4;

/// The chain and the voters that the verifier trusts from the start. Both are in the chain's specification.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrustRoot {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The voters of the first set.
    pub authorities: AuthoritySet,
}

/// Why a trust root has no text, or a text is of no trust root: nothing could be proven from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustRootError {
    /// The voters are not the first set of the chain.
    NotTheFirstSet {
        /// The number of the set.
        id: u64,
    },
    /// There are no voters.
    NoVoters,
    /// The key of a voter is not a valid Ed25519 key.
    Key {
        /// The voter's place, counted from 1.
        place: usize,
        /// The key.
        key: AuthorityKey,
    },
    /// The vote of a voter has no weight.
    NoWeight {
        /// The voter's place, counted from 1.
        place: usize,
        /// The voter's key.
        key: AuthorityKey,
    },
    /// The weights of the voters add up to more than 64 bits hold.
    TotalWeight,
}

/// Why a text is not a trust root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParseTrustRootError {
    /// The text does not begin like a trust root.
    Prefix,
    /// The text is of another version.
    Version {
        /// The version.
        version: u32,
    },
    /// A character occurs in no trust root.
    Character {
        /// The place of the character, counted from 1.
        place: usize,
        /// The character.
        character: char,
    },
    /// The checksum does not fit the content: the text was changed, or a part of it is missing.
    Checksum,
    /// The checksum fits, but the content cannot be read.
    Malformed,
    /// The checksum fits, but bytes follow the voters.
    Trailing {
        /// The number of bytes.
        bytes: usize,
    },
    /// The text was read, but nothing could be proven from this trust root.
    Root(TrustRootError),
}

impl fmt::Display for TrustRootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTheFirstSet { id } => write!(
                f,
                "its voters are set {id}, and a trust root has the chain's first voters, set 0: make it from the chain's \
                 specification"
            ),
            Self::NoVoters => f.write_str(
                "it has no voters, so nothing could be proven from it: make it from the chain's specification",
            ),
            Self::Key { place, key } => write!(
                f,
                "the key of voter {place}, {key}, is not a valid Ed25519 key: compare it with the chain's specification"
            ),
            Self::NoWeight { place, key } => write!(
                f,
                "the vote of voter {place}, {key}, has no weight: leave the voter out, or compare it with the chain's \
                 specification"
            ),
            Self::TotalWeight => f.write_str(
                "the weights of its voters add up to 2^64 or more: compare them with the chain's specification",
            ),
        }
    }
}

impl core::error::Error for TrustRootError {}

impl fmt::Display for ParseTrustRootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => {
                write!(f, "not a trust root, which begins with {PREFIX}{VERSION}-: copy the whole line again")
            }
            Self::Version { version } => write!(
                f,
                "a trust root of version {version}, but this program reads version {VERSION}: ask for a text of version \
                 {VERSION}, or use a release that reads version {version}"
            ),
            Self::Character { place, character } => write!(
                f,
                "character {place} of the trust root is {character:?}, which occurs in none: copy the whole line again, \
                 without spaces or line breaks"
            ),
            Self::Checksum => f.write_str(
                "the checksum of the trust root is wrong, so a character was changed or is missing: copy the whole line \
                 again",
            ),
            Self::Malformed => f.write_str(
                "the checksum of the trust root is right, but its content cannot be read: ask whoever made it for another \
                 one",
            ),
            Self::Trailing { bytes } => write!(
                f,
                "the checksum of the trust root is right, but {bytes} bytes follow its voters: ask whoever made it for \
                 another one"
            ),
            Self::Root(error) => write!(f, "the trust root is unusable: {error}"),
        }
    }
}

impl core::error::Error for ParseTrustRootError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Root(error) => Some(error),
            _ => None,
        }
    }
}

/// The content of a text.
#[derive(Encode, Decode)]
struct Content {
    genesis: Hash,
    #[codec(compact)]
    set: u64,
    voters: Vec<(AuthorityKey, Compact<u64>)>,
}

impl From<&TrustRoot> for Content {
    fn from(root: &TrustRoot) -> Self {
        let AuthoritySet { id, voters } = &root.authorities;
        let voters = voters.iter().map(|voter| (voter.key, Compact(voter.weight))).collect();
        Self { genesis: root.genesis, set: *id, voters }
    }
}

impl From<Content> for TrustRoot {
    fn from(content: Content) -> Self {
        let voters =
            content.voters.into_iter().map(|(key, weight)| Voter { key, weight: weight.0 }).collect();
        Self { genesis: content.genesis, authorities: AuthoritySet { id: content.set, voters } }
    }
}

impl TrustRoot {
    /// The first characters of the text, in every version.
    pub const TEXT_PREFIX: &'static str = "streembit-root-";

    /// Returns true if a text begins like a trust root, of whatever version.
    pub fn is_text(text: &str) -> bool {
        split_version(text).is_some()
    }

    /// Returns the text, or an error if nothing could be proven from this trust root.
    pub fn to_text(&self) -> Result<String, TrustRootError> {
        self.ensure_usable()?;
        let content = Content::from(self).encode();
        let digits = Base64UrlUnpadded::encode_string(&[&content[..], &checksum(&content)].concat());
        Ok(format!("{PREFIX}{VERSION}-{digits}"))
    }

    /// Ensures that something can be proven from this trust root, and that its voters are the chain's first.
    fn ensure_usable(&self) -> Result<(), TrustRootError> {
        let AuthoritySet { id, voters } = &self.authorities;
        if *id != 0 {
            return Err(TrustRootError::NotTheFirstSet { id: *id });
        }
        if voters.is_empty() {
            return Err(TrustRootError::NoVoters);
        }
        let mut total = 0u64;
        for (place, Voter { key, weight }) in (1..).zip(voters) {
            if VerifyingKey::from_bytes(&key.0).is_none() {
                return Err(TrustRootError::Key { place, key: *key });
            }
            if *weight == 0 {
                return Err(TrustRootError::NoWeight { place, key: *key });
            }
            total = total.checked_add(*weight).ok_or(TrustRootError::TotalWeight)?;
        }
        Ok(())
    }
}

impl FromStr for TrustRoot {
    type Err = ParseTrustRootError;

    /// Parses the text of a trust root. Nothing may surround it.
    fn from_str(text: &str) -> Result<Self, ParseTrustRootError> {
        let (version, digits) = split_version(text).ok_or(ParseTrustRootError::Prefix)?;
        if version != VERSION {
            return Err(ParseTrustRootError::Version { version });
        }
        let is_digit = |character: &char| character.is_ascii_alphanumeric() || "-_".contains(*character);
        if let Some((place, character)) = (1..).zip(text.chars()).find(|(_, character)| !is_digit(character))
        {
            return Err(ParseTrustRootError::Character { place, character });
        }
        // The characters are right, so only the length or the last digit can be wrong.
        let bytes = Base64UrlUnpadded::decode_vec(digits).map_err(|_| ParseTrustRootError::Checksum)?;
        let (content, sum) =
            bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(ParseTrustRootError::Checksum)?;
        if checksum(content) != *sum {
            return Err(ParseTrustRootError::Checksum);
        }
        let mut rest = content;
        let root = Self::from(Content::decode(&mut rest).map_err(|_| ParseTrustRootError::Malformed)?);
        if !rest.is_empty() {
            return Err(ParseTrustRootError::Trailing { bytes: rest.len() });
        }
        root.ensure_usable().map_err(ParseTrustRootError::Root)?;
        Ok(root)
    }
}

/// Splits a text after its prefix into the version and the digits.
fn split_version(text: &str) -> Option<(u32, &str)> {
    let (number, digits) = text.strip_prefix(PREFIX)?.split_once('-')?;
    let version: u32 = number.parse().ok()?;
    // Refuses a sign and leading zeros.
    (version.to_string() == number).then_some((version, digits))
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let Hash([a, b, c, d, ..]) = Domain::TrustRoot.hash(content);
    [a, b, c, d]
}
