//! Consents: signatures in files, or made with a keystore, and verified before they are submitted.

use crate::{cli::common::Context, keys::open_key};
use anyhow::{bail, Context as _};
use std::path::Path;
use streembit_keystore::KeyPair;
use streembit_primitives::{hash::Domain, p256, Hash, Signature};

/// Reads a consent from a file: sr25519:HEX, ed25519:HEX or p256:HEX.
pub(super) fn read(file: &Path) -> anyhow::Result<Signature> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    match text.trim().parse::<Signature>() {
        Ok(signature) => normalize(signature, file),
        Err(error) => bail!("{} does not contain a consent: {error}", file.display()),
    }
}

/// Normalizes a P-256 signature: secure elements return a high s in half of the cases, and the chain accepts only the low
/// one.
fn normalize(signature: Signature, file: &Path) -> anyhow::Result<Signature> {
    match signature {
        Signature::P256(bytes) => p256::normalize_s(&bytes)
            .map(Signature::P256)
            .with_context(|| format!("reading the consent in {}", file.display())),
        Signature::Sr25519(_) | Signature::Ed25519(_) => Ok(signature),
    }
}

/// Reads a consent from `file`, or signs it with the keystore in `key`. Returns `None` if neither is given.
pub(super) fn read_or_sign(
    file: Option<&Path>,
    key: Option<&Path>,
    sign: impl FnOnce(&KeyPair) -> Signature,
    context: &Context,
) -> anyhow::Result<Option<Signature>> {
    match (file, key) {
        (Some(file), _) => read(file).map(Some),
        (None, Some(key)) => Ok(Some(sign(&open_key(key, context.passphrase_file.as_deref())?))),
        (None, None) => Ok(None),
    }
}

/// Tells how to sign a message with a key that has no keystore.
pub(super) fn instructions(who: &str, message: &Hash, domain: Domain) -> String {
    let context = domain.context();
    format!(
        "{who} has to sign the message {message}.\nsr25519: use the signing context {context:?}. ed25519 and p256 (ECDSA \
         with SHA-256, r and s of 32 bytes each): sign that text followed by the bytes of the message.\nWrite the consent \
         as sr25519:HEX, ed25519:HEX or p256:HEX."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_of_a_secure_element_is_normalized() {
        // Made with another implementation of ECDSA (OpenSSL), with each of the two values of s.
        let (low, high) = (
            "p256:24f5f0bde6f053aaf27ae739e9f9083ff7e23d0727d6bbdea3122cc15f43f18e583f5bcdfda4ff307569374fd2e153458bd029f94e091eeb3f133722afca8313",
            "p256:24f5f0bde6f053aaf27ae739e9f9083ff7e23d0727d6bbdea3122cc15f43f18ea7c0a431025b00d08a96c8b02d1eacba3116d0b4590e7f99b4a693a04c98a23e",
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("consent");
        let consent = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file)
        };
        assert_eq!(consent(low).unwrap().to_string(), low);
        assert_eq!(consent(high).unwrap().to_string(), low);
        let error = consent(&format!("p256:{}", "00".repeat(64))).unwrap_err();
        assert!(format!("{error:#}").contains("big-endian"), "{error:#}");
    }
}
