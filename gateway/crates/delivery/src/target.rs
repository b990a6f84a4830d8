//! The text that says which gateway to subscribe to.

use super::swarm::peer_of;
use libp2p::{Multiaddr, PeerId};
use std::str::FromStr;
use streembit_keystore::account;
use streembit_primitives::AccountId;

/// The gateway to subscribe to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The gateway at this address.
    Address {
        /// The gateway's peer id.
        peer: PeerId,
        /// The gateway's address, which ends with the peer id.
        address: Multiaddr,
    },
    /// The gateway with this account, found on the local network.
    Account(AccountId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return account::parse(text).map(Self::Account).map_err(|error| {
                format!("{error}; expected an account or an address such as /ip4/192.168.0.7/tcp/4001/p2p/12D3Koo…")
            });
        }
        let address =
            text.parse::<Multiaddr>().map_err(|error| format!("{text:?} is not a multiaddress: {error}"))?;
        let peer = peer_of(&address).ok_or_else(|| {
            format!("{text:?} does not end with /p2p/ and the peer id; the gateway's status shows the whole address")
        })?;
        Ok(Self::Address { peer, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_with_its_peer_or_an_account() {
        let peer = PeerId::random();
        let address = format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{peer}");
        assert!(matches!(address.parse(), Ok(Target::Address { peer: found, .. }) if found == peer));
        let account = AccountId([7; 32]);
        assert_eq!(account::show(&account).parse(), Ok(Target::Account(account)));
        for (text, problem) in [
            ("/ip4/127.0.0.1/tcp/1", "peer id"),
            ("/ip4/localhost/tcp/1", "multiaddress"),
            ("192.168.0.7:4001", "/p2p/"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
