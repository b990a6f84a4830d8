//! The simulated adapter at the end of a pseudo-terminal or a TCP port.

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

/// A vehicle that has begun to drive. Several ends may serve it; the odometer is the same at each.
#[derive(Clone, Debug)]
pub struct Drive {
    vehicle: Vehicle,
    since: Instant,
}

impl Drive {
    /// Begins to drive.
    pub fn begin(vehicle: Vehicle) -> Self {
        Self { vehicle, since: Instant::now() }
    }

    /// What the odometer reads now, in tenths of kilometres.
    pub fn odometer_tenths(&self) -> u32 {
        self.vehicle.odometer_tenths(self.since.elapsed())
    }

    /// Talks to one client until the stream ends.
    async fn talk(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
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

/// A serial port of the simulated adapter: a pseudo-terminal with a link to it. Dropped, both are gone.
#[derive(Debug)]
pub struct SerialEnd {
    link: PathBuf,
    device: String,
    master: SerialStream,
    /// Held open, so that the terminal outlives its clients as a plugged-in adapter does.
    _slave: SerialStream,
}

impl SerialEnd {
    /// Makes the terminal, and the link `link` to it. A link left over by one that was killed is replaced; a file that
    /// is no such link is not touched.
    pub fn open(link: &Path) -> io::Result<Self> {
        let (master, slave) = SerialStream::pair()?;
        let device = slave.name().ok_or_else(|| io::Error::other("the pseudo-terminal has no name"))?;
        if std::fs::read_link(link).is_ok_and(|target| target.starts_with("/dev/pts")) {
            std::fs::remove_file(link)?;
        }
        symlink(&device, link)?;
        Ok(Self { link: link.to_owned(), device, master, _slave: slave })
    }

    /// The terminal's own name, such as `/dev/pts/3`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Serves whoever opens the port, one after the other. Ends only by an error.
    pub async fn serve(&mut self, drive: &Drive) -> io::Result<()> {
        drive.talk(&mut self.master).await
    }
}

impl Drop for SerialEnd {
    fn drop(&mut self) {
        // Unless another simulator has taken the name meanwhile.
        if std::fs::read_link(&self.link).is_ok_and(|target| target == Path::new(&self.device)) {
            let _ = std::fs::remove_file(&self.link);
        }
    }
}

/// A TCP port of the simulated adapter, as Wi-Fi adapters have one.
#[derive(Debug)]
pub struct TcpEnd {
    listener: TcpListener,
}

impl TcpEnd {
    /// Listens.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves one client after the other, each with an adapter as new. Ends only by an error.
    pub async fn serve(&mut self, drive: &Drive) -> io::Result<()> {
        loop {
            let (mut stream, client) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            let end = drive.talk(&mut stream).await;
            tracing::debug!(%client, ?end, "client gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_link_is_replaced_when_stale_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("vehicle");
        symlink("/dev/pts/99999", &link).unwrap();
        let end = SerialEnd::open(&link).unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(end.device()));
        drop(end);
        assert!(std::fs::symlink_metadata(&link).is_err());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        assert_eq!(SerialEnd::open(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    }

    #[tokio::test]
    async fn a_later_simulator_keeps_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("vehicle");
        let first = SerialEnd::open(&link).unwrap();
        let second = SerialEnd::open(&link).unwrap();
        drop(first);
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(second.device()));
    }
}
