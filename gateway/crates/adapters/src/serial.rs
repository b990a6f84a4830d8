//! Byte streams to attached hardware: a serial port, or TCP where the hardware sits behind a network.

use serde::{Deserialize, Serialize};
use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

const TCP_CONNECT: Duration = Duration::from_secs(5);

/// Where the hardware is: `/dev/ttyUSB0`, or `tcp://host:port`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// A serial port, by its path.
    Serial(PathBuf),
    /// A TCP address, `host:port`.
    Tcp(String),
}

/// A text that names no endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseEndpointError {
    /// It begins with `tcp://`.
    #[error("port {0:?} has no host and port: expected an address such as \"tcp://192.168.0.10:35000\"")]
    Address(String),
    /// It is something else.
    #[error(
        "port {0:?} is neither a file nor an address: expected a serial port such as \"/dev/ttyUSB0\" or an address \
         such as \"tcp://192.168.0.10:35000\""
    )]
    Other(String),
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let sound = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            return if sound {
                Ok(Self::Tcp(address.to_owned()))
            } else {
                Err(ParseEndpointError::Address(text.to_owned()))
            };
        }
        if text.starts_with('/') {
            return Ok(Self::Serial(text.into()));
        }
        Err(ParseEndpointError::Other(text.to_owned()))
    }
}

impl TryFrom<String> for Endpoint {
    type Error = ParseEndpointError;

    fn try_from(text: String) -> Result<Self, ParseEndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// An open stream of bytes, both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// Opens the endpoint, with input that was waiting in a serial port discarded. `baud` is that of a serial port.
    pub async fn open(&self, baud: u32) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Serial(path) => {
                let builder =
                    tokio_serial::new(path.to_string_lossy(), baud).exclusive(!is_pseudo_terminal(path));
                let port = SerialStream::open(&builder)?;
                port.clear(ClearBuffer::All)?;
                Ok(Box::new(port))
            }
            Self::Tcp(address) => {
                let stream = timeout(TCP_CONNECT, TcpStream::connect(address))
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// A port is opened exclusively, so that no other program mixes its commands into ours. Not so a pseudo-terminal:
/// Linux keeps its exclusivity while the program at the other end holds it open, so that after a crash of ours
/// nobody but root could open it again.
fn is_pseudo_terminal(path: &std::path::Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with("/dev/pts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[test]
    fn endpoints_are_told_apart() {
        for text in ["/dev/ttyUSB0", "tcp://127.0.0.1:35000", "tcp://[::1]:35000"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "ttyUSB0",
            "tcp://",
            "tcp://host",
            "tcp://:1",
            "tcp://host:0",
            "tcp://host:99999",
            "udp://h:1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_pseudo_terminal_opens_again_while_its_maker_holds_it() {
        let (master, slave) = SerialStream::pair().unwrap();
        let endpoint: Endpoint = slave.name().unwrap().parse().unwrap();
        for _ in 0..2 {
            drop(endpoint.open(38_400).await.unwrap());
        }
        let mut held = endpoint.open(38_400).await.unwrap();
        drop((master, slave));
        // The other end is gone: an error or the end, never a hang.
        let read = timeout(Duration::from_secs(5), held.read_u8()).await.unwrap();
        assert!(read.is_err());
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_error() {
        assert!("/dev/no-such-port".parse::<Endpoint>().unwrap().open(9_600).await.is_err());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(format!("tcp://{address}").parse::<Endpoint>().unwrap().open(0).await.is_err());
    }
}
