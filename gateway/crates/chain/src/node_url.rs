//! The address of a node.

use serde::{de::Error as _, Deserialize, Deserializer};
use std::{fmt, str::FromStr};
use url::Url;

/// The address of a node's RPC: `ws://` or `wss://`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeUrl(String);

impl NodeUrl {
    /// A node on this machine with its usual port.
    pub fn local() -> Self {
        Self("ws://127.0.0.1:9944".into())
    }

    /// The address.
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
        let refused =
            |problem: &str| Err(format!("{text:?} {problem}; expected one such as \"ws://127.0.0.1:9944\""));
        let Ok(url) = text.parse::<Url>() else {
            return refused("is no address of a node");
        };
        if !matches!(url.scheme(), "ws" | "wss") {
            return refused("is no WebSocket address");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return refused("names no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a node's address has no user or password in it: remove what stands before the @".into()
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
