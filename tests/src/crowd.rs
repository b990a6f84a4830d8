//! Many connections to a node, held open by those who have nothing to say.

use anyhow::{Context, Result};
use rustix::process::{getrlimit, setrlimit, Resource};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread,
    time::Duration,
};

/// How long between two looks at the connections.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the answer to a handshake may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that are opened again as soon as the node has closed them; all of them end when this is dropped.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    keeper: Option<thread::JoinHandle<()>>,
}

impl Crowd {
    /// Opens so many connections to each of some ports of this machine. Of those to one port, every second one begins with
    /// noise; the others say nothing.
    pub fn open(ports: &[(u16, usize)]) -> Result<Self> {
        allow_many_files()?;
        let ports: Vec<u16> = ports.iter().flat_map(|(port, count)| vec![*port; *count]).collect();
        let mut streams = Vec::new();
        for (at, port) in ports.iter().enumerate() {
            streams.push(Some(connect(*port, at % 2 == 1).with_context(|| format!("connection {at}"))?));
        }
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(streams.len())));
        let (stopped, count) = (stop.clone(), opened.clone());
        let keeper = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                for (at, (stream, port)) in streams.iter_mut().zip(&ports).enumerate() {
                    if !stream.as_mut().is_some_and(is_open) {
                        *stream = connect(*port, at % 2 == 1).ok();
                        count.fetch_add(usize::from(stream.is_some()), Ordering::SeqCst);
                    }
                }
                thread::sleep(PAUSE);
            }
        });
        Ok(Self { stop, opened, keeper: Some(keeper) })
    }

    /// How many connections were opened so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(keeper) = self.keeper.take() {
            // It can have failed only by a panic, which was printed.
            let _ = keeper.join();
        }
    }
}

/// Opens WebSockets; gives those that the node took, and how many it sent away.
pub fn web_sockets(port: u16, count: usize) -> Result<(Vec<TcpStream>, usize)> {
    allow_many_files()?;
    let (mut taken, mut refused) = (Vec::new(), 0);
    for _ in 0..count {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).context("the answer to a WebSocket's handshake")?;
        if status.ends_with(b"101") {
            taken.push(stream);
        } else {
            refused += 1;
        }
    }
    Ok((taken, refused))
}

fn connect(port: u16, noisy: bool) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    if noisy {
        stream.write_all(&rand::random::<[u8; 32]>())?;
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Whether the other side has not closed it; what it says is thrown away.
fn is_open(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1024]) {
        Ok(length) => length > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Lets this process open as many files as the system allows it.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")
}
