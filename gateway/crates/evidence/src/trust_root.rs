//! Reads a trust root from its text, from a file with the text, or from a chain's raw specification.

use super::chain_spec::{self, ChainSpecError};
use std::{ffi::OsString, fmt, path::PathBuf};
use streembit_primitives::evidence::{ParseTrustRootError, TrustRoot};

/// Where a trust root comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrustRootSource {
    /// Its text.
    Text(String),
    /// A file with its text, or a chain's raw specification.
    File(PathBuf),
}

/// The trust root cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadTrustRootError {
    /// The text is not a trust root.
    #[error("{0}")]
    Text(ParseTrustRootError),
    /// The file begins like the text of a trust root, but contains none.
    #[error("reading the trust root in {}: {error}", .path.display())]
    TextFile {
        /// The file.
        path: PathBuf,
        /// The problem.
        error: ParseTrustRootError,
    },
    /// The chain specification cannot be used.
    #[error(transparent)]
    ChainSpec(#[from] ChainSpecError),
}

impl From<OsString> for TrustRootSource {
    /// Takes what begins like the text of a trust root, without regard to white space around it, for a text. Everything
    /// else is the path of a file.
    fn from(argument: OsString) -> Self {
        match argument.to_str().map(str::trim) {
            Some(text) if TrustRoot::is_text(text) => Self::Text(text.into()),
            _ => Self::File(argument.into()),
        }
    }
}

impl fmt::Display for TrustRootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("the given text"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl TrustRootSource {
    /// Reads the trust root.
    pub fn read(&self) -> Result<TrustRoot, ReadTrustRootError> {
        let path = match self {
            Self::Text(text) => return text.parse().map_err(ReadTrustRootError::Text),
            Self::File(path) => path,
        };
        let bytes = chain_spec::read_bytes(path)?;
        if !bytes.starts_with(TrustRoot::TEXT_PREFIX.as_bytes()) {
            return Ok(chain_spec::parse(path, bytes)?);
        }
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end().parse().map_err(|error| ReadTrustRootError::TextFile { path: path.clone(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../primitives/vectors");

    fn source(argument: &str) -> TrustRootSource {
        TrustRootSource::from(OsString::from(argument))
    }

    fn read_file(content: &[u8]) -> Result<TrustRoot, ReadTrustRootError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        std::fs::write(&path, content).unwrap();
        TrustRootSource::File(path).read()
    }

    #[test]
    fn a_text_and_a_file_with_it_are_the_same_root() {
        let file = format!("{VECTORS}/trust-root.txt");
        let text = std::fs::read_to_string(&file).unwrap();
        let json = std::fs::read(format!("{VECTORS}/trust-root.json")).unwrap();
        let root: TrustRoot = serde_json::from_slice(&json).unwrap();
        for argument in [file.as_str(), &text, text.trim(), &format!("  {text}")] {
            assert_eq!(source(argument).read().unwrap(), root, "{argument:?}");
        }
        for content in [text.trim().to_owned(), format!("{}\r\n", text.trim())] {
            assert_eq!(read_file(content.as_bytes()).unwrap(), root);
        }
    }

    #[test]
    fn a_damaged_text_is_not_taken_for_a_chain_spec() {
        let text = std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap();
        let damaged = text.trim().replace("np6e", "np6f");
        assert!(matches!(
            source(&damaged).read(),
            Err(ReadTrustRootError::Text(ParseTrustRootError::Checksum))
        ));
        for content in [damaged.as_bytes(), b"streembit-root-", b"streembit-root-1-\xff"] {
            let error = read_file(content).unwrap_err();
            assert!(matches!(error, ReadTrustRootError::TextFile { .. }), "{error}");
        }
        let two = format!("{text}{text}");
        assert!(read_file(two.as_bytes()).unwrap_err().to_string().contains("line breaks"));
    }

    #[test]
    fn everything_else_is_a_file() {
        for name in ["raw.json", "streembit-root-1.txt", "./streembit-root-1-x", ""] {
            assert_eq!(source(name), TrustRootSource::File(name.into()));
        }
        let error = read_file(b"{}").unwrap_err();
        assert!(matches!(error, ReadTrustRootError::ChainSpec(_)), "{error}");
        assert!(source("no/such/file").read().unwrap_err().to_string().contains("no/such/file"));
    }
}
