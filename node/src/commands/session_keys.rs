//! `streembit-node session-keys`: generates the session keys of a validator, and its network key if asked to.

use super::output::write_text;
use crate::keys::{create_network_key, durable_keystore::durable_keystore};
use sc_cli::{Error, Result};
use sc_keystore::LocalKeystore;
use sc_service::config::KeystoreConfig;
use sp_core::{
    bytes::to_hex,
    crypto::key_types::{AURA, GRANDPA},
};
use std::{path::PathBuf, sync::Arc};

/// `streembit-node session-keys`
#[derive(Debug, clap::Parser)]
pub struct SessionKeysCmd {
    /// The keystore of the node; it is created if it does not exist. Start the node with the same option.
    #[arg(long, value_name = "DIR")]
    keystore_path: PathBuf,

    /// Also create the network key in this file if it does not exist, and print the peer id, which a `bootnodes` entry
    /// of the consortium file ends with. Start the node with the same option.
    #[arg(long, value_name = "FILE")]
    node_key_file: Option<PathBuf>,

    /// Print JSON instead of lines for the consortium file.
    #[arg(long)]
    json: bool,
}

impl SessionKeysCmd {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        let peer_id = self.node_key_file.as_deref().map(create_network_key).transpose();
        let peer_id = peer_id.map_err(|error| Error::Application(Box::new(error)))?;
        let keystore = Arc::new(LocalKeystore::open(&self.keystore_path, None)?);
        let config = KeystoreConfig::Path { path: self.keystore_path.clone(), password: None };
        let keystore = durable_keystore(keystore, &config);
        let failed = |error: sp_keystore::Error| Error::Application(Box::new(error));
        let aura = keystore.sr25519_generate_new(AURA, None).map_err(failed)?;
        let grandpa = keystore.ed25519_generate_new(GRANDPA, None).map_err(failed)?;
        let (aura, grandpa) = (to_hex(&aura.0, false), to_hex(&grandpa.0, false));
        let text = if self.json {
            serde_json::json!({ "aura": aura, "grandpa": grandpa, "peer_id": peer_id }).to_string()
        } else {
            let peer_id = peer_id.map_or_else(String::new, |id| format!("\n# peer id {id}"));
            format!("aura = \"{aura}\"\ngrandpa = \"{grandpa}\"{peer_id}")
        };
        write_text(None, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_network_key_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("network.key");
        let first = create_network_key(&file).unwrap();
        assert!(first.starts_with("12D3KooW"), "{first}");
        assert_eq!(create_network_key(&file).unwrap(), first);
        assert_eq!(fs::read(&file).unwrap().len(), 32);
    }
}
