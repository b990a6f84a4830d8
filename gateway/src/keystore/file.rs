//! The encrypted file of one key: JSON, so that a person can see what it is and whose, and nothing more.
//!
//! The seed is encrypted with XChaCha20-Poly1305 under a key that Argon2id makes of the passphrase. Everything else in
//! the file is authenticated with it. A checksum over the whole tells a damaged file from a wrong passphrase; it is
//! made of public bytes only.

use super::{KeyPair, KeySeed, Passphrase};
use crate::{
    account,
    files::{create_private, read_private, replace_private, FileError},
};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    aead::{Aead as _, Payload},
    KeyInit as _, XChaCha20Poly1305, XNonce,
};
use codec::Encode;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use streembit_primitives::AccountId;
use zeroize::Zeroizing;

/// The version of the format.
const VERSION: u32 = 1;

/// The BLAKE3 `derive_key` context of the checksum; part of the format.
const CHECKSUM_CONTEXT: &str = "streembit v1 keystore checksum";

/// What new files are made with: 19 MiB and two passes, the least that OWASP recommends for Argon2id. On a Raspberry
/// Pi 4 that is about a tenth of a second and memory that the smallest model has to spare.
const NEW_KDF: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The most that a file may ask for, so that a forged one cannot exhaust the machine: 256 MiB, 16 passes, 4 lanes.
const MAX_KDF: (u32, u32, u32) = (256 * 1024, 16, 4);

/// Why a keystore cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file could not be read or written.
    #[error("keystore: {0}")]
    File(#[from] FileError),
    /// The file is something else.
    #[error("{} is not a keystore: {problem}; make one with `streembit key new --out FILE`", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was changed or damaged.
    #[error("{} is damaged: its checksum does not match; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// The passphrase is another.
    #[error("the passphrase is not that of {}: check --passphrase-file, or type it again", .0.display())]
    WrongPassphrase(PathBuf),
    /// The key derivation failed.
    #[error("deriving a key from the passphrase: {0}")]
    Derivation(argon2::Error),
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keystore {
    version: u32,
    /// SS58; in clear, so that a keystore can be recognised.
    #[serde(with = "account::ss58")]
    account: AccountId,
    kdf: Kdf,
    cipher: Cipher,
    /// Hexadecimal, over everything above.
    checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    algorithm: KdfAlgorithm,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Bytes<16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KdfAlgorithm {
    Argon2id,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    algorithm: CipherAlgorithm,
    nonce: Bytes<24>,
    /// The 32 bytes of the seed and the 16 of the authentication tag.
    text: Bytes<48>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CipherAlgorithm {
    XChaCha20Poly1305,
}

/// Bytes that show as hexadecimal digits.
#[derive(Clone, Copy, Encode)]
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = [0; N];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut bytes)
            .map_err(|_| serde::de::Error::custom(format!("expected {} hexadecimal digits", 2 * N)))?;
        Ok(Self(bytes))
    }
}

/// Writes a seed to a new keystore with mode 0600. A file that exists is never overwritten.
pub fn create(path: &Path, seed: &KeySeed, passphrase: &Passphrase) -> Result<KeyPair, KeystoreError> {
    create_private(path, &seal(path, seed, passphrase)?)?;
    Ok(seed.key_pair())
}

/// Opens a keystore.
pub fn open(path: &Path, passphrase: &Passphrase) -> Result<KeyPair, KeystoreError> {
    Ok(unseal(path, passphrase)?.key_pair())
}

/// Whose keystore it is; needs no passphrase.
pub fn account_of(path: &Path) -> Result<AccountId, KeystoreError> {
    Ok(read(path)?.account)
}

/// Encrypts the same seed anew under another passphrase: the identity stays.
pub fn change_passphrase(path: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), KeystoreError> {
    let seed = unseal(path, old)?;
    Ok(replace_private(path, &seal(path, &seed, new)?)?)
}

fn seal(path: &Path, seed: &KeySeed, passphrase: &Passphrase) -> Result<Vec<u8>, KeystoreError> {
    let (memory_kib, passes, lanes) = NEW_KDF;
    let (mut salt, mut nonce) = (Bytes([0; 16]), Bytes([0; 24]));
    rand::rngs::OsRng.fill_bytes(&mut salt.0);
    rand::rngs::OsRng.fill_bytes(&mut nonce.0);
    let kdf = Kdf { algorithm: KdfAlgorithm::Argon2id, memory_kib, passes, lanes, salt };
    let account = seed.key_pair().account();
    let payload = Payload { msg: seed.0.as_ref(), aad: &associated(&account, &kdf) };
    let text = cipher(passphrase, &kdf)?
        .encrypt(&XNonce::from(nonce.0), payload)
        .ok()
        .and_then(|text| text.try_into().ok().map(Bytes))
        .ok_or_else(|| format_error(path, "the seed could not be encrypted"))?;
    let cipher = Cipher { algorithm: CipherAlgorithm::XChaCha20Poly1305, nonce, text };
    let mut keystore = Keystore { version: VERSION, account, kdf, cipher, checksum: String::new() };
    keystore.checksum = keystore.expected_checksum();
    let mut json = serde_json::to_vec_pretty(&keystore).map_err(|error| format_error(path, error))?;
    json.push(b'\n');
    Ok(json)
}

fn unseal(path: &Path, passphrase: &Passphrase) -> Result<KeySeed, KeystoreError> {
    let keystore = read(path)?;
    let aad = associated(&keystore.account, &keystore.kdf);
    let payload = Payload { msg: &keystore.cipher.text.0, aad: &aad };
    let plain = cipher(passphrase, &keystore.kdf)?
        .decrypt(&XNonce::from(keystore.cipher.nonce.0), payload)
        .map(Zeroizing::new)
        .map_err(|_| KeystoreError::WrongPassphrase(path.to_owned()))?;
    let mut seed = KeySeed::from([0; 32]);
    // 48 bytes of ciphertext decrypt to 32, always.
    seed.0.copy_from_slice(plain.get(..32).ok_or_else(|| KeystoreError::Damaged(path.to_owned()))?);
    if seed.key_pair().account() != keystore.account {
        return Err(KeystoreError::Damaged(path.to_owned()));
    }
    Ok(seed)
}

/// Reads the file and checks everything that needs no passphrase.
fn read(path: &Path) -> Result<Keystore, KeystoreError> {
    let bytes = read_private(path)?;
    let keystore: Keystore = serde_json::from_slice(&bytes).map_err(|error| format_error(path, error))?;
    if keystore.version != VERSION {
        let problem =
            format!("its version is {}, and this program knows version {VERSION}", keystore.version);
        return Err(format_error(path, problem));
    }
    if keystore.checksum != keystore.expected_checksum() {
        return Err(KeystoreError::Damaged(path.to_owned()));
    }
    let Kdf { memory_kib, passes, lanes, .. } = keystore.kdf;
    if memory_kib > MAX_KDF.0 || passes > MAX_KDF.1 || lanes > MAX_KDF.2 {
        let problem = format!(
            "it asks for {memory_kib} KiB, {passes} passes and {lanes} lanes, more than any that is made here"
        );
        return Err(format_error(path, problem));
    }
    Ok(keystore)
}

impl Keystore {
    fn expected_checksum(&self) -> String {
        let public = (associated(&self.account, &self.kdf), self.cipher.nonce, self.cipher.text);
        hex::encode(public.using_encoded(|bytes| blake3::derive_key(CHECKSUM_CONTEXT, bytes)))
    }
}

/// What is authenticated beside the seed.
fn associated(account: &AccountId, kdf: &Kdf) -> Vec<u8> {
    (VERSION, account, kdf.memory_kib, kdf.passes, kdf.lanes, kdf.salt).encode()
}

fn cipher(passphrase: &Passphrase, kdf: &Kdf) -> Result<XChaCha20Poly1305, KeystoreError> {
    let params =
        Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32)).map_err(KeystoreError::Derivation)?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &kdf.salt.0, key.as_mut())
        .map_err(KeystoreError::Derivation)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

fn format_error(path: &Path, problem: impl ToString) -> KeystoreError {
    KeystoreError::Format { path: path.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
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

        /// Changes the file behind the keystore's back; `repair` makes the checksum right again, as a forger would.
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
    fn opens_with_its_passphrase_and_no_other() {
        let fixture = fixture();
        assert_eq!(open(&fixture.path, &passphrase("right")).unwrap().account(), fixture.keys.account());
        assert_eq!(account_of(&fixture.path).unwrap(), fixture.keys.account());
        let error = open(&fixture.path, &passphrase("wrong")).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongPassphrase(_)), "{error}");
    }

    #[test]
    fn is_never_overwritten() {
        let fixture = fixture();
        let before = fs::read(&fixture.path).unwrap();
        let error = create(&fixture.path, &KeySeed::random(), &passphrase("right")).unwrap_err();
        assert!(error.to_string().contains("never overwritten"), "{error}");
        assert_eq!(fs::read(&fixture.path).unwrap(), before);
    }

    #[test]
    fn a_new_passphrase_keeps_the_identity_and_ends_the_old_one() {
        let fixture = fixture();
        let (old, new) = (passphrase("right"), passphrase("new"));
        let before = fixture.json();
        change_passphrase(&fixture.path, &old, &new).unwrap();
        let opened = open(&fixture.path, &new).unwrap();
        assert_eq!(opened.account(), fixture.keys.account());
        assert_eq!(opened.transport_seed(), fixture.keys.transport_seed());
        assert!(matches!(open(&fixture.path, &old), Err(KeystoreError::WrongPassphrase(_))));
        // Fresh salt and nonce: nothing of the old encryption is used again.
        let after = fixture.json();
        assert_ne!(before["kdf"]["salt"], after["kdf"]["salt"]);
        assert_ne!(before["cipher"]["nonce"], after["cipher"]["nonce"]);
        let error = change_passphrase(&fixture.path, &old, &new).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongPassphrase(_)));
        assert_eq!(fs::metadata(&fixture.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// The key of the first Streembit's keystore followed from a stored hash of the password. Here no field of the file,
    /// nor its hash, is the key or the seed.
    #[test]
    fn nothing_in_the_file_is_or_opens_the_seed() {
        let fixture = fixture();
        let text = fs::read_to_string(&fixture.path).unwrap();
        assert!(!text.contains(&hex::encode([7u8; 32])));
        assert!(!text.contains(&hex::encode(*fixture.keys.transport_seed())));
        assert!(!text.contains("right"));
        let keystore: Keystore = serde_json::from_str(&text).unwrap();
        let aad = associated(&keystore.account, &keystore.kdf);
        let checksum: [u8; 32] = hex::decode(&keystore.checksum).unwrap().try_into().unwrap();
        let account = keystore.account.0;
        let digest = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        for key in [checksum, account, digest(&checksum), digest(&keystore.kdf.salt.0), digest(b"right")] {
            let payload = Payload { msg: &keystore.cipher.text.0, aad: &aad };
            let cipher = XChaCha20Poly1305::new(&key.into());
            assert!(cipher.decrypt(&XNonce::from(keystore.cipher.nonce.0), payload).is_err());
        }
    }

    /// The first Streembit encrypted without salt, nonce or authentication: equal seeds showed.
    #[test]
    fn equal_seeds_under_equal_passphrases_do_not_show() {
        let (one, two) = (fixture().json(), fixture().json());
        assert_eq!(one["account"], two["account"]);
        for (object, field) in [("kdf", "salt"), ("cipher", "nonce"), ("cipher", "text")] {
            assert_ne!(one[object][field], two[object][field]);
        }
    }

    #[test]
    fn damage_is_told_from_a_wrong_passphrase() {
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
    fn a_forger_who_repairs_the_checksum_gains_nothing() {
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
    fn what_is_no_keystore_is_refused_with_its_fault() {
        type Change = fn(&mut Value);
        let mut changes: Vec<(&str, bool, Change)> = vec![
            ("version is 2", false, |json| json["version"] = json!(2)),
            ("unknown field", false, |json| json["seed"] = json!("07")),
            ("missing field", false, |json| {
                json.as_object_mut().unwrap().remove("cipher");
            }),
            ("unknown variant", false, |json| json["kdf"]["algorithm"] = json!("md5")),
        ];
        changes.push(("more than any", true, |json| json["kdf"]["memory_kib"] = json!(u32::MAX)));
        for (problem, repair, change) in changes {
            let fixture = fixture();
            fixture.tamper(repair, change);
            let error = open(&fixture.path, &passphrase("right")).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("gateway.key"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let fixture = fixture();
        fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&fixture.path, &passphrase("right")).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
