//! The tokens that authenticate callers over TCP, and what each of them allows.
//!
//! - `file.rs`: the file with their hashes, which `streembit token` changes.
//! - `scope.rs`: what a token allows, and what a route needs.
//! - `access.rs`: the checks of a request.

mod access;
mod file;
mod scope;

pub(super) use access::{authenticate, needing, Access, TokenStore};
pub use file::{TokenEntry, Tokens, TokensError, MAX_TOKENS};
pub use scope::{Need, ParseScopeError, TokenScope};

use rand::RngCore as _;
use zeroize::Zeroizing;

/// The first characters of a token, by which people and scanners recognize one.
const PREFIX: &str = "streembit-";

/// A new token. It is shown once and kept nowhere.
pub struct TokenSecret(Zeroizing<String>);

impl TokenSecret {
    /// Makes a token of 32 random bytes.
    fn random() -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        rand::rngs::OsRng.fill_bytes(bytes.as_mut());
        let digits = Zeroizing::new(hex::encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{PREFIX}{}", digits.as_str())))
    }

    /// The token, as callers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}
