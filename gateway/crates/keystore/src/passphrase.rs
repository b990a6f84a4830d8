//! Passphrases. They come from a private file or from a terminal, and never from the command line.

use crate::files::{create_private, read_private, FileError};
use rand::RngCore as _;
use std::{fmt, io, path::Path};
use zeroize::Zeroizing;

/// A passphrase, which is not empty. It is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

/// A passphrase cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The passphrase is empty.
    #[error("the passphrase is empty: choose one with at least one character")]
    Empty,
    /// The two typed passphrases differ.
    #[error("the two passphrases differ: type the same one twice")]
    Differ,
    /// The passphrase file is not text.
    #[error("{0} is not a text file: a passphrase file has one line of UTF-8")]
    NotText(String),
    /// The passphrase file could not be read or written.
    #[error("passphrase file: {0}")]
    File(#[from] FileError),
    /// The terminal could not be read.
    #[error("asking for a passphrase on the terminal: {0}")]
    Terminal(io::Error),
}

impl Passphrase {
    /// Creates a passphrase from a text, or fails if the text is empty.
    pub fn new(text: &str) -> Result<Self, PassphraseError> {
        if text.is_empty() {
            return Err(PassphraseError::Empty);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Creates a random passphrase: 128 bits from the operating system's generator, in hexadecimal digits.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0u8; 16]);
        rand::rngs::OsRng.fill_bytes(bytes.as_mut());
        Self(Zeroizing::new(hex::encode(bytes.as_ref())))
    }

    /// Reads the first line of a file that only its owner may access.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let bytes = read_private(path)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText(path.display().to_string()))?;
        Self::new(text.lines().next().unwrap_or_default())
    }

    /// Writes the passphrase to a new file with mode 0600.
    pub fn write_to(&self, path: &Path) -> Result<(), PassphraseError> {
        let line = Zeroizing::new(format!("{}\n", self.0.as_str()));
        Ok(create_private(path, line.as_bytes())?)
    }

    /// Asks for a passphrase on the terminal, without echo.
    pub fn ask(prompt: &str) -> Result<Self, PassphraseError> {
        let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Terminal)?;
        Self::new(&Zeroizing::new(typed))
    }

    /// Asks for a new passphrase twice, and fails if the two differ.
    pub fn ask_new(prompt: &str) -> Result<Self, PassphraseError> {
        let first = Self::ask(prompt)?;
        if first != Self::ask("Repeat the passphrase: ")? {
            return Err(PassphraseError::Differ);
        }
        Ok(first)
    }

    /// Returns the bytes for the key derivation.
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
    fn a_passphrase_is_written_to_a_private_file_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        let passphrase = Passphrase::random();
        passphrase.write_to(&path).unwrap();
        assert_eq!(Passphrase::from_file(&path).unwrap(), passphrase);
        assert_ne!(Passphrase::random(), passphrase);
        assert!(passphrase.write_to(&path).is_err(), "an existing file is never overwritten");
    }

    #[test]
    fn files_that_are_empty_or_not_text_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes, problem) in
            [("empty", &b"\nsecond line"[..], "empty"), ("binary", &[0xff, 0xfe], "not a text file")]
        {
            let path = dir.path().join(name);
            create_private(&path, bytes).unwrap();
            let error = Passphrase::from_file(&path).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert!(!format!("{:?}", Passphrase::new("hunter2").unwrap()).contains("hunter2"));
    }
}
