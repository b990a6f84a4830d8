//! The node's keystore. It writes each new key completely, syncs it, and refuses a key that is not what it claims.
//!
//! The keystore of Substrate writes into the final file without a sync. After a power cut or on a full disk the file is
//! empty, while the chain may already expect the key. It also takes any text under any name (`author_insertKey`), and a
//! node with such a file would fail when it signs.

use super::{delegate::delegate_to_inner, identity::SessionKey};
use sc_service::config::KeystoreConfig;
use sp_core::{
    crypto::{ExposeSecret as _, KeyTypeId, SecretString},
    ecdsa, ed25519, sr25519, ByteArray as _, Pair,
};
use sp_keystore::{Error, Keystore, KeystorePtr};
use std::{path::PathBuf, sync::Arc};
use streembit_keystore::files::{create_private, read_private, FileError};
use zeroize::Zeroizing;

/// Returns a keystore that writes keys durably. A keystore in memory stays as it is.
pub fn durable_keystore(inner: KeystorePtr, config: &KeystoreConfig) -> KeystorePtr {
    match config {
        KeystoreConfig::InMemory => inner,
        KeystoreConfig::Path { path, password } => {
            Arc::new(DurableKeystore { inner, folder: path.clone(), password: password.clone() })
        }
    }
}

/// A keystore that writes new keys itself. The inner keystore reads them from the folder.
struct DurableKeystore {
    inner: KeystorePtr,
    folder: PathBuf,
    password: Option<SecretString>,
}

impl DurableKeystore {
    fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.expose_secret().as_str())
    }

    /// Generates a key and writes it. Returns its public key after it is on the disk.
    fn generate<P: Pair>(&self, key_type: KeyTypeId) -> Result<P::Public, Error> {
        let (pair, phrase, _) = P::generate_with_phrase(self.password());
        let phrase = Zeroizing::new(phrase);
        let public = pair.public();
        self.write(key_type, public.as_slice(), &phrase).map_err(|error| {
            tracing::error!("the new session key is not stored: {error}");
            Error::Other(error.to_string())
        })?;
        Ok(public)
    }

    fn write(&self, key_type: KeyTypeId, public: &[u8], phrase: &str) -> Result<(), FileError> {
        let name = [key_type.0.as_slice(), public].concat();
        let path = self.folder.join(hex::encode(name));
        let contents = Zeroizing::new(serde_json::to_vec(phrase).unwrap_or_default());
        match create_private(&path, &contents) {
            // The same key was inserted before.
            Err(FileError::Exists(_)) if read_private(&path).is_ok_and(|stored| *stored == *contents) => {
                Ok(())
            }
            result => result,
        }
    }
}

impl Keystore for DurableKeystore {
    fn sr25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<sr25519::Public, Error> {
        match seed {
            // Such a key stays in memory.
            Some(_) => self.inner.sr25519_generate_new(key_type, seed),
            None => self.generate::<sr25519::Pair>(key_type),
        }
    }

    fn ed25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<ed25519::Public, Error> {
        match seed {
            Some(_) => self.inner.ed25519_generate_new(key_type, seed),
            None => self.generate::<ed25519::Pair>(key_type),
        }
    }

    fn ecdsa_generate_new(&self, key_type: KeyTypeId, seed: Option<&str>) -> Result<ecdsa::Public, Error> {
        match seed {
            Some(_) => self.inner.ecdsa_generate_new(key_type, seed),
            None => self.generate::<ecdsa::Pair>(key_type),
        }
    }

    fn insert(&self, key_type: KeyTypeId, secret: &str, public: &[u8]) -> Result<(), ()> {
        let name = [key_type.0.as_slice(), public].concat();
        let key = SessionKey { name, phrase: secret.to_owned() };
        if !key.has_known_type() || !key.matches_name(self.password()) {
            tracing::error!(
                "refused to insert the key {}: the secret does not belong to this public key, or the type is neither `aura` \
                 nor `gran`",
                key.file_name()
            );
            return Err(());
        }
        self.write(key_type, public, secret)
            .map_err(|error| tracing::error!("the key is not inserted: {error}"))
    }

    delegate_to_inner!(public_keys, ed25519_sign, other_signatures);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_keystore::LocalKeystore;
    use sp_core::crypto::key_types::{AURA, GRANDPA};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    struct Fixture {
        dir: tempfile::TempDir,
        keystore: KeystorePtr,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let config = KeystoreConfig::Path { path: dir.path().to_owned(), password: None };
        let inner = LocalKeystore::open(dir.path(), None).unwrap();
        let keystore = durable_keystore(Arc::new(inner), &config);
        Fixture { dir, keystore }
    }

    impl Fixture {
        fn files(&self) -> usize {
            fs::read_dir(self.dir.path()).unwrap().count()
        }
    }

    fn public(phrase: &str) -> sr25519::Public {
        sr25519::Pair::from_string(phrase, None).unwrap().public()
    }

    #[test]
    fn new_keys_are_complete_private_files_that_sign() {
        let fixture = fixture();
        let aura = fixture.keystore.sr25519_generate_new(AURA, None).unwrap();
        let grandpa = fixture.keystore.ed25519_generate_new(GRANDPA, None).unwrap();
        assert_eq!(fixture.files(), 2, "no temporary file is left");
        for entry in fs::read_dir(fixture.dir.path()).unwrap() {
            let metadata = entry.unwrap().metadata().unwrap();
            assert!(metadata.len() > 0);
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        }
        assert!(fixture.keystore.sr25519_sign(AURA, &aura, b"block").unwrap().is_some());
        assert!(fixture.keystore.ed25519_sign(GRANDPA, &grandpa, b"vote").unwrap().is_some());
        assert!(fixture.keystore.has_keys(&[(aura.0.to_vec(), AURA), (grandpa.0.to_vec(), GRANDPA)]));
    }

    #[test]
    fn a_key_that_cannot_be_written_leaves_no_file() {
        let fixture = fixture();
        let folder = fixture.dir.path().to_owned();
        drop(fixture.dir);
        assert!(fixture.keystore.sr25519_generate_new(AURA, None).is_err());
        assert!(!folder.exists());
    }

    #[test]
    fn a_key_that_is_not_what_it_claims_is_not_inserted() {
        let fixture = fixture();
        let alice = public("//Alice").0;
        for (key_type, secret, claimed) in [
            (AURA, "//Mallory", alice.to_vec()),
            (AURA, "", alice.to_vec()),
            (AURA, "//Alice", alice[..31].to_vec()),
            (GRANDPA, "//Alice", alice.to_vec()),
            (KeyTypeId(*b"evil"), "//Alice", alice.to_vec()),
        ] {
            assert!(fixture.keystore.insert(key_type, secret, &claimed).is_err(), "{key_type:?} {secret}");
        }
        assert_eq!(fixture.files(), 0);
        for _ in 0..2 {
            fixture.keystore.insert(AURA, "//Alice", &alice).unwrap();
        }
        assert!(fixture.keystore.sr25519_sign(AURA, &alice.into(), b"block").unwrap().is_some());
    }
}
