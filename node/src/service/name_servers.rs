//! Whether this machine has a name server.
//!
//! The network backend litep2p does not start without one, as in a local network without a router. Without a name server
//! the node uses the backend libp2p, which starts. [`super::known_addresses`] resolves names as soon as it is possible.

use std::{fs, net::IpAddr};

/// The file that lists the name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Returns true if this machine has a name server.
pub fn is_configured() -> bool {
    fs::read(RESOLV_CONF).is_ok_and(|text| has_name_server(&String::from_utf8_lossy(&text)))
}

fn has_name_server(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next()).flatten();
        // The address of a link has the name of the interface after it.
        let address = address.and_then(|address| address.split('%').next());
        address.is_some_and(|address| address.parse::<IpAddr>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_valid_name_server_has_none() {
        for text in
            ["", "# nameserver 10.0.0.1\n", "search lan\noptions edns0\n", "nameserver\n", "nameserver x\n"]
        {
            assert!(!has_name_server(text), "{text:?}");
        }
        for text in
            ["nameserver 10.0.0.1\n", "# lan\n  nameserver fe80::1%eth0\n", "search lan\nnameserver ::1"]
        {
            assert!(has_name_server(text), "{text:?}");
        }
    }
}
