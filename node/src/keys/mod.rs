//! The keys of a validator: `streembit-node keys`, and the keystore of the GRANDPA voter.

mod backup;
mod chain_identity;
mod commands;
mod delegate;
pub mod durable_keystore;
mod error;
pub mod held_keys;
mod identity;
mod key_files;
pub mod synced_keystore;
#[cfg(test)]
mod test_keys;
pub mod validator_keys;
pub mod vote_record;

pub use commands::KeysCmd;

use error::KeysError;
use identity::peer_id;
use key_files::{ensure_network_key, KeyFiles};
use sc_network::config::{NodeKeyConfig, Secret};
use sc_service::{config::KeystoreConfig, Configuration};
use sp_core::crypto::ExposeSecret as _;
use std::{collections::BTreeSet, path::Path};

/// A file in the keystore that does not contain the key that its name promises.
pub struct DamagedKey {
    name: Vec<u8>,
    problem: KeysError,
}

/// Creates the network key of a node if it does not exist, and returns the peer id.
pub fn create_network_key(path: &Path) -> Result<String, KeysError> {
    ensure_network_key(path, false).map(|key| peer_id(&key))
}

/// Creates the network key if it does not exist, and refuses an invalid one. Returns the damaged session keys, which
/// [`ensure_sound`] judges when the chain is known.
pub fn prepare(config: &Configuration) -> sc_cli::Result<Vec<DamagedKey>> {
    let failed = |error: KeysError| sc_cli::Error::Application(Box::new(error));
    if let NodeKeyConfig::Ed25519(Secret::File(file)) = &config.network.node_key {
        // A file that the node made itself can be made again. It is empty if the power failed at the first start.
        let is_own = file.starts_with(&config.data_path);
        ensure_network_key(file, is_own).map_err(failed)?;
    }
    let KeystoreConfig::Path { path, password } = &config.keystore else { return Ok(Vec::new()) };
    let password = password.as_ref().map(|password| password.expose_secret().as_str());
    KeyFiles::without_database(path, Path::new("")).damaged(password).map_err(failed)
}

/// Returns an error if a validator needs one of the damaged keys: `needed` has the names of the keys with which the chain
/// lets validators sign. A damaged key that nobody needs only causes a warning.
pub fn ensure_sound(
    damaged: Vec<DamagedKey>,
    needed: &BTreeSet<Vec<u8>>,
    is_validator: bool,
) -> sc_cli::Result<()> {
    for DamagedKey { name, problem } in damaged {
        if is_validator && needed.contains(&name) {
            return Err(sc_cli::Error::Application(Box::new(problem)));
        }
        tracing::warn!("{problem}. The node does not need this key: move the file away");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys::dave;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    /// Returns the damaged keys of a keystore with a file of Dave's key that is empty.
    fn damaged(keystore: &Path) -> Vec<DamagedKey> {
        let file = keystore.join(dave().session[0].file_name());
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        KeyFiles::without_database(keystore, Path::new("")).damaged(None).unwrap()
    }

    #[test]
    fn a_damaged_key_stops_only_a_validator_that_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let needed = BTreeSet::from([dave().session[0].name.clone()]);
        let error = ensure_sound(damaged(dir.path()), &needed, true).unwrap_err().to_string();
        assert!(error.contains(&dave().session[0].file_name()) && error.contains("empty"), "{error}");
        ensure_sound(damaged(dir.path()), &needed, false).unwrap();
        ensure_sound(damaged(dir.path()), &BTreeSet::new(), true).unwrap();
    }
}
