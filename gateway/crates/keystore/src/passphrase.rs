//! Passphrases: from a file that only its owner reads, or from a terminal; never from the command line.

use crate::files::{create_private, read_private, FileError};
use rand::RngCore as _;
use std::{fmt, io, path::Path};
use zeroize::Zeroizing;

/// What a keystore is encrypted under; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// It would be empty.
    #[error("the passphrase is empty: a keystore needs one")]
    Empty,
    /// The two that were typed differ.
    #[error("the two passphrases differ: run the command again")]
    Differ,
    /// Its file is no text.
    #[error("{0} holds no text: a passphrase file has one line of UTF-8")]
    NotText(String),
    /// Its file could not be read or written.
    #[error("passphrase file: {0}")]
    File(#[from] FileError),
    /// The terminal could not be read.
    #[error("asking for a passphrase on the terminal: {0}")]
    Terminal(io::Error),
}

impl Passphrase {
    /// Any text but the empty one.
    pub fn new(text: &str) -> Result<Self, PassphraseError> {
        if text.is_empty() {
            return Err(PassphraseError::Empty);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Fresh: 128 bits from the system's generator in hexadecimal digits.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0u8; 16]);
        rand::rngs::OsRng.fill_bytes(bytes.as_mut());
        Self(Zeroizing::new(hex::encode(bytes.as_ref())))
    }

    /// The first line of a file that nobody but its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let bytes = read_private(path)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText(path.display().to_string()))?;
        Self::new(text.lines().next().unwrap_or_default())
    }

    /// Writes it to a new file with mode 0600.
    pub fn write_to(&self, path: &Path) -> Result<(), PassphraseError> {
        let line = Zeroizing::new(format!("{}\n", self.0.as_str()));
        Ok(create_private(path, line.as_bytes())?)
    }

    /// Asks on the terminal, without showing what is typed.
    pub fn ask(prompt: &str) -> Result<Self, PassphraseError> {
        let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Terminal)?;
        Self::new(&Zeroizing::new(typed))
    }

    /// Asks twice, for a passphrase that is new.
    pub fn ask_new(prompt: &str) -> Result<Self, PassphraseError> {
        let first = Self::ask(prompt)?;
        if first != Self::ask("Once more: ")? {
            return Err(PassphraseError::Differ);
        }
        Ok(first)
    }

    /// The bytes, for the key derivation.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_through_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        let passphrase = Passphrase::random();
        passphrase.write_to(&path).unwrap();
        assert_eq!(Passphrase::from_file(&path).unwrap(), passphrase);
        assert_ne!(Passphrase::random(), passphrase);
        assert!(passphrase.write_to(&path).is_err(), "an existing file is never overwritten");
    }

    #[test]
    fn refuses_the_empty_and_what_is_no_text() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes, problem) in
            [("empty", &b"\nsecond line"[..], "empty"), ("binary", &[0xff, 0xfe], "no text")]
        {
            let path = dir.path().join(name);
            create_private(&path, bytes).unwrap();
            let error = Passphrase::from_file(&path).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert!(!format!("{:?}", Passphrase::new("hunter2").unwrap()).contains("hunter2"));
    }
}
