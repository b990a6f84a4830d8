//! Finds the nodes of this chain in the local network over IPv6. The mDNS of Substrate's network works only over IPv4.
//!
//! Every node sends an announcement to a multicast group on each of its links, and takes the announced addresses of the
//! others as hints. An announcement proves nothing: the connection to an address proves the peer id.

use super::interfaces::{ipv6_interfaces, Ipv6Interface};
use codec::{Decode, DecodeAll as _, Encode};
use rustix::net::{
    bind, socket,
    sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
    AddressFamily, SocketType,
};
use sc_network::{multiaddr::Protocol, service::traits::NetworkService, Multiaddr, PeerId};
use std::{
    collections::BTreeSet,
    io,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};
use streembit_runtime::Hash;
use tokio::{net::UdpSocket, time::interval};

/// The multicast group: all nodes on one link.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x5354, 0x524d);

/// The UDP port of the group.
const PORT: u16 = 30335;

/// The version of the format.
const VERSION: [u8; 4] = *b"SLD1";

/// The time between two announcements.
const INTERVAL: Duration = Duration::from_secs(10);

/// The longest announcement, in bytes.
const MAX_BYTES: usize = 512;

/// The most addresses in an announcement.
const MAX_ADDRESSES: usize = 8;

/// The most addresses that are taken between two announcements, so that a flood costs nothing.
const MAX_HINTS: usize = 64;

/// The place of a node in the local network.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct Announcement {
    version: [u8; 4],
    genesis: [u8; 32],
    peer: Vec<u8>,
    addresses: Vec<([u8; 16], u16)>,
}

impl Announcement {
    /// Decodes an announcement, or returns `None` if it is none of this chain.
    fn decode_of_chain(bytes: &[u8], genesis: &Hash) -> Option<(PeerId, Vec<Multiaddr>)> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        let announcement = Self::decode_all(&mut &*bytes).ok()?;
        let is_ours = announcement.version == VERSION && announcement.genesis == genesis.0;
        if !is_ours || announcement.addresses.len() > MAX_ADDRESSES {
            return None;
        }
        let peer = PeerId::from_bytes(&announcement.peer).ok()?;
        let addresses = announcement
            .addresses
            .into_iter()
            .map(|(ip, port)| Multiaddr::empty().with(Protocol::Ip6(ip.into())).with(Protocol::Tcp(port)));
        Some((peer, addresses.collect()))
    }
}

/// Announces this node and takes the announcements of others.
pub struct LocalDiscovery {
    pub genesis: Hash,
    pub peer: PeerId,
    /// The addresses that the node listens on.
    pub listen: Vec<Multiaddr>,
    pub network: Arc<dyn NetworkService>,
}

impl LocalDiscovery {
    /// Runs for as long as the node runs, if it listens on IPv6.
    pub async fn run(self) {
        if listen_sockets(&self.listen).is_empty() {
            tracing::info!(
                "other nodes in the local network are found over IPv4 only: to be found over IPv6, listen on it, as with \
                 --listen-addr /ip6/::/tcp/30333"
            );
            return;
        }
        match open_socket() {
            Ok(socket) => self.exchange(&socket).await,
            Err(error) => tracing::warn!("nodes in the local network are not found over IPv6: {error}"),
        }
    }

    async fn exchange(&self, socket: &UdpSocket) {
        let mut joined = BTreeSet::new();
        let mut hints = 0;
        let mut rounds = interval(INTERVAL);
        let mut buffer = [0; MAX_BYTES + 1];
        loop {
            tokio::select! {
                _ = rounds.tick() => {
                    hints = 0;
                    self.announce(socket, &mut joined).await;
                }
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((length, _)) => self.take(buffer.get(..length).unwrap_or_default(), &mut hints),
                    Err(error) => {
                        tracing::debug!("receiving announcements: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    }

    /// Sends the announcement on every link. Joins the group on links that are new.
    async fn announce(&self, socket: &UdpSocket, joined: &mut BTreeSet<u32>) {
        let interfaces = ipv6_interfaces();
        let announcement = Announcement {
            version: VERSION,
            genesis: self.genesis.0,
            peer: self.peer.to_bytes(),
            addresses: announced_addresses(&self.listen, &interfaces),
        };
        let bytes = announcement.encode();
        let links: BTreeSet<u32> = interfaces.iter().map(|interface| interface.index).collect();
        joined.retain(|link| links.contains(link));
        for link in links {
            if !joined.contains(&link) && socket.join_multicast_v6(&GROUP, link).is_ok() {
                joined.insert(link);
            }
            let group = SocketAddrV6::new(GROUP, PORT, 0, link);
            if let Err(error) = socket.send_to(&bytes, SocketAddr::V6(group)).await {
                tracing::debug!("announcing this node on link {link}: {error}");
            }
        }
    }

    fn take(&self, bytes: &[u8], hints: &mut usize) {
        let Some((peer, addresses)) = Announcement::decode_of_chain(bytes, &self.genesis) else { return };
        if peer == self.peer {
            return;
        }
        for address in addresses {
            if *hints >= MAX_HINTS {
                return;
            }
            *hints = hints.saturating_add(1);
            self.network.add_known_address(peer, address);
        }
    }
}

/// Returns the IPv6 addresses and TCP ports that the node listens on.
fn listen_sockets(listen: &[Multiaddr]) -> Vec<(Ipv6Addr, u16)> {
    let socket = |address: &Multiaddr| {
        let mut parts = address.iter();
        match (parts.next()?, parts.next()?, parts.next()) {
            (Protocol::Ip6(ip), Protocol::Tcp(port), None | Some(Protocol::P2p(_))) => Some((ip, port)),
            _ => None,
        }
    };
    listen.iter().filter_map(socket).filter(|(ip, _)| !ip.is_loopback()).collect()
}

/// Returns the addresses at which others in the local network reach this node. Link-local addresses are left out, because
/// a multiaddress cannot name the link.
fn announced_addresses(listen: &[Multiaddr], interfaces: &[Ipv6Interface]) -> Vec<([u8; 16], u16)> {
    let mut addresses = Vec::new();
    for (ip, port) in listen_sockets(listen) {
        let reached = interfaces.iter().filter(|interface| !interface.is_link_local());
        let reached = reached.filter(|interface| ip.is_unspecified() || ip == interface.address);
        addresses.extend(reached.map(|interface| (interface.address.octets(), port)));
    }
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Opens a socket on the port of the group. Several nodes of one machine share it.
fn open_socket() -> io::Result<UdpSocket> {
    let socket = socket(AddressFamily::INET6, SocketType::DGRAM, None)?;
    set_ipv6_v6only(&socket, true)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)))?;
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(listen: &[&str]) -> Vec<String> {
        let listen: Vec<Multiaddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
        let interfaces = ["fe80::7", "2001:db8::7", "fd00::7"]
            .map(|text| Ipv6Interface { address: text.parse().unwrap(), index: 2 });
        let found = announced_addresses(&listen, &interfaces);
        found.into_iter().map(|(ip, port)| format!("{} {port}", Ipv6Addr::from(ip))).collect()
    }

    fn announcement() -> Announcement {
        let addresses = vec![("fd00::7".parse::<Ipv6Addr>().unwrap().octets(), 30333)];
        Announcement { version: VERSION, genesis: [1; 32], peer: PeerId::random().to_bytes(), addresses }
    }

    #[test]
    fn only_addresses_that_others_can_dial_are_announced() {
        assert_eq!(addresses(&["/ip6/::/tcp/30333"]), ["2001:db8::7 30333", "fd00::7 30333"]);
        assert_eq!(addresses(&["/ip6/fd00::7/tcp/1"]), ["fd00::7 1"]);
        for silent in ["/ip4/0.0.0.0/tcp/1", "/ip6/::1/tcp/1", "/ip6/::/tcp/1/ws", "/ip6/fe80::7/tcp/1"] {
            assert!(addresses(&[silent]).is_empty(), "{silent}");
        }
    }

    #[test]
    fn announcements_of_other_chains_and_invalid_ones_are_ignored() {
        let genesis = Hash::repeat_byte(1);
        let taken =
            |announcement: &Announcement| Announcement::decode_of_chain(&announcement.encode(), &genesis);
        let (peer, found) = taken(&announcement()).unwrap();
        assert_ne!(peer, PeerId::random());
        assert_eq!(found[0].to_string(), "/ip6/fd00::7/tcp/30333");
        let valid = announcement();
        for invalid in [
            Announcement { genesis: [2; 32], ..valid.clone() },
            Announcement { version: *b"SLD2", ..valid.clone() },
            Announcement { peer: vec![1, 2, 3], ..valid.clone() },
            Announcement { addresses: vec![([0; 16], 1); MAX_ADDRESSES + 1], ..valid.clone() },
        ] {
            assert!(taken(&invalid).is_none(), "{invalid:?}");
        }
        let trailing = [valid.encode(), vec![0]].concat();
        assert!(Announcement::decode_of_chain(&trailing, &genesis).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Announcement::decode_of_chain(&bytes, &Hash::repeat_byte(1));
        }
    }
}
