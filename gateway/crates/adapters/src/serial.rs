//! Byte streams to hardware, either on a serial port or over TCP.

use serde::{Deserialize, Serialize};
use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

const TCP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The place of the hardware: a path such as `/dev/ttyUSB0`, or `tcp://host:port`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// The path of a serial port.
    Serial(PathBuf),
    /// A TCP address, `host:port`.
    Tcp(String),
}

/// The text is not a valid endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseEndpointError {
    /// The text begins with `tcp://` but lacks a host or a port number.
    #[error("{0:?} lacks a host or a port number: expected an address such as \"tcp://192.168.0.10:35000\"")]
    Address(String),
    /// The text is neither an absolute path nor a TCP address.
    #[error(
        "{0:?} is neither a serial port nor a TCP address: expected a path such as \"/dev/ttyUSB0\" or an address \
         such as \"tcp://192.168.0.10:35000\""
    )]
    Other(String),
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let is_valid = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            return if is_valid {
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

/// An open, bidirectional byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// Opens the endpoint and discards input that was waiting in a serial port.
    ///
    /// `baud` is the speed of a serial port. It is ignored for TCP.
    pub async fn open(&self, baud: u32) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Serial(path) => {
                let builder =
                    tokio_serial::new(path.to_string_lossy(), baud).exclusive(!is_pseudo_terminal(path));
                let port = SerialStream::open(&builder)?;
                port.clear(ClearBuffer::All)?;
                Ok(Box::new(Port(port)))
            }
            Self::Tcp(address) => {
                let stream = timeout(TCP_CONNECT_TIMEOUT, TcpStream::connect(address))
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// An open serial port. Closing it discards output that was not sent: the kernel would otherwise wait up to half a
/// minute for a blocked port to take it, and keep this thread from other work.
struct Port(SerialStream);

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.0.clear(ClearBuffer::Output);
    }
}

impl AsyncRead for Port {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Port {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Returns true if the path leads to a pseudo-terminal.
///
/// A serial port is opened exclusively, so that no other program can mix its commands into ours. A pseudo-terminal is
/// not: Linux keeps it exclusive as long as the program at the other end holds it open. If our process crashed, only
/// root could open it again.
fn is_pseudo_terminal(path: &std::path::Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with("/dev/pts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[test]
    fn parses_serial_ports_and_tcp_addresses() {
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
    async fn a_pseudo_terminal_can_be_reopened_while_the_other_end_holds_it() {
        let (master, slave) = SerialStream::pair().unwrap();
        let endpoint: Endpoint = slave.name().unwrap().parse().unwrap();
        for _ in 0..2 {
            drop(endpoint.open(38_400).await.unwrap());
        }
        let mut held = endpoint.open(38_400).await.unwrap();
        drop((master, slave));
        // After the other end is gone, a read must fail or report the end of the stream. It must not hang.
        let read = timeout(Duration::from_secs(5), held.read_u8()).await.unwrap();
        assert!(read.is_err());
    }

    #[tokio::test]
    async fn opening_a_missing_endpoint_fails() {
        assert!("/dev/no-such-port".parse::<Endpoint>().unwrap().open(9_600).await.is_err());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(format!("tcp://{address}").parse::<Endpoint>().unwrap().open(0).await.is_err());
    }
}
