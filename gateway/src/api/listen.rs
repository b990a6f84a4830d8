//! The listeners of the API: a Unix socket that only its owner may open, and a TCP address that requires a token.

use axum::{
    extract::{Request, State},
    http::{header, HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use rand::RngCore as _;
use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use streembit_keystore::files::{create_private, folder_of, read_private, FileError};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use zeroize::Zeroizing;

use super::problem::Problem;

/// An error that keeps the API from listening.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens on the socket.
    #[error("a gateway already listens on {}: stop it, or set another [api] socket for this one", .0.display())]
    InUse(PathBuf),
    /// A file that is not a socket has this path.
    #[error("{} exists and is not a socket: move it away, or set another [api] socket", .0.display())]
    NotASocket(PathBuf),
    /// Other users could replace the socket with their own.
    #[error(
        "other users may write to {} (mode {mode:o}) and could replace the gateway's socket: run `chmod go-w {}`",
        .path.display(),
        .path.display()
    )]
    WritableFolder {
        /// The folder of the socket.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The socket could not be created.
    #[error("cannot listen on {}: {source}", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The TCP address could not be bound.
    #[error("cannot listen on {address}: {source}; set another [api] tcp address, or remove the key")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The token file could not be read or created.
    #[error("cannot read or create the token of the API: {0}")]
    Token(#[from] FileError),
    /// The token file does not contain a token.
    #[error("{} does not contain a token: remove the file, and the gateway creates a new one", .0.display())]
    NotAToken(PathBuf),
}

/// The file of a bound Unix socket, which is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The file may already be gone, for example with its folder.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens on a Unix socket that only its owner may open. Replaces the socket that a killed gateway left behind.
pub async fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source| ListenError::Socket { path: path.to_owned(), source };
    let parent = folder_of(path);
    ensure_not_writable_by_others(parent)?;
    ensure_replaceable(path).await?;
    // Bind in a private folder and move the socket into place, so that it is never open to other users.
    let private = tempfile::Builder::new()
        .prefix(".api-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(failed)?;
    let unnamed = private.path().join("s");
    let listener = UnixListener::bind(&unnamed).map_err(failed)?;
    fs::set_permissions(&unnamed, Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&unnamed, path).map_err(failed)?;
    Ok((listener, SocketFile(path.to_owned())))
}

fn ensure_not_writable_by_others(path: &Path) -> Result<(), ListenError> {
    let metadata =
        fs::metadata(path).map_err(|source| ListenError::Socket { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o7777;
    // In a folder with the sticky bit, such as /tmp, only the owner can replace a file.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(ListenError::WritableFolder { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Returns an error if something other than a dead socket has this path.
async fn ensure_replaceable(path: &Path) -> Result<(), ListenError> {
    use std::os::unix::fs::FileTypeExt as _;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenError::Socket { path: path.to_owned(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()))
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(source) => Err(ListenError::Socket { path: path.to_owned(), source }),
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
    }
}

/// Listens on a TCP address.
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

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

    #[tokio::test]
    async fn only_the_owner_may_open_the_socket_and_only_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.sock");
        let (listener, file) = bind_unix(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(bind_unix(&path).await, Err(ListenError::InUse(_))));
        // As after kill -9: the file remains, but no process listens.
        std::mem::forget(file);
        drop(listener);
        let (_listener, file) = bind_unix(&path).await.unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        fs::write(&path, "not a socket").unwrap();
        assert!(matches!(bind_unix(&path).await, Err(ListenError::NotASocket(_))));
    }

    #[tokio::test]
    async fn a_folder_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = bind_unix(&dir.path().join("s")).await.unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        let error = bind_unix(Path::new("/nonexistent/s")).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

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
