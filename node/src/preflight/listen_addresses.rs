//! The addresses that the node-to-node network listens on.
//!
//! The network opens its sockets with port reuse and ignores addresses that it cannot listen on. Two nodes would then
//! share a port without a word, and a node whose address does not exist yet would stay deaf. So the addresses are
//! tried before the network starts. A taken one is an error. An absent one is waited for.

use crate::{notices::Notices, restart::RestartSender};
use rustix::{
    io::Errno,
    net::{
        bind, listen, socket,
        sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
        AddressFamily, SocketType,
    },
};
use sc_cli::{Error, Result};
use sc_network::{multiaddr::Protocol, Multiaddr};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The time between two looks for absent addresses.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Returns the addresses that this machine does not have. Returns an error that names the option if one is taken.
pub fn absent_addresses(addresses: &[Multiaddr], option: &str) -> Result<Vec<SocketAddr>> {
    let mut absent = Vec::new();
    for address in addresses.iter().filter_map(socket_address) {
        match try_listen(address) {
            Ok(()) => {}
            Err(Errno::ADDRNOTAVAIL) => absent.push(address),
            Err(error) => return Err(cannot_listen(address, option, error)),
        }
    }
    Ok(absent)
}

/// Returns an error that names the option if nothing can listen on an address.
pub fn ensure_free(option: &str, address: SocketAddr) -> Result<()> {
    try_listen(address).map_err(|error| cannot_listen(address, option, error))
}

/// Shows the absent addresses, and asks for a restart of the node as soon as one of them is there.
pub async fn wait_for(absent: Vec<SocketAddr>, notices: Notices, restart: RestartSender) {
    let list = absent.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
    let text = format!(
        "not listening on {list}, which this machine does not have; as soon as it has the address, the node listens on it"
    );
    tracing::warn!("{text}");
    notices.set("listen-addr", Some(text));
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        if let Some(address) = absent.iter().find(|address| try_listen(**address).is_ok()) {
            restart.request(format!("this machine now has the address {address}")).await;
            return;
        }
    }
}

/// Returns the IP address and TCP port that a multiaddress begins with.
fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Listens on an address for a moment, without port reuse.
fn try_listen(address: SocketAddr) -> std::result::Result<(), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    // Connections of an earlier process may still be closing.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, 1)
}

fn cannot_listen(address: SocketAddr, option: &str, error: Errno) -> Error {
    Error::Input(format!(
        "cannot listen on {address}: {error}; stop the program that uses it, or choose another one with {option}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn multiaddress(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_taken_port_is_refused_with_the_address_and_the_option() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let listen = [multiaddress(&format!("/ip4/127.0.0.1/tcp/{}", address.port()))];
        for error in [
            ensure_free("--rpc-port", address).unwrap_err().to_string(),
            absent_addresses(&listen, "--rpc-port").unwrap_err().to_string(),
        ] {
            assert!(error.contains(&address.to_string()) && error.contains("--rpc-port"), "{error}");
        }
        drop(taken);
        ensure_free("--rpc-port", address).unwrap();
        assert!(absent_addresses(&listen, "--listen-addr").unwrap().is_empty());
    }

    /// The network opens its sockets with port reuse, which lets a second process listen on the same port.
    #[test]
    fn a_port_is_taken_even_if_its_listener_permits_reuse() {
        let other = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::sockopt::set_socket_reuseport(&other, true).unwrap();
        set_socket_reuseaddr(&other, true).unwrap();
        bind(&other, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&other, 1).unwrap();
        let address: SocketAddr = rustix::net::getsockname(&other).unwrap().try_into().unwrap();
        assert!(ensure_free("--port", address).is_err());
    }

    #[test]
    fn an_address_that_the_machine_does_not_have_is_absent() {
        // The network 192.0.2.0/24 is reserved for documentation.
        let addresses = [multiaddress("/ip4/192.0.2.77/tcp/30333"), multiaddress("/ip4/127.0.0.1/tcp/0")];
        let absent = absent_addresses(&addresses, "--listen-addr").unwrap();
        assert_eq!(absent, ["192.0.2.77:30333".parse().unwrap()]);
    }

    #[test]
    fn websocket_addresses_are_tried_and_names_are_not() {
        let parsed = |text| socket_address(&multiaddress(text)).map(|address| address.to_string());
        assert_eq!(parsed("/ip4/127.0.0.1/tcp/7/ws").as_deref(), Some("127.0.0.1:7"));
        assert_eq!(parsed("/ip6/::1/tcp/7").as_deref(), Some("[::1]:7"));
        assert_eq!(parsed("/dns/north.example/tcp/7"), None);
    }
}
