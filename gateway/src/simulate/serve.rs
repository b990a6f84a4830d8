//! Serves the simulated adapter on a pseudo-terminal or a TCP port.

use super::{elm327::Elm327, vehicle::Vehicle};
use std::{
    io,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};
use tokio_serial::{SerialPort, SerialStream};

/// A vehicle that is driving. Several ports may serve it, and all show the same odometer.
#[derive(Clone, Debug)]
pub struct Drive {
    vehicle: Vehicle,
    since: Instant,
}

impl Drive {
    /// Starts driving.
    pub fn begin(vehicle: Vehicle) -> Self {
        Self { vehicle, since: Instant::now() }
    }

    /// Returns the odometer, in tenths of a kilometre.
    pub fn odometer_tenths(&self) -> u32 {
        self.vehicle.odometer_tenths(self.since.elapsed())
    }

    /// Serves one client until the stream ends.
    async fn serve_client(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
        let mut adapter = Elm327::new(self.vehicle.clone());
        let mut chunk = [0u8; 256];
        loop {
            let read = stream.read(&mut chunk).await?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            let answer = adapter.receive(bytes, self.since.elapsed());
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// A serial port of the simulated adapter: a pseudo-terminal and a symbolic link to it. Dropping it removes both.
#[derive(Debug)]
pub struct SerialEnd {
    link: PathBuf,
    device: String,
    master: SerialStream,
    /// Held open so that the terminal stays alive between clients, as a plugged-in adapter does.
    _slave: SerialStream,
}

impl SerialEnd {
    /// Creates the terminal and the symbolic link `link` to it. Replaces a link that a killed simulator left behind.
    ///
    /// # Errors
    ///
    /// Fails if `link` exists and is not a link to a pseudo-terminal.
    pub fn open(link: &Path) -> io::Result<Self> {
        let (master, slave) = SerialStream::pair()?;
        let device = slave.name().ok_or_else(|| io::Error::other("the pseudo-terminal has no name"))?;
        if std::fs::read_link(link).is_ok_and(|target| target.starts_with("/dev/pts")) {
            std::fs::remove_file(link)?;
        }
        symlink(&device, link)?;
        Ok(Self { link: link.to_owned(), device, master, _slave: slave })
    }

    /// Returns the path of the terminal, such as `/dev/pts/3`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Serves the clients that open the port, one after the other. Returns only on an error.
    pub async fn serve(&mut self, drive: &Drive) -> io::Result<()> {
        drive.serve_client(&mut self.master).await
    }
}

impl Drop for SerialEnd {
    fn drop(&mut self) {
        // Another simulator may have replaced the link meanwhile.
        if std::fs::read_link(&self.link).is_ok_and(|target| target == Path::new(&self.device)) {
            let _ = std::fs::remove_file(&self.link);
        }
    }
}

/// A TCP port of the simulated adapter, like the port of a Wi-Fi adapter.
#[derive(Debug)]
pub struct TcpEnd {
    listener: TcpListener,
}

impl TcpEnd {
    /// Listens on `address`.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Returns the address that the port listens on.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves one client after the other, each with a newly reset adapter. Returns only on an error.
    pub async fn serve(&mut self, drive: &Drive) -> io::Result<()> {
        loop {
            let (mut stream, client) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            let end = drive.serve_client(&mut stream).await;
            tracing::debug!(%client, ?end, "client disconnected");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_link_is_replaced_and_removed_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("vehicle");
        symlink("/dev/pts/99999", &link).unwrap();
        let end = SerialEnd::open(&link).unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(end.device()));
        drop(end);
        assert!(std::fs::symlink_metadata(&link).is_err());
    }

    #[tokio::test]
    async fn an_existing_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        assert_eq!(SerialEnd::open(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    }

    #[tokio::test]
    async fn dropping_a_port_keeps_the_link_of_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("vehicle");
        let first = SerialEnd::open(&link).unwrap();
        let second = SerialEnd::open(&link).unwrap();
        drop(first);
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(second.device()));
    }
}
