//! Accounts and session keys in a TOML file.

use super::collector::ErrorCollector;
use crate::spec::SS58_PREFIX;
use sp_core::{
    crypto::{ByteArray, Ss58Codec},
    ed25519, sr25519,
};
use std::{collections::BTreeMap, fmt};
use streembit_runtime::{AccountId, SessionKeys};
use toml::Spanned;

/// The purpose of a session key, written as in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyPurpose {
    Aura,
    Grandpa,
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aura => "aura",
            Self::Grandpa => "grandpa",
        })
    }
}

/// Reads the session keys of validators. Every key may appear only once in a file.
#[derive(Default)]
pub struct SessionKeyReader {
    /// The purpose and the line of every key read so far.
    seen: BTreeMap<[u8; 32], (KeyPurpose, usize)>,
}

impl SessionKeyReader {
    /// Reads the two session keys of a validator, or reports why they cannot be used.
    pub fn read(
        &mut self,
        validator: &Spanned<String>,
        aura: Option<&Spanned<String>>,
        grandpa: Option<&Spanned<String>>,
        errors: &mut ErrorCollector<'_>,
    ) -> Option<SessionKeys> {
        let aura = self.read_key(validator, KeyPurpose::Aura, aura, errors);
        let grandpa = self.read_key(validator, KeyPurpose::Grandpa, grandpa, errors);
        Some(SessionKeys {
            aura: sr25519::Public::from_raw(aura?).into(),
            grandpa: ed25519::Public::from_raw(grandpa?).into(),
        })
    }

    fn read_key(
        &mut self,
        validator: &Spanned<String>,
        purpose: KeyPurpose,
        value: Option<&Spanned<String>>,
        errors: &mut ErrorCollector<'_>,
    ) -> Option<[u8; 32]> {
        let Some(value) = value else {
            errors.add_at(validator.span(), format!("{} has no `{purpose}` key", validator.get_ref()));
            return None;
        };
        let (bytes, scheme) = match purpose {
            KeyPurpose::Aura => {
                (public_key::<sr25519::Public>(value, "an sr25519 public key", errors)?.0, "an sr25519")
            }
            KeyPurpose::Grandpa => {
                (public_key::<ed25519::Public>(value, "an Ed25519 public key", errors)?.0, "an Ed25519")
            }
        };
        if let Some((other, line)) = self.seen.get(&bytes) {
            let problem = if *other == purpose {
                format!(
                    "this `{purpose}` key is also on line {line}: two nodes with one key look like an attack"
                )
            } else {
                format!(
                    "this is also the `{other}` key on line {line}: `aura` and `grandpa` need different keys"
                )
            };
            errors.add_at(value.span(), problem);
            return None;
        }
        self.seen.insert(bytes, (purpose, errors.line_of(&value.span())));
        // Most values of this length are not points on the curve, so this finds most typing errors.
        let is_valid = match purpose {
            KeyPurpose::Aura => schnorrkel::PublicKey::from_bytes(&bytes).is_ok(),
            KeyPurpose::Grandpa => {
                ed25519_dalek::VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak())
            }
        };
        if !is_valid {
            let problem =
                format!("this is not {scheme} public key: a digit is wrong, or it is a key of another kind");
            errors.add_at(value.span(), problem);
            return None;
        }
        Some(bytes)
    }
}

/// Reads an account: an SS58 address of this chain, or 0x and 64 hexadecimal digits.
pub fn account(value: &Spanned<String>, errors: &mut ErrorCollector<'_>) -> Option<AccountId> {
    public_key(value, "an account", errors)
}

fn public_key<K: ByteArray + Ss58Codec>(
    value: &Spanned<String>,
    expected: &str,
    errors: &mut ErrorCollector<'_>,
) -> Option<K> {
    let text = value.get_ref();
    let decoded = match text.strip_prefix("0x") {
        Some(digits) => decode_hex(digits)
            .and_then(|bytes| K::from_slice(&bytes).map_err(|()| "it has the wrong length".into())),
        None => decode_address(text),
    };
    match decoded {
        Ok(key) => Some(key),
        Err(problem) => {
            let forms = "use an SS58 address, or 0x and 64 hexadecimal digits";
            errors.add_at(value.span(), format!("{text:?} is not {expected}: {problem}; {forms}"));
            None
        }
    }
}

/// Decodes an SS58 address. An address with the prefix of another chain is refused, because it is most likely an
/// account on that chain.
fn decode_address<K: Ss58Codec>(text: &str) -> Result<K, String> {
    let (key, format) = K::from_ss58check_with_version(text).map_err(|error| error.to_string())?;
    match u16::from(format) {
        SS58_PREFIX => Ok(key),
        other => Err(format!("its SS58 prefix is {other}, but the prefix of this chain is {SS58_PREFIX}")),
    }
}

fn decode_hex(digits: &str) -> Result<Vec<u8>, String> {
    let bytes = hex::decode(digits).map_err(|error| error.to_string())?;
    if bytes.len() != 32 {
        Err(format!("it has {} bytes instead of 32", bytes.len()))
    } else if bytes.iter().all(|byte| *byte == 0) {
        Err("it is all zeros".into())
    } else {
        Ok(bytes)
    }
}
