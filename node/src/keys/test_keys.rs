//! Keys for tests.

use super::identity::{NodeKeys, SessionKey};
use sp_core::{
    crypto::key_types::{AURA, GRANDPA},
    ed25519, sr25519, Pair as _,
};

/// Returns the session key for a development phrase such as `//Dave`.
pub fn session_key(key_type: [u8; 4], phrase: &str) -> SessionKey {
    let public = if key_type == GRANDPA.0 {
        ed25519::Pair::from_string(phrase, None).unwrap().public().0
    } else {
        sr25519::Pair::from_string(phrase, None).unwrap().public().0
    };
    SessionKey { name: [key_type.as_slice(), public.as_slice()].concat(), phrase: phrase.into() }
}

/// Returns the keys of Dave, a validator of the preset `four`.
pub fn dave() -> NodeKeys {
    let session = vec![session_key(AURA.0, "//Dave"), session_key(GRANDPA.0, "//Dave")];
    NodeKeys { network: [7; 32], session }
}
