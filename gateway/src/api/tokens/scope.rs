//! What a token of the API allows.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most characters of the name or id of a device in a scope.
const MAX_DEVICE: usize = 66;

/// A right that a token gives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenScope {
    /// Reads the status, the devices, the log, events and proofs.
    Read,
    /// Reads the metrics, and nothing else.
    Metrics,
    /// Adds readings and events of every device.
    Ingest,
    /// Adds readings and events of one device, which is given by its name or its id.
    IngestOf(String),
    /// Pauses devices, and lets the gateway read its configuration again.
    Operate,
    /// Erases bodies of events for good.
    Erase,
}

/// What a route needs of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// [`TokenScope::Read`].
    Read,
    /// [`TokenScope::Metrics`].
    Metrics,
    /// [`TokenScope::Ingest`] or [`TokenScope::IngestOf`]. The route itself checks the device.
    Ingest,
    /// [`TokenScope::Operate`].
    Operate,
    /// [`TokenScope::Erase`].
    Erase,
    /// Any token.
    Any,
}

impl TokenScope {
    /// Returns true if a token with this scope may use a route with this need.
    pub fn allows(&self, need: Need) -> bool {
        match need {
            Need::Read => *self == Self::Read,
            Need::Metrics => *self == Self::Metrics,
            Need::Ingest => matches!(self, Self::Ingest | Self::IngestOf(_)),
            Need::Operate => *self == Self::Operate,
            Need::Erase => *self == Self::Erase,
            Need::Any => true,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Metrics => "metrics",
            Self::Ingest => "ingest",
            Self::Operate => "operate",
            Self::Erase => "erase",
            Self::Any => "any scope",
        })
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Metrics => f.write_str("metrics"),
            Self::Ingest => f.write_str("ingest"),
            Self::IngestOf(device) => write!(f, "ingest:{device}"),
            Self::Operate => f.write_str("operate"),
            Self::Erase => f.write_str("erase"),
        }
    }
}

/// A text is not a scope.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a scope: use read, metrics, ingest, ingest:DEVICE, operate or erase")]
pub struct ParseScopeError(String);

impl FromStr for TokenScope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        if let Some(device) = text.strip_prefix("ingest:") {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            let is_valid = (1..=MAX_DEVICE).contains(&device.len()) && device.bytes().all(is_name);
            return if is_valid {
                Ok(Self::IngestOf(device.to_owned()))
            } else {
                Err(ParseScopeError(text.to_owned()))
            };
        }
        [Self::Read, Self::Metrics, Self::Ingest, Self::Operate, Self::Erase]
            .into_iter()
            .find(|scope| scope.to_string() == text)
            .ok_or_else(|| ParseScopeError(text.to_owned()))
    }
}

impl TryFrom<String> for TokenScope {
    type Error = ParseScopeError;

    fn try_from(text: String) -> Result<Self, ParseScopeError> {
        text.parse()
    }
}

impl From<TokenScope> for String {
    fn from(scope: TokenScope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [Need; 5] = [Need::Read, Need::Metrics, Need::Ingest, Need::Operate, Need::Erase];

    #[test]
    fn each_scope_allows_only_its_own_need() {
        for (text, allowed) in [
            ("read", Need::Read),
            ("metrics", Need::Metrics),
            ("ingest", Need::Ingest),
            ("ingest:shed", Need::Ingest),
            ("operate", Need::Operate),
            ("erase", Need::Erase),
        ] {
            let scope: TokenScope = text.parse().unwrap();
            assert_eq!(scope.to_string(), text);
            for need in NEEDS {
                assert_eq!(scope.allows(need), need == allowed, "{text}: {need}");
            }
            assert!(scope.allows(Need::Any));
        }
    }

    #[test]
    fn other_texts_are_no_scopes() {
        let long = format!("ingest:{}", "x".repeat(MAX_DEVICE + 1));
        for text in ["", "all", "Read", "ingest:", "ingest:a b", "ingest:a\n", "erase:shed", &long] {
            let error = text.parse::<TokenScope>().unwrap_err().to_string();
            assert!(error.contains("ingest:DEVICE"), "{error}");
        }
    }
}
