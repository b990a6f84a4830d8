//! The listeners of the API: a Unix socket that only its owner may open, and a TCP address, for which [`super::tokens`]
//! authenticates the callers.

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use streembit_keystore::files::folder_of;
use tokio::net::{TcpListener, UnixListener, UnixStream};

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
}
