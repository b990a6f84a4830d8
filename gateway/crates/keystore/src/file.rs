//! The keystore: a JSON file with one key, encrypted under a passphrase.
//!
//! The account is readable without the passphrase, so that keystores can be distinguished. All other fields are
//! authenticated together with the encrypted seed. A checksum over the whole file distinguishes damage from a wrong
//! passphrase.

use super::{
    sealed::{Cipher, Kdf, SealError, Sealed},
    KeyPair, KeySeed, Passphrase,
};
use crate::{
    account,
    files::{create_private, read_private, replace_private, FileError},
};
use codec::Encode as _;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use streembit_primitives::AccountId;

/// The version of the format.
const VERSION: u32 = 1;

/// The BLAKE3 `derive_key` context of the checksum; part of the format.
const CHECKSUM_CONTEXT: &str = "streembit v1 keystore checksum";

/// A keystore cannot be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file could not be read or written.
    #[error("keystore: {0}")]
    File(#[from] FileError),
    /// The file is not a keystore.
    #[error("{} is not a keystore: {problem}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file was changed or damaged.
    #[error("{} is damaged: its checksum does not match; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// The passphrase is wrong, or the file was changed together with its checksum.
    #[error("the passphrase does not open {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// The encryption or the decryption failed for another reason.
    #[error("keystore: {0}")]
    Seal(SealError),
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keystore {
    version: u32,
    /// The SS58 address. It is not encrypted, so that a keystore can be recognized.
    #[serde(with = "account::ss58")]
    account: AccountId,
    kdf: Kdf,
    /// The encrypted 32 bytes of the seed.
    cipher: Cipher,
    /// The checksum over all fields above, in hexadecimal digits.
    checksum: String,
}

/// Writes a seed to a new keystore with mode 0600. An existing file is never overwritten.
pub fn create(path: &Path, seed: &KeySeed, passphrase: &Passphrase) -> Result<KeyPair, KeystoreError> {
    create_private(path, &seal(path, seed, passphrase)?)?;
    Ok(seed.key_pair())
}

/// Opens a keystore.
pub fn open(path: &Path, passphrase: &Passphrase) -> Result<KeyPair, KeystoreError> {
    Ok(unseal(path, passphrase)?.key_pair())
}

/// Returns the account of a keystore. This needs no passphrase.
pub fn account_of(path: &Path) -> Result<AccountId, KeystoreError> {
    Ok(read(path)?.account)
}

/// Encrypts the seed of a keystore under another passphrase. The key stays the same.
pub fn change_passphrase(path: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), KeystoreError> {
    let seed = unseal(path, old)?;
    Ok(replace_private(path, &seal(path, &seed, new)?)?)
}

fn seal(path: &Path, seed: &KeySeed, passphrase: &Passphrase) -> Result<Vec<u8>, KeystoreError> {
    let account = seed.key_pair().account();
    let Sealed { kdf, cipher } =
        Sealed::new(seed.0.as_ref(), &public_fields(&account), passphrase).map_err(KeystoreError::Seal)?;
    let mut keystore = Keystore { version: VERSION, account, kdf, cipher, checksum: String::new() };
    keystore.checksum = keystore.expected_checksum();
    let mut json = serde_json::to_vec_pretty(&keystore).map_err(|error| format_error(path, error))?;
    json.push(b'\n');
    Ok(json)
}

fn unseal(path: &Path, passphrase: &Passphrase) -> Result<KeySeed, KeystoreError> {
    let keystore = read(path)?;
    let opened = keystore.sealed().open(&public_fields(&keystore.account), passphrase);
    let plain = opened.map_err(|error| match error {
        SealError::WrongPassphrase => KeystoreError::WrongPassphrase(path.to_owned()),
        other => KeystoreError::Seal(other),
    })?;
    let mut seed = KeySeed::from([0; 32]);
    if plain.len() != seed.0.len() {
        return Err(KeystoreError::Damaged(path.to_owned()));
    }
    seed.0.copy_from_slice(&plain);
    if seed.key_pair().account() != keystore.account {
        return Err(KeystoreError::Damaged(path.to_owned()));
    }
    Ok(seed)
}

/// Reads the file and verifies everything that can be verified without the passphrase.
fn read(path: &Path) -> Result<Keystore, KeystoreError> {
    let bytes = read_private(path)?;
    let keystore: Keystore = serde_json::from_slice(&bytes).map_err(|error| format_error(path, error))?;
    if keystore.version != VERSION {
        let problem = format!("its version is {}, but only version {VERSION} is supported", keystore.version);
        return Err(format_error(path, problem));
    }
    if keystore.checksum != keystore.expected_checksum() {
        return Err(KeystoreError::Damaged(path.to_owned()));
    }
    keystore.sealed().check_cost().map_err(|error| format_error(path, error))?;
    Ok(keystore)
}

impl Keystore {
    fn sealed(&self) -> Sealed {
        Sealed { kdf: self.kdf.clone(), cipher: self.cipher.clone() }
    }

    fn expected_checksum(&self) -> String {
        self.sealed().checksum(CHECKSUM_CONTEXT, &public_fields(&self.account))
    }
}

/// Returns the encoding of the unencrypted fields, which are authenticated together with the seed.
fn public_fields(account: &AccountId) -> Vec<u8> {
    (VERSION, account).encode()
}

fn format_error(path: &Path, problem: impl ToString) -> KeystoreError {
    KeystoreError::Format { path: path.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::{
        aead::{Aead as _, Payload},
        KeyInit as _, XChaCha20Poly1305, XNonce,
    };
    use serde_json::{json, Value};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    struct Fixture {
        _dir: tempfile::TempDir,
        path: PathBuf,
        keys: KeyPair,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.key");
        let keys = create(&path, &KeySeed::from([7; 32]), &passphrase("right")).unwrap();
        Fixture { _dir: dir, path, keys }
    }

    impl Fixture {
        fn json(&self) -> Value {
            serde_json::from_slice(&fs::read(&self.path).unwrap()).unwrap()
        }

        /// Changes the file. With `repair`, it also corrects the checksum, as a forger would.
        fn tamper(&self, repair: bool, change: impl FnOnce(&mut Value)) {
            let mut json = self.json();
            change(&mut json);
            if repair {
                let mut keystore: Keystore = serde_json::from_value(json).unwrap();
                keystore.checksum = keystore.expected_checksum();
                json = serde_json::to_value(keystore).unwrap();
            }
            fs::write(&self.path, json.to_string()).unwrap();
        }
    }

    #[test]
    fn a_keystore_opens_only_with_its_passphrase() {
        let fixture = fixture();
        assert_eq!(open(&fixture.path, &passphrase("right")).unwrap().account(), fixture.keys.account());
        assert_eq!(account_of(&fixture.path).unwrap(), fixture.keys.account());
        let error = open(&fixture.path, &passphrase("wrong")).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongPassphrase(_)), "{error}");
    }

    /// The file was written by version 0.1.0. The format must stay readable.
    #[test]
    fn a_file_of_an_earlier_release_opens() {
        let written = json!({
            "version": 1,
            "account": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
            "kdf": {
                "algorithm": "argon2id", "memory_kib": 19456, "passes": 2, "lanes": 1,
                "salt": "08a78d26061526312fbe537625825422",
            },
            "cipher": {
                "algorithm": "xchacha20poly1305",
                "nonce": "1ad53ac9d4f6406944407b4800531f5a7ea482a3802b5cfd",
                "text": "0cf8353b41434ad7258dde1e3581313fd5bf06a27c43b6945b347a4a1ab5fca0\
                         c73d8ca2ad2277cd384b03b3cd804146",
            },
            "checksum": "42c05eb2892c90d6c9d9fc890a12e9e21a2dcbf3071ae691af1462ac4b908c6d",
        });
        let fixture = fixture();
        fs::write(&fixture.path, written.to_string()).unwrap();
        let alice = KeyPair::from_dev_name("alice").unwrap().account();
        assert_eq!(open(&fixture.path, &passphrase("right")).unwrap().account(), alice);
    }

    #[test]
    fn an_existing_keystore_is_never_overwritten() {
        let fixture = fixture();
        let before = fs::read(&fixture.path).unwrap();
        let error = create(&fixture.path, &KeySeed::random(), &passphrase("right")).unwrap_err();
        assert!(error.to_string().contains("never overwritten"), "{error}");
        assert_eq!(fs::read(&fixture.path).unwrap(), before);
    }

    #[test]
    fn a_new_passphrase_replaces_the_old_one_and_keeps_the_key() {
        let fixture = fixture();
        let (old, new) = (passphrase("right"), passphrase("new"));
        let before = fixture.json();
        change_passphrase(&fixture.path, &old, &new).unwrap();
        let opened = open(&fixture.path, &new).unwrap();
        assert_eq!(opened.account(), fixture.keys.account());
        assert_eq!(opened.transport_seed(), fixture.keys.transport_seed());
        assert!(matches!(open(&fixture.path, &old), Err(KeystoreError::WrongPassphrase(_))));
        // The salt and the nonce must be fresh.
        let after = fixture.json();
        assert_ne!(before["kdf"]["salt"], after["kdf"]["salt"]);
        assert_ne!(before["cipher"]["nonce"], after["cipher"]["nonce"]);
        let error = change_passphrase(&fixture.path, &old, &new).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongPassphrase(_)));
        assert_eq!(fs::metadata(&fixture.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// In the first Streembit's keystore, the key could be derived from a stored hash of the password. Here neither a
    /// field of the file nor its hash is the key or the seed.
    #[test]
    fn the_file_does_not_contain_the_seed_or_the_key() {
        let fixture = fixture();
        let text = fs::read_to_string(&fixture.path).unwrap();
        assert!(!text.contains(&hex::encode([7u8; 32])));
        assert!(!text.contains(&hex::encode(*fixture.keys.transport_seed())));
        assert!(!text.contains("right"));
        let keystore: Keystore = serde_json::from_str(&text).unwrap();
        let aad = keystore.sealed().associated_data(&public_fields(&keystore.account));
        let checksum: [u8; 32] = hex::decode(&keystore.checksum).unwrap().try_into().unwrap();
        let account = keystore.account.0;
        let digest = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        for key in [checksum, account, digest(&checksum), digest(&keystore.kdf.salt.0), digest(b"right")] {
            let payload = Payload { msg: &keystore.cipher.text.0, aad: &aad };
            let cipher = XChaCha20Poly1305::new(&key.into());
            assert!(cipher.decrypt(&XNonce::from(keystore.cipher.nonce.0), payload).is_err());
        }
    }

    /// The first Streembit encrypted without salt, nonce and authentication, so equal seeds gave equal files.
    #[test]
    fn equal_seeds_and_passphrases_give_different_files() {
        let (one, two) = (fixture().json(), fixture().json());
        assert_eq!(one["account"], two["account"]);
        for (object, field) in [("kdf", "salt"), ("cipher", "nonce"), ("cipher", "text")] {
            assert_ne!(one[object][field], two[object][field]);
        }
    }

    #[test]
    fn damage_is_distinguished_from_a_wrong_passphrase() {
        for (object, field) in [("kdf", "salt"), ("cipher", "nonce"), ("cipher", "text")] {
            let fixture = fixture();
            fixture.tamper(false, |json| {
                let text = json[object][field].as_str().unwrap();
                let flipped = if text.starts_with('0') { "1" } else { "0" };
                json[object][field] = json!(format!("{flipped}{}", &text[1..]));
            });
            let error = open(&fixture.path, &passphrase("right")).unwrap_err();
            assert!(matches!(error, KeystoreError::Damaged(_)), "{field}: {error}");
        }
    }

    #[test]
    fn changed_public_fields_with_a_correct_checksum_are_rejected() {
        let bob = account::show(&KeyPair::from_dev_name("bob").unwrap().account());
        type Change = Box<dyn Fn(&mut Value)>;
        let changes: [Change; 3] = [
            Box::new(move |json| json["account"] = json!(bob)),
            Box::new(|json| json["kdf"]["passes"] = json!(1)),
            Box::new(|json| json["kdf"]["memory_kib"] = json!(64)),
        ];
        for change in changes {
            let fixture = fixture();
            fixture.tamper(true, change);
            let error = open(&fixture.path, &passphrase("right")).unwrap_err();
            assert!(matches!(error, KeystoreError::WrongPassphrase(_)), "{error}");
        }
    }

    #[test]
    fn files_that_are_not_keystores_are_rejected_with_the_reason() {
        type Change = fn(&mut Value);
        let mut changes: Vec<(&str, bool, Change)> = vec![
            ("version is 2", false, |json| json["version"] = json!(2)),
            ("unknown field", false, |json| json["seed"] = json!("07")),
            ("missing field", false, |json| {
                json.as_object_mut().unwrap().remove("cipher");
            }),
            ("unknown variant", false, |json| json["kdf"]["algorithm"] = json!("md5")),
        ];
        changes.push(("more than any keystore", true, |json| json["kdf"]["memory_kib"] = json!(u32::MAX)));
        for (problem, repair, change) in changes {
            let fixture = fixture();
            fixture.tamper(repair, change);
            let error = open(&fixture.path, &passphrase("right")).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("gateway.key"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_rejected() {
        let fixture = fixture();
        fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&fixture.path, &passphrase("right")).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
