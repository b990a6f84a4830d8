//! The address of a node.

use serde::{de::Error as _, Deserialize, Deserializer};
use std::{fmt, str::FromStr};
use url::Url;

/// The address of a node's RPC, with the scheme `ws` or `wss`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeUrl(String);

impl NodeUrl {
    /// The address of a node on this machine with the default port.
    pub fn local() -> Self {
        Self("ws://127.0.0.1:9944".into())
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for NodeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = |problem: &str| {
            Err(format!("{text:?} {problem}; expected an address such as \"ws://127.0.0.1:9944\""))
        };
        let Ok(url) = text.parse::<Url>() else {
            return invalid("is not the address of a node");
        };
        if !matches!(url.scheme(), "ws" | "wss") {
            return invalid("is not a WebSocket address");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return invalid("contains no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a node's address must not contain a user or a password; remove everything before the @"
                    .into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for NodeUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
