//! The address of a node.

use super::ChainError;
use serde::{de::Error as _, Deserialize, Deserializer};
use std::{fmt, str::FromStr};
use url::{Host, Url};

/// The address of a node's RPC, with the scheme `ws` or `wss`.
///
/// A gateway believes what its node says. Whoever is on the path to a node over plain `ws` can answer in its place, so such
/// an address is used only on this machine, or if that was explicitly allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeUrl {
    text: String,
    /// Whether others may be on the path to the node and can answer in its place.
    is_exposed: bool,
    allows_plain: bool,
}

impl NodeUrl {
    /// The address of a node on this machine with the default port.
    pub fn local() -> Self {
        Self { text: "ws://127.0.0.1:9944".into(), is_exposed: false, allows_plain: false }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Allows an unencrypted connection to another machine if `allowed` is true, for networks that nobody else is on.
    #[must_use]
    pub fn with_plain_allowed(self, allowed: bool) -> Self {
        Self { allows_plain: self.allows_plain || allowed, ..self }
    }

    /// Returns an error if the connection would be unencrypted, leads to another machine, and was not allowed.
    pub fn ensure_allowed(&self) -> Result<(), ChainError> {
        if self.is_exposed && !self.allows_plain {
            return Err(ChainError::PlainRemote { node: self.text.clone() });
        }
        Ok(())
    }
}

/// Returns true if an address leads to another machine without encryption.
fn is_exposed(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "ws" && !is_loopback
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
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
        Ok(Self { text: text.to_owned(), is_exposed: is_exposed(&url), allows_plain: false })
    }
}

impl<'de> Deserialize<'de> for NodeUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_of_other_machines_need_permission() {
        let free = [
            "ws://127.0.0.1:9944",
            "ws://127.9.9.9:1",
            "ws://[::1]:9944",
            "ws://[::ffff:127.0.0.1]:9944",
            "ws://localhost:9944",
            "ws://LOCALHOST:9944",
            "wss://node.example:443",
            "wss://192.168.0.7",
        ];
        for text in free {
            text.parse::<NodeUrl>().unwrap().ensure_allowed().unwrap();
        }
        let exposed = [
            "ws://192.168.0.7:9944",
            "ws://10.0.0.1:9944",
            "ws://0.0.0.0:9944",
            "ws://[fe80::1]:9944",
            "ws://node.example:9944",
            "ws://localhost.example:9944",
            "ws://127.0.0.1.example:9944",
        ];
        for text in exposed {
            let url: NodeUrl = text.parse().unwrap();
            let error = url.ensure_allowed().unwrap_err();
            assert!(error.to_string().contains(text) && !error.is_transient(), "{error}");
            assert!(url.clone().with_plain_allowed(false).ensure_allowed().is_err());
            url.with_plain_allowed(true).ensure_allowed().unwrap();
        }
    }
}
