//! Encrypts a secret under a passphrase. This is the common part of all encrypted files.
//!
//! The secret is encrypted with XChaCha20-Poly1305, under a key that Argon2id derives from the passphrase. The
//! unencrypted fields of the file are authenticated as associated data.

use super::Passphrase;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    aead::{Aead as _, Payload},
    KeyInit as _, XChaCha20Poly1305, XNonce,
};
use codec::Encode;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The Argon2id parameters of new files (memory in KiB, passes, lanes): the minimum that OWASP recommends. On a
/// Raspberry Pi 4 it takes about 0.1 s, and even the smallest model has enough memory.
const NEW_KDF: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The highest Argon2id parameters that are accepted (memory in KiB, passes, lanes), so that a forged file cannot
/// exhaust the machine.
const MAX_KDF: (u32, u32, u32) = (256 * 1024, 16, 4);

/// A secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The passphrase is wrong, or the file was changed together with its checksum.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// Opening the file would cost too much memory or time.
    #[error(
        "it requires {memory_kib} KiB, {passes} passes and {lanes} lanes, more than any keystore or backup"
    )]
    TooCostly {
        /// The memory, in KiB.
        memory_kib: u32,
        /// The number of passes over the memory.
        passes: u32,
        /// The number of lanes.
        lanes: u32,
    },
    /// The key derivation failed.
    #[error("deriving a key from the passphrase: {0}")]
    Derivation(argon2::Error),
    /// The encryption failed.
    #[error("the secret could not be encrypted")]
    Encryption,
}

/// An encrypted secret, as part of a JSON file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    pub(super) kdf: Kdf,
    pub(super) cipher: Cipher,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kdf {
    algorithm: KdfAlgorithm,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    pub(super) salt: HexArray<16>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KdfAlgorithm {
    Argon2id,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cipher {
    algorithm: CipherAlgorithm,
    pub(super) nonce: HexArray<24>,
    /// The encrypted secret, followed by the authentication tag of 16 bytes.
    pub(super) text: HexBytes,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CipherAlgorithm {
    XChaCha20Poly1305,
}

/// A byte array that is serialized as hexadecimal digits.
#[derive(Clone, Copy, Encode)]
pub(super) struct HexArray<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Serialize for HexArray<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for HexArray<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = [0; N];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut bytes)
            .map_err(|_| serde::de::Error::custom(format!("expected {} hexadecimal digits", 2 * N)))?;
        Ok(Self(bytes))
    }
}

/// Bytes that are serialized as hexadecimal digits.
#[derive(Clone)]
pub(super) struct HexBytes(pub(super) Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::decode(String::deserialize(deserializer)?)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("expected hexadecimal digits"))
    }
}

impl Sealed {
    /// Encrypts a secret. The same `public` bytes must be given to open it.
    pub fn new(secret: &[u8], public: &[u8], passphrase: &Passphrase) -> Result<Self, SealError> {
        let (memory_kib, passes, lanes) = NEW_KDF;
        let (mut salt, mut nonce) = (HexArray([0; 16]), HexArray([0; 24]));
        rand::rngs::OsRng.fill_bytes(&mut salt.0);
        rand::rngs::OsRng.fill_bytes(&mut nonce.0);
        let kdf = Kdf { algorithm: KdfAlgorithm::Argon2id, memory_kib, passes, lanes, salt };
        let payload = Payload { msg: secret, aad: &kdf.associated_data(public) };
        let text = kdf
            .cipher(passphrase)?
            .encrypt(&XNonce::from(nonce.0), payload)
            .map_err(|_| SealError::Encryption)?;
        let cipher = Cipher { algorithm: CipherAlgorithm::XChaCha20Poly1305, nonce, text: HexBytes(text) };
        Ok(Self { kdf, cipher })
    }

    /// Decrypts the secret. `public` must be the same as when it was sealed.
    pub fn open(&self, public: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.check_cost()?;
        let payload = Payload { msg: &self.cipher.text.0, aad: &self.associated_data(public) };
        self.kdf
            .cipher(passphrase)?
            .decrypt(&XNonce::from(self.cipher.nonce.0), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::WrongPassphrase)
    }

    /// Fails if opening would cost too much memory or time.
    pub fn check_cost(&self) -> Result<(), SealError> {
        let Kdf { memory_kib, passes, lanes, .. } = self.kdf;
        if memory_kib > MAX_KDF.0 || passes > MAX_KDF.1 || lanes > MAX_KDF.2 {
            return Err(SealError::TooCostly { memory_kib, passes, lanes });
        }
        Ok(())
    }

    /// Returns a checksum in hexadecimal digits, which distinguishes damage from a wrong passphrase. It covers only
    /// public bytes. `context` is the context of BLAKE3's `derive_key`.
    pub fn checksum(&self, context: &str, public: &[u8]) -> String {
        let mut bytes = (self.associated_data(public), self.cipher.nonce).encode();
        bytes.extend_from_slice(&self.cipher.text.0);
        hex::encode(blake3::derive_key(context, &bytes))
    }

    /// Returns the bytes that are authenticated together with the secret.
    pub(super) fn associated_data(&self, public: &[u8]) -> Vec<u8> {
        self.kdf.associated_data(public)
    }
}

impl Kdf {
    fn associated_data(&self, public: &[u8]) -> Vec<u8> {
        let parameters = (self.memory_kib, self.passes, self.lanes, self.salt).encode();
        [public, parameters.as_slice()].concat()
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, SealError> {
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(SealError::Derivation)?;
        let mut key = Zeroizing::new([0u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt.0, key.as_mut())
            .map_err(SealError::Derivation)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = "streembit tests checksum";

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    #[test]
    fn secrets_of_any_length_open_only_with_their_passphrase_and_public_bytes() {
        for length in [0, 1, 32, 5_000] {
            let secret = vec![7; length];
            let sealed = Sealed::new(&secret, b"public", &passphrase("right")).unwrap();
            assert_eq!(*sealed.open(b"public", &passphrase("right")).unwrap(), secret);
            for (public, tried) in [("public", "wrong"), ("other", "right"), ("", "right")] {
                let error = sealed.open(public.as_bytes(), &passphrase(tried)).unwrap_err();
                assert!(matches!(error, SealError::WrongPassphrase), "{error}");
            }
        }
    }

    #[test]
    fn sealing_twice_differs_and_json_preserves_the_secret() {
        let seal = || Sealed::new(b"secret", b"public", &passphrase("right")).unwrap();
        let (one, two) = (seal(), seal());
        assert_ne!(one.cipher.text.0, two.cipher.text.0);
        assert_ne!(one.checksum(CONTEXT, b"public"), two.checksum(CONTEXT, b"public"));
        let read: Sealed = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(read.checksum(CONTEXT, b"public"), one.checksum(CONTEXT, b"public"));
        assert_ne!(read.checksum(CONTEXT, b"another"), one.checksum(CONTEXT, b"public"));
        assert_eq!(*read.open(b"public", &passphrase("right")).unwrap(), b"secret");
    }

    #[test]
    fn a_forged_cost_is_rejected_before_the_key_is_derived() {
        let mut sealed = Sealed::new(b"secret", b"", &passphrase("right")).unwrap();
        sealed.kdf.memory_kib = u32::MAX;
        let error = sealed.open(b"", &passphrase("right")).unwrap_err();
        assert!(matches!(error, SealError::TooCostly { .. }), "{error}");
    }
}
