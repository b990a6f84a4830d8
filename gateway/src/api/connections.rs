//! Serving over TCP, where anyone may connect before the token is checked. The number of connections is limited, and so is
//! the time that a connection may take to send a request's header. Without these limits, open connections would use up the
//! file descriptors that the log needs to write.

use axum::{serve::Listener, Router};
use futures::task::AtomicWaker;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// The most bytes of a request's header.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Serves requests until `shutdown` is cancelled, then gives open ones the time `grace` to finish. A connection that takes
/// longer than `header_timeout` to send a request's header is closed.
pub(super) async fn serve(
    mut listener: LimitedListener,
    router: Router,
    header_timeout: Duration,
    grace: Duration,
    shutdown: &CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(MAX_HEADER_BYTES);
    let open = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection to the API over TCP failed");
            }
        });
    }
    if tokio::time::timeout(grace, open.shutdown()).await.is_err() {
        tracing::warn!("API requests over TCP were still open at shutdown and were dropped");
    }
}

/// The most connections over TCP. One more closes the one that has been silent for the longest time, so that idle
/// connections do not keep others out.
pub(super) const MAX_CONNECTIONS: usize = 128;

/// A listener that keeps at most a given number of connections open.
pub(super) struct LimitedListener {
    listener: TcpListener,
    limit: usize,
    connections: Vec<Arc<Connection>>,
    /// Counts accepted connections and transfers, to order connections by their last one.
    clock: Arc<AtomicU64>,
}

/// An open connection as the listener sees it.
struct Connection {
    last_transfer: AtomicU64,
    is_evicted: AtomicBool,
    waker: AtomicWaker,
}

/// A stream that fails once the listener has evicted its connection.
pub(super) struct LimitedStream {
    stream: TcpStream,
    connection: Arc<Connection>,
    clock: Arc<AtomicU64>,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener, limit: usize) -> Self {
        Self { listener, limit, connections: Vec::new(), clock: Arc::default() }
    }

    /// Evicts silent connections until there is room for one more.
    fn make_room(&mut self) {
        // The stream of an open connection holds the other reference.
        self.connections.retain(|connection| Arc::strong_count(connection) > 1);
        while self.connections.len() >= self.limit {
            let last_transfer = |at: &usize| {
                self.connections.get(*at).map(|connection| connection.last_transfer.load(Ordering::Relaxed))
            };
            let Some(at) = (0..self.connections.len()).min_by_key(last_transfer) else { return };
            self.connections.swap_remove(at).evict();
        }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.make_room();
        let connection = Arc::new(Connection {
            last_transfer: AtomicU64::new(next(&self.clock)),
            is_evicted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        self.connections.push(connection.clone());
        (LimitedStream { stream, connection, clock: self.clock.clone() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl LimitedStream {
    /// Polls the stream. Returns an error if the connection was evicted, and wakes the task when that happens.
    fn poll_stream<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        // Register before the check, so that an eviction in between still wakes the task.
        self.connection.waker.register(context.waker());
        if self.connection.is_evicted.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = poll(Pin::new(&mut self.stream), context);
        if polled.is_ready() {
            self.connection.last_transfer.store(next(&self.clock), Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_stream(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_stream(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_stream(context, |stream, context| stream.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn next(clock: &AtomicU64) -> u64 {
    clock.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Connects, and returns both ends of the connection.
    async fn connect(listener: &mut LimitedListener) -> (TcpStream, LimitedStream) {
        let address = listener.local_addr().unwrap();
        let (client, (stream, _)) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), stream)
    }

    #[tokio::test]
    async fn one_more_connection_closes_the_one_that_was_silent_for_the_longest_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut listener = LimitedListener::new(listener, 2);
        let (mut first, mut first_stream) = connect(&mut listener).await;
        let (_second, mut second_stream) = connect(&mut listener).await;
        first.write_all(b"x").await.unwrap();
        assert_eq!(first_stream.read_u8().await.unwrap(), b'x');

        let (mut buffer, mut unread) = ([0], [0]);
        let mut waiting = std::pin::pin!(second_stream.read(&mut unread));
        assert!(futures::poll!(&mut waiting).is_pending());
        let (_third, third_stream) = connect(&mut listener).await;
        assert_eq!(waiting.await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        first.write_all(b"y").await.unwrap();
        assert_eq!(first_stream.read(&mut buffer).await.unwrap(), 1, "the first connection is open");

        // A closed connection makes room without an eviction.
        drop(third_stream);
        let _fourth = connect(&mut listener).await;
        first.write_all(b"z").await.unwrap();
        assert_eq!(first_stream.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(listener.connections.len(), 2);
    }

    #[tokio::test]
    async fn a_connection_that_sends_no_whole_header_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", axum::routing::get(|| async { "served" }));
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let (header_timeout, grace) = (Duration::from_millis(200), Duration::from_secs(5));
        let serving = tokio::spawn(async move {
            serve(LimitedListener::new(listener, 9), router, header_timeout, grace, &stop).await;
        });
        // One that says nothing, and one that never finishes its header.
        for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
            assert!(closed.is_ok(), "{sent:?} keeps the connection open");
            assert!(!String::from_utf8_lossy(&answer).contains("served"));
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("served"), "{answer}");
        shutdown.cancel();
        serving.await.unwrap();
    }
}
