//! Where the API listens: a Unix socket whose permissions are the authentication, and a TCP address with a token.

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
use streembit_keystore::files::{create_private, directory, read_private, FileError};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use zeroize::Zeroizing;

use super::problem::Problem;

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process serves the socket.
    #[error("a gateway listens at {} already: stop it, or give this one another [api] socket", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket has its name.
    #[error("{} exists and is no socket: move it away, or set another [api] socket", .0.display())]
    NotASocket(PathBuf),
    /// Others could replace the socket by theirs.
    #[error("others may write to {} (mode {mode:o}), and could replace the gateway's socket: run `chmod go-w {}`", .path.display(), .path.display())]
    OpenDirectory {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The socket could not be made.
    #[error("listening at {}: {source}", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The TCP address could not be taken.
    #[error("listening at {address}: {source}; set another [api] tcp, or remove it")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The token could not be read or made.
    #[error("the API's token: {0}")]
    Token(#[from] FileError),
    /// The token's file holds something else.
    #[error("{} holds no token: remove it, and a new one is made", .0.display())]
    NotAToken(PathBuf),
}

/// A bound Unix socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens at a socket that only the owner may open. What a gateway that was killed left behind is replaced.
pub async fn unix(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source| ListenError::Socket { path: path.to_owned(), source };
    let parent = directory(path);
    check_directory(parent)?;
    make_way(path).await?;
    // Bound in a folder that nobody else can enter and moved into place, so that it never stands open to others.
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

fn check_directory(path: &Path) -> Result<(), ListenError> {
    let metadata =
        fs::metadata(path).map_err(|source| ListenError::Socket { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o7777;
    // In a sticky folder such as /tmp only the owner can replace a file.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(ListenError::OpenDirectory { path: path.to_owned(), mode });
    }
    Ok(())
}

async fn make_way(path: &Path) -> Result<(), ListenError> {
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

/// Listens at a TCP address.
pub async fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

/// What callers over TCP show; kept as a hash, whose comparison takes the same time wherever two differ.
#[derive(Clone, Debug)]
pub struct Token(Arc<blake3::Hash>);

impl Token {
    /// Reads the token's file; makes one with 32 random bytes where there is none.
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

    fn admits(&self, headers: &HeaderMap) -> bool {
        let shown =
            headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| blake3::hash(shown) == *self.0)
    }
}

/// Lets requests with the token pass.
pub async fn authenticate(
    State(token): State<Token>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !token.admits(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "not authenticated",
            "the request does not carry the gateway's token",
            "send \"Authorization: Bearer TOKEN\" with the content of the gateway's api.token, or use the Unix socket",
        ));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_and_replaces_only_a_dead_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.sock");
        let (listener, file) = unix(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(unix(&path).await, Err(ListenError::InUse(_))));
        // As after kill -9: the file stays, nobody listens.
        std::mem::forget(file);
        drop(listener);
        let (_listener, file) = unix(&path).await.unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        fs::write(&path, "a file of somebody's").unwrap();
        assert!(matches!(unix(&path).await, Err(ListenError::NotASocket(_))));
    }

    #[tokio::test]
    async fn a_folder_that_others_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = unix(&dir.path().join("s")).await.unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        let error = unix(Path::new("/nonexistent/s")).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn the_token_is_made_once_and_admits_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let token = Token::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        let again = Token::load_or_create(&path).unwrap();
        let headers = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let right = format!("Bearer {}", text.trim());
        assert!(token.admits(&headers(&right)) && again.admits(&headers(&right)));
        for wrong in [text.trim(), "Bearer ", "Bearer 00", &right[..right.len() - 1], &format!("{right}0")] {
            assert!(!token.admits(&headers(wrong)), "{wrong}");
        }
        assert!(!token.admits(&HeaderMap::new()));
        fs::write(&path, "short").unwrap();
        assert!(matches!(Token::load_or_create(&path), Err(ListenError::NotAToken(_))));
    }
}
