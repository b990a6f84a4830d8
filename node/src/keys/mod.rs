//! The keys of a validator: `streembit-node keys`, and the keystore of the GRANDPA voter.

mod backup;
mod chain_identity;
mod commands;
mod error;
pub mod held_keys;
mod identity;
mod key_files;
pub mod synced_keystore;
#[cfg(test)]
mod test_keys;

pub use commands::KeysCmd;

use error::KeysError;
use key_files::KeyFiles;
use sc_network::config::{NodeKeyConfig, Secret};
use sc_service::{config::KeystoreConfig, Configuration};
use sp_core::crypto::ExposeSecret as _;
use std::path::Path;

/// Refuses invalid keys before the node starts. Substrate would report them later and without the name of the file.
pub fn validate(config: &Configuration) -> sc_cli::Result<()> {
    let KeystoreConfig::Path { path, password } = &config.keystore else { return Ok(()) };
    let network_key = match &config.network.node_key {
        NodeKeyConfig::Ed25519(Secret::File(file)) => file.as_path(),
        NodeKeyConfig::Ed25519(Secret::Input(_) | Secret::New) => Path::new(""),
    };
    let password = password.as_ref().map(|password| password.expose_secret().as_str());
    match KeyFiles::without_database(path, network_key).validate(password) {
        // If a file cannot be read, the node itself reports it.
        Ok(()) | Err(KeysError::File(_)) => Ok(()),
        Err(error) => Err(sc_cli::Error::Application(Box::new(error))),
    }
}
