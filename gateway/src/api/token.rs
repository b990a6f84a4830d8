//! The token that authenticates callers over TCP.

use super::{listen::ListenError, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{header, HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use rand::RngCore as _;
use std::{path::Path, sync::Arc};
use streembit_keystore::files::{create_private, read_private};
use zeroize::Zeroizing;

/// The token that callers over TCP present. It is kept as a BLAKE3 hash, which compares in constant time.
#[derive(Clone, Debug)]
pub struct Token(Arc<blake3::Hash>);

impl Token {
    /// Reads the token from its file, or creates the file with a random 32-byte token if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, ListenError> {
        if !path.exists() {
            let mut bytes = Zeroizing::new([0u8; 32]);
            rand::rngs::OsRng.fill_bytes(bytes.as_mut());
            create_private(path, format!("{}\n", hex::encode(bytes.as_ref())).as_bytes())?;
        }
        let text = read_private(path)?;
        let token = text.trim_ascii();
        if token.len() != 64 || !token.iter().all(u8::is_ascii_hexdigit) {
            return Err(ListenError::NotAToken(path.to_owned()));
        }
        Ok(Self(Arc::new(blake3::hash(token))))
    }

    /// Returns true if the headers carry this token.
    fn authenticates(&self, headers: &HeaderMap) -> bool {
        let presented =
            headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        presented.is_some_and(|token| blake3::hash(token) == *self.0)
    }
}

/// Rejects requests that do not carry the token.
pub async fn authenticate(
    State(token): State<Token>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !token.authenticates(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "not authenticated",
            "the request does not carry the gateway's token",
            "send \"Authorization: Bearer TOKEN\" with the token in the gateway's api.token, or use the Unix socket",
        ));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::MetadataExt as _};

    #[test]
    fn the_token_is_created_once_and_only_it_authenticates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let token = Token::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        let again = Token::load_or_create(&path).unwrap();
        let headers = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let right = format!("Bearer {}", text.trim());
        assert!(token.authenticates(&headers(&right)) && again.authenticates(&headers(&right)));
        for wrong in [text.trim(), "Bearer ", "Bearer 00", &right[..right.len() - 1], &format!("{right}0")] {
            assert!(!token.authenticates(&headers(wrong)), "{wrong}");
        }
        assert!(!token.authenticates(&HeaderMap::new()));
        fs::write(&path, "short").unwrap();
        assert!(matches!(Token::load_or_create(&path), Err(ListenError::NotAToken(_))));
    }
}
