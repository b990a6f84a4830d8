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
