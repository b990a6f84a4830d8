//! The file of the tokens. It has only their hashes: who reads the file cannot use the API.

use super::{scope::TokenScope, TokenSecret};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{folder_of, read_private, replace_private, FileError};

/// The most tokens of a gateway.
pub const MAX_TOKENS: usize = 64;

/// The most characters of a token's name.
const MAX_NAME: usize = 32;

/// The first lines of the file.
const HEADER: &str = "\
# The tokens of the gateway's API over TCP: their hashes, and what each allows. `streembit token` writes this file, and the
# gateway reads it again when it changes.
";

/// The entry of a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// The name, for its owner.
    pub name: String,
    /// The hash of the token.
    pub hash: TokenHash,
    /// What the token allows.
    pub scopes: Vec<TokenScope>,
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl TokenEntry {
    /// Returns true if the token has ended at `now`, in milliseconds since 1970-01-01 UTC.
    pub fn has_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The BLAKE3 hash of a token. Two are compared in constant time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash(blake3::Hash);

impl TokenHash {
    /// Computes the hash of a presented token. A token is random and long, so a fast hash is enough.
    pub fn of(token: &[u8]) -> Self {
        Self(blake3::derive_key("streembit v1 api token", token).into())
    }
}

impl TryFrom<String> for TokenHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        blake3::Hash::from_hex(&text).map(Self).map_err(|_| "a hash has 64 hexadecimal digits".into())
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hash.0.to_hex().to_string()
    }
}

/// The tokens of a gateway.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The tokens, in the order in which they were made.
    #[serde(default, rename = "token")]
    pub entries: Vec<TokenEntry>,
}

/// The tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file could not be locked.
    #[error("locking {}: {source}", .path.display())]
    Lock {
        /// The folder of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not one of tokens, or of an earlier release, which kept one token in the clear.
    #[error(
        "{} does not list tokens ({problem}): move it away, and make new tokens with `streembit token new`",
        .path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The name is not one of a token.
    #[error("{0:?} is not the name of a token: use 1 to {MAX_NAME} letters, digits, - and _")]
    Name(String),
    /// Another token has the name.
    #[error(
        "there is a token {0:?} already: choose another name, or revoke it with `streembit token revoke {0}`"
    )]
    NameTaken(String),
    /// No token has the name.
    #[error("there is no token {0:?}: `streembit token list` lists the tokens")]
    Unknown(String),
    /// A token without scopes could do nothing.
    #[error("a token without a scope allows nothing: give at least one scope")]
    NoScope,
    /// The token would end at once.
    #[error("the token would have ended already: give an end in the future")]
    EndInPast,
    /// There are as many tokens as allowed.
    #[error("there are {MAX_TOKENS} tokens, which is the maximum: revoke one that is not used")]
    TooMany,
}

impl Tokens {
    /// Reads the tokens. A file that does not exist has none.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let bytes = match read_private(path) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default())
            }
            read => read?,
        };
        let invalid = |problem: String| TokensError::Invalid { path: path.to_owned(), problem };
        let text = std::str::from_utf8(&bytes).map_err(|_| invalid("it is not text".into()))?;
        // The message of the parser quotes no content, which may be a token of an earlier release.
        let tokens: Self = toml::from_str(text).map_err(|error| invalid(error.message().to_owned()))?;
        if tokens.entries.len() > MAX_TOKENS {
            return Err(invalid(format!("more than {MAX_TOKENS} tokens")));
        }
        Ok(tokens)
    }

    /// Makes a token and stores its hash. The token itself is returned and kept nowhere.
    pub fn add(
        path: &Path,
        name: &str,
        scopes: Vec<TokenScope>,
        expires: Option<u64>,
        now: u64,
    ) -> Result<TokenSecret, TokensError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(is_name) {
            return Err(TokensError::Name(name.to_owned()));
        }
        if scopes.is_empty() {
            return Err(TokensError::NoScope);
        }
        if expires.is_some_and(|expires| expires <= now) {
            return Err(TokensError::EndInPast);
        }
        let secret = TokenSecret::random();
        Self::change(path, |tokens| {
            if tokens.entries.iter().any(|entry| entry.name == name) {
                return Err(TokensError::NameTaken(name.to_owned()));
            }
            if tokens.entries.len() >= MAX_TOKENS {
                return Err(TokensError::TooMany);
            }
            let hash = TokenHash::of(secret.as_str().as_bytes());
            tokens.entries.push(TokenEntry { name: name.to_owned(), hash, scopes, created: now, expires });
            Ok(())
        })?;
        Ok(secret)
    }

    /// Removes a token. A running gateway refuses it from then on.
    pub fn revoke(path: &Path, name: &str) -> Result<(), TokensError> {
        Self::change(path, |tokens| {
            let before = tokens.entries.len();
            tokens.entries.retain(|entry| entry.name != name);
            if tokens.entries.len() == before {
                return Err(TokensError::Unknown(name.to_owned()));
            }
            Ok(())
        })
    }

    /// Reads the file, changes it, and writes it. Two processes do so one after the other.
    fn change(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<(), TokensError>,
    ) -> Result<(), TokensError> {
        let folder = folder_of(path);
        let failed = |source| TokensError::Lock { path: folder.to_owned(), source };
        // The file itself is replaced, so its folder is locked. Closing it releases the lock.
        let lock = File::open(folder).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut tokens = Self::load(path)?;
        change(&mut tokens)?;
        let invalid = |error: toml::ser::Error| TokensError::Invalid {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        let text = format!("{HEADER}\n{}", toml::to_string(&tokens).map_err(invalid)?);
        Ok(replace_private(path, text.as_bytes())?)
    }

    /// Returns the entry of a presented token, or `None` if it is unknown or has ended.
    pub fn find(&self, presented: &[u8], now: u64) -> Option<&TokenEntry> {
        let hash = TokenHash::of(presented);
        self.entries.iter().find(|entry| entry.hash == hash && !entry.has_expired(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::MetadataExt as _};

    #[test]
    fn a_token_counts_until_it_ends_or_is_revoked_and_the_file_does_not_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.tokens");
        let first = Tokens::add(&path, "prometheus", vec![TokenScope::Metrics], None, 5).unwrap();
        let scopes = vec![TokenScope::Read, TokenScope::IngestOf("shed".into())];
        let second = Tokens::add(&path, "shed", scopes.clone(), Some(10), 5).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        for secret in [&first, &second] {
            assert!(!text.contains(secret.as_str()) && !text.contains(&secret.as_str()[10..30]), "{text}");
        }
        let tokens = Tokens::load(&path).unwrap();
        let name = |secret: &TokenSecret, now| {
            tokens.find(secret.as_str().as_bytes(), now).map(|entry| entry.name.clone())
        };
        assert_eq!((name(&first, 99), name(&second, 9)), (Some("prometheus".into()), Some("shed".into())));
        assert_eq!(name(&second, 10), None, "the end is exclusive");
        assert_eq!(tokens.entries[1].scopes, scopes);
        let cut = &first.as_str()[..first.as_str().len() - 1];
        assert!(tokens.find(cut.as_bytes(), 5).is_none() && tokens.find(b"", 5).is_none());

        Tokens::revoke(&path, "prometheus").unwrap();
        let left = Tokens::load(&path).unwrap();
        assert!(left.find(first.as_str().as_bytes(), 5).is_none());
        assert!(left.find(second.as_str().as_bytes(), 5).is_some());
    }

    #[test]
    fn invalid_changes_are_refused_and_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.tokens");
        Tokens::add(&path, "a", vec![TokenScope::Read], None, 5).unwrap();
        let before = fs::read(&path).unwrap();
        let add = |name: &str, scopes, expires| Tokens::add(&path, name, scopes, expires, 5).unwrap_err();
        assert!(matches!(add("a", vec![TokenScope::Erase], None), TokensError::NameTaken(_)));
        assert!(matches!(add("b", vec![], None), TokensError::NoScope));
        assert!(matches!(add("b", vec![TokenScope::Read], Some(5)), TokensError::EndInPast));
        for name in ["", "a b", "ä", &"x".repeat(33)] {
            assert!(matches!(add(name, vec![TokenScope::Read], None), TokensError::Name(_)), "{name}");
        }
        assert!(matches!(Tokens::revoke(&path, "b").unwrap_err(), TokensError::Unknown(_)));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.tokens");
        for number in 0..MAX_TOKENS {
            Tokens::add(&path, &format!("t{number}"), vec![TokenScope::Read], None, 5).unwrap();
        }
        let error = Tokens::add(&path, "more", vec![TokenScope::Read], None, 5).unwrap_err();
        assert!(matches!(error, TokensError::TooMany));
    }

    #[test]
    fn a_token_in_the_clear_is_refused_and_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let old = "d435".repeat(16);
        streembit_keystore::files::create_private(&path, old.as_bytes()).unwrap();
        let error = Tokens::load(&path).unwrap_err().to_string();
        assert!(error.contains("streembit token new") && !error.contains(&old), "{error}");
        assert_eq!(Tokens::load(&dir.path().join("none")).unwrap(), Tokens::default());
    }
}
