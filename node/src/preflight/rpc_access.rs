//! Which RPC methods each listener serves.
//!
//! Substrate serves all methods to callers on the loopback interface. A reverse proxy is such a caller, so it would
//! open the keystore of the node to the network. Here every listener serves only the safe methods, unless the operator
//! asks for more.

use sc_service::config::{RpcEndpoint, RpcMethods};
use std::net::{Ipv4Addr, SocketAddr};

/// The connections that the port for operators accepts.
const ADMIN_CONNECTIONS: u32 = 8;

/// Restricts the listeners to the safe methods, except those for which `unsafe` was given. Adds a listener with all
/// methods on this machine if there is a port for it.
pub fn restrict(endpoints: &mut Vec<RpcEndpoint>, admin_port: Option<u16>) {
    for endpoint in endpoints.iter_mut() {
        if matches!(endpoint.rpc_methods, RpcMethods::Auto) {
            endpoint.rpc_methods = RpcMethods::Safe;
        }
        // If the port is taken, Substrate would use a random one, and clients would connect to another node.
        endpoint.retry_random_port = false;
    }
    let admin = admin_port.zip(endpoints.first()).map(|(port, first)| RpcEndpoint {
        listen_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        rpc_methods: RpcMethods::Unsafe,
        max_connections: ADMIN_CONNECTIONS,
        // No web page may use it.
        cors: Some(Vec::new()),
        is_optional: false,
        ..first.clone()
    });
    endpoints.extend(admin);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use sc_cli::CliConfiguration as _;

    /// Returns the listeners of a node with these arguments: the port, and whether all methods are served.
    fn listeners(arguments: &[&str]) -> Vec<(u16, bool)> {
        let cli = Cli::parse_for_test(arguments);
        let endpoints = cli.run.rpc_addr(9944).unwrap().unwrap_or_default();
        let mut endpoints: Vec<RpcEndpoint> = endpoints.into_iter().map(Into::into).collect();
        restrict(&mut endpoints, cli.rpc_admin_port);
        assert!(endpoints.iter().all(|endpoint| !endpoint.retry_random_port));
        endpoints
            .iter()
            .map(|endpoint| {
                let serves_all = match endpoint.rpc_methods {
                    RpcMethods::Safe => false,
                    RpcMethods::Unsafe => true,
                    RpcMethods::Auto => panic!("{endpoint:?}"),
                };
                (endpoint.listen_addr.port(), serves_all)
            })
            .collect()
    }

    #[test]
    fn every_listener_serves_only_safe_methods_by_default() {
        for arguments in [
            &["--dev"][..],
            &["--dev", "--rpc-methods=auto"],
            &["--dev", "--rpc-methods=safe"],
            &["--chain=local", "--rpc-external"],
        ] {
            assert_eq!(listeners(arguments), [(9944, false), (9944, false)], "{arguments:?}");
        }
        let experimental = ["--dev", "--experimental-rpc-endpoint", "listen-addr=127.0.0.1:7,methods=auto"];
        assert_eq!(listeners(&experimental), [(7, false)]);
    }

    #[test]
    fn unsafe_methods_need_an_explicit_option() {
        assert_eq!(listeners(&["--dev", "--rpc-methods=unsafe"]), [(9944, true), (9944, true)]);
        let admin = ["--dev", "--rpc-admin-port=9945"];
        assert_eq!(listeners(&admin), [(9944, false), (9944, false), (9945, true)]);
    }

    #[test]
    fn the_port_for_operators_listens_on_this_machine_only() {
        let cli = Cli::parse_for_test(&["--chain=local", "--rpc-external", "--rpc-admin-port=9945"]);
        let endpoints = cli.run.rpc_addr(9944).unwrap().unwrap_or_default();
        let mut endpoints: Vec<RpcEndpoint> = endpoints.into_iter().map(Into::into).collect();
        restrict(&mut endpoints, cli.rpc_admin_port);
        let admin = endpoints.last().unwrap();
        assert!(admin.listen_addr.ip().is_loopback());
        assert_eq!(admin.cors.as_deref(), Some(&[][..]));
    }
}
