//! Ends dead connections, and notices that the addresses of this machine have changed.
//!
//! The network sets no time-out on its connections. If this machine or a peer gets another address, a connection stays
//! open on both sides for many minutes, the node counts it as a peer, and no vote arrives. So every TCP connection of this
//! process gets keep-alive probes and a time limit for unacknowledged data.
//!
//! If the node has lost all peers and this machine has other addresses than at the start, the node restarts: then the
//! network searches on all interfaces again.

use super::interfaces::local_addresses;
use crate::{restart::RestartSender, types::Block};
use rustix::{
    fd::{AsFd as _, OwnedFd, RawFd},
    io::Errno,
    net::{ipproto, sockopt, AddressFamily},
    process::{getpid, pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags},
};
use sc_network_sync::SyncingService;
use std::{collections::BTreeSet, fs, io, sync::Arc, time::Duration};

/// The time between two looks at the connections.
const INTERVAL: Duration = Duration::from_secs(5);

/// After this time without traffic the first probe is sent.
const IDLE: Duration = Duration::from_secs(10);
/// The time between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// The number of unanswered probes after which a connection is dead.
const PROBES: u32 = 3;
/// The time, in milliseconds, that sent data may stay unacknowledged.
const UNACKNOWLEDGED_MS: u32 = 25_000;

/// The number of looks, one minute, without peers after which the node restarts if its addresses have changed; and the
/// number of looks with peers after which new addresses count as those that the peers are connected with.
const PATIENCE: u32 = 12;

/// Runs for as long as the node runs.
pub async fn watch(sync: Arc<SyncingService<Block>>, restart: RestartSender) {
    let mut sockets = Sockets::open();
    let mut isolation = Isolation::default();
    loop {
        if let Some(open) = &mut sockets {
            if let Err(error) = open.set_timeouts() {
                tracing::warn!(
                    "dead connections are noticed late, because their time-outs cannot be set: {error}"
                );
                sockets = None;
            }
        }
        let is_isolated = isolation.update(sync.num_connected_peers() > 0, local_addresses());
        if is_isolated {
            let reason = "it has had no peers for a minute, and the addresses of this machine have changed";
            restart.request(reason.into()).await;
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The TCP sockets of this process. The network does not give access to its own.
struct Sockets {
    process: OwnedFd,
    /// The sockets whose time-outs are set, as the kernel names them.
    known: BTreeSet<String>,
}

impl Sockets {
    fn open() -> Option<Self> {
        match pidfd_open(getpid(), PidfdFlags::empty()) {
            Ok(process) => Some(Self { process, known: BTreeSet::new() }),
            Err(error) => {
                tracing::warn!(
                    "dead connections are noticed late, because the sockets cannot be opened: {error}"
                );
                None
            }
        }
    }

    fn set_timeouts(&mut self) -> io::Result<()> {
        let mut known = BTreeSet::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            // A descriptor may have been closed meanwhile.
            let (Some(number), Ok(target)) = (number, fs::read_link(&path)) else { continue };
            let Some(name) = target.to_str().filter(|name| name.starts_with("socket:")) else { continue };
            if !self.known.contains(name) && !self.set_timeout(number)? {
                continue;
            }
            known.insert(name.to_owned());
        }
        self.known = known;
        Ok(())
    }

    /// Sets the time-outs of a socket if it is a TCP socket. Returns false if it was closed meanwhile.
    fn set_timeout(&self, number: RawFd) -> io::Result<bool> {
        let socket = match pidfd_getfd(self.process.as_fd(), number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            // This system does not permit it.
            Err(error @ (Errno::PERM | Errno::NOSYS)) => return Err(error.into()),
            // The socket was closed meanwhile, or there are too many open files at the moment.
            Err(_) => return Ok(false),
        };
        if let Err(error) = set_tcp_timeouts(&socket) {
            tracing::debug!("the time-outs of a socket cannot be set: {error}");
        }
        Ok(true)
    }
}

/// Sets the time-outs of a socket if it is a TCP socket.
fn set_tcp_timeouts(socket: &OwnedFd) -> io::Result<()> {
    let family = sockopt::socket_domain(socket)?;
    let is_ip = family == AddressFamily::INET || family == AddressFamily::INET6;
    if is_ip && sockopt::socket_protocol(socket)? == Some(ipproto::TCP) {
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, IDLE)?;
        sockopt::set_tcp_keepintvl(socket, PROBE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(socket, PROBES)?;
        sockopt::set_tcp_user_timeout(socket, UNACKNOWLEDGED_MS)?;
    }
    Ok(())
}

/// Whether the node has lost its peers after the addresses of this machine changed.
#[derive(Default)]
struct Isolation {
    /// The addresses with which the node had peers.
    connected_with: Option<BTreeSet<String>>,
    /// The number of looks in a row with peers and other addresses. Dead peers stay for up to half a minute.
    looks_with_others: u32,
    looks_without_peers: u32,
}

impl Isolation {
    /// Returns true if the node had peers with other addresses, and has had none for a while.
    fn update(&mut self, has_peers: bool, addresses: BTreeSet<String>) -> bool {
        if has_peers {
            self.looks_without_peers = 0;
            let is_same = self.connected_with.as_ref().is_none_or(|before| *before == addresses);
            self.looks_with_others = if is_same { 0 } else { self.looks_with_others.saturating_add(1) };
            if is_same || self.looks_with_others >= PATIENCE {
                self.connected_with = Some(addresses);
            }
            return false;
        }
        self.looks_without_peers = self.looks_without_peers.saturating_add(1);
        let have_changed = self.connected_with.as_ref().is_some_and(|before| *before != addresses);
        // Without any address a restart does not help.
        have_changed && !addresses.is_empty() && self.looks_without_peers >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    #[test]
    fn every_tcp_connection_gets_time_outs() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let Some(mut sockets) = Sockets::open() else {
            eprintln!("!!! NOT TESTED HERE: this kernel has no pidfd_open");
            return;
        };
        if let Err(error) = sockets.set_timeouts() {
            eprintln!("!!! NOT TESTED HERE: {error}");
            return;
        }
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&connection).unwrap(), UNACKNOWLEDGED_MS);
        assert_eq!(sockopt::tcp_keepidle(&connection).unwrap(), IDLE);
    }

    #[test]
    fn a_dead_connection_is_noticed_within_thirty_seconds() {
        assert!(IDLE + PROBE_INTERVAL * PROBES <= Duration::from_secs(30));
        assert!(Duration::from_millis(UNACKNOWLEDGED_MS.into()) + INTERVAL <= Duration::from_secs(30));
    }

    #[test]
    fn a_node_restarts_only_if_it_lost_its_peers_with_its_address() {
        let set = |text: &str| text.split_whitespace().map(String::from).collect::<BTreeSet<_>>();
        let mut isolation = Isolation::default();
        for _ in 0..99 {
            assert!(!isolation.update(false, set("10.0.0.1")), "it never had peers");
        }
        assert!(!isolation.update(true, set("10.0.0.1")));
        for _ in 0..99 {
            assert!(!isolation.update(false, set("10.0.0.1")), "the address is the same");
            assert!(!isolation.update(false, set("")), "there is no address");
        }
        assert!(!isolation.update(true, set("10.0.0.1")));
        for _ in 1..PATIENCE {
            assert!(!isolation.update(false, set("10.0.0.2")));
        }
        assert!(isolation.update(false, set("10.0.0.2")));

        for _ in 0..PATIENCE {
            assert!(!isolation.update(true, set("10.0.0.3")));
        }
        for _ in 0..99 {
            assert!(!isolation.update(false, set("10.0.0.3")), "it had peers with this address");
        }
    }
}
